#!/usr/bin/python3
"""Break everything for a while, and look whether anybody noticed.

Three services of two instances each, one of which takes its time, answer 32
clients while every 0.3 s a random instance is killed, stopped for a while, told to exit, or restarted, and
once the router is killed. Afterwards it fails if a GET has failed, a POST ran
twice, was lost or never answered, or if a request, file descriptor or process
is left over.

CHAOS_TIME seconds (60), CHAOS_SEED: the same seed is the same actions.
"""

import collections
import ctypes
import dataclasses
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import load
import procs

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import conftest  # noqa: E402

SERVICES = {"a": 0, "b": 0, "c": 10}  # and the milliseconds an answer takes
INSTANCES = 2
PERIOD = 0.3
TIMEOUT = 10  # of a request, in seconds
SETTLE = 30  # until everything must be as at the start
SHOWN = 20  # failures of a kind
KINDS = ("kill", "stop", "exit", "restart")
SERVICE = """
[service {name}]
command = {{samples}}/fault
route = /{name}
instances = {count}
env.FAULT_FILE = {{dir}}/posts
env.FAULT_SLOW_MS = {slow_ms}
timeout = {timeout}s
restart_limit = none
restart_delay = 50ms
restart_delay_max = 200ms
ramp = 300ms
"""
PR_SET_CHILD_SUBREAPER = 36


@dataclasses.dataclass
class Action:
    """One thing that happens to one instance, or to the router."""

    number: int
    kind: str
    service: str = ""
    index: int = 0
    seconds: float = 0.0  # of a stop
    done: float = 0.0  # time.monotonic()
    result: str = ""

    def __str__(self):
        target = f" {self.service}/{self.index}" if self.service else ""
        return f"#{self.number} {self.kind}{target}{self.result}"


def plan(seed, seconds):
    """The actions of this seed, one for each PERIOD."""
    rng = random.Random(seed)
    actions = []
    count = max(1, int(seconds / PERIOD))
    for number in range(1, count + 1):
        kind, service = rng.choice(KINDS), rng.choice(list(SERVICES))
        index, pause = rng.randint(1, INSTANCES), rng.uniform(1, 3)
        if number == count // 2:
            actions.append(Action(number, "kill-router"))
        else:
            actions.append(Action(number, kind, service, index, pause))
    return actions


