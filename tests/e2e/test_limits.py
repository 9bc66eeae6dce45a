"""Who waits for a place, for how long, and who has to go."""

import os
import signal
import time

from conftest import wait_for
from test_recovery import FAULT, Asking, counters, in_flight


def test_one_too_large_to_wait_sends_nobody_away(msvc):
    msvc.start(FAULT + "env.FAULT_START_MS = 800\nhold_max_bytes = 2000\n", router="workers = 1")
    msvc.kill("fault")
    held = [
        Asking(msvc, "POST", "/", "x" * 500, {"X-Request-Timeout": "5000"}) for _ in range(3)
    ]
    wait_for(lambda: counters(msvc)["held"] == 3, "three held")
    assert msvc.http("POST", "/", "x" * 3000).status == 503
    assert [a.wait().status for a in held] == [200] * 3


def test_nobody_leaves_for_one_that_cannot_stay(msvc):
    msvc.start(FAULT + "env.FAULT_START_MS = 800\nhold_max_bytes = 2000\n", router="workers = 1")
    msvc.kill("fault")
    short = Asking(msvc, "POST", "/", "x" * 500, {"X-Request-Timeout": "5000"})
    wait_for(lambda: counters(msvc)["held"] == 1, "one held")
    longest = Asking(msvc, "POST", "/", "x" * 1400, {"X-Request-Timeout": "9000"})
    wait_for(lambda: counters(msvc)["held"] == 2, "two held")
    # Without the first there would still be no room for so much.
    middle = msvc.http("POST", "/", "x" * 1000, {"X-Request-Timeout": "7000"})
    assert middle.status == 503
    assert short.wait().status == 200
    assert longest.wait().status == 200


def test_a_slow_start_goes_on_although_answers_are_slow(msvc):
    msvc.start(FAULT + "env.FAULT_START_MS = 400\n", router="workers = 1")
    msvc.kill("fault")
    asking = [Asking(msvc, "GET", "/defer?ms=2000") for _ in range(40)]
    wait_for(lambda: counters(msvc)["held"] == 40, "all held")
    in_flight(msvc, 40)
    assert [a.wait().status for a in asking] == [200] * 40


def test_a_delay_beyond_the_deadline_is_a_late_answer(msvc):
    msvc.start(FAULT)
    assert msvc.command("fault", "fault", "delay=5s").returncode == 0
    answer = wait_for(
        lambda: next(
            (a for a in [msvc.get("/", headers={"X-Request-Timeout": "200"})] if a.status != 200),
            None,
        ),
        "the fault",
    )
    assert answer.status == 504
    assert answer.json["cause"] == "deadline"


def test_a_place_is_given_on_when_its_holder_leaves(msvc):
    msvc.start(FAULT + "max_inflight = 1\nqueue_timeout = 10s\n", router="workers = 1")
    with msvc.socket() as holder:
        holder.sendall(b"GET /defer?ms=8000 HTTP/1.1\r\nHost: x\r\n\r\n")
        in_flight(msvc, 1)
        waiting = Asking(msvc, "GET", "/")
        wait_for(lambda: counters(msvc)["held"] == 1, "one held")
        start = time.monotonic()
    assert waiting.wait().status == 200
    assert time.monotonic() - start < 3


def test_a_place_is_given_on_when_its_holder_dies(msvc):
    msvc.start(
        FAULT + "instances = 2\nmax_inflight_all = 1\nqueue_timeout = 10s\n", router="workers = 1"
    )
    holder = Asking(msvc, "POST", "/block?ms=60000", "x")
    msvc.log_has("blocks for 60000 ms", "fault")
    waiting = [Asking(msvc, "GET", "/") for _ in range(4)]
    wait_for(lambda: counters(msvc)["held"] == 4, "four held")
    blocked = 1 if "fault/1" in msvc.log_has(r"(\S+).*blocks for", "fault").group(0) else 2
    start = time.monotonic()
    os.kill(msvc.pid("fault", blocked), signal.SIGKILL)
    assert holder.wait().status == 502
    assert [a.wait().status for a in waiting] == [200] * 4
    assert time.monotonic() - start < 3


def test_limits_are_there_again_after_a_reload(msvc):
    limited = FAULT + "max_inflight = 1\nqueue_timeout = 10s\n"
    msvc.start(limited, router="workers = 1")
    first = Asking(msvc, "GET", "/defer?ms=1500")
    in_flight(msvc, 1)
    waiting = [Asking(msvc, "GET", "/defer?ms=1500") for _ in range(3)]
    wait_for(lambda: counters(msvc)["held"] == 3, "three held")
    assert msvc.reload(FAULT, router="workers = 1").returncode == 0
    in_flight(msvc, 4)
    assert [a.wait().status for a in [first, *waiting]] == [200] * 4


def test_the_wait_for_a_place_is_bounded_after_a_restart_too(msvc):
    msvc.start(
        FAULT + "env.FAULT_START_MS = 500\nmax_inflight = 1\nqueue_timeout = 200ms\n",
        router="workers = 1",
    )
    msvc.kill("fault")
    asking = [Asking(msvc, "GET", "/defer?ms=1500") for _ in range(3)]
    wait_for(lambda: counters(msvc)["held"] == 3, "three held")
    statuses = sorted(a.wait().status for a in asking)
    assert statuses == [200, 503, 503]
    assert counters(msvc)["shed"] == 2
