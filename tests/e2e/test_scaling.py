"""How many instances: msvc scale, instances = MIN..MAX, idle_stop."""

import os
import pathlib
import re
import signal
import subprocess
import threading
import time

import pytest

from conftest import BIN, DEADLINE, is_running, new_system, wait_for

FAULT = "[service fault]\ncommand = {samples}/fault\nroute = /\n"
# Times as short as they can be told apart from chance.
SCALING = "max_inflight = 1\nscale_up_wait = 50ms\nscale_down_after = 1s\nqueue_timeout = 10s\n"
IDLE = "idle_stop = 50ms\nenv.FAULT_FILE = {dir}/posted\n"
PAIR = FAULT + "instances = 2\nmax_inflight = 1\n"
ASLEEP = "idle, starts with the next request"


def pids(msvc, name="fault"):
    return {i["index"]: i["pid"] for i in msvc.service(name)["instances"] if i["pid"]}


def scale(msvc, *args):
    result = msvc.command("scale", *args)
    assert result.returncode == 0, result.stderr + msvc.all_logs()


class Client:
    """One request in a thread of its own; its answer is in the end in .answer."""

    def __init__(self, msvc, method, path, **options):
        self.answer = None
        self._thread = threading.Thread(target=self._run, args=(msvc, method, path, options))
        self._thread.start()

    def _run(self, msvc, method, path, options):
        self.answer = msvc.http(method, path, **options)

    def join(self):
        self._thread.join(DEADLINE)
        assert self.answer is not None, "no answer"
        return self.answer


def block_both(msvc, block_ms):
    """Two requests that keep two instances with one place each busy for so long."""
    clients = [Client(msvc, "GET", f"/block?ms={block_ms}") for _ in range(2)]
    wait_for(lambda: msvc.log("fault").count("blocks for") == 2, "two busy instances")
    return clients


def test_d6_one_to_five_to_two_and_the_others_keep_their_pids(msvc):
    msvc.start(FAULT)
    first = pids(msvc)
    scale(msvc, "fault=5")
    five = pids(msvc)
    assert len(five) == 5 and five[1] == first[1]
    assert msvc.service("fault")["scale"] == 5
    assert all(i["state"] == "ready" for i in msvc.service("fault")["instances"])
    scale(msvc, "fault=2")
    assert pids(msvc) == {1: five[1], 2: five[2]}
    assert not any(is_running(five[index]) for index in (3, 4, 5))
    assert len(re.findall(r"fault/[345]\[\d+\]: exited 0, stopped", msvc.log("msvc"))) == 3
    assert msvc.get("/").status == 200


def test_several_services_are_scaled_by_one_command(msvc):
    msvc.start(FAULT + "[service b]\ncommand = /bin/sleep 1000\nready = none\ninstances = 3\n")
    scale(msvc, "fault=3", "b=1")
    assert len(pids(msvc)) == 3 and len(pids(msvc, "b")) == 1


@pytest.mark.parametrize("arg, code, says", [
    ("fault=0", 2, r'0 is not a number of instances; "msvc stop fault" stops it'),
    ("fault", 2, r"must be SERVICE=N with N from 1 to 1024"),
    ("fault=1025", 2, r"must be SERVICE=N"),
    ("=3", 2, r"must be SERVICE=N"),
    ("none=3", 1, r'there is no service "none"'),
    ("far=2", 1, r"far is on another machine"),
    ("few=4", 1, r"few: 4 is not in instances = 1\.\.3"),
    ("off=2", 1, r"off is disabled"),
])
def test_what_cannot_be_scaled_is_refused_and_nothing_done(scaled, arg, code, says):
    result = scaled.command("scale", "few=2", arg)
    assert result.returncode == code, result.stderr
    assert re.search(says, result.stderr), result.stderr
    assert scaled.service("few")["scale"] == 1


@pytest.fixture(scope="module")
def scaled():
    sleep = "command = /bin/sleep 1000\nready = none\n"
    with new_system() as system:
        system.start(
            FAULT + f"[service few]\n{sleep}instances = 1..3\n[service off]\n{sleep}enabled = no\n"
            "[service far]\nurl = tcp://127.0.0.1:9\n")
        yield system


def test_no_request_fails_while_it_is_scaled_up_and_down(msvc):
    msvc.start(FAULT)
    with msvc.load("POST", "/defer?ms=20", connections=8) as load:
        load.wait_answers(20)
        for count in (4, 1, 3, 2, 5, 1):
            scale(msvc, f"fault={count}")
            load.wait_answers(20)
        for count in (4, 2):
            assert msvc.reload(FAULT + f"instances = {count}\n").returncode == 0
            wait_for(lambda want=count: len(pids(msvc)) == want, "the reload")
            load.wait_answers(20)
    assert load.failures == []


