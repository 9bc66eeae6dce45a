"""When processes begin and end, as the kernel tells it.

The proc connector stamps every exec and exit with CLOCK_MONOTONIC, so that a
slow reader measures no less exactly. It takes root; where it is not to be had,
/proc is polled, to a millisecond or two.
"""

import ctypes
import os
import pathlib
import socket
import struct
import time

NETLINK_CONNECTOR = 11
CN_IDX_PROC = CN_VAL_PROC = 1
PROC_CN_MCAST_LISTEN = 1
PROC_EVENT_EXEC, PROC_EVENT_EXIT = 0x00000002, 0x80000000
WHAT = 16 + 20  # the event behind nlmsghdr and cn_msg
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33
RECEIVE_BYTES = 64 * 1024 * 1024
PERIOD = 0.02  # between two looks: to read each event at once would disturb


def argument_of(pid):
    """The arguments of a process, joined; "" when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().replace("\0", " ").strip()
    except OSError:
        return ""


class Filter:
    """Classic BPF that lets exec and exit events pass and no others."""

    def __init__(self, sock):
        def swapped(value):
            return struct.unpack(">I", struct.pack("=I", value))[0]

        code = b"".join(struct.pack("=HBBI", *one) for one in (
            (0x20, 0, 0, WHAT),  # load the event's kind
            (0x15, 1, 0, swapped(PROC_EVENT_EXEC)),
            (0x15, 0, 1, swapped(PROC_EVENT_EXIT)),
            (0x06, 0, 0, 0xFFFFFFFF),
            (0x06, 0, 0, 0)))
        self.code = ctypes.create_string_buffer(code)
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                        struct.pack("@HP", 5, ctypes.addressof(self.code)))


class Connector:
    """Events from the kernel."""

    name = "kernel exec and exit events"

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_CONNECTOR)
        self.sock.bind((0, CN_IDX_PROC))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES)
        Filter(self.sock)
        self.sock.setblocking(False)
        body = struct.pack("=IIIIHHI", CN_IDX_PROC, CN_VAL_PROC, 0, 0, 4, 0, PROC_CN_MCAST_LISTEN)
        self.sock.send(struct.pack("=IHHII", 16 + len(body), 3, 0, 0, os.getpid()) + body)

    def read(self):
        """Yield (is_exec, pid, ns) of all that has happened since the last call."""
        while True:
            try:
                data = self.sock.recv(1024)
            except BlockingIOError:
                return
            what, _, at, pid, group = struct.unpack_from("=IIQII", data, WHAT)
            if pid == group:
                yield what == PROC_EVENT_EXEC, pid, at

    def close(self):
        self.sock.close()


class Poller:
    """The same from /proc: sees what is there when it looks."""

    name = "/proc, polled"

    def __init__(self):
        self.seen = {}

    def read(self):
        at = time.monotonic_ns()
        now = {int(name): argument_of(name) for name in os.listdir("/proc") if name.isdigit()}
        for pid, argument in now.items():
            if self.seen.get(pid) != argument:
                yield True, pid, at
        for pid in self.seen.keys() - now.keys():
            yield False, pid, at
        self.seen = now

    def close(self):
        pass


class Watch:
    """The processes with one command line: when each began and ended."""

    def __init__(self, argument):
        self.argument = argument
        try:
            self.source = Connector()
            self.period = PERIOD
        except OSError:
            self.source = Poller()
            self.period = 0.001
        self.began, self.ended = {}, {}

    def look(self):
        """Take in what has happened."""
        last = {}
        for is_exec, pid, at in self.source.read():
            if is_exec:
                last[pid] = at
            elif pid in self.began:
                self.ended[pid] = at
                last.pop(pid, None)
        # Only the last exec counts: a shell may have been before it.
        for pid, at in last.items():
            if argument_of(pid).endswith(self.argument):
                self.began[pid] = at
                self.ended.pop(pid, None)

    def alive(self):
        return self.began.keys() - self.ended.keys()

    def wait(self, condition, what, seconds):
        end = time.monotonic() + seconds
        while True:
            self.look()
            if condition():
                return
            if time.monotonic() > end:
                raise TimeoutError(f"timed out after {seconds} s: {what}")
            time.sleep(self.period)

    def close(self):
        self.source.close()
