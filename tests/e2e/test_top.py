"""msvc top on a terminal."""

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading

import pytest

from conftest import BIN, BUILD, is_running, wait_for

SLEEP = "command = /bin/sleep 1000\nready = none\n"
TWO = f"[service quiet]\n{SLEEP}[service loud]\n{SLEEP}instances = 2\n"


class Screen:
    """A program on a terminal of 24 x 120; text() is what it shows, as far as we care."""

    def __init__(self, *args, shell='exec "$@"', **env):
        self.master, slave = pty.openpty()
        self.size(24, 120)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", shell, "sh", BIN / "msvc", *args], stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, env={**os.environ, "TERM": "vt100", "LC_ALL": "C", **env},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.rows = {}
        self.row, self.column = 0, 0
        self.raw = b""
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self):
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            if not data:
                return
            self.raw += data

    def text(self):
        """The screen, from all that was written so far: what a VT100 makes of it."""
        rows = [[" "] * 200 for _ in range(60)]
        y = x = first = 0
        last = 59  # of what scrolls
        text = self.raw.decode(errors="replace")
        for move in re.finditer(
                r"\x1b\[([?\d;]*)([A-Za-z])|\x1b[()]\w|\x1b[=>78]|(\r)|(\n)|(\x08)|(\x0f)|"
                r"(\x1bM)|([^\x1b\r\n\x08\x0f\x00])", text):
            numbers = [int(n or 0) for n in (move[1] or "").lstrip("?").split(";")]
            if move[2] == "H":
                y, x = max(numbers[0], 1) - 1, max((numbers + [1])[1], 1) - 1
            elif move[2] == "J":
                for row in rows[y + 1:]:
                    row[:] = [" "] * 200
                rows[y][x:] = [" "] * (200 - x)
            elif move[2] == "K":
                if numbers[0] == 1:
                    rows[y][:x + 1] = [" "] * (x + 1)
                else:
                    rows[y][x:] = [" "] * (200 - x)
            elif move[2] in ("A", "B", "C", "D"):
                step = max(numbers[0], 1)
                y += {"A": -step, "B": step}.get(move[2], 0)
                x += {"C": step, "D": -step}.get(move[2], 0)
            elif move[3]:
                x = 0
            elif move[2] == "r":
                first, last = numbers[0] - 1, numbers[1] - 1
                y = x = 0
            elif move[4] and y == last:
                rows.insert(last + 1, [" "] * 200)
                rows.pop(first)
            elif move[4]:
                y += 1
            elif move[7] and y == first:
                rows.pop(last)
                rows.insert(first, [" "] * 200)
            elif move[7]:
                y -= 1
            elif move[5]:
                x -= 1
            elif move[8]:
                if 0 <= y < 60 and 0 <= x < 200:
                    rows[y][x] = move[8]
                x += 1
        return "\n".join("".join(row).rstrip() for row in rows).rstrip()

    def wait(self, pattern):
        try:
            return wait_for(lambda: re.search(pattern, self.text(), re.M), repr(pattern))
        except AssertionError:
            raise AssertionError(f"{pattern!r} is not in\n{self.text()}") from None

    def names(self):
        return re.findall(r"^((?:quiet|loud)/\d)", self.text(), re.M)

    def key(self, keys):
        os.write(self.master, keys.encode())

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.slave)
        os.close(self.master)


@contextlib.contextmanager
def top(msvc, *args, **env):
    screen = Screen("-c", str(msvc.conf), "top", "-d", "100ms", *args, **env)
    try:
        yield screen
    finally:
        screen.close()


def assert_restored(screen):
    assert screen.process.wait(20) is not None
    wait_for(lambda: termios.tcgetattr(screen.slave) == screen.before, "the terminal's modes")


def test_it_shows_all_instances_and_q_restores_the_terminal(msvc):
    msvc.start(TWO)
    with top(msvc) as screen:
        screen.wait(r"msvc ready, pid %d, up .* services 2, processes 3, ready 3"
                    % msvc.supervisor_pid)
        for name, index in (("quiet", 1), ("loud", 1), ("loud", 2)):
            screen.wait(r"^%s/%d +ready +%d +\d+%% +\S+ +\d+ +0 +\S+s"
                        % (name, index, msvc.pid(name, index)))
        screen.wait(r"q quit +r restart")
        screen.key("q")
        assert_restored(screen)
        assert screen.process.returncode == 0


def test_keys_sort_and_filter(msvc):
    msvc.start(TWO)
    with top(msvc) as screen:
        wait_for(lambda: screen.names() == ["loud/1", "loud/2", "quiet/1"], "sorted by name")
        screen.key("I")
        wait_for(lambda: screen.names() == ["quiet/1", "loud/1", "loud/2"], "turned round")
        msvc.kill("loud", 2)
        msvc.wait_state("loud", "ready", 2, generation=2)
        screen.key("R")
        wait_for(lambda: screen.names()[0] == "loud/2", "sorted by restarts")
        screen.key("/qui\r")
        wait_for(lambda: screen.names() == ["quiet/1"], "only those with qui")