def test_commands_that_overtake_each_other_fail_no_request(msvc):
    msvc.start(FAULT)
    with msvc.load("POST", "/defer?ms=20", connections=8) as load:
        load.wait_answers(20)
        commands = []
        for count in (4, 2, 6, 1, 3):
            # pylint: disable=consider-using-with
            commands.append(subprocess.Popen(
                [BIN / "msvc", "-c", msvc.conf, "scale", f"fault={count}"],
                stderr=subprocess.PIPE, text=True))
            wait_for(lambda want=count: msvc.service("fault")["scale"] == want, "its turn")
        ends = [command.communicate(timeout=DEADLINE)[1] for command in commands]
        load.wait_answers(20)
    assert load.failures == []
    assert commands[-1].returncode == 0, ends[-1]
    assert len(pids(msvc)) == 3
    for command, count, text in zip(commands, (4, 2, 6, 1), ends):
        assert command.returncode == 0 or "was scaled to" in text, (count, text)


def test_one_that_is_taken_away_finishes_what_it_has(msvc):
    msvc.start(PAIR + "drain_timeout = 20s\n")
    clients = block_both(msvc, 1000)
    scale(msvc, "fault=1")
    # It was there until then, and had nothing left to answer.
    wait_for(lambda: any(client.answer for client in clients), "its last answer")
    assert [client.join().status for client in clients] == [200, 200]
    assert msvc.log_has(r"fault/2\[\d+\]: finishes what it has, then stops")
    assert len(pids(msvc)) == 1


def test_what_comes_back_while_it_drains_keeps_its_process(msvc):
    msvc.start(PAIR + "drain_timeout = 20s\n")
    before = pids(msvc)
    clients = block_both(msvc, 1500)
    with subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "scale", "fault=1"],
                          stderr=subprocess.PIPE, text=True) as down:
        msvc.wait_state("fault", "draining", index=2)
        scale(msvc, "fault=2")
        assert down.wait(DEADLINE) == 1
        assert "fault: was scaled to 2 since" in down.stderr.read()
    assert [client.join().status for client in clients] == [200, 200]
    assert pids(msvc) == before
    assert msvc.log_has(r"fault/2\[\d+\]: stays")


def test_one_that_does_not_finish_is_stopped_after_drain_timeout(msvc):
    msvc.start(PAIR + "drain_timeout = 200ms\nstop_timeout = 200ms\n")
    clients = block_both(msvc, 3000)
    scale(msvc, "fault=1")
    assert not all(client.answer for client in clients)
    assert msvc.log_has(r"fault/2\[\d+\]: requests are still in flight after 200 ms, stopping")
    assert len(pids(msvc)) == 1
    for client in clients:
        client.join()


def test_an_instance_that_does_not_come_up_is_told_with_its_reason(msvc):
    msvc.start("[service a]\ncommand = /bin/sh -c '[ $MSVC_INSTANCE = 1 ] || exit 3; "
               "exec {samples}/fault'\nrestart_delay = 10ms\nrestart_limit = 3/60s\n")
    before = pids(msvc, "a")
    result = msvc.command("scale", "a=3")
    assert result.returncode == 1
    assert re.search(r"a/2: .*exited 3", result.stderr), result.stderr
    msvc.wait_state("a", "failed", index=2)
    # In whatever state it is, it can be taken away.
    scale(msvc, "a=1")
    assert pids(msvc, "a") == before
    assert len(msvc.service("a")["instances"]) == 1


def test_the_number_lives_until_a_reload_changes_instances(msvc):
    msvc.start(FAULT)
    scale(msvc, "fault=3")
    before = pids(msvc)
    result = msvc.reload(FAULT + "timeout = 5s\n")
    assert result.returncode == 0, result.stderr
    assert pids(msvc) == before
    assert msvc.get("/").status == 200
    assert msvc.reload(FAULT + "instances = 2\n").returncode == 0
    wait_for(lambda: pids(msvc) == {1: before[1], 2: before[2]}, "two of them")
    assert msvc.service("fault")["scale"] == 2


def test_one_that_is_stopped_starts_with_its_new_number(msvc):
    msvc.start(FAULT)
    assert msvc.command("stop", "fault").returncode == 0
    scale(msvc, "fault=2")
    assert pids(msvc) == {}
    assert msvc.command("start", "fault").returncode == 0
    assert len(pids(msvc)) == 2


