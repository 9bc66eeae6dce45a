"""Supervision scenarios E1 to E14: stop."""

import os
import re
import signal
import socket
import subprocess
import time

from conftest import BIN, DEADLINE, ECHO, is_running, wait_for
from scenario import WITNESS, later, lines, note, own_children, script
from test_scenarios import zombies
from test_supervise import children, sleeper

SLACK = DEADLINE / 40  # of a machine under load


def trap(msvc, name, action, more="", number="TERM"):
    """A service that does action on a signal; wait_trap() tells that it would."""
    return script(
        msvc, name,
        f"trap '{action}' {number}\n: >{name}.up\nwhile :; do sleep 0.02; done\n", more)


def wait_trap(msvc, *names):
    for name in names:
        wait_for((msvc.dir / f"{name}.up").exists, f"the trap of {name}")


def test_e1_term_is_enough_for_most_and_kill_for_the_rest(msvc):
    msvc.start(sleeper("ok", "stop_timeout = 1s") + trap(msvc, "stub", "", "stop_timeout = 1s"))
    wait_trap(msvc, "stub")
    start = time.monotonic()
    assert msvc.command("stop", "ok").returncode == 0
    assert time.monotonic() - start < 0.5 + SLACK / 2
    assert msvc.instance("ok")["last_exit"] == "signal 15"
    start = time.monotonic()
    assert msvc.stop().returncode == 0
    assert 1.0 <= time.monotonic() - start < 1.6 + SLACK


def test_e2_stop_signal_kill_kills_at_once(msvc):
    msvc.start(trap(msvc, "stub", "", "stop_signal = KILL\nstop_timeout = 1h"))
    wait_trap(msvc, "stub")
    start = time.monotonic()
    assert msvc.command("stop", "stub").returncode == 0
    assert time.monotonic() - start < 0.5 + SLACK / 2
    assert msvc.instance("stub")["last_exit"] == "signal 9"


def test_e3_a_long_stop_timeout_waits_for_the_slow(msvc):
    """There is no endless one; 24h is the longest."""
    msvc.start(trap(msvc, "slow", "sleep 0.7; touch tidy; exit 0", "stop_timeout = 24h"))
    wait_trap(msvc, "slow")
    assert msvc.stop().returncode == 0
    assert (msvc.dir / "tidy").exists()


def test_e4_kill_comes_after_stop_timeout_and_not_before(msvc):
    msvc.start(trap(msvc, "stub", "", "stop_timeout = 600ms") + WITNESS)
    wait_trap(msvc, "stub")
    pid, start = msvc.pid("stub"), time.monotonic()
    assert msvc.command("stop", "stub").returncode == 0
    assert 0.6 <= time.monotonic() - start < 1.0 + SLACK
    assert not is_running(pid)
    assert msvc.instance("stub")["last_exit"] == "signal 9"
    assert msvc.log_has(r"stub/1\[\d+\]: not stopped within 600 ms, killing it")


def test_e5_the_child_gets_its_own_stop_signal(msvc):
    msvc.start(trap(msvc, "a", f"{note('got', 'int').strip()}; exit 0", "stop_signal = INT", "INT"))
    wait_trap(msvc, "a")
    assert msvc.stop().returncode == 0
    assert lines(msvc, "got") == ["int"]


def test_e6_grandchildren_go_too_and_the_pipe_they_hold_delays_nothing(msvc):
    """One in the group, one that has left it and the session."""
    text = "sleep 1000 &\necho $! >>pids.txt\nsetsid sleep 1000 &\necho $! >>pids.txt\nwait\n"
    msvc.start(script(msvc, "fork", text))
    wait_for(lambda: len(lines(msvc, "pids")) == 2, "the grandchildren")
    grandchildren = [int(pid) for pid in lines(msvc, "pids")]
    assert all(is_running(pid) for pid in grandchildren)
    start = time.monotonic()
    assert msvc.stop().returncode == 0
    assert time.monotonic() - start < 3 + SLACK
    assert not any(is_running(pid) for pid in grandchildren)


def test_e7_stop_goes_backwards_through_the_order(msvc):
    def member(name, more=""):
        return trap(msvc, name, f"sleep 0.05; {note('order', name).strip()}; exit 0", more)

    msvc.start(member("a") + member("b", "after = a") + member("c", "requires = b"))
    wait_trap(msvc, *"abc")
    assert msvc.stop().returncode == 0
    assert lines(msvc, "order") == ["c", "b", "a"]


def test_e8_what_the_operator_stops_is_not_restarted(msvc):
    msvc.start(
        script(msvc, "a", note("a") + "exec sleep 1000\n", "restart = always") + WITNESS)
    wait_for(lambda: lines(msvc, "a"), "its start")
    assert msvc.command("stop", "a").returncode == 0
    later(msvc)
    assert msvc.instance("a")["state"] == "stopped"
    assert lines(msvc, "a") == ["started"]


