"""Sockets for services: opened by the supervisor, passed by LISTEN_FDS."""

import os
import pathlib
import pwd
import re
import signal
import socket
import stat
import subprocess
import threading

import pytest

from conftest import BIN, is_running, wait_for

# Answers each connection with its pid; ends with the last answer given.
SERVER = """\
import os, signal, socket, sys
assert int(os.environ["LISTEN_PID"]) == os.getpid()
count = int(os.environ["LISTEN_FDS"])
print("names", os.environ["LISTEN_FDNAMES"], flush=True)
socks = [socket.socket(fileno=3 + i) for i in range(count)]
ends = []
signal.signal(signal.SIGTERM, lambda *_: ends.append(1))
import selectors
sel = selectors.DefaultSelector()
for sock in socks:
    sock.setblocking(False)
    sel.register(sock, selectors.EVENT_READ)
print("serving", flush=True)
while not ends:
    for key, _ in sel.select(0.05):
        try:
            conn, _ = key.fileobj.accept()
        except BlockingIOError:
            continue
        conn.settimeout(5)
        conn.recv(1)
        conn.sendall(b"%d\\n" % os.getpid())
        conn.close()
"""


def server(name, sockets, more="ready = none\n"):
    return (f"[service {name}]\ncommand = /usr/bin/python3 {{dir}}/server.py\n"
            f"socket = {sockets}\n{more}\n")


@pytest.fixture
def served(msvc):
    (msvc.dir / "server.py").write_text(SERVER)
    return msvc


def ask(address, family=socket.AF_INET):
    with socket.socket(family) as sock:
        sock.settimeout(10)
        sock.connect(address)
        sock.sendall(b"x")
        return int(sock.recv(64))


class Askers:
    """Clients one after the other; a refused connection is what must not be."""

    def __init__(self, address, threads=4):
        self.address, self.stop = address, threading.Event()
        self.refused, self.lost, self.pids = [], 0, set()
        self.threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self):
        while not self.stop.is_set():
            try:
                self.pids.add(ask(self.address))
            except ConnectionRefusedError as error:
                self.refused.append(error)
            except (OSError, ValueError):
                self.lost += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def test_a_service_serves_on_the_sockets_that_it_is_passed(served):
    path = served.dir / "app.sock"
    served.start(server("a", f"tcp:{served.host}:9000, unix:{path}"))
    pid = served.pid("a")
    assert ask((served.host, 9000)) == pid
    assert ask(str(path), socket.AF_UNIX) == pid
    served.log_has(f"names tcp_{served.host}_9000:unix_{path}", "a")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_the_supervisors_other_descriptors_stay_its_own(served):
    served.start(server("a", f"tcp:{served.host}:9000"))
    pid = served.pid("a")
    served.log_has("serving", "a")
    # Python's own epoll comes after them.
    sockets = {fd: os.readlink(f"/proc/{pid}/fd/{fd}")
               for fd in os.listdir(f"/proc/{pid}/fd")}
    assert [fd for fd, to in sockets.items() if to.startswith("socket:")] == ["3"]


def test_a_service_without_sockets_has_no_listen_variables(msvc):
    (msvc.dir / "env.sh").write_text("env >env.txt\nexec sleep 1000\n")
    msvc.start("[service a]\ncommand = /bin/sh {dir}/env.sh\nready = none\n")
    text = wait_for(lambda: (msvc.dir / "env.txt").exists() and
                    "NOTIFY" in (msvc.dir / "env.txt").read_text() and
                    (msvc.dir / "env.txt").read_text(), "the environment")
    assert "LISTEN_" not in text.replace("MSVC_LISTEN", "")


def test_a_port_in_use_is_refused_on_the_terminal_and_nothing_is_left(served):
    path = served.dir / "app.sock"
    with socket.create_server((served.host, 9000)):
        result = served.start(
            server("a", f"unix:{path}, tcp:{served.host}:9000"), check=False)
    assert result.returncode != 0
    assert f'service "a": tcp:{served.host}:9000: Address already in use' in result.stderr
    assert not path.exists()


def test_a_socket_of_an_earlier_run_is_replaced_and_goes_with_the_stop(served):
    path = served.dir / "app.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    served.start(server("a", f"unix:{path}"))
    assert ask(str(path), socket.AF_UNIX) == served.pid("a")
    assert served.stop().returncode == 0
    assert not path.exists()


@pytest.mark.parametrize("what, message", [
    ("file", "is there and no socket"), ("in use", "Address already in use")])
