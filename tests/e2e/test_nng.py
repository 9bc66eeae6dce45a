"""Real libnng as caller, service, publisher and subscriber; garbage on links."""

import http.client
import io
import json
import os
import signal
import socket
import struct
import subprocess
import threading

import msgpack
import pytest

import nng
from conftest import BIN, DEADLINE, ECHO, SAMPLES, read_all, wait_for

PLAIN = "[service plain]\ncommand = {samples}/plain_nng\nroute = /\n"
SP_REP = b"\0SP\0\0\x31\0\0"


def call(sock, op, payload=None, frame_id=5):
    sock.send(msgpack.packb([0, frame_id, op, {}, payload]))
    kind, reply_id, status, meta, body = msgpack.unpackb(sock.recv())[:5]
    assert kind == 1 and reply_id == frame_id
    return status, body


@pytest.fixture(params=["ipc", "tcp"])
def url(request, echo):
    if request.param == "ipc":
        return f"ipc://{echo.run_dir}/router.sock"
    return f"tcp://{echo.host}:{echo.port}"


def test_a_req_socket_calls_services_through_the_router(echo, url):
    with nng.Socket("req") as sock:
        sock.dial(url)
        for number in range(20):
            status, body = call(sock, f"GET /x?{number}", frame_id=number + 1)
            assert status == 200 and body["query"] == str(number)
        status, body = call(sock, "POST /y", {"a": [1, "b"]})
        assert body["body"] == {"a": [1, "b"]}
        assert call(sock, "nosuch.op")[0] == 404


def test_a_malformed_frame_closes_that_connection_only(echo, url):
    for data in (b"", b"\xc1", b"\x91\x00", b"\xdd\xff\xff\xff\xff", b"\x95\x00\x05\xa1x\xc0\xc0"):
        with nng.Socket("req", timeout_ms=300) as sock:
            sock.dial(url)
            sock.send(data)
            with pytest.raises(nng.NngError):
                sock.recv()
    assert echo.get("/hello").status == 200


def test_a_listener_can_refuse_nng(msvc):
    msvc.start(ECHO, router=f"listen = {msvc.host}:{msvc.port} http-only\n")
    with nng.Socket("req", timeout_ms=300) as sock:
        with pytest.raises(nng.NngError):
            sock.dial(f"tcp://{msvc.host}:{msvc.port}")
            call(sock, "GET /x")
    assert msvc.get("/hello").status == 200


def test_a_plain_nng_service_is_ready_and_answers(msvc):
    msvc.start(PLAIN)
    for _ in range(20):
        assert msvc.get("/anything").status == 200
    with msvc.load("GET", "/x", connections=8) as load:
        load.wait_answers(200)
    assert load.failures == []


def test_a_plain_nng_service_is_linked_again_after_a_crash(msvc):
    msvc.start(PLAIN)
    msvc.kill("plain")
    msvc.wait_state("plain", "ready", generation=2)
    assert wait_for(lambda: msvc.get("/x").status == 200, "an answer")


def test_a_python_service_over_libnng(msvc):
    (msvc.dir / "svc.py").write_text(
        "import os, sys\n"
        f"sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
        "import msgpack, nng\n"
        "sock = nng.Socket('rep', timeout_ms=-1)\n"
        "sock.listen(os.environ['MSVC_LISTEN'])\n"
        "while True:\n"
        "    kind, id, op, meta, body = msgpack.unpackb(sock.recv())[:5]\n"
        "    sock.send(msgpack.packb([1, id, 200, {'x-op': op}, {'got': body}]))\n")
    msvc.start(
        "[service py]\ncommand = /usr/bin/python3 {dir}/svc.py\nready = listen\nroute = /\n")
    answer = msvc.http("POST", "/a?b", {"n": 1})
    assert answer.json == {"got": {"n": 1}}
    assert answer.headers["x-op"] == "POST /a?b"


