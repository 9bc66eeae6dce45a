"""libmsvc as the author of a service sees it, in a small service of our own."""

import fcntl
import mmap
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import threading
import time

import msgpack
import pytest

from conftest import BUILD, DEADLINE, ECHO, ROOT, SAMPLES, wait_for
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


def test_a_passed_deadline_is_noticed_and_its_handler_may_still_call(msvc, probe):
    msvc.start(PROBE.replace("{probe}", str(probe)) + "timeout = 200ms\n")
    assert msvc.get("/later/60000").status == 504
    wait_count(msvc, "cancelled", 1)
    assert msvc.get("/users/me").status == 200


def test_what_waited_past_its_deadline_behind_a_slow_handler_does_not_run(msvc):
    seen = msvc.dir / "seen"
    msvc.start(
        "[service fault]\ncommand = {samples}/fault\nroute = /\ntimeout = 300ms\n"
        "env.FAULT_FILE = {dir}/seen\n", router="workers = 1")
    blocked = in_background(lambda: msvc.get("/block?ms=900"))
    msvc.log_has("blocks for 900 ms", "fault")
    assert msvc.http("POST", "/count", b"late").status == 504
    assert blocked().status == 504
    wait_for(lambda: msvc.get("/x").status == 200, "the end of the block")
    assert msvc.http("POST", "/count", b"in-time").status == 201
    assert seen.read_text() == f"in-time {msvc.pid('fault')}\n"


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
    # One after the other: what is timed is the stop.
    assert echo.reload(ECHO + "overlap = no\n").returncode == 0
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


# -- the ledger, as a caller keeps it

LEDGER_SLOTS, OFFERED, TAKEN, DONE = 4096, 1, 2, 4


class LedgerCaller:
    """Speaks with a service as the router does, a ledger in its hand."""

    def __init__(self, url):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(url.removeprefix("ipc://"))
        self.input = self.sock.makefile("rb")
        self.sock.sendall(b"\0SP\0\0\x30\0\0")
        assert self.input.read(8) == b"\0SP\0\0\x31\0\0"
        assert self.receive()[1]["features"] == {"ledger": 1}
        fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, 64 + 8 * LEDGER_SLOTS)
        os.pwrite(fd, struct.pack("=III", 0x4c47444c, 1, LEDGER_SLOTS), 0)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS,
                    fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        self.memory = mmap.mmap(fd, 64 + 8 * LEDGER_SLOTS)
        hello = msgpack.packb([9, {"version": 1, "max_batch": 256, "window": 0}])
        socket.send_fds(self.sock, [self.message(hello)], [fd])
        os.close(fd)

    @staticmethod
    def message(frames):
        body = b"\x80\0\0\0" + frames
        return b"\x01" + struct.pack(">Q", len(body)) + body

    def receive(self):
        (size,) = struct.unpack(">xQ", self.input.read(9))
        return msgpack.unpackb(self.input.read(size)[4:])

    def claim(self, number, value=None):
        where = 64 + 8 * (number & 0xffff)
        if value is not None:
            self.memory[where:where + 8] = struct.pack("=Q", value)
        return struct.unpack("=Q", self.memory[where:where + 8])[0]

    def send(self, *numbers):
        frames = [[0, number, "POST /count", {}, b"%d" % number] for number in numbers]
        self.sock.sendall(self.message(b"".join(map(msgpack.packb, frames))))


def test_a_handler_runs_only_for_what_can_be_taken_in_the_ledger(msvc):
    msvc.start(
        "[service fault]\ncommand = {samples}/fault\nenv.FAULT_FILE = {dir}/seen\n")
    caller = LedgerCaller(listen_url(msvc, "fault"))
    revoked, stale, offered, beyond = 0x10005, 0x20006, 0x10007, 0x10000 | LEDGER_SLOTS
    caller.claim(revoked, revoked << 8 | 3)
    caller.claim(stale, 0x10006 << 8 | OFFERED)
    caller.claim(offered, offered << 8 | OFFERED)
    caller.send(revoked, stale, offered)
    assert caller.receive()[1:3] == [offered, 201]
    assert caller.claim(offered) == offered << 8 | DONE
    assert caller.claim(revoked) == revoked << 8 | 3
    assert caller.claim(stale) == 0x10006 << 8 | OFFERED
    # A request that has no slot runs in any case.
    caller.send(beyond)
    assert caller.receive()[1:3] == [beyond, 201]
    pid = msvc.pid("fault")
    assert (msvc.dir / "seen").read_text() == f"{offered} {pid}\n{beyond} {pid}\n"


