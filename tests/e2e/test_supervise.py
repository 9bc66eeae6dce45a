"""Start, restart, stop, reload: what the supervisor does with processes."""

import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import time

import pytest

from conftest import BIN, ECHO, SAMPLES, is_running, wait_for

SLEEPER = "[service {name}]\ncommand = /bin/sleep 1000\nready = none\n{more}\n"


def sleeper(name, more=""):
    return SLEEPER.format(name=name, more=more)


def shell(name, script, more="ready = none\n"):
    """A service whose command is a shell script written beside the config."""
    return f"[service {name}]\ncommand = /bin/sh {{dir}}/{name}.sh\n{more}\n", script


def write_script(msvc, name, text):
    (msvc.dir / f"{name}.sh").write_text(text)


def write_trap(msvc, name, action, number="TERM"):
    """A script that does action on a signal; wait_trap() tells that it would."""
    write_script(
        msvc, name,
        f"trap '{action}' {number}\n: >{msvc.dir}/{name}.$MSVC_INSTANCE.trap\n"
        "while :; do sleep 0.02; done\n")


def wait_trap(msvc, name, instances=1):
    """Ready means started: a shell that is slow to begin has no trap yet."""
    for index in range(1, instances + 1):
        wait_for((msvc.dir / f"{name}.{index}.trap").exists, f"the trap of {name}/{index}")


def children(pid):
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(p) for p in text.split()]


# -- start


def test_three_services_run_as_children_of_the_supervisor(msvc):
    msvc.start(sleeper("a") + sleeper("b") + sleeper("c"))
    pids = [msvc.pid(name) for name in "abc"]
    assert len(set(pids)) == 3
    assert set(pids) <= set(children(msvc.supervisor_pid))


def test_a_missing_program_is_named_and_others_run(msvc):
    result = msvc.start(
        sleeper("good") + "[service bad]\ncommand = ./nosuch\nrestart_limit = 1/60s\n",
        check=False)
    assert result.returncode == 1
    assert "bad" in result.stderr and "nosuch" in result.stderr
    assert "No such file" in result.stderr
    assert msvc.instance("good")["state"] == "ready"
    msvc.wait_state("bad", "failed")


def test_a_missing_directory_is_named(msvc):
    result = msvc.start(
        "[service a]\ncommand = /bin/sleep 9\nready = none\ndir = /nosuchdir\n"
        "restart_limit = 1/60s\n", check=False)
    assert result.returncode == 1 and "/nosuchdir" in result.stderr


def test_the_child_has_its_directory_and_a_clean_environment(msvc):
    write_script(msvc, "a", "env > env.txt; umask > umask.txt; exec sleep 1000\n")
    (msvc.dir / "here").mkdir()
    (msvc.dir / "here" / "x").write_text("")
    msvc.write(shell("a", "")[0] + "dir = here\nenv.COLOUR = green and blue\n")
    result = msvc.command("start", env={"SECRET_OF_ADMIN": "1"})
    assert result.returncode == 0, result.stderr
    msvc.supervisor_pid = msvc.lock_pid()
    text = wait_for(
        lambda: (msvc.dir / "here/umask.txt").exists()
        and (msvc.dir / "here/env.txt").read_text(), "env.txt")
    env = dict(line.split("=", 1) for line in text.splitlines())
    assert env["COLOUR"] == "green and blue"
    assert env["MSVC_SERVICE"] == "a" and env["MSVC_INSTANCE"] == "1"
    assert env["MSVC_GENERATION"] == "1"
    assert env["MSVC_LISTEN"].startswith("ipc://")
    for name in ("MSVC_ROUTER", "MSVC_PUB", "MSVC_SUB", "NOTIFY_SOCKET", "PATH"):
        assert env[name]
    assert "SECRET_OF_ADMIN" not in env
    assert os.readlink(f"/proc/{msvc.pid('a')}/cwd") == str(msvc.dir / "here")


def test_the_child_has_no_descriptors_of_the_supervisor(msvc):
    msvc.start(sleeper("a") + sleeper("b"))
    # Right after exec it has a library open for a moment; what leaks stays.
    wait_for(lambda: sorted(os.listdir(f"/proc/{msvc.pid('b')}/fd")) == ["0", "1", "2"],
             "no other descriptors")
    assert os.readlink(f"/proc/{msvc.pid('b')}/fd/0") == "/dev/null"
    assert os.readlink(f"/proc/{msvc.pid('b')}/fd/1").startswith("pipe:")


