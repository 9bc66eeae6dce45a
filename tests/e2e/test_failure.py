"""What clients and callers get of failures: less time, less detail, something else."""

import http.client
import io
import re
import time

import msgpack
import pytest

import nng
from conftest import ECHO, new_system, wait_for

KINDS = {
    "json": 'json {"items": [1, 2]}',
    "file": "file sorry.html",
    "service": "service well",
}
FAILURES = {
    "down": "service = off\nop = GET /status/500\n",
    "timeout": "service = sick\nop = GET /sleep/60000\ntimeout = 100ms\n",
    "5xx": "service = sick\nop = GET /status/500\n",
}
SERVICES = (
    "[service sick]\ncommand = {samples}/echo\n"
    "[service off]\ncommand = {samples}/echo\nenabled = no\n"
    "[service well]\ncommand = {samples}/plain_nng\n"
)


def route(name, failure, keys):
    """A route NAME that fails, at /NAME/... with any method."""
    return f"[route {name}]\nmatch = /{name}\n{FAILURES[failure]}{keys}\n"


@pytest.fixture(scope="module")
def system():
    with new_system() as system:
        (system.dir / "sorry.html").write_text("<p>Sorry</p>\n")
        text = SERVICES
        for kind, fallback in KINDS.items():
            for failure in FAILURES:
                text += route(
                    f"{kind}-{failure}", failure,
                    f"fallback = {fallback}\nfallback_on = {failure}")
        for failure in FAILURES:
            others = ", ".join(name for name in FAILURES if name != failure)
            text += route(
                f"other-{failure}", failure, f"fallback = json 1\nfallback_on = {others}")
            text += route(
                f"usual-{failure}", failure, "fallback = json 1")
            text += route(
                f"worse-{failure}", failure,
                "fallback = service off2\nfallback_on = down, timeout, 5xx")
            text += route(
                f"sicker-{failure}", failure,
                "fallback = service sick2\nfallback_on = down, timeout, 5xx")
        # Its own fallback is for its own clients only.
        text += "[service off2]\ncommand = x\nenabled = no\nroute = /off2\nfallback = json 2\n"
        text += (
            "[service sick2]\ncommand = {samples}/echo\ntimeout = 100ms\n"
            "[route sick2-5xx]\nmatch = /stream\nservice = sick\nop = GET /stream/3\n"
            "fallback = json 1\nfallback_on = 5xx\n")
        system.start(text)
        system.wait_state("well", "ready")
        yield system


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_fallback_stands_in_for_each_failure(system, kind, failure):
    answer = system.get(f"/{kind}-{failure}")
    assert answer.status == 200
    assert answer.headers["X-Msvc-Fallback"] == failure
    assert answer.headers["Retry-After"] is None
    assert answer.headers["X-Request-Id"]
    if kind == "json":
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json == {"items": [1, 2]}
    elif kind == "file":
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.body == b"<p>Sorry</p>\n"
    else:
        assert b"nng" in answer.body.lower()


@pytest.mark.parametrize("failure,status", [("down", 503), ("timeout", 504), ("5xx", 500)])
def test_a_failure_that_is_not_meant_is_told(system, failure, status):
    answer = system.get(f"/other-{failure}")
    assert answer.status == status
    assert answer.headers["X-Msvc-Fallback"] is None


@pytest.mark.parametrize("failure,status", [("down", 200), ("timeout", 200), ("5xx", 500)])
def test_down_and_timeout_are_meant_unless_said_otherwise(system, failure, status):
    assert system.get(f"/usual-{failure}").status == status


@pytest.mark.parametrize("failure,status", [("down", 503), ("timeout", 504), ("5xx", 500)])
@pytest.mark.parametrize("kind", ["worse", "sicker"])
def test_a_fallback_service_that_fails_leaves_the_first_failure(system, kind, failure, status):
    answer = system.get(f"/{kind}-{failure}")
    assert answer.status == status
    assert answer.headers["X-Msvc-Fallback"] is None
    if failure == "5xx":
        assert answer.json == {"status": 500}
    else:
        assert answer.json["service"] == ("off" if failure == "down" else "sick")


