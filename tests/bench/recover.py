#!/usr/bin/python3
"""What clients notice while processes are killed, restarted and upgraded.

Requests are sent at a fixed pace and timed from when they were due, so that
those that wait for a restart count in full.
usage: recover.py [--seconds N] [--rate N]
"""

import argparse
import asyncio
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("MSVC_BUILD", "build")
CONNECTIONS = 16
PORT = 18099


class System:
    def __init__(self, directory, instances, version=""):
        self.dir = pathlib.Path(directory)
        self.conf = self.dir / "msvc.ini"
        self.write(instances, version)
        self.command("start")

    def write(self, instances, version, extra=""):
        self.conf.write_text(
            f"[msvc]\nrun_dir = {self.dir}/run\nlog_dir = {self.dir}/log\n"
            f"[router]\nlisten = 127.0.0.1:{PORT}\nworkers = 1\n"
            f"[service fault]\ncommand = {BUILD}/samples/fault\nroute = /\n"
            f"instances = {instances}\nrestart_limit = none\n"
            # What is measured is a restart, not the pause before one.
            f"restart_delay = 0\nrestart_delay_max = 0\n"
            f"env.FAULT_FILE = {self.dir}/posts\nenv.VERSION = {version or 'one'}\n{extra}"
        )

    def command(self, *args, check=True):
        return subprocess.run(
            [BUILD / "bin/msvc", "-c", self.conf, *args],
            check=check, timeout=120, capture_output=True, text=True)

    def instances(self):
        status = json.loads(self.command("-o", "json", "status").stdout)
        return [i for i in status["services"][0]["instances"] if not i.get("beside")]

    def start_ms(self):
        """Of every start: how long until it was ready."""
        log = (self.dir / "log/msvc.log").read_text()
        return [int(ms) for ms in re.findall(r"ready after (\d+) ms", log)]


class Clients:
    """CONNECTIONS keep-alive connections that share a fixed pace."""

    def __init__(self, rate, seconds, methods):
        self.period = 1 / rate
        self.count = int(rate * seconds)
        self.methods = methods
        self.next = 0
        self.latencies, self.failures = [], []

    async def one(self, begin):
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        while self.next < self.count:
            number, self.next = self.next, self.next + 1
            due = begin + number * self.period
            await asyncio.sleep(max(0, due - time.monotonic()))
            method = self.methods[number % len(self.methods)]
            body = f"{number}".encode() if method == "POST" else b""
            path = "/count" if method == "POST" else "/"
            head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n"
            if body:
                head += f"Content-Length: {len(body)}\r\n"
            writer.write(head.encode() + b"\r\n" + body)
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head[9:12])
            length = re.search(rb"(?i)content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            self.latencies.append((time.monotonic() - due) * 1000)
            if status >= 300:
                self.failures.append((method, status))
        writer.close()

    async def run(self, disturb):
        begin = time.monotonic() + 0.1
        tasks = [asyncio.create_task(self.one(begin)) for _ in range(CONNECTIONS)]
        task = asyncio.create_task(disturb(self))
        await asyncio.gather(*tasks)
        await task

    def report(self, name):
        times = sorted(self.latencies)

        def at(share):
            return times[min(len(times) - 1, int(len(times) * share))]

        print(
            f"{name:34} {len(times):6} {len(self.failures):8} {at(0.5):8.2f} "
            f"{at(0.99):8.2f} {times[-1]:8.2f}", flush=True)
        for failure in self.failures[:10]:
            print("   ", *failure)
        return not self.failures


async def nothing(clients):
    del clients


def killing(system):
    async def disturb(clients):
        while clients.next < clients.count:
            await asyncio.sleep(1)
            for instance in await asyncio.to_thread(system.instances):
                if instance["pid"]:
                    os.kill(instance["pid"], signal.SIGKILL)
    return disturb


def commanding(system, *args, code=0):
    async def disturb(clients):
        del clients
        await asyncio.sleep(0.5)
        result = await asyncio.to_thread(lambda: system.command(*args, check=False))
        assert result.returncode == code, result.stderr
    return disturb


def measure(name, rate, seconds, methods, disturb):
    clients = Clients(rate, seconds, methods)
    asyncio.run(clients.run(disturb))
    return clients.report(name)


def with_system(instances, run):
    with tempfile.TemporaryDirectory(prefix="msvc-bench-") as directory:
        system = System(directory, instances)
        try:
            return run(system)
        finally:
            system.command("stop")


def kills(rate, seconds):
    def run(system):
        ok = measure("GET, 1 instance, undisturbed", rate, seconds, ["GET"], nothing)
        ok &= measure("GET, 1 instance, killed every 1 s", rate, seconds, ["GET"],
                      killing(system))
        starts = sorted(system.start_ms())
        print(f"    from its start to ready: median {starts[len(starts) // 2]} ms, "
              f"most {starts[-1]} ms, {len(starts) - 1} restarts")
        return ok
    return with_system(1, run)


def rolling(rate, seconds, instances):
    def run(system):
        before = {i["pid"] for i in system.instances()}
        ok = measure(f"GET+POST, restart of {instances}", rate, seconds, ["GET", "POST"],
                     commanding(system, "restart", "fault"))
        after = system.instances()
        assert not before & {i["pid"] for i in after}, "not all were replaced"
        # The new version answers nothing but 500: it has to be taken back.
        system.write(instances, "two", "env.FAULT_CODE = 500\nramp_requests = 10\n")
        measure(f"GET+POST, bad upgrade of {instances}", rate, seconds, ["GET", "POST"],
                commanding(system, "reload", code=1))
        assert {i["pid"] for i in system.instances()} >= {after[0]["pid"]}, "not rolled back"
        system.write(instances, "two", "env.FAULT_START_MS = 60000\nready_timeout = 1s\n")
        ok &= measure("GET+POST, upgrade that never gets ready", rate, seconds,
                      ["GET", "POST"], commanding(system, "reload", code=1))
        return ok
    return with_system(instances, run)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=int, default=500)
    args = parser.parse_args()
    print(f"{'at ' + str(args.rate) + ' requests/s':34} {'count':>6} {'failures':>8} "
          f"{'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}")
    ok = kills(args.rate, args.seconds)
    for instances in (1, 4):
        ok &= rolling(args.rate, args.seconds, instances)
    raise SystemExit(0 if ok else 1)


if __name__ == "__main__":
    main()