def test_the_child_leads_a_session_with_a_clean_signal_mask(msvc):
    msvc.start(sleeper("a"))
    pid = msvc.pid("a")
    assert os.getsid(pid) == pid and os.getpgid(pid) == pid
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    for field in ("SigBlk", "SigIgn"):
        assert int(re.search(rf"{field}:\s+(\w+)", status).group(1), 16) == 0, field


def test_after_waits_for_ready_and_stop_goes_backwards(msvc):
    order = msvc.dir / "order"
    (msvc.dir / "svc.py").write_text(
        "import os, signal, socket, sys\n"
        "def say(word):\n"
        f"    with open({str(order)!r}, 'a') as file: print(word, sys.argv[1], file=file)\n"
        "signal.signal(signal.SIGTERM, lambda *_: (say('stop'), sys.exit(0)))\n"
        "say('start')\n"
        "sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "sock.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])\n"
        "while True: signal.pause()\n")
    msvc.start("".join(
        f"[service {name}]\ncommand = /usr/bin/python3 {{dir}}/svc.py {name}\n"
        f"ready = notify\n{after}\n"
        for name, after in (("c", "after = b"), ("b", "after = a"), ("a", ""))))
    assert msvc.stop().returncode == 0
    assert order.read_text().split("\n")[:-1] == [
        "start a", "start b", "start c", "stop c", "stop b", "stop a"]


def test_a_service_that_never_gets_ready_is_told(msvc):
    result = msvc.start(
        "[service a]\ncommand = /bin/sleep 1000\nready = notify\nready_timeout = 300ms\n",
        check=False)
    assert result.returncode == 1
    assert "a" in result.stderr and "ready" in result.stderr


def test_an_sdk_service_ready_late_is_waited_for(msvc):
    started = time.monotonic()
    msvc.start("[service echo]\ncommand = {samples}/echo --ready-after 400\nroute = /\n")
    assert time.monotonic() - started >= 0.4
    assert msvc.get("/hello").status == 200


def test_a_second_start_is_refused_and_names_the_pid(echo):
    result = echo.command("start")
    assert result.returncode == 1
    assert str(echo.supervisor_pid) in result.stderr
    assert echo.get("/hello").status == 200


def test_files_of_others_in_the_run_directory_stay(msvc):
    """Not every run directory is msvc's alone: run_dir = . beside svc/NAME/main.c"""
    source = msvc.run_dir / "svc" / "a"
    source.mkdir(parents=True)
    for name in ("main.c", "1", "1.2.c", ".1"):
        (source / name).write_text("precious")
    (source / "1.7").write_text("left by a killed supervisor")
    msvc.start(sleeper("a"))
    assert sorted(p.name for p in source.iterdir()) == [".1", "1", "1.2.c", "main.c"]
    assert msvc.stop().returncode == 0
    assert sorted(p.name for p in source.iterdir()) == [".1", "1", "1.2.c", "main.c"]