def test_e9_stop_during_backoff_ends_at_once_without_a_new_start(msvc):
    msvc.start(
        script(msvc, "bad", note("runs") + "exit 3\n",
               "restart_delay = 1h\nrestart_delay_max = 1h"), check=False)
    msvc.wait_state("bad", "backoff", generation=2)
    runs, start = lines(msvc, "runs"), time.monotonic()
    os.kill(msvc.supervisor_pid, signal.SIGTERM)
    wait_for(lambda: not is_running(msvc.supervisor_pid), "the end")
    assert time.monotonic() - start < 1 + SLACK
    assert lines(msvc, "runs") == runs == ["started"] * 2


def test_e10_to_stop_what_is_down_is_no_error(msvc):
    msvc.start(script(msvc, "over", "exit 0\n", "restart = never") + sleeper("a"))
    wait_for(lambda: msvc.instance("over")["state"] == "stopped", "its end")
    for name in ("over", "a", "a"):
        result = msvc.command("stop", name)
        assert result.returncode == 0, result.stderr
    # It dies right before, so that the signal may find nobody.
    assert msvc.command("start", "a").returncode == 0
    msvc.kill("a")
    assert msvc.command("stop", "a").returncode == 0
    assert msvc.instance("a")["state"] == "stopped"


def test_e11_what_others_require_is_stopped_by_force_only(msvc):
    msvc.start(sleeper("base") + sleeper("mid", "requires = base")
               + sleeper("top", "requires = mid") + sleeper("alone"))
    before = {name: msvc.pid(name) for name in ("base", "mid", "top", "alone")}
    result = msvc.command("stop", "base")
    assert result.returncode == 1
    assert "mid" in result.stderr and "--force" in result.stderr, result.stderr
    assert {name: msvc.pid(name) for name in before} == before
    result = msvc.command("stop", "--force", "base")
    assert result.returncode == 0, result.stderr
    for name in ("base", "mid", "top"):
        assert msvc.instance(name)["state"] == "stopped"
    assert own_children(msvc) == [before["alone"]]


def test_e12_term_and_int_stop_everything_and_leave_nothing(msvc):
    for number in (signal.SIGTERM, signal.SIGINT):
        msvc.start(ECHO + sleeper("a"))
        supervisor = msvc.supervisor_pid
        processes = children(supervisor)
        assert len(processes) == 4 and not zombies(supervisor)
        os.kill(supervisor, number)
        wait_for(lambda: not is_running(supervisor), "the end")
        assert not any(is_running(pid) for pid in processes)


def test_e12_a_second_term_kills_and_leaves_no_orphan(msvc):
    msvc.start(trap(msvc, "stub", "", "stop_timeout = 1h"))
    wait_trap(msvc, "stub")
    processes = children(msvc.supervisor_pid)
    os.kill(msvc.supervisor_pid, signal.SIGTERM)
    msvc.log_has("stopping")
    assert is_running(msvc.pid("stub"))
    os.kill(msvc.supervisor_pid, signal.SIGTERM)
    wait_for(lambda: not is_running(msvc.supervisor_pid), "the end")
    assert not any(is_running(pid) for pid in processes)


def test_e12_run_exits_0_after_term(msvc):
    msvc.write(sleeper("a"))
    msvc.foreground = subprocess.Popen(
        [BIN / "msvc", "-c", msvc.conf, "run"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    msvc.log_has("all services are ready")
    msvc.foreground.send_signal(signal.SIGTERM)
    assert msvc.foreground.wait(DEADLINE) == 0


def test_e13_a_killed_supervisor_takes_all_with_it_and_frees_its_ports(msvc):
    """Others go on and are adopted by the next supervisor; ours never run unwatched."""
    text = "setsid sleep 1000 &\necho $! >>pids.txt\nexec sleep 1000\n"
    msvc.start(ECHO + script(msvc, "fork", text))
    wait_for(lambda: lines(msvc, "pids"), "the grandchild")
    processes = children(msvc.supervisor_pid) + [int(lines(msvc, "pids")[0])]
    assert len(processes) == 5 and all(is_running(pid) for pid in processes)
    os.kill(msvc.supervisor_pid, signal.SIGKILL)
    wait_for(lambda: not any(is_running(pid) for pid in processes), "all to end", 2 + SLACK)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((msvc.host, msvc.port))
    assert msvc.command("start").returncode == 0
    msvc.supervisor_pid = msvc.lock_pid()
    assert msvc.get("/hello").status == 200


def test_e14_a_wait_for_a_stop_is_told_once_and_not_again_and_again(msvc):
    msvc.start(trap(msvc, "stub", "", "stop_timeout = 1s"))
    wait_trap(msvc, "stub")
    before = msvc.log("msvc")
    result = msvc.stop()
    assert result.returncode == 0
    told = [line for line in msvc.log("msvc")[len(before):].splitlines() if "stub/1" in line]
    assert 1 <= len(told) <= 4, told
    assert len([line for line in told if re.search("not stopped within", line)]) == 1
    assert len(result.stderr.splitlines()) <= 2
