"""Services that run by a schedule."""

import calendar
import os
import pathlib
import re
import subprocess
import time

import pytest

from conftest import BIN, DEADLINE, wait_for

FAKETIME = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
HOUR = 3600


def job(script, more="", schedule="0 0 1 1 *"):
    return (f"[service job]\ncommand = /bin/sh -c '{script}'\n"
            f"schedule = {schedule}\nschedule_zone = UTC\n{more}\n")


def schedule(msvc):
    return msvc.service("job")["schedule"]


def runs(msvc):
    try:
        return (msvc.dir / "runs").read_text().split()
    except FileNotFoundError:
        return []


def start_run(msvc):
    """Start a run that does not end, and return its pid."""
    with subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "start", "job"]) as waiting:
        pid = wait_for(lambda: msvc.pid("job"), "the run")
        waiting.terminate()
    return pid


# -- with the clock as it is


def test_a_scheduled_service_waits_for_its_time(msvc):
    assert msvc.start(job("echo run >>{dir}/runs")).returncode == 0
    service = msvc.service("job")
    assert service["state"] == "stopped"
    assert re.fullmatch(r"next run in \d+[smhd].*", service["instances"][0]["reason"])
    year = time.gmtime().tm_year + 1
    assert service["schedule"] == {
        "next": calendar.timegm((year, 1, 1, 0, 0, 0)), "last_start": None,
        "last_end": None, "last_result": None, "last_duration_ms": 0,
        "runs": 0, "failures": 0, "skipped": 0}
    assert runs(msvc) == []


def test_start_runs_it_now_and_waits_for_its_end(msvc):
    msvc.start(job("sleep 0.2; echo run >>{dir}/runs"))
    result = msvc.command("start", "job")
    assert result.returncode == 0, result.stderr
    assert runs(msvc) == ["run"]
    last = schedule(msvc)
    assert (last["runs"], last["failures"], last["last_result"]) == (1, 0, "exited 0")
    assert last["last_duration_ms"] >= 200
    assert abs(last["last_end"] - time.time()) < 30
    assert 0 <= last["last_end"] - last["last_start"] <= 5
    instance = msvc.instance("job")
    assert instance["state"] == "stopped"
    assert instance["reason"].startswith("next run in ")


def test_a_failed_run_is_told_kept_and_not_tried_again(msvc):
    msvc.start(job("echo run >>{dir}/runs; exit 3"))
    result = msvc.command("start", "job")
    assert result.returncode != 0
    assert "exited 3, it runs again by its schedule" in result.stderr
    instance = msvc.instance("job")
    assert (instance["state"], instance["pid"]) == ("failed", None)
    last = schedule(msvc)
    assert (last["runs"], last["failures"], last["last_result"]) == (1, 1, "exited 3")
    assert last["next"] is not None
    msvc.log_has(r"job/1\[\d+\]: exited 3, failed: .*bundle ")
    assert runs(msvc) == ["run"]


def test_on_failure_tries_again_until_it_succeeds(msvc):
    msvc.start(job("echo run >>{dir}/runs; test $(wc -l <{dir}/runs) = 3",
                   "restart = on-failure\nrestart_delay = 10ms\n"))
    msvc.command("start", "job")
    wait_for(lambda: schedule(msvc)["runs"] == 3, "three runs")
    msvc.wait_state("job", "stopped")
    last = schedule(msvc)
    assert (last["failures"], last["last_result"]) == (2, "exited 0")
    assert runs(msvc) == ["run"] * 3


def test_what_cannot_be_run_is_a_failed_run(msvc):
    msvc.start("[service job]\ncommand = /no/such/program\nschedule = @yearly\n")
    assert msvc.command("start", "job").returncode != 0
    last = schedule(msvc)
    assert (last["runs"], last["failures"]) == (1, 1)
    assert "No such file" in last["last_result"]


def test_a_stopped_one_has_no_next_run_until_it_is_started(msvc):
    msvc.start(job("true"))
    assert msvc.command("stop", "job").returncode == 0
    assert schedule(msvc)["next"] is None
    assert msvc.command("start", "job").returncode == 0
    assert schedule(msvc)["next"] is not None


def test_restart_runs_it_and_it_sleeps_again(msvc):
    msvc.start(job("echo run >>{dir}/runs"))
    assert msvc.command("restart", "job").returncode == 0
    assert runs(msvc) == ["run"]
    assert msvc.instance("job")["reason"].startswith("next run in ")


