"""Supervision scenarios D1 to D7: group strategies."""

import pytest

from conftest import is_running, wait_for
from scenario import WITNESS, ends, later, lines, own_children, pids, script, wait_children
from test_supervise import sleeper

FAST = "restart_delay = 1ms\nrestart_delay_max = 1ms\n"


def group(strategy, more=""):
    return f"[group all]\nservices = a, b, c\nstrategy = {strategy}\n{more}\n"


def member(msvc, name):
    """Notes its start and its end, in order.txt of the whole group."""
    return script(
        msvc, name,
        f"trap 'echo -{name} >>order.txt; exit 0' TERM\necho +{name} >>order.txt\n: >{name}.up\n"
        "while :; do sleep 0.02; done\n", FAST + "restart_limit = none")


def members(msvc):
    return "".join(member(msvc, name) for name in "abc")


def start(msvc, text):
    msvc.start(text)
    for name in "abc":
        wait_for((msvc.dir / f"{name}.up").exists, "its trap")
    (msvc.dir / "order.txt").write_text("")
    return pids(msvc, *"abc")


def test_d1_one_for_one_restarts_only_the_one_that_ended(msvc):
    before = start(msvc, members(msvc) + group("one_for_one") + WITNESS)
    msvc.kill("b")
    msvc.wait_state("b", "ready", generation=2)
    later(msvc)
    after = pids(msvc, *"abc")
    assert after["b"] != before["b"]
    assert (after["a"], after["c"]) == (before["a"], before["c"])


def test_d2_one_for_all_stops_the_others_before_it_restarts_all(msvc):
    before = start(msvc, members(msvc) + group("one_for_all"))
    msvc.kill("b")
    for name in "abc":
        msvc.wait_state(name, "ready", generation=2)
    wait_for(lambda: len(lines(msvc, "order")) == 5, "all to start")
    after = pids(msvc, *"abc")
    assert all(after[name] != before[name] for name in "abc")
    order = lines(msvc, "order")
    assert order[:2] == ["-c", "-a"] and sorted(order[2:]) == ["+a", "+b", "+c"]


def test_d3_rest_for_one_restarts_those_behind_as_well(msvc):
    before = start(msvc, members(msvc) + group("rest_for_one"))
    msvc.kill("b")
    for name in "bc":
        msvc.wait_state(name, "ready", generation=2)
    after = pids(msvc, *"abc")
    assert after["a"] == before["a"]
    assert after["b"] != before["b"] and after["c"] != before["c"]
    wait_for(lambda: len(lines(msvc, "order")) == 3, "both to start")
    assert lines(msvc, "order")[0] == "-c"


@pytest.mark.parametrize("strategy", ["rest_for_one", "one_for_all"])
def test_d4_over_the_limit_of_the_group_all_of_it_is_down(msvc, strategy):
    start(msvc, members(msvc) + group(strategy, "restart_limit = 1/1h") + WITNESS)
    msvc.kill("a")
    for name in "abc":
        msvc.wait_state(name, "ready", generation=2)
    msvc.kill("a")
    msvc.wait_state("a", "failed")
    for name in "bc":
        msvc.wait_state(name, "stopped")
    later(msvc)
    wait_children(msvc, [msvc.pid("witness")])


@pytest.mark.parametrize("strategy", ["rest_for_one", "one_for_all"])
def test_d4_with_exit_the_supervisor_ends_as_failed(msvc, strategy):
    start(msvc, members(msvc) + group(strategy, "restart_limit = 1/1h\non_failed = exit"))
    supervisor = msvc.supervisor_pid
    msvc.kill("a")
    for name in "abc":
        msvc.wait_state(name, "ready", generation=2)
    services = own_children(msvc)
    msvc.kill("a")
    wait_for(lambda: not is_running(supervisor), "the supervisor to end")
    assert not any(is_running(pid) for pid in services)


@pytest.mark.parametrize("strategy", ["rest_for_one", "one_for_all"])
def test_d5_one_that_fails_in_the_groups_restart_is_tried_again(msvc, strategy):
    """b fails once when a's end has taken it along; nothing runs twice."""
    bad = script(
        msvc, "b",
        "if [ -e b.fail ]; then rm b.fail; exit 3; fi\n: >b.up\nexec sleep 1000\n",
        FAST + "restart_limit = none")
    text = member(msvc, "a") + bad + member(msvc, "c")
    start(msvc, text + group(strategy, "restart_limit = 2/1h"))
    (msvc.dir / "b.fail").touch()
    msvc.kill("a")
    wait_for(lambda: not (msvc.dir / "b.fail").exists(), "b to fail")
    msvc.wait_state("b", "ready", generation=3)
    wait_for(lambda: all(msvc.instance(name)["state"] == "ready" for name in "abc")
             and own_children(msvc) == sorted(pids(msvc, *"abc").values()), "one of each")
    # These were two restarts of the group.
    msvc.kill("a")
    msvc.wait_state("a", "failed")


def test_d6_scale_adds_and_takes_away_without_touching_the_rest(msvc):
    msvc.start(script(
        msvc, "a", "trap 'echo bye >>bye.txt; exit 0' TERM\n: >up.$MSVC_INSTANCE\n"
        "while :; do sleep 0.02; done\n"))
    first = msvc.pid("a")
    assert msvc.command("scale", "a=5").returncode == 0
    five = {i["index"]: i["pid"] for i in msvc.service("a")["instances"]}
    assert sorted(five) == [1, 2, 3, 4, 5] and five[1] == first
    wait_children(msvc, five.values())
    for index in five:
        wait_for((msvc.dir / f"up.{index}").exists, "its trap")
    result = msvc.command("scale", "a=2")
    assert result.returncode == 0, result.stderr
    wait_children(msvc, [five[1], five[2]])
    assert lines(msvc, "bye") == ["bye"] * 3


def test_d7_the_numbers_of_status_are_those_of_proc(msvc):
    msvc.start(
        sleeper("many", "instances = 4") + sleeper("off", "enabled = no") + sleeper("down")
        + script(msvc, "over", "exit 0\n", "restart = never")
        + script(msvc, "bad", "exit 3\n", "restart_delay = 1h\nrestart_delay_max = 1h"),
        check=False)
    msvc.wait_state("bad", "backoff", generation=2)
    wait_for(lambda: ends(msvc, "over"), "its end")
    assert msvc.command("stop", "down").returncode == 0
    instances = [i for s in msvc.status()["services"] for i in s["instances"]]
    shown = sorted(i["pid"] for i in instances if i["pid"])
    assert own_children(msvc) == shown and len(shown) == 4
    states = {s["name"]: {i["state"] for i in s["instances"]} for s in msvc.status()["services"]}
    assert states == {"many": {"ready"}, "off": {"disabled"}, "down": {"stopped"},
                      "over": {"stopped"}, "bad": {"backoff"}}
