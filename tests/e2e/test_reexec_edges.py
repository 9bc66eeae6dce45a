"""msvc reexec at a bad moment, and to programs that are no good."""

import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import threading

import pytest

from conftest import BIN, BUILD, DEADLINE, ECHO, is_running, wait_for

SLEEPER = "[service {name}]\ncommand = /bin/sleep 1000\nready = none\n{more}\n"


def sleeper(name, more=""):
    return SLEEPER.format(name=name, more=more)


def script(msvc, name, text):
    path = msvc.dir / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def reexec(msvc, *args):
    result = msvc.command("reexec", *args)
    assert result.returncode == 0, result.stderr + msvc.all_logs()


def in_background(msvc, *args):
    return subprocess.Popen([BIN / "msvc", "-c", msvc.conf, *args], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def children(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def descriptors(pid):
    return sorted((int(fd) for fd in os.listdir(f"/proc/{pid}/fd")))


# -- programs that are no good


def test_a_check_that_hangs_holds_up_nothing_and_ends(msvc):
    msvc.start(ECHO + sleeper("a"))
    other = script(msvc, "hang", "echo $$ >{0}/hang.pid\nsleep 1000\n".format(msvc.dir))
    client = in_background(msvc, "reexec", other)
    pid_file = msvc.dir / "hang.pid"
    pid = int(wait_for(lambda: pid_file.exists() and pid_file.read_text().strip(), "the check"))
    children_of_it = wait_for(lambda: children(pid), "its sleep")
    result = msvc.command("reexec")
    assert result.returncode == 1 and "another reexec is under way" in result.stderr
    assert msvc.get("/hello").status == 200
    msvc.kill("a")
    msvc.wait_state("a", "ready", generation=2)
    assert client.wait(DEADLINE) == 1
    assert "no answer within 10000 ms" in client.communicate()[1]
    wait_for(lambda: not any(is_running(p) for p in (pid, *children_of_it)), "the check to end")
    reexec(msvc)


def test_a_check_that_says_a_lot_is_refused(msvc):
    msvc.start(ECHO)
    other = script(msvc, "loud", "printf '\\033[2J\\377no\\n'; head -c 1000000 /dev/zero\nexit 1\n")
    result = msvc.command("reexec", other)
    assert result.returncode == 1
    assert "?[2J?no" in result.stderr
    assert msvc.get("/hello").status == 200
    reexec(msvc)


def test_a_directory_and_a_text_are_refused(msvc):
    msvc.start(ECHO)
    result = msvc.command("reexec", msvc.dir)
    assert result.returncode == 1 and "Permission denied" in result.stderr
    text = msvc.dir / "text"
    text.write_text("this is not a program\n")
    text.chmod(0o755)
    assert msvc.command("reexec", text).returncode == 1
    reexec(msvc)


def test_one_that_is_gone_when_its_turn_comes_is_refused(msvc):
    """Everything goes on, the probe that was cancelled for it too."""
    probes = msvc.dir / "probes"
    probe = script(msvc, "probe", f"echo >>{probes}\n")
    msvc.start(ECHO + sleeper("a", f"health = command {probe}\nhealth_interval = 50ms\n"
                                   "health_timeout = 1s"))
    result = msvc.command("reexec", script(msvc, "once", 'rm "$0"\n'))
    assert result.returncode == 1
    assert "No such file or directory" in result.stderr
    count = len(probes.read_text()) if probes.exists() else 0
    wait_for(lambda: probes.exists() and len(probes.read_text()) > count + 3, "further probes")
    msvc.kill("a")
    msvc.wait_state("a", "ready", generation=2)
    assert msvc.get("/hello").status == 200
    reexec(msvc)


def test_one_that_cannot_go_on_after_all_leaves_nothing_and_says_so(msvc):
    (msvc.dir / "state").write_bytes(b"\x81\xa7version\x63")
    msvc.start(ECHO + sleeper("a"))
    supervisor = msvc.lock_pid()
    pids = children(supervisor)
    other = script(msvc, "liar", '[ "$1" = reexec-check ] && exit 0\nshift 2\n'
                   f"exec '{BIN}/msvc' reexec-resume 9 \"$@\" 9<{msvc.dir}/state\n")
    msvc.command("reexec", other)
    wait_for(lambda: not any(is_running(p) for p in (supervisor, *pids)), "all to end")
    msvc.log_has(r"cannot go on after reexec: .* is 99; killing all services")
    msvc.start(ECHO)
    assert msvc.get("/hello").status == 200


def test_want_of_memory_after_the_exec_is_tried_again(msvc):
    if "san" in BUILD.name or shutil.which("cc") is None:
        pytest.skip("needs a compiler, and the C library's own allocator")
    library = msvc.dir / "poor.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library,
                    pathlib.Path(__file__).with_name("poor.c")], check=True)
    left = msvc.dir / "left"
    msvc.write(ECHO + sleeper("a", "instances = 3"))
    started = msvc.command("start", env={"LD_PRELOAD": str(library), "POOR_RESUMES": str(left)})
    assert started.returncode == 0, started.stderr
    msvc.supervisor_pid = msvc.lock_pid()
    pids = children(msvc.supervisor_pid)
    for number in (1, 5, 20, 60):
        left.write_text(f"{number}\n")
        reexec(msvc)
        assert not left.exists()
    assert children(msvc.supervisor_pid) == pids
    msvc.log_has("cannot go on yet after reexec: .*; trying again")
    assert msvc.get("/hello").status == 200