def test_start_keeps_no_descriptor_of_its_caller(msvc):
    """A script that starts msvc under a lock can let the lock go."""
    msvc.write(sleeper("a"))
    with open(msvc.dir / "deploy.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert msvc.command("start", pass_fds=[lock.fileno()]).returncode == 0
    msvc.supervisor_pid = msvc.lock_pid()
    with open(msvc.dir / "deploy.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may start services of others")
def test_a_strict_umask_does_not_lock_out_services_of_other_users(msvc):
    os.chmod(msvc.dir, 0o755)
    msvc.run_dir = msvc.dir / "deep" / "run"
    program = shutil.copy(SAMPLES / "echo", msvc.dir / "echo")
    msvc.write(f"[service echo]\ncommand = {program}\nuser = nobody\nroute = /\n")
    result = msvc.command("start", umask=0o077)
    msvc.supervisor_pid = msvc.lock_pid()
    assert result.returncode == 0, result.stderr + msvc.all_logs()
    assert msvc.get("/hello").status == 200


@pytest.mark.skipif(os.getuid() != 0, reason="only root may make links of others")
def test_a_run_directory_that_another_user_has_linked_is_refused(msvc):
    private = msvc.dir / "private"
    private.mkdir(mode=0o700)
    msvc.run_dir.symlink_to(private)
    os.lchown(msvc.run_dir, 65534, 65534)
    result = msvc.start(sleeper("a"), check=False)
    assert result.returncode == 1 and "belongs to user 65534" in result.stderr
    assert stat.S_IMODE(private.stat().st_mode) == 0o700 and not list(private.iterdir())


@pytest.mark.skipif(os.getuid() != 0, reason="only root may start services of others")
def test_a_service_of_another_user_may_open_its_own_output(msvc):
    os.chmod(msvc.dir, 0o755)
    script = msvc.dir / "a.sh"
    script.write_text("echo one >/dev/stdout; echo two >/dev/stderr; exec sleep 1000\n")
    msvc.start(f"[service a]\ncommand = /bin/sh {script}\nuser = nobody\nready = none\n")
    assert msvc.log_has("a/1 one\n", "a") and msvc.log_has("a/1 two\n", "a")


def test_a_taken_address_is_named(echo, tmp_path):
    other = tmp_path / "other.ini"
    other.write_text(
        f"[msvc]\nrun_dir = {echo.dir}/run2\nlog_dir = {echo.dir}/log2\n"
        f"[router]\nlisten = {echo.host}:{echo.port}\n" + sleeper("a"))
    import subprocess

    result = subprocess.run(
        [BIN / "msvc", "-c", other, "start"], capture_output=True, text=True, timeout=20)
    assert result.returncode == 1
    assert f"{echo.host}:{echo.port}" in result.stderr and "in use" in result.stderr


# -- restart


def test_a_killed_service_is_back_and_told(echo):
    old = echo.kill("echo")
    new = echo.wait_state("echo", "ready", generation=2)
    assert new["pid"] != old and new["restarts"] == 1
    assert new["last_exit"] == "signal 9"
    assert echo.log_has(rf"echo/1\[{old}\]: killed by signal 9")
    assert wait_for(lambda: echo.get("/hello").status == 200, "an answer")


def test_one_killed_service_leaves_the_others_alone(msvc):
    msvc.start(sleeper("a") + sleeper("b"))
    other = msvc.pid("b")
    msvc.kill("a")
    msvc.wait_state("a", "ready", generation=2)
    assert msvc.pid("b") == other


@pytest.mark.parametrize(
    "policy, code, restarted",
    [
        ("always", 0, True), ("always", 3, True),
        ("on-failure", 0, False), ("on-failure", 3, True), ("on-failure", 2, False),
        ("never", 0, False), ("never", 3, False),
    ],
)
def test_restart_policy(msvc, policy, code, restarted):
    write_script(
        msvc, "a",
        f"[ -e {msvc.dir}/ran ] && exec sleep 1000\ntouch {msvc.dir}/ran\nexit {code}\n")
    msvc.start(
        f"[service a]\ncommand = /bin/sh {{dir}}/a.sh\nready = none\nrestart = {policy}\n"
        "success_codes = 0, 2\nrestart_delay = 10ms\n", check=False)
    if restarted:
        msvc.wait_state("a", "ready", generation=2)
    else:
        wait_for(
            lambda: msvc.instance("a")["state"] in ("stopped", "failed"), "a to end")
        assert msvc.instance("a")["generation"] == 1
        assert msvc.instance("a")["last_exit"] == f"exit {code}"


def test_a_crash_loop_backs_off_and_gives_up_while_others_go_on(msvc):
    write_script(msvc, "bad", f"echo x >> {msvc.dir}/runs; exit 7\n")
    msvc.start(
        sleeper("good")
        + "[service bad]\ncommand = /bin/sh {dir}/bad.sh\nrestart_delay = 20ms\n"
        "restart_limit = 3/60s\nroute = /bad\n", check=False)
    wait_for(lambda: msvc.instance("bad")["state"] == "failed", "bad to fail")
    assert (msvc.dir / "runs").read_text().count("x") == 4
    assert msvc.instance("good")["state"] == "ready"
    answer = msvc.get("/bad")
    assert answer.status == 503 and answer.json
    assert msvc.command("start", "good").returncode == 0
    msvc.command("start", "bad")
    wait_for(lambda: (msvc.dir / "runs").read_text().count("x") > 4, "another try")


def test_fifty_instances_killed_at_once_are_all_back(msvc):
    msvc.start(sleeper("many", "instances = 50"))
    pids = [i["pid"] for i in msvc.service("many")["instances"]]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for(
        lambda: all(i["state"] == "ready" and i["generation"] >= 2
                    for i in msvc.service("many")["instances"]), "all to be back")
    assert not any(is_running(pid) for pid in pids)
    assert len(re.findall(r"killed by signal 9", msvc.log("msvc"))) == 50


def test_restart_by_the_operator(msvc):
    msvc.start(ECHO + "instances = 2\n")
    first, second = msvc.pid("echo", 1), msvc.pid("echo", 2)
    assert msvc.command("restart", "echo/2").returncode == 0
    assert msvc.pid("echo", 1) == first and msvc.pid("echo", 2) != second
    assert msvc.command("restart", "echo").returncode == 0
    assert msvc.pid("echo", 1) != first
    assert msvc.command("restart", "nosuch").returncode == 1


def test_many_restarts_at_once_end_with_one_process(msvc):
    import concurrent.futures

    msvc.start(sleeper("a"))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: msvc.command("restart", "a"), range(12)))
    msvc.wait_state("a", "ready")
    alive = [
        pid for pid in children(msvc.supervisor_pid)
        if "sleep" in pathlib.Path(f"/proc/{pid}/cmdline").read_text()]
    assert alive == [msvc.pid("a")]


