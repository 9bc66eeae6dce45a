#!/usr/bin/python3
"""Let everything happen for a long time, and look whether anything piles up.

In each cycle instances are killed and told to exit, the configuration is
changed and read again, services are scaled and restarted, logs are flooded,
requests are sent and, in the first half, router and logger are killed. Then
the first configuration is read again, and once all is ready memory, file
descriptors and children of supervisor, router and logger are counted. It
fails if in the second half, which has seen everything before, the memory
grows by more than GROWTH or descriptors by more than FDS, or if there is a
zombie, a supervisor that is another one, or a process left after the stop.

SOAK_TIME seconds (600), SOAK_SEED: the same seed is the same actions.
"""

import collections
import ctypes
import os
import pathlib
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parent / "chaos")]
import conftest  # noqa: E402
import procs  # noqa: E402

GROWTH = 256  # KiB of anonymous memory, along a fitted line
FDS = 2
ACTIONS = 20  # of a cycle
PERIOD = 0.1  # seconds from one to the next
SETTLE = 60  # at most, until all is ready
FLOOD = 20000  # lines
PR_SET_CHILD_SUBREAPER = 36
BACK = (("reload",), ("scale", "web=2", "many=3"))
ROLES = ("supervisor", "router", "logger")
KINDS = ("kill",) * 6 + ("exit",) * 4 + ("reload",) * 3 + ("scale",) * 3 + (
    "restart", "restart", "flood", "flood", "requests", "requests")
ROLE_KINDS = ("kill-router", "kill-logger")

HEAD = "log_max_size = 1m\nlog_keep = 2\nlog_compress = yes\ncrash_keep = 20\n"
QUICK = ("restart_limit = none\nrestart_delay = 10ms\nrestart_delay_max = 100ms\n"
         "ramp = 20ms\ndrain_timeout = 1s\n")
TALK = """
while :; do
	if [ -e flood ]; then rm -f flood; seq 1 {flood}; fi
	sleep 0.05
done
"""


def services(rng=None):
    """The configuration; with rng one that differs at random."""
    def count(usual):
        return rng.randint(1, 4) if rng else usual

    text = (
        f"[service web]\ncommand = {{samples}}/echo\nroute = /\ninstances = {count(2)}\n{QUICK}"
        f"timeout = {rng.randint(1, 20) if rng else 10}s\n"
        f"[service talk]\ncommand = /bin/sh {{dir}}/talk.sh\nready = none\n{QUICK}"
        f"[service many]\ncommand = /bin/sleep 100000\nready = none\ninstances = {count(3)}\n"
        f"{QUICK}env.VERSION = {rng.randint(1, 3) if rng else 0}\n"
        f"[service next]\ncommand = /bin/sleep 100000\nready = none\nafter = many\n{QUICK}")
    for number in range(rng.randint(0, 5) if rng else 0):
        text += (f"[service extra{number}]\ncommand = /bin/sleep 100000\nready = none\n"
                 f"route = /extra{number}\n{QUICK}")
    return text


