"""What services say by sd_notify(3), as systemd has it, with the real programs."""

import array
import os
import re
import select
import socket
import subprocess

import pytest

from conftest import BIN, is_running, wait_for

# Says first what its second argument has, parted by "|", then what the test
# sends it, with the descriptors that come along.
TALKER = r"""
import array, os, signal, socket, sys
directory = sys.argv[1]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def say(data, fds=()):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    notify.sendmsg([data], rights, 0, os.environ["NOTIFY_SOCKET"])
def on_term(*_):
    if os.path.exists(directory + "/slow"):
        say(b"EXTEND_TIMEOUT_USEC=60000000")
    else:
        sys.exit(0)
signal.signal(signal.SIGTERM, on_term)
for data in [part for part in sys.argv[2].encode().split(b"|") if part]:
    say(data)
ctl = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
path = f"{directory}/ctl.{os.environ['MSVC_GENERATION']}"
ctl.bind(path + ".new")
os.rename(path + ".new", path)
while True:
    data, fds, _, _ = socket.recv_fds(ctl, 4096, 8)
    if data == b"exit":
        sys.exit(0)
    if data.startswith(b"away "):
        if os.fork() == 0:
            os.setsid()
            say(data[5:])
            os._exit(0)
        os.wait()
        say(b"STATUS=said away")
    elif data.startswith(b"helper "):
        if os.fork() == 0:
            say(data[7:])
            # Of one that is gone nobody could tell whose it was.
            ours, theirs = os.pipe()
            say(b"BARRIER=1", [theirs])
            os.close(theirs)
            os.read(ours, 1)
            os._exit(0)
        os.wait()
    else:
        say(data, fds)
    for fd in fds:
        os.close(fd)
"""


def talker(msvc, first="READY=1", extra=""):
    (msvc.dir / "talker.py").write_text(TALKER)
    return (f"[service a]\ncommand = /usr/bin/python3 {msvc.dir}/talker.py {msvc.dir} '{first}'\n"
            f"ready = notify\nrestart_delay = 10ms\n{extra}\n")


def say(msvc, text, fds=(), generation=1):
    """Have the service say it."""
    path = msvc.dir / f"ctl.{generation}"
    wait_for(path.exists, "the service to listen")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        sock.sendmsg([text.encode()], rights, 0, str(path))


def wait_closed(fd):
    """Wait for end of file on it, and close it."""
    wait_for(lambda: select.select([fd], [], [], 0.1)[0], "the other end to be closed")
    assert os.read(fd, 1) == b""
    os.close(fd)


def said(msvc, text):
    """Have it said, and wait until it is handled: what is said next shows."""
    say(msvc, text)
    mark = f"after {text[:40]}".replace("\n", " ")
    say(msvc, f"STATUS={mark}")
    wait_for(lambda: mark in (msvc.instance("a")["reason"] or ""), f"the mark behind {text!r}")


def reason_is(msvc, pattern):
    return wait_for(lambda: re.search(pattern, msvc.instance("a")["reason"] or ""),
                    f"reason {pattern!r}, not {msvc.instance('a')}")


@pytest.fixture
def starting(msvc):
    """Start without waiting for the service; ended with the test."""
    processes = []

    def start(text):
        msvc.write(text)
        processes.append(subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "start"],
                                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
        msvc.supervisor_pid = wait_for(msvc.lock_pid, "a supervisor")
        wait_for(lambda: msvc.command("status").returncode == 0, "an answer")
        return processes[0]

    yield start
    for process in processes:
        if process.poll() is None:
            msvc.stop()
        process.communicate()


def test_reloading_is_shown_until_it_is_ready_again(msvc):
    msvc.start(talker(msvc, "STATUS=serving\nREADY=1".replace("\n", "|")))
    say(msvc, "RELOADING=1\nMONOTONIC_USEC=17")
    reason_is(msvc, "^reloading, serving$")
    assert msvc.instance("a")["state"] == "ready"
    say(msvc, "READY=1")
    reason_is(msvc, "^serving$")
    log = msvc.log("msvc")
    assert log.count("a/1") and "has reloaded" in log
    assert log.count("ready after") == 1


def test_more_time_to_start_is_given(msvc, starting):
    command = starting(talker(msvc, "EXTEND_TIMEOUT_USEC=60000000|STATUS=slow",
                              "ready_timeout = 2s\n[service witness]\ncommand = /bin/sleep 1000\n"
                              "ready = notify\nready_timeout = 2500ms\nrestart = never\n"))
    msvc.wait_state("witness", "stopped")
    assert msvc.instance("a")["state"] == "starting"
    say(msvc, "READY=1")
    command.wait()
    assert msvc.instance("a")["state"] == "ready"


