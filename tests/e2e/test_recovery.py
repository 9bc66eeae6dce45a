"""What becomes of requests when the instance that has them dies, stands still or hangs."""

import json
import os
import pathlib
import re
import signal
import socket
import threading
import time

import pytest
from conftest import is_running, wait_for

FAULT = """[service fault]
command = {samples}/fault
env.FAULT_FILE = {dir}/count
route = /
restart_delay = 20ms
restart_delay_max = 100ms
restart_limit = none
"""


def counters(msvc):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(msvc.run_dir / "admin.sock"))
        sock.sendall(b"GET /-/health HTTP/1.1\r\nHost: x\r\n\r\n")
        data = b""
        while chunk := sock.recv(65536):
            data += chunk
    return json.loads(data.partition(b"\r\n\r\n")[2])


class Asking(threading.Thread):
    """One request in the background; .answer is set at its end."""

    def __init__(self, msvc, method, path, body=None, headers=None):
        super().__init__(daemon=True)
        self.msvc, self.args, self.answer = msvc, (method, path, body, headers), None
        self.start()

    def run(self):
        self.answer = self.msvc.http(*self.args)

    def wait(self):
        self.join(20)
        assert self.answer is not None, f"{self.args} was not answered"
        return self.answer


def lines(msvc):
    path = pathlib.Path(msvc.dir) / "count"
    return path.read_text().splitlines() if path.exists() else []


def in_flight(msvc, count):
    return wait_for(lambda: counters(msvc)["in_flight"] == count, f"{count} in flight")


def both_answer(msvc):
    """Ready is not linked yet: wait until both instances get requests."""
    pids = {msvc.pid("fault", 1), msvc.pid("fault", 2)}
    wait_for(lambda: {msvc.get("/").json["pid"] for _ in range(4)} == pids, "both to answer")


def test_a_post_that_no_handler_had_begun_survives_its_process(msvc):
    # A ledger counts only when the service has read of it: one link, used before.
    msvc.start(FAULT, router="workers = 1")
    pid = msvc.pid("fault")
    blocked = Asking(msvc, "POST", "/block?ms=60000", "x")
    msvc.log_has("blocks for 60000 ms", "fault")
    posts = [Asking(msvc, "POST", "/count", f"id{i}") for i in range(8)]
    in_flight(msvc, 9)
    os.kill(pid, signal.SIGKILL)
    assert [p.wait().status for p in posts] == [201] * 8
    assert sorted(line.split()[0] for line in lines(msvc)) == [f"id{i}" for i in range(8)]
    assert blocked.wait().status == 502
    assert counters(msvc)["requeues"] >= 8
    assert counters(msvc)["retries"] == 0


def test_a_post_that_was_begun_is_not_sent_again(msvc):
    msvc.start(FAULT)
    asking = Asking(msvc, "POST", "/block?ms=60000", "x")
    msvc.log_has("blocks for 60000 ms", "fault")
    msvc.kill("fault")
    answer = asking.wait()
    assert answer.status == 502
    assert answer.json["cause"] == "service-died"
    msvc.wait_state("fault", "ready", generation=2)
    assert msvc.get("/").status == 200
    assert msvc.log("fault").count("blocks for") == 1


def test_a_get_that_was_begun_is_sent_again(msvc):
    msvc.start(FAULT)
    asking = Asking(msvc, "GET", "/defer?ms=300")
    in_flight(msvc, 1)
    msvc.kill("fault")
    assert asking.wait().status == 200
    assert asking.answer.json["generation"] == 2


def test_a_route_may_say_that_its_posts_can_run_twice(msvc):
    msvc.start(
        FAULT + "[route twice]\nmatch = POST /block\nservice = fault\nidempotent = yes\n"
    )
    asking = Asking(msvc, "POST", "/block?ms=500", "x")
    msvc.log_has("blocks for 500 ms", "fault")
    msvc.kill("fault")
    assert asking.wait().status == 200


def test_attempts_end_the_retries(msvc):
    msvc.start(FAULT + "attempts = 2\n")
    asking = Asking(msvc, "GET", "/defer?ms=5000")
    for generation in (1, 2):
        msvc.wait_state("fault", "ready", generation=generation)
        in_flight(msvc, 1)
        msvc.kill("fault")
    answer = asking.wait()
    assert answer.status == 502
    assert answer.json["cause"] == "service-died"


