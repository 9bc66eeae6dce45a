"""Supervision scenarios A1 to A16: start."""

import os
import pathlib
import re
import resource
import signal
import subprocess

import pytest

from conftest import BIN, DEADLINE, is_running, wait_for
from scenario import WITNESS, ends, holds, later, lines, note, own_children, script
from test_scenarios import limited, root_only, unprivileged
from test_supervise import children, sleeper, write_script


def test_a1_three_services_run_with_pids_of_their_own(msvc):
    msvc.start(sleeper("a") + sleeper("b") + sleeper("c"))
    pids = [msvc.pid(name) for name in "abc"]
    assert len(set(pids)) == 3
    assert set(pids) <= set(children(msvc.supervisor_pid))
    holds(lambda: all(is_running(pid) for pid in pids), 1, "one has ended")


def test_a2_a_missing_program_is_named_and_only_its_service_fails(msvc):
    result = msvc.start(
        sleeper("a") + "[service bad]\ncommand = ./nosuch\nrestart_limit = 1/1h\n"
        + sleeper("c"), check=False)
    assert result.returncode == 1
    assert "bad" in result.stderr and "nosuch" in result.stderr
    assert "No such file" in result.stderr
    msvc.wait_state("bad", "failed")
    assert own_children(msvc) == sorted([msvc.pid("a"), msvc.pid("c")])


@pytest.mark.parametrize("command", ["check", "start"])
@pytest.mark.parametrize(
    "line, says",
    [("command =", "command"), ("command = x 'y", "command.*not closed")],
    ids=["empty", "quote"],
)
def test_a3_a_wrong_command_is_refused_with_section_and_key(msvc, command, line, says):
    msvc.write(f"[service users]\n{line}\n")
    result = msvc.command(command)
    assert result.returncode == 1
    assert re.search(rf':\d+: service "users": .*{says}', result.stderr), result.stderr
    assert msvc.lock_pid() is None


def test_a4_a_service_of_one_key_has_the_documented_defaults(msvc):
    """restart = always; stop_signal = TERM, and stop_timeout is more than a moment."""
    write_script(
        msvc, "a",
        f"trap 'echo term >>{msvc.dir}/got.txt; sleep 0.5; exit 0' TERM\n"
        f"[ -e {msvc.dir}/ran ] || {{ touch {msvc.dir}/ran; exit 0; }}\n"
        "touch up; while :; do sleep 0.02; done\n")
    msvc.start("[service echo]\ncommand = {samples}/echo\n"
               "[service a]\ncommand = /bin/sh {dir}/a.sh\nready = none\n", check=False)
    wait_for((msvc.dir / "up").exists, "a to be back after its exit 0")
    assert msvc.instance("echo")["state"] == "ready"
    assert msvc.command("stop", "a").returncode == 0
    assert msvc.instance("a")["last_exit"] == "exit 0"
    assert lines(msvc, "got") == ["term"]


@pytest.mark.parametrize("second, says", [("users", "already"), ("Users", "in capitals only")])
def test_a5_two_services_of_one_name_are_refused(msvc, second, says):
    msvc.write(sleeper("users") + sleeper(second))
    for command in ("check", "start"):
        result = msvc.command(command)
        assert result.returncode == 1
        assert says in result.stderr and "users" in result.stderr, result.stderr
    assert msvc.lock_pid() is None


def test_a6_a_child_runs_in_its_directory_or_not_at_all(msvc):
    (msvc.dir / "here").mkdir()
    result = msvc.start(
        sleeper("good", "dir = here")
        + sleeper("bad", "dir = /nosuchdir\nrestart_limit = 1/1h"), check=False)
    assert result.returncode == 1 and "/nosuchdir" in result.stderr
    assert os.readlink(f"/proc/{msvc.pid('good')}/cwd") == str(msvc.dir / "here")
    msvc.wait_state("bad", "failed")
    assert own_children(msvc) == [msvc.pid("good")]


