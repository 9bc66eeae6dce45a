"""Readiness by probe and health of running instances, with the real programs."""

import os
import re
import resource
import subprocess

import pytest

from conftest import BIN, is_running, wait_for

WEB = """
import http.server, os, pathlib, sys
directory, host, port = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        with open(directory / "requests", "a") as file:
            print(self.path, self.headers["Host"], self.headers["Connection"], file=file)
        self.send_response(int((directory / "answer").read_text()))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer.allow_reuse_address = True
http.server.ThreadingHTTPServer((host, port), Handler).serve_forever()
"""


def put(path, text):
    """Replace a file at once: whoever reads it never sees half of it."""
    path.with_suffix(".new").write_text(str(text))
    path.with_suffix(".new").rename(path)


def web(msvc, extra, answer=200, ready="tcp {address}"):
    """A service that answers each GET with the status in the file answer."""
    (msvc.dir / "web.py").write_text(WEB)
    put(msvc.dir / "answer", answer)
    url, address = f"http://{msvc.host}:9000/health?full=1", f"{msvc.host}:9000"
    return (f"[service web]\ncommand = /usr/bin/python3 {msvc.dir}/web.py {msvc.dir} {msvc.host} "
            f"9000\nready = {ready.format(url=url, address=address)}\nready_interval = 20ms\n"
            f"restart_delay = 10ms\nhealth_interval = 30ms\n{extra.format(url=url)}\n")


def script(msvc, name, text):
    path = msvc.dir / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


@pytest.fixture
def starting(msvc):
    """Start without waiting for the services; ended with the test."""
    processes = []

    def start(text):
        msvc.write(text)
        processes.append(subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "start"],
                                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
        msvc.supervisor_pid = wait_for(msvc.lock_pid, "a supervisor")
        wait_for((msvc.run_dir / "control.sock").exists, "the control socket")
        wait_for(lambda: msvc.command("status").returncode == 0, "an answer")
        return processes[0]

    yield start
    for process in processes:
        if process.poll() is None:
            msvc.stop()
        process.communicate()


def health_is(msvc, pattern, name="web", index=1):
    return wait_for(
        lambda: re.search(pattern, msvc.instance(name, index)["health"] or ""),
        f"health {pattern!r}, not {msvc.instance(name, index)}")


# -- readiness


def test_f8_ready_only_once_the_http_probe_is_well(msvc, starting):
    command = starting(web(msvc, "", 503, "http {url}"))
    health_is(msvc, r"^not yet: answered 503$")
    assert msvc.instance("web")["state"] == "starting"
    put(msvc.dir / "answer", 204)
    msvc.wait_state("web", "ready", generation=1)
    assert command.wait() == 0
    seen = (msvc.dir / "requests").read_text().split("\n")[0]
    assert seen == f"/health?full=1 {msvc.host}:9000 close"


def test_b8_ready_only_once_it_accepts_connections(msvc, starting):
    (msvc.dir / "late.py").write_text(
        "import os, socket, time\n"
        f"while not os.path.exists('{msvc.dir}/open'): time.sleep(0.01)\n"
        f"server = socket.create_server(('{msvc.host}', 9001))\n"
        "while True: time.sleep(100)\n")
    command = starting(f"[service late]\ncommand = /usr/bin/python3 {msvc.dir}/late.py\n"
                       f"ready = tcp {msvc.host}:9001\nready_interval = 20ms\n")
    health_is(msvc, "^not yet: refused the connection$", "late")
    assert msvc.instance("late")["state"] == "starting"
    put(msvc.dir / "open", "")
    assert command.wait() == 0
    assert msvc.instance("late")["state"] == "ready"


def test_b9_one_that_exits_before_its_probe_is_well_was_never_ready(msvc):
    msvc.start(f"[service bad]\ncommand = /bin/sh -c 'exit 3'\nready = tcp {msvc.host}:9002\n"
               "restart_limit = 2/60s\nrestart_delay = 10ms\n", check=False)
    msvc.wait_state("bad", "failed")
    log = msvc.log("msvc")
    assert "exited 3" in log
    assert "ready after" not in log