def test_no_budget_no_retry(msvc):
    msvc.start(FAULT + "retry_budget = 0\n")
    asking = Asking(msvc, "GET", "/defer?ms=5000")
    in_flight(msvc, 1)
    msvc.kill("fault")
    assert asking.wait().status == 502


def test_what_a_stopped_instance_has_not_begun_goes_to_another(msvc):
    msvc.start(FAULT + "instances = 2\n", router="workers = 1")
    both_answer(msvc)
    pids = [msvc.pid("fault", 1), msvc.pid("fault", 2)]
    os.kill(pids[0], signal.SIGSTOP)
    try:
        asking = [Asking(msvc, "POST", "/count", f"id{i}") for i in range(8)]
        answers = [a.wait() for a in asking]
        assert [a.status for a in answers] == [201] * 8
        assert {a.json["pid"] for a in answers} == {pids[1]}
        msvc.log_has("fault/1: has begun no request for 250 ms", "router")
    finally:
        os.kill(pids[0], signal.SIGCONT)
    # What was taken back is dropped unseen by the one that goes on.
    for _ in range(20):
        assert msvc.get("/").status == 200
    ids = [line.split()[0] for line in lines(msvc)]
    assert sorted(ids) == sorted(set(ids)) and len(ids) == 8


def test_a_stopped_single_instance_gets_its_requests_when_it_goes_on(msvc):
    msvc.start(FAULT, router="workers = 1")
    # Only then the router is linked to it for certain.
    pid = msvc.get("/").json["pid"]
    os.kill(pid, signal.SIGSTOP)
    asking = Asking(msvc, "POST", "/count", "one")
    in_flight(msvc, 1)
    os.kill(pid, signal.SIGCONT)
    assert asking.wait().status == 201
    assert len(lines(msvc)) == 1


def test_nothing_that_timed_out_unbegun_is_done_later(msvc):
    msvc.start(FAULT, router="workers = 1")
    # Only then the router is linked to it for certain.
    pid = msvc.get("/").json["pid"]
    os.kill(pid, signal.SIGSTOP)
    answer = msvc.http("POST", "/count", "late", headers={"X-Request-Timeout": "100"})
    assert answer.status == 504
    os.kill(pid, signal.SIGCONT)
    assert msvc.http("POST", "/count", "next").status == 201
    assert [line.split()[0] for line in lines(msvc)] == ["next"]


def test_requests_wait_for_a_service_that_starts_again(msvc):
    msvc.start(FAULT + "env.FAULT_START_MS = 300\n")
    msvc.kill("fault")
    asking = [Asking(msvc, "POST", "/count", f"id{i}") for i in range(40)]
    assert [a.wait().status for a in asking] == [201] * 40
    assert len(lines(msvc)) == 40


def test_those_with_the_earliest_deadline_make_room(msvc):
    msvc.start(FAULT + "env.FAULT_START_MS = 1000\nhold_max = 2\n", router="workers = 1")
    msvc.kill("fault")
    short = [
        Asking(msvc, "GET", "/", headers={"X-Request-Timeout": "5000"}) for _ in range(2)
    ]
    wait_for(lambda: counters(msvc)["held"] == 2, "two held")
    longer = Asking(msvc, "GET", "/")
    statuses = sorted(a.wait().status for a in [*short, longer])
    assert statuses == [200, 200, 503]
    assert longer.answer.status == 200
    refused = next(a.answer for a in short if a.answer.status == 503)
    assert refused.headers["Retry-After"] == "1"
    assert refused.json["cause"] == "queue-full"


def test_bodies_that_wait_are_bounded_in_bytes(msvc):
    msvc.start(FAULT + "env.FAULT_START_MS = 500\nhold_max_bytes = 1000\n", router="workers = 1")
    msvc.kill("fault")
    first = Asking(msvc, "POST", "/", "x" * 800)
    wait_for(lambda: counters(msvc)["held"] == 1, "one held")
    second = Asking(msvc, "POST", "/", "x" * 800, {"X-Request-Timeout": "4000"})
    assert second.wait().status == 503
    assert first.wait().status == 200