# -- stop


def test_stop_ends_everything_and_removes_its_files(echo):
    pids = [echo.supervisor_pid, *children(echo.supervisor_pid)]
    assert echo.stop().returncode == 0
    assert not any(is_running(pid) for pid in pids)
    assert not (echo.run_dir / "control.sock").exists()
    assert echo.command("status").returncode == 3
    assert echo.command("stop").returncode == 3


def test_a_service_that_ignores_term_is_killed_after_stop_timeout(msvc):
    write_trap(msvc, "stub", "")
    msvc.start(shell("stub", "")[0] + "stop_timeout = 400ms\n")
    wait_trap(msvc, "stub")
    pid = msvc.pid("stub")
    start = time.monotonic()
    assert msvc.stop().returncode == 0
    assert time.monotonic() - start >= 0.4
    assert not is_running(pid)


def test_stop_signal_is_the_configured_one(msvc):
    write_trap(msvc, "a", f"echo int > {msvc.dir}/got; exit 0", "INT")
    msvc.start(shell("a", "")[0] + "stop_signal = INT\n")
    wait_trap(msvc, "a")
    msvc.stop()
    assert (msvc.dir / "got").read_text() == "int\n"


def test_grandchildren_of_the_group_go_too(msvc):
    write_script(
        msvc, "fork", f"sleep 1000 &\necho $! > {msvc.dir}/grandchild\nwait\n")
    msvc.start(shell("fork", "")[0])
    path = msvc.dir / "grandchild"
    pid = int(wait_for(lambda: path.exists() and path.read_text().strip(), "the pid"))
    assert msvc.stop().returncode == 0
    wait_for(lambda: not is_running(pid), "the grandchild to end")


def test_orphans_are_reaped_and_ignored(msvc):
    write_script(msvc, "a", "(sleep 0.1 & )\nexec sleep 1000\n")
    msvc.start(shell("a", "")[0] + sleeper("b"))
    supervisor = msvc.supervisor_pid

    def zombies():
        found = []
        for pid in children(supervisor):
            try:
                text = pathlib.Path(f"/proc/{pid}/stat").read_text()
            except FileNotFoundError:
                continue
            if text.rsplit(")", 1)[1].split()[0] == "Z":
                found.append(pid)
        return found

    wait_for(lambda: len(children(supervisor)) == 4 and not zombies(), "only our children")


