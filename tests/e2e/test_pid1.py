"""msvc as the first process of a container, and under systemd."""

import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest

from conftest import BIN, BUILD, DEADLINE, ECHO, is_running, wait_for

SLEEPER = "[service {name}]\ncommand = /bin/sleep 1000\nready = none\n{more}\n"


def sleeper(name, more=""):
    return SLEEPER.format(name=name, more=more)


def may_make_containers():
    return subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"],
                          capture_output=True).returncode == 0


container = pytest.mark.skipif(
    os.geteuid() != 0 or not may_make_containers(), reason="needs root and PID namespaces")


def children(pid):
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(p) for p in text.split()]


class Container:
    """`msvc run` as the first process of a PID namespace of its own."""

    def __init__(self, msvc, *options):
        self.log = msvc.dir / "console"
        with open(self.log, "wb") as console:
            self.process = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child", *options,
                 BIN / "msvc", "-c", msvc.conf, "run"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        self.init = wait_for(lambda: children(self.process.pid), "the first process")[0]
        try:
            wait_for(lambda: msvc.command("status").returncode == 0
                     and "all services are ready" in msvc.log("msvc"), "all to be ready")
        except AssertionError:
            self.close()
            raise AssertionError(self.log.read_text())

    def wait(self):
        return self.process.wait(DEADLINE)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def contain(msvc):
    made = []

    def make(text, *options):
        msvc.write(text)
        made.append(Container(msvc, *(options or ("--mount-proc",))))
        return made[-1]

    yield make
    for item in made:
        item.close()


@container
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGPWR, signal.SIGQUIT,
                                    signal.SIGRTMIN + 3])
def test_the_signals_that_containers_are_stopped_by_stop_it_well(msvc, contain, number):
    box = contain(ECHO + sleeper("a"))
    assert msvc.status()["supervisor"]["pid"] == 1
    assert msvc.get("/hello").status == 200
    os.kill(box.init, number)
    assert box.wait() == 0
    assert re.search(r"supervisor: SIG\S+, stopping", msvc.log("msvc"))
    assert "all services are stopped" in box.log.read_text()


@container
def test_signals_that_mean_nothing_leave_it_running(msvc, contain):
    box = contain(ECHO)
    for number in (signal.SIGUSR2, signal.SIGALRM, signal.SIGWINCH, signal.SIGPIPE, signal.SIGCONT):
        os.kill(box.init, number)
    assert msvc.get("/hello").status == 200
    assert is_running(box.init)


@container
def test_a_thousand_orphans_are_reaped(msvc, contain):
    (msvc.dir / "orphans.sh").write_text(
        "i=0\nwhile [ $i -lt 1000 ]; do i=$((i+1)); (sleep 0.1 &) ; done\n"
        ": >{0}/done\nexec sleep 1000\n".format(msvc.dir))
    box = contain(sleeper("a") + "[service o]\ncommand = /bin/sh {dir}/orphans.sh\nready = none\n")

    def zombies():
        found = []
        for pid in children(box.init):
            try:
                state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if state == "Z":
                found.append(pid)
        return found

    wait_for((msvc.dir / "done").exists, "all orphans")
    # Router, logger, a and o; while they end it answers.
    wait_for(lambda: len(children(box.init)) == 4 and not zombies(), "orphans to be reaped")
    assert msvc.instance("o")["restarts"] == 0
    os.kill(box.init, signal.SIGTERM)
    assert box.wait() == 0


@container
def test_what_has_left_its_service_does_not_hold_up_the_end(msvc, contain):
    (msvc.dir / "away.sh").write_text(
        "setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done' &\nexec sleep 1000\n")
    box = contain("[service away]\ncommand = /bin/sh {dir}/away.sh\nready = none\n")
    os.kill(box.init, signal.SIGTERM)
    assert box.wait() == 0


