"""after, wants, requires, oneshot services, and what follows when one fails."""

import re

import pytest

from conftest import wait_for

# A service that answers nothing and lives until it is stopped.
OK = "command = /bin/sh -c 'exec sleep 1000'\nready = none\n"
SLOW = "command = {samples}/echo\nready = notify\n"


def starts(msvc):
    """Names of services in the order in which their instances were ready."""
    return re.findall(r"info (\w+)/1\[\d+\]: ready", msvc.log("msvc"))


def stops(msvc):
    return re.findall(r"(\w+)/1\[\d+\]: (?:exited|killed)[^,]*, stopped", msvc.log("msvc"))


def test_what_is_required_is_ready_first_and_stopped_last(msvc):
    msvc.start(
        f"[service c]\n{OK}requires = b\n"
        f"[service b]\n{OK}requires = a\n"
        f"[service a]\n{SLOW}"
    )
    assert msvc.stop().returncode == 0
    assert starts(msvc) == ["a", "b", "c"]
    assert stops(msvc) == ["c", "b", "a"]


def test_a_failed_requirement_is_told_with_its_reason_to_all_that_wait(msvc):
    result = msvc.start(
        f"[service a]\ncommand = /bin/sh -c 'exit 3'\nrestart = never\nready = notify\n"
        f"[service b]\n{OK}requires = a\n[service c]\n{OK}requires = b\n[service d]\n{OK}",
        check=False,
    )
    assert result.returncode == 1
    assert "b/1: stopped: requires a, which is stopped: exited 3" in result.stderr
    assert "c/1: stopped: requires b, which is stopped" in result.stderr
    assert msvc.pid("b") is None and msvc.pid("c") is None
    assert msvc.instance("d")["state"] == "ready"


def test_those_that_wait_start_when_what_they_require_comes(msvc):
    (msvc.dir / "flag").write_text("")
    msvc.start(
        f"[service a]\ncommand = /bin/sh -c 'rm {{dir}}/flag && exit 3; exec sleep 1000'\n"
        f"restart = never\nready = none\n[service b]\n{OK}requires = a\n",
        check=False,
    )
    wait_for(lambda: msvc.instance("a")["state"] == "stopped", "a ends")
    generation = msvc.instance("b")["generation"]
    assert msvc.command("start", "a").returncode == 0
    msvc.wait_state("b", "ready")
    # It may have run for the moment in which a did.
    assert msvc.instance("b")["generation"] <= generation + 1


def test_a_requirement_that_restarts_takes_nobody_along(msvc):
    msvc.start(f"[service a]\n{SLOW}[service b]\n{OK}requires = a\n")
    pid = msvc.pid("b")
    msvc.kill("a")
    msvc.wait_state("a", "ready", generation=2)
    assert msvc.pid("b") == pid


def test_one_that_is_required_is_not_stopped_alone(msvc):
    msvc.start(
        f"[service a]\n{OK}[service b]\n{OK}requires = a\n"
        f"[service c]\n{OK}requires = b\n[service d]\n{OK}after = a\n"
    )
    pids = {name: msvc.pid(name) for name in "abcd"}
    result = msvc.command("stop", "a")
    assert result.returncode == 1
    assert "a is required by b, c" in result.stderr
    assert {name: msvc.pid(name) for name in "abcd"} == pids

    assert msvc.command("stop", "--force", "a").returncode == 0
    assert [msvc.instance(name)["state"] for name in "abc"] == ["stopped"] * 3
    assert msvc.pid("d") == pids["d"]
    wait_for(lambda: stops(msvc) == ["c", "b", "a"], "the order of the stops in the log")
    # Once none of them runs, it needs no force.
    assert msvc.command("stop", "a").returncode == 0


def test_start_brings_what_is_required_and_wanted(msvc):
    msvc.start(
        f"[service a]\n{OK}[service w]\n{OK}[service x]\n{OK}"
        f"[service b]\n{OK}requires = a\nwants = w\nafter = x\n"
    )
    for name in "b", "a", "w", "x":
        assert msvc.command("stop", name).returncode == 0
    assert msvc.command("start", "b").returncode == 0
    states = {name: msvc.instance(name)["state"] for name in "abwx"}
    assert states == {"a": "ready", "b": "ready", "w": "ready", "x": "stopped"}


def test_what_is_only_wanted_may_fail(msvc):
    result = msvc.start(
        f"[service w]\ncommand = /bin/sh -c 'exit 1'\nrestart = never\nready = notify\n"
        f"[service b]\n{OK}wants = w\n",
        check=False,
    )
    assert result.returncode == 1
    assert msvc.instance("b")["state"] == "ready"
    msvc.log_has("b: starts without w, which is stopped")


def test_a_oneshot_is_done_before_those_that_require_it_start(msvc):
    msvc.start(
        "[service migrate]\ntype = oneshot\ncommand = /bin/sh -c 'echo done > {dir}/db'\n"
        f"[service users]\ncommand = /bin/sh -c 'cat {{dir}}/db && exec sleep 1000'\n"
        "ready = none\nrequires = migrate\n"
    )
    inst = msvc.instance("migrate")
    assert (inst["state"], inst["last_exit"], inst["generation"]) == ("stopped", "exit 0", 1)
    wait_for(lambda: "done" in msvc.log("users"), "the line")
    # Wanted again, it runs again; those that require it go on.
    pid = msvc.pid("users")
    (msvc.dir / "db").unlink()
    assert msvc.command("start", "migrate").returncode == 0
    assert (msvc.dir / "db").exists()
    assert msvc.pid("users") == pid


