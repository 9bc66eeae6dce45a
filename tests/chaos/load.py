"""The clients of the chaos test: keep-alive connections that never rest.

Each client is a thread with a raw socket; half of its requests are GETs, half
are POSTs with an id that is used once. What came of every request is counted,
and what must not happen is kept as a Failure.
"""

import collections
import dataclasses
import json
import random
import socket
import threading
import time

# For so long after the router's death a client may blame it for a broken
# connection and send a GET once more (RFC 9110 section 9.2.2).
ROUTER_GRACE = 2.0


@dataclasses.dataclass
class Failure:
    """A request whose end is not allowed."""

    method: str
    path: str
    id: str
    what: str
    seconds: float  # it took
    ended: float  # time.monotonic()

    def __str__(self):
        name = f" id {self.id}" if self.id else ""
        return f"{self.method} {self.path}{name}: {self.what}, after {self.seconds:.3f} s"


class Broken(Exception):
    """The connection ended, or what came is no HTTP."""


class Connection:
    """One keep-alive connection; knows as much HTTP as the answers need."""

    def __init__(self, address, timeout):
        self.socket = socket.create_connection(address, timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bytes = b""

    def close(self):
        self.socket.close()

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise Broken("connection closed")
        self.bytes += data

    def head(self):
        while (end := self.bytes.find(b"\r\n\r\n")) < 0:
            self.more()
        head, self.bytes = self.bytes[:end].lower(), self.bytes[end + 4 :]
        if not head.startswith(b"http/1.1 "):
            raise Broken(f"no answer: {head[:80]!r}")
        return int(head[9:12]), head

    def ask(self, request):
        """Send the bytes of a request; return status and body."""
        self.socket.sendall(request)
        status, head = self.head()
        while status < 200:
            status, head = self.head()
        at = head.find(b"\r\ncontent-length:")
        if at < 0:
            raise Broken(f"answer without a length: {head[:80]!r}")
        length = int(head[at + 17 :].split(b"\r\n", 1)[0])
        while len(self.bytes) < length:
            self.more()
        body, self.bytes = self.bytes[:length], self.bytes[length:]
        if b"\r\nconnection: close" in head:
            self.close()
        return status, body


def cause_of(body):
    """The cause in a problem of the router, "" when it is none."""
    try:
        return json.loads(body)["cause"]
    except (ValueError, KeyError, TypeError):
        return ""


class Client(threading.Thread):
    def __init__(self, load, number):
        super().__init__(name=f"client {number}", daemon=True)
        self.load, self.number = load, number
        self.random = random.Random(f"{load.seed}/{number}")
        self.connection = None
        self.counts = collections.Counter()
        self.failures = []
        self.accepted = set()  # ids of POSTs that got 2xx
        self.slowest = 0.0

    def run(self):
        serial = 0
        while not self.load.is_over.is_set():
            path = f"/{self.random.choice(self.load.services)}"
            if self.random.random() < 0.5:
                deferred = self.random.random() < 0.25
                self.get(path + ("/defer?ms=20" if deferred else "/hello"))
            else:
                serial += 1
                self.post(path + "/count", f"{self.number}-{serial}")
        self.disconnect()

    def disconnect(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def ask(self, request):
        try:
            if self.connection is None or self.connection.socket.fileno() < 0:
                self.connection = Connection(self.load.address, self.load.timeout)
            return self.connection.ask(request)
        except TimeoutError as error:
            self.disconnect()
            raise Broken(f"no answer in {self.load.timeout:g} s") from error
        except (OSError, ValueError) as error:
            self.disconnect()
            raise Broken(str(error)) from error
        except Broken:
            self.disconnect()
            raise

    def fail(self, method, path, name, what, start):
        now = time.monotonic()
        self.failures.append(Failure(method, path, name, what, now - start, now))
        self.counts[method, "FAILED"] += 1

    def count(self, method, outcome, start):
        self.counts[method, outcome] += 1
        self.slowest = max(self.slowest, time.monotonic() - start)

    def get(self, path):
        request = f"GET {path} HTTP/1.1\r\nHost: chaos\r\n\r\n".encode()
        start = time.monotonic()
        outcome = "200"
        try:
            try:
                status, body = self.ask(request)
            except Broken:
                if not self.load.is_router_to_blame():
                    raise
                outcome = "200, sent again since the router died"
                status, body = self.ask(request)
        except Broken as error:
            self.fail("GET", path, "", str(error), start)
            return
        if status == 200:
            self.count("GET", outcome, start)
        else:
            self.fail("GET", path, "", f"{status} {cause_of(body)}", start)

    def post(self, path, name):
        request = (
            f"POST {path} HTTP/1.1\r\nHost: chaos\r\nContent-Type: text/plain\r\n"
            f"Content-Length: {len(name)}\r\n\r\n{name}"
        ).encode()
        start = time.monotonic()
        try:
            status, body = self.ask(request)
        except Broken as error:
            if self.load.is_router_to_blame():
                self.count("POST", "cut off when the router died", start)
            else:
                self.fail("POST", path, name, str(error), start)
            return
        if 200 <= status < 300:
            self.accepted.add(name)
            self.count("POST", str(status), start)
        elif status in (502, 504):
            self.count("POST", f"{status} {cause_of(body)}", start)
        else:
            self.fail("POST", path, name, f"{status} {cause_of(body)}", start)


class Load:
    """All clients, from start() to stop()."""

    def __init__(self, address, services, seed, timeout, clients=32):
        self.address, self.services, self.seed = address, services, seed
        self.timeout = timeout
        self.router_died = None  # time.monotonic() of its SIGKILL
        self.is_over = threading.Event()
        self.clients = [Client(self, number) for number in range(clients)]

    def is_router_to_blame(self):
        died = self.router_died
        return died is not None and time.monotonic() - died < ROUTER_GRACE

    def start(self):
        for client in self.clients:
            client.start()

    def stop(self):
        """Send no more and wait for all answers."""
        self.is_over.set()
        for client in self.clients:
            client.join()

    @property
    def counts(self):
        return sum((client.counts for client in self.clients), collections.Counter())

    @property
    def failures(self):
        found = [failure for client in self.clients for failure in client.failures]
        return sorted(found, key=lambda failure: failure.ended)

    @property
    def accepted(self):
        return set().union(*(client.accepted for client in self.clients))

    @property
    def slowest(self):
        return max(client.slowest for client in self.clients)