def test_what_was_missing_is_told_when_the_time_is_over(msvc):
    result = msvc.start(
        f"[service web]\ncommand = /bin/sleep 1000\nready = http http://{msvc.host}:9003/\n"
        "ready_interval = 20ms\nready_timeout = 200ms\nrestart = never\n", check=False)
    assert result.returncode == 1
    assert msvc.log_has(rf"not ready within 200 ms: http://{msvc.host}:9003/ refused the "
                        "connection, stopping it")


def test_a_command_decides_and_runs_as_the_service_does(msvc, starting):
    check = script(msvc, "check", 'echo "checking $MSVC_SERVICE/$MSVC_INSTANCE in $PWD"\n'
                                  "test -e up\n")
    where = msvc.dir / "where"
    where.mkdir()
    command = starting("[service a]\ncommand = /bin/sleep 1000\ninstances = 2\n"
                       f"dir = {where}\nready = command {check}\nready_interval = 20ms\n")
    health_is(msvc, "^not yet: exited 1$", "a", 2)
    put(where / "up", "")
    assert command.wait() == 0
    assert msvc.log_has(f"a/2.*checking a/2 in {where}", "a")


def test_a_relative_command_is_seen_from_the_main_file(msvc):
    script(msvc, "check", "exit 0\n")
    msvc.start("[service a]\ncommand = /bin/sleep 1000\nready = command ./check\ndir = /\n")


def test_a_command_that_cannot_be_run_says_so(msvc, starting):
    starting("[service a]\ncommand = /bin/sleep 1000\nready = command /no/such/check\n"
             "ready_interval = 20ms\n")
    health_is(msvc, "not yet: .*/no/such/check: No such file", "a")


def test_f8_ready_by_a_line_of_its_output(msvc, starting):
    run = script(msvc, "service", f"echo listening soon\nwhile [ ! -e {msvc.dir}/go ]; do "
                              "sleep 0.02; done\necho 'now listening on port 80'\n"
                              "exec sleep 1000\n")
    command = starting(f"[service a]\ncommand = {run}\nready = log ^now listening on .* \\d+$\n")
    msvc.log_has("listening soon", "a")
    assert msvc.instance("a")["state"] == "starting"
    put(msvc.dir / "go", "")
    assert command.wait() == 0
    assert msvc.instance("a")["state"] == "ready"


def test_a_new_logger_goes_on_to_look_for_the_line(msvc, starting):
    run = script(msvc, "service", f"while [ ! -e {msvc.dir}/go ]; do sleep 0.02; done\n"
                              "echo up\nexec sleep 1000\n")
    command = starting(f"[service a]\ncommand = {run}\nready = log ^up$\n")
    logger = msvc.status()["supervisor"]["logger"]
    os.kill(logger["pid"], 9)
    wait_for(lambda: msvc.status()["supervisor"]["logger"]["restarts"] == 1, "a new logger")
    put(msvc.dir / "go", "")
    assert command.wait() == 0


# -- health


def test_f8_restarted_after_so_many_failures_in_a_row(msvc):
    msvc.start(web(msvc, "health = http {url}\nhealth_failures = 3\n"))
    health_is(msvc, "^well$")
    pid = msvc.pid("web")
    put(msvc.dir / "answer", 503)
    assert msvc.log_has(rf"web/1\[{pid}\]: unhealthy: http://\S+ answered 503 3 times in a row, "
                        "restarting it")
    put(msvc.dir / "answer", 200)
    instance = msvc.wait_state("web", "ready", generation=2)
    assert instance["pid"] != pid
    assert instance["restarts"] >= 1
    assert msvc.log_has(rf"web/1\[{pid}\]: unhealthy: .*, restarting, bundle ")
    health_is(msvc, "^well$")


