"""Supervision scenarios F1 to F10: reaping, signals, reload, logs."""

import http.server
import os
import re
import signal
import socket
import threading

import pytest

from conftest import BUILD, is_running, wait_for
from scenario import WITNESS, later, lines, note, pids, script, wait_children
from test_scenarios import zombies
from test_supervise import children, sleeper


def test_f1_fifty_crashes_at_once_are_reaped_restarted_and_told_once(msvc):
    msvc.start(sleeper("many", "instances = 50"))
    old = [i["pid"] for i in msvc.service("many")["instances"]]
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: all(i["state"] == "ready" and i["generation"] == 2
                         for i in msvc.service("many")["instances"]), "all to be back")
    assert not zombies(msvc.supervisor_pid)
    assert not any(is_running(pid) for pid in old)
    for pid in old:
        assert len(re.findall(rf"many/\d+\[{pid}\]: killed by signal 9", msvc.log("msvc"))) == 1


def test_f2_an_orphan_is_reaped_and_ignored(msvc):
    msvc.start(
        script(msvc, "a", "(sleep 0.1 & echo $! >>pid.txt)\nexec sleep 1000\n") + WITNESS)
    orphan = int(wait_for(lambda: lines(msvc, "pid"), "its pid")[0])
    wait_for(lambda: not os.path.exists(f"/proc/{orphan}"), "the orphan to be reaped")
    later(msvc)
    assert not zombies(msvc.supervisor_pid)
    assert msvc.instance("a")["generation"] == 1
    assert f"[{orphan}]" not in msvc.log("msvc")


@pytest.mark.parametrize("how", ["reload", "HUP"])
def test_f3_a_reload_touches_only_what_differs(msvc, how):
    msvc.start(sleeper("same") + sleeper("gone") + sleeper("changed"))
    before = pids(msvc, "same", "gone", "changed")
    msvc.write(sleeper("same") + sleeper("changed", "env.X = 1") + sleeper("new"))
    if how == "reload":
        assert msvc.command("reload").returncode == 0
    else:
        os.kill(msvc.supervisor_pid, signal.SIGHUP)
        wait_for(lambda: "new" in {s["name"] for s in msvc.status()["services"]}, "the reload")
    msvc.wait_state("new", "ready")
    wait_for(lambda: msvc.instance("changed")["pid"] not in (None, before["changed"]), "a restart")
    wait_for(lambda: not is_running(before["gone"]), "gone to stop")
    wait_for(lambda: {s["name"] for s in msvc.status()["services"]} == {"same", "changed", "new"},
             "gone to be forgotten")
    assert msvc.pid("same") == before["same"]


@pytest.mark.parametrize(
    "text", ["[service a]\ncomand = x\n", sleeper("a", "after = nosuch"), "nonsense\n"],
    ids=["key", "name", "syntax"])
def test_f4_a_wrong_configuration_is_refused_and_the_old_set_goes_on(msvc, text):
    msvc.start(sleeper("a") + sleeper("b"))
    before = pids(msvc, "a", "b")
    result = msvc.reload(text)
    assert result.returncode == 1 and re.search(r"msvc\.ini:\d+: ", result.stderr)
    assert pids(msvc, "a", "b") == before


FLOOD = 10 * 1024 * 1024
# A sanitizer keeps freed memory for a while.
BOUND = (400 if "san" in BUILD.name else 40) * 1024 * 1024


def test_f5_ten_megabytes_at_once_are_all_in_the_log(msvc):
    def rss(pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) * 1024

    count = FLOOD // 64
    text = f"seq -f '%063.0f' 1 {count}\n: >done\nexec sleep 1000\n"
    msvc.start(script(msvc, "talk", text), head="log_max_size = 64m\n")
    wait_for((msvc.dir / "done").exists, "the child to have written all")
    wait_for(lambda: f"{count:063}" in msvc.log("talk")[-1000:], "the last line")
    numbers = [int(n) for n in re.findall(r"talk/1 (\d{63})$", msvc.log("talk"), re.M)]
    assert numbers == list(range(1, count + 1))
    status = msvc.status()["supervisor"]
    for pid in (msvc.supervisor_pid, status["logger"]["pid"]):
        assert rss(pid) < BOUND


def test_f6_a_dead_logger_harms_neither_child_nor_supervisor(msvc):
    text = "i=0\nwhile :; do i=$((i+1)); echo line $i; [ $((i % 50)) = 0 ] && sleep 0.01; done\n"
    msvc.start(script(msvc, "talk", text))
    supervisor, child = msvc.supervisor_pid, msvc.pid("talk")
    for _ in range(2):
        logger = wait_for(lambda: msvc.status()["supervisor"]["logger"]["pid"], "a logger")
        size = len(msvc.log("talk"))
        wait_for(lambda: len(msvc.log("talk")) > size, "lines")
        os.kill(logger, signal.SIGKILL)
        wait_for(lambda: not is_running(logger), "the end of the logger")
    size = len(msvc.log("talk"))
    wait_for(lambda: len(msvc.log("talk")) > size, "lines again")
    assert msvc.lock_pid() == supervisor and is_running(supervisor)
    assert msvc.pid("talk") == child


