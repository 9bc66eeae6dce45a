"""Groups: whom a restart takes along, and their limit."""

import datetime
import re

import pytest

from conftest import wait_for

OK = "command = /bin/sh -c 'exec sleep 1000'\nready = none\nrestart_delay = 0\n"
NAMES = ("a", "b", "c")


def group(strategy, more=""):
    return f"[group shop]\nservices = a, b, c\nstrategy = {strategy}\n{more}"


def three(**more):
    return "".join(f"[service {n}]\n{OK}{more.get(n, '')}" for n in NAMES)


def pids(msvc):
    return {name: msvc.pid(name) for name in NAMES}


def generations(msvc):
    return [msvc.instance(name)["generation"] for name in NAMES]


def all_ready(msvc):
    return all(msvc.instance(name)["state"] == "ready" for name in NAMES)


@pytest.mark.parametrize(
    "strategy, wanted",
    [("one_for_one", [1, 2, 1]), ("rest_for_one", [1, 2, 2]), ("one_for_all", [2, 2, 2])],
)
def test_a_strategy_says_who_restarts(msvc, strategy, wanted):
    msvc.start(three() + group(strategy))
    msvc.kill("b")
    wait_for(lambda: generations(msvc) == wanted and all_ready(msvc), "the restarts")
    # Nothing else comes after: what a restart of its own would show.
    assert generations(msvc) == wanted


def test_those_taken_along_stop_last_first_and_start_in_order(msvc):
    msvc.start(three() + group("one_for_all"))
    msvc.kill("b")
    wait_for(lambda: generations(msvc) == [2, 2, 2] and all_ready(msvc), "the restart")
    assert msvc.stop().returncode == 0
    log = msvc.log("msvc").partition("stopping")[0]
    after = log[log.index("restarting with its group"):]
    events = re.findall(r"(\w)/1\[\d+\]: (killed|ready)", after)
    assert [e for e in events if e[0] != "b" or e[1] == "ready"] == [
        ("c", "killed"), ("a", "killed"), ("a", "ready"), ("b", "ready"), ("c", "ready"),
    ]
    assert "group shop: restarting with b (one_for_all)" in log


def test_one_that_is_never_restarted_only_stops(msvc):
    msvc.start(three(c="restart = never\n") + group("one_for_all"))
    msvc.kill("b")
    wait_for(lambda: generations(msvc) == [2, 2, 1], "the restart")
    msvc.wait_state("b", "ready", generation=2)
    assert msvc.instance("c")["state"] == "stopped"


def test_one_that_an_operator_stopped_stays_so(msvc):
    msvc.start(three() + group("one_for_all"))
    assert msvc.command("stop", "c").returncode == 0
    msvc.kill("a")
    wait_for(lambda: generations(msvc) == [2, 2, 1], "the restart")
    msvc.wait_state("b", "ready", generation=2)
    assert msvc.instance("c")["state"] == "stopped"


def test_one_that_fails_during_the_restart_is_a_new_failure(msvc):
    """b dies in its second start, once: the group restarts once more, and no child is double."""
    fails_once = (
        "[service b]\ncommand = /bin/sh -c '"
        "echo x >> {dir}/starts; [ $(wc -l < {dir}/starts) != 2 ] && exec sleep 1000'\n"
        "ready = none\nrestart_delay = 0\n"
    )
    msvc.start(f"[service a]\n{OK}{fails_once}[service c]\n{OK}" + group("one_for_all"))
    msvc.kill("a")
    wait_for(lambda: generations(msvc)[1] == 3 and all_ready(msvc), "b's third start")
    assert generations(msvc)[0] == 3
    assert len(set(pids(msvc).values())) == 3
    assert msvc.stop().returncode == 0
    assert msvc.log("msvc").count("group shop: restarting with") == 2


@pytest.mark.parametrize("strategy", ["one_for_one", "rest_for_one", "one_for_all"])
def test_the_limit_of_a_group_counts_all_of_its_services(msvc, strategy):
    msvc.start(three() + group(strategy, "restart_limit = 2/1h\n"))
    count = 0
    for name in "a", "b":
        msvc.kill(name)
        count += 1
        wait_for(
            lambda: msvc.log("msvc").count("killed by signal 9") == count and all_ready(msvc),
            "the restart",
        )
    msvc.kill("c")
    msvc.wait_state("c", "failed")
    wait_for(lambda: pids(msvc) == dict.fromkeys(NAMES), "all of it stops")
    assert "more than 2 restarts of group shop" in msvc.instance("c")["reason"]
    msvc.log_has("group shop: failed, stopping all of it")
    # An operator's start forgets all that.
    for name in NAMES:
        assert msvc.command("start", name).returncode == 0
    msvc.kill("a")
    wait_for(lambda: all_ready(msvc) and msvc.pid("a"), "a is back")


def test_a_group_that_fails_can_end_the_supervisor(msvc):
    msvc.write(
        three(b="").replace("exec sleep 1000", "exit 1", 1)
        + group("one_for_all", "restart_limit = 3/1h\non_failed = exit\n")
    )
    result = msvc.command("run")
    assert result.returncode == 1
    assert "shop has failed (on_failed = exit)" in msvc.log("msvc")


def test_a_crash_loop_of_a_group_has_its_delays(msvc):
    msvc.start(
        "[service a]\ncommand = /bin/sh -c 'exit 1'\nready = none\nrestart_delay = 30ms\n"
        f"restart_limit = 4/1h\n[service b]\n{OK}[service c]\n{OK}" + group("one_for_all"),
        check=False,
    )
    msvc.wait_state("a", "failed")
    assert msvc.stop().returncode == 0
    waits = re.findall(r"a/1.*restarting with its group in (\d+) ms", msvc.log("msvc"))
    assert [int(w) // 30 for w in waits] == [0, 1, 2, 4]
    # ... and they are kept.
    times = [
        datetime.datetime.fromisoformat(line.split()[0].rstrip("Z"))
        for line in msvc.log("msvc").splitlines()
        if re.search(r"a/1\[\d+\]: (exited 1, restarting|ready)", line)
    ]
    ended, came = times[1::2], times[2::2]
    for wait, end, start in zip(waits, ended, came):
        assert (start - end) >= datetime.timedelta(milliseconds=int(wait) - 2)


def test_groups_change_with_a_reload(msvc):
    msvc.start(three() + group("one_for_one"))
    before = pids(msvc)
    assert msvc.reload(three() + group("one_for_all")).returncode == 0
    assert pids(msvc) == before
    msvc.kill("a")
    wait_for(lambda: generations(msvc) == [2, 2, 2] and all_ready(msvc), "the restart")
    assert msvc.reload(three()).returncode == 0
    msvc.kill("a")
    wait_for(lambda: generations(msvc) == [3, 2, 2] and all_ready(msvc), "a alone")


@pytest.mark.parametrize(
    "text, error",
    [
        ("[group g]\nservices = a, x\n", 'group "g": services "x" is not in this config'),
        ("[group g]\nservices = a, a\n", 'services "a" is in group "g" already'),
        ("[group g]\nservices = a\n[group h]\nservices = a\n", 'is in group "g" already (line'),
        ("[group g]\nstrategy = one_for_one\n", "no services; write services = NAME, NAME"),
        ("[group g]\nservices = a\nstrategy = all\n", 'strategy "all" is not one of one_for_one'),
    ],
)
def test_mistakes_in_groups_are_told(msvc, text, error):
    msvc.write(three() + text)
    result = msvc.command("check")
    assert result.returncode == 1
    assert error in result.stderr