def test_what_is_not_ours_to_replace_is_refused_and_stays(served, what, message):
    path = served.dir / "app.sock"
    with socket.socket(socket.AF_UNIX) as other:
        if what == "file":
            path.write_text("precious")
        else:
            other.bind(str(path))
            other.listen()
        result = served.start(server("a", f"unix:{path}"), check=False)
        assert result.returncode != 0
        assert message in result.stderr
        assert path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_a_unix_socket_belongs_to_the_user_of_the_service(served):
    path = served.dir / "app.sock"
    nobody = pwd.getpwnam("nobody")
    served.dir.chmod(0o755)
    served.start(f"[service a]\ncommand = /bin/sleep 1000\nready = none\n"
                 f"user = nobody\nsocket = unix:{path}\n")
    found = path.stat()
    assert (found.st_uid, found.st_gid) == (nobody.pw_uid, nobody.pw_gid)
    assert stat.S_IMODE(found.st_mode) == 0o660


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_a_stale_socket_of_another_user_is_refused(served):
    path = served.dir / "app.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
    result = served.start(server("a", f"unix:{path}"), check=False)
    assert result.returncode != 0
    assert "is there and of another user" in result.stderr
    assert path.exists()


def test_no_connection_is_refused_while_the_service_restarts(served):
    served.start(server("a", f"tcp:{served.host}:9000"))
    first = served.pid("a")
    with Askers((served.host, 9000)) as askers:
        wait_for(lambda: first in askers.pids, "an answer")
        result = served.command("restart", "a")
        assert result.returncode == 0, result.stderr
        wait_for(lambda: askers.pids - {first}, "an answer of the next one")
    assert askers.refused == []
    assert not is_running(first)


def test_no_connection_is_refused_while_a_killed_service_is_away(served):
    served.start(server("a", f"tcp:{served.host}:9000",
                        "ready = none\nrestart_limit = none\nrestart_delay = 300ms, 300ms\n"))
    with Askers((served.host, 9000)) as askers:
        for generation in range(2, 5):
            seen = set(askers.pids)
            served.kill("a")
            served.wait_state("a", "ready", generation=generation)
            wait_for(lambda: askers.pids - seen, "an answer of the next one")
    assert askers.refused == []
    # A connection that the killed process held is all that may be lost.
    assert askers.lost <= 3 * 4


def test_instances_share_the_sockets(served):
    served.start(server("a", f"tcp:{served.host}:9000", "ready = none\ninstances = 2\n"))
    pids = {served.pid("a", 1), served.pid("a", 2)}
    seen = set()

    def both():
        seen.add(ask((served.host, 9000)))
        return seen == pids

    wait_for(both, "an answer of both")


# -- reload


def test_a_reload_that_keeps_a_socket_keeps_it_open(served):
    text = server("a", f"tcp:{served.host}:9000")
    served.start(text)
    with Askers((served.host, 9000)) as askers:
        wait_for(lambda: askers.pids, "an answer")
        assert served.reload(text + "env.X = 1\n").returncode == 0
        wait_for(lambda: len(askers.pids) > 1, "an answer of the next one")
    assert askers.refused == []


def test_a_reload_opens_and_closes_what_changes(served):
    path = served.dir / "app.sock"
    served.start(server("a", f"tcp:{served.host}:9000, unix:{path}"))
    served.log_has("serving", "a")
    assert served.reload(server("a", f"tcp:{served.host}:9001")).returncode == 0
    assert ask((served.host, 9001)) == served.pid("a")
    served.log_has(f"a: socket tcp:{served.host}:9000 closed")
    wait_for(lambda: not path.exists(), "the file to go")

    def refused():
        try:
            ask((served.host, 9000))
        except ConnectionRefusedError:
            return True
        return False

    wait_for(refused, "the old port to be closed")


def test_a_removed_service_takes_its_sockets_along(served):
    path = served.dir / "app.sock"
    other = "[service b]\ncommand = /bin/sleep 1000\nready = none\n"
    served.start(server("a", f"unix:{path}") + other)
    assert path.exists()
    assert served.reload(other).returncode == 0
    wait_for(lambda: not path.exists(), "the file to go")


