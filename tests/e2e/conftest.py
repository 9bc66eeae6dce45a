"""Run the real programs in a temporary directory, each test its own system.

The build under test is $MSVC_BUILD (default build); $MSVC_WORKERS sets the
router's workers. Every test gets a loopback address of its own, so ports never
collide, and every process is ended by the supervisor that started it or by pid.
"""

import contextlib
import http.client
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("MSVC_BUILD", "build")
BIN = BUILD / "bin"
SAMPLES = BUILD / "samples"
WORKERS = os.environ.get("MSVC_WORKERS", "1")
# Sanitizer builds are slower; deadlines only bound a hang, so be generous.
DEADLINE = 60.0 if "san" in BUILD.name else 20.0

# Another run at the same time starts elsewhere in 127.0.0.0/8, far enough away
# when its process ids are the next ones.
_counter = itertools.count(os.getpid() * 7919 % 60000)
_REPORTS = re.compile(
    r"(ERROR: (Address|Leak|Undefined)|WARNING: Thread)\w*Sanitizer|runtime error:"
)


def pytest_configure():
    """A shell's background job ignores SIGINT, nohup SIGHUP; the programs must not inherit it."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            is_int = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if is_int else signal.SIG_DFL)


def loopback_address():
    """An address in 127.0.0.0/8 that no other test of this run uses."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    number = next(_counter) % 60000
    return f"127.{100 + worker}.{number // 250}.{number % 250 + 1}"


