"""Routes, balancing, deadlines, and what a client gets when a service cannot."""

import concurrent.futures
import json
import os
import signal
import socket
import time

import pytest

from conftest import ECHO, read_all, wait_for


def test_the_most_specific_route_wins(msvc):
    msvc.start(
        "[service wide]\ncommand = {samples}/echo\nroute = /\n"
        "[service users]\ncommand = {samples}/echo\nroute = /users\n"
        "[service me]\ncommand = {samples}/echo\n"
        "[route me]\nmatch = GET /users/me\nservice = me\n"
        "[route one]\nmatch = GET /users/{id}\nservice = me\nop = fetch\n"
        "[route files]\nmatch = /files/*\nservice = me\n")
    def who(method, path):
        return msvc.http(method, path).json["service"]
    assert who("GET", "/") == "wide"
    assert who("GET", "/usersx") == "wide"
    assert who("GET", "/users") == "users"
    assert who("GET", "/users/1/cart") == "users"
    assert who("GET", "/users/me") == "me"
    assert who("POST", "/users/me") == "users"
    assert who("DELETE", "/files/a/b") == "me"


def test_path_parameters_and_operations_reach_the_service(msvc):
    msvc.start(
        "[service echo]\ncommand = {samples}/echo\n"
        "[route one]\nmatch = GET /users/{id}/items/{item}\nservice = echo\n")
    answer = msvc.get("/users/a%20b/items/7")
    assert answer.status == 200


def test_load_is_spread_over_instances(msvc):
    msvc.start(ECHO + "instances = 3\n")
    seen = set()
    # An instance may be ready a moment before the router is linked to it.
    wait_for(
        lambda: seen.add(msvc.get("/x").json["instance"]) or len(seen) == 3, "all links")
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: msvc.get("/sleep/50"), range(18)))
    wait_for(lambda: msvc.log("access").count("/sleep/50") == 18, "access lines")
    lines = [line for line in msvc.log("access").splitlines() if "/sleep/50" in line]
    for index in (1, 2, 3):
        assert 4 <= sum(f" echo/{index} " in line for line in lines) <= 8


def test_the_deadline_is_answered_with_504(msvc):
    msvc.start(ECHO + "timeout = 200ms\n")
    start = time.monotonic()
    answer = msvc.get("/sleep/5000")
    assert answer.status == 504
    assert 0.2 <= time.monotonic() - start
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert msvc.get("/hello").status == 200


