"""libmsvc as the author of a service sees it, in a small service of our own."""

import os
import pathlib
import re
import shutil
import subprocess
import threading
import time

import msgpack
import pytest

from conftest import BUILD, DEADLINE, ROOT, wait_for
from nng import Socket

PROBE = "[service probe]\ncommand = {probe}\nroute = /\n"


def msgpack_flags():
    """The library is msgpack-c on Debian 13 and msgpack on Debian 12."""
    for name in ("msgpack-c", "msgpack"):
        result = subprocess.run(
            ["pkg-config", "--cflags", "--libs", name], capture_output=True, text=True)
        if result.returncode == 0:
            return result.stdout.split()
    raise AssertionError("pkg-config knows neither msgpack-c nor msgpack")


@pytest.fixture(scope="session")
def probe(tmp_path_factory):
    """The path of the test service, compiled against the library under test."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    path = tmp_path_factory.mktemp("sdk") / "probe"
    sanitizers = {"asan": ["-fsanitize=address,undefined"], "tsan": ["-fsanitize=thread"]}
    result = subprocess.run(
        [compiler, "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", ROOT,
         *sanitizers.get(BUILD.name, []), "-o", path, ROOT / "tests/e2e/sdk_probe.c",
         BUILD / "lib/libmsvc.a", *msgpack_flags()],
        capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return path


@pytest.fixture
def system(msvc, probe):
    msvc.start(PROBE.replace("{probe}", str(probe)))
    return msvc


def in_background(fn):
    """Run fn in a thread; returns a function that waits for its result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(fn()), daemon=True)
    thread.start()

    def result():
        thread.join(DEADLINE)
        assert results, "no result"
        return results[0]

    return result


def counts(system):
    return system.get("/counts").json


def wait_count(system, name, value):
    wait_for(lambda: counts(system)[name] == value, f"{name} {value}")


def router_pid(system):
    return system.status()["supervisor"]["router"]["pid"]


# -- handlers and answers


def test_a_handler_sees_parameters_query_header_and_body(system):
    answer = system.http("POST", "/users/a%20b?q=1+2", {"x": [1, None]}, {"User-Agent": "me"})
    assert answer.status == 201
    assert answer.headers["x-probe"] == "yes"
    assert answer.json == {
        "id": "a b", "none": None, "q": "1 2", "agent": "me", "has_deadline": True,
        "body": {"x": [1, None]}}


def test_the_most_specific_pattern_wins_and_its_method_counts(system):
    assert system.get("/users/me").json == "me"
    assert system.http("PUT", "/users/me").json["id"] == "me"
    assert system.get("/nothing").status == 404
    answer = system.http("DELETE", "/counts")
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"


def test_an_operation_is_called_by_name(system):
    answer = system.http("POST", "/relay?op=probe.sum", {"a": 40, "b": 2})
    assert answer.json == {"status": 200, "error": "", "data": {"sum": 42}}
    answer = system.http("POST", "/relay?op=probe.sum", {"a": "x"})
    assert (answer.json["status"], answer.json["error"]) == (422, "a and b")
    assert system.http("POST", "/relay?op=probe.none").json["status"] == 404


def test_a_handler_without_an_answer_is_a_500_and_is_told(system):
    assert system.get("/forget").status == 500
    assert system.log_has("GET /forget: the handler gave no answer", "probe")


def test_the_first_of_two_answers_counts_and_the_second_is_told(system):
    assert system.get("/twice").json == "first"
    assert system.log_has("GET /twice: was answered already", "probe")


def test_an_answer_too_large_for_a_message_hurts_no_other_request(system):
    other = in_background(lambda: system.get("/later/600"))
    wait_count(system, "begun", 1)
    assert system.get("/huge").status == 500
    assert other().status == 200
    assert system.log_has("GET /huge: an answer of .* is too large", "probe")


def test_a_streamed_answer_is_whole_for_http_and_for_calls(echo):
    assert echo.get("/stream/3000000").body == b"x" * 3000000
    assert echo.get("/call?op=GET%20/stream/500000").body == b"x" * 500000


# -- deferred, cancelled, in time


def test_a_deferred_answer_holds_up_nobody(system):
    late = in_background(lambda: system.get("/later/500"))
    wait_count(system, "begun", 1)
    assert system.get("/users/me").status == 200
    assert late().json == {"woke": True}
    assert counts(system)["cancelled"] == 0