def test_one_that_ends_at_once_leaves_nothing(msvc):
    msvc.start(ECHO + sleeper("a"))
    supervisor = msvc.lock_pid()
    pids = children(supervisor)
    msvc.command("reexec", script(msvc, "liar", '[ "$1" = reexec-check ]\n'))
    wait_for(lambda: not any(is_running(p) for p in (supervisor, *pids)), "all to end")
    msvc.start(ECHO)
    assert msvc.get("/hello").status == 200


# -- at a bad moment


def test_while_it_stops_it_is_refused(msvc):
    script(msvc, "stub", f"trap '' TERM\n: >{msvc.dir}/trap\nwhile :; do sleep 0.02; done\n")
    msvc.start("[service stub]\ncommand = {dir}/stub\nready = none\nstop_timeout = 2s\n")
    wait_for((msvc.dir / "trap").exists, "its trap")
    stopping = in_background(msvc, "stop")
    msvc.log_has("supervisor: .*stopping")
    result = msvc.command("reexec")
    assert result.returncode == 1
    assert "is stopping" in result.stderr
    assert stopping.wait(DEADLINE) == 0
    stopping.communicate()


def test_a_signal_that_comes_meanwhile_is_not_lost(msvc):
    msvc.start(ECHO + sleeper("a"))
    pid = msvc.lock_pid()
    for _ in range(5):
        client = in_background(msvc, "reexec")
        count = len(re.findall("supervisor: reload|configuration", msvc.log("msvc")))
        msvc.log_has("goes on as")
        os.kill(pid, signal.SIGHUP)
        assert client.wait(DEADLINE) == 0
        client.communicate()
        wait_for(lambda: len(re.findall("supervisor: reload|configuration", msvc.log("msvc")))
                 > count, "the reload")
    client = in_background(msvc, "reexec")
    os.kill(pid, signal.SIGTERM)
    client.wait(DEADLINE)
    client.communicate()
    wait_for(lambda: not is_running(pid), "its end")


def test_while_the_router_waits_for_its_next_start(msvc):
    msvc.start(ECHO)

    def router():
        return msvc.status()["supervisor"]["router"]

    for _ in range(4):
        pid = wait_for(lambda: router()["pid"], "a router")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: router()["pid"] != pid, "its end")
    reexec(msvc)
    wait_for(lambda: router()["state"] == "ready", "a router")
    assert msvc.get("/hello").status == 200


