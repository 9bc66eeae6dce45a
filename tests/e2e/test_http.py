"""The HTTP entry point, as clients good and bad see it."""

import contextlib
import json
import os
import re
import select
import socket
import struct
import time

import msgpack
import pytest

from conftest import BUILD, DEADLINE, ECHO, new_system, read_all, wait_for

HELLO = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"


def statuses(data):
    return [int(s) for s in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]


def test_an_echo_answers_with_what_it_was_asked(echo):
    answer = echo.http(
        "POST", "/a/b?c=d", {"x": [1, 2.5, None]}, headers={"X-Thing": "here"}
    )
    assert answer.status == 200
    said = answer.json
    assert said["service"] == "echo" and said["instance"] == 1
    assert said["method"] == "POST" and said["path"] == "/a/b"
    assert said["query"] == "c=d"
    assert said["headers"]["x-thing"] == "here"
    assert said["body"] == {"x": [1, 2.5, None]}
    assert said["pid"] == echo.pid("echo")


def test_hello_is_a_sixty_byte_json_object(echo):
    answer = echo.get("/hello")
    assert answer.status == 200 and len(answer.body) == 60
    assert isinstance(answer.json, dict)
    assert answer.headers["Content-Type"].startswith("application/json")


def test_keep_alive_serves_many_requests_on_one_connection(echo):
    conn = echo.connection()
    for _ in range(20):
        conn.request("GET", "/hello")
        response = conn.getresponse()
        assert response.status == 200
        response.read()
        assert conn.sock is not None
    conn.close()


def test_pipelined_requests_are_answered_in_order(echo):
    paths = ["/sleep/30", "/one", "/bytes/10", "/two"]
    requests = b"".join(
        f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in paths
    )
    last = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    data = echo.raw(requests + last)
    assert statuses(data) == [200] * 5
    assert data.index(b'"/one"') < data.index(b'"/two"') < data.index(b'"/last"')


@pytest.mark.parametrize("size", [300000, 8000000])
def test_a_request_behind_a_big_answer_is_answered(shared_echo, size):
    last = HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    data = shared_echo.raw(
        b"GET /bytes/%d HTTP/1.1\r\nHost: x\r\n\r\n" % size + HELLO + last)
    assert statuses(data) == [200] * 3 and len(data) > size


def test_http_1_0_is_answered_and_closed(echo):
    data = echo.raw(b"GET /hello HTTP/1.0\r\n\r\n")
    assert statuses(data) == [200]


def test_a_chunked_body_arrives_whole_and_its_trailers_do_not(echo):
    data = echo.raw(
        b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: application/json\r\nConnection: close\r\n\r\n"
        b'4\r\n{"a"\r\n3\r\n:1}\r\n0\r\nX-Late: 1\r\n\r\n'
    )
    assert statuses(data) == [200]
    said = json.loads(data.split(b"\r\n\r\n", 1)[1])
    assert said["body"] == {"a": 1}
    assert "x-late" not in said["headers"]


def test_a_streamed_answer_is_chunked(echo):
    with echo.socket() as sock:
        sock.sendall(HELLO)  # behind it the link is known to take streams
        assert statuses(sock.recv(4096)) == [200]
        sock.sendall(b"GET /stream/300000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = read_all(sock)
    head, body = data.split(b"\r\n\r\n", 1)
    assert b"transfer-encoding: chunked" in head.lower()
    assert body.endswith(b"0\r\n\r\n")
    assert len(echo.get("/stream/300000").body) == 300000


def test_a_streamed_answer_to_http_1_0_ends_with_the_connection(echo):
    data = echo.raw(b"GET /stream/5000 HTTP/1.0\r\n\r\n")
    head, body = data.split(b"\r\n\r\n", 1)
    assert b"transfer-encoding" not in head.lower()
    assert len(body) == 5000


def test_expect_100_continue_is_answered_before_the_body(echo):
    with echo.socket() as sock:
        sock.sendall(
            b"POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Content-Length: 2\r\nConnection: close\r\n\r\n"
        )
        assert sock.recv(4096).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"hi")
        assert statuses(read_all(sock)) == [200]


