"""What the operator sees of a running system: status, its tree, and -o json of all commands."""

import json
import os
import pathlib
import re
import subprocess

from conftest import BIN, ECHO, is_running, wait_for

SLEEP = "command = /bin/sleep 1000\nready = none\n"
# web waits for slow, which does not become ready.
WAITING = (
    f"[service db]\n{SLEEP}"
    "[service slow]\ncommand = /bin/sleep 1000\nready = notify\nready_timeout = 1h\n"
    f"[service web]\n{SLEEP}requires = slow\nafter = db\n"
    "[group data]\nservices = db, slow\nstrategy = rest_for_one\n")


def as_json(msvc, *args, code=0):
    result = msvc.command("-o", "json", *args)
    assert result.returncode == code, (args, result.stdout, result.stderr)
    return json.loads(result.stdout)


def start_waiting(msvc):
    """msvc start does not return while slow is not ready; the supervisor does not mind."""
    msvc.write(WAITING)
    starter = subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "start"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: msvc.command("status").returncode == 0, "a supervisor")
    msvc.supervisor_pid = msvc.lock_pid()
    starter.kill()
    starter.wait()
    msvc.wait_state("db", "ready")
    wait_for(lambda: msvc.pid("slow"), "slow to have a process")


def test_status_counts_what_proc_has(msvc):
    """Scenario D7: the numbers of mixed states are those in /proc."""
    msvc.start(
        f"[service two]\n{SLEEP}instances = 2\n"
        f"[service off]\n{SLEEP}enabled = no\n"
        "[service bad]\ncommand = /bin/false\nready = none\nrestart_limit = 1/60s\n"
        "restart_delay = 0\n"
        "[service over]\ncommand = /bin/true\nready = none\nrestart = never\n", check=False)
    msvc.wait_state("bad", "failed")
    msvc.wait_state("over", "stopped")
    status = msvc.status()
    pids = {i["pid"] for s in status["services"] for i in s["instances"] if i["pid"]}
    helpers = {status["supervisor"][role]["pid"] for role in ("router", "logger")}
    children = pathlib.Path(
        f"/proc/{msvc.supervisor_pid}/task/{msvc.supervisor_pid}/children").read_text()
    assert len(pids) == 2 and pids | helpers == set(map(int, children.split()))
    assert {s["name"]: s["state"] for s in status["services"]} == {
        "two": "ready", "off": "disabled", "bad": "failed", "over": "stopped"}


def test_status_has_what_explains_a_state(msvc):
    start_waiting(msvc)
    web = msvc.service("web")
    assert (web["requires"], web["after"], web["wants"]) == (["slow"], ["db"], [])
    assert web["waits_for"] == "slow" and web["instances"][0]["reason"] == "waits for slow"
    assert web["instances"][0]["uptime_ms"] is None and web["type"] == "service"
    assert (web["group"], msvc.service("db")["group"]) == (None, "data")
    assert msvc.service("db")["scale"] == 1
    assert msvc.status()["groups"] == [
        {"name": "data", "strategy": "rest_for_one", "services": ["db", "slow"]}]


def test_status_has_what_a_process_uses(msvc):
    msvc.start(f"[service s]\n{SLEEP}")
    directory = pathlib.Path(f"/proc/{msvc.pid('s')}")

    def agrees():
        """It has just begun: what it uses may change between the two looks."""
        instance = msvc.instance("s")
        pages = int((directory / "statm").read_text().split()[1])
        return instance["fds"] == len(list((directory / "fd").iterdir())) \
            and instance["memory"] == pages * os.sysconf("SC_PAGESIZE") and instance

    instance = wait_for(agrees, "status to agree with /proc")
    assert instance["cpu_ms"] >= 0 and instance["cpu_percent"] >= 0
    assert instance["uptime_ms"] >= 0
    msvc.command("stop", "s")
    instance = msvc.instance("s")
    assert instance["memory"] is None and instance["fds"] is None


def test_the_tree_shows_who_needs_whom(msvc):
    start_waiting(msvc)
    result = msvc.command("status", "--tree", env={"LC_ALL": "C"})
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert re.match(r"web +starting +- +- +0 +- +- waits for slow$", lines[1])
    assert re.match(r"\|- requires slow \(data\) +starting +\d+ ", lines[2])
    assert re.match(r"|  `- after db \(data\) +ready +\d+ +\d+s +0 +\d+% +\S+ -$", lines[3])
    assert lines[6] == "group data rest_for_one: db, slow"
    assert max(map(len, lines)) <= 80 and "\033" not in result.stdout
    utf8 = msvc.command("status", "--tree", "web", env={"LC_ALL": "C.UTF-8"})
    assert "├─ requires slow" in utf8.stdout and "group" not in utf8.stdout
    assert msvc.command("status", "--tree", "nosuch").returncode == 1


def test_a_signal_reaches_the_process_and_it_stays(msvc):
    """Scenario F9."""
    (msvc.dir / "t.sh").write_text(
        "trap 'echo got usr1' USR1\necho set\nwhile :; do sleep 0.05; done\n")
    msvc.start("[service t]\ncommand = /bin/sh {dir}/t.sh\nready = none\ninstances = 2\n")
    wait_for(lambda: msvc.log("t").count("set") == 2, "both traps")
    pids = msvc.pid("t", 1), msvc.pid("t", 2)
    assert msvc.command("signal", "t/2", "USR1").returncode == 0
    msvc.log_has(r"t/2 got usr1", "t")
    assert as_json(msvc, "signal", "t", "SIGUSR1") == {"ok": True, "count": 2}
    msvc.log_has(r"t/1 got usr1", "t")
    assert (msvc.pid("t", 1), msvc.pid("t", 2)) == pids
    assert msvc.log_has(r"t/2\[%d\]: signal 10 sent" % pids[1])


