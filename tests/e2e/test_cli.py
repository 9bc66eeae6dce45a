"""The msvc command: exit codes, texts, tables, completion."""

import fcntl
import json
import os
import re
import signal
import subprocess
import termios

import pytest

from conftest import BIN, DEADLINE, ECHO, ROOT, wait_for

COMMANDS = ("start", "run", "stop", "status", "restart", "reload", "check", "logs",
            "call", "pub", "sub", "version")


def msvc_bare(*args, **options):
    return subprocess.run(
        [BIN / "msvc", *args], capture_output=True, text=True, timeout=DEADLINE, **options)


def test_no_command_or_a_wrong_one_is_usage(tmp_path):
    for args in ((), ("nosuch",), ("-x",), ("-o", "xml", "status")):
        result = msvc_bare(*args)
        assert result.returncode == 2, args
        assert "usage: msvc" in result.stderr


def test_a_near_miss_is_suggested():
    assert 'mean "status"' in msvc_bare("statsu").stderr
    assert 'mean "status"' in msvc_bare("stat").stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    result = msvc_bare(command, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith(f"usage: msvc {command}")


def test_version_is_printed():
    result = msvc_bare("version")
    assert result.returncode == 0 and re.match(r"msvc \d+\.\d+\.\d+", result.stdout)


def test_not_running_is_exit_3(msvc):
    msvc.write(ECHO)
    for args in (("status",), ("stop",), ("reload",), ("restart", "echo"),
                 ("call", "echo.x"), ("pub", "a", "1")):
        result = msvc.command(*args)
        assert result.returncode == 3, (args, result.stderr)


def test_check_prints_a_summary(msvc):
    msvc.write(ECHO)
    result = msvc.command("check")
    assert result.returncode == 0 and re.search(r"services 1\b", result.stdout)


def test_check_reports_every_mistake_with_its_line(msvc):
    msvc.conf.write_text(
        "[msvc]\nrun_dir = run\nlog_dir = log\n[service a]\ncomand = x\n"
        "[service b]\ncommand = y\ntimeout = 10x\n[rooter]\n")
    result = msvc.command("check")
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert any(re.search(r'msvc\.ini:5: .*"comand".*"command"', x) for x in lines)
    assert any(re.search(r"msvc\.ini:8: .*timeout.*10x", x) for x in lines)
    assert any(re.search(r'msvc\.ini:9: .*rooter.*"?router', x) for x in lines)


def test_a_missing_config_is_named(msvc):
    result = msvc.command("check")
    assert result.returncode == 1 and str(msvc.conf) in result.stderr


def test_status_fits_80_columns_and_has_no_colour_in_a_pipe(msvc):
    msvc.start(ECHO.replace("service echo", "service a-service-with-a-name-of-32-char"[:41])
               + "instances = 3\n")
    result = msvc.command("status")
    assert result.returncode == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "\033" not in result.stdout
    assert "ready" in result.stdout


def test_logs_shows_and_follows(msvc):
    (msvc.dir / "t.sh").write_text(
        "echo one; echo two; while read -r x; do :; done < /dev/null; exec sleep 1000\n")
    msvc.start("[service t]\ncommand = /bin/sh {dir}/t.sh\nready = none\n")
    msvc.log_has("two", "t")
    result = msvc.command("logs", "-n", "1", "t")
    assert result.returncode == 0
    assert "two" in result.stdout and "one" not in result.stdout
    follow = subprocess.Popen(
        [BIN / "msvc", "-c", msvc.conf, "logs", "-f", "-n", "5", "t"],
        stdout=subprocess.PIPE, text=True)
    try:
        assert "one" in follow.stdout.readline()
        assert "two" in follow.stdout.readline()
        msvc.command("restart", "t")
        assert "one" in follow.stdout.readline()
    finally:
        follow.send_signal(signal.SIGINT)
        follow.wait(DEADLINE)
    assert msvc.command("logs", "nosuch").returncode == 1


def test_call_by_path_and_by_operation(echo):
    result = echo.command("call", "GET /x?y=1")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["path"] == "/x"
    result = echo.command("call", "POST /x", '{"a": [1, 2]}')
    assert json.loads(result.stdout)["body"] == {"a": [1, 2]}
    # JSON ends its line, also where the service made the text; bytes are bytes.
    assert result.stdout.endswith("}\n")
    hello = echo.get("/hello").body.decode()
    assert echo.command("call", "GET /hello").stdout == hello + "\n"
    assert echo.command("call", "GET /bytes/5").stdout == "xxxxx"
    assert echo.command("call", "GET /status/404").returncode == 1
    assert echo.command("call", "nosuch.op").returncode == 1


def test_pub_reaches_sub(echo):
    sub = subprocess.Popen(
        [BIN / "msvc", "-c", echo.conf, "sub", "-n", "1", "orders."],
        stdout=subprocess.PIPE, text=True)
    try:
        def published():
            echo.command("pub", "other.topic", "1")
            assert echo.command("pub", "orders.new", '{"id": 7}').returncode == 0
            return sub.poll() is not None

        wait_for(published, "the subscriber to end")
    finally:
        if sub.poll() is None:
            sub.kill()
    line = json.loads(sub.stdout.read().splitlines()[0])
    assert line["topic"] == "orders.new" and line["data"] == {"id": 7}


def test_run_stays_in_front_with_prefixed_lines_and_ctrl_c_stops_it(msvc):
    msvc.write(ECHO)
    msvc.foreground = subprocess.Popen(
        [BIN / "msvc", "-c", msvc.conf, "run"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    wait_for(lambda: msvc.command("status").returncode == 0, "a supervisor")
    msvc.wait_state("echo", "ready")
    os.kill(msvc.foreground.pid, signal.SIGINT)
    output, _ = msvc.foreground.communicate(timeout=DEADLINE)
    assert msvc.foreground.returncode == 0, output
    assert re.search(r"msvc.*echo/1.*ready", output)
    assert "\033" not in output


def test_logs_of_a_run_directory_need_no_configuration(echo, tmp_path):
    """There may be none, or the one of another system."""
    echo.log_has("echo/1.*ready")
    for args in ((), ("msvc",)):
        result = msvc_bare("-r", echo.run_dir, "logs", *args, cwd=tmp_path)
        assert result.returncode == 0 and "echo/1" in result.stdout, result.stderr
    assert msvc_bare("-r", echo.run_dir, "logs", "nosuch", cwd=tmp_path).returncode == 1
    assert msvc_bare("-r", tmp_path, "logs", cwd=tmp_path).returncode == 3


def run_on_terminal(msvc):
    """msvc run as the leader of a session on a new terminal; its master side."""
    master, slave = os.openpty()
    msvc.foreground = subprocess.Popen(
        [BIN / "msvc", "-c", msvc.conf, "run"], stdin=slave, stdout=slave, stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(slave)
    wait_for(lambda: msvc.command("status").returncode == 0, "a supervisor")
    msvc.wait_state("echo", "ready")
    return master


def test_run_stops_when_its_terminal_is_closed(msvc):
    msvc.write(ECHO)
    os.close(run_on_terminal(msvc))
    assert msvc.foreground.wait(DEADLINE) == 0
    assert msvc.log_has("supervisor: its terminal is gone, stopping")
    assert "reload" not in msvc.log("msvc")


def test_run_on_a_terminal_that_is_there_reloads_on_sighup(msvc):
    msvc.write(ECHO)
    master = run_on_terminal(msvc)
    msvc.foreground.send_signal(signal.SIGHUP)
    msvc.log_has("supervisor: reloaded")
    assert msvc.instance("echo")["state"] == "ready"
    os.close(master)
    assert msvc.foreground.wait(DEADLINE) == 0


def test_the_supervisor_binary_is_free_of_nng_and_threads():
    libraries = subprocess.run(["ldd", BIN / "msvc"], capture_output=True, text=True).stdout
    assert "libnng" not in libraries
    symbols = subprocess.run(["nm", BIN / "msvc"], capture_output=True, text=True).stdout
    assert not re.search(r" [TtUW] nng_", symbols)


def test_completion_knows_every_command():
    script = (ROOT / "conf" / "msvc.bash").read_text()
    result = subprocess.run(
        ["bash", "-c", 'source "$1"; COMP_WORDS=(msvc ""); COMP_CWORD=1; '
         'complete -p msvc >/dev/null && $(complete -p msvc | sed "s/.*-F \\([^ ]*\\).*/\\1/") && '
         'printf "%s\\n" "${COMPREPLY[@]}"', "-", str(ROOT / "conf" / "msvc.bash")],
        capture_output=True, text=True)
    assert script and set(COMMANDS) <= set(result.stdout.split()), result.stderr


def test_every_result_is_json_when_asked(msvc):
    msvc.write(ECHO)

    def result(*args, code=0):
        done = msvc.command("-o", "json", *args)
        assert done.returncode == code, (args, done.stderr)
        return json.loads(done.stdout) if done.stdout else None

    assert result("version")["version"]
    assert result("check")["services"] == ["echo"]
    started = result("start")
    msvc.supervisor_pid = msvc.lock_pid()
    assert started["supervisor"]["pid"] == msvc.supervisor_pid
    assert started["services"][0]["state"] == "ready"
    assert [s["name"] for s in result("status", "echo")["services"]] == ["echo"]
    assert result("reload") == {
        "added": 0, "removed": 0, "restarted": 0, "applied": 0, "kept": 1}
    assert result("call", "GET /x")["path"] == "/x"
    for args in (("restart", "echo"), ("stop", "echo"), ("start", "echo")):
        assert result(*args) is None
    msvc.conf.write_text(msvc.conf.read_text() + "[x]\n")
    assert result("check", code=1)["errors"]
    assert result("stop") is None


def test_logs_follow_over_many_rotations_without_a_gap(msvc):
    (msvc.dir / "t.sh").write_text(
        f"echo first; until [ -e {msvc.dir}/go ]; do sleep 0.01; done\n"
        "i=0; while [ $i -lt 60 ]; do seq -f \"line %g of a long story of a service "
        "xxxxxxxxxxxxxxxxxxxx\" $((i*50+1)) $((i*50+50)); i=$((i+1)); sleep 0.01; done\n"
        "exec sleep 1000\n")
    msvc.start("[service t]\ncommand = /bin/sh {dir}/t.sh\nready = none\n",
               head="log_max_size = 20k\nlog_keep = 20\n")
    msvc.log_has("first", "t")
    follow = subprocess.Popen(
        [BIN / "msvc", "-c", msvc.conf, "logs", "-f", "-n", "1", "t"],
        stdout=subprocess.PIPE, text=True)
    try:
        assert "first" in follow.stdout.readline()
        (msvc.dir / "go").touch()
        for number in range(1, 3001):
            assert f"line {number} of" in follow.stdout.readline()
    finally:
        follow.send_signal(signal.SIGINT)
        follow.wait(DEADLINE)
    assert (msvc.log_dir / "t.log.5").exists()