def test_scaling_during_a_rolling_restart_fails_no_request(msvc):
    msvc.start(FAULT + "instances = 3\nramp = 200ms\n")
    before = pids(msvc)
    with msvc.load("POST", "/defer?ms=10", connections=8) as load:
        load.wait_answers(20)
        with subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "restart", "fault"],
                              stderr=subprocess.DEVNULL) as restart:
            msvc.log_has(r"fault/3: starting generation")
            scale(msvc, "fault=2")
            scale(msvc, "fault=4")
            assert restart.wait(DEADLINE) is not None
        load.wait_answers(20)
    assert load.failures == []
    after = pids(msvc)
    assert len(after) == 4 and not set(after.values()) & set(before.values())


def test_the_crashes_of_its_group_are_not_those_of_an_added_instance(msvc):
    msvc.start("[group g]\nservices = fault, b\nstrategy = one_for_all\n" + FAULT +
               "[service b]\ncommand = /bin/sleep 1000\nready = none\n")
    for generation in (2, 3):
        msvc.kill("b")
        msvc.wait_state("b", "ready", generation=generation)
        msvc.wait_state("fault", "ready", generation=generation)
    scale(msvc, "fault=3")
    assert len(pids(msvc)) == 3


def test_it_scales_with_the_waits_and_back(msvc):
    msvc.start(FAULT + "instances = 1..4\n" + SCALING)
    first = pids(msvc)
    with msvc.load("GET", "/defer?ms=100", connections=6) as load:
        wait_for(lambda: msvc.service("fault")["scale"] == 4, "four instances")
        load.wait_answers(20)
        assert msvc.log_has(r"fault: scaled from \d to \d, requests wait \d+ ms")
        wait_for(lambda: len(pids(msvc)) == 4, "four processes")
    wait_for(lambda: len(pids(msvc)) == 1, "one process again")
    assert load.failures == []
    assert pids(msvc) == first
    assert msvc.log_has(r"fault: scaled from 2 to 1, little load")


def test_waits_inside_an_instance_count_too(msvc):
    msvc.start(FAULT + "instances = 1..2\nscale_up_wait = 50ms\nscale_down_after = 1m\n")
    with msvc.load("GET", "/block?ms=100", connections=4) as load:
        wait_for(lambda: len(pids(msvc)) == 2, "two processes")
    assert load.failures == []


def test_an_idle_service_stops_and_starts_with_the_next_request(msvc):
    msvc.start(FAULT + IDLE)
    instance = msvc.wait_state("fault", "stopped")
    assert instance["reason"] == ASLEEP and instance["pid"] is None
    assert ASLEEP[:20] in msvc.command("status").stdout
    assert msvc.http("POST", "/count", body="one").status == 201
    assert (msvc.dir / "posted").read_text().startswith("one ")
    assert msvc.log_has("fault: woken by a request")
    msvc.wait_state("fault", "stopped")
    assert msvc.command("start", "fault").returncode == 0
    assert msvc.log_has("fault: idle for")


def test_fifty_times_in_a_row_a_burst_meets_one_that_goes_to_sleep(msvc):
    msvc.start(FAULT + IDLE)
    slept = 0
    for turn in range(50):
        # It has just begun to stop, or is down by now.
        slept = wait_for(lambda seen=slept: sleeps(msvc) > seen and sleeps(msvc), "its sleep")
        clients = [Client(msvc, "POST", "/count", body=f"{turn}.{n}") for n in range(3)]
        assert [client.join().status for client in clients] == [201] * 3
    lines = [line.split()[0] for line in (msvc.dir / "posted").read_text().splitlines()]
    assert sorted(lines) == sorted(f"{t}.{n}" for t in range(50) for n in range(3))


def sleeps(msvc):
    return msvc.log("msvc").count("stopped until the next request")


def test_a_request_in_flight_keeps_it_awake(msvc):
    msvc.start(FAULT + IDLE.replace("50ms", "400ms"))
    client = Client(msvc, "GET", "/block?ms=2000")
    wait_for(lambda: "blocks for" in msvc.log("fault"), "the request")
    before = after = sleeps(msvc)
    while client.answer is None:
        after = sleeps(msvc)
    assert after == before
    assert client.join().status == 200


def test_one_that_is_stopped_in_its_sleep_answers_503_at_once(msvc):
    msvc.start(FAULT + IDLE + "timeout = 60s\n")
    msvc.wait_state("fault", "stopped")
    assert msvc.command("stop", "fault").returncode == 0
    answer = msvc.get("/")
    assert answer.status == 503 and "stopped" in answer.json["detail"]


