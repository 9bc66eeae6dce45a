#!/usr/bin/python3
"""HTTP entry point to one service and back, against nginx and HAProxy.

Each system answers the same 60-byte JSON from a process behind a unix socket
with keep-alive; wrk drives them at 1, 4, 16, 64 and 256 connections in
interleaved rounds. "floor" is a bare loop that answers the same bytes with
nothing behind it: the machine's own limit. Prints medians and the ratios to
the best peer and to the floor, and writes them as JSON. usage: entry.py [--rounds N] [--seconds S] [--json FILE]
[--connections LIST] [--only NAME,...]
"""

import argparse
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("MSVC_BUILD", "build")
HOST = "127.0.0.1"
PORTS = {"msvc": 18080, "nginx": 18081, "haproxy": 18082, "floor": 18083}
BODY = '{"message":"hello","from":"one small service behind a door"}'
assert len(BODY) == 60

NGINX_COMMON = """
worker_processes {workers};
error_log {dir}/error.log crit;
pid {dir}/{name}.pid;
events {{ worker_connections 2048; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  {server}
}}
"""
BACKEND = """
  server {{
    listen unix:{dir}/backend.sock;
    location / {{ default_type application/json; return 200 '{body}'; }}
  }}
"""
FRONT = """
  upstream backend {{ server unix:{dir}/backend.sock; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen {host}:{port};
    location / {{
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
    }}
  }}
"""
HAPROXY = """
global
  maxconn 4096
  nbthread {workers}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend f
  bind {host}:{port}
  default_backend b
backend b
  server s unix@{dir}/backend.sock
"""


class Server:
    """A child process that is ended by its own pid."""

    def __init__(self, *argv):
        self.child = subprocess.Popen(
            argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        self.child.wait(10)


def start_nginx(directory, name, server, workers):
    path = directory / f"{name}.conf"
    path.write_text(NGINX_COMMON.format(dir=directory, name=name, server=server, workers=workers))
    return Server("nginx", "-p", str(directory), "-c", str(path), "-g", "daemon off;")


def start_msvc(directory, workers):
    conf = directory / "msvc.ini"
    conf.write_text(
        f"[msvc]\nrun_dir = {directory}/run\nlog_dir = {directory}/log\n"
        f"[router]\nlisten = {HOST}:{PORTS['msvc']}\naccess_log = off\nworkers = {workers}\n"
        f"[service echo]\ncommand = {BUILD}/samples/echo\nroute = /\n")
    return Server(BUILD / "bin/msvc", "-c", conf, "run")


def wait_up(port, deadline=20):
    end = time.monotonic() + deadline
    while True:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/hello", timeout=2) as answer:
                body = answer.read()
                assert len(body) == 60, body
                return
        except (OSError, AssertionError):
            if time.monotonic() > end:
                raise
            threading.Event().wait(0.05)


def to_us(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}[unit]


def measure(port, connections, seconds):
    threads = min(2, connections)
    out = subprocess.run(
        ["wrk", "-t", str(threads), "-c", str(connections), "-d", f"{seconds}s", "--latency",
         f"http://{HOST}:{port}/hello"],
        capture_output=True, text=True, check=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)", out)
    if bad:
        raise SystemExit(f"entry.py: errors during the run: {bad.group(0)}")
    return {
        "rps": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
        "p50_us": to_us(re.search(r"^\s+50%\s+(\S+)", out, re.M).group(1)),
        "p99_us": to_us(re.search(r"^\s+99%\s+(\S+)", out, re.M).group(1)),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--json", default=str(BUILD / "bench/entry.json"))
    parser.add_argument("--connections", default="1,4,16,64,256")
    parser.add_argument("--only", default="msvc,nginx,haproxy,floor")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    names = args.only.split(",")
    counts = [int(c) for c in args.connections.split(",")]
    servers = []
    with tempfile.TemporaryDirectory(prefix="msvc-bench-") as temp:
        directory = pathlib.Path(temp)
        directory.chmod(0o755)  # nginx's workers are another user's
        try:
            servers.append(start_msvc(directory, args.workers))
            if len(names) > 1 or names != ["msvc"]:
                servers.append(start_nginx(
                    directory, "backend", BACKEND.format(dir=directory, body=BODY), 1))
                servers.append(start_nginx(
                    directory, "front",
                    FRONT.format(dir=directory, host=HOST, port=PORTS["nginx"]), args.workers))
                path = directory / "haproxy.cfg"
                path.write_text(HAPROXY.format(
                    dir=directory, host=HOST, port=PORTS["haproxy"], workers=args.workers))
                servers.append(Server("haproxy", "-db", "-f", path))
            if "floor" in names:
                servers.append(Server(BUILD / "bench/floor", HOST, str(PORTS["floor"])))
            for name in names:
                wait_up(PORTS[name])
            results = run_rounds(names, counts, args)
        finally:
            for server in servers:
                server.stop()
    report(names, counts, results, args)


def run_rounds(names, counts, args):
    samples = {(n, c): [] for n in names for c in counts}
    for _ in range(args.rounds):
        for count in counts:
            for name in names:
                samples[name, count].append(measure(PORTS[name], count, args.seconds))
    return {
        key: {field: statistics.median(s[field] for s in runs) for field in runs[0]}
        for key, runs in samples.items()
    }


def report(names, counts, results, args):
    peers = [n for n in names if n in ("nginx", "haproxy")]
    rows = []
    print(f"requests/s (p50 us, p99 us): medians of {args.rounds} rounds of {args.seconds} s")
    print(f"{'conns':>6}" + "".join(f"{n:>28}" for n in names) + "   ratio  p99 ratio  of floor")
    for count in counts:
        line = f"{count:>6}"
        for name in names:
            r = results[name, count]
            line += f"{r['rps']:>12.0f} ({r['p50_us']:>5.0f}, {r['p99_us']:>6.0f})"
        row = {"connections": count, **{n: results[n, count] for n in names}}
        if peers and "msvc" in names:
            row["ratio"] = results["msvc", count]["rps"] / max(
                results[n, count]["rps"] for n in peers)
            row["p99_ratio"] = results["msvc", count]["p99_us"] / min(
                results[n, count]["p99_us"] for n in peers)
            line += f"{row['ratio']:>8.2f}{row['p99_ratio']:>11.2f}"
        if "floor" in names and "msvc" in names:
            row["of_floor"] = results["msvc", count]["rps"] / results["floor", count]["rps"]
            line += f"{row['of_floor']:>10.2f}"
        rows.append(row)
        print(line)
    path = pathlib.Path(args.json)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"rounds": args.rounds, "seconds": args.seconds, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