def test_while_the_logger_hangs_no_line_is_lost(msvc):
    (msvc.dir / "talk.sh").write_text(
        f"while [ ! -e {msvc.dir}/go ]; do sleep 0.02; done\n"
        "i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo line $i.; done\nexec sleep 1000\n")
    msvc.start("[service talk]\ncommand = /bin/sh {dir}/talk.sh\nready = none\n")
    logger = msvc.status()["supervisor"]["logger"]["pid"]
    os.kill(logger, signal.SIGSTOP)
    try:
        (msvc.dir / "go").touch()
        reexec(msvc)
        reexec(msvc)
    finally:
        os.kill(logger, signal.SIGCONT)
    msvc.log_has(r"line 500\.", "talk")
    assert len(re.findall(r"line \d+\.", msvc.log("talk"))) == 500
    assert len(re.findall("goes on, msvc", msvc.log("msvc"))) == 2


def test_what_others_wait_for_is_answered_by_the_next(msvc):
    script(msvc, "late", f"while [ ! -e {msvc.dir}/go ]; do sleep 0.02; done\n"
                         f"exec {msvc.dir}/samples/echo\n")
    script(msvc, "slow", f"trap 'while [ ! -e {msvc.dir}/go ]; do sleep 0.02; done; exit 0' TERM\n"
                         f": >{msvc.dir}/trap\nwhile :; do sleep 0.02; done\n")
    (msvc.dir / "go").touch()
    text = ("[service late]\ncommand = {dir}/late\nroute = /\ninstances = 1\n"
            "[service slow]\ncommand = {dir}/slow\nready = none\n" + sleeper("a"))
    msvc.start(text)
    wait_for((msvc.dir / "trap").exists, "its trap")
    (msvc.dir / "go").unlink()
    clients = [in_background(msvc, "scale", "late=3"), in_background(msvc, "stop", "slow")]
    wait_for(lambda: len(msvc.service("late")["instances"]) == 3, "three of them")
    wait_for(lambda: msvc.instance("slow")["state"] == "stopping", "the stop")
    reexec(msvc)
    assert len(msvc.service("late")["instances"]) == 3
    assert all(client.poll() is None for client in clients)
    (msvc.dir / "go").touch()
    for client in clients:
        assert client.wait(DEADLINE) == 0, client.communicate()
        client.communicate()
    assert [i["state"] for i in msvc.service("late")["instances"]] == ["ready"] * 3
    assert msvc.instance("slow")["state"] == "stopped"


def test_jobs_sleepers_and_numbers_go_on(msvc):
    script(msvc, "once", f"echo >>{msvc.dir}/runs\n"
                         f"while [ ! -e {msvc.dir}/go ]; do sleep 0.02; done\n")
    msvc.start(
        sleeper("n") + "[service idle]\ncommand = {samples}/echo\nroute = /idle\nidle_stop = 100ms\n"
        "[service job]\ncommand = {dir}/once\nschedule = 0 0 1 1 *\n")
    running = in_background(msvc, "start", "job")
    wait_for((msvc.dir / "runs").exists, "the job")
    assert msvc.command("scale", "n=3").returncode == 0
    wait_for(lambda: msvc.instance("idle")["state"] == "stopped", "its sleep")
    reexec(msvc)
    assert running.poll() is None
    assert len(msvc.service("n")["instances"]) == 3
    assert msvc.instance("idle")["state"] == "stopped"
    assert msvc.get("/idle/x").status == 200
    # Without a change of the file its number is the operator's.
    assert msvc.command("reload").returncode == 0
    assert len(msvc.service("n")["instances"]) == 3
    (msvc.dir / "go").touch()
    assert running.wait(DEADLINE) == 0, running.communicate()
    running.communicate()
    assert msvc.service("job")["schedule"]["runs"] == 1
    assert (msvc.dir / "runs").read_text() == "\n"


