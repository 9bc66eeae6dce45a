#!/usr/bin/python3
"""msvc as a supervisor, against s6, runit, supervisord and a bare loop.

Each starts the same services, /bin/sleep with an argument of this run, one
supervisor after the other and that several times; what is shown are medians
over the rounds. A peer that is not installed is left out.
usage: supervisor.py [--services N] [--rounds N] [--kills N] [--idle S]
                     [--only msvc,floor,s6,runit,supervisord]
"""

import argparse
import ctypes
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import procevents

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("MSVC_BUILD", "build")
PR_SET_CHILD_SUBREAPER = 36
SETTLE = 2.5  # seconds after the start: then a service has settled everywhere
PATIENCE = 120
CRASHERS = 10  # services of the crash loop
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL,
         "stderr": subprocess.DEVNULL}


class Supervisor:
    """One way to run COMMAND count times: started, watched and ended here."""

    name = ""
    programs = ()  # that must be installed

    def __init__(self, directory, count, command):
        self.dir = pathlib.Path(directory)
        self.count, self.command = count, command
        self.process = None
        self.prepare()

    def prepare(self):
        """Write what it reads, before any time is taken."""

    def start(self):
        self.process = subprocess.Popen(self.argv(), cwd=self.dir, **QUIET)

    def roots(self):
        """The processes under which all others of it are."""
        return [self.process.pid]

    def stop(self):
        self.process.terminate()

    def close(self):
        """It has been told to stop; see to it that it has."""
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Floor(Supervisor):
    name = "floor"

    def argv(self):
        return [BUILD / "bench/spawn", str(self.count), self.command.split()[-1]]


class Msvc(Supervisor):
    name = "msvc"
    more = ""

    def prepare(self):
        (self.dir / "msvc.ini").write_text(
            f"[msvc]\nrun_dir = {self.dir}/run\nlog_dir = {self.dir}/log\n"
            "[router]\nlisten = 127.0.0.1:0\n"
            + "".join(f"[service s{n}]\ncommand = {self.command}\nready = none\n{self.more}"
                      for n in range(self.count)))

    def argv(self, command="start"):
        return [BUILD / "bin/msvc", "-c", self.dir / "msvc.ini", command]

    def roots(self):
        return [int((self.dir / "run/lock").read_text())]

    def stop(self):
        self.process.wait(PATIENCE)
        self.process = subprocess.Popen(self.argv("stop"), **QUIET)


class MsvcCrashing(Msvc):
    more = "restart_limit = none\n"


class S6(Supervisor):
    name = "s6"
    programs = ("s6-svscan", "s6-svscanctl")

    def prepare(self):
        for n in range(self.count):
            service = self.dir / f"scan/s{n}"
            service.mkdir(parents=True)
            (service / "run").write_text(f"#!/bin/sh\nexec {self.command}\n")
            (service / "run").chmod(0o755)

    def argv(self):
        return ["s6-svscan", "-c", str(self.count + 10), self.dir / "scan"]

    def stop(self):
        subprocess.run(["s6-svscanctl", "-t", self.dir / "scan"], check=True, timeout=PATIENCE)


class Runit(S6):
    name = "runit"
    programs = ("runsvdir", "runsv")

    def argv(self):
        return ["runsvdir", "-P", self.dir / "scan"]

    def stop(self):
        self.process.send_signal(signal.SIGHUP)


class Supervisord(Supervisor):
    name = "supervisord"
    programs = ("supervisord",)

    def prepare(self):
        (self.dir / "log").mkdir()
        (self.dir / "supervisord.conf").write_text(
            f"[supervisord]\nnodaemon = true\nlogfile = {self.dir}/supervisord.log\n"
            f"pidfile = {self.dir}/pid\nchildlogdir = {self.dir}/log\n"
            f"minfds = {self.count * 4 + 200}\nminprocs = {self.count + 50}\n"
            + "".join(f"[program:s{n}]\ncommand = {self.command}\n" for n in range(self.count)))

    def argv(self):
        return ["supervisord", "-c", self.dir / "supervisord.conf"]