def wait_for(condition, what, deadline=DEADLINE):
    """Poll until condition() is truthy and return it; fail naming what."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"timed out waiting for {what}"
        threading.Event().wait(0.01)


def is_running(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Load:
    """Clients that send one request after another until the block ends."""

    def __init__(self, system, method, path, connections, body=None, headers=None):
        self.system, self.method, self.path = system, method, path
        self.body, self.headers = body, headers or {}
        self.answers, self.failures = [], []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._client, daemon=True) for _ in range(connections)
        ]

    def _client(self):
        conn = None
        while not self._stop.is_set():
            start = time.monotonic()
            try:
                conn = conn or self.system.connection()
                conn.request(self.method, self.path, self.body, self.headers)
                response = conn.getresponse()
                response.read()
                self.answers.append((response.status, time.monotonic() - start))
                if response.status >= 400:
                    self.failures.append(response.status)
            except OSError as error:
                self.failures.append(repr(error))
                conn = None
            except http.client.HTTPException as error:
                self.failures.append(repr(error))
                conn = None

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        for thread in self._threads:
            thread.join(DEADLINE)
        return False

    def wait_answers(self, count):
        target = len(self.answers) + count
        wait_for(lambda: len(self.answers) >= target, f"{count} more answers")


class System:
    """One msvc with its configuration, directories and address."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.conf = self.dir / "msvc.ini"
        # A name without a space, wherever the build folder is.
        self.samples = self.dir / "samples"
        self.samples.symlink_to(SAMPLES)
        self.run_dir = self.dir / "run"
        self.log_dir = self.dir / "log"
        self.host, self.port = loopback_address(), 8080
        self.supervisor_pid = None
        self.foreground = None

    # -- configuration and the command line

    def write(self, text, router="", head=""):
        text = text.replace("{samples}", str(self.samples)).replace("{dir}", str(self.dir))
        listen = "" if "listen" in router else f"listen = {self.host}:{self.port}\n"
        workers = "" if "workers" in router else f"workers = {WORKERS}\n"
        # Tests look at what a failure was; clients are told less by default.
        detail = "" if "error_detail" in router else "error_detail = full\n"
        self.conf.write_text(
            f"[msvc]\nrun_dir = {self.run_dir}\nlog_dir = {self.log_dir}\n{head}\n"
            f"[router]\n{listen}{workers}{detail}{router}\n{text}"
        )

    def command(self, *args, timeout=DEADLINE, env=None, **options):
        return subprocess.run(
            [BIN / "msvc", "-c", self.conf, *args],
            capture_output=True, text=True, timeout=timeout,
            env={**os.environ, **(env or {})}, **options,
        )

    def start(self, text, router="", head="", check=True):
        self.write(text, router, head)
        result = self.command("start")
        self.supervisor_pid = self.lock_pid()
        if check:
            assert result.returncode == 0, result.stderr + self.all_logs()
        return result

    def lock_pid(self):
        try:
            return int((self.run_dir / "lock").read_text().split()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def stop(self):
        return self.command("stop")

    def reload(self, text, router="", head=""):
        self.write(text, router, head)
        return self.command("reload")

    # -- what the supervisor says

    def status(self):
        result = self.command("-o", "json", "status")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def service(self, name):
        return next(s for s in self.status()["services"] if s["name"] == name)

    def instance(self, name, index=1):
        return next(i for i in self.service(name)["instances"] if i["index"] == index)

    def pid(self, name, index=1):
        return self.instance(name, index)["pid"]

    def wait_state(self, name, state, index=1, generation=None):
        def reached():
            instance = self.instance(name, index)
            if instance["state"] != state:
                return None
            if generation is not None and instance["generation"] < generation:
                return None
            return instance

        return wait_for(reached, f"{name}/{index} {state}")

    def kill(self, name, index=1, sig=signal.SIGKILL):
        pid = self.pid(name, index)
        os.kill(pid, sig)
        return pid

    # -- HTTP

    def connection(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=DEADLINE)

    def http(self, method, path, body=None, headers=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers = {"Content-Type": "application/json", **(headers or {})}
        conn = self.connection()
        try:
            conn.request(method, path, body, headers or {})
            response = conn.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            conn.close()

    def get(self, path, **options):
        return self.http("GET", path, **options)

    def socket(self):
        return socket.create_connection((self.host, self.port), timeout=DEADLINE)

    def raw(self, data, half_close=False):
        """Send bytes, return everything until the server closes."""
        with self.socket() as sock:
            sock.sendall(data)
            if half_close:
                sock.shutdown(socket.SHUT_WR)
            return read_all(sock)

    def load(self, method, path, connections=4, **options):
        return Load(self, method, path, connections, **options)

    # -- logs

    def log(self, name):
        try:
            return (self.log_dir / f"{name}.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def log_has(self, pattern, name="msvc"):
        return wait_for(
            lambda: re.search(pattern, self.log(name)), f"{pattern!r} in {name}.log"
        )

    def all_logs(self):
        parts = []
        for path in sorted(self.log_dir.glob("*.log*")):
            parts.append(f"--- {path.name}\n{path.read_text(errors='replace')[-6000:]}")
        return "\n".join(parts)

    # -- the end

    def close(self):
        leftover = []
        if self.foreground and self.foreground.poll() is None:
            self.foreground.send_signal(signal.SIGTERM)
            self.foreground.wait(DEADLINE)
        pid = self.supervisor_pid
        if pid and is_running(pid):
            self.command("stop")
            try:
                wait_for(lambda: not is_running(pid), "the supervisor to end")
            except AssertionError:
                os.kill(pid, signal.SIGKILL)
                leftover.append(pid)
        logs = self.all_logs()
        assert not leftover, f"supervisor {leftover} did not stop\n{logs}"
        assert not _REPORTS.search(logs), logs


def read_all(sock):
    chunks = []
    while True:
        try:
            chunk = sock.recv(65536)
        except ConnectionResetError:
            break
        if not chunk:
            break
        chunks.append(chunk)
    return b"".join(chunks)


@contextlib.contextmanager
def new_system():
    """A System in a directory of its own that is gone at the end."""
    system = System(tempfile.mkdtemp(prefix="msvc-e2e-"))
    try:
        yield system
    finally:
        try:
            system.close()
        finally:
            shutil.rmtree(system.dir, ignore_errors=True)


@pytest.fixture
def msvc():
    with new_system() as system:
        yield system


ECHO = "[service echo]\ncommand = {samples}/echo\nroute = /\n"


@pytest.fixture
def echo(msvc):
    """A system with one echo instance behind /."""
    msvc.start(ECHO)
    return msvc


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """On failure add the logs of the system under test to the report."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, System):
                report.sections.append(("msvc logs", value.all_logs()))
                break


@pytest.fixture(scope="module")
def shared_echo():
    """One echo system for a module's tests that leave it as it was."""
    with new_system() as system:
        system.start(ECHO)
        yield system