def test_a_good_answer_and_a_clients_mistake_need_no_fallback(system):
    answer = system.get("/stream")
    assert answer.status == 200 and answer.headers["X-Msvc-Fallback"] is None
    answer = system.http(
        "POST", "/json-down", b"{", {"Content-Type": "application/json"})
    assert answer.status == 400 and answer.json["cause"] == "bad-body"


def answers_in(data, methods):
    """The answers to pipelined requests of these methods."""
    class Socket:
        def __init__(self):
            self.file = io.BytesIO(data)
            self.file.close = lambda: None

        def makefile(self, *_args, **_kwargs):
            return self.file

    sock = Socket()
    for method in methods:
        response = http.client.HTTPResponse(sock, method=method)
        response.begin()
        yield response, response.read()
    assert sock.file.read() == b""


def test_fallbacks_keep_the_connection_the_order_and_head(system):
    wanted = [
        ("GET", "json-5xx"), ("HEAD", "json-down"), ("GET", "service-timeout"),
        ("HEAD", "service-5xx"), ("POST", "worse-5xx"), ("HEAD", "worse-down"),
        ("GET", "file-timeout"),
    ]
    data = b"".join(
        f"{method} /{name} HTTP/1.1\r\nHost: a\r\n"
        f"{'Connection: close' if name == 'file-timeout' else 'A: b'}\r\n\r\n".encode()
        for method, name in wanted)
    got = list(answers_in(system.raw(data), [method for method, _ in wanted]))
    for (method, name), (response, body) in zip(wanted, got):
        kind, failure = name.split("-")
        is_first = kind == "worse"
        assert response.getheader("X-Msvc-Fallback") == (None if is_first else failure), name
        assert (response.status == 200) != is_first
        assert (body == b"") == (method == "HEAD")
    assert int(got[1][0].getheader("Content-Length")) == len('{"items": [1, 2]}')


def test_the_access_log_names_the_service_that_answered(system):
    late = ' deadline "the service did not answer in time"'
    off = ' disabled "service off is disabled"'
    for name, status, service, failure in [
            ("service-5xx", 200, "well/1", ""), ("worse-5xx", 500, "sick/1", ""),
            ("sicker-timeout", 504, "sick/1", late), ("json-5xx", 200, "sick/1", ""),
            ("service-timeout", 200, "well/1", late), ("json-timeout", 200, "sick/1", late),
            ("other-down", 503, "off", off), ("file-down", 200, "off", off)]:
        request_id = f"log-{name}"
        tail = f" {service} {request_id}{failure}\n"
        system.get(f"/{name}", headers={"X-Request-Id": request_id})
        system.log_has(rf'"GET /{name} HTTP/1.1" {status} [^"]*{re.escape(tail)}', "access")
        sp_call(
            f"ipc://{system.run_dir}/router.sock", f"GET /{name}", {":request-id": request_id})
        system.log_has(rf'"GET /{name} SP" {status} [^"]*{re.escape(tail)}', "access")


def sp_call(url, op, meta=None):
    with nng.Socket("req") as sock:
        sock.dial(url)
        sock.send(msgpack.packb([0, 7, op, meta or {}, None]))
        return msgpack.unpackb(sock.recv())[2:5]


@pytest.mark.parametrize("failure", FAILURES)
def test_callers_of_routes_get_fallbacks_as_well(system, failure):
    url = f"ipc://{system.run_dir}/router.sock"
    status, meta, body = sp_call(url, f"GET /json-{failure}")
    assert status == 200 and meta["x-msvc-fallback"] == failure
    assert meta["content-type"] == "application/json" and body == b'{"items": [1, 2]}'
    status, meta, body = sp_call(url, f"GET /service-{failure}")
    assert status == 200 and meta["x-msvc-fallback"] == failure
    for kind in ("worse", "sicker"):
        status, meta, body = sp_call(url, f"GET /{kind}-{failure}")
        assert status == {"down": 503, "timeout": 504, "5xx": 500}[failure]
        assert "x-msvc-fallback" not in meta
    assert sp_call(url, "off.get")[0] == 503


