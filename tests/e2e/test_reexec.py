"""msvc reexec: the supervisor becomes another program, and nobody else notices."""

import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import threading

import pytest

from conftest import BIN, DEADLINE, ECHO, ROOT, is_running, wait_for

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


def resumed(msvc):
    return len(re.findall(r"goes on, msvc", msvc.log("msvc")))


def picture(msvc):
    """What must not change: who runs, with which pid, since when."""
    status = msvc.status()
    sup = status["supervisor"]
    return (
        sup["pid"], sup["since"], sup["router"]["pid"], sup["logger"]["pid"],
        [(s["name"], s["state"], [(i["pid"], i["generation"], i["restarts"], i["since"])
          for i in s["instances"]]) for s in status["services"]],
    )


@pytest.fixture
def copies(msvc):
    """Another set of the programs, which a test may spoil."""
    bin_dir = msvc.dir / "bin"
    bin_dir.mkdir()
    for name in ("msvc", "msvc-router", "msvc-logger"):
        shutil.copy2(BIN / name, bin_dir / name)
    return bin_dir


def test_all_processes_stay_what_they_are(msvc):
    msvc.start(ECHO + sleeper("a", "instances = 3") + sleeper("b"))
    before = picture(msvc)
    reexec(msvc)
    assert picture(msvc) == before
    assert resumed(msvc) == 1
    assert msvc.get("/hello").status == 200


def test_another_program_goes_on_in_its_place(msvc, copies):
    msvc.start(ECHO)
    before = picture(msvc)
    assert os.readlink(f"/proc/{before[0]}/exe") == str((BIN / "msvc").resolve())
    reexec(msvc, copies / "msvc")
    assert os.readlink(f"/proc/{before[0]}/exe") == str(copies / "msvc")
    assert picture(msvc) == before
    # And the next time it is the one that runs, by its name.
    reexec(msvc)
    assert os.readlink(f"/proc/{before[0]}/exe") == str(copies / "msvc")


def test_no_request_fails_meanwhile_and_processes_are_restarted_after_it(msvc):
    msvc.start("[service echo]\ncommand = {samples}/echo\nroute = /\ninstances = 2\n")
    before = picture(msvc)
    with msvc.load("GET", "/hello", connections=8) as load:
        load.wait_answers(50)
        for _ in range(3):
            reexec(msvc)
            load.wait_answers(50)
    assert load.failures == []
    assert picture(msvc) == before
    msvc.kill("echo", 1)
    msvc.wait_state("echo", "ready", generation=2)
    router = msvc.status()["supervisor"]["router"]["pid"]
    os.kill(router, signal.SIGKILL)
    wait_for(lambda: msvc.status()["supervisor"]["router"]["pid"] not in (router, None),
             "another router")
    assert msvc.get("/hello").status == 200


def test_twenty_times_leave_no_descriptor_behind(msvc):
    msvc.start(ECHO + sleeper("a"))
    before = picture(msvc)

    def descriptors():
        return sorted(os.listdir(f"/proc/{before[0]}/fd"), key=int)

    reexec(msvc)
    count = len(descriptors())
    for _ in range(19):
        reexec(msvc)
    # The client of the last one may not be gone yet.
    wait_for(lambda: len(descriptors()) <= count, "descriptors to be closed")
    assert picture(msvc) == before
    assert resumed(msvc) == 20


def test_the_backoff_and_its_record_go_on(msvc):
    msvc.start("[service bad]\ncommand = /bin/false\nready = none\nrestart_delay = 700ms\n"
               "restart_delay_max = 700ms\nrestart_limit = 4/1h\n", check=False)
    wait_for(lambda: msvc.instance("bad")["state"] == "backoff"
             and msvc.instance("bad")["restarts"] >= 2, "two restarts")
    reexec(msvc)
    msvc.log_has(r"bad/1.*failed: more than 4 restarts")
    assert len(re.findall(r"bad/1\[\d+\]: exited 1", msvc.log("msvc"))) == 5