def test_a_request_that_waits_keeps_its_own_path_parameters(msvc):
    gate = msvc.dir / "gate"
    os.mkfifo(gate)
    (msvc.dir / "svc.py").write_text(
        "import os, sys\n"
        f"sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
        "import msgpack, nng\n"
        f"open({str(gate)!r}).read()\n"
        "sock = nng.Socket('rep', timeout_ms=-1)\n"
        "sock.listen(os.environ['MSVC_LISTEN'])\n"
        "while True:\n"
        "    kind, id, op, meta, body = msgpack.unpackb(sock.recv())[:5]\n"
        "    sock.send(msgpack.packb([1, id, 200, {}, {'id': meta[':param-id'], 'op': op}]))\n")
    msvc.start(
        "[service py]\ncommand = /usr/bin/python3 {dir}/svc.py\nready = none\n"
        "[route one]\nmatch = /users/{id}\nservice = py\nop = fetch\n", router="workers = 1\n")
    host = f"Host: {msvc.host}\r\n".encode()
    with msvc.socket() as waits, msvc.socket() as other:
        # Once the first is answered, the second one waits for the service.
        waits.sendall(
            b"GET /none HTTP/1.1\r\n" + host + b"\r\n"
            b"GET /users/mine HTTP/1.1\r\nConnection: close\r\n" + host + b"\r\n")
        assert waits.recv(12) == b"HTTP/1.1 404"
        other.sendall(
            b"POST /users/other HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n"
            + host + b"\r\n")
        assert other.recv(12) == b"HTTP/1.1 100"
        gate.write_text("go")
        assert b'{"id":"mine","op":"fetch"}' in read_all(waits)


@pytest.mark.parametrize(
    "reply",
    [b"garbage", b"\x95\x01\x01\xcd\x00\xc8\x80", b"\x95\x01\x01\xcd\xff\xff\x80\xc0",
     b"\x95\x01\x01\xcc\xc8\x81\x01\x01\xc0", b"\xdf\xff\xff\xff\xff"],
    ids=["text", "cut off", "bad status", "bad meta", "huge map"])
def test_a_service_that_answers_garbage_is_502_and_hurts_nobody(msvc, reply):
    (msvc.dir / "svc.py").write_text(
        "import os, sys\n"
        f"sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
        "import nng\n"
        "sock = nng.Socket('rep', timeout_ms=-1)\n"
        "sock.listen(os.environ['MSVC_LISTEN'])\n"
        f"while True:\n    sock.recv()\n    sock.send({reply!r})\n")
    msvc.start(
        ECHO.replace("route = /", "route = /good")
        + "[service bad]\ncommand = /usr/bin/python3 {dir}/svc.py\nready = listen\n"
        "route = /bad\n")
    assert msvc.get("/bad").status == 502
    assert msvc.get("/good").status == 200
    assert wait_for(lambda: msvc.get("/bad").status == 502, "the link to be back")


def test_garbage_before_the_handshake_is_dropped(msvc):
    (msvc.dir / "svc.py").write_text(
        "import os, socket\n"
        "s = socket.socket(socket.AF_UNIX); s.bind(os.environ['MSVC_LISTEN'][6:]); s.listen(9)\n"
        "keep = []\n"
        "while True:\n"
        "    c, _ = s.accept(); c.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n'); keep.append(c)\n")
    msvc.start(
        ECHO.replace("route = /", "route = /good")
        + "[service bad]\ncommand = /usr/bin/python3 {dir}/svc.py\nready = listen\n"
        "ready_timeout = 500ms\nrestart_limit = 1/60s\nroute = /bad\n", check=False)
    assert msvc.get("/good").status == 200
    wait_for(lambda: msvc.instance("bad")["state"] == "failed", "bad to fail")


def test_plain_pub_and_sub_sockets_join_the_bus(echo, url):
    with nng.Socket("sub") as sub, nng.Socket("pub") as pub:
        sub.subscribe(b"news.")
        sub.dial(url)
        pub.dial(url)
        event = msgpack.packb({"id": "1", "time": 1, "from": "test", "type": "news.a", "data": 7})
        got, stop = [], threading.Event()

        def receive():
            got.append(sub.recv())
            stop.set()

        thread = threading.Thread(target=receive, daemon=True)
        thread.start()
        while not stop.is_set():
            pub.send(b"other.b\0" + event)
            pub.send(b"news.a\0" + event)
            stop.wait(0.02)
        thread.join(10)
    topic, _, body = got[0].partition(b"\0")
    assert topic == b"news.a" and msgpack.unpackb(body)["data"] == 7