def catches_sigterm(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    caught = int(re.search(r"SigCgt:\s*(\w+)", status).group(1), 16)
    return caught >> (signal.SIGTERM - 1) & 1


@pytest.mark.parametrize("without", [
    "[service b]\ncommand = /bin/sleep 1000\nready = none\n",
    server("a", "tcp:{host}:9001", "ready = none\noverlap = no\n")])
def test_a_socket_can_come_back_while_the_process_that_had_it_ends(served, without):
    slow = ("[service a]\n"
            "command = /bin/sh -c 'trap \"sleep 1; exit 0\" TERM; sleep 1000 & wait'\n"
            f"ready = none\noverlap = no\nsocket = tcp:{served.host}:9000\n")
    served.start(slow)
    wait_for(lambda: catches_sigterm(served.pid("a")), "the trap")
    served.write(without.replace("{host}", served.host))
    with subprocess.Popen([BIN / "msvc", "-c", served.conf, "reload"], stdout=subprocess.DEVNULL):
        served.log_has("supervisor: reloaded: ")
        result = served.reload(slow)
    assert result.returncode == 0, result.stderr
    with socket.create_connection((served.host, 9000)):
        pass


def test_a_socket_can_move_to_another_service(served):
    address = f"tcp:{served.host}:9000"
    other = "[service b]\ncommand = /bin/sleep 1000\nready = none\n"
    served.start(server("a", address) + other)
    assert ask((served.host, 9000)) == served.pid("a")
    assert served.reload(
        "[service a]\ncommand = /bin/sleep 1000\nready = none\n"
        + server("b", address)).returncode == 0
    assert ask((served.host, 9000)) == served.pid("b")


def test_a_socket_that_cannot_be_bound_refuses_the_reload(served):
    path = served.dir / "app.sock"
    text = server("a", f"tcp:{served.host}:9000")
    served.start(text)
    pid = served.pid("a")
    with socket.create_server((served.host, 9001)):
        result = served.reload(
            server("a", f"unix:{path}, tcp:{served.host}:9001"))
    assert result.returncode != 0
    assert f'service "a": tcp:{served.host}:9001: Address already in use' in result.stderr
    assert not path.exists()
    assert ask((served.host, 9000)) == served.pid("a") == pid


def test_a_roll_back_finds_the_sockets_of_the_old_configuration(served):
    address = f"tcp:{served.host}:9000"
    served.start(server("a", address))
    assert ask((served.host, 9000)) == served.pid("a")
    served.reload(server("a", f"tcp:{served.host}:9001",
                         "ready = notify\nready_timeout = 200ms\n"))
    served.log_has("rolled back")
    generation = served.instance("a")["generation"]
    served.kill("a")
    served.wait_state("a", "ready", generation=generation + 1)
    assert ask((served.host, 9000)) == served.pid("a")


def test_a_dry_run_opens_nothing(served):
    path = served.dir / "app.sock"
    served.start(server("a", f"tcp:{served.host}:9000"))
    served.write(server("a", f"tcp:{served.host}:9000, unix:{path}"))
    result = served.command("reload", "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "socket" in result.stdout
    assert not path.exists()


def test_a_disabled_service_holds_no_socket(served):
    served.start(server("a", f"tcp:{served.host}:9000", "enabled = no\n"))
    with pytest.raises(ConnectionRefusedError):
        ask((served.host, 9000))
    assert served.reload(server("a", f"tcp:{served.host}:9000")).returncode == 0
    assert ask((served.host, 9000)) == served.pid("a")


def test_a_killed_supervisor_leaves_no_port_open_and_starts_again(served):
    path = served.dir / "app.sock"
    text = server("a", f"tcp:{served.host}:9000, unix:{path}")
    served.start(text)
    pid = served.pid("a")
    os.kill(served.supervisor_pid, signal.SIGKILL)
    wait_for(lambda: not is_running(pid), "the service to end")
    assert path.exists()
    served.start(text)
    assert ask((served.host, 9000)) == served.pid("a")
    assert ask(str(path), socket.AF_UNIX) == served.pid("a")


def test_a_reexec_keeps_the_sockets_open(served):
    path = served.dir / "app.sock"
    text = server("a", f"tcp:{served.host}:9000, unix:{path}")
    served.start(text)
    pid = served.pid("a")
    with Askers((served.host, 9000)) as askers:
        wait_for(lambda: askers.pids, "an answer")
        result = served.command("reexec")
        assert result.returncode == 0, result.stderr
        served.kill("a")
        wait_for(lambda: askers.pids - {pid}, "an answer of the next one")
    assert askers.refused == []
    assert ask(str(path), socket.AF_UNIX) == served.pid("a")
    assert served.stop().returncode == 0
    assert not path.exists()
