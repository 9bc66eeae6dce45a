"""Supervision scenarios C1 to C8: restart intensity and backoff."""

import pathlib
import re
import subprocess
import time

import pytest

from conftest import BIN, BUILD, DEADLINE, is_running, wait_for
from scenario import WITNESS, later, lines, note, own_children, script
from test_scenarios import cpu_seconds
from test_supervise import sleeper

SLACK = DEADLINE / 40  # of a machine under load
FAST = "restart_delay = 1ms\nrestart_delay_max = 1ms\n"


def crash(msvc, name, times):
    for _ in range(times):
        generation = msvc.instance(name)["generation"]
        msvc.kill(name)
        msvc.wait_state(name, "ready", generation=generation + 1)


def test_c1_over_its_limit_a_service_is_failed_and_the_others_go_on(msvc):
    msvc.start(sleeper("a", FAST + "restart_limit = 1/1h") + WITNESS)
    witness = msvc.pid("witness")
    crash(msvc, "a", 1)
    msvc.kill("a")
    failed = msvc.wait_state("a", "failed")
    assert "more than 1 restarts" in failed["reason"]
    assert own_children(msvc) == [witness]


def test_c1_with_exit_the_supervisor_stops_the_rest_in_reverse_and_fails(msvc):
    def tells(name, more=""):
        return script(
            msvc, name,
            f"trap '{note('order', name).strip()}; exit 0' TERM\n: >{name}.up\n"
            "while :; do sleep 0.02; done\n", more)

    msvc.write(
        tells("first") + tells("second", "after = first")
        + sleeper("a", FAST + "restart_limit = 1/1h\non_failed = exit\nafter = second"))
    msvc.foreground = subprocess.Popen(
        [BIN / "msvc", "-c", msvc.conf, "run"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    msvc.supervisor_pid = wait_for(msvc.lock_pid, "a supervisor")
    msvc.log_has("all services are ready")
    for name in ("first", "second"):
        wait_for((msvc.dir / f"{name}.up").exists, "its trap")
    crash(msvc, "a", 1)
    msvc.kill("a")
    assert msvc.foreground.wait(DEADLINE) == 1
    assert lines(msvc, "order") == ["second", "first"]


def test_c2_as_many_restarts_as_the_limit_are_made_and_not_one_more(msvc):
    msvc.start(sleeper("a", FAST + "restart_limit = 3/1h"))
    crash(msvc, "a", 3)
    assert msvc.instance("a")["generation"] == 4
    msvc.kill("a")
    assert msvc.wait_state("a", "failed")["generation"] == 4


def test_c3_the_window_of_the_limit_slides(msvc):
    msvc.start(sleeper("a", FAST + "restart_limit = 2/300ms"))
    for _ in range(3):
        crash(msvc, "a", 2)
        last = time.monotonic()
        wait_for(lambda: time.monotonic() - last > 0.35, "the window to pass")
    assert msvc.instance("a")["generation"] == 7


def delays(msvc, name):
    return [int(ms) for ms in re.findall(rf"{name}/1\[\d+\]: .*next try in (\d+) ms",
                                         msvc.log("msvc"))]


def test_c4_the_delay_doubles_and_a_crash_loop_is_no_busy_loop(msvc):
    msvc.start(script(msvc, "bad", note("runs") + "exit 3\n",
                      "restart_limit = none\nrestart_delay = 50ms\nrestart_delay_max = 400ms"),
               check=False)
    before, begin = cpu_seconds(msvc.supervisor_pid), time.monotonic()
    wait_for(lambda: len(delays(msvc, "bad")) >= 5, "five delays")
    for delay, least in zip(delays(msvc, "bad"), (50, 100, 200, 400, 400)):
        assert least <= delay <= least * 1.1 + 1
    # 0, 50, 150, 350, 750 ms and one more for each 400.
    spent = time.monotonic() - begin
    assert len(lines(msvc, "runs")) <= 7 + spent / 0.4
    assert cpu_seconds(msvc.supervisor_pid) - before < max(0.05 * spent, SLACK / 5)


def test_c4_a_list_of_delays_is_kept_to_and_its_last_one_stays(msvc):
    msvc.start(script(msvc, "bad", "exit 3\n",
                      "restart_limit = none\nrestart_delay = 20ms,20ms,60ms,40ms"), check=False)
    wait_for(lambda: len(delays(msvc, "bad")) >= 6, "six delays")
    for delay, least in zip(delays(msvc, "bad"), (20, 20, 60, 40, 40, 40)):
        assert least <= delay <= least * 1.1 + 1, delays(msvc, "bad")


def test_c5_a_failed_service_stays_so_until_it_is_started_with_a_clean_record(msvc):
    msvc.start(
        script(msvc, "a", "[ -e good ] && exec sleep 1000\nexit 4\n",
               FAST + "restart_limit = 2/1h") + WITNESS, check=False)
    msvc.wait_state("a", "failed")
    (msvc.dir / "good").touch()
    witness = msvc.pid("witness")
    later(msvc)
    failed = msvc.instance("a")
    assert failed["state"] == "failed" and failed["pid"] is None
    assert witness != msvc.pid("witness")
    assert msvc.command("start", "a").returncode == 0
    crash(msvc, "a", 2)
    msvc.kill("a")
    msvc.wait_state("a", "failed")


FAKETIME = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


@pytest.mark.skipif(FAKETIME is None, reason="needs libfaketime")
@pytest.mark.skipif("san" in BUILD.name, reason="a sanitizer wants to be loaded first")
def test_c6_a_clock_that_is_set_changes_no_delay_and_no_limit(msvc):
    clock = msvc.dir / "clock"

    def set_clock(offset):
        # At once: a file that is empty for a moment would be a third time.
        (msvc.dir / "new").write_text(offset)
        (msvc.dir / "new").rename(clock)

    set_clock("+0")
    msvc.write(sleeper(
        "a", "restart_delay = 500ms\nrestart_delay_max = 500ms\nrestart_limit = 3/1h"))
    result = msvc.command("start", env={
        "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    msvc.supervisor_pid = msvc.lock_pid()
    assert result.returncode == 0, result.stderr
    crash(msvc, "a", 1)
    msvc.kill("a")
    msvc.log_has("next try in 5")
    set_clock("-1d")
    msvc.wait_state("a", "ready", generation=3)
    # Nor does one set forward shorten the period of the limit.
    set_clock("+1d")
    crash(msvc, "a", 1)
    msvc.kill("a")
    msvc.wait_state("a", "failed")
    # The clock of the supervisor really went back and forward.
    killed, ready, failed = (
        re.findall(rf"^(\S+)T\S+ .*a/1\[\d+\]: {what}", msvc.log("msvc"), re.M)
        for what in ("killed", "ready", "killed .*failed"))
    assert ready[2] < killed[0] < failed[0]


def test_c7_the_default_limit_stops_a_crash_loop(msvc):
    """5 restarts in 60 s."""
    msvc.start(script(msvc, "bad", note("runs") + "exit 3\n", FAST), check=False)
    msvc.wait_state("bad", "failed")
    assert len(lines(msvc, "runs")) == 6


def test_c8_the_operator_is_heard_in_a_restart_loop(msvc):
    loops = "".join(
        script(msvc, f"bad{n}", "exit 3\n", FAST + "restart_limit = none") for n in range(10))
    msvc.start(loops, check=False)
    wait_for(lambda: msvc.instance("bad9")["generation"] > 5, "the loop")
    for command in (["status"], ["stop", "bad3"], ["status"], ["stop"]):
        begin = time.monotonic()
        result = msvc.command(*command)
        assert result.returncode == 0, result.stderr
        assert time.monotonic() - begin < 1 + SLACK
    wait_for(lambda: not is_running(msvc.supervisor_pid), "the end")
