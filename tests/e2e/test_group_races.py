"""Groups and dependencies when two things happen at once."""

import os
import re
import signal
import subprocess
import threading

import pytest

from conftest import BIN, is_running, wait_for

OK = "command = /bin/sh -c 'exec sleep 1000'\nready = none\nrestart_delay = 0\n"
NAMES = ("a", "b", "c")


def group(strategy, more="", names="a, b, c"):
    return f"[group shop]\nservices = {names}\nstrategy = {strategy}\n{more}"


def three(**more):
    return "".join(f"[service {n}]\n{OK}{more.get(n, '')}" for n in NAMES)


def generations(msvc, names=NAMES):
    return [msvc.instance(name)["generation"] for name in names]


def all_ready(msvc, names=NAMES):
    return all(msvc.instance(name)["state"] == "ready" for name in names)


def kill_in_one_turn(msvc, *names):
    """The supervisor sees all of these deaths at the same time."""
    pids = [msvc.pid(name) for name in names]
    os.kill(msvc.supervisor_pid, signal.SIGSTOP)
    try:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not any(is_running(pid) for pid in pids), "the deaths")
    finally:
        os.kill(msvc.supervisor_pid, signal.SIGCONT)


def stubborn(msvc, name):
    """A service that ends only once the file NAME.go is there."""
    (msvc.dir / f"{name}.sh").write_text(
        f"[ -e {msvc.dir}/{name}.go ] && echo up && exec sleep 1000\n"
        f"trap '' TERM\necho up\nwhile [ ! -e {msvc.dir}/{name}.go ]; do sleep 0.02; done\n")
    return (
        f"[service {name}]\ncommand = /bin/sh {msvc.dir}/{name}.sh\nready = log ^up$\n"
        "stop_timeout = 60s\nrestart_delay = 0\n")


def late(msvc, name):
    """A service that is ready only once the file NAME.up is there."""
    (msvc.dir / f"{name}.sh").write_text(
        f"while [ ! -e {msvc.dir}/{name}.up ]; do sleep 0.02; done\necho up\nexec sleep 1000\n")
    return (
        f"[service {name}]\ncommand = /bin/sh {msvc.dir}/{name}.sh\nready = log ^up$\n"
        "restart_delay = 0\n")


def release(msvc, name, suffix="go"):
    (msvc.dir / f"{name}.{suffix}").touch()