def test_one_instance_takes_no_more_than_max_inflight(msvc):
    msvc.start(FAULT + "max_inflight = 2\nqueue_timeout = 200ms\n", router="workers = 1")
    asking = [Asking(msvc, "GET", "/defer?ms=600") for _ in range(6)]
    statuses = sorted(a.wait().status for a in asking)
    assert statuses == [200, 200, 503, 503, 503, 503]
    refused = next(a.answer for a in asking if a.answer.status == 503)
    assert refused.json["cause"] == "overloaded"
    assert refused.headers["Retry-After"]
    assert counters(msvc)["shed"] == 4


def test_who_waits_for_a_place_gets_it(msvc):
    msvc.start(FAULT + "max_inflight_all = 2\nqueue_timeout = 5s\n", router="workers = 1")
    asking = [Asking(msvc, "GET", "/defer?ms=100") for _ in range(8)]
    assert [a.wait().status for a in asking] == [200] * 8


def test_an_adaptive_limit_lets_a_good_service_work(msvc):
    msvc.start(FAULT + "max_inflight = auto\n")
    with msvc.load("GET", "/", connections=8) as load:
        load.wait_answers(500)
    assert load.failures == []


def test_a_hung_instance_is_aborted_and_replaced(msvc):
    msvc.start(FAULT + "timeout = 200ms\nhang_grace = 200ms\nstop_timeout = 500ms\n")
    answer = msvc.get("/block?ms=60000")
    assert answer.status == 504
    msvc.log_has(r"fault/1\[\d+\]: hung: GET /block")
    instance = msvc.wait_state("fault", "ready", generation=2)
    assert instance["last_exit"] == "signal 6"
    assert msvc.get("/").status == 200


def test_a_slow_handler_that_heeds_its_cancel_is_not_hung(msvc):
    msvc.start(FAULT + "timeout = 100ms\nhang_grace = 100ms\n")
    pid = msvc.pid("fault")
    for _ in range(3):
        assert msvc.get("/defer?ms=1000").status == 504
    threading.Event().wait(0.5)
    assert msvc.pid("fault") == pid
    assert counters(msvc)["hangs"] == 0


@pytest.mark.parametrize("fault", ["FAULT_CODE = 500", "FAULT_SLOW_MS = 60"])
def test_an_instance_that_answers_badly_is_ejected(msvc, fault):
    msvc.start(
        FAULT + f"instances = 3\neject_time = 60s\nenv.FAULT_ONLY = 2\nenv.{fault}\n",
        router="workers = 1",
    )
    with msvc.load("GET", "/", connections=6):
        msvc.log_has("fault/2: ejected for 60000 ms", "router")
    start = time.monotonic()
    pids = set()
    for _ in range(30):
        answer = msvc.get("/")
        assert answer.status == 200
        pids.add(answer.json["pid"])
    assert msvc.pid("fault", 2) not in pids
    assert time.monotonic() - start < 5


def test_all_of_them_failing_ejects_none(msvc):
    msvc.start(FAULT + "instances = 2\n", router="workers = 1")
    both_answer(msvc)
    with msvc.load("GET", "/status?code=500", connections=4) as load:
        load.wait_answers(300)
    # One of them may be found slow, on a machine that has much else to do.
    assert not re.search(r"ejected for \d+ ms: it (?!is slow)", msvc.log("router"))


@pytest.mark.parametrize("instances", [1, 2])
def test_a_get_never_fails_while_processes_are_killed(msvc, instances):
    msvc.start(FAULT + f"instances = {instances}\n")
    with msvc.load("GET", "/", connections=8) as load:
        for round in range(8):
            index = round % instances + 1
            generation = msvc.instance("fault", index)["generation"]
            msvc.kill("fault", index)
            msvc.wait_state("fault", "ready", index, generation + 1)
            load.wait_answers(50)
    assert load.failures == []
    wait_for(lambda: counters(msvc)["in_flight"] == 0, "nothing in flight")