def test_the_watchdog_goes_on(msvc):
    script(msvc, "once", "env -u WATCHDOG_USEC true\nexec sleep 1000\n")
    msvc.start("[service once]\ncommand = /bin/sh {dir}/once\nready = none\nwatchdog = 2s\n")
    reexec(msvc)
    assert not re.search("watchdog: silent", msvc.log("msvc"))
    msvc.log_has(r"once/1.*watchdog: silent for 2000 ms")


def test_one_that_is_starting_becomes_ready_after_it(msvc):
    script(msvc, "late", "while [ ! -e {0}/go ]; do sleep 0.02; done\nexec {0}/samples/echo\n"
           .format(msvc.dir))
    msvc.write("[service late]\ncommand = {dir}/late\nroute = /\n" + sleeper("behind", "after = late"))
    starting = subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "start"],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: msvc.command("status").returncode == 0 and msvc.pid("late"), "its start")
        msvc.supervisor_pid = msvc.lock_pid()
        pid = msvc.pid("late")
        reexec(msvc)
        assert msvc.instance("behind")["state"] == "starting"
        (msvc.dir / "go").touch()
        # It waits since before, and is answered by the one behind it.
        assert starting.wait(DEADLINE) == 0, starting.stderr.read()
    finally:
        if starting.poll() is None:
            starting.kill()
        starting.communicate()
    assert msvc.pid("late") == pid
    assert msvc.instance("behind")["state"] == "ready"


def test_one_that_is_stopping_is_killed_after_its_time(msvc):
    script(msvc, "stub", "trap '' TERM\n: >{0}/trap\nwhile :; do sleep 0.02; done\n"
           .format(msvc.dir))
    msvc.start("[service stub]\ncommand = {dir}/stub\nready = none\nstop_timeout = 2s\n")
    wait_for((msvc.dir / "trap").exists, "its trap")
    pid = msvc.pid("stub")
    thread = threading.Thread(target=lambda: msvc.command("stop", "stub"))
    thread.start()
    wait_for(lambda: msvc.instance("stub")["state"] == "stopping", "stopping")
    reexec(msvc)
    assert msvc.instance("stub")["state"] == "stopping" and is_running(pid)
    thread.join(DEADLINE)
    assert not is_running(pid)
    assert msvc.instance("stub")["state"] == "stopped"
    msvc.log_has(r"stub/1.*not stopped within 2000 ms")


def test_an_end_that_nobody_has_reaped_yet_is_seen(msvc):
    msvc.start(ECHO + sleeper("a"))
    thread = threading.Thread(target=lambda: reexec(msvc))
    thread.start()
    msvc.kill("a")
    thread.join(DEADLINE)
    msvc.wait_state("a", "ready", generation=2)


def test_the_configuration_in_use_stays_whatever_the_file_has_become(msvc):
    extra = msvc.dir / "extra.ini"
    extra.write_text(sleeper("extra"))
    msvc.start(ECHO, head=f"include = {extra}")
    before = picture(msvc)
    extra.unlink()
    msvc.conf.write_text("[what is\nthis")
    assert subprocess.run([BIN / "msvc", "-r", msvc.run_dir, "reexec"],
                          capture_output=True).returncode == 0
    text = subprocess.run([BIN / "msvc", "-r", msvc.run_dir, "-o", "json", "status"],
                          capture_output=True, text=True).stdout
    assert [s["name"] for s in json.loads(text)["services"]] == ["echo", "extra"]
    msvc.write(ECHO, head=f"include = {extra}")
    extra.write_text(sleeper("extra"))
    assert picture(msvc) == before
    result = msvc.command("reload")
    assert result.stdout.startswith("services: 0 added, 0 removed, 0 restarted")


