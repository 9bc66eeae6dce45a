"""Supervision scenarios B1 to B11: restart policy.

permanent, transient and temporary of other supervisors are restart = always,
on-failure and never here.
"""

import concurrent.futures
import os
import signal

import pytest

from conftest import is_running, wait_for
from scenario import WITNESS, ends, later, lines, script, wait_children
from test_supervise import sleeper

QUICK = "restart_delay = 10ms\n"


def dies_once(msvc, name, end, more):
    """A service whose first process does end once {name}.go is there."""
    return script(
        msvc, name,
        f"echo run >>{name}.txt\n[ -e {name}.ran ] && exec sleep 1000\ntouch {name}.ran\n"
        f"while [ ! -e {name}.go ]; do sleep 0.01; done\n{end}\n", QUICK + more)


def let_die(msvc, name="a"):
    wait_for((msvc.dir / f"{name}.ran").exists, "its first run")
    (msvc.dir / f"{name}.go").touch()


def test_b1_always_comes_back_after_a_normal_end(msvc):
    msvc.start(dies_once(msvc, "a", "exit 0", "restart = always"))
    old = msvc.pid("a")
    let_die(msvc)
    again = msvc.wait_state("a", "ready", generation=2)
    assert again["pid"] != old and again["last_exit"] == "exit 0"


def test_b2_always_comes_back_after_a_kill_and_others_stay(msvc):
    msvc.start(sleeper("a", "restart = always") + sleeper("b"))
    other, old = msvc.pid("b"), msvc.kill("a")
    again = msvc.wait_state("a", "ready", generation=2)
    assert again["pid"] != old and not is_running(old)
    assert msvc.pid("b") == other


def test_b3_on_failure_stays_down_after_a_normal_end(msvc):
    msvc.start(dies_once(msvc, "a", "exit 0", "restart = on-failure") + WITNESS)
    let_die(msvc)
    ended = wait_for(lambda: ends(msvc, "a"), "its end")
    assert ended["state"] == "stopped" and ended["last_exit"] == "exit 0"
    later(msvc)
    assert lines(msvc, "a") == ["run"]


@pytest.mark.parametrize("end, shown", [("exit 3", "exit 3"), ("kill -KILL $$", "signal 9")],
                         ids=["exit", "signal"])
def test_b4_on_failure_comes_back_after_a_failure(msvc, end, shown):
    msvc.start(dies_once(msvc, "a", end, "restart = on-failure"))
    let_die(msvc)
    assert msvc.wait_state("a", "ready", generation=2)["last_exit"] == shown


def test_b5_a_success_code_counts_as_a_normal_end(msvc):
    msvc.start(
        dies_once(msvc, "a", "exit 2", "restart = on-failure\nsuccess_codes = 0, 2") + WITNESS)
    let_die(msvc)
    ended = wait_for(lambda: ends(msvc, "a"), "its end")
    assert ended["state"] == "stopped" and ended["last_exit"] == "exit 2"
    later(msvc)
    assert lines(msvc, "a") == ["run"]


@pytest.mark.parametrize("end", ["exit 0", "exit 3", "kill -KILL $$"])
def test_b6_never_does_not_come_back(msvc, end):
    msvc.start(dies_once(msvc, "a", end, "restart = never") + WITNESS)
    let_die(msvc)
    wait_for(lambda: ends(msvc, "a"), "its end")
    later(msvc)
    assert lines(msvc, "a") == ["run"] and msvc.instance("a")["pid"] is None


def test_b7_never_is_not_restarted_for_its_group_either(msvc):
    msvc.start(
        sleeper("a") + script(msvc, "b", "echo run >>b.txt; exec sleep 1000\n", "restart = never")
        + sleeper("c") + "[group all]\nservices = a, b, c\nstrategy = one_for_all\n")
    third = msvc.pid("c")
    msvc.kill("a")
    for name in "ac":
        msvc.wait_state(name, "ready", generation=2)
    assert msvc.pid("c") != third
    assert lines(msvc, "b") == ["run"]
    assert msvc.instance("b")["state"] == "stopped"


def notifier(msvc, name, before="pass"):
    """A service that is ready when the file NAME.go is there."""
    (msvc.dir / f"{name}.py").write_text(
        "import os, signal, socket, sys, time\n"
        f"{before}\n"
        f"while not os.path.exists('{name}.go'): time.sleep(0.01)\n"
        "sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "sock.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])\n"
        "while True: signal.pause()\n")
    return f"[service {name}]\ncommand = /usr/bin/python3 {{dir}}/{name}.py\nready = notify\n"


def test_b8_a_child_is_ready_when_it_says_so_and_not_before(msvc):
    """Others count seconds; here the child itself, or a probe, tells."""
    msvc.start(WITNESS)
    msvc.write(WITNESS + notifier(msvc, "a"))
    os.kill(msvc.supervisor_pid, signal.SIGHUP)
    wait_for(lambda: len(msvc.status()["services"]) == 2, "the reload")
    wait_for(lambda: msvc.pid("a"), "its start")
    later(msvc)
    assert msvc.instance("a")["state"] == "starting"
    (msvc.dir / "a.go").touch()
    assert msvc.wait_state("a", "ready")["generation"] == 1


def test_b9_an_end_before_it_is_ready_is_a_failed_start(msvc):
    result = msvc.start(
        script(msvc, "bad", "exit 3\n", "restart_delay = 1h\nrestart_delay_max = 1h").replace(
            "ready = none", "ready = notify"), check=False)
    assert result.returncode == 1 and "bad" in result.stderr
    bad = msvc.wait_state("bad", "backoff")
    assert bad["last_exit"] == "exit 3"
    assert "bad/1: ready" not in msvc.log("msvc")


def test_b10_an_operators_restart_has_one_process_at_any_time(msvc):
    msvc.start(script(
        msvc, "a",
        "trap 'rmdir only; exit 0' TERM\nmkdir only || echo two >>two.txt\n"
        "while :; do sleep 0.02; done\n", "overlap = no"))
    seen = set()
    for _ in range(3):
        wait_for((msvc.dir / "only").exists, "the process to run")
        seen.add(msvc.pid("a"))
        assert msvc.command("restart", "a").returncode == 0
    assert len(seen | {msvc.pid("a")}) == 4
    assert lines(msvc, "two") == []


def test_b11_twenty_restarts_at_once_end_with_one_process(msvc):
    msvc.start(sleeper("a", "ramp = 10ms"))
    first = msvc.pid("a")
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        results = list(pool.map(lambda _: msvc.command("restart", "a"), range(20)))
    assert any(result.returncode == 0 for result in results)
    msvc.wait_state("a", "ready")
    wait_children(msvc, [msvc.pid("a")])
    assert msvc.pid("a") != first