def test_a7_the_environment_is_the_configured_one(msvc):
    text = sleeper("plain", "env.COLOUR = green")
    text += sleeper("asks", "env_inherit = OF_ADMIN, COLOUR\nenv.COLOUR = blue")
    msvc.write(text)
    result = msvc.command("start", env={"OF_ADMIN": "1", "COLOUR": "red", "OTHER": "2"})
    msvc.supervisor_pid = msvc.lock_pid()
    assert result.returncode == 0, result.stderr

    def environ(name):
        data = pathlib.Path(f"/proc/{msvc.pid(name)}/environ").read_text()
        return dict(item.split("=", 1) for item in data.split("\0") if item)

    plain, asks = environ("plain"), environ("asks")
    assert plain["COLOUR"] == "green" and "OF_ADMIN" not in plain
    assert asks["COLOUR"] == "blue" and asks["OF_ADMIN"] == "1"
    assert "OTHER" not in plain and "OTHER" not in asks


def test_a8_files_of_a_child_are_made_with_its_umask(msvc):
    text = "".join(
        script(msvc, name, f"touch {name}.made; exec sleep 1000\n", f"umask = {mask}")
        for name, mask in (("open", "022"), ("closed", "077")))
    msvc.write(text)
    before = os.umask(0o027)  # of the operator: it must not matter
    try:
        assert msvc.command("start").returncode == 0
    finally:
        os.umask(before)
    msvc.supervisor_pid = msvc.lock_pid()
    for name, mode in (("open", 0o644), ("closed", 0o600)):
        made = msvc.dir / f"{name}.made"
        wait_for(made.exists, "the file")
        assert made.stat().st_mode & 0o777 == mode


def test_a9_an_unknown_user_is_refused_before_anything_runs(msvc):
    result = msvc.start(sleeper("a", "user = nosuchuser"), check=False)
    assert result.returncode == 1 and "nosuchuser" in result.stderr
    assert msvc.lock_pid() is None


@root_only
def test_a9_a_user_that_cannot_be_set_fails_and_never_runs_as_another(msvc):
    """root without CAP_SETUID: known only when it is tried."""
    os.chmod(msvc.dir, 0o755)
    msvc.write(script(msvc, "a", note("ran") + "exec sleep 1000\n",
                      "user = nobody\nrestart_limit = 1/1h\nrestart_delay = 1ms") + sleeper("b"))
    result = subprocess.run(
        ["setpriv", "--bounding-set=-setuid,-setgid", BIN / "msvc", "-c", msvc.conf, "start"],
        capture_output=True, text=True, timeout=DEADLINE)
    msvc.supervisor_pid = msvc.lock_pid()
    assert result.returncode == 1, result.stderr
    assert "nobody" in result.stderr and "not permitted" in result.stderr
    msvc.wait_state("a", "failed")
    assert own_children(msvc) == [msvc.pid("b")]
    assert lines(msvc, "ran") == []


def test_a10_a_child_has_no_descriptor_but_its_three(msvc):
    msvc.start(sleeper("a") + sleeper("b") + sleeper("c"))
    msvc.kill("b")  # and when others have pipes already
    msvc.wait_state("b", "ready", generation=2)
    for name in "abc":
        fds = pathlib.Path(f"/proc/{msvc.pid(name)}/fd")
        assert sorted(os.listdir(fds)) == ["0", "1", "2"]
        assert os.readlink(fds / "0") == "/dev/null"
        assert os.readlink(fds / "1").startswith("pipe:")


def test_a11_exit_0_of_a_oneshot_is_success(msvc):
    msvc.start(script(msvc, "once", note("once"), "type = oneshot") + WITNESS)
    assert lines(msvc, "once") == ["started"]
    once = wait_for(lambda: ends(msvc, "once"), "its end")
    assert once["state"] == "stopped" and once["last_exit"] == "exit 0"
    later(msvc)
    assert lines(msvc, "once") == ["started"]
    assert msvc.command("crash", "list").stdout.count("once") == 0