def test_a_new_router_wakes_it_as_well(msvc):
    msvc.start(FAULT + IDLE)
    msvc.wait_state("fault", "stopped")
    os.kill(msvc.status()["supervisor"]["router"]["pid"], signal.SIGKILL)
    assert msvc.get("/").status == 200


def test_what_a_dead_router_had_in_flight_keeps_nobody_awake(msvc):
    msvc.start(FAULT + IDLE + "instances = 1..2\n" + SCALING)
    socks = [msvc.socket() for _ in range(2)]
    for sock in socks:
        sock.sendall(b"GET /block?ms=1000 HTTP/1.1\r\nHost: x\r\n\r\n")
    # The supervisor has heard that it is busy.
    assert msvc.log_has("fault: scaled from 1 to 2")
    os.kill(msvc.status()["supervisor"]["router"]["pid"], signal.SIGKILL)
    wait_for(lambda: msvc.instance("fault")["reason"] == ASLEEP, "sleep")
    for sock in socks:
        sock.close()


def test_a_service_that_another_one_calls_wakes_for_it(msvc):
    msvc.start(FAULT + IDLE)
    msvc.wait_state("fault", "stopped")
    result = msvc.command("call", "GET /status?code=200")
    assert result.returncode == 0, result.stderr


def test_a_request_for_one_that_is_just_stopping_starts_it_again(msvc):
    """The shell around it takes its time to stop."""
    slow = msvc.dir / "slow.sh"
    slow.write_text(f"""#!/bin/sh
{msvc.samples}/fault &
child=$!
trap 'sleep 0.5; kill $child; wait $child; exit 0' TERM
wait $child
""")
    slow.chmod(0o755)
    msvc.start(FAULT.replace("{samples}/fault", str(slow)) + IDLE + "ready = listen\n")
    for turn in range(3):
        msvc.wait_state("fault", "stopping")
        assert msvc.http("POST", "/count", body=f"{turn}").status == 201
    lines = (msvc.dir / "posted").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["0", "1", "2"]


def test_one_that_sleeps_wakes_with_its_new_number(msvc):
    msvc.start(FAULT + IDLE + "instances = 2\ntimeout = 60s\n")
    msvc.wait_state("fault", "stopped")
    for count in (3, 1):
        scale(msvc, f"fault={count}")
        msvc.wait_state("fault", "stopped")
        before = msvc.log("msvc").count(" ready after ")
        assert msvc.get("/").status == 200
        wait_for(lambda seen=before: msvc.log("msvc").count(" ready after ") == seen + count,
                 f"{count} of them")
        wait_for(lambda: pids(msvc) == {}, "sleep")
    # Of those that are no more nobody is waited for.
    assert msvc.command("stop", "fault").returncode == 0
    assert msvc.get("/").status == 503


def test_idle_and_range_together_begin_with_the_least(msvc):
    msvc.start(FAULT + IDLE + "instances = 1..3\n" + SCALING)
    scale(msvc, "fault=3")
    wait_for(lambda: msvc.instance("fault")["reason"] == ASLEEP, "sleep")
    wait_for(lambda: len(msvc.service("fault")["instances"]) == 1, "one instance")
    assert msvc.get("/").status == 200


def test_a_reload_that_sets_idle_stop_sees_what_is_in_flight(msvc):
    times = "drain_timeout = 200ms\nstop_timeout = 200ms\n"
    msvc.start(FAULT + times)
    client = Client(msvc, "GET", "/block?ms=1500")
    wait_for(lambda: "blocks for" in msvc.log("fault"), "the request")
    assert msvc.reload(FAULT + times + "idle_stop = 200ms\n").returncode == 0
    before = 0
    while client.answer is None:
        before = sleeps(msvc)
    assert (client.join().status, before) == (200, 0)
    msvc.wait_state("fault", "stopped")


def test_a_reload_that_sets_idle_stop_needs_no_request_to_begin(msvc):
    msvc.start(FAULT)
    assert msvc.reload(FAULT + IDLE).returncode == 0
    msvc.wait_state("fault", "stopped")