def test_failures_with_a_success_between_them_do_no_harm(msvc):
    flap = script(msvc, "flap", f"n=$(cat {msvc.dir}/n)\necho $((n + 1)) >{msvc.dir}/n\n"
                                "exit $((n % 2))\n")
    (msvc.dir / "n").write_text("0")
    msvc.start(web(msvc, f"health = command {flap}\nhealth_failures = 2\n"))
    pid = msvc.pid("web")
    wait_for(lambda: int((msvc.dir / "n").read_text() or 0) >= 8, "some probes")
    assert msvc.pid("web") == pid
    assert "unhealthy" not in msvc.log("msvc")


def test_an_unhealthy_one_is_given_up_at_its_restart_limit(msvc):
    msvc.start("[service a]\ncommand = /bin/sleep 1000\nready = none\nhealth = command false\n"
               "health_interval = 20ms\nhealth_failures = 1\nrestart_limit = 2/60s\n"
               "restart_delay = 10ms\n", check=False)
    instance = msvc.wait_state("a", "failed")
    assert instance["reason"].startswith("unhealthy: false exited 1, more than 2 restarts")


def test_drained_while_unhealthy_and_back_with_the_same_process(msvc):
    msvc.start(web(msvc, "health = http {url}\nhealth_failures = 2\nhealth_successes = 2\n"
                         "on_unhealthy = drain\ndrain_timeout = 100ms\n"))
    health_is(msvc, "^well$")
    pid = msvc.pid("web")
    put(msvc.dir / "answer", 500)
    msvc.wait_state("web", "draining")
    seen = msvc.dir / "requests"
    count = seen.read_text().count("\n") + 10
    wait_for(lambda: seen.read_text().count("\n") > count, "longer than drain_timeout")
    instance = msvc.wait_state("web", "draining")
    assert "answered 500 2 times in a row" in instance["reason"]
    health_is(msvc, "^unhealthy: answered 500$")
    put(msvc.dir / "answer", 200)
    instance = msvc.wait_state("web", "ready")
    assert instance["pid"] == pid
    assert msvc.log_has(rf"web/1\[{pid}\]: healthy again, drained no longer")


def test_what_an_operator_drained_no_probe_brings_back_or_restarts(msvc):
    msvc.start(web(msvc, "health = http {url}\nhealth_failures = 1\non_unhealthy = drain\n"))
    health_is(msvc, "^well$")
    assert msvc.command("drain", "web").returncode == 0
    put(msvc.dir / "answer", 500)
    health_is(msvc, "^unhealthy")
    result = msvc.command("undrain", "web")
    assert result.returncode == 1
    assert "unhealthy" in result.stderr
    assert msvc.command("drain", "web").returncode == 0
    put(msvc.dir / "answer", 200)
    health_is(msvc, "^well$")
    instance = msvc.instance("web")
    assert (instance["state"], instance["reason"]) == ("draining", "drained by an operator")
    assert msvc.command("undrain", "web").returncode == 0
    assert msvc.instance("web")["generation"] == 1


def test_what_an_operator_drained_is_restarted_only_when_it_is_to_serve(msvc):
    msvc.start(web(msvc, "health = http {url}\nhealth_failures = 1\n"))
    assert msvc.command("drain", "web").returncode == 0
    put(msvc.dir / "answer", 500)
    health_is(msvc, "^unhealthy")
    seen = msvc.dir / "requests"
    count = seen.read_text().count("\n") + 3
    wait_for(lambda: seen.read_text().count("\n") > count, "more probes")
    instance = msvc.instance("web")
    assert (instance["generation"], instance["reason"]) == (1, "drained by an operator")
    assert msvc.command("undrain", "web").returncode == 0
    assert msvc.log_has("unhealthy: .* answered 500, restarting it")