def memory_kib(pid):
    """Anonymous memory: what is allocated, without the pages of files."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Anonymous:\s+(\d+)", text, re.M)[1])


def rss_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+)", text, re.M)[1])


def fitted_growth(values):
    """How much a straight line through these rises from first to last."""
    if len(values) < 3:
        return 0
    return statistics.linear_regression(range(len(values)), values).slope * (len(values) - 1)


class Soak:
    def __init__(self, directory, seed, seconds):
        self.system = conftest.System(directory)
        self.rng = random.Random(seed)
        self.seconds = seconds
        self.counts = collections.Counter()
        self.samples = []  # {role: (anonymous, rss, descriptors)}
        self.half = None  # index of the first sample of the second half
        self.complaints = []

    def start(self):
        (self.system.dir / "talk.sh").write_text(TALK.format(flood=FLOOD))
        self.system.start(services(), head=HEAD)
        self.pid = self.system.supervisor_pid

    # -- the actions

    def command(self, kind, *args):
        """One of the operator; it may fail when what it is about dies meanwhile."""
        result = self.system.command(*args)
        self.counts[f"{kind}: {'done' if result.returncode == 0 else 'refused or failed'}"] += 1
        if result.returncode not in (0, 1):
            self.complain(f"msvc {' '.join(args)}: {result.returncode}: {result.stderr}")

    def signal(self, kind, pid, number):
        fd = procs.pidfd_of(pid, self.pid)
        if fd is None:
            self.counts[f"{kind}: nobody there"] += 1
            return
        try:
            signal.pidfd_send_signal(fd, number)
            self.counts[f"{kind}: done"] += 1
        except ProcessLookupError:
            self.counts[f"{kind}: nobody there"] += 1
        finally:
            os.close(fd)

    def random_pid(self, service):
        return self.rng.choice(service["instances"])["pid"] if service["instances"] else None

    def requests(self):
        for _ in range(20):
            try:
                self.counts[f"request: {self.system.get('/hello').status}"] += 1
            except (OSError, conftest.http.client.HTTPException) as error:
                self.counts[f"request: {type(error).__name__}"] += 1

    def act(self, kind):
        if kind in ("kill", "exit"):
            number = signal.SIGKILL if kind == "kill" else signal.SIGTERM
            self.signal(kind, self.random_pid(self.rng.choice(self.system.status()["services"])),
                        number)
        elif kind == "reload":
            self.system.write(services(self.rng), head=HEAD)
            self.command(kind, "reload")
        elif kind == "scale":
            self.command(kind, "scale", f"{self.rng.choice(('web', 'many'))}="
                                        f"{self.rng.randint(1, 6)}")
        elif kind == "restart":
            self.command(kind, "restart", self.rng.choice(("web", "many", "talk")))
        elif kind == "flood":
            (self.system.dir / "flood").touch()
            self.counts["flood: done"] += 1
        elif kind == "requests":
            self.requests()
        else:
            self.signal(kind, self.roles()[kind.removeprefix("kill-")], signal.SIGKILL)

    def cycle(self, kinds):
        for _ in range(ACTIONS):
            due = time.monotonic() + PERIOD
            self.act(self.rng.choice(kinds))
            time.sleep(max(0, due - time.monotonic()))

    # -- what is looked at

    def roles(self):
        status = self.system.status()["supervisor"]
        return {"supervisor": status["pid"], "router": status["router"]["pid"],
                "logger": status["logger"]["pid"]}

    def unsettled(self):
        status = self.system.status()
        wrong = [f"{s['name']}/{i['index']} {i['state']}" for s in status["services"]
                 for i in s["instances"] if i["state"] != "ready" or i.get("beside")]
        wrong += [role for role in ROLES[1:] if status["supervisor"][role]["state"] != "ready"]
        found = {s["name"]: len(s["instances"]) for s in status["services"]}
        if found != {"web": 2, "talk": 1, "many": 3, "next": 1}:
            wrong.append(str(found))
        wrong += [f"zombie {procs.name_of(pid)}[{pid}]"
                  for pid, state in procs.children_of(self.pid).items() if state == "Z"]
        return ", ".join(wrong)

    def sample(self):
        """Back to the first configuration; then count."""
        self.system.write(services(), head=HEAD)
        end = time.monotonic() + SETTLE
        trouble = "no reload"
        # What was scaled stays so as long as the configuration says the same.
        while (any(self.system.command(*args).returncode != 0 for args in BACK)
               or (trouble := self.unsettled())):
            if time.monotonic() > end:
                self.complain(f"does not settle: {trouble}")
                break
            time.sleep(0.05)
        self.samples.append({
            role: (memory_kib(pid), rss_kib(pid), procs.fd_count(pid))
            for role, pid in self.roles().items()})
        if self.system.lock_pid() != self.pid:
            self.complain(f"supervisor {self.pid} has become {self.system.lock_pid()}")

    def run(self):
        start = time.monotonic()
        while (spent := time.monotonic() - start) < self.seconds or len(self.second()) < 3:
            is_second = spent >= self.seconds / 2
            if is_second and self.half is None:
                # The first of it is a start, as those killed have been replaced.
                self.half = len(self.samples)
            self.cycle(KINDS if is_second else KINDS + ROLE_KINDS)
            self.sample()

    # -- the end

    def complain(self, text):
        self.complaints.append(text)

    def second(self):
        return [] if self.half is None else self.samples[self.half:]

    def judge(self):
        print(f"{'':12}{'anonymous KiB':>26}{'growth':>9}{'RSS KiB':>20}{'descriptors':>20}")
        print(f"{'':12}{'first':>9}{'half':>9}{'last':>8}{'':>9}"
              f"{'half':>10}{'last':>10}{'half':>10}{'last':>10}")
        for role in ROLES:
            first, half, last = (self.samples[n][role] for n in (0, self.half, -1))
            growth = fitted_growth([one[role][0] for one in self.second()])
            print(f"{role:12}{first[0]:9}{half[0]:9}{last[0]:8}{growth:+9.0f}"
                  f"{half[1]:10}{last[1]:10}{half[2]:10}{last[2]:10}")
            if growth > GROWTH:
                self.complain(f"{role}: memory grows by {growth:.0f} KiB, {GROWTH} are allowed")
            if last[2] > half[2] + FDS:
                self.complain(f"{role}: {half[2]} descriptors have become {last[2]}")

    def report(self):
        print(f"{len(self.samples)} cycles, {len(self.second())} of them in the second half")
        for what, count in sorted(self.counts.items()):
            print(f"  {count:6} {what}")

    def close(self):
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
    seconds = float(os.environ.get("SOAK_TIME") or 600)
    seed = os.environ.get("SOAK_SEED") or str(random.SystemRandom().randrange(10**9))
    print(f"soak: {seconds:g} s, SOAK_SEED={seed}", flush=True)
    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, terminate)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    soak = Soak(tempfile.mkdtemp(prefix="msvc-soak-"), seed, seconds)
    try:
        soak.start()
        soak.sample()
        soak.run()
        soak.report()
        soak.judge()
    except KeyboardInterrupt:
        soak.complain("interrupted")
    except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
        soak.complain(f"{type(error).__name__}: {error}")
    finally:
        soak.close()
    for complaint in soak.complaints:
        print(f"soak: {complaint}", file=sys.stderr)
    if soak.complaints:
        print(f"soak: FAILED, SOAK_SEED={seed}, see {soak.system.dir}", file=sys.stderr)
        return 1
    shutil.rmtree(soak.system.dir)
    print("soak: passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