def test_idle_stop_taken_away_during_a_request_and_set_again(msvc):
    msvc.start(FAULT + IDLE.replace("50ms", "400ms"))
    # The supervisor has heard that it is busy when its idle time has passed.
    client = Client(msvc, "GET", "/block?ms=1500")
    wait_for(lambda: "blocks for" in msvc.log("fault"), "the request")
    end = time.monotonic() + 0.6
    wait_for(lambda: time.monotonic() > end, "more than its idle time")
    assert sleeps(msvc) == 0 and client.answer is None
    assert msvc.reload(FAULT).returncode == 0
    assert client.join().status == 200
    assert msvc.reload(FAULT + IDLE).returncode == 0
    msvc.wait_state("fault", "stopped")


@pytest.mark.parametrize("more", ["timeout = 5s\n", "env.X = new\n"])
def test_a_reload_lets_it_sleep_and_it_wakes_as_it_is_to_be(msvc, more):
    msvc.start(FAULT + IDLE)
    generation = msvc.wait_state("fault", "stopped")["generation"]
    msvc.write(FAULT + IDLE + more)
    assert "0 restarted, 1 applied" in msvc.command("reload", "--dry-run").stdout
    assert msvc.reload(FAULT + IDLE + more).returncode == 0
    assert msvc.instance("fault")["generation"] == generation
    assert msvc.instance("fault")["reason"] == ASLEEP
    assert msvc.get("/").status == 200
    wait_for(lambda: msvc.instance("fault")["generation"] > generation, "the next one")
    assert msvc.reload(FAULT).returncode == 0
    msvc.wait_state("fault", "ready")


def test_one_that_is_rolled_back_sleeps_only_if_the_router_tells_of_its_load(msvc):
    msvc.start(FAULT + "idle_stop = 300ms\n")
    assert msvc.reload(FAULT.replace("{samples}/fault", "/bin/false")).returncode != 0
    msvc.log_has("fault: back on the old configuration")
    generation = msvc.instance("fault")["generation"]
    with msvc.load("GET", "/status?code=200", connections=1) as load:
        msvc.kill("fault")
        since = msvc.wait_state("fault", "ready", generation=generation + 1)["generation"]
        end = time.monotonic() + 1
        wait_for(lambda: time.monotonic() > end or sleeps(msvc), "a second under load")
        load.wait_answers(1)
    assert sleeps(msvc) == 0
    assert msvc.instance("fault")["generation"] == since


def test_one_that_is_called_back_after_a_reload_is_a_new_process(msvc):
    pair = PAIR + "drain_timeout = 20s\n"
    msvc.start(pair)
    before = pids(msvc)
    clients = block_both(msvc, 1500)
    with subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "scale", "fault=1"],
                          stderr=subprocess.DEVNULL):
        msvc.wait_state("fault", "draining", index=2)
        msvc.write(pair + "env.X = new\n")
        with subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "reload"],
                              stdout=subprocess.DEVNULL) as reload:
            msvc.log_has("supervisor: reloaded: ")
            scale(msvc, "fault=2")
            assert reload.wait(DEADLINE) == 0
    # What it had it has answered.
    assert [client.join().status for client in clients] == [200, 200]
    wait_for(lambda: len(pids(msvc)) == 2 and not set(pids(msvc).values()) & set(before.values()),
             "two new processes")
    for pid in pids(msvc).values():
        assert b"\0X=new\0" in pathlib.Path(f"/proc/{pid}/environ").read_bytes()


def test_one_that_does_not_wake_is_given_up_and_its_clients_are_told(msvc):
    msvc.start("[service a]\nroute = /\ncommand = /bin/sh -c "
               "'test ! -e {dir}/bad || exit 3; exec {samples}/fault'\n"
               "restart_delay = 10ms\nrestart_limit = 2/60s\nidle_stop = 50ms\n")
    msvc.wait_state("a", "stopped")
    (msvc.dir / "bad").touch()
    for _ in range(2):
        answer = msvc.get("/")
        assert (answer.status, answer.json["cause"]) == (503, "failed")
        assert "exited 3, more than 2 restarts" in answer.json["detail"]
    (msvc.dir / "bad").unlink()
    assert msvc.command("start", "a").returncode == 0
    msvc.wait_state("a", "stopped")
    assert msvc.get("/").status == 200


def test_reexec_keeps_the_idle_time_the_sleep_and_the_number(msvc):
    msvc.start(FAULT + IDLE.replace("50ms", "600ms"))
    assert msvc.command("reexec").returncode == 0
    # Its idle time went on.
    msvc.wait_state("fault", "stopped")
    assert msvc.command("reexec").returncode == 0
    assert msvc.instance("fault")["reason"] == ASLEEP
    assert msvc.get("/").status == 200
    scale(msvc, "fault=3")
    assert msvc.command("reexec").returncode == 0
    assert msvc.service("fault")["scale"] == 3