def test_expect_100_continue_over_the_limit_is_refused_without_the_body(msvc):
    msvc.start(ECHO, router="max_body = 10\n")
    data = msvc.raw(
        b"POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        b"Content-Length: 11\r\n\r\n"
    )
    assert statuses(data) == [413]


def test_head_has_the_length_but_no_body(echo):
    data = echo.raw(b"HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, body = data.split(b"\r\n\r\n", 1)
    assert statuses(data) == [200] and body == b""
    assert b"content-length: 60" in head.lower()


def test_options_star_and_unknown_paths_and_methods(msvc):
    msvc.start(
        "[service echo]\ncommand = {samples}/echo\n"
        "[route one]\nmatch = GET /one/{id}\nservice = echo\n"
    )
    assert msvc.http("OPTIONS", "*").status == 204
    options = msvc.http("OPTIONS", "/one/1")
    assert options.status == 204
    assert set(re.split(", *", options.headers["Allow"])) >= {"GET", "HEAD"}
    post = msvc.http("POST", "/one/1")
    assert post.status == 405 and "GET" in post.headers["Allow"]
    assert msvc.get("/none").status == 404
    assert msvc.get("/none").headers["Content-Type"] == "application/problem+json"


def test_absolute_form_is_served(echo):
    data = echo.raw(
        b"GET http://example.org/p?q HTTP/1.1\r\nHost: example.org\r\n"
        b"Connection: close\r\n\r\n"
    )
    assert statuses(data) == [200] and b'"/p"' in data


def test_hop_by_hop_fields_stop_here(echo):
    data = echo.raw(
        b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close, X-Drop\r\nX-Drop: 1\r\n"
        b"Keep-Alive: 5\r\nTE: trailers\r\nX-Keep: 2\r\n\r\n"
    )
    headers = json.loads(data.split(b"\r\n\r\n", 1)[1])["headers"]
    assert headers["x-keep"] == "2"
    assert not {"connection", "x-drop", "keep-alive", "te"} & set(headers)


BAD = {
    "both lengths": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
    "plus length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", 400),
    "obs-fold": (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
    "bare lf": (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    "bare lf in fields": (b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400),
    "bare cr": (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400),
    "space before colon": (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
    "bad host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "name is no token": (b"GET / HTTP/1.1\r\nHost: x\r\nA(b: c\r\n\r\n", 400),
    "nul in value": (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 400),
    "chunk size with sign": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with 0x": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with space": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n", 400),
    "chunk longer than said": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400),
    "fragment in target": (b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "raw byte in target": (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "http/2": (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    "unknown coding": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "unknown expectation": (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: more\r\n\r\n", 417),
    "garbage": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
}


@pytest.mark.parametrize("case", BAD)
def test_what_two_parsers_could_read_in_two_ways_is_refused(shared_echo, case):
    request, status = BAD[case]
    data = shared_echo.raw(request + HELLO)
    assert statuses(data) == [status], data
    assert shared_echo.get("/hello").status == 200


@pytest.mark.parametrize(
    "head, status",
    [
        (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 150 + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 413),
    ],
    ids=["target", "field", "field count", "body"],
)
def test_limits_are_told_by_their_own_status(shared_echo, head, status):
    assert statuses(shared_echo.raw(head)) == [status]


def test_a_request_cut_off_at_every_byte_harms_nobody(shared_echo):
    request = (
        b"POST /x?y HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: application/json\r\n\r\n2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n"
    )
    for length in range(len(request)):
        data = shared_echo.raw(request[:length], half_close=True)
        assert statuses(data) == [], (length, data)
    assert shared_echo.get("/hello").status == 200


def test_a_request_sent_byte_by_byte_is_served(shared_echo):
    with shared_echo.socket() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"):
            sock.sendall(bytes([byte]))
        assert statuses(read_all(sock)) == [200]


def test_a_slow_head_is_ended_with_408(msvc):
    msvc.start(ECHO, router="header_timeout = 200ms\n")
    with msvc.socket() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost:")
        start = time.monotonic()
        assert statuses(read_all(sock)) == [408]
        assert time.monotonic() - start >= 0.15


def test_an_idle_connection_is_closed(msvc):
    msvc.start(ECHO, router="idle_timeout = 200ms\n")
    with msvc.socket() as sock:
        sock.sendall(HELLO)
        data = read_all(sock)
    assert statuses(data) == [200]


def test_a_stuck_body_is_ended_with_408(msvc):
    msvc.start(ECHO, router="body_timeout = 200ms\n")
    data = msvc.raw(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
    assert statuses(data) == [408]


def test_a_client_that_does_not_read_is_cut_off_and_others_go_on(msvc):
    msvc.start(ECHO, router="write_timeout = 300ms\n")
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((msvc.host, msvc.port))
        start = time.monotonic()
        sock.sendall(b"GET /bytes/30000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        poller = select.poll()
        poller.register(sock, 0)
        # A reset, without which the kernel would go on offering its share.
        events = poller.poll(DEADLINE * 1000)
        assert events and events[0][1] & select.POLLERR
        assert 0.25 < time.monotonic() - start < (10 if "san" in BUILD.name else 3)
        assert len(read_all(sock)) < 1000000
        assert msvc.get("/hello").status == 200


HALF_CLOSED = {
    "at once": (b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", [200]),
    "a little later": (b"GET /sleep/50 HTTP/1.1\r\nHost: x\r\n\r\n", [200]),
    "pipelined": (b"GET /sleep/50 HTTP/1.1\r\nHost: x\r\n\r\n" + HELLO * 3, [200] * 4),
    "pipelined and a piece": (HELLO + b"GET / HTTP/1.1\r\nHo", [200]),
    "behind answers that fill the buffer": (
        b"GET /bytes/3000000 HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + HELLO, [200] * 4),
    "a body": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", [200]),
    "a piece of a body": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nhi", []),
    "HTTP/1.0": (b"GET /sleep/50 HTTP/1.0\r\n\r\n", [200]),
    "a refusal": (b"GET / HTTP/1.1\r\n\r\n", [400]),
}


@pytest.mark.parametrize("case", HALF_CLOSED)
def test_a_client_that_only_ends_its_sending_half_gets_its_answers(shared_echo, case):
    request, expected = HALF_CLOSED[case]
    data = shared_echo.raw(request, half_close=True)
    # A slow machine may be asked by an interim 100 whether it is still there.
    assert [s for s in statuses(data) if s != 100] == expected, data


def test_a_stream_goes_on_behind_the_clients_last_byte(shared_echo):
    data = shared_echo.raw(
        HELLO + b"GET /stream/3000000 HTTP/1.1\r\nHost: x\r\n\r\n", half_close=True)
    assert statuses(data) == [200, 200] and data.endswith(b"\r\n0\r\n\r\n")
    assert len(data) > 3000000


def test_a_half_closed_client_is_asked_once_whether_it_is_there(shared_echo):
    slow = b"GET /sleep/1200 HTTP/1.%d\r\nHost: x\r\n\r\n"
    assert statuses(shared_echo.raw(slow % 1, half_close=True)) == [100, 200]
    assert statuses(shared_echo.raw(slow % 0, half_close=True)) == [200]


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_client_that_left_is_noticed_and_its_request_cancelled(msvc, how):
    msvc.start(ECHO + "timeout = 60s\n")
    with msvc.socket() as sock:
        # One piece: with the first answer the second request is in flight.
        sock.sendall(HELLO + b"GET /sleep/50000 HTTP/1.1\r\nHost: x\r\nX-Request-Id: gone\r\n\r\n")
        assert statuses(sock.recv(4096)) == [200]
        if how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert msvc.log_has(r'"GET /sleep/50000 HTTP/1.1" 499 .* gone', "access")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(msvc.run_dir / "admin.sock"))
        sock.sendall(b"GET /-/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert json.loads(read_all(sock).split(b"\r\n\r\n", 1)[1])["cancels"] == 1


def test_json_keeps_64_bit_integers(shared_echo):
    text = '{"a":9223372036854775807,"b":-9223372036854775808,"c":18446744073709551615,"d":1.5}'
    answer = shared_echo.http(
        "POST", "/x", text, headers={"Content-Type": "application/json"})
    assert answer.json["body"] == json.loads(text)
    assert b"18446744073709551615" in answer.body


@pytest.mark.parametrize(
    "text, offset",
    [
        (b'{"a":1,"a":2}', 7), (b'{"a":tru}', 5), (b'"\xff"', 1), (b'["\\ud800"]', 2),
        (b"[" * 40 + b"]" * 40, 32), (b"[1] x", 4), (b"[01]", 1), (b"[1,]", 3),
    ],
)
def test_json_mistakes_name_their_place(shared_echo, text, offset):
    answer = shared_echo.http(
        "POST", "/x", text, headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    number = int(re.search(r"byte (\d+)|offset (\d+)", answer.body.decode()).group(1)
                 or re.search(r"offset (\d+)", answer.body.decode()).group(1))
    assert abs(number - offset) <= 2, answer.body


SAYS = """
import os, sys
sys.path.insert(0, {here!r})
import msgpack, nng
sock = nng.Socket("rep", timeout_ms=-1)
sock.listen(os.environ["MSVC_LISTEN"])
while True:
    kind, number, op, meta, body = msgpack.unpackb(sock.recv())[:5]
    status, fields, payload = msgpack.unpackb(body or msgpack.packb(
        [200, {{}}, msgpack.packb([op, meta.get(":param-x"), meta.get("x-thing")])]))
    sock.send(b"\\x95\\x01" + b"".join(map(msgpack.packb, (number, status, fields))) + payload)
"""


@pytest.fixture(scope="module")
def says():
    """A service behind /say/{x} that answers what the request's body tells it to."""
    with new_system() as system:
        (system.dir / "says.py").write_text(SAYS.format(here=os.path.dirname(__file__)))
        system.start(
            "[service says]\ncommand = /usr/bin/python3 {dir}/says.py\nready = listen\n"
            "[route say]\nmatch = /say/{x}\nservice = says\n")
        yield system


def say(system, status, fields, payload, method="POST", accept="*/*"):
    """The whole answer when the service says this; the connection must end with it."""
    body = msgpack.packb([status, fields, payload])
    return system.raw(
        b"%s /say/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: %s\r\n"
        b"Content-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
        % (method.encode(), accept.encode(), len(body)) + body)


NONSENSE = {
    "text that is no UTF-8": (200, b"\xa2\xff\xfe"),
    "a key that is no string": (200, b"\x81\x01\x01"),
    "a number JSON does not have": (200, b"\xcb\x7f\xf0\0\0\0\0\0\0"),
    "an extension type": (200, b"\xd4\x05\x00"),
    "100 as the final status": (100, b"\xc0"),
    "101 as the final status": (101, b"\xa1x"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_an_answer_that_makes_no_sense_is_502_and_costs_no_other_request(says, case):
    status, payload = NONSENSE[case]
    closed = says.log("router").count("closing the link")
    assert statuses(say(says, status, {}, payload)) == [502]
    assert statuses(say(says, 200, {}, b"\xa1x")) == [200]
    assert says.log("router").count("closing the link") == closed


def test_an_answer_that_is_nested_too_deep_is_502(says):
    assert statuses(say(says, 200, {}, b"\x91" * 40 + b"\xc0")) == [502]
    assert wait_for(
        lambda: statuses(say(says, 200, {}, b"\xa1x")) == [200], "a link that works")


def test_what_frames_a_response_is_the_routers_alone(says):
    data = say(says, 201, {
        "Content-Length": "5", "transfer-encoding": "chunked", "connection": "keep-alive",
        "date": "never", "x-request-id": "mine", "x-crlf": "a\r\nX-Evil: 1", "x y": "1",
        "x-number": 7, "x-huge": 2**64 - 1, "x-last": "1", ":hidden": "1",
    }, msgpack.packb(b"ok"))
    head, body = data.lower().split(b"\r\n\r\n", 1)
    assert statuses(data) == [201] and body == b"ok"
    assert re.findall(rb"content-length: (\d+)", head) == [b"2"]
    assert b"x-number: 7\r\n" in head and b"x-last: 1\r\n" in head
    assert head.count(b"\r\nconnection: close\r\n") == head.count(b"\r\nconnection:") == 1
    for word in (b"transfer-encoding", b"never", b"mine", b"evil", b"x y", b"x-huge", b"hidden"):
        assert word not in head


@pytest.mark.parametrize(
    "status, method, length",
    [(204, "POST", None), (304, "POST", None), (205, "POST", 0), (200, "HEAD", 5)])
def test_a_body_that_may_not_be_is_not_sent(says, status, method, length):
    data = say(says, status, {"content-type": "a/b"}, msgpack.packb(b"hello"), method)
    head, body = data.lower().split(b"\r\n\r\n", 1)
    assert statuses(data) == [status] and body == b""
    found = re.findall(rb"content-length: (\d+)", head)
    assert found == ([] if length is None else [str(length).encode()])
    assert b"transfer-encoding" not in head


@pytest.mark.parametrize(
    "raw, param, thing",
    [(b"\xc3\xa9", "\xe9", "\xe9"), (b"\xe9", "%e9", "\xe9"),
     (b"\xff\xc3\xa9", "%ff%c3%a9", "\xff\xc3\xa9")])
def test_what_is_no_utf8_in_a_request_reaches_services_as_text(says, raw, param, thing):
    data = says.raw(
        b"GET /say/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Thing: %s\r\n\r\n"
        % (b"".join(b"%%%02x" % byte for byte in raw), raw))
    assert statuses(data) == [200], data
    assert json.loads(data.split(b"\r\n\r\n", 1)[1])[1:] == [param, thing]


def test_a_stream_that_dies_midway_does_not_look_complete(msvc):
    msvc.start(ECHO)
    with msvc.socket() as sock:
        sock.sendall(HELLO)  # behind it the link is known to take streams
        assert statuses(sock.recv(4096)) == [200]
        sock.sendall(b"GET /stream/1000000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        start = sock.recv(4096)
        assert statuses(start) == [200], start
        msvc.kill("echo")
        data = read_all(sock)
    assert len(data) < 1000000000 and not data.endswith(b"0\r\n\r\n")


def test_accept_msgpack_gets_messagepack(shared_echo):
    answer = shared_echo.get("/x", headers={"Accept": "application/msgpack"})
    assert answer.headers["Content-Type"] == "application/msgpack"
    assert msgpack.unpackb(answer.body)["path"] == "/x"
    sent = shared_echo.http(
        "POST", "/x", msgpack.packb({"n": 2**64 - 1}),
        headers={"Content-Type": "application/msgpack"})
    assert sent.json["body"] == {"n": 2**64 - 1}


def test_other_content_travels_as_raw_bytes(shared_echo):
    answer = shared_echo.http(
        "POST", "/x", b"a\0b\xff", headers={"Content-Type": "application/x-thing"})
    assert answer.status == 200
    assert answer.json["headers"]["content-type"] == "application/x-thing"
    assert len(shared_echo.get("/bytes/100000").body) == 100000


def test_request_ids_are_made_or_passed_on(shared_echo):
    mine = shared_echo.get("/x", headers={"X-Request-Id": "abc-123"})
    assert mine.headers["X-Request-Id"] == "abc-123"
    made = shared_echo.get("/x")
    assert re.fullmatch(r"[0-9a-f-]{16,64}", made.headers["X-Request-Id"])
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    traced = shared_echo.get("/x", headers={"traceparent": parent})
    assert traced.json["headers"]["traceparent"].split("-")[1] == parent.split("-")[1]


def test_a_forged_request_id_does_not_pass(shared_echo):
    answer = shared_echo.get("/x", headers={"X-Request-Id": "a b\" HTTP"})
    assert answer.headers["X-Request-Id"] != "a b\" HTTP"


def test_each_request_has_its_access_line(msvc):
    msvc.start(ECHO)
    msvc.get("/status/503?why", headers={"X-Request-Id": "line-1"})
    match = msvc.log_has(
        r'127\.\d+\.\d+\.\d+ "GET /status/503\?why HTTP/1\.1" 503 \d+ [\d.]+ [\d.]+ echo/1 line-1',
        "access")
    assert match


def test_access_lines_can_be_json(msvc):
    msvc.start(ECHO, router="access_log = json\n")
    msvc.get("/hello", headers={"X-Request-Id": "line-2"})
    match = msvc.log_has(r"(\{.*line-2.*\})", "access")
    line = json.loads(match.group(1))
    assert line["status"] == 200 and line["method"] == "GET"


def test_refused_requests_have_an_access_line_with_what_is_known(msvc):
    msvc.start(ECHO, router="header_timeout = 200ms\nbody_timeout = 200ms\n")
    msvc.raw(b"GET /two?hosts HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")
    assert msvc.log_has(r'"GET /two\?hosts HTTP/1.1" 400 \d+ ', "access")
    msvc.raw(b"GET / HTTP/1.1\r\nHo st: x\r\n\r\n")
    assert msvc.log_has(r' "-" 400 \d+ ', "access")
    msvc.raw(b"GET /slow-head HTTP/1.1\r\nHost:")
    assert msvc.log_has(r' "-" 408 \d+ ', "access")
    msvc.raw(b"PUT /slow-body HTTP/1.0\r\nContent-Length: 5\r\n\r\nx")
    assert msvc.log_has(r'"PUT /slow-body HTTP/1.0" 408 \d+ ', "access")
    assert len(msvc.log("access").splitlines()) == 4


def test_slow_senders_are_ended_in_time_and_slow_down_nobody(msvc):
    msvc.start(ECHO, router="header_timeout = 500ms\n")
    socks = {msvc.socket(): b"" for _ in range(100)}
    for sock in socks:
        sock.setblocking(False)

    def trickle():
        """Each byte comes soon enough, the end of the head never."""
        for sock in [s for s, said in socks.items() if not said]:
            sock.send(b"G")
            with contextlib.suppress(BlockingIOError):
                socks[sock] = sock.recv(4096)
        assert msvc.get("/hello").status == 200
        return all(socks.values())

    wait_for(trickle, "all to be refused")
    for sock, said in socks.items():
        assert statuses(said) == [408]
        sock.close()


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_may_be_as_large_as_the_limit_and_no_larger(msvc, is_chunked):
    msvc.start(ECHO, router="max_body = 1m\n")
    for extra, status in ((0, 200), (1, 413)):
        body = b'"%s"' % (b"x" * (1048576 - 2 + extra))
        framing = b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        if is_chunked:
            framing = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
                len(body), body)
        data = msvc.raw(
            b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\n" + framing)
        assert statuses(data) == [status]
        assert status != 200 or body in data


def test_garbage_behind_a_good_request_is_refused_after_its_answer(shared_echo):
    data = shared_echo.raw(HELLO + b"\0SP\0\0\x30\0\0garbage")
    assert statuses(data) == [200, 400]
    assert data.count(b"\r\nConnection: close\r\n") == 1
    assert data.count(b"\r\nDate: ") == data.count(b"\r\nX-Request-Id: ") == 2


def test_nothing_is_answered_behind_connection_close(shared_echo):
    data = shared_echo.raw(HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + HELLO)
    assert statuses(data) == [200]


def test_expect_100_continue_is_not_answered_when_the_body_is_there(shared_echo):
    data = shared_echo.raw(
        b"POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n"
        b"Content-Length: 2\r\n\r\nhi")
    assert statuses(data) == [200]
    with shared_echo.socket() as sock:
        sock.sendall(b"POST /x HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(DEADLINE)
        sock.sendall(b"hi")
        assert statuses(read_all(sock)) == [200]


def test_admin_answers_on_its_socket_and_never_in_public(msvc):
    msvc.start("[service echo]\ncommand = {samples}/echo\nroute = /app\n")
    for path in ("/-/health", "/-/ready"):
        assert msvc.get(path).status == 404
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(msvc.run_dir / "admin.sock"))
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert statuses(read_all(sock)) == [200]


def test_many_requests_over_many_connections_all_succeed(shared_echo):
    with shared_echo.load("GET", "/hello", connections=16) as load:
        load.wait_answers(2000)
    assert load.failures == []