def test_a12_what_requires_a_missing_service_is_refused(msvc):
    msvc.write(sleeper("a", "requires = nosuch"))
    for command in ("check", "start"):
        result = msvc.command(command)
        assert result.returncode == 1 and "nosuch" in result.stderr
    assert msvc.lock_pid() is None


def test_a12_what_requires_a_failed_service_is_not_started_and_told_why(msvc):
    result = msvc.start(
        script(msvc, "base", "exit 3\n", "type = oneshot\nrestart = never")
        + script(msvc, "needs", note("needs") + "exec sleep 1000\n", "requires = base")
        + sleeper("alone"), check=False)
    assert result.returncode == 1
    assert "base" in result.stderr and "needs" in result.stderr, result.stderr
    needs = msvc.instance("needs")
    assert needs["pid"] is None and "base" in needs["reason"]
    assert lines(msvc, "needs") == []
    assert msvc.instance("alone")["state"] == "ready"


def test_a13_what_comes_after_starts_when_the_other_is_ready(msvc):
    (msvc.dir / "slow.py").write_text(
        "import os, signal, socket, time\n"
        "time.sleep(0.3)\n"
        "sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "open('order.txt', 'a').write('ready\\n')\n"
        "sock.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])\n"
        "while True: signal.pause()\n")
    msvc.start(
        script(msvc, "b", "echo b >>order.txt; exec sleep 1000\n", "after = a")
        + "[service a]\ncommand = /usr/bin/python3 {dir}/slow.py\nready = notify\n"
        # In a name that comes after in the file and the alphabet: no order.
        + script(msvc, "c", "echo c >>order.txt; exec sleep 1000\n"))
    wait_for(lambda: len(lines(msvc, "order")) == 3, "all to have started")
    assert lines(msvc, "order") == ["c", "ready", "b"]


@pytest.mark.parametrize("key", ["after", "wants", "requires"])
def test_a14_a_circle_is_refused_and_named(msvc, key):
    msvc.write(sleeper("a", f"{key} = b") + sleeper("b", f"{key} = c") + sleeper("c", "after = a"))
    for command in ("check", "start"):
        result = msvc.command(command)
        assert result.returncode == 1
        assert re.search(
            r"circle, a \(line \d+\) -> b \(line \d+\) -> c \(line \d+\) -> a", result.stderr
        ), result.stderr
    assert msvc.lock_pid() is None


def test_a15_a_service_without_a_command_is_named(msvc):
    msvc.write("[service users]\nroute = /users\n")
    for command in ("check", "start"):
        result = msvc.command(command)
        assert result.returncode == 1
        assert 'service "users": neither command nor url' in result.stderr
    assert msvc.lock_pid() is None


RETRY = "restart_limit = 1/1h\nrestart_delay = 20ms\nrestart_delay_max = 50ms"


def test_a16_without_descriptors_it_is_retried_and_the_supervisor_lives(msvc):
    msvc.start(sleeper("a", RETRY))
    supervisor, old = msvc.supervisor_pid, msvc.pid("a")
    msvc.log_has("all services are ready")
    with limited(supervisor, resource.RLIMIT_NOFILE, 3):
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: msvc.log("msvc").count("Too many open files, next try") > 3, "tries")
    msvc.wait_state("a", "ready", generation=2)
    assert msvc.lock_pid() == supervisor


@root_only
def test_a16_without_processes_it_is_retried_and_the_supervisor_lives(msvc):
    os.chmod(msvc.dir, 0o777)
    msvc.write(sleeper("a", RETRY))
    result = unprivileged(msvc, "start")
    supervisor = msvc.supervisor_pid = msvc.lock_pid()
    assert result.returncode == 0, result.stderr
    with limited(supervisor, resource.RLIMIT_NPROC, 1):
        msvc.kill("a")
        wait_for(
            lambda: msvc.log("msvc").count("Resource temporarily unavailable, next try") > 3,
            "tries")
        assert msvc.instance("a")["state"] in ("backoff", "starting")
    msvc.wait_state("a", "ready", generation=2)
    assert msvc.lock_pid() == supervisor