def test_services_get_events_of_plain_publishers(msvc):
    msvc.start(ECHO.replace("echo\nroute", "echo --subscribe news.\nroute"))
    with nng.Socket("pub") as pub:
        pub.dial(f"ipc://{msvc.run_dir}/router.sock")
        event = msgpack.packb({"id": "1", "time": 1, "from": "t", "type": "x", "data": {"n": 9}})

        def seen():
            pub.send(b"news.x\0" + event)
            return b"news.x" in msvc.get("/events").body

        wait_for(seen, "the event")


def test_a_slow_subscriber_loses_the_oldest_is_told_and_slows_nobody(msvc):
    msvc.start(ECHO, router="event_queue = 64k\n")
    url = f"ipc://{msvc.run_dir}/router.sock"
    slow = socket.socket(socket.AF_UNIX)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(str(msvc.run_dir / "router.sock"))
    slow.sendall(b"\0SP\0\0\x21\0\0")
    assert slow.recv(8) == b"\0SP\0\0\x20\0\0"
    body = msgpack.packb(
        {"id": "1", "time": 1, "from": "t", "type": "x", "data": "x" * 2000})
    with nng.Socket("pub") as pub, nng.Socket("sub") as fast:
        fast.subscribe(b"")
        fast.dial(url)
        pub.dial(url)
        wait_for(lambda: _publish_until(pub, fast, body), "the fast subscriber")
        for number in range(3000):
            pub.send(b"n.%d\0" % number + body)
            # libnng's PUB drops when its own queue is full, so go in step.
            while not fast.recv().startswith(b"n.%d\0" % number):
                pass
    assert msvc.log_has(r"subscriber.*too slow.*\d+ events? dropped", "router")
    slow.settimeout(10)
    data = b""
    while b"n.2999\0" not in data:
        data += slow.recv(65536)
    assert b"n.1500\0" not in data
    slow.close()


def _publish_until(pub, fast, body):
    pub.send(b"warm\0" + body)
    try:
        return fast.recv()
    except nng.NngError:
        return None


REMOTE = (
    ECHO.replace("route = /", "route = /far")
    + "[service remote]\nurl = tcp://{far}\n"
    "[route near]\nmatch = GET /near\nservice = remote\nop = GET /far/away\n")


def state_of(msvc, name):
    return msvc.service(name)["state"]


def test_a_service_behind_a_url_is_reached_through_libnng(msvc):
    """The far side is this router's own TCP port: its REQ callers are url links."""
    msvc.start(REMOTE.replace("{far}", f"{msvc.host}:{msvc.port}"))
    assert msvc.get("/near").json["path"] == "/far/away"
    assert wait_for(lambda: state_of(msvc, "remote") == "ready", "remote to be ready")
    with msvc.load("GET", "/near", connections=8) as load:
        load.wait_answers(1000)
    assert load.failures == []


def test_status_tells_whether_a_url_is_reached(msvc):
    far = f"tcp://{msvc.host}:7070"
    msvc.start(
        f"[service remote]\nurl = {far}\nroute = /far\ntimeout = 300ms\n", check=False)
    assert state_of(msvc, "remote") == "starting"
    answer = msvc.get("/far")
    assert answer.status == 503 and answer.json["cause"] == "unreachable"
    with nng.Socket("rep") as sock:
        sock.listen(far)
        wait_for(lambda: state_of(msvc, "remote") == "ready", "the link")
    wait_for(lambda: state_of(msvc, "remote") == "starting", "the loss to be told")
    assert msvc.log_has(r"remote: link lost", "router")


def test_a_url_that_nobody_listens_on_is_503(msvc):
    msvc.start(
        ECHO + f"[service remote]\nurl = tcp://{msvc.host}:9\nroute = /far\ntimeout = 300ms\n",
        check=False)
    answer = msvc.get("/far")
    assert answer.status == 503 and answer.json["cause"] == "unreachable"
    assert msvc.get("/hello").status == 200