def test_keys_act_on_the_instance_under_the_cursor(msvc):
    msvc.start(TWO)
    pids = {n: msvc.pid(*n) for n in (("quiet", 1), ("loud", 1), ("loud", 2))}
    with top(msvc) as screen:
        screen.wait(r"^loud/2 +ready")
        screen.key("jr")
        screen.wait(r"restart loud/2 ... done")
        assert msvc.pid("loud", 2) != pids["loud", 2]
        assert msvc.pid("loud", 1) == pids["loud", 1] and msvc.pid("quiet") == pids["quiet", 1]
        screen.key("d")
        screen.wait(r"^loud/2 +draining")
        screen.key("u")
        screen.wait(r"undrain loud/2 ... done")
        screen.key("s")
        screen.wait(r"stop loud\?")
        screen.key("n")
        screen.key("jsy")
        screen.wait(r"stop quiet ... done")
        screen.wait(r"^quiet/1 +stopped +-")
        assert msvc.instance("loud", 1)["state"] == "ready"
        screen.key("S")
        screen.wait(r"^quiet/1 +ready +\d+")


def test_the_log_of_an_instance_is_followed(msvc):
    (msvc.dir / "t.sh").write_text(
        "echo hello from me\nwhile ! [ -e $1 ]; do sleep 0.02; done\necho later\n"
        "exec sleep 1000\n")
    msvc.start("[service t]\ncommand = /bin/sh {dir}/t.sh {dir}/go\nready = none\n")
    with top(msvc) as screen:
        screen.wait(r"^t/1 +ready")
        screen.key("l")
        screen.wait(r"^log of t/1")
        screen.wait(r"t/1 hello from me")
        (msvc.dir / "go").touch()
        screen.wait(r"t/1 later")
        screen.key("q")
        screen.wait(r"^t/1 +ready")


def test_a_supervisor_that_goes_and_comes_back(msvc):
    msvc.start(TWO)
    with top(msvc) as screen:
        screen.wait(r"^quiet/1 +ready")
        assert msvc.stop().returncode == 0
        screen.wait(r"the supervisor is not running, waiting for it")
        msvc.start(TWO)
        screen.wait(r"msvc ready, pid %d" % msvc.supervisor_pid)
        screen.wait(r"^quiet/1 +ready +%d " % msvc.pid("quiet"))
        assert "not running" not in screen.text()


def test_a_supervisor_that_does_not_answer_does_not_stop_it(msvc):
    msvc.start(TWO)
    with top(msvc) as screen:
        screen.wait(r"^quiet/1 +ready")
        os.kill(msvc.supervisor_pid, signal.SIGSTOP)
        try:
            screen.wait(r"no answer from the supervisor for \d+ s")
            screen.key("q")
            assert_restored(screen)
        finally:
            os.kill(msvc.supervisor_pid, signal.SIGCONT)


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
def test_signals_end_it_and_restore_the_terminal(msvc, number):
    msvc.start(TWO)
    with top(msvc) as screen:
        screen.wait(r"^quiet/1 +ready")
        screen.process.send_signal(number)
        assert_restored(screen)


def test_it_follows_the_size_of_its_window(msvc):
    msvc.start(TWO)
    with top(msvc) as screen:
        screen.wait(r"^quiet/1 +ready")
        screen.raw = b""
        screen.size(10, 100)
        wait_for(lambda: "q quit" in screen.text().split("\n")[9:10][0]
                 if len(screen.text().split("\n")) == 10 else False, "the foot in line 10")
        assert is_running(screen.process.pid)


def test_without_a_terminal_it_says_so(msvc):
    msvc.start(TWO)
    result = msvc.command("top")
    assert result.returncode == 1 and "needs a terminal" in result.stderr
    assert msvc.command("top", "-d", "x").returncode == 2


def test_a_yes_is_for_the_service_that_was_asked_about(msvc):
    """The one under the cursor is taken away by a reload while the question stands."""
    msvc.start(TWO)
    with top(msvc) as screen:
        screen.wait(r"^quiet/1 +ready")
        screen.key("jj")
        screen.key("s")
        screen.wait(r"stop quiet\?")
        assert msvc.reload(f"[service loud]\n{SLEEP}instances = 2\n").returncode == 0
        wait_for(lambda: screen.names() == ["loud/1", "loud/2"], "quiet to be gone")
        screen.key("y")
        screen.wait(r'no service "quiet"')
        assert {i["state"] for i in msvc.service("loud")["instances"]} == {"ready"}