def test_what_is_left_is_never_cut(msvc, starting):
    command = starting(talker(msvc, "EXTEND_TIMEOUT_USEC=1|STATUS=here"))
    reason_is(msvc, "here")
    said(msvc, "EXTEND_TIMEOUT_USEC=1")
    assert msvc.instance("a")["state"] == "starting"
    say(msvc, "READY=1")
    assert command.wait() == 0


def test_more_time_to_stop_is_given(msvc):
    msvc.start(talker(msvc, "READY=1", "stop_timeout = 300ms\n[service stub]\nready = none\n"
                                       "command = /bin/sh -c \"trap '' TERM; while :; do sleep 1;"
                                       " done\"\nstop_timeout = 1s\n"))
    wait_for((msvc.dir / "ctl.1").exists, "the service to listen")
    (msvc.dir / "slow").touch()
    pid = msvc.pid("a")
    stop = subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "stop", "a"])
    msvc.wait_state("a", "stopping")
    # The other one's second has begun after the 300 ms of this one.
    assert msvc.command("stop", "stub").returncode == 0
    assert is_running(pid)
    say(msvc, "exit")
    assert stop.wait() == 0
    assert f"a/1[{pid}]: not stopped" not in msvc.log("msvc")


def test_another_main_process_is_refused_and_told_once(msvc):
    msvc.start(talker(msvc))
    pid = msvc.pid("a")
    said(msvc, f"MAINPID={pid}")
    assert "refused" not in msvc.log("msvc")
    said(msvc, "MAINPID=1")
    said(msvc, "NOTIFYACCESS=all")
    assert msvc.pid("a") == pid
    assert msvc.log("msvc").count("notification MAINPID is refused") == 1
    assert "NOTIFYACCESS" not in msvc.log("msvc")


def test_a_descriptor_that_is_passed_is_closed(msvc):
    msvc.start(talker(msvc))
    path = f"/proc/{msvc.supervisor_pid}/fd"
    said(msvc, "STATUS=begin")
    before = len(os.listdir(path))
    for _ in range(20):
        ours, theirs = os.pipe()
        say(msvc, "FDSTORE=1\nFDNAME=x", [theirs, theirs, theirs])
        os.close(theirs)
        wait_closed(ours)
    assert len(os.listdir(path)) <= before
    assert msvc.log_has("notification (FDSTORE|FDNAME) is refused")


def test_a_barrier_is_passed_when_all_before_it_is_handled(msvc):
    msvc.start(talker(msvc))
    for i in range(10):
        ours, theirs = os.pipe()
        say(msvc, f"STATUS=round {i}")
        say(msvc, "BARRIER=1", [theirs])
        os.close(theirs)
        wait_closed(ours)
        assert msvc.instance("a")["reason"] == f"round {i}"


def test_only_what_its_own_processes_say_counts(msvc, starting):
    command = starting(talker(msvc, "STATUS=here"))
    reason_is(msvc, "here")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(str(msvc.run_dir / "notify.sock"))
        sock.send(b"READY=1")
    say(msvc, "away READY=1")
    reason_is(msvc, "said away")
    assert msvc.instance("a")["state"] == "starting"
    say(msvc, "helper READY=1")
    assert command.wait() == 0


def test_a_watchdog_period_can_be_set_while_it_runs(msvc):
    msvc.start(talker(msvc))
    said(msvc, "WATCHDOG=1")
    say(msvc, "WATCHDOG_USEC=100000")
    assert msvc.log_has("watchdog: silent for 100 ms, aborting it")
    msvc.wait_state("a", "ready", generation=2)


def test_a_watchdog_can_be_triggered(msvc):
    msvc.start(talker(msvc))
    say(msvc, "WATCHDOG=trigger")
    assert msvc.log_has("watchdog: triggered by itself, aborting it")
    msvc.wait_state("a", "ready", generation=2)


def test_an_error_is_shown_and_logged_once(msvc):
    msvc.start(talker(msvc))
    for _ in range(3):
        said(msvc, "ERRNO=28")
    assert re.search(r"No space left on device \(errno 28\), after ERRNO",
                     msvc.instance("a")["reason"])
    assert msvc.log("msvc").count("says that it failed: No space left") == 1
    say(msvc, "ERRNO=0\nSTATUS=fine")
    reason_is(msvc, "^fine$")