def test_what_an_operator_has_stopped_or_quarantined_or_broken_stays_so(msvc):
    msvc.start(ECHO + sleeper("a") + sleeper("b"))
    assert msvc.command("stop", "a").returncode == 0
    assert msvc.command("drain", "b").returncode == 0
    assert msvc.command("fault", "echo", "error=503", "--for", "1h").returncode == 0
    wait_for(lambda: msvc.get("/hello").status == 503, "the fault")
    reexec(msvc)
    assert msvc.instance("a")["state"] == "stopped"
    assert msvc.instance("b")["state"] == "draining"
    assert msvc.get("/hello").status == 503
    assert msvc.command("fault", "echo", "none").returncode == 0
    wait_for(lambda: msvc.get("/hello").status == 200, "its end")
    assert msvc.command("undrain", "b").returncode == 0
    assert msvc.command("start", "a").returncode == 0


def test_what_a_hanging_router_has_not_read_waits_for_it(msvc):
    (msvc.dir / "large.txt").write_text("x" * 60000)
    many = "".join(f"[route r{n}]\nmatch = GET /r{n}\nservice = echo\n"
                   "fallback = file {dir}/large.txt\n" for n in range(50))
    msvc.start(ECHO + many)
    router = msvc.status()["supervisor"]["router"]["pid"]
    os.kill(router, signal.SIGSTOP)
    try:
        # Far more than its socket takes, the listeners among it.
        result = msvc.reload(ECHO.replace("route = /", "route = /new") + many)
        assert result.returncode == 0, result.stderr
        reexec(msvc)
        reexec(msvc)
    finally:
        os.kill(router, signal.SIGCONT)
    wait_for(lambda: msvc.get("/old").status == 404, "the last picture to apply")
    assert msvc.get("/new/x").status == 200
    msvc.kill("echo")
    msvc.wait_state("echo", "ready", generation=2)
    assert msvc.get("/r49").status == 200
    assert msvc.status()["supervisor"]["router"]["pid"] == router


def test_a_rolling_restart_goes_on(msvc):
    msvc.start("[service echo]\ncommand = {samples}/echo\nroute = /\ninstances = 2\nramp = 2s\n")
    done = []
    thread = threading.Thread(target=lambda: done.append(msvc.command("restart", "echo")))
    thread.start()
    wait_for(lambda: len(msvc.service("echo")["instances"]) == 3, "one beside another")
    reexec(msvc)
    assert len(msvc.service("echo")["instances"]) == 3
    thread.join(DEADLINE)
    assert done[0].returncode == 0, done[0].stderr
    assert [i["generation"] for i in msvc.service("echo")["instances"]] == [2, 2]


@pytest.mark.parametrize("text, says", [
    ("echo it is of no use; exit 1\n", "it is of no use"),
    ("exit 3\n", "exited 3"),
    ("kill -9 $$\n", "killed by signal 9"),
])
def test_a_program_that_cannot_take_over_is_refused_with_its_reason(msvc, text, says):
    msvc.start(ECHO)
    before = picture(msvc)
    result = msvc.command("reexec", script(msvc, "other", text))
    assert result.returncode == 1
    assert says in result.stderr
    msvc.log_has("reexec refused")
    assert picture(msvc) == before
    assert msvc.get("/hello").status == 200
    reexec(msvc)


def test_a_program_without_its_companions_is_refused(msvc, copies):
    msvc.start(ECHO)
    before = picture(msvc)
    (copies / "msvc-router").unlink()
    result = msvc.command("reexec", copies / "msvc")
    assert result.returncode == 1
    assert "msvc-router: No such file or directory" in result.stderr
    assert picture(msvc) == before


@pytest.mark.parametrize("state, says", [
    (b"\x81\xa7version\x63", "reads state of version 1, that of the running supervisor is 99"),
    (b"\x81\xa7version\x01", "state: malformed"),
    (b"\x82\xa7version\x01\xaasupervisor\x93", "supervisor: record: malformed"),
    (b"\x82\xa7version\x01\xaasupervisor\x81\xa5phase\xa1x", "malformed"),
    (b"\xff" * 100, "state: malformed"),
    (b"", "no state"),
])
def test_state_that_a_program_cannot_read_is_refused_by_it(tmp_path, state, says):
    (tmp_path / "state").write_bytes(state)
    result = subprocess.run(["/bin/sh", "-c", f"exec '{BIN}/msvc' reexec-check 3<{tmp_path}/state"],
                            capture_output=True, text=True)
    assert result.returncode == 1
    assert says in result.stderr