def test_the_ledger_tells_what_a_service_died_of(msvc):
    msvc.start("[service fault]\ncommand = {samples}/fault\n")
    caller = LedgerCaller(listen_url(msvc, "fault"))
    numbers = 0x10001, 0x10002, 0x10003
    for number in numbers:
        caller.claim(number, number << 8 | OFFERED)
    frames = [[0, number, f"GET {path}", {}, None]
              for number, path in zip(numbers, ("/defer?ms=60000", "/crash", "/x"))]
    caller.sock.sendall(caller.message(b"".join(map(msgpack.packb, frames))))
    assert caller.input.read() == b""
    assert [caller.claim(number) & 0xff for number in numbers] == [TAKEN, TAKEN, OFFERED]


def test_callers_that_come_and_go_leave_nothing_in_a_service(msvc):
    def maps(name):
        return (proc / "maps").read_text().count(f"memfd:{name}")

    def held():
        return len(os.listdir(proc / "fd")), maps("test")

    msvc.start(
        "[service fault]\ncommand = {samples}/fault\nenv.FAULT_FILE = {dir}/seen\n",
        router="workers = 1")
    proc = pathlib.Path(f"/proc/{msvc.pid('fault')}")
    wait_for(lambda: maps("msvc-ledger") == 1, "the router's own link")
    url, before = listen_url(msvc, "fault"), held()
    for number in range(0x10000, 0x10000 + 200):
        caller = LedgerCaller(url)
        caller.claim(number, number << 8 | OFFERED)
        caller.send(number)
        assert caller.receive()[1:3] == [number, 201]
        assert held()[1] >= 1
        caller.input.close()
        caller.sock.close()
    wait_for(lambda: held() == before, "all is closed and unmapped")


# -- the watchdog, as a supervisor sees it


def watchdog_messages(tmp_path, **env):
    """What a service tells from its start to its end, one request in between."""
    url = f"ipc://{tmp_path}/s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "n"))
        notify.settimeout(DEADLINE)
        process = subprocess.Popen(
            [SAMPLES / "hello"],
            env={**os.environ, "MSVC_LISTEN": url, "NOTIFY_SOCKET": str(tmp_path / "n"), **env})
        try:
            told = [notify.recv(4096)]
            assert plain_call(url, "GET /hello")[0] == 200
            if not env.get("WATCHDOG_PID") and env.get("WATCHDOG_USEC", "").isdigit():
                told += [notify.recv(4096) for _ in range(3)]
            process.terminate()
            while told[-1] != b"STOPPING=1":
                told.append(notify.recv(4096))
            assert process.wait(DEADLINE) == 0
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    assert told[0] == b"READY=1"
    return told


def test_a_watchdog_is_fed_only_by_the_process_that_is_meant(tmp_path):
    fed = watchdog_messages(tmp_path, WATCHDOG_USEC="20000")
    assert fed[1:4] == [b"WATCHDOG=1"] * 3
    (tmp_path / "n").unlink()
    for env in ({"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "20ms"}, {}):
        assert b"WATCHDOG=1" not in watchdog_messages(tmp_path, **env), env
        (tmp_path / "n").unlink()


def test_a_supervisor_that_hangs_holds_up_no_service(tmp_path):
    url = f"ipc://{tmp_path}/s"
    env = {"MSVC_LISTEN": url, "NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "2000"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        notify.bind(env["NOTIFY_SOCKET"])
        notify.settimeout(DEADLINE)
        process = subprocess.Popen([SAMPLES / "hello"], env={**os.environ, **env})
        try:
            assert notify.recv(4096) == b"READY=1"
            filler.setblocking(False)
            with pytest.raises(BlockingIOError):
                while True:
                    filler.sendto(b"X=1", env["NOTIFY_SOCKET"])
            # Each answer takes a turn of the loop, and one a millisecond the watchdog.
            begin = time.monotonic()
            while time.monotonic() - begin < 0.05:
                assert plain_call(url, "GET /hello")[0] == 200
            notify.setblocking(False)
            with pytest.raises(BlockingIOError):
                while True:
                    notify.recv(4096)
            notify.settimeout(DEADLINE)
            assert notify.recv(4096) == b"WATCHDOG=1"
            process.terminate()
            assert process.wait(DEADLINE) == 0
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


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
