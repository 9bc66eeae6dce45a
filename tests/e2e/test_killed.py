"""The supervisor is killed: nothing of its system is left, and a new one can start."""

import os
import signal
import socket
import subprocess
import time

import pytest

from conftest import BIN, ECHO, is_running, wait_for

# An operator counts on it within two seconds; a busy machine has longer.
GONE = 2.0


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(p) for p in file.read().split()]


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def kill_and_wait(msvc, pids):
    start = time.monotonic()
    os.kill(msvc.supervisor_pid, signal.SIGKILL)
    wait_for(lambda: not any(is_running(p) for p in pids), "all of them to end", 10)
    return time.monotonic() - start


def start_again(msvc):
    result = msvc.command("start")
    assert result.returncode == 0, result.stderr + msvc.all_logs()
    msvc.supervisor_pid = msvc.lock_pid()


def test_helpers_in_sessions_of_their_own_are_gone_too(msvc):
    # Neither in the group nor with the output of its service; orphaned.
    (msvc.dir / "away.sh").write_text(
        "setsid sh -c 'setsid sleep 1000 >/dev/null 2>&1 & echo $! >>{0}/pids' &\n"
        "setsid sleep 1000 & echo $! >>{0}/pids\nexec sleep 1000\n".format(msvc.dir))
    msvc.start(ECHO + "[service away]\ncommand = /bin/sh {dir}/away.sh\nready = none\n")

    def helpers():
        try:
            return [int(p) for p in (msvc.dir / "pids").read_text().split()]
        except FileNotFoundError:
            return []

    wait_for(lambda: len(helpers()) == 2, "two helpers")
    pids = [*descendants(msvc.supervisor_pid), *helpers()]
    try:
        assert kill_and_wait(msvc, pids) < GONE
    finally:
        for pid in helpers():
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)
    start_again(msvc)
    assert msvc.get("/hello").status == 200


AWAY = "[service away]\ncommand = /bin/sh {dir}/away.sh\nready = none\n"


def write_away(msvc, command="setsid sleep 1000"):
    """A helper that its service has let go of."""
    (msvc.dir / "away.sh").write_text(
        f"({command} >/dev/null 2>&1 & echo $! >{msvc.dir}/pid)\nexec sleep 1000\n")


def helper_of(msvc):
    file = msvc.dir / "pid"
    return int(wait_for(lambda: file.exists() and file.read_text().strip(), "the helper"))


def logger_of(msvc):
    return msvc.status()["supervisor"]["logger"]["pid"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_what_a_logger_could_not_end_the_next_start_does(msvc, number):
    write_away(msvc)
    msvc.start(ECHO + AWAY)
    helper, logger = helper_of(msvc), logger_of(msvc)
    pids = descendants(msvc.supervisor_pid)
    # The supervisor first: it would start another one.
    os.kill(msvc.supervisor_pid, signal.SIGSTOP)
    os.kill(logger, number)
    os.kill(msvc.supervisor_pid, signal.SIGKILL)
    try:
        wait_for(lambda: not is_running(msvc.supervisor_pid), "its end")
        (msvc.dir / "pid").unlink()
        start_again(msvc)
        assert not is_running(helper)
        wait_for(lambda: not any(is_running(p) for p in pids), "all of them to end")
    finally:
        for pid in (helper, logger):
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)
    msvc.log_has("supervisor: killed what the one before has left, [1-9]")
    assert is_running(helper_of(msvc))
    assert msvc.get("/hello").status == 200


def test_a_start_after_a_stop_kills_nobody(msvc):
    write_away(msvc)
    msvc.start(AWAY)
    assert msvc.stop().returncode == 0
    start_again(msvc)
    assert "killed what the one before has left" not in msvc.log("msvc")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a control group hierarchy of its own: root")
def test_helpers_without_any_environment_are_gone_with_their_control_group(msvc):
    write_away(msvc, "env -i setsid sleep 1000")
    msvc.start(ECHO + AWAY + "tasks_max = 100\n")
    helper = helper_of(msvc)
    with open(f"/proc/{helper}/cgroup") as file:
        if f"msvc-{msvc.supervisor_pid}/" not in file.read():
            os.kill(helper, signal.SIGKILL)
            pytest.skip("needs control groups (version 2)")
    pids = [*descendants(msvc.supervisor_pid), helper]
    try:
        assert kill_and_wait(msvc, pids) < GONE
    finally:
        if is_running(helper):
            os.kill(helper, signal.SIGKILL)
    (msvc.dir / "pid").unlink()
    start_again(msvc)
    assert msvc.get("/hello").status == 200