def test_sigterm_stops_cleanly_and_a_second_one_hurries(msvc):
    write_trap(msvc, "stub", "")
    msvc.start(shell("stub", "")[0] + "stop_timeout = 60s\n")
    wait_trap(msvc, "stub")
    pid = msvc.pid("stub")
    os.kill(msvc.supervisor_pid, signal.SIGTERM)
    msvc.log_has("stopping")
    assert is_running(pid)
    os.kill(msvc.supervisor_pid, signal.SIGTERM)
    wait_for(lambda: not is_running(msvc.supervisor_pid), "the end")
    assert not is_running(pid)


def test_a_killed_supervisor_leaves_no_process_behind(echo):
    pids = children(echo.supervisor_pid)
    assert len(pids) == 3
    os.kill(echo.supervisor_pid, signal.SIGKILL)
    wait_for(lambda: not any(is_running(p) for p in pids), "all to end", 10)
    result = echo.command("start")
    assert result.returncode == 0, result.stderr
    echo.supervisor_pid = echo.lock_pid()
    assert echo.get("/hello").status == 200


def test_one_service_can_be_stopped_and_started(msvc):
    msvc.start(ECHO + sleeper("other"))
    other = msvc.pid("other")
    assert msvc.command("stop", "echo").returncode == 0
    assert msvc.instance("echo")["state"] == "stopped"
    answer = msvc.get("/hello")
    assert answer.status == 503
    assert msvc.command("start", "echo").returncode == 0
    assert wait_for(lambda: msvc.get("/hello").status == 200, "an answer")
    assert msvc.pid("other") == other


# -- router and logger


def test_a_killed_router_is_back_on_the_same_socket(echo):
    pid = echo.status()["supervisor"]["router"]["pid"]
    service = echo.pid("echo")
    os.kill(pid, signal.SIGKILL)
    # Not refused: the supervisor keeps the listener, the backlog waits.
    assert echo.get("/hello").status == 200
    wait_for(lambda: echo.status()["supervisor"]["router"]["pid"] not in (pid, None), "a router")
    assert echo.pid("echo") == service


def test_a_killed_logger_loses_no_line(msvc):
    lines = 3000
    write_script(
        msvc, "talk",
        f"i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo line $i.; "
        "[ $((i % 100)) = 0 ] && sleep 0.02; done; exec sleep 1000\n")
    msvc.start(shell("talk", "")[0])
    for _ in range(5):
        pid = wait_for(lambda: msvc.status()["supervisor"]["logger"]["pid"], "a logger")
        before = len(msvc.log("talk"))
        wait_for(lambda: len(msvc.log("talk")) > before or f"line {lines}." in msvc.log("talk"),
                 "more lines")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_running(pid), "the logger to end")
    msvc.log_has(rf"line {lines}\.", "talk")
    seen = {int(n) for n in re.findall(r"line (\d+)\.", msvc.log("talk"))}
    assert seen == set(range(1, lines + 1))


# -- reload


def test_reload_changes_only_what_differs(msvc):
    msvc.start(sleeper("same") + sleeper("gone") + sleeper("changed"))
    same, changed, gone = msvc.pid("same"), msvc.pid("changed"), msvc.pid("gone")
    result = msvc.reload(
        sleeper("same") + sleeper("changed", "env.X = 1") + sleeper("new"))
    assert result.returncode == 0, result.stderr
    msvc.wait_state("new", "ready")
    wait_for(lambda: msvc.pid("changed") != changed, "changed to restart")
    assert msvc.pid("same") == same
    wait_for(lambda: not is_running(gone), "gone to stop")
    assert "gone" not in [s["name"] for s in msvc.status()["services"]]


def test_reload_with_mistakes_is_refused_and_the_old_set_goes_on(msvc):
    msvc.start(ECHO)
    pid = msvc.pid("echo")
    result = msvc.reload("[service echo]\ncomand = x\n")
    assert result.returncode == 1
    assert re.search(r"msvc\.ini:\d+: .*comand.*command", result.stderr)
    assert msvc.pid("echo") == pid and msvc.get("/hello").status == 200


def test_sighup_reloads(msvc):
    msvc.start(sleeper("a"))
    msvc.write(sleeper("a") + sleeper("b"))
    os.kill(msvc.supervisor_pid, signal.SIGHUP)
    wait_for(lambda: len(msvc.status()["services"]) == 2, "b")
    msvc.wait_state("b", "ready")