def test_a_silent_server_is_not_well(msvc):
    (msvc.dir / "silent.py").write_text(
        "import socket, time\n"
        f"server = socket.create_server(('{msvc.host}', 9004))\n"
        "kept = []\n"
        "while True: kept.append(server.accept())\n")
    msvc.start(f"[service a]\ncommand = /usr/bin/python3 {msvc.dir}/silent.py\n"
               f"ready = tcp {msvc.host}:9004\nready_interval = 20ms\n"
               f"health = http {msvc.host}:9004\nhealth_interval = 20ms\nhealth_timeout = 100ms\n"
               "on_unhealthy = drain\n")
    health_is(msvc, "did not answer within 100 ms", "a")
    fds = len(os.listdir(f"/proc/{msvc.supervisor_pid}/fd"))
    instance = msvc.wait_state("a", "draining")
    assert "did not answer within 100 ms 3 times in a row" in instance["reason"]
    wait_for(lambda: len(os.listdir(f"/proc/{msvc.supervisor_pid}/fd")) <= fds, "closed sockets")


def test_a_command_that_hangs_is_killed_with_its_group(msvc):
    hang = script(msvc, "hang", f"sleep 1000 &\necho $$ $! >>{msvc.dir}/pids\nwait\n")
    msvc.start(f"[service a]\ncommand = /bin/sleep 1000\nready = none\nhealth = command {hang}\n"
               "health_interval = 20ms\nhealth_timeout = 150ms\non_unhealthy = drain\n")
    health_is(msvc, "did not end within 150 ms", "a")
    msvc.wait_state("a", "draining")
    pids = [int(pid) for pid in (msvc.dir / "pids").read_text().split()[:4]]
    assert len(pids) == 4
    wait_for(lambda: not any(is_running(pid) for pid in pids), "the commands to be gone")


def test_what_the_machine_lacks_does_not_count_against_a_service(msvc):
    msvc.start(web(msvc, "health = http {url}\nhealth_failures = 1\n"))
    health_is(msvc, "^well$")
    pid = msvc.supervisor_pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    try:
        assert msvc.log_has("web/1.*cannot be probed, trying again: .*Too many open files")
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    count = (msvc.dir / "requests").read_text().count("\n")
    wait_for(lambda: (msvc.dir / "requests").read_text().count("\n") > count, "another probe")
    assert msvc.instance("web")["generation"] == 1
    assert msvc.log("msvc").count("cannot be probed") == 1


def test_a_stop_ends_the_command_under_way(msvc):
    hang = script(msvc, "hang", f"echo $$ >{msvc.dir}/pid\nexec sleep 1000\n")
    msvc.start(f"[service a]\ncommand = /bin/sleep 1000\nready = none\nhealth = command {hang}\n"
               "health_interval = 20ms\nhealth_timeout = 1h\n[service b]\n"
               "command = /bin/sleep 1000\nready = none\n")
    path = msvc.dir / "pid"
    pid = int(wait_for(lambda: path.exists() and path.read_text().strip(), "the command"))
    assert msvc.command("stop", "a").returncode == 0
    wait_for(lambda: not is_running(pid), "the command to be gone")
    assert msvc.instance("b")["state"] == "ready"


def test_probes_leave_no_descriptor_and_no_zombie(msvc):
    check = script(msvc, "check", f"echo >>{msvc.dir}/n\n")
    msvc.start(web(msvc, f"health = command {check}\n") + web(msvc, "health = http {url}\n").replace(
        "[service web]", "[service two]").replace(" 9000\n", " 9005\n").replace(":9000", ":9005"))
    count = msvc.dir / "n"
    wait_for(lambda: count.exists() and len(count.read_text()) > 3, "some commands")
    path = f"/proc/{msvc.supervisor_pid}/fd"
    before = len(os.listdir(path))
    more = len(count.read_text()) + 15
    wait_for(lambda: len(count.read_text()) > more, "more commands")
    wait_for(lambda: len(os.listdir(path)) <= before, "no more descriptors than before")
    children = f"/proc/{msvc.supervisor_pid}/task/{msvc.supervisor_pid}/children"

    def zombies():
        with open(children) as file:
            return [pid for pid in file.read().split() if not is_running(int(pid))]

    wait_for(lambda: not zombies(), "no zombies")