def test_a_oneshot_that_fails_has_failed(msvc):
    result = msvc.start(
        "[service migrate]\ntype = oneshot\ncommand = /bin/sh -c 'exit 4'\n"
        f"[service users]\n{OK}requires = migrate\n",
        check=False,
    )
    assert result.returncode == 1
    inst = msvc.instance("migrate")
    assert (inst["state"], inst["generation"]) == ("failed", 1)
    assert "exited 4, it runs once" in inst["reason"]
    assert "users/1: stopped: requires migrate, which is failed: exited 4" in result.stderr
    assert msvc.pid("users") is None


def test_a_oneshot_may_be_tried_again(msvc):
    msvc.start(
        "[service migrate]\ntype = oneshot\nrestart = on-failure\nrestart_delay = 10ms\n"
        "command = /bin/sh -c 'echo x >> {dir}/tries; [ $(wc -l < {dir}/tries) = 3 ]'\n"
        f"[service users]\n{OK}requires = migrate\n"
    )
    assert msvc.instance("migrate")["generation"] == 3
    assert msvc.instance("users")["state"] == "ready"


def test_a_oneshot_longer_than_the_ready_timeout_of_others_goes_on(msvc):
    """ready_timeout is 30 s for others; for a oneshot only one of its own counts."""
    result = msvc.start(
        "[service a]\ntype = oneshot\nready_timeout = 50ms\nstop_timeout = 1s\n"
        "command = /bin/sleep 1000\n",
        check=False,
    )
    assert result.returncode == 1
    assert "not ready within 50 ms" in msvc.wait_state("a", "failed")["reason"]


@pytest.mark.parametrize("on_failed", ["ignore", "stop-dependents", "exit"])
def test_what_follows_when_one_is_given_up(msvc, on_failed):
    msvc.start(
        f"[service a]\n{OK}restart_limit = 1/1h\nrestart_delay = 0\non_failed = {on_failed}\n"
        f"[service b]\n{OK}requires = a\n[service c]\n{OK}"
    )
    pids = {name: msvc.pid(name) for name in "abc"}
    msvc.kill("a")
    msvc.wait_state("a", "ready", generation=2)
    msvc.kill("a")
    if on_failed == "exit":
        wait_for(lambda: msvc.command("status").returncode == 3, "the supervisor ends")
        assert "a has failed (on_failed = exit), stopping" in msvc.log("msvc")
        return
    msvc.wait_state("a", "failed")
    if on_failed == "stop-dependents":
        wait_for(lambda: msvc.pid("b") is None, "b stops")
        assert msvc.instance("b")["reason"].startswith("requires a, which is failed")
        assert msvc.pid("c") == pids["c"]
        assert msvc.command("start", "a").returncode == 0
        msvc.wait_state("b", "ready")
    else:
        assert {name: msvc.pid(name) for name in "bc"} == {n: pids[n] for n in "bc"}


def test_the_exit_code_tells_that_it_gave_up(msvc):
    msvc.write(
        "[service a]\ncommand = /bin/sh -c 'exit 1'\nready = none\nrestart_delay = 0\n"
        f"restart_limit = 2/1h\non_failed = exit\n[service b]\n{OK}"
    )
    result = msvc.command("run")
    assert result.returncode == 1


def test_long_waits_do_not_keep_the_limit_from_being_reached(msvc):
    """Three restarts within 100 ms of running time, though each waits longer than that."""
    msvc.start(
        "[service a]\ncommand = /bin/sh -c 'exit 1'\nready = none\n"
        "restart_delay = 120ms, 120ms, 120ms\nrestart_limit = 3/100ms\n",
        check=False,
    )
    msvc.wait_state("a", "failed")
    assert msvc.instance("a")["generation"] == 4


def test_a_list_of_delays_is_followed(msvc):
    msvc.start(
        "[service a]\ncommand = /bin/sh -c 'exit 1'\nready = none\n"
        "restart_delay = 20ms, 1ms, 60ms\nrestart_limit = 5/1h\n",
        check=False,
    )
    msvc.wait_state("a", "failed")
    assert msvc.stop().returncode == 0
    waits = [int(ms) for ms in re.findall(r"next try in (\d+) ms", msvc.log("msvc"))]
    assert len(waits) == 5
    for wait, wanted in zip(waits, (20, 1, 60, 60, 60)):
        assert wanted <= wait <= wanted * 1.1 + 1


@pytest.mark.parametrize("key", ["requires", "wants", "after"])
def test_a_circle_is_refused_with_its_lines(msvc, key):
    result = msvc.start(
        f"[service a]\n{OK}{key} = b\n[service b]\n{OK}requires = c\n[service c]\n{OK}after = a\n",
        check=False,
    )
    assert result.returncode == 1
    assert re.search(
        rf"{key} goes in a circle, a \(line \d+\) -> b \(line \d+\) -> c \(line \d+\) -> a; drop one",
        result.stderr,
    )


def test_a_disabled_one_cannot_be_required(msvc):
    result = msvc.start(
        f"[service a]\n{OK}enabled = no\n[service b]\n{OK}requires = a\n", check=False
    )
    assert result.returncode == 1
    assert 'requires "a" is not enabled' in result.stderr


def test_a_chain_of_a_hundred_starts_and_stops_in_order(msvc):
    text = f"[service s0]\n{OK}"
    for i in range(1, 100):
        text += f"[service s{i}]\n{OK}requires = s{i - 1}\n"
    msvc.start(text)
    assert msvc.stop().returncode == 0
    assert starts(msvc) == [f"s{i}" for i in range(100)]
    assert stops(msvc) == [f"s{i}" for i in reversed(range(100))]