def test_a_client_that_leaves_is_noticed_and_its_handler_may_still_call(system):
    with system.socket() as sock:
        sock.sendall(b"GET /later/60000 HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_count(system, "begun", 1)
    wait_count(system, "cancelled", 1)
    wait_count(system, "called_back", 1)
    assert system.get("/users/me").status == 200


def test_a_call_that_takes_too_long_gets_504_in_time(system):
    start = time.monotonic()
    answer = system.get("/relay?ms=100&op=GET%20/later/60000")
    assert answer.json["status"] == 504
    assert 0.1 <= time.monotonic() - start < 5
    wait_count(system, "cancelled", 1)


# -- events and the router


def test_events_flow_again_when_the_router_was_killed(system):
    assert system.http("POST", "/publish/1").status == 202
    seen = lambda: system.get("/events").json["seen"]
    wait_for(lambda: seen() == [1], "the first event")
    old = router_pid(system)
    os.kill(old, 9)
    wait_for(lambda: router_pid(system) not in (0, None, old), "a new router")

    def arrived():
        system.http("POST", "/publish/2")
        return 2 in seen()

    wait_for(arrived, "an event behind the new router")
    # Subscribed from inside the callback of the first event.
    assert system.get("/events").json["echoes"] >= 1


def test_calls_in_flight_fail_and_later_ones_work_when_the_router_dies(system):
    waiting = in_background(lambda: raw_later(system))
    wait_count(system, "begun", 1)
    old = router_pid(system)
    os.kill(old, 9)
    waiting()
    wait_for(lambda: router_pid(system) not in (0, None, old), "a new router")
    wait_count(system, "cancelled", 1)
    answer = system.http("POST", "/relay?op=probe.sum", {"a": 1, "b": 2})
    assert answer.json["data"] == {"sum": 3}


def raw_later(system):
    return system.raw(b"GET /relay?op=GET%20/later/60000 HTTP/1.1\r\nHost: a\r\n\r\n")


# -- the stop


def test_a_restart_answers_what_is_in_flight(system):
    late = in_background(lambda: system.get("/later/700"))
    wait_count(system, "begun", 1)
    assert system.command("restart", "probe").returncode == 0
    assert late().status == 200
    assert system.get("/users/me").status == 200


def test_a_handler_may_stop_the_service_and_its_answer_arrives(system):
    pid = system.pid("probe")
    assert system.get("/leave").json == "bye"
    wait_for(lambda: system.pid("probe") != pid, "the end")
    assert not re.search("probe.*killed by signal", system.log("msvc"))


def test_a_stop_waits_for_no_request_that_nobody_waits_for(msvc):
    msvc.start("[service echo]\ncommand = {samples}/echo\nroute = /\ntimeout = 200ms\n")
    assert msvc.get("/sleep/60000").status == 504
    start = time.monotonic()
    assert msvc.command("stop", "echo").returncode == 0
    assert time.monotonic() - start < 3
    assert "not answered" not in msvc.log("echo")


def test_a_stop_ends_as_soon_as_the_router_let_go(echo):
    assert echo.get("/hello").status == 200
    pid = echo.pid("echo")
    times = []
    for _ in range(5):
        start = time.monotonic()
        assert echo.command("restart", "echo").returncode == 0
        times.append(time.monotonic() - start)
    assert echo.pid("echo") != pid
    # A second is what a service gives a router that does not let go.
    assert min(times) < 0.5


def test_no_request_is_lost_over_many_restarts(echo):
    with echo.load("GET", "/hello", connections=8) as load:
        for _ in range(10):
            assert echo.command("restart", "echo").returncode == 0
        load.wait_answers(50)
    assert load.failures == []


# -- a plain nng REQ socket at the service itself


def listen_url(system, name):
    environ = pathlib.Path(f"/proc/{system.pid(name)}/environ").read_bytes()
    return re.search(rb"MSVC_LISTEN=([^\0]*)", environ).group(1).decode()


def plain_call(url, op, payload=None):
    with Socket("req") as sock:
        sock.dial(url)
        sock.send(msgpack.packb([0, 7, op, {}, payload]))
        kind, number, status, meta, body = msgpack.unpackb(sock.recv())
    assert (kind, number) == (1, 7)
    return status, meta, body


def test_a_plain_req_socket_gets_every_kind_of_answer(echo):
    url = listen_url(echo, "echo")
    assert plain_call(url, "GET /hello")[0] == 200
    status, meta, body = plain_call(url, "echo", {"a": 1})
    assert (status, body["body"]) == (200, {"a": 1})
    assert plain_call(url, "GET /bytes/100000")[2] == b"x" * 100000
    status, meta, body = plain_call(url, "GET /stream/300000")
    assert (status, body) == (200, b"x" * 300000)
    assert ":stream" not in meta
    assert plain_call(url, "GET /sleep/20")[0] == 200
    assert plain_call(url, "GET /status/404")[0] == 404
    assert plain_call(url, "none")[0] == 404
    status, meta, body = plain_call(url, "GET /bytes/x")
    assert (status, meta["content-type"]) == (400, "application/problem+json")
    assert plain_call(url, "GET /call?op=echo.echo")[0] == 200