def test_a_signal_to_one_that_does_not_run_is_an_error(msvc):
    """Scenario F10: it goes to nobody, least of all to pid 0 or -1."""
    msvc.start(f"[service a]\n{SLEEP}[service b]\n{SLEEP}")
    msvc.command("stop", "a")
    pid = msvc.pid("b")
    result = msvc.command("signal", "a", "KILL")
    assert result.returncode == 1 and "a has no process, it is stopped" in result.stderr
    assert msvc.command("signal", "a/1", "TERM").returncode == 1
    assert msvc.command("signal", "a/7", "TERM").returncode == 1
    assert msvc.command("signal", "nosuch", "TERM").returncode == 1
    for bad in ("NOSUCH", "0", "-1", "99"):
        assert msvc.command("signal", "--", "b", bad).returncode == 2, bad
    assert msvc.pid("b") == pid and is_running(msvc.supervisor_pid)


def test_a_signal_that_kills_is_a_death_like_another(msvc):
    msvc.start(f"[service a]\n{SLEEP}")
    assert msvc.command("signal", "a", "KILL").returncode == 0
    msvc.wait_state("a", "ready", generation=2)
    msvc.log_has(r"a/1\[\d+\]: killed by signal 9.*restarting|killed by signal 9.*next try")


def test_every_command_answers_in_json(echo):
    ok = {"ok": True}
    for args in (("stop", "echo"), ("start", "echo"), ("restart", "echo"), ("drain", "echo"),
                 ("undrain", "echo"), ("pub", "a.topic", "1")):
        assert as_json(echo, *args) == ok, args
    assert as_json(echo, "crash") == []
    assert as_json(echo, "quarantine") == []
    assert as_json(echo, "quarantine", "release", "all") == {"ok": True, "count": 0}
    assert as_json(echo, "fault", "echo", "none") == {"ok": True, "count": 0}
    assert as_json(echo, "signal", "echo", "CONT") == {"ok": True, "count": 1}
    assert {c["name"] for c in as_json(echo, "help")} > {"start", "top", "signal"}
    assert as_json(echo, "help", "top")[0]["synopsis"] == "[-d delay]"


def test_failures_are_json_too(echo):
    for args, code in ((("restart", "nosuch"), 1), (("status", "nosuch"), 1),
                       (("crash", "last"), 1), (("signal", "echo", "X"), 2),
                       (("drain", "a/b"), 2), (("nosuch",), 2), (("top",), 1)):
        answer = as_json(echo, *args, code=code)
        assert answer["ok"] is False and answer["exit"] == code and answer["error"], args


def test_failures_of_those_that_speak_nng_are_json_too(msvc):
    msvc.write(ECHO)
    for args in (("call", "echo.x"), ("pub", "a", "1"), ("sub", "a")):
        answer = as_json(msvc, *args, code=3)
        assert (answer["ok"], answer["exit"]) == (False, 3) and answer["error"]


def test_mistakes_are_taken_apart_in_json(msvc):
    msvc.conf.write_text(f"[msvc]\nrun_dir = {msvc.run_dir}\n[service a]\ncomand = x\n")
    errors = as_json(msvc, "check", code=1)["errors"]
    assert any(e["file"] == str(msvc.conf) and e["line"] == 4 and '"comand"' in e["text"]
               for e in errors)
    msvc.conf.unlink()
    errors = as_json(msvc, "check", code=1)["errors"]
    assert errors[0]["line"] is None and str(msvc.conf) in errors[0]["file"]


SAYS = r"""
import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ["NOTIFY_SOCKET"])
s.send(b"READY=1\nSTATUS=\x1b[31mred\x1b]0;t\x07\xc2\x9b1m\x9b2m \xff" + "\xfc".encode() * 200)
time.sleep(1000)
"""


def test_what_a_service_says_harms_no_terminal_and_no_json(msvc):
    (msvc.dir / "says.py").write_text(SAYS)
    msvc.start("[service s]\ncommand = /usr/bin/python3 {dir}/says.py\nready = notify\n")
    reason = wait_for(lambda: msvc.instance("s")["reason"], "what it says")
    assert reason.startswith("?[31mred?]0;t?") and "\xfc\xfc" in reason
    for args in (("status",), ("status", "--tree"), ("-o", "json", "status")):
        # As bytes: text that is cut within a character is no UTF-8.
        out = msvc.command(*args, encoding="utf-8", errors="strict").stdout
        assert "red" in out
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", out), args
        assert args[0] == "-o" or max(map(len, out.splitlines())) <= 80


def test_a_long_chain_is_shown_whole_within_the_width(msvc):
    """Each service after the one before it, and after the one before that: no tree of 2^200."""
    names = [f"s{n:03}" for n in range(200)]
    msvc.start("".join(
        f"[service {n}]\ncommand = /bin/true\nenabled = no\n"
        + (f"after = {', '.join(names[max(0, i - 2):i])}\n" if i > 0 else "")
        for i, n in enumerate(names)))
    out = msvc.command("status", "--tree", env={"LC_ALL": "C"}).stdout
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) < 1000
    assert set(names) <= set(re.findall(r"\bs\d{3}\b", out))