def test_reload_applies_routes_limits_and_instances_in_place(msvc):
    msvc.start(ECHO)
    pid = msvc.pid("echo")
    result = msvc.reload(
        "[service echo]\ncommand = {samples}/echo\nroute = /moved\ninstances = 3\n"
        "timeout = 150ms\n")
    assert result.returncode == 0, result.stderr
    for index in (2, 3):
        msvc.wait_state("echo", "ready", index=index)
    assert msvc.pid("echo") == pid
    wait_for(lambda: msvc.get("/hello").status == 404, "the old route to go")
    assert msvc.get("/moved/x").status == 200
    assert msvc.get("/sleep/1000").status == 404
    assert msvc.reload(ECHO).returncode == 0
    wait_for(lambda: len(msvc.service("echo")["instances"]) == 1, "two instances to go")
    assert msvc.pid("echo") == pid


def test_reload_changes_listeners(msvc):
    msvc.start(ECHO)
    host, old = msvc.host, msvc.port
    result = msvc.reload(ECHO, router=f"listen = {host}:{old}, {host}:{old + 1}\n")
    assert result.returncode == 0, result.stderr
    msvc.port = old + 1
    assert wait_for(lambda: msvc.get("/hello").status == 200, "the new listener")
    msvc.port = old
    assert msvc.get("/hello").status == 200


# -- notification and the control socket


def test_garbage_on_control_and_notify_sockets_harms_nobody(echo):
    import socket

    for data in (b"\0" * 100, b"\xff" * 100, b"GET / HTTP/1.0\r\n\r\n", b"\0\0\0\5hello"):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(echo.run_dir / "control.sock"))
            sock.sendall(data)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(str(echo.run_dir / "notify.sock"))
        for data in (b"READY=1", b"\0" * 5000, b"MAINPID=1", b"=", b"\n\n"):
            sock.send(data)
    assert echo.status()["services"][0]["instances"][0]["state"] == "ready"
    assert echo.get("/hello").status == 200


def test_sockets_are_private(echo):
    assert stat.S_IMODE(os.stat(echo.run_dir / "control.sock").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(echo.run_dir / "admin.sock").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(echo.run_dir / "svc" / "echo").st_mode) == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="only root may start services as other users")
def test_a_service_runs_as_its_user(msvc):
    os.chmod(msvc.dir, 0o755)
    msvc.start(ECHO + "user = nobody\n")
    status = pathlib.Path(f"/proc/{msvc.pid('echo')}/status").read_text()
    import pwd

    uid = str(pwd.getpwnam("nobody").pw_uid)
    assert re.search(r"Uid:\s+(.*)", status).group(1).split() == [uid] * 4
    assert msvc.get("/hello").status == 200


def test_descriptors_do_not_leak_over_restarts(echo):
    supervisor = echo.supervisor_pid
    router = echo.status()["supervisor"]["router"]["pid"]
    logger = echo.status()["supervisor"]["logger"]["pid"]

    def counts():
        return [len(os.listdir(f"/proc/{pid}/fd")) for pid in (supervisor, router, logger)]

    def restart(generation):
        echo.kill("echo")
        echo.wait_state("echo", "ready", generation=generation)
        wait_for(lambda: echo.get("/hello").status == 200, "an answer")

    restart(2)
    # The logger opens a file with its first line, which may come late.
    wait_for(lambda: echo.log("access") and echo.log("router"), "the log files")
    before = counts()
    for generation in range(3, 6):
        assert echo.command("restart", "echo").returncode == 0
        echo.wait_state("echo", "ready", generation=generation)
        wait_for(lambda: echo.get("/hello").status == 200, "an answer")
    wait_for(lambda: all(a <= b for a, b in zip(counts(), before)), "descriptors to go")


def test_status_is_the_documented_object(echo):
    status = echo.status()
    assert status["supervisor"]["pid"] == echo.supervisor_pid
    instance = status["services"][0]["instances"][0]
    assert {"index", "state", "pid", "generation", "restarts", "since", "last_exit"} <= set(instance)
    assert instance["last_exit"] is None and instance["index"] == 1
    assert abs(instance["since"] - time.time()) < 300
    assert json.dumps(status)
