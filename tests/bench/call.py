#!/usr/bin/python3
"""One call from service to service through the router, against bare sockets.

A call crosses four unix sockets (asker, router, callee and back), the bare
exchange of as many bytes two; both with one in flight, in interleaved rounds.
What a wake-up costs depends on where the kernel puts the processes, so it is
measured twice: all on one core, and wherever they go. Prints medians and the
ratios of the p50, whose goal is at most 2.5, and writes them as JSON.
usage: call.py [--rounds N] [--ms MS] [--json FILE]
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("MSVC_BUILD", "build")
PORT = 18084
GOAL = 2.5


def msvc(conf, command):
    subprocess.run([BUILD / "bin/msvc", "-c", conf, command], check=True, capture_output=True)


def measure_raw(ms):
    out = subprocess.run([BUILD / "bench/call", "raw", str(ms)], check=True, capture_output=True)
    return json.loads(out.stdout)


def measure_call(ms):
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/measure/{ms}") as answer:
        return json.load(answer)


def run_rounds(args):
    """The median of each figure, for a bare exchange and for a call."""
    runs = {"raw": [], "call": []}
    with tempfile.TemporaryDirectory(prefix="msvc-bench-") as temp:
        conf = pathlib.Path(temp) / "msvc.ini"
        conf.write_text(
            f"[msvc]\nrun_dir = {temp}/run\nlog_dir = {temp}/log\n"
            f"[router]\nlisten = 127.0.0.1:{PORT}\naccess_log = off\nworkers = 1\n"
            f"[service answer]\ncommand = {BUILD}/bench/call answer\n"
            f"[service ask]\ncommand = {BUILD}/bench/call ask\nroute = /\ntimeout = 60s\n")
        msvc(conf, "start")
        try:
            measure_call(args.ms)  # warm
            for _ in range(args.rounds):
                runs["raw"].append(measure_raw(args.ms))
                runs["call"].append(measure_call(args.ms))
        finally:
            msvc(conf, "stop")
    return {
        name: {field: statistics.median(run[field] for run in of) for field in of[0]}
        for name, of in runs.items()
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--ms", type=int, default=300)
    parser.add_argument("--json", default=str(BUILD / "bench/call.json"))
    args = parser.parse_args()
    cores = os.sched_getaffinity(0)
    results = {}
    for where, mask in (("one core", {min(cores)}), ("free", cores)):
        os.sched_setaffinity(0, mask)  # all that is started inherits it
        result = results[where] = run_rounds(args)
        result["ratio"] = result["call"]["p50_us"] / result["raw"]["p50_us"]
        for name in ("raw", "call"):
            row = result[name]
            print(f"{where:<10}{name:<6}{row['per_second']:>10.0f}/s  p50 {row['p50_us']:>6.1f} us"
                  f"  p99 {row['p99_us']:>6.1f} us")
        print(f"{where:<10}call / raw p50: {result['ratio']:.2f} (goal: at most {GOAL})")
    path = pathlib.Path(args.json)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