ALL = (Msvc, Floor, S6, Runit, Supervisord)


# -- what /proc tells of the supervising processes


def tree(roots):
    """These processes and all below them."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = pathlib.Path(f"/proc/{name}/stat").read_text()
        except OSError:
            continue
        children.setdefault(int(stat.rsplit(")", 1)[1].split()[1]), []).append(int(name))
    found, todo = [], list(roots)
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo.extend(children.get(pid, ()))
    return found


def pss_kib(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])


def cpu_ms(pids):
    """Time on a processor of all threads; finer than the ticks of stat."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except OSError:
                continue
    return total / 1e6


# -- the measurements


class Run:
    """One supervisor, once through everything."""

    def __init__(self, kind, options, watch):
        self.kind, self.options, self.watch = kind, options, watch
        self.result = {}

    def up(self):
        begin = time.monotonic_ns()
        self.supervisor.start()
        self.watch.wait(lambda: len(self.watch.alive()) >= self.options.services,
                        f"{self.kind.name}: all services up", PATIENCE)
        last = max(self.watch.began[pid] for pid in self.watch.alive())
        self.result["up"] = (last - begin) / 1e6

    def supervising(self):
        return [pid for pid in tree(self.supervisor.roots()) if pid not in self.watch.alive()]

    def rest(self):
        time.sleep(SETTLE)
        self.watch.look()
        pids = self.supervising()
        self.result["pss"] = sum(map(pss_kib, pids)) / 1024
        before = cpu_ms(pids)
        time.sleep(self.options.idle)
        self.result["idle"] = (cpu_ms(pids) - before) * 10 / self.options.idle

    def kill(self):
        """Services that have settled, each of them once."""
        times = []
        for pid in random.sample(sorted(self.watch.alive()), self.options.kills):
            before = set(self.watch.alive())
            begin = time.monotonic_ns()
            os.kill(pid, signal.SIGKILL)
            self.watch.wait(lambda: self.watch.alive() - before,
                            f"{self.kind.name}: a new process", PATIENCE)
            fresh = min(self.watch.began[pid] for pid in self.watch.alive() - before)
            times.append((fresh - begin) / 1e6)
        self.result["kills"] = times

    def down(self):
        pids = self.watch.alive()
        begin = time.monotonic_ns()
        self.supervisor.stop()
        self.watch.wait(lambda: not self.watch.alive(), f"{self.kind.name}: all gone", PATIENCE)
        self.result["down"] = (max(self.watch.ended[pid] for pid in pids) - begin) / 1e6

    def whole(self, directory):
        self.watch.began.clear()
        self.watch.ended.clear()
        self.supervisor = self.kind(
            directory, self.options.services, f"/bin/sleep {self.options.argument}")
        is_down = False
        try:
            self.up()
            self.rest()
            self.kill()
            self.down()
            is_down = True
        finally:
            if not is_down and self.supervisor.process is not None:
                self.supervisor.stop()
            if self.supervisor.process is not None:
                self.supervisor.close()
        return self.result


def crash_loop(kind, directory, seconds):
    """Percent of a core that it takes to restart what always ends at once."""
    supervisor = kind(directory, CRASHERS, "/bin/false")
    supervisor.start()
    try:
        time.sleep(SETTLE)
        pids, begin = tree(supervisor.roots()), time.monotonic()
        before = cpu_ms(pids)
        time.sleep(seconds)
        return (cpu_ms(pids) - before) / (time.monotonic() - begin) / 10
    finally:
        supervisor.stop()
        supervisor.close()


def reap():
    """Orphans come to us, the subreaper: end those that any round has left."""
    left = []
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return left
        for pid in tree([os.getpid()])[1:]:
            left.append(f"{procevents.argument_of(pid)}[{pid}]")
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.02)


# -- the report