def test_a_oneshot_that_runs_lets_those_behind_it_start(msvc):
    script(msvc, "once", f"echo >>{msvc.dir}/runs\n"
                         f"while [ ! -e {msvc.dir}/go ]; do sleep 0.02; done\n")
    msvc.write("[service once]\ncommand = {dir}/once\ntype = oneshot\n"
               + sleeper("behind", "requires = once"))
    starting = in_background(msvc, "start")
    wait_for((msvc.dir / "runs").exists, "the oneshot")
    msvc.supervisor_pid = msvc.lock_pid()
    reexec(msvc)
    assert msvc.instance("behind")["pid"] in (None, 0)
    (msvc.dir / "go").touch()
    assert starting.wait(DEADLINE) == 0, starting.communicate()
    starting.communicate()
    msvc.wait_state("behind", "ready")
    reexec(msvc)
    assert (msvc.dir / "runs").read_text() == "\n"
    assert msvc.instance("behind")["state"] == "ready"


def test_a_crash_that_is_not_written_yet_is_written_by_the_next(msvc):
    msvc.start(ECHO + sleeper("a"))
    router = msvc.status()["supervisor"]["router"]["pid"]
    # What was in flight is the router's to tell: it is waited for.
    os.kill(router, signal.SIGSTOP)
    try:
        pid = msvc.kill("echo", sig=signal.SIGABRT)
        wait_for(lambda: not is_running(pid), "its end")
        reexec(msvc)
    finally:
        os.kill(router, signal.SIGCONT)
    msvc.wait_state("echo", "ready", generation=2)
    found = wait_for(lambda: "echo/1" in msvc.command("crash").stdout, "its bundle")
    assert found
    assert msvc.get("/hello").status == 200


def test_a_group_restart_goes_on(msvc):
    script(msvc, "slow", f"trap 'while [ ! -e {msvc.dir}/go ]; do sleep 0.02; done; exit 0' TERM\n"
                         f"echo >>{msvc.dir}/traps\nwhile :; do sleep 0.02; done\n")
    text = ("[group g]\nstrategy = one_for_all\nservices = a, slow\n" + sleeper("a")
            + "[service slow]\ncommand = {dir}/slow\nready = none\nstop_timeout = 10s\n")
    msvc.start(text)
    wait_for((msvc.dir / "traps").exists, "its trap")
    msvc.kill("a")
    wait_for(lambda: msvc.instance("slow")["state"] == "stopping", "the group to stop")
    reexec(msvc)
    assert msvc.instance("slow")["state"] == "stopping"
    (msvc.dir / "go").touch()
    msvc.wait_state("a", "ready", generation=2)
    msvc.wait_state("slow", "ready", generation=2)


def test_fifty_times_with_deaths_and_load_lose_and_leave_nothing(msvc):
    msvc.start("[service echo]\ncommand = {samples}/echo\nroute = /\ninstances = 3\n"
               + sleeper("a", "instances = 5\nrestart_limit = none\nrestart_delay = 1ms\n"
                              "restart_delay_max = 1ms"))
    status = msvc.status()["supervisor"]
    keepers = [status["pid"], status["router"]["pid"], status["logger"]["pid"]]
    reexec(msvc)
    msvc.wait_state("a", "ready")
    before = [len(descriptors(pid)) for pid in keepers]
    echo = descriptors(msvc.pid("echo"))
    with msvc.load("GET", "/hello", connections=4) as load:
        for number in range(50):
            client = in_background(msvc, "reexec")
            for instance in msvc.service("a")["instances"] if number % 3 == 0 else []:
                if instance["pid"]:
                    os.kill(instance["pid"], signal.SIGKILL)
            assert client.wait(DEADLINE) == 0, client.communicate()
            client.communicate()
    assert load.failures == []
    wait_for(lambda: all(i["state"] == "ready" for i in msvc.service("a")["instances"]),
             "all to be back")
    assert descriptors(msvc.pid("a")) == [0, 1, 2]
    assert descriptors(msvc.pid("echo")) == echo

    def counts():
        return [len(descriptors(pid)) for pid in keepers]

    wait_for(lambda: all(now <= then + 1 for now, then in zip(counts(), before)),
             f"{before} descriptors")
    assert len(children(status["pid"])) == 10