def test_no_post_runs_twice_while_processes_are_killed(msvc):
    msvc.start(FAULT + "instances = 2\n")
    done, failed, stop = [], [], threading.Event()

    def client(number):
        i = 0
        while not stop.is_set():
            i += 1
            answer = msvc.http("POST", "/count", f"{number}.{i}")
            (done if answer.status == 201 else failed).append(f"{number}.{i}")

    threads = [threading.Thread(target=client, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for round in range(10):
        index = round % 2 + 1
        generation = msvc.instance("fault", index)["generation"]
        msvc.kill("fault", index)
        msvc.wait_state("fault", "ready", index, generation + 1)
    stop.set()
    for thread in threads:
        thread.join()
    ids = [line.split()[0] for line in lines(msvc)]
    assert len(ids) == len(set(ids)), "a POST ran twice"
    assert set(done) <= set(ids), "a POST that was answered did not run"
    assert len(done) > 100


def test_a_request_that_crashes_reaches_the_service_twice_at_most(msvc):
    msvc.start(FAULT)
    statuses = [msvc.http("POST", "/eat", "poison").status for _ in range(2)]
    assert statuses == [502, 502]
    refused = msvc.http("POST", "/eat", "poison")
    assert refused.status == 503
    assert refused.json["cause"] == "quarantined"
    assert int(refused.headers["Retry-After"]) > 500
    assert msvc.http("POST", "/eat", "good food").status == 200
    assert msvc.get("/eat").status == 200
    assert msvc.instance("fault")["generation"] == 3


@pytest.mark.parametrize("instances", [1, 2])
def test_a_crowd_of_the_same_poison_kills_twice_at_most(msvc, instances):
    # Workers know of each other's equal requests only when the first crash is judged.
    msvc.start(
        FAULT + f"instances = {instances}\nretry_budget = 100\n", router="workers = 1"
    )
    asking = [Asking(msvc, "POST", "/eat", "poison") for _ in range(16)]
    # Answers that wait to be written die with the process: a POST could not be sent again.
    good = [Asking(msvc, "PUT", "/eat", f"good {i}") for i in range(16)]
    statuses = [a.wait().status for a in asking]
    assert set(statuses) <= {502, 503}
    assert [a.wait().status for a in good] == [200] * 16
    deaths = sum(
        i["generation"] - 1 for i in msvc.service("fault")["instances"]
    )
    assert deaths <= 2
    assert msvc.http("POST", "/eat", "poison").status == 503


def test_a_kill_is_nobodys_fault(msvc):
    msvc.start(FAULT)
    for generation in (1, 2, 3):
        msvc.wait_state("fault", "ready", generation=generation)
        asking = Asking(msvc, "POST", "/block?ms=60000", "same")
        wait_for(lambda: msvc.log("fault").count("blocks for") == generation, "it blocks")
        msvc.kill("fault")
        assert asking.wait().json["cause"] == "service-died"


def test_quarantine_outlives_the_router(msvc):
    msvc.start(FAULT)
    for _ in range(2):
        msvc.http("POST", "/eat", "poison")
    assert msvc.http("POST", "/eat", "poison").status == 503
    router = msvc.status()["supervisor"]["router"]["pid"]
    os.kill(router, signal.SIGKILL)
    wait_for(
        lambda: msvc.status()["supervisor"]["router"]["pid"] not in (None, router)
        and msvc.status()["supervisor"]["router"]["state"] == "ready",
        "a new router",
    )
    assert msvc.http("POST", "/eat", "poison").json["cause"] == "quarantined"
    assert not is_running(router)


def test_an_instance_that_goes_on_gets_requests_again(msvc):
    msvc.start(FAULT + "instances = 2\n", router="workers = 1")
    both_answer(msvc)
    pid = msvc.pid("fault", 1)
    os.kill(pid, signal.SIGSTOP)
    try:
        asking = [Asking(msvc, "GET", "/") for _ in range(4)]
        assert [a.wait().status for a in asking] == [200] * 4
        msvc.log_has("fault/1: has begun no request for 250 ms", "router")
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: msvc.get("/").json["pid"] == pid, "an answer of the one that went on")
    pids = [msvc.get("/").json["pid"] for _ in range(10)]
    assert 3 <= pids.count(pid) <= 7


def test_one_that_stands_still_is_worse_than_one_that_fails(msvc):
    msvc.start(
        FAULT + "instances = 2\neject_time = 60s\nenv.FAULT_ONLY = 2\nenv.FAULT_CODE = 500\n",
        router="workers = 1",
    )
    with msvc.load("GET", "/", connections=4):
        msvc.log_has("fault/2: ejected", "router")
    os.kill(msvc.pid("fault", 1), signal.SIGSTOP)
    asking = [
        Asking(msvc, "GET", "/", headers={"X-Request-Timeout": "4000"}) for _ in range(8)
    ]
    assert [a.wait().status for a in asking] == [500] * 8
    assert counters(msvc)["stalls"] <= 8


def test_requests_do_not_go_around_among_those_that_stand_still(msvc):
    msvc.start(FAULT + "instances = 2\n", router="workers = 1")
    both_answer(msvc)
    pids = [msvc.pid("fault", 1), msvc.pid("fault", 2)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    asking = Asking(msvc, "POST", "/count", "one")
    wait_for(lambda: counters(msvc)["stalls"] == 1, "a first move")
    threading.Event().wait(3)
    # To see whether one of them goes on, less and less often.
    assert counters(msvc)["stalls"] <= 5
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    assert asking.wait().status == 201
    assert len(lines(msvc)) == 1


def test_one_that_was_answered_before_the_crash_is_asked_again(msvc):
    msvc.start(FAULT, router="workers = 1")
    pid = msvc.get("/").json["pid"]
    os.kill(pid, signal.SIGSTOP)
    good = Asking(msvc, "GET", "/")
    in_flight(msvc, 1)
    bad = Asking(msvc, "POST", "/eat", "poison")
    in_flight(msvc, 2)
    os.kill(pid, signal.SIGCONT)
    assert bad.wait().status == 502
    # On a busy machine its answer may leave just before the crash.
    assert good.wait().status == 200
    assert good.answer.json["generation"] in (1, 2)


def test_a_request_that_hangs_is_quarantined(msvc):
    msvc.start(FAULT + "timeout = 200ms\nhang_grace = 200ms\nstop_timeout = 500ms\n")
    for generation in (2, 3):
        assert msvc.http("POST", "/block?ms=60000", "x").status == 504
        msvc.wait_state("fault", "ready", generation=generation)
    refused = msvc.http("POST", "/block?ms=60000", "x")
    assert refused.status == 503
    assert refused.json["cause"] == "quarantined"
    assert msvc.http("POST", "/block?ms=1", "x").status == 200
    bundles = json.loads(msvc.command("-o", "json", "crash").stdout)
    assert len(bundles) == 2
    for bundle in bundles:
        shown = msvc.command("-o", "json", "crash", "show", bundle["id"])
        assert "/block?ms=60000" in shown.stdout


def test_a_long_stream_that_is_left_is_no_hang(msvc):
    msvc.start(
        "[service echo]\ncommand = {samples}/echo\nroute = /\n"
        "timeout = 100ms\nhang_grace = 1s\n"
    )
    pid = msvc.pid("echo")
    client = msvc.socket()
    client.sendall(b"GET /stream/1000000000 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.recv(12) == b"HTTP/1.1 200"
    threading.Event().wait(1.3)
    os.kill(pid, signal.SIGSTOP)
    client.close()
    wait_for(lambda: counters(msvc)["cancels"] == 1, "the cancel")
    threading.Event().wait(0.5)
    os.kill(pid, signal.SIGCONT)
    assert msvc.get("/hello").status == 200
    assert counters(msvc)["hangs"] == 0
    assert msvc.pid("echo") == pid


PLAIN = '''
import os, socket
listener = socket.socket(socket.AF_UNIX)
listener.bind(os.environ["MSVC_LISTEN"][len("ipc://"):])
listener.listen()
HELLO = bytes([0, 83, 80, 0, 0, 0x31, 0, 0])

def serve(conn):
    file = conn.makefile("rb")
    conn.sendall(HELLO)
    file.read(8)
    while head := file.read(9):
        body = file.read(int.from_bytes(head[1:], "big"))
        if b"/close" in body:
            return
        long = {0xCC: 2, 0xCD: 3, 0xCE: 5}.get(body[6], 1)
        reply = body[:4] + b"\\x95\\x01" + body[6:6 + long] + b"\\xcc\\xc8\\x80\\xc0"
        conn.sendall(b"\\x01" + len(reply).to_bytes(8, "big") + reply)

while True:
    conn = listener.accept()[0]
    serve(conn)
    conn.close()
'''


def test_a_link_that_ends_while_its_process_lives_is_waited_for_shortly(msvc):
    (msvc.dir / "plain.py").write_text(PLAIN)
    msvc.start(
        "[service plain]\ncommand = /usr/bin/python3 {dir}/plain.py\nroute = /\n",
        router="workers = 1",
    )
    assert msvc.get("/x").status == 200
    start = time.monotonic()
    answer = msvc.http("POST", "/close", "x")
    assert answer.status == 502
    assert answer.json["cause"] == "link-closed"
    assert msvc.http("GET", "/close").status == 502
    assert time.monotonic() - start < 5
    assert msvc.get("/x").status == 200
    assert counters(msvc)["in_flight"] == 0


def test_nothing_is_left_when_all_is_over(msvc):
    msvc.start(
        FAULT + "instances = 2\nmax_inflight = 3\nqueue_timeout = 100ms\nhang_grace = 300ms\n"
        "stop_timeout = 500ms\nquarantine = 0\n"
    )
    stop = threading.Event()
    router = msvc.status()["supervisor"]["router"]["pid"]
    fds = len(os.listdir(f"/proc/{router}/fd"))

    def client(number):
        paths = ["/", "/defer?ms=80", "/block?ms=20", "/count", "/defer?ms=400"]
        i = number
        while not stop.is_set():
            i += 1
            with msvc.socket() as sock:
                sock.sendall(
                    f"{'POST' if i % 2 else 'GET'} {paths[i % 5]} HTTP/1.1\r\nHost: x\r\n"
                    f"X-Request-Timeout: {50 + i % 7 * 60}\r\nContent-Length: 0\r\n\r\n".encode()
                )
                if i % 3 != 0:
                    sock.recv(4096)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for round in range(6):
        index = round % 2 + 1
        pid = msvc.wait_state("fault", "ready", index)["pid"]
        os.kill(pid, signal.SIGSTOP)
        threading.Event().wait(0.3)
        os.kill(pid, signal.SIGKILL if round % 3 else signal.SIGCONT)
    stop.set()
    for thread in threads:
        thread.join()
    for index in (1, 2):
        msvc.wait_state("fault", "ready", index)
    gauges = ("in_flight", "held")
    wait_for(lambda: all(counters(msvc)[g] == 0 for g in gauges), "nothing in flight or held")
    wait_for(lambda: len(os.listdir(f"/proc/{router}/fd")) <= fds + 2, "no descriptor left")
    assert all(msvc.get("/").status == 200 for _ in range(20))


def test_a_busy_instance_does_not_stand_still(msvc):
    msvc.start(FAULT + "instances = 2\n", router="workers = 1")
    with msvc.load("GET", "/block?ms=40", connections=40) as load:
        load.wait_answers(150)
    assert load.failures == []
    assert counters(msvc)["stalls"] == 0
    assert "has begun no request" not in msvc.log("router")
    assert max(seconds for _, seconds in load.answers) < 2.5


def test_a_request_is_not_passed_on_for_ever(msvc):
    msvc.start(FAULT + "instances = 2\n", router="workers = 1")
    with msvc.load("GET", "/block?ms=400", connections=12) as load:
        load.wait_answers(24)
    assert load.failures == []
    assert counters(msvc)["stalls"] <= 2 * len(load.answers)


def test_an_instance_that_loses_its_links_is_ejected(msvc):
    (msvc.dir / "plain.py").write_text(
        PLAIN.replace('b"/close" in body', 'os.environ["MSVC_INSTANCE"] == "2"')
    )
    msvc.start(
        "[service plain]\ncommand = /usr/bin/python3 {dir}/plain.py\nroute = /\n"
        "instances = 2\neject_time = 60s\n",
        router="workers = 1",
    )
    with msvc.load("GET", "/", connections=4):
        msvc.log_has("plain/2: ejected", "router")