def test_a_run_that_is_restarted_or_stopped_is_no_failure_and_has_its_time(msvc):
    msvc.start(job("test -e {dir}/runs || sleep 0.3; echo run >>{dir}/runs; exec sleep 1000"))
    start_run(msvc)
    wait_for(lambda: runs(msvc), "its beginning")
    with subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "restart", "job"]) as waiting:
        last = wait_for(lambda: schedule(msvc)["runs"] and schedule(msvc), "the end of the first")
        waiting.terminate()
    assert last["last_duration_ms"] >= 300
    assert msvc.command("stop", "job").returncode == 0
    last = schedule(msvc)
    assert (last["runs"], last["failures"]) == (2, 0)
    assert last["last_result"] == "killed by signal 15 (Terminated)"


def test_no_request_starts_it(msvc):
    msvc.start(job("echo run >>{dir}/runs"))
    result = msvc.command("call", "job.x")
    assert result.returncode != 0
    assert '"cause": "stopped"' in result.stderr
    assert msvc.instance("job")["generation"] == 0
    assert runs(msvc) == []


def test_a_reload_changes_the_time_and_starts_nothing(msvc):
    text = job("echo run >>{dir}/runs")
    msvc.start(text)
    before = schedule(msvc)["next"]
    assert msvc.reload(text.replace("0 0 1 1", "0 1 1 1")).returncode == 0
    assert schedule(msvc)["next"] == before + HOUR
    assert msvc.reload(text + "env.X = 1\n").returncode == 0
    assert schedule(msvc)["next"] == before
    assert msvc.reload(text + "schedule_jitter = 24h\nenv.X = 1\n").returncode == 0
    assert before <= schedule(msvc)["next"] <= before + 24 * HOUR
    assert runs(msvc) == []


def test_a_reload_does_not_wait_for_a_run_nor_end_it(msvc):
    text = job("echo run >>{dir}/runs; exec sleep 1000")
    msvc.start(text)
    pid = start_run(msvc)
    assert msvc.reload(text + "schedule_jitter = 1s\n").returncode == 0
    assert msvc.pid("job") == pid
    assert msvc.instance("job")["state"] == "starting"


def test_a_failed_run_does_not_make_a_reload_fail(msvc):
    text = job("exit 1")
    msvc.start(text)
    assert msvc.command("start", "job").returncode != 0
    result = msvc.reload(text + "[service b]\ncommand = /bin/sleep 1000\nready = none\n")
    assert result.returncode == 0, result.stderr


def test_a_reload_does_not_run_one_that_has_failed(msvc):
    text = job("echo run >>{dir}/runs; exit 1")
    msvc.start(text)
    assert msvc.command("start", "job").returncode != 0
    assert msvc.reload(text + "env.X = 1\n").returncode == 0
    assert msvc.wait_state("job", "stopped")["reason"].startswith("next run in ")
    assert runs(msvc) == ["run"]


def test_the_first_start_does_not_wait_for_a_run(msvc):
    msvc.write(job("echo run >>{dir}/runs; exec sleep 1000") +
               "[service slow]\ncommand = /bin/sleep 1000\n"
               "ready = command /usr/bin/test -e {dir}/go\nready_interval = 20ms\n")
    with subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "start"]) as starting:
        wait_for(msvc.lock_pid, "the supervisor")
        msvc.supervisor_pid = msvc.lock_pid()
        wait_for(lambda: msvc.command("status").returncode == 0, "its control socket")
        start_run(msvc)
        (msvc.dir / "go").touch()
        try:
            assert starting.wait(DEADLINE) == 0
        finally:
            starting.kill()
    assert msvc.instance("job")["state"] == "starting"


def test_a_service_can_get_a_schedule_and_lose_it(msvc):
    text = job("exec sleep 1000", "type = oneshot\n")
    plain = "[service job]\ncommand = /bin/sleep 1000\nready = none\n"
    msvc.start(plain)
    assert msvc.pid("job") is not None
    assert msvc.service("job")["schedule"] is None
    assert msvc.reload(text).returncode == 0
    msvc.wait_state("job", "stopped")
    assert schedule(msvc)["next"] is not None
    assert msvc.reload(plain).returncode == 0
    msvc.wait_state("job", "ready")
    assert msvc.service("job")["schedule"] is None


def test_the_zone_of_the_schedule_counts(msvc):
    def in_zone(zone):
        return job("true", schedule="0 12 1 1 *").replace("UTC", zone)

    msvc.start(in_zone("UTC"))
    noon = schedule(msvc)["next"]
    assert msvc.reload(in_zone("Asia/Tokyo")).returncode == 0
    assert schedule(msvc)["next"] == noon - 9 * HOUR


def test_text_status_shows_when_it_runs_next(msvc):
    msvc.start(job("true"))
    assert "next run in " in msvc.command("status").stdout


# -- with a clock that the test sets


