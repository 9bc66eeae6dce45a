"""Numbers that break naive programs: connections, services, memory."""

import os
import pathlib
import re
import resource
import socket
import time

import pytest

from conftest import BUILD, ECHO, wait_for

plain_build = pytest.mark.skipif(
    "san" in BUILD.name, reason="a sanitizer's own memory would be measured")


def rss_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1))


def pss_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))


@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    yield min(hard, 65536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@plain_build
def test_ten_thousand_idle_connections_cost_under_4_kib_each(msvc, many_files):
    if many_files < 11000:
        pytest.skip(f"only {many_files} open files allowed")
    msvc.start(ECHO, router="max_connections = 12000\n")
    router = msvc.status()["supervisor"]["router"]["pid"]
    assert msvc.get("/hello").status == 200
    before = rss_kib(router)
    request = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
    socks = []
    try:
        for _ in range(10000):
            sock = socket.create_connection((msvc.host, msvc.port), timeout=20)
            socks.append(sock)
        # In portions: of 10000 at once more than 1024 may have to wait for the service.
        for start in range(0, len(socks), 500):
            for sock in socks[start:start + 500]:
                sock.sendall(request)
            for sock in socks[start:start + 500]:
                assert b" 200 " in sock.recv(4096)
        per_connection = (rss_kib(router) - before) * 1024 / len(socks)
        assert per_connection < 4096, per_connection
        assert msvc.get("/hello").status == 200
    finally:
        for sock in socks:
            sock.close()


def test_connections_over_the_limit_wait_in_the_backlog(msvc):
    msvc.start(ECHO, router="max_connections = 5\nidle_timeout = 60s\n")
    socks = [msvc.socket() for _ in range(5)]
    for sock in socks:
        sock.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in sock.recv(4096)
    late = msvc.socket()
    late.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
    late.settimeout(0.3)
    with pytest.raises(TimeoutError):
        late.recv(1)
    late.settimeout(20)
    socks.pop().close()
    assert b" 200 " in late.recv(4096)
    for sock in [late, *socks]:
        sock.close()


@plain_build
def test_a_thousand_services_fit_in_12_mb(msvc):
    """All processes of msvc. It is under 8 where nothing else runs: make bench-supervisor."""
    text = "".join(
        f"[service s{n}]\ncommand = /bin/sleep 1000\nready = none\n" for n in range(1000))
    msvc.start(text)
    status = msvc.status()
    assert all(s["instances"][0]["state"] == "ready" for s in status["services"])
    processes = [status["supervisor"][role]["pid"] for role in ("router", "logger")]
    assert sum(map(pss_kib, [msvc.supervisor_pid, *processes])) < 12 * 1024
    assert msvc.command("stop", timeout=60).returncode == 0


def test_ten_thousand_services_are_checked_in_seconds(msvc):
    msvc.write("".join(
        f"[service s{n}]\ncommand = /bin/sleep 1000\nroute = /s{n}\n" for n in range(10000)))
    start = time.monotonic()
    result = msvc.command("check")
    assert result.returncode == 0 and "services 10000" in result.stdout
    assert time.monotonic() - start < (30 if "san" in BUILD.name else 5)


@pytest.mark.parametrize(
    "text, says",
    [
        (b"[service a]\ncommand = x" + b"y" * 100000 + b"\n", None),
        (b"\xef\xbb\xbf[service a]\r\ncommand = /bin/true\r\n", None),
        (b"[service a]\ncommand = a\0b\n", rb":\d+: .*NUL"),
        (bytes(range(256)) * 40, rb":\d+: "),
        (b"[service a\ncommand = x\n", rb":1: "),
        (b"[service a]\ncommand = 'x\n", rb":2: .*not closed"),
        (b"", rb"msvc.ini"),
    ],
    ids=["long line", "bom and crlf", "nul", "binary", "open bracket", "quote", "empty"],
)
def test_odd_files_are_a_clear_error_or_work(msvc, text, says):
    head = f"[msvc]\nrun_dir = {msvc.run_dir}\nlog_dir = {msvc.log_dir}\n".encode()
    msvc.conf.write_bytes(text + (b"\n" + head if says is None else b""))
    import subprocess

    from conftest import BIN

    result = subprocess.run(
        [BIN / "msvc", "-c", msvc.conf, "check"], capture_output=True, timeout=30,
        env={**os.environ, "XDG_RUNTIME_DIR": "/tmp"})
    if says is None:
        assert result.returncode == 0, result.stderr
    elif text:
        assert result.returncode == 1
        assert re.search(says, result.stderr), result.stderr[:500]
