#!/usr/bin/python3
"""From SIGKILL to the next process, and a thousand services up and down.

A child sends its pid and the time as the first thing that it does; the driver
takes the time, kills it and waits for the next one. "floor" is a bare loop of
waitpid, fork and exec. usage: restart.py [--rounds N] [--services N]
"""

import argparse
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import struct
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("MSVC_BUILD", "build")


def word(sock):
    return struct.unpack("qq", sock.recv(16))


def kill_rounds(sock, rounds, ahead=lambda: None):
    pid, _ = word(sock)
    times = []
    for _ in range(rounds):
        # Let the system come to rest: it is one crash that is measured.
        time.sleep(0.02)
        ahead()
        begin = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        pid, at = word(sock)
        times.append((at - begin) / 1e6)
    return {"median_ms": round(statistics.median(times), 3), "max_ms": round(max(times), 3)}


def measure_floor(directory, rounds):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        path = f"{directory}/floor.sock"
        sock.bind(path)
        sock.settimeout(10)
        floor = subprocess.Popen(
            [BUILD / "bench/restart", "floor", path, str(rounds + 1)],
            stdin=subprocess.PIPE, bufsize=0)
        floor.stdin.write(b"x")
        result = kill_rounds(sock, rounds, lambda: floor.stdin.write(b"x"))
        floor.stdin.close()
        floor.wait(10)
        return result


def pss_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))


class System:
    def __init__(self, directory, text):
        self.conf = pathlib.Path(directory) / "msvc.ini"
        self.conf.write_text(
            f"[msvc]\nrun_dir = {directory}/run\nlog_dir = {directory}/log\n"
            f"[router]\nlisten = 127.0.0.1:0\n{text}")

    def command(self, *args):
        return subprocess.run(
            [BUILD / "bin/msvc", "-c", self.conf, *args], check=True, timeout=120,
            stdout=subprocess.PIPE, text=True).stdout

    def status(self):
        return json.loads(self.command("-o", "json", "status"))["supervisor"]


def measure_restart(directory, rounds, others):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        path = f"{directory}/msvc.sock"
        sock.bind(path)
        sock.settimeout(10)
        # No delay, as after a crash of a service that had settled.
        system = System(directory, (
            f"[service a]\ncommand = '{BUILD}/bench/restart' child {path}\nready = none\n"
            "restart_delay = 0\nrestart_limit = none\n"
            + "".join(f"[service s{n}]\ncommand = /bin/sleep 100000\nready = none\n"
                      for n in range(others))))
        system.command("start")
        try:
            return kill_rounds(sock, rounds)
        finally:
            system.command("stop")


def measure_many(directory, count):
    system = System(directory, "".join(
        f"[service s{n}]\ncommand = /bin/sleep 100000\nready = none\n" for n in range(count)))
    begin = time.monotonic()
    system.command("start")
    up = time.monotonic()
    status = system.status()
    pss = {name: pss_kib(pid) for name, pid in (
        ("supervisor", status["pid"]), ("router", status["router"]["pid"]),
        ("logger", status["logger"]["pid"]))}
    down = time.monotonic()
    system.command("stop")
    return {"services": count, "up_s": round(up - begin, 3),
            "down_s": round(time.monotonic() - down, 3), "pss_kib": pss}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--services", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="msvc-bench-") as directory:
        print(json.dumps({
            "floor": measure_floor(directory, options.rounds),
            "msvc": measure_restart(directory, options.rounds, 0),
            "msvc_among_many": measure_restart(
                tempfile.mkdtemp(dir=directory), options.rounds, options.services),
            "many": measure_many(directory, options.services),
        }, indent=2))


if __name__ == "__main__":
    main()