def test_the_cursor_reaches_what_is_beside(msvc):
    """During an upgrade two processes have the same number."""
    msvc.start("[service a]\ncommand = {samples}/echo\n"
               f"[service b]\n{SLEEP}")
    msvc.write("[service a]\ncommand = /bin/sleep 1000\nready = notify\nready_timeout = 1h\n"
               f"overlap = yes\n[service b]\n{SLEEP}")
    reload = subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "reload"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with top(msvc) as screen:
        screen.wait(r"^a/1\+ +starting")
        screen.key("j")
        # It has to stay there when the next status comes.
        msvc.kill("b")
        msvc.wait_state("b", "ready", generation=2)
        screen.wait(r"^b/1 +ready +%d" % msvc.pid("b"))
        screen.key("j")
        screen.key("s")
        screen.wait(r"stop b\?")
        screen.key("n")
    reload.kill()
    reload.wait()


def test_what_a_service_says_does_not_move_the_cursor(msvc):
    (msvc.dir / "says.py").write_text(
        "import os, socket, time\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "s.connect(os.environ['NOTIFY_SOCKET'])\n"
        "s.send(b'READY=1\\nSTATUS=\\x1b[2Jgone\\x9b2J\\xc2\\x9b2J\\t\\xff')\n"
        "time.sleep(1000)\n")
    msvc.start("[service s]\ncommand = /usr/bin/python3 {dir}/says.py\nready = notify\n")
    for locale in ("C", "C.UTF-8"):
        with top(msvc, LC_ALL=locale) as screen:
            screen.wait(r"^s/1 +ready .*\?\[2Jgone\?2J\?\??2J\?\?$")
            # None of its own: it has but one way to say it.
            assert b"\x9b" not in screen.raw and b"\x1b[2Jgone" not in screen.raw


@pytest.mark.parametrize("rows,columns", ((5, 20), (3, 10), (2, 1), (1, 200)))
def test_a_window_of_any_size_will_do(msvc, rows, columns):
    msvc.start(TWO)
    with top(msvc) as screen:
        screen.wait(r"^quiet/1 +ready")
        screen.raw = b""
        screen.size(rows, columns)
        wait_for(lambda: screen.raw, "it to be drawn again")
        screen.key("jjjk/x\x1b")
        screen.size(24, 120)
        screen.wait(r"^quiet/1 +ready")
        wait_for(lambda: screen.names() == ["loud/1", "loud/2", "quiet/1"], "all rows")


def test_a_storm_of_sizes(msvc):
    msvc.start(TWO)
    with top(msvc) as screen:
        screen.wait(r"^quiet/1 +ready")
        for n in range(300):
            screen.size(1 + n * 7 % 40, 1 + n * 13 % 150)
        screen.size(24, 120)
        screen.key("/zz")
        wait_for(lambda: b"zz" in screen.raw, "it to take keys")
        screen.key("\rq")
        assert_restored(screen)


# What libtinfo leaks for a terminal that it does not know would be reported.
@pytest.mark.skipif("asan" in BUILD.name, reason="of AddressSanitizer")
@pytest.mark.parametrize("term", ("dumb", "", "no-such-terminal"))
def test_a_terminal_that_cannot_is_told_of(msvc, term):
    msvc.start(TWO)
    with top(msvc, TERM=term) as screen:
        assert screen.process.wait(20) == 1
        wait_for(lambda: f'terminal of type "{term}"' in screen.raw.decode(), "why")
        assert b"\x1b" not in screen.raw


def test_it_is_stopped_and_goes_on(msvc):
    msvc.start(TWO)
    # Under a shell with jobs: without one the kernel stops nothing.
    with top(msvc, shell='set -m; "$@"; stty -a | tr -d "\\n"; echo; read -r x; fg') as screen:
        screen.wait(r"^quiet/1 +ready")
        screen.key("\x1a")
        wait_for(lambda: re.search(rb"[^-]icanon.*[^-]echo ", screen.raw), "the shell")
        screen.raw = b""
        screen.key("\n")
        screen.wait(r"^quiet/1 +ready")
        screen.key("q")
        assert_restored(screen)


def test_it_ends_with_its_terminal(msvc):
    msvc.start(TWO)
    with top(msvc) as screen:
        screen.wait(r"^quiet/1 +ready")
        os.close(screen.slave)
        os.close(screen.master)
        try:
            assert screen.process.wait(20) is not None
        finally:
            screen.master, screen.slave = pty.openpty()


def test_a_supervisor_that_is_replaced_is_the_same(msvc):
    msvc.start(TWO)
    with top(msvc) as screen:
        screen.wait(r"^quiet/1 +ready")
        assert msvc.command("reexec").returncode == 0
        msvc.kill("quiet")
        msvc.wait_state("quiet", "ready", generation=2)
        screen.wait(r"^quiet/1 +ready +%d .* 1 +\d+s" % msvc.pid("quiet"))
        screen.wait(r"msvc ready, pid %d" % msvc.supervisor_pid)