def test_a_hanging_instance_does_not_hold_up_the_others(msvc):
    msvc.start(
        ECHO + "instances = 2\ntimeout = 2s\nstop_timeout = 500ms\n", router="workers = 1\n")
    seen = set()
    wait_for(lambda: seen.add(msvc.get("/x").json["instance"]) or len(seen) == 2, "both links")
    with msvc.socket() as hang:
        hang.sendall(b"GET /hang HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        for _ in range(10):
            assert msvc.get("/hello").status == 200
        assert read_all(hang).startswith(b"HTTP/1.1 504 ")


def test_a_crash_with_the_request_in_hand_is_502(msvc):
    msvc.start(ECHO)
    answer = msvc.http("POST", "/crash/9", b"x", {"Content-Type": "text/plain"})
    assert answer.status == 502
    assert answer.headers["Content-Type"] == "application/problem+json"
    answer = msvc.http("POST", "/exit/3", b"x", {"Content-Type": "text/plain"})
    assert answer.status == 502
    assert wait_for(lambda: msvc.get("/hello").status == 200, "an answer")


def test_a_disabled_service_is_503_at_once(msvc):
    msvc.start(
        ECHO + "[service off]\ncommand = /bin/false\nroute = /off\nenabled = no\n")
    assert msvc.get("/off").status == 503
    assert msvc.instance("off")["state"] == "disabled"


def test_a_restarting_service_is_waited_for(msvc):
    msvc.start(ECHO)
    with msvc.load("GET", "/hello", connections=4) as load:
        load.wait_answers(50)
        for generation in range(2, 5):
            msvc.kill("echo")
            msvc.wait_state("echo", "ready", generation=generation)
            load.wait_answers(50)
    # What was in the killed process's hands is 502; nothing else may fail.
    assert set(load.failures) <= {502}
    assert len(load.failures) <= 3 * 4


def test_a_service_in_long_backoff_is_503_with_retry_after(msvc):
    msvc.start(
        "[service bad]\ncommand = /bin/false\nroute = /\nready = none\n"
        "restart_delay = 30s\nrestart_delay_max = 60s\ntimeout = 1s\n", check=False)
    wait_for(lambda: msvc.instance("bad")["state"] == "backoff", "backoff")
    answer = msvc.get("/")
    assert answer.status == 503
    assert 1 <= int(answer.headers["Retry-After"]) <= 40


def test_reply_statuses_pass_through(echo):
    for code in (201, 301, 404, 418, 500, 599):
        assert echo.get(f"/status/{code}").status == code
    assert echo.get("/status/204").body == b""


def test_a_stopped_process_is_a_timeout_and_recovers(msvc):
    msvc.start(ECHO + "timeout = 300ms\n")
    pid = msvc.get("/x").json["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert msvc.get("/hello").status == 504
    finally:
        os.kill(pid, signal.SIGCONT)
    assert wait_for(lambda: msvc.get("/hello").status == 200, "an answer")


def test_a_service_removed_by_reload_ends_what_waits_and_finishes_what_runs(msvc):
    keep = "[service keep]\ncommand = {samples}/echo\nroute = /\n"
    gone = (
        "[service gone]\ncommand = {samples}/echo\n"
        "[route gone]\nmatch = GET /gone\nservice = gone\nop = GET /sleep/1500\n")
    late = (
        "[service late]\ncommand = /bin/false\nroute = /late\nready = none\n"
        "restart_delay = 30s\nrestart_delay_max = 60s\ntimeout = 120s\n")
    msvc.start(keep + gone + late, check=False)
    wait_for(lambda: msvc.instance("late")["state"] == "backoff", "backoff")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        running = [pool.submit(msvc.get, "/gone") for _ in range(3)]
        waiting = [pool.submit(msvc.get, "/late") for _ in range(3)]
        wait_for(lambda: _connections(msvc) >= 6, "the requests to be there")
        assert msvc.reload(keep).returncode == 0
        assert {f.result(10).status for f in waiting} == {503}
        assert {f.result().status for f in running} == {200}
    assert msvc.get("/gone").json["service"] == "keep"


def _connections(system):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(system.run_dir / "admin.sock"))
        sock.sendall(b"GET /-/health HTTP/1.1\r\nHost: x\r\n\r\n")
        return json.loads(read_all(sock).partition(b"\r\n\r\n")[2])["connections_open"]


def test_field_values_reach_the_service_as_utf8(echo):
    def shown(value):
        answer = echo.raw(
            b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + value + b"\r\nConnection: close\r\n\r\n")
        return json.loads(answer.partition(b"\r\n\r\n")[2])["headers"]["x-a"]
    assert shown("caf\u00e9".encode()) == "caf\u00e9"
    assert shown(b"caf\xe9") == "caf\u00e9"
    assert shown(b"\xc0\xaf") == "\u00c0\u00af"


def test_a_body_that_no_message_can_carry_is_413_and_hurts_nobody(msvc):
    msvc.start(ECHO, router="max_body = 100m\nworkers = 1\n")
    with msvc.socket() as other:
        other.sendall(b"GET /sleep/600 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = msvc.http("POST", "/status/200", b"x" * 65_000_000)
        assert answer.status == 413 and answer.json["cause"] == "too-large"
        # Short numbers are twice as long in MessagePack.
        text = b"[" + b"1e9," * 8_000_000 + b"0]"
        headers = {"Content-Type": "application/json"}
        assert msvc.http("POST", "/status/200", text, headers).status == 413
        assert msvc.http("POST", "/status/200", b"x" * 50_000_000).status == 200
        assert read_all(other).startswith(b"HTTP/1.1 200 ")


def test_a_stream_that_breaks_off_is_a_reset_for_http_1_0(echo):
    # Its end is the connection's: a clean one would say that all has come.
    assert echo.get("/hello").status == 200  # the link is known to take streams
    with echo.socket() as sock:
        sock.sendall(b"GET /stream/1000000000 HTTP/1.0\r\n\r\n")
        assert sock.recv(15) == b"HTTP/1.1 200 OK"
        echo.kill("echo")
        with pytest.raises(ConnectionResetError):
            while sock.recv(65536):
                pass
