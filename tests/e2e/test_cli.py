"""The msvc command: exit codes, texts, tables, completion."""

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import struct
import subprocess
import termios
import threading

import pytest

from conftest import BIN, DEADLINE, ECHO, ROOT, is_running, read_all, wait_for

COMMANDS = ("start", "run", "stop", "status", "top", "restart", "signal", "reload", "check",
            "logs", "call", "pub", "sub", "version")


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


def complete(*words):
    """What bash offers for the last of the words."""
    result = subprocess.run(
        ["bash", "-c", 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
         'complete -p msvc >/dev/null && $(complete -p msvc | sed "s/.*-F \\([^ ]*\\).*/\\1/") && '
         'printf "%s\\n" "${COMPREPLY[@]}"', "-", ROOT / "conf" / "msvc.bash", *words],
        capture_output=True, text=True, timeout=DEADLINE)
    return set(result.stdout.split())


def test_completion_knows_every_command_and_its_options():
    commands = json.loads(msvc_bare("-o", "json", "help").stdout)
    known = {c["name"] for c in commands}
    assert known >= set(COMMANDS)
    assert known <= complete("msvc", "")
    for command in commands:
        options = set(re.findall(r"(?<![\w-])(--[\w-]+|-\w\b)", command["synopsis"]))
        offered = complete(BIN / "msvc", command["name"], "x", "-")
        assert options <= offered, (command["name"], options, offered)


def test_completion_knows_the_services(echo):
    for where in (("-c", echo.conf), ("-r", echo.run_dir)):
        for command in ("restart", "logs", "status", "scale", "signal", "drain", "fault"):
            offered = complete(BIN / "msvc", *where, command, "e")
            assert offered == {"echo=" if command == "scale" else "echo"}, (where, command)


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
        "ok": True, "added": 0, "removed": 0, "restarted": 0, "applied": 0, "kept": 1}
    assert result("call", "GET /x")["path"] == "/x"
    for args in (("restart", "echo"), ("stop", "echo"), ("start", "echo")):
        assert result(*args) == {"ok": True}
    msvc.conf.write_text(msvc.conf.read_text() + "[x]\n")
    assert result("check", code=1)["errors"]
    assert result("stop") == {"ok": True}


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


def test_an_empty_name_is_not_everything(echo):
    """As in msvc stop "$SERVICE" with a variable that is not set."""
    pid = echo.pid("echo")
    for args in (("stop", ""), ("stop", "--force", ""), ("restart", ""), ("restart", "/1"),
                 ("start", ""), ("drain", ""), ("undrain", "/1"), ("signal", "", "TERM"),
                 ("status", ""), ("logs", ""), ("fault", "", "kill")):
        result = echo.command(*args)
        assert result.returncode == 2, (args, result)
    assert echo.pid("echo") == pid and is_running(echo.supervisor_pid)


def ask(msvc, request):
    """What the supervisor answers to bytes, until it closes."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(DEADLINE)
        sock.connect(str(msvc.run_dir / "control.sock"))
        sock.sendall(struct.pack(">I", len(request)) + request)
        return read_all(sock)


def test_a_request_whose_service_is_no_name_is_refused(echo):
    pid = echo.pid("echo")
    for name in (b"\xa0", b"\x05", b"\xc0", b"\x90", b"\xc4\x01x"):
        for command in (b"\xa4stop", b"\xa7restart"):
            answer = ask(echo, b"\x82\xa3cmd" + command + b"\xa7service" + name)
            assert b"\xa2ok\xc2" in answer, (command, name)
    assert echo.pid("echo") == pid and is_running(echo.supervisor_pid)


def test_a_thousand_silent_connections_keep_nobody_out(echo):
    socks = []

    def connect():
        for _ in range(1000):
            sock = socket.socket(socket.AF_UNIX)
            socks.append(sock)
            sock.connect(str(echo.run_dir / "control.sock"))

    threads = [threading.Thread(target=connect) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            result = echo.command("status")
            assert result.returncode == 0, result.stderr
        assert echo.command("status").returncode == 0
    finally:
        for thread in threads:
            thread.join()
        for sock in socks:
            sock.close()


def test_garbage_on_the_control_socket_is_the_sender_s_affair(echo):
    path = str(echo.run_dir / "control.sock")
    for data in (b"\xff" * 70000, b"\0\0\0\x05hello", b"\0\0\0\0", b"\0\0\0\1\x81",
                 b"\0\0\0\x0a\x81\xa3cmd\xa4nope", b"\0\0\0\x05\xdf\xff\xff\xff\xff",
                 b"\0\0\0\x09" + b"\x91" * 9, b"GET / HTTP/1.1\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(DEADLINE)
            sock.connect(path)
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            read_all(sock)
    assert echo.command("status").returncode == 0 and echo.get("/hello").status == 200


def test_json_is_json_whatever_is_wrong_with_the_rest():
    for args, code in ((("-o", "json", "status", "-h"), 0), (("status", "-x", "-o", "json"), 2),
                       (("-x", "-o", "json", "status"), 2), (("stop", "a", "b", "-o", "json"), 2)):
        result = msvc_bare(*args)
        assert result.returncode == code, args
        json.loads(result.stdout)


def test_restart_of_all_wakes_nothing_that_sleeps(msvc):
    """Neither a job whose time has not come nor what nobody has asked for."""
    msvc.start(ECHO + "[service job]\ncommand = /bin/sh -c 'echo ran'\nschedule = 0 0 1 1 *\n"
               "[service lazy]\ncommand = {samples}/echo\nroute = /lazy\nidle_stop = 100ms\n")
    msvc.wait_state("lazy", "stopped")
    generation = msvc.instance("lazy")["generation"]
    pid = msvc.pid("echo")
    result = msvc.command("restart")
    assert result.returncode == 0, result.stderr
    assert msvc.pid("echo") != pid
    assert msvc.instance("job")["generation"] == 0
    assert msvc.instance("lazy")["generation"] == generation
    assert msvc.command("restart", "job").returncode == 0
    msvc.log_has("ran", "job")


def test_those_who_do_not_read_their_answer_keep_nobody_out(msvc):
    # As many services as make an answer that no socket buffer takes.
    msvc.start("".join(f"[service s{n}]\ncommand = /bin/true\nenabled = no\n"
                       for n in range(1500)))
    request = b"\x81\xa3cmd\xa6status"
    socks = []
    try:
        for _ in range(300):
            sock = socket.socket(socket.AF_UNIX)
            socks.append(sock)
            sock.settimeout(0.01)
            with contextlib.suppress(OSError):
                sock.connect(str(msvc.run_dir / "control.sock"))
                sock.sendall(struct.pack(">I", len(request)) + request)
        result = msvc.command("status", timeout=DEADLINE / 2)
        assert result.returncode == 0, result.stderr
    finally:
        for sock in socks:
            sock.close()