ROWS = (
    ("up", "{n:,} services up, ms", "{:.0f}"),
    ("pss", "memory (PSS) of all supervising processes, MB", "{:.1f}"),
    ("kill_median", "SIGKILL to new process, median ms", "{:.2f}"),
    ("kill_max", "SIGKILL to new process, max ms", "{:.2f}"),
    ("idle", "idle CPU per 10 s, ms", "{:.1f}"),
    ("down", "all {n:,} gone after stop, ms", "{:.0f}"),
    ("crash", f"CPU of a crash loop of {CRASHERS}, % of a core", "{:.2f}"),
)


def summary(runs, crash):
    kills = [ms for run in runs for ms in run["kills"]]
    result = {key: statistics.median(run[key] for run in runs)
              for key in ("up", "pss", "idle", "down")}
    return {**result, "kill_median": statistics.median(kills), "kill_max": max(kills),
            "crash": crash}


def show(results, options):
    print(f"\n{'':52}" + "".join(f"{name:>13}" for name in results))
    for key, title, form in ROWS:
        cells = ("-" if one[key] is None else form.format(one[key]) for one in results.values())
        print(f"{title.format(n=options.services):52}" + "".join(f"{cell:>13}" for cell in cells))


def judge(results):
    """Print what msvc is to reach; True when it does."""
    msvc, floor = results.get("msvc"), results.get("floor")
    if msvc is None or floor is None:
        return True
    targets = (
        ("up", msvc["up"] / floor["up"], 1.6, "times the floor"),
        ("memory", msvc["pss"], 8, "MB"),
        ("restart, median", msvc["kill_median"], 2, "ms"),
        ("restart, max", msvc["kill_max"], 5, "ms"),
        ("idle CPU", round(msvc["idle"], 1), 0, "ms per 10 s"),
        ("stop", msvc["down"], 250, "ms"),
        ("crash loop", msvc["crash"], 1, "% of a core"),
    )
    print()
    for name, value, most, unit in targets:
        print(f"{'ok' if value <= most else 'MISSED':8}{name}: {value:.2f} {unit}, "
              f"at most {most} is wanted")
    return all(value <= most for _, value, most, _ in targets)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kills", type=int, default=10, help="of each round")
    parser.add_argument("--idle", type=float, default=10, help="seconds of rest")
    parser.add_argument("--only", default=",".join(kind.name for kind in ALL))
    options = parser.parse_args()
    options.kills = min(options.kills, options.services)
    # Nobody else's sleep has this argument.
    options.argument = 100000 + os.getpid()
    return options


def measure(kinds, options, watch, directory):
    runs = {kind.name: [] for kind in kinds}
    for number in range(1, options.rounds + 1):
        for kind in kinds:
            print(f"round {number} of {options.rounds}: {kind.name}", flush=True)
            place = tempfile.mkdtemp(dir=directory)
            runs[kind.name].append(Run(kind, options, watch).whole(place))
            shutil.rmtree(place)
    crash = {}
    for kind in kinds:
        if kind is not Floor:  # which has no pause, and would loop for good
            print(f"crash loop: {kind.name}", flush=True)
            crash[kind.name] = crash_loop(
                MsvcCrashing if kind is Msvc else kind, tempfile.mkdtemp(dir=directory),
                options.idle)
    return {name: summary(runs[name], crash.get(name)) for name in runs}


def terminate(number, frame):
    raise KeyboardInterrupt


def main():
    options = parse()
    kinds = [kind for kind in ALL if kind.name in options.only.split(",")
             and all(map(shutil.which, kind.programs))]
    signal.signal(signal.SIGTERM, terminate)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    watch = procevents.Watch(f"sleep {options.argument}")
    print(f"{options.services} services, timed by {watch.source.name}", flush=True)
    results, left = None, []
    with tempfile.TemporaryDirectory(prefix="msvc-bench-") as directory:
        try:
            results = measure(kinds, options, watch, directory)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
        finally:
            watch.close()
            left = reap()
    if left:
        print(f"left over and killed: {', '.join(left[:20])}", file=sys.stderr)
    if results is None or left:
        return 1
    show(results, options)
    (BUILD / "bench/supervisor.json").write_text(json.dumps(results, indent=2) + "\n")
    return 0 if judge(results) else 1


if __name__ == "__main__":
    sys.exit(main())