# LeakSanitizer itself needs /proc.
@pytest.mark.skipif("asan" in BUILD.name, reason="of AddressSanitizer")
@container
def test_without_proc_it_runs_all_the_same(msvc, contain):
    hidden = msvc.dir / "hide.sh"
    hidden.write_text('#!/bin/sh\nmount -t tmpfs none /proc && exec "$@"\n')
    hidden.chmod(0o755)
    box = contain(ECHO + sleeper("a"), "--mount", str(hidden))
    assert msvc.get("/hello").status == 200
    msvc.command("fault", "a", "kill")
    msvc.wait_state("a", "ready", generation=2)
    os.kill(box.init, signal.SIGTERM)
    assert box.wait() == 0


@container
def test_a_read_only_root_is_enough_with_its_own_directories(msvc, contain):
    script = msvc.dir / "ro.sh"
    script.write_text(
        '#!/bin/sh\nmount --make-rprivate / && mount --bind {0} {0} && '
        'mount -o remount,ro,bind / && exec "$@"\n'.format(msvc.dir))
    script.chmod(0o755)
    box = contain(ECHO, "--mount-proc", "--mount", str(script))
    assert msvc.get("/hello").status == 200
    os.kill(box.init, signal.SIGTERM)
    assert box.wait() == 0


@container
def test_reexec_as_the_first_process(msvc, contain):
    box = contain(ECHO)
    pid = msvc.pid("echo")
    result = msvc.command("reexec")
    assert result.returncode == 0, result.stderr
    assert msvc.pid("echo") == pid
    os.kill(box.init, signal.SIGTERM)
    assert box.wait() == 0


# -- under systemd


class Parent:
    """Stands in for systemd: the socket behind NOTIFY_SOCKET."""

    def __init__(self, path):
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(path))
        self.sock.settimeout(DEADLINE)

    def wait(self, key):
        while True:
            message = dict(line.split("=", 1)
                           for line in self.sock.recv(4096).decode().splitlines())
            if key in message:
                return message


def run_under(msvc, **variables):
    parent = Parent(msvc.dir / "systemd.sock")
    msvc.foreground = subprocess.Popen(
        [BIN / "msvc", "-c", msvc.conf, "run"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "NOTIFY_SOCKET": str(parent.path), **variables})
    return parent


def test_a_watchdog_is_fed_before_and_after_reexec(msvc):
    msvc.write(sleeper("a"))
    parent = run_under(msvc, WATCHDOG_USEC="400000")
    parent.wait("READY")
    for _ in range(3):
        parent.wait("WATCHDOG")
    assert msvc.command("reexec").returncode == 0
    for _ in range(3):
        parent.wait("WATCHDOG")
    environ = pathlib.Path(f"/proc/{msvc.pid('a')}/environ").read_bytes()
    assert b"WATCHDOG_USEC" not in environ


def test_a_watchdog_for_another_process_is_not_fed(msvc):
    msvc.write(sleeper("a"))
    parent = run_under(msvc, WATCHDOG_USEC="20000", WATCHDOG_PID=str(os.getpid()))
    parent.wait("READY")
    msvc.foreground.send_signal(signal.SIGTERM)
    seen = []
    while "STOPPING" not in (seen[-1] if seen else {}):
        seen.append(dict(line.split("=", 1)
                         for line in parent.sock.recv(4096).decode().splitlines()))
    assert not any("WATCHDOG" in message for message in seen)
    assert msvc.foreground.wait(DEADLINE) == 0


def test_reexec_is_told_as_a_reload_is(msvc):
    msvc.write(sleeper("a"))
    parent = run_under(msvc)
    parent.wait("READY")
    assert msvc.command("reexec").returncode == 0
    assert int(parent.wait("RELOADING")["MONOTONIC_USEC"]) > 0
    assert parent.wait("READY")["READY"] == "1"
    msvc.foreground.send_signal(signal.SIGTERM)
    parent.wait("STOPPING")
    assert msvc.foreground.wait(DEADLINE) == 0