def background(msvc, *args):
    return subprocess.Popen(
        [BIN / "msvc", "-c", msvc.conf, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True)


def started(msvc, name):
    return len(re.findall(rf"{name}/1\[\d+\]: ready", msvc.log("msvc")))


# -- who is taken along


@pytest.mark.parametrize("first, second", [("a", "c"), ("c", "a")])
def test_of_two_that_end_at_once_the_first_in_order_says_who_restarts(msvc, first, second):
    """rest_for_one: b is behind a, whatever else has ended as well."""
    msvc.start(three() + group("rest_for_one"))
    kill_in_one_turn(msvc, first, second)
    wait_for(lambda: generations(msvc) == [2, 2, 2] and all_ready(msvc), "all three again")


@pytest.mark.parametrize("strategy", ["rest_for_one", "one_for_all"])
def test_what_ends_together_counts_once(msvc, strategy):
    """Each group restart is one restart, as in OTP; who is taken along has not failed."""
    msvc.start(three() + group(strategy, "restart_limit = 2/1h\n"))
    kill_in_one_turn(msvc, *NAMES)
    wait_for(lambda: generations(msvc) == [2, 2, 2] and all_ready(msvc), "the first restart")
    assert msvc.log("msvc").count("group shop: restarting with") == 1
    kill_in_one_turn(msvc, *NAMES)
    wait_for(lambda: generations(msvc) == [3, 3, 3] and all_ready(msvc), "the second restart")


def test_one_that_dies_before_its_turn_to_stop_counts_no_more(msvc):
    """c is slow to stop, so a still runs when it dies: it was to be restarted anyway."""
    msvc.start(
        f"[service a]\n{OK}[service b]\n{OK}{stubborn(msvc, 'c')}"
        + group("one_for_all", "restart_limit = 1/1h\n"))
    msvc.kill("b")
    msvc.wait_state("c", "stopping")
    pid = msvc.kill("a")
    msvc.log_has(rf"a/1\[{pid}\]: killed by signal 9")
    release(msvc, "c")
    wait_for(lambda: generations(msvc)[:2] == [2, 2], "the restart")
    msvc.wait_state("b", "ready", generation=2)
    assert msvc.log("msvc").count("group shop: restarting with") == 1


def test_a_rolling_restart_does_not_jump_the_queue_of_its_group(msvc):
    """A new b is on trial when a dies: b waits for the next a all the same."""
    (msvc.dir / "b.sh").write_text(
        f"if [ -e {msvc.dir}/b.plain ]; then echo up; exec sleep 1000; fi\n"
        f"trap '' TERM\nwhile [ ! -e {msvc.dir}/b.go ]; do sleep 0.02; done\n")
    b = (f"[service b]\ncommand = /bin/sh {msvc.dir}/b.sh\nready = log ^up$\n"
         "stop_timeout = 60s\nrestart_delay = 0\n")
    a = late(msvc, "a")
    release(msvc, "a", "up")
    release(msvc, "b", "plain")
    msvc.start(a + b + group("one_for_all", names="a, b"))
    (msvc.dir / "a.up").unlink()
    (msvc.dir / "b.plain").unlink()
    restart = background(msvc, "restart", "b")
    msvc.log_has("b/1: starting generation 2 beside generation 1")
    release(msvc, "b", "plain")
    msvc.kill("a")
    wait_for(lambda: msvc.log_has(r"b/1\[\d+\]: killed by signal 15"), "b's old process ends")
    release(msvc, "b")
    wait_for(lambda: msvc.pid("a") and msvc.instance("a")["generation"] == 2, "the next a")
    assert msvc.pid("b") is None
    release(msvc, "a", "up")
    wait_for(lambda: all_ready(msvc, "ab"), "both again")
    restart.communicate(timeout=20)
    assert generations(msvc, "a") == [2]


# -- what an operator asks for in the middle of it


def test_a_group_restart_does_not_take_back_a_stop(msvc):
    """stop --force a waits for c to end when b of the same group crashes."""
    msvc.start(
        f"[service a]\n{OK}[service b]\n{OK}requires = a\n"
        f"{stubborn(msvc, 'c')}requires = b\n" + group("one_for_all"))
    stop = background(msvc, "stop", "--force", "a")
    msvc.wait_state("c", "stopping")
    pid = msvc.kill("b")
    msvc.log_has(rf"b/1\[{pid}\]: killed by signal 9")
    release(msvc, "c")
    _, errors = stop.communicate(timeout=20)
    assert stop.returncode == 0, errors
    assert [msvc.instance(name)["state"] for name in NAMES] == ["stopped"] * 3
    assert generations(msvc) == [1, 1, 1]


def test_a_start_in_the_middle_of_a_stop_brings_back_what_it_requires(msvc):
    msvc.start(
        f"[service a]\n{OK}[service b]\n{OK}requires = a\n"
        f"{stubborn(msvc, 'c')}requires = b\n")
    stop = background(msvc, "stop", "--force", "a")
    msvc.wait_state("c", "stopping")
    start = background(msvc, "start", "c")
    _, errors = stop.communicate(timeout=20)
    assert "a: was started again" in errors
    release(msvc, "c")
    _, errors = start.communicate(timeout=20)
    assert start.returncode == 0, errors
    assert all_ready(msvc)
    assert generations(msvc) == [1, 1, 2]


def test_a_reload_that_takes_the_group_away_ends_its_restart(msvc):
    a, c = f"[service a]\n{OK}", stubborn(msvc, "c")
    b = f"[service b]\n{OK}"
    msvc.start(a + b + c + group("one_for_all"))
    msvc.kill("b")
    msvc.wait_state("c", "stopping")
    assert msvc.reload(a + b + c).returncode == 0
    release(msvc, "c")
    wait_for(lambda: all_ready(msvc), "all of them")
    before = generations(msvc)
    msvc.kill("b")
    msvc.wait_state("b", "ready", generation=before[1] + 1)
    assert generations(msvc) == [before[0], before[1] + 1, before[2]]


def test_a_reload_that_takes_a_member_away_lets_the_others_restart(msvc):
    a, b, c = f"[service a]\n{OK}", f"[service b]\n{OK}", stubborn(msvc, "c")
    msvc.start(a + b + c + group("one_for_all"))
    msvc.kill("b")
    msvc.wait_state("c", "stopping")
    assert msvc.reload(a + c + group("one_for_all", names="a, c")).returncode == 0
    release(msvc, "c")
    wait_for(
        lambda: [s["name"] for s in msvc.status()["services"]] == ["a", "c"]
        and all_ready(msvc, "ac"), "the others")
    msvc.kill("a")
    wait_for(lambda: all_ready(msvc, "ac") and started(msvc, "c") >= 3, "one more restart")


def test_a_reload_does_not_start_what_waits(msvc):
    a = late(msvc, "a")
    b = f"[service b]\n{OK}requires = a\n"
    msvc.write(a + b)
    start = background(msvc, "start")
    wait_for(lambda: msvc.lock_pid(), "the supervisor")
    msvc.supervisor_pid = msvc.lock_pid()
    wait_for(lambda: msvc.command("status").returncode != 3, "its answers")
    msvc.write(a + b.replace("1000", "2000"))
    assert msvc.command("reload").returncode == 0
    assert msvc.pid("b") is None
    release(msvc, "a", "up")
    msvc.wait_state("b", "ready")
    assert msvc.instance("b")["generation"] == 1
    start.communicate(timeout=20)


def test_a_restart_of_what_is_down_is_a_start_of_it(msvc):
    msvc.start(f"[service a]\n{OK}[service b]\n{OK}requires = a\n")
    assert msvc.command("stop", "--force", "a").returncode == 0
    assert msvc.command("restart", "b").returncode == 0
    assert all_ready(msvc, "ab")
    # Also when it was left waiting for what an operator has stopped.
    assert msvc.command("stop", "--force", "a").returncode == 0
    assert msvc.command("restart", "b/1").returncode == 1
    assert msvc.pid("b") is None
    assert msvc.command("restart", "b").returncode == 0
    assert all_ready(msvc, "ab")


def test_an_instance_that_ends_waits_for_what_it_requires(msvc):
    """b falls with a; it does not spend its own restarts until a is back."""
    release(msvc, "a", "up")
    msvc.start(late(msvc, "a") + f"[service b]\n{OK}requires = a\n")
    (msvc.dir / "a.up").unlink()
    msvc.kill("a")
    wait_for(lambda: msvc.instance("a")["state"] == "starting", "a to begin")
    msvc.kill("b")
    wait_for(lambda: msvc.pid("b") is None, "b waits")
    assert "waits for a" in msvc.command("status", "b").stdout
    release(msvc, "a", "up")
    msvc.wait_state("b", "ready", generation=2)


# -- the end of the supervisor


def test_nothing_new_starts_while_the_supervisor_stops(msvc):
    """a and d are needed until b has stopped; they crash, or were to restart."""
    msvc.start(
        f"[service a]\n{OK}[service d]\ncommand = /bin/sh -c 'exit 1'\nready = none\n"
        "restart_delay = 300ms, 300ms\nrestart_limit = none\n"
        f"{stubborn(msvc, 'b')}after = a, d\n",
        check=False)
    msvc.wait_state("b", "ready")
    stop = background(msvc, "stop")
    msvc.wait_state("b", "stopping")
    pid = msvc.kill("a")
    msvc.log_has(rf"a/1\[{pid}\]: killed by signal 9")
    # d is not only between two tries.
    msvc.wait_state("d", "stopped")
    release(msvc, "b")
    assert stop.wait(20) == 0
    log = msvc.log("msvc")
    assert ": ready" not in log[re.search(r"router\[\d+\]: exited 0", log).end():]


def test_a_stop_in_the_middle_of_a_group_restart_is_a_stop(msvc):
    msvc.start(f"[service a]\n{OK}[service b]\n{OK}{stubborn(msvc, 'c')}" + group("one_for_all"))
    msvc.kill("b")
    msvc.wait_state("c", "stopping")
    stop = background(msvc, "stop")
    # While the router finishes what it has, that is served all the same.
    msvc.log_has(r"router\[\d+\]: exited 0, stopped")
    release(msvc, "c")
    assert stop.wait(20) == 0
    assert [started(msvc, name) for name in NAMES] == [1, 1, 1]


# -- what others are told


def test_a_group_in_a_crash_loop_is_told_to_whoever_starts(msvc):
    """Without a limit it goes on for good, but nobody waits for that."""
    result = msvc.start(
        "[service a]\ncommand = /bin/sh -c 'exit 1'\nready = notify\nrestart_limit = none\n"
        f"restart_delay = 50ms\n[service b]\n{OK}" + group("one_for_all", names="a, b"),
        check=False)
    assert result.returncode == 1
    assert "a/1" in result.stderr
    assert msvc.command("restart", "a").returncode == 1


def test_the_dependents_of_all_of_a_group_stop_with_it(msvc):
    msvc.start(
        three() + f"[service d]\n{OK}requires = a\n[service e]\n{OK}"
        + group("one_for_all", "restart_limit = 1/1h\non_failed = stop-dependents\n"))
    msvc.kill("c")
    wait_for(lambda: generations(msvc) == [2, 2, 2] and all_ready(msvc), "the restart")
    msvc.kill("c")
    msvc.wait_state("c", "failed")
    wait_for(lambda: msvc.pid("d") is None, "d stops with a")
    assert msvc.instance("e")["state"] == "ready"


def test_a_group_that_gives_up_stops_its_own_dependents_for_good(msvc):
    """b requires the a that has failed and is in its group: it stops, and waits for nobody."""
    msvc.start(
        f"[service a]\n{OK}[service b]\n{OK}requires = a\n"
        + group("one_for_all", "restart_limit = 1/1h\non_failed = stop-dependents\n", "a, b"))
    msvc.kill("a")
    wait_for(lambda: generations(msvc, "ab") == [2, 2] and all_ready(msvc, "ab"), "the restart")
    msvc.kill("a")
    msvc.wait_state("a", "failed")
    wait_for(lambda: msvc.pid("b") is None, "b stops")
    assert msvc.command("start", "a").returncode == 0
    assert msvc.instance("b")["state"] == "stopped"


def test_clients_hear_at_once_for_what_a_service_waits_in_vain(msvc):
    msvc.start(
        "[service a]\ncommand = /bin/sh -c 'exit 3'\nrestart = never\nready = notify\n"
        "[service b]\ncommand = {samples}/echo\nroute = /\nrequires = a\n", check=False)
    answer = msvc.get("/")
    assert answer.status == 503
    assert "requires a, which is stopped: exited 3" in answer.json["detail"]


@pytest.mark.parametrize("key", ["health = tcp 127.0.0.1:1", "idle_stop = 1m", "watchdog = 1s"])
def test_a_oneshot_has_no_keys_of_what_goes_on_running(msvc, key):
    msvc.write(f"[service a]\ncommand = /bin/true\ntype = oneshot\n{key}\n")
    result = msvc.command("check")
    assert result.returncode == 1
    assert f'key "{key.split()[0]}" does not fit type = oneshot' in result.stderr


def test_what_is_required_is_there_with_some_of_its_instances(msvc):
    """a/2 fails for good: a has two left, which is what b needs."""
    msvc.start(
        "[service a]\ninstances = 3\nready = log ^up$\nrestart_limit = 1/1h\nrestart_delay = 0\n"
        "command = /bin/sh -c '[ $MSVC_INSTANCE = 2 ] && exit 3; echo up; exec sleep 1000'\n"
        f"[service b]\n{OK}requires = a\n", check=False)
    msvc.wait_state("a", "failed", index=2)
    msvc.wait_state("b", "ready")
    pid = msvc.kill("b")
    wait_for(lambda: msvc.pid("b") not in (None, pid), "b again")


def test_a_restart_takes_a_failed_group_up_again(msvc):
    """restart, as start, forgets that the group has failed."""
    msvc.start(three() + group("one_for_all", "restart_limit = 1/1h\n"))
    msvc.kill("b")
    wait_for(lambda: generations(msvc) == [2, 2, 2] and all_ready(msvc), "the restart")
    msvc.kill("b")
    msvc.wait_state("b", "failed")
    wait_for(lambda: msvc.pid("a") is None, "a stops")
    for name in NAMES:
        assert msvc.command("restart", name).returncode == 0
    msvc.kill("b")
    wait_for(lambda: generations(msvc) == [4, 4, 4] and all_ready(msvc), "one more restart")


# -- with more than one instance


def many(name, more=""):
    return f"[service {name}]\n{OK}instances = 3\n{more}"


def of(msvc, name):
    return [i["generation"] for i in msvc.service(name)["instances"]]


def are_ready(msvc, *names):
    return all(
        i["state"] == "ready" for name in names for i in msvc.service(name)["instances"])


@pytest.mark.parametrize(
    "strategy, own, behind", [("rest_for_one", [1, 2, 1], [2, 2, 2]), ("one_for_all", [2, 2, 2], [2, 2, 2])])
def test_one_instance_takes_all_instances_of_others_along(msvc, strategy, own, behind):
    msvc.start(many("a") + many("b") + group(strategy, names="a, b"))
    msvc.kill("a", index=2)
    wait_for(
        lambda: (of(msvc, "a"), of(msvc, "b")) == (own, behind) and are_ready(msvc, "a", "b"),
        "the restart")


def test_scaling_in_the_middle_of_a_group_restart(msvc):
    msvc.start(many("a") + stubborn(msvc, "c") + group("one_for_all", names="a, c"))
    msvc.kill("a")
    msvc.wait_state("c", "stopping")
    up = background(msvc, "scale", "a=5")
    wait_for(lambda: len(msvc.service("a")["instances"]) == 5, "five of them")
    assert msvc.pid("a", 5) is None
    down = background(msvc, "scale", "a=2")
    wait_for(lambda: down.poll() is not None or len(msvc.service("a")["instances"]) == 2, "two")
    release(msvc, "c")
    assert down.wait(20) == 0, down.stderr.read()
    up.wait(20)
    wait_for(lambda: of(msvc, "a") == [2, 2] and are_ready(msvc, "a", "c"), "two of them again")


def test_a_drained_member_is_restarted_with_its_group(msvc):
    msvc.start(three() + group("one_for_all"))
    assert msvc.command("drain", "c").returncode == 0
    msvc.kill("a")
    wait_for(lambda: generations(msvc) == [2, 2, 2] and all_ready(msvc), "the restart")


def test_a_diamond_stops_from_its_end_and_each_once(msvc):
    msvc.start(
        f"[service e]\n{OK}requires = d\n[service d]\n{OK}requires = b, c\n"
        f"[service c]\n{OK}requires = a\n[service b]\n{OK}requires = a\n"
        f"[service a]\n{OK}restart_limit = 1/1h\non_failed = stop-dependents\n")
    msvc.kill("a")
    msvc.wait_state("a", "ready", generation=2)
    msvc.kill("a")
    msvc.wait_state("a", "failed")
    wait_for(lambda: not any(msvc.pid(name) for name in "bcde"), "all that need a to stop")
    log = msvc.log("msvc")
    assert [log.count(f"msvc warn {name}: stopping, it requires a") for name in "bcde"] == [1] * 4
    ends = re.findall(r"(\w)/1\[\d+\]: killed by signal 15", log)
    assert ends[:2] == ["e", "d"] and sorted(ends[2:]) == ["b", "c"]
    assert msvc.command("start", "e").returncode == 0
    assert all_ready(msvc, "abcde")


def test_a_oneshot_that_fails_when_it_runs_again_leaves_the_others(msvc):
    msvc.start(
        f"[service m]\ntype = oneshot\ncommand = /bin/sh -c '[ ! -e {msvc.dir}/bad ]'\n"
        f"[service b]\n{OK}requires = m\n")
    pid = msvc.pid("b")
    (msvc.dir / "bad").touch()
    assert msvc.command("start", "m").returncode == 1
    assert msvc.instance("m")["state"] == "failed"
    assert msvc.pid("b") == pid
    # ... until it ends: it needs what has failed.
    msvc.kill("b")
    wait_for(lambda: msvc.instance("b")["state"] == "stopped", "b waits in vain")
    (msvc.dir / "bad").unlink()
    assert msvc.command("start", "b").returncode == 0
    assert all_ready(msvc, "b")


def test_on_failed_exit_ends_a_start_that_is_still_under_way(msvc):
    """b never becomes ready, a fails meanwhile: whoever starts hears of it."""
    msvc.write(
        "[service a]\ncommand = /bin/sh -c 'exit 1'\nrestart = on-failure\nready = notify\n"
        "restart_limit = 1/1h\nrestart_delay = 0\non_failed = exit\n"
        "[service b]\ncommand = /bin/sleep 1000\nready = notify\n"
        f"[service c]\n{OK}requires = b\n")
    result = msvc.command("start")
    assert result.returncode == 1
    wait_for(lambda: msvc.command("status").returncode == 3, "the supervisor's end")
    log = msvc.log("msvc")
    assert "a has failed (on_failed = exit), stopping" in log
    assert "c/1[" not in log


def test_a_group_restart_goes_on_after_reexec(msvc):
    msvc.start(f"[service a]\n{OK}[service b]\n{OK}{stubborn(msvc, 'c')}" + group("one_for_all"))
    msvc.kill("b")
    msvc.wait_state("c", "stopping")
    assert msvc.command("reexec").returncode == 0
    assert generations(msvc) == [1, 1, 1]
    release(msvc, "c")
    wait_for(lambda: generations(msvc) == [2, 2, 2] and all_ready(msvc), "the restart")
    # What it counted is not forgotten either.
    msvc.kill("b")
    wait_for(lambda: generations(msvc) == [3, 3, 3] and all_ready(msvc), "one more")


def test_one_of_a_group_whose_probe_fails_takes_the_others_along(msvc):
    (msvc.dir / "well").touch()
    msvc.start(
        f"[service a]\n{OK}health = command /usr/bin/test -e {msvc.dir}/well\n"
        "health_interval = 20ms\nhealth_failures = 1\nrestart_limit = 2/1h\n"
        f"[service b]\n{OK}" + group("one_for_all", names="a, b"))
    (msvc.dir / "well").unlink()
    msvc.wait_state("a", "failed")
    wait_for(lambda: msvc.pid("b") is None, "b to stop")
    assert msvc.instance("b")["generation"] == 3


def test_a_request_waits_for_a_group_that_restarts(msvc):
    msvc.start(
        "[service a]\ncommand = {samples}/echo\nroute = /\nrestart_delay = 0\n"
        + stubborn(msvc, "c") + group("one_for_all", names="a, c"))
    msvc.kill("c")
    wait_for(lambda: generations(msvc, "ac") == [2, 2] and all_ready(msvc, "ac"), "the restart")
    msvc.kill("a")
    msvc.wait_state("c", "stopping")
    answers = []
    client = threading.Thread(target=lambda: answers.append(msvc.get("/").status))
    client.start()
    wait_for(lambda: "starting" == msvc.instance("a")["state"], "a to wait")
    assert answers == []
    release(msvc, "c")
    client.join(20)
    assert answers == [200]


def test_the_wait_of_a_group_goes_on_after_reexec(msvc):
    a = f"[service a]\n{OK}".replace("restart_delay = 0", "restart_delay = 1s, 1s")
    msvc.start(f"{a}[service b]\n{OK}[service c]\n{OK}" + group("one_for_all"))
    msvc.kill("a")
    wait_for(lambda: msvc.pid("c") is None, "c to stop")
    assert msvc.command("reexec").returncode == 0
    assert generations(msvc) == [1, 1, 1]
    wait_for(lambda: generations(msvc) == [2, 2, 2] and all_ready(msvc), "the restart")