def test_no_program_at_all_is_refused(msvc):
    msvc.start(ECHO)
    result = msvc.command("reexec", "/nowhere/msvc")
    assert result.returncode == 1
    assert "/nowhere/msvc: No such file or directory" in result.stderr
    (msvc.dir / "plain").write_text("not to be run")
    result = msvc.command("reexec", msvc.dir / "plain")
    assert result.returncode == 1
    assert "Permission denied" in result.stderr


def test_stop_after_it_leaves_nothing(msvc):
    msvc.start(ECHO + sleeper("a"))
    pid = msvc.lock_pid()
    reexec(msvc)
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) == 4
    assert msvc.stop().returncode == 0
    assert not any(is_running(int(child)) for child in children)
    wait_for(lambda: not is_running(pid), "its end")
    assert sorted(p.name for p in msvc.run_dir.iterdir()) == ["lock"]


# -- the tables of fields

# What is handed on by other means, or made anew, or holds within a turn only.
NOT_IN_A_TABLE = {
    "instance": {"report", "service", "conf", "by_pid", "index", "backoff", "streams", "prober"},
    "service": {"link", "by_name", "sup", "conf", "old_conf", "user", "old_user", "other_user",
                "name", "group", "blocker", "beside", "instances", "count", "is_marked"},
    "service_roll": set(),
    "service_load": set(),
    "autoscale": set(),
    "schedule_run": set(),
    "group": {"link", "name", "services", "conf", "backoff", "cause"},
    "backoff": {"restarts", "ring_head", "ring_count"},
    "control_client": {"link", "server", "io", "pending", "scale"},
    "control_goal": set(),
    "role": {"sup", "kind", "name", "program", "feed", "out_fd", "err_fd"},
    "listener": set(),
    "cgroups": {"leftovers", "leftover_count"},
    "crash": {"link", "crashes"},
    "fault": {"link", "faults"},
    "stream": {"link", "owned", "is_owned", "label", "pattern", "text"},
    "supervise": {
        "loop", "conf", "old_confs", "old_conf_count", "is_hurried", "program", "own", "cgroups",
        "listeners", "sockets", "schedules", "streams", "router", "logger", "control", "failures",
        "probes", "reexec", "signal_fd", "null_fd", "notify", "signals", "changed", "reap", "swept"},
}


def members(name):
    """The names of a struct's members, wherever in supervisor/ it is defined."""
    for path in sorted((ROOT / "supervisor").glob("*.[ch]")):
        found = re.search(rf"^struct {name} {{\n(.*?)^}};", path.read_text(), re.S | re.M)
        if found:
            break
    text = re.sub(r"/\*.*?\*/", "", found[1], flags=re.S)
    names = set()
    for declaration in text.split(";"):
        declaration = re.sub(r"\([^)]*\)", "", declaration)
        for part in declaration.split(","):
            word = re.search(r"(\w+)(\[[^]]*\])?\s*$", part.strip())
            if word:
                names.add(word[1])
    return names


@pytest.mark.parametrize("name", sorted(NOT_IN_A_TABLE))
def test_every_member_is_handed_on_or_known_not_to_be(name):
    """A member that a struct gets later is one line in its table, or one here."""
    source = "".join(p.read_text() for p in sorted((ROOT / "supervisor").glob("*.c")))
    kept = set()
    for owner, path in re.findall(r"KEEP_FIELD\(\s*KEEP_\w+,\s*(\w+),\s*([\w.]+)\)", source):
        parts = path.split(".")
        if owner == name:
            kept.add(parts[0])
        # "load.autoscale.late" of a service is a member of autoscale.
        inner = {"roll": "service_roll", "load": "service_load", "autoscale": "autoscale",
                 "schedule": "schedule_run", "goal": "control_goal", "backoff": "backoff"}
        for outer, member in zip(parts, parts[1:]):
            if inner.get(outer) == name:
                kept.add(member)
    assert members(name) - kept - NOT_IN_A_TABLE[name] == set()