def test_f7_what_requires_a_oneshot_starts_when_that_has_ended_well(msvc):
    """chain-to of others, seen from the service that comes behind."""
    msvc.start(
        script(msvc, "b", note("order", "b") + "exec sleep 1000\n", "requires = a")
        + script(msvc, "a", note("order", "a") + "sleep 0.2\n" + note("order", "a-done"),
                 "type = oneshot"))
    wait_for(lambda: len(lines(msvc, "order")) == 3, "b")
    assert lines(msvc, "order") == ["a", "a-done", "b"]


@pytest.fixture
def http_service():
    """Answers GET with a status that the test may change: (port, set_status)."""
    status = [503]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port, lambda value: status.__setitem__(0, value)
    server.shutdown()
    thread.join()
    server.server_close()


def begin(msvc, text):
    """Start text beside a witness, without waiting until it is ready."""
    msvc.start(WITNESS)
    msvc.write(WITNESS + text)
    os.kill(msvc.supervisor_pid, signal.SIGHUP)
    wait_for(lambda: len(msvc.status()["services"]) == 2, "the reload")
    wait_for(lambda: msvc.pid("a"), "its start")


def not_yet(msvc):
    later(msvc)
    assert msvc.instance("a")["state"] == "starting", msvc.instance("a")


def test_f8_ready_by_a_line_of_its_log(msvc):
    begin(msvc, script(
        msvc, "a", "echo warming up\nwhile [ ! -e go ]; do sleep 0.01; done\necho now serving\n"
        "exec sleep 1000\n").replace("ready = none", "ready = log ^now"))
    msvc.log_has("warming up", "a")
    not_yet(msvc)
    (msvc.dir / "go").touch()
    msvc.wait_state("a", "ready", generation=1)


def test_f8_ready_by_tcp(msvc):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        begin(msvc, sleeper("a", "ready_interval = 20ms").replace(
            "ready = none", f"ready = tcp 127.0.0.1:{port}"))
        not_yet(msvc)
        sock.listen()
        msvc.wait_state("a", "ready", generation=1)


def test_f8_ready_by_http_and_restarted_after_failed_probes(msvc, http_service):
    port, set_status = http_service
    url = f"http http://127.0.0.1:{port}/health"
    begin(msvc, sleeper(
        "a", f"ready_interval = 20ms\nhealth = {url}\nhealth_interval = 30ms\n"
        "health_failures = 3\nrestart_delay = 10ms").replace("ready = none", f"ready = {url}"))
    old = msvc.pid("a")
    not_yet(msvc)
    set_status(200)
    msvc.wait_state("a", "ready", generation=1)
    set_status(503)
    wait_for(lambda: not is_running(old), "it to be stopped")
    set_status(200)
    msvc.wait_state("a", "ready", generation=2)
    assert msvc.log_has(r"a/1\[\d+\]: unhealthy: .*503")


def usr1(msvc):
    text = script(msvc, "a", f"trap '{note('got', 'usr1').strip()}' USR1\n: >up\n"
                  "while :; do sleep 0.02; done\n")
    msvc.start(text)
    wait_for((msvc.dir / "up").exists, "the trap")


def test_f9_a_signal_of_the_operator_is_delivered_and_the_child_goes_on(msvc):
    usr1(msvc)
    pid = msvc.pid("a")
    result = msvc.command("signal", "a", "USR1")
    assert result.returncode == 0, result.stderr
    wait_for(lambda: lines(msvc, "got") == ["usr1"], "the signal")
    assert msvc.command("signal", "a/1", "SIGUSR1").returncode == 0
    wait_for(lambda: lines(msvc, "got") == ["usr1"] * 2, "the signal")
    assert msvc.pid("a") == pid and msvc.instance("a")["generation"] == 1


def test_f10_a_signal_to_a_stopped_child_is_an_error_and_reaches_nobody(msvc):
    usr1(msvc)
    helpers = [msvc.status()["supervisor"][role]["pid"] for role in ("router", "logger")]
    assert msvc.command("stop", "a").returncode == 0
    for name in ("a", "a/1"):
        result = msvc.command("signal", name, "KILL")
        assert result.returncode == 1, result
        assert re.search(r"a(/1)? has no process, it is stopped", result.stderr), result.stderr
    assert msvc.command("status").returncode == 0
    wait_children(msvc, [])
    wait_for(lambda: len(children(msvc.supervisor_pid)) == 2, "router and logger alone")
    assert all(is_running(pid) for pid in helpers)