class Chaos:
    def __init__(self, directory, seed, seconds):
        self.system = conftest.System(directory)
        self.actions = plan(seed, seconds)
        address = (self.system.host, self.system.port)
        self.load = load.Load(address, list(SERVICES), seed, TIMEOUT + 2)
        self.stopped = []  # (when to go on, pidfd)
        self.restarts = []  # (action, process)
        self.complaints = []

    # -- the beginning

    def start(self):
        text = "".join(
            SERVICE.format(name=name, slow_ms=slow_ms, count=INSTANCES, timeout=TIMEOUT)
            for name, slow_ms in SERVICES.items()
        )
        self.system.start(text, router="workers = 2\n")
        for name in SERVICES:
            assert self.system.get(f"/{name}/hello").status == 200
        self.baseline = self.descriptors()

    def roles(self):
        """Map supervisor, router and logger to their pids."""
        supervisor = self.system.supervisor_pid
        names = {procs.name_of(pid): pid for pid in procs.children_of(supervisor)}
        return {
            "supervisor": supervisor,
            "router": names.get("msvc-router"),
            "logger": names.get("msvc-logger"),
        }

    def descriptors(self):
        return {
            role: procs.fd_count(pid) for role, pid in self.roles().items() if pid is not None
        }

    # -- the actions

    def send(self, fd, number):
        try:
            signal.pidfd_send_signal(fd, number)
        except ProcessLookupError:
            return False
        return True

    def resume(self, now):
        """Let those go on whose stop is over, if they still are there."""
        for entry in [entry for entry in self.stopped if entry[0] <= now]:
            self.stopped.remove(entry)
            self.send(entry[1], signal.SIGCONT)
            os.close(entry[1])

    def signal_instance(self, action, number):
        pid = self.system.pid(action.service, action.index)
        fd = procs.pidfd_of(pid, self.system.supervisor_pid)
        if fd is None or not self.send(fd, number):
            action.result = " (not running)"
        if fd is None:
            return
        if number == signal.SIGSTOP:
            self.stopped.append((time.monotonic() + action.seconds, fd))
        else:
            os.close(fd)

    def restart(self, action):
        process = subprocess.Popen(
            [conftest.BIN / "msvc", "-c", self.system.conf, "restart",
             f"{action.service}/{action.index}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        self.restarts.append((action, process))

    def kill_router(self):
        fd = procs.pidfd_of(self.roles()["router"], self.system.supervisor_pid)
        self.load.router_died = time.monotonic()
        if fd is not None:
            self.send(fd, signal.SIGKILL)
            os.close(fd)

    def act(self, action):
        if action.kind == "kill-router":
            self.kill_router()
        elif action.kind == "restart":
            self.restart(action)
        else:
            numbers = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "exit": signal.SIGTERM}
            self.signal_instance(action, numbers[action.kind])
        action.done = time.monotonic()

    def run(self):
        start = time.monotonic()
        self.load.start()
        for action in self.actions:
            due = start + action.number * PERIOD
            while (now := time.monotonic()) < due:
                self.resume(now)
                time.sleep(min(0.02, due - now))
            self.act(action)
        while self.stopped:
            self.resume(time.monotonic())
            time.sleep(0.02)
        self.load.stop()
        self.seconds = time.monotonic() - start

    # -- the end

    def complain(self, text):
        self.complaints.append(text)

    def expect(self, condition, what):
        """Wait until condition() returns None; else complain of what it returns."""
        end = time.monotonic() + SETTLE
        while (trouble := condition()) is not None:
            if time.monotonic() > end:
                self.complain(f"{what}: {trouble}")
                return
            time.sleep(0.05)

    def wait_restarts(self):
        for action, process in self.restarts:
            try:
                error = process.communicate(timeout=SETTLE)[1].strip()
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                self.complain(f"{action}: still not over")
                continue
            if process.returncode != 0:
                action.result = f" ({error})"

    def unsettled(self):
        for service in self.system.status()["services"]:
            instances = service["instances"]
            states = [
                f"{service['name']}/{one['index']} {one['state']}"
                + (" beside" if one.get("beside") else "")
                for one in instances
            ]
            if len(instances) != INSTANCES or any(not s.endswith(" ready") for s in states):
                return ", ".join(states)
        return None

    def health(self):
        conn = http.client.HTTPConnection("msvc", timeout=TIMEOUT)
        conn.sock = socket.socket(socket.AF_UNIX)
        conn.sock.connect(str(self.system.run_dir / "admin.sock"))
        try:
            conn.request("GET", "/-/health")
            return json.loads(conn.getresponse().read())
        finally:
            conn.close()

    def leaked_requests(self):
        counters = self.health()
        wrong = {
            name: counters.get(name, "no such counter")
            for name in ("in_flight", "held")
            if counters.get(name) != 0
        }
        return wrong or None

    def leaked_descriptors(self):
        now = self.descriptors()
        wrong = [
            f"{role} {self.baseline[role]} at first, {now.get(role)} now"
            for role in self.baseline
            if abs(now.get(role, 0) - self.baseline[role]) > 2
        ]
        return ", ".join(wrong) or None

    def leaked_children(self):
        states = procs.children_of(self.system.supervisor_pid)
        names = collections.Counter(
            procs.name_of(pid) + (" zombie" if state == "Z" else "")
            for pid, state in states.items()
        )
        wanted = {"msvc-router": 1, "msvc-logger": 1, "fault": len(SERVICES) * INSTANCES}
        return None if names == wanted else dict(names)

    def check_posts(self):
        """Compare what clients were told with what the services have noted."""
        try:
            lines = (self.system.dir / "posts").read_text().split("\n")[:-1]
        except FileNotFoundError:
            lines = []
        ran = collections.defaultdict(list)
        for line in lines:
            name, _, pid = line.partition(" ")
            ran[name].append(pid)
        twice = [f"{name}: ran in {pids}" for name, pids in ran.items() if len(pids) > 1]
        lost = sorted(self.load.accepted - ran.keys())
        self.complain_each("POST ran twice", twice)
        self.complain_each("POST accepted, and never ran", lost)
        self.posts_run = len(lines)

    def complain_each(self, what, names):
        for name in names[:SHOWN]:
            self.complain(f"{what}: {name}")
        if len(names) > SHOWN:
            self.complain(f"{what}: {len(names) - SHOWN} more")

    def since(self, failure):
        """The last action on the same service or the router, and how long ago."""
        service = failure.path.split("/")[1]
        before = [
            action
            for action in self.actions
            if action.service in ("", service) and 0 < action.done <= failure.ended
        ]
        if not before:
            return "before any action"
        return f"{failure.ended - before[-1].done:.3f} s after {before[-1]}"

    def check(self):
        self.complain_each(
            "failed",
            [f"{failure}; {self.since(failure)}" for failure in self.load.failures],
        )
        self.wait_restarts()
        self.expect(self.unsettled, "does not settle")
        self.check_posts()
        self.expect(self.leaked_requests, "requests left over")
        self.expect(self.leaked_descriptors, "file descriptors left over")
        self.expect(self.leaked_children, "children of the supervisor")

    def report(self):
        kinds = collections.Counter(action.kind for action in self.actions)
        print("actions:", ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items())))
        for action in self.actions:
            if action.result:
                print(f"  {action}")
        total = self.load.counts.total()
        print(
            f"{total} requests, {total / self.seconds:.0f}/s, "
            f"slowest {self.load.slowest:.3f} s, {self.posts_run} POSTs ran"
        )
        print(f"{'method':8}{'count':>10}  outcome")
        for (method, outcome), count in sorted(self.load.counts.items()):
            print(f"{method:8}{count:10}  {outcome}")

    def close(self):
        """End all that was started, whatever has happened."""
        self.load.is_over.set()
        self.resume(float("inf"))
        for _, process in self.restarts:
            if process.poll() is None:
                process.kill()
            process.communicate()
        try:
            self.system.close()
        except (AssertionError, subprocess.TimeoutExpired) as error:
            self.complain(f"stop: {error}")
        end = time.monotonic() + 2
        while self.reap() and time.monotonic() < end:
            time.sleep(0.02)
        for pid in self.reap():
            self.complain(f"still there after the stop: {procs.name_of(pid)}[{pid}]")
            os.kill(pid, signal.SIGKILL)

    def reap(self):
        """Orphans come to us, the subreaper. Return those that still run."""
        try:
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass
        except ChildProcessError:
            return []
        return list(procs.children_of(os.getpid()))


def terminate(number, frame):
    raise KeyboardInterrupt


def main():
    seconds = float(os.environ.get("CHAOS_TIME") or 60)
    seed = os.environ.get("CHAOS_SEED") or str(random.SystemRandom().randrange(10**9))
    print(f"chaos: {seconds:g} s, CHAOS_SEED={seed}", flush=True)
    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, terminate)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    chaos = Chaos(tempfile.mkdtemp(prefix="msvc-chaos-"), seed, seconds)
    try:
        chaos.start()
        chaos.run()
        chaos.check()
        chaos.report()
    except KeyboardInterrupt:
        chaos.complain("interrupted")
    except (AssertionError, OSError) as error:
        chaos.complain(f"{type(error).__name__}: {error}")
    finally:
        chaos.close()
    for complaint in chaos.complaints:
        print(f"chaos: {complaint}", file=sys.stderr)
    if chaos.complaints:
        print(f"chaos: FAILED, CHAOS_SEED={seed}, see {chaos.system.dir}", file=sys.stderr)
        return 1
    shutil.rmtree(chaos.system.dir)
    print("chaos: passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