def test_no_service_is_asked_for_a_client_that_waits_no_longer(msvc):
    text = SERVICES
    for name, fallback in KINDS.items():
        if name != "file":
            text += (f"[route {name}]\nmatch = /{name}\nservice = sick\n"
                     f"op = GET /sleep/60000\nfallback = {fallback}\n")
    msvc.start(text)
    msvc.wait_state("well", "ready")
    url = f"ipc://{msvc.run_dir}/router.sock"
    for name, status in (("json", 200), ("service", 504)):
        assert msvc.get(f"/{name}", headers={"X-Request-Timeout": "100"}).status == status
        assert sp_call(url, f"GET /{name}", {":deadline-ms": 100})[0] == status


def test_a_stream_is_no_fallback_for_a_caller_that_takes_none(msvc):
    msvc.start(SERVICES + "[service mill]\ncommand = {samples}/echo\n"
               "[route r]\nmatch = /r\nservice = off\nop = GET /stream/3\n"
               "fallback = service mill\n")
    assert msvc.get("/r").body == b"xxx"
    status, meta, body = sp_call(f"ipc://{msvc.run_dir}/router.sock", "GET /r")
    assert status == 503 and body["cause"] == "disabled" and "x-msvc-fallback" not in meta


def test_a_service_gives_its_fallback_to_its_paths_and_routes(msvc):
    msvc.start(
        "[service off]\ncommand = x\nenabled = no\nroute = /a, /b\nfallback = json 1\n"
        "[route own]\nmatch = /own\nservice = off\nfallback = json 2\n"
        "[route none]\nmatch = /none\nservice = off\n"
        "[route not]\nmatch = /not\nservice = off\nfallback_on = 5xx\n")
    assert [msvc.get(path).body for path in ("/a/x", "/b", "/own", "/none")] == [
        b"1", b"1", b"2", b"1"]
    assert msvc.get("/not").status == 503


def test_a_reload_reads_the_file_again(msvc):
    text = "[service off]\ncommand = x\nenabled = no\nroute = /\nfallback = file f.json\n"
    (msvc.dir / "f.json").write_text("[1]")
    msvc.start(text)
    assert msvc.get("/").json == [1]
    (msvc.dir / "f.json").write_text("[2]")
    assert msvc.reload(text).returncode == 0
    assert wait_for(lambda: msvc.get("/").json == [2], "the new file")
    (msvc.dir / "f.json").write_text("[2")
    result = msvc.reload(text)
    assert result.returncode != 0 and "is not JSON at byte 3" in result.stderr
    assert msvc.get("/").json == [2]


@pytest.fixture(scope="module")
def slow():
    with new_system() as system:
        system.start(
            ECHO + "[route short]\nmatch = /short\nservice = echo\nop = GET /sleep/60000\n"
            "timeout = 100ms\n")
        yield system


def test_a_client_may_wait_less_long(slow):
    start = time.monotonic()
    answer = slow.get("/sleep/60000", headers={"X-Request-Timeout": "150"})
    assert answer.status == 504 and answer.json["cause"] == "deadline"
    assert 0.15 <= time.monotonic() - start < 5
    # No longer than the route says, though.
    start = time.monotonic()
    answer = slow.get("/short", headers={"X-Request-Timeout": "86400000"})
    assert answer.status == 504
    assert time.monotonic() - start < 5


def test_the_clients_limit_is_the_services_deadline_and_no_field(slow):
    headers = slow.get("/echo", headers={"X-Request-Timeout": "5000", "A": "b"}).json["headers"]
    assert headers["a"] == "b" and "x-request-timeout" not in headers