class Caller:
    """An SP caller made by hand, for what libnng would never send."""

    def __init__(self, system, protocol=b"\x30", receive_buffer=None):
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(DEADLINE)
        self.sock.connect((system.host, system.port))
        self.sock.sendall(b"\0SP\0\0" + protocol + b"\0\0")
        assert self.read(8) == b"\0SP\0\0\x31\0\0"

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def read(self, count):
        data = b""
        while len(data) < count:
            piece = self.sock.recv(count - len(data))
            assert piece, "closed"
            data += piece
        return data

    def send(self, *frames, header=0x80000000):
        body = header.to_bytes(4, "big") + b"".join(msgpack.packb(f) for f in frames)
        self.sock.sendall(len(body).to_bytes(8, "big") + body)

    def receive(self):
        body = self.read(int.from_bytes(self.read(8), "big"))
        return list(msgpack.Unpacker(io.BytesIO(body[4:]), raw=False, strict_map_key=False))

    def hello(self):
        assert self.receive()[0][0] == 9
        self.send([9, {"version": 1, "max_batch": 64, "window": 65536}])


def health(system):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(system.run_dir / "admin.sock"))
        sock.sendall(b"GET /-/health HTTP/1.1\r\nHost: x\r\n\r\n")
        return json.loads(read_all(sock).partition(b"\r\n\r\n")[2])


def test_credit_beyond_all_bounds_hurts_no_service(echo):
    with Caller(echo) as caller:
        caller.hello()
        caller.send([0, 1, "GET /stream/2000000", {}, None])
        caller.send([4, 1, 2**64 - 1])
        total, last = 0, False
        while not last:
            for frame in caller.receive():
                if frame[0] != 3:
                    continue
                if total == 0:
                    caller.send([4, 1, 2**64 - 1])
                total += len(frame[4])
                last = last or bool(frame[3] & 1)
        assert total == 2000000
    assert health(echo)["bad_responses"] == 0
    assert echo.get("/hello").status == 200


def test_a_caller_that_does_not_read_is_cut_off_and_counted(msvc):
    msvc.start(ECHO, router="link_queue = 1m\n")
    with Caller(msvc, receive_buffer=4096) as caller:
        caller.hello()
        for number in range(1, 50):
            caller.send([0, number, "GET /bytes/1000000", {}, None])
        wait_for(lambda: health(msvc)["links_cut"] == 1, "the caller to be cut off")
    assert msvc.log_has(r"SP caller cut off: the peer does not read", "router")
    assert msvc.get("/hello").status == 200


def test_a_long_request_under_way_is_no_reason_to_cut_the_service_off(msvc):
    msvc.start(ECHO, router="link_queue = 64k\nmax_body = 20m\nworkers = 1\n")
    assert msvc.get("/hello").status == 200
    with msvc.socket() as leaves, msvc.socket() as stays:
        leaves.sendall(b"GET /sleep/15000 HTTP/1.1\r\nHost: x\r\n\r\n")
        pid = msvc.pid("echo")
        os.kill(pid, signal.SIGSTOP)
        try:
            stays.sendall(
                b"POST /status/200 HTTP/1.1\r\nHost: x\r\nContent-Length: 16000000\r\n\r\n"
                + b"x" * 16_000_000)
            # The interim answer tells that it is in flight.
            stays.shutdown(socket.SHUT_WR)
            assert stays.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
            leaves.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            leaves.close()
            wait_for(lambda: health(msvc)["cancels"] == 1, "the client to be missed")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert read_all(stays).startswith(b"HTTP/1.1 200 ")
    assert health(msvc)["links_cut"] == 0


def test_a_caller_gets_its_last_answer_before_the_router_stops(echo):
    with Caller(echo) as caller:
        caller.hello()
        caller.send([0, 1, "GET /sleep/500", {}, None], [0, 2, "GET /hello", {}, None])
        assert caller.receive()[0][:3] == [1, 2, 200]  # so the first is in flight
        stop = subprocess.Popen([BIN / "msvc", "-c", echo.conf, "stop"])
        assert caller.receive()[0][:3] == [1, 1, 200]
        assert stop.wait(DEADLINE) == 0