def test_killed_while_it_stops(msvc):
    (msvc.dir / "stub.sh").write_text(
        f"[ -e {msvc.dir}/again ] || trap '' TERM\nsetsid sleep 1000 & echo $! >{msvc.dir}/pid\n"
        "while :; do sleep 0.02; done\n")
    msvc.start(ECHO + "[service stub]\ncommand = /bin/sh {dir}/stub.sh\nready = none\n"
               "stop_timeout = 20s\n")
    helper = helper_of(msvc)
    pids = [*descendants(msvc.supervisor_pid), helper]
    stopping = subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "stop"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: msvc.instance("stub")["state"] == "stopping", "the stop")
    assert kill_and_wait(msvc, pids) < GONE
    stopping.wait()
    (msvc.dir / "again").touch()
    start_again(msvc)
    assert msvc.get("/hello").status == 200


def test_a_new_run_is_not_taken_for_the_old_one(msvc):
    msvc.start(ECHO)
    old = descendants(msvc.supervisor_pid)
    os.kill(msvc.supervisor_pid, signal.SIGKILL)
    wait_for(lambda: not is_running(msvc.supervisor_pid), "its end")
    # At once: the logger of the old one is still busy.
    start_again(msvc)
    new = descendants(msvc.supervisor_pid)
    wait_for(lambda: not any(is_running(p) for p in old), "the old ones to end")
    assert all(is_running(p) for p in new)
    assert msvc.instance("echo")["generation"] == 1
    assert msvc.get("/hello").status == 200


def test_a_logger_that_lost_its_lifeline_harms_nobody(msvc):
    msvc.start(ECHO)
    before = msvc.pid("echo")
    logger = msvc.status()["supervisor"]["logger"]["pid"]
    os.kill(logger, signal.SIGKILL)
    wait_for(lambda: msvc.status()["supervisor"]["logger"]["pid"] not in (logger, None),
             "another logger")
    assert msvc.pid("echo") == before


def test_ports_are_free_at_once(msvc):
    msvc.start(ECHO)
    pids = descendants(msvc.supervisor_pid)
    assert kill_and_wait(msvc, pids) < GONE
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((msvc.host, msvc.port))
    sock.close()


def test_a_start_right_after_a_kill_gets_its_ports(msvc):
    # Many threads: the last of them may still have the listeners.
    msvc.start(ECHO, router="workers = 8\n")
    for _ in range(5):
        pid = msvc.supervisor_pid
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_running(pid), "its end")
        start_again(msvc)
        assert msvc.get("/hello").status == 200


def test_killed_while_a_hundred_services_start(msvc):
    text = "".join(f"[service s{i}]\ncommand = /bin/sleep 1000\nready = none\n" for i in range(100))
    for _ in range(3):
        msvc.write(text)
        starting = subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "start"],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            pid = wait_for(lambda: msvc.lock_pid() not in (None, msvc.supervisor_pid)
                           and msvc.lock_pid(), "the supervisor")
            msvc.supervisor_pid = pid
            seen = set()

            def some():
                seen.update(descendants(pid))
                return len(seen) > 20

            wait_for(some, "some of them")
            os.kill(pid, signal.SIGKILL)
        finally:
            starting.wait()
        wait_for(lambda: not any(is_running(p) for p in seen), "all to end", 10)
        # Those that were not seen have its run in their environment.
        wait_for(lambda: not left_of(pid), "all others to end", 10)
    msvc.start(ECHO)
    assert msvc.get("/hello").status == 200


def left_of(supervisor):
    left = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                text = file.read()
        except (OSError, ValueError):
            continue
        if f"MSVC_RUN={supervisor}.".encode() in text and is_running(int(name)):
            left.append(int(name))
    return left


@pytest.mark.parametrize("again", range(5))
def test_no_process_is_ever_left(msvc, again):
    msvc.start(ECHO + "[service many]\ncommand = /bin/sleep 1000\nready = none\ninstances = 20\n")
    pids = descendants(msvc.supervisor_pid)
    assert len(pids) == 23
    assert kill_and_wait(msvc, pids) < GONE
    assert left_of(msvc.supervisor_pid) == []