@pytest.mark.parametrize("value,status", [
    ("1", None), ("86400000", 200), ("007000", 200),
    ("0", 400), ("", 400), ("-1", 400), ("1.5", 400), ("1s", 400), ("86400001", 400),
    ("18446744073709551617", 400), ("0x10", 400), ("100, 200", 400), ("1 0", 400),
])
def test_only_a_number_of_milliseconds_is_a_timeout(slow, value, status):
    answer = slow.get("/hello", headers={"X-Request-Timeout": value})
    if status is not None:
        assert answer.status == status
    if status == 400:
        assert answer.json["cause"] == "bad-timeout"
        assert answer.json["detail"] == "X-Request-Timeout is not a number of milliseconds"


def test_two_timeouts_are_none(slow):
    data = slow.raw(
        b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        b"X-Request-Timeout: 5000\r\nX-Request-Timeout: 5000\r\n\r\n")
    assert data.startswith(b"HTTP/1.1 400 ")


def test_a_caller_may_wait_less_long(slow):
    url = f"ipc://{slow.run_dir}/router.sock"
    start = time.monotonic()
    assert sp_call(url, "GET /sleep/60000", {":deadline-ms": 150})[0] == 504
    assert 0.15 <= time.monotonic() - start < 5
    assert sp_call(url, "GET /short", {":deadline-ms": 86400000})[0] == 504
    # What nobody waits for is not begun.
    for gone in (0, -5):
        status, _, body = sp_call(url, f"GET /gone/{gone}", {":deadline-ms": gone})
        assert status == 504 and body["cause"] == "deadline"
    assert wait_for(lambda: re.search(r'"GET /gone/-5 SP" 504 .* - ', slow.log("access")), "line")


OFF = "[service off]\ncommand = x\nenabled = no\nroute = /off\n"


def test_clients_are_told_no_more_than_the_cause_by_default(msvc):
    msvc.start(ECHO + OFF, router="error_detail = brief\n")
    answer = msvc.get("/off")
    assert answer.status == 503
    assert answer.json == {
        "type": "about:blank", "title": "Service Unavailable", "status": 503,
        "cause": "disabled"}
    answer = msvc.get("/nosuch/../x")
    assert answer.status == 400 and "segment" in answer.json["detail"]
    status, _, body = sp_call(f"ipc://{msvc.run_dir}/router.sock", "off.get")
    assert status == 503 and body["service"] == "off" and "off" in body["detail"]
    status, _, body = sp_call(f"tcp://{msvc.host}:{msvc.port}", "off.get")
    assert status == 503 and sorted(body) == ["cause", "status", "title", "type"]


def test_a_fault_on_purpose_does_not_name_the_service(msvc):
    msvc.start("[service hidden]\ncommand = {samples}/echo\nroute = /\n",
               router="error_detail = brief\n")
    for status in (418, 503):
        msvc.command("fault", "hidden", f"error={status}")
        answer = wait_for(lambda s=status: (a := msvc.get("/x")).status == s and a, "the fault")
        assert answer.json["cause"] == "fault" and b"hidden" not in answer.body


def test_clients_are_told_all_when_the_config_says_so(msvc):
    msvc.start(ECHO + OFF, router="error_detail = full\n")
    answer = msvc.get("/off")
    assert answer.json["service"] == "off" and "off" in answer.json["detail"]
    _, _, body = sp_call(f"tcp://{msvc.host}:{msvc.port}", "off.get")
    assert body["service"] == "off" and "off" in body["detail"]
    assert msvc.reload(ECHO + OFF, router="error_detail = brief\n").returncode == 0
    wait_for(lambda: "service" not in msvc.get("/off").json, "less detail")


def test_when_to_come_back_is_told_also_in_brief(msvc):
    msvc.start(
        "[service bad]\ncommand = /bin/false\nroute = /\nready = none\n"
        "restart_delay = 20s\ntimeout = 300ms\n", router="error_detail = brief\n", check=False)
    wait_for(lambda: msvc.instance("bad")["state"] == "backoff", "backoff")
    answer = msvc.get("/x")
    assert answer.status == 503 and answer.json["cause"] == "restarting"
    assert 1 <= int(answer.headers["Retry-After"]) <= 30
    assert "detail" not in answer.json and "service" not in answer.json