def test_a_request_too_long_for_a_message_is_413_for_a_caller(msvc):
    msvc.start(ECHO, router="max_body = 100m\n")
    with Caller(msvc) as caller:
        caller.hello()
        caller.send([0, 1, "POST /status/200", {}, b"x" * 65_000_000])
        assert caller.receive()[0][:3] == [1, 1, 413]
        caller.send([0, 2, "GET /hello", {}, None])
        assert caller.receive()[0][:3] == [1, 2, 200]


def test_a_message_of_countless_frames_closes_that_connection_only(echo):
    with Caller(echo) as caller:
        body = b"\x80\0\0\0" + b"\x91\x07" * 200000
        caller.sock.sendall(len(body).to_bytes(8, "big") + body)
        assert len(read_all(caller.sock)) < 1000  # HELLO
    assert echo.get("/hello").status == 200


RAW_SERVICE = r"""
import os, socket, threading, msgpack
s = socket.socket(socket.AF_UNIX); s.bind(os.environ['MSVC_LISTEN'][6:]); s.listen(9)
def read(c, n):
    data = b''
    while len(data) < n:
        piece = c.recv(n - len(data))
        if not piece: raise EOFError
        data += piece
    return data
def say(c, id, *frames):
    body = (0x80000000 + id).to_bytes(4, 'big') + b''.join(msgpack.packb(f) for f in frames)
    c.sendall(b'\1' + len(body).to_bytes(8, 'big') + body)
def serve(c):
    try:
        c.sendall(b'\0SP\0\0\x31\0\0'); read(c, 8)
        %(greet)s
        while True:
            body = read(c, int.from_bytes(read(c, 9)[1:], 'big'))
            unpacker = msgpack.Unpacker(); unpacker.feed(body[4:])
            for f in unpacker:
                if f[0] == 0:
                    id = f[1]
                    %(answer)s
    except (EOFError, OSError):
        c.close()
while True:
    threading.Thread(target=serve, args=(s.accept()[0],)).start()
"""
GREET = "say(c, 0, [9, {'version': 1, 'max_batch': 9, 'window': 9}]);" * 2
ODD_SERVICES = {
    "answers 0 and others first": (
        GREET, "say(c, 0, [1, 0, 200, {}, 'no'], [1, 0x7fffffff, 200, {}, 'no'],"
        " [3, 77, 0, 1, b'no'], [1, id, 200, {}, 'yes'], [1, id, 200, {}, 'no'])", 200),
    "says hello twice": (GREET, "say(c, 0, [1, id, 200, {}, 'yes'])", 200),
    "streams without hello": (
        "pass", "say(c, id, [1, id, 200, {':stream': 1}, None], [3, id, 0, 1, b'x'])", 502),
    "a chunk first": (GREET, "say(c, 0, [3, id, 0, 1, b'x'])", 502),
    "two heads": (
        GREET, "say(c, 0, [1, id, 200, {':stream': 1}, None], [1, id, 200, {}, 'no'])", None),
    "more than its window": (
        GREET, "say(c, 0, [1, id, 200, {':stream': 1}, None], [3, id, 0, 0, b'x' * 300000])",
        None),
    "too many frames": (GREET, r"c.sendall(b'\1' + (2000004).to_bytes(8, 'big')"
                        r" + b'\x80\0\0\0' + b'\x91\x07' * 1000000)", 502),
    "too long": (GREET, r"c.sendall(b'\1' + (1 << 40).to_bytes(8, 'big'))", 502),
}


@pytest.mark.parametrize("kind", ODD_SERVICES)
def test_an_odd_service_hurts_nobody_else(msvc, kind):
    greet, answer, expected = ODD_SERVICES[kind]
    (msvc.dir / "svc.py").write_text(RAW_SERVICE % {"greet": greet, "answer": answer})
    msvc.start(
        ECHO.replace("route = /", "route = /good")
        + "[service odd]\ncommand = /usr/bin/python3 {dir}/svc.py\nready = listen\n"
        "route = /odd\ntimeout = 5s\n")
    for _ in range(3):
        if expected is None:
            with pytest.raises((http.client.HTTPException, ConnectionError)):
                msvc.get("/odd")
        else:
            answer = msvc.get("/odd")
            assert answer.status == expected, answer.body
            assert expected != 200 or answer.json == "yes"
    assert health(msvc)["bad_responses"] == (0 if expected == 200 else 3)
    assert msvc.get("/good").status == 200