@pytest.mark.skipif(os.getuid() != 0, reason="only root may start services as other users")
def test_a_command_has_the_user_of_its_service(msvc):
    check = script(msvc, "check", "id -un\n")
    os.chmod(msvc.dir, 0o755)
    msvc.start(f"[service a]\ncommand = /bin/sleep 1000\nuser = nobody\ndir = /\n"
               f"ready = command {check}\n")
    assert msvc.log_has("nobody", "a")


# -- reload


def test_a_reload_changes_the_probe_and_keeps_the_process(msvc):
    base = web(msvc, "")
    msvc.start(base)
    pid = msvc.pid("web")
    assert msvc.instance("web")["health"] is None
    url = f"http://{msvc.host}:9000/"
    assert msvc.reload(base + f"health = http {url}\nhealth_failures = 1\n"
                              "on_unhealthy = drain\n").returncode == 0
    health_is(msvc, "^well$")
    put(msvc.dir / "answer", 404)
    msvc.wait_state("web", "draining")
    assert msvc.reload(base).returncode == 0
    instance = msvc.wait_state("web", "ready")
    assert (instance["pid"], instance["health"]) == (pid, None)


def test_reloads_that_change_nothing_do_not_put_off_a_probe(msvc):
    base = web(msvc, "health = http {url}\n").replace(
        "health_interval = 30ms", "health_interval = 1s")
    msvc.start(base)
    wait_for(lambda: (msvc.reload(base).returncode, msvc.instance("web")["health"])[1],
             "a probe between reloads")


# -- another program in the supervisor's place


def test_probing_goes_on_after_reexec(msvc, starting):
    hang = script(msvc, "hang", f"echo $$ >>{msvc.dir}/pids\nexec sleep 1000\n")
    late = script(msvc, "late", f"while [ ! -e {msvc.dir}/go ]; do sleep 0.02; done\n"
                                "echo up\nexec sleep 1000\n")
    command = starting(
        web(msvc, "health = http {url}\nhealth_failures = 1\non_unhealthy = drain\n", 500)
        .replace("health_interval = 30ms", "health_interval = 1s")
        + "[service hang]\ncommand = /bin/sleep 1000\nready = none\nhealth_interval = 20ms\n"
        + f"health_timeout = 1h\nhealth = command {hang}\n"
        + f"[service late]\ncommand = {late}\nready = log ^up$\n")
    msvc.wait_state("web", "draining")
    path = msvc.dir / "pids"
    pid = int(wait_for(lambda: path.exists() and path.read_text().strip(), "the command"))
    before = msvc.pid("web")
    # Well again, but the next probe is far away: that it is drained for its
    # health must not be forgotten.
    put(msvc.dir / "answer", 200)
    result = msvc.command("reexec")
    assert result.returncode == 0, result.stderr
    wait_for(lambda: not is_running(pid), "the command to be gone")
    wait_for(lambda: len(path.read_text().split()) > 1, "another one")
    assert msvc.wait_state("web", "ready")["pid"] == before
    put(msvc.dir / "go", "")
    msvc.wait_state("late", "ready", generation=1)
    command.wait()


# -- the configuration


@pytest.mark.parametrize("line,what", [
    ("ready = log a(b", "missing closing parenthesis at offset 3"),
    ("ready = http https://127.0.0.1/", "is no probe such as http http://127.0.0.1:9000/health"),
    ("ready = tcp db.example:5432", "numeric address or localhost"),
    ("health = log up", "for ready only"),
    ("ready = sometimes", "is not one of auto, notify"),
])
def test_a_probe_that_can_not_work_is_refused_with_its_line(msvc, line, what):
    msvc.write(f"[service a]\ncommand = /bin/true\n{line}\n")
    result = msvc.command("check")
    assert result.returncode != 0
    number = msvc.conf.read_text().split("\n").index(line) + 1
    assert f":{number}: " in result.stderr + result.stdout
    assert what in result.stderr + result.stdout