class Clock:
    """The wall clock of the supervisor, by libfaketime."""

    def __init__(self, msvc):
        self.msvc, self.file, self.turn = msvc, msvc.dir / "clock", 0
        self.set(0)
        self.env = {"LD_PRELOAD": str(FAKETIME[0]), "FAKETIME_TIMESTAMP_FILE": str(self.file),
                    "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                    "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DISABLE_SHM": "1"}

    def set(self, offset):
        new = self.file.with_suffix(".new")
        new.write_text(f"{offset:+.3f}s")
        new.rename(self.file)

    def start(self, text):
        self.msvc.write(text)
        result = self.msvc.command("start", env=self.env)
        self.msvc.supervisor_pid = self.msvc.lock_pid()
        assert result.returncode == 0, result.stderr

    def reach(self, text, seconds, condition, what, then=lambda: None):
        """
        Plan anew, by a reload, so many seconds before a full minute, and do
        what comes then, until the condition has come true: a slow machine may
        pass the minute.
        """
        def reached():
            self.turn += 1
            now = time.time()
            self.set(60 - now % 60 - seconds)
            assert self.msvc.reload(text + f"schedule_jitter = {self.turn % 2}ms\n").returncode == 0
            then()
            try:
                return wait_for(condition, what, deadline=seconds + 1.5)
            except AssertionError:
                return None

        return wait_for(reached, what)


@pytest.fixture
def clock(msvc):
    if not FAKETIME:
        pytest.skip("libfaketime is not installed")
    if os.environ.get("LD_PRELOAD") or "san" in os.environ.get("MSVC_BUILD", ""):
        pytest.skip("another library must be loaded first")
    return Clock(msvc)


def test_it_runs_when_its_time_comes(msvc, clock):
    text = job("echo run >>{dir}/runs", schedule="* * * * *")
    clock.start(text)
    clock.reach(text, 0.4, lambda: schedule(msvc)["runs"], "a run")
    assert "run" in runs(msvc)
    msvc.log_has(r"job: run of \d+-\d+-\d+ \d+:\d+:00 \+0000 begins")
    last = schedule(msvc)
    assert last["last_start"] % 60 <= 5
    assert last["next"] > last["last_start"]
    assert last["skipped"] == 0


def test_a_run_that_is_due_while_the_one_before_goes_is_skipped(msvc, clock):
    text = job("echo run >>{dir}/runs; exec sleep 1000", schedule="* * * * *")
    clock.start(text)
    pid = start_run(msvc)
    clock.reach(text, 0.4, lambda: schedule(msvc)["skipped"], "a skipped run")
    msvc.log_has(r"job: run of .* skipped, the one before still goes")
    assert msvc.pid("job") == pid
    assert runs(msvc) == ["run"]


def test_what_was_due_while_it_was_stopped_is_not_missed(msvc, clock):
    text = job("echo run >>{dir}/runs; exec sleep 1000", schedule="* * * * *")
    other = "[service other]\ncommand = /bin/true\nschedule = @yearly\n"
    clock.start(text + other)
    assert msvc.command("stop", "job").returncode == 0
    clock.set(600)
    start_run(msvc)
    # This one has the schedules looked at.
    assert msvc.command("start", "other").returncode == 0
    assert schedule(msvc)["skipped"] == 0
    assert schedule(msvc)["next"] > time.time() + 500
    assert "missed" not in msvc.log("msvc")


def test_one_that_has_failed_runs_again_in_its_time(msvc, clock):
    text = job("echo run >>{dir}/runs; exit 1", schedule="* * * * *")
    clock.start(text)
    seen = {}

    def fail():
        assert msvc.command("start", "job").returncode != 0
        assert msvc.instance("job")["state"] == "failed"
        seen["runs"] = schedule(msvc)["runs"]

    clock.reach(text, 1, lambda: schedule(msvc)["runs"] > seen["runs"], "another run", fail)


def test_what_passes_while_the_clock_jumps_is_not_made_up(msvc, clock):
    text = job("echo run >>{dir}/runs", schedule="* * * * *")
    clock.start(text)

    def jumped():
        clock.set(HOUR)
        return schedule(msvc)["skipped"]

    clock.reach(text, 0.8, jumped, "a missed run")
    msvc.log_has(r"job: run of .* missed, the clock was set or the machine slept")
    assert schedule(msvc)["runs"] == len(runs(msvc)) == 0


def test_a_reexec_keeps_the_plan_and_the_results(msvc, clock):
    text = job("echo run >>{dir}/runs", schedule="* * * * *")
    clock.start(text)
    assert msvc.command("start", "job").returncode == 0
    before = schedule(msvc)

    def reexec():
        result = msvc.command("reexec", env=clock.env)
        assert result.returncode == 0, result.stderr
        assert {**schedule(msvc), "next": None} == {**before, "next": None}

    clock.reach(text, 1, lambda: schedule(msvc)["runs"] > 1, "a run", reexec)
