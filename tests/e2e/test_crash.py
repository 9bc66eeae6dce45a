"""Crash bundles and their command; faults on purpose that are signals."""

import json
import os
import signal
import stat
import subprocess

from conftest import BIN, wait_for

SLEEPER = "[service t]\ncommand = /bin/sh {dir}/t.sh\nready = none\nrestart_delay = 50ms\n"


def crasher(msvc, script, head="", more=""):
    """Start a service that runs script, which may end at once."""
    (msvc.dir / "t.sh").write_text(script)
    msvc.start(SLEEPER + more, head=head, check=False)


def crash_dir(msvc):
    return msvc.log_dir / "crash"


def bundles(msvc):
    """The ids in the directory, the oldest first."""
    return sorted((p.stem for p in crash_dir(msvc).glob("*.json")),
                  key=lambda name: (name[-16:], int(name.split("-")[2])))


def wait_bundle(msvc, generation=1):
    """The bundle of t/1 in that generation, as the command gives it."""
    name = wait_for(
        lambda: next((b for b in bundles(msvc) if b.startswith(f"t-1-{generation}-")), None),
        f"the bundle of generation {generation}")
    result = msvc.command("-o", "json", "crash", "show", name)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


ONCE = "[ -e once ] && exec sleep 1000; touch once\n"


def test_a_stopped_group_wakes_up_to_stop(msvc):
    (msvc.dir / "t.sh").write_text("trap 'exit 0' TERM; while :; do sleep 0.2; done\n")
    msvc.start(SLEEPER)
    assert msvc.command("fault", "t", "stop", "--for", "60s").returncode == 0
    assert msvc.command("stop", "t").returncode == 0
    assert "killing it" not in msvc.log("msvc")


def test_a_bundle_has_the_facts_of_a_signal(msvc):
    crasher(msvc, ONCE + "echo before; echo 'last words' >&2; kill -SEGV $$\n")
    bundle = wait_bundle(msvc)
    assert bundle["service"] == "t" and bundle["instance"] == 1 and bundle["generation"] == 1
    assert bundle["signal"] == 11 and bundle["signal_name"] == "SIGSEGV"
    assert bundle["exit_code"] is None and bundle["oom_killed"] is False
    assert "killed by signal 11" in bundle["reason"]
    assert bundle["pid"] > 1 and bundle["uptime_ms"] >= 0
    assert bundle["rusage"]["max_rss_kb"] > 0
    assert bundle["decision"]["action"] == "restart"
    assert bundle["requests"] == [] and bundle["in_flight_total"] == 0
    assert [line.split(" ", 1)[1] for line in bundle["log"]] == ["before", "last words"]
    assert msvc.log_has(rf"killed by signal 11.*bundle {bundle['id']}")


def test_a_bundle_has_an_exit_code_and_half_a_line(msvc):
    crasher(msvc, ONCE + "printf 'no end \\377'; exit 3\n")
    bundle = wait_bundle(msvc)
    assert bundle["exit_code"] == 3 and bundle["signal"] is None
    assert bundle["log"][-1].endswith(r"no end \xff")


def test_only_the_last_fifty_lines_are_in_it(msvc):
    crasher(msvc, ONCE + "seq -f 'line %g' 1 500; exit 1\n")
    log = wait_bundle(msvc)["log"]
    assert [line.split(" ", 1)[1] for line in log] == [f"line {n}" for n in range(451, 501)]


def test_what_was_asked_for_or_is_a_success_leaves_no_bundle(msvc):
    crasher(msvc, "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done\n",
            more="[service ok]\ncommand = /bin/true\nready = none\nrestart = on-failure\n")
    msvc.log_has(r"t/1 up", "t")
    msvc.wait_state("ok", "stopped")
    assert msvc.command("restart", "t").returncode == 0
    assert msvc.command("stop", "t").returncode == 0
    assert msvc.stop().returncode == 0
    assert bundles(msvc) == []


def test_files_are_private_and_the_oldest_are_removed(msvc):
    crasher(msvc, "exit 1\n", head="crash_keep = 2\n", more="restart_limit = 4/60s\n")
    msvc.wait_state("t", "failed")
    wait_for(lambda: [b[:5] for b in bundles(msvc)] == ["t-1-4", "t-1-5"], "two bundles")
    assert stat.S_IMODE(crash_dir(msvc).stat().st_mode) == 0o700
    for path in crash_dir(msvc).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert wait_bundle(msvc, 5)["decision"]["action"] == "failed"


def test_none_are_written_when_none_are_kept(msvc):
    crasher(msvc, "exit 1\n", head="crash_keep = 0\n", more="restart_limit = 1/60s\n")
    msvc.wait_state("t", "failed")
    msvc.stop()
    assert not crash_dir(msvc).exists() and "bundle" not in msvc.log("msvc")


def test_a_directory_that_cannot_be_written_is_a_warning(msvc):
    (msvc.dir / "file").write_text("")
    crasher(msvc, ONCE + "exit 1\n", head="crash_dir = file/crash\n")
    assert msvc.log_has(r"crash bundle is lost: .*file/crash")
    msvc.wait_state("t", "ready", generation=2)
    assert msvc.status()["supervisor"]["logger"]["restarts"] == 0


def test_a_crash_while_the_system_stops_is_told_too(msvc):
    crasher(msvc, "echo up; exec sleep 1000\n", more="restart_delay_max = 60s\n")
    msvc.kill("t", sig=signal.SIGSEGV)
    assert msvc.stop().returncode == 0
    assert [b[:5] for b in bundles(msvc)] == ["t-1-1"]


def test_the_command_lists_and_shows_without_a_supervisor(msvc):
    crasher(msvc, "echo words; exit 1\n", more="restart_limit = 1/60s\n")
    msvc.wait_state("t", "failed")
    wait_bundle(msvc, 2)
    msvc.stop()
    names = bundles(msvc)
    table = msvc.command("crash").stdout.splitlines()
    assert table[0].split() == ["ID", "TIME", "SERVICE/INSTANCE", "WHAT", "REQUESTS"]
    assert [line.split()[0] for line in table[1:]] == names
    listed = json.loads(msvc.command("-o", "json", "crash", "list").stdout)
    assert [item["id"] for item in listed] == names
    shown = msvc.command("crash", "show", names[0]).stdout
    assert "exited 1" in shown and "words" in shown and "generation 1" in shown
    last = json.loads(msvc.command("crash", "last", "-o", "json").stdout)
    assert last["id"] == names[-1]


def test_the_command_asks_a_running_system_for_its_directory(msvc):
    crasher(msvc, ONCE + "exit 1\n", head="crash_dir = elsewhere\n")
    wait_for(lambda: list((msvc.dir / "elsewhere").glob("t-1-1-*.json")), "the bundle")
    msvc.conf.rename(msvc.dir / "kept.ini")
    assert msvc.command("crash").returncode == 1
    (msvc.dir / "kept.ini").rename(msvc.conf)
    result = msvc.command("-r", str(msvc.run_dir), "crash")
    assert result.returncode == 0 and "t-1-1-" in result.stdout


def test_the_command_needs_no_more_of_a_broken_configuration(msvc):
    crasher(msvc, ONCE + "exit 1\n", head="crash_dir = elsewhere/deep/\n")
    wait_for(lambda: list((msvc.dir / "elsewhere" / "deep").glob("t-1-1-*.json")), "the bundle")
    msvc.conf.write_text(msvc.conf.read_text() + "[service x]\ncomand = 1\n")
    for args in ([], ["-r", str(msvc.run_dir)]):
        result = msvc.command(*args, "crash")
        assert result.returncode == 0 and "t-1-1-" in result.stdout and result.stderr == ""


def test_nothing_that_a_process_says_speaks_to_the_terminal(msvc):
    crasher(msvc, ONCE + "head -c 1000000 /dev/zero | tr '\\0' x; echo\n"
            "printf 'a\\033[31m\\000\\001\\377\\302\\205b\\n\\355\\240\\200\\n'\n"
            "head -c 300000 /dev/urandom; exit 1\n")
    bundle = wait_bundle(msvc)
    assert len(bundle["log"]) == 50
    assert all(len(line) < 5000 for line in bundle["log"])
    shown = msvc.command("crash", "last").stdout
    assert not [c for c in shown if (c < " " and c != "\n") or "\x7f" <= c < "\xa0"]


def test_wrong_ids_are_refused(msvc):
    msvc.write(SLEEPER)
    (msvc.dir / "secret.json").write_text("{}")
    empty = msvc.command("crash")
    assert empty.returncode == 0 and "no process has crashed" in empty.stderr
    assert json.loads(msvc.command("crash", "-o", "json").stdout) == []
    assert msvc.command("crash", "last").returncode == 1
    crash_dir(msvc).mkdir(parents=True)
    for name in ("../../secret", "secret", "x/../y", "", "t-1-1-20260101T000000Z"):
        result = msvc.command("crash", "show", name)
        assert result.returncode == 1 and "msvc crash list" in result.stderr
    assert msvc.command("crash", "show").returncode == 2
    assert msvc.command("crash", "explode").returncode == 2
    assert msvc.command("crash", "list", "x").returncode == 2


def test_files_that_are_no_bundles_harm_nobody(msvc):
    msvc.write(SLEEPER)
    crash_dir(msvc).mkdir(parents=True)
    bad = {"a-1-1-20260101T000000Z": b"not json", "a-1-2-20260101T000000Z": b"[]",
           "a-1-3-20260101T000000Z":
               b'{"id":"$(x)","service":7,"log":{},"requests":[1,"\\u001b[31m"]}'}
    for name, content in bad.items():
        (crash_dir(msvc) / f"{name}.json").write_bytes(content)
    os.mkfifo(crash_dir(msvc) / "a-1-4-20260101T000000Z.json")
    result = msvc.command("crash")
    assert result.returncode == 0 and len(result.stdout.splitlines()) == 3
    assert "a-1-1-" in result.stderr and "a-1-4-" in result.stderr
    # What a bundle is called is for the directory to say.
    listed = json.loads(msvc.command("crash", "-o", "json").stdout)
    assert [item["id"] for item in listed] == sorted(bad)[1:]
    for name in bad:
        assert "\033" not in msvc.command("crash", "show", name).stdout


# -- faults on purpose


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


TWO = SLEEPER + "instances = 2\n"


def test_fault_kill_ends_the_process_like_a_crash(msvc):
    (msvc.dir / "t.sh").write_text("exec sleep 1000\n")
    msvc.start(TWO)
    other = msvc.pid("t", 2)
    result = msvc.command("fault", "t/1", "kill")
    assert result.returncode == 0 and result.stdout == "t: 1 process killed\n"
    msvc.wait_state("t", "ready", generation=2)
    assert msvc.pid("t", 2) == other
    assert msvc.log_has(r"t/1\[\d+\]: fault: killing it")
    assert wait_bundle(msvc)["signal"] == 9
    assert json.loads(msvc.command("fault", "t", "kill", "-o", "json").stdout) == {
        "ok": True, "count": 2}


def test_faults_are_for_both_generations_of_a_rolling_restart(msvc):
    (msvc.dir / "t.sh").write_text("exec sleep 1000\n")
    msvc.start(SLEEPER)
    msvc.write(SLEEPER.replace("ready = none", "ready = notify\nready_timeout = 60s"))
    with subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "reload"], stderr=subprocess.DEVNULL) as reload:
        both = wait_for(
            lambda: (i := msvc.service("t")["instances"]) and len(i) == 2 and i, "two generations")
        assert msvc.command("fault", "t", "stop").stdout.startswith("t: 2 processes stopped")
        wait_for(lambda: [state_of(i["pid"]) for i in both] == ["T", "T"], "both to stop")
        assert msvc.command("fault", "t", "none").stdout == "t: 2 faults ended\n"
        wait_for(lambda: "T" not in [state_of(i["pid"]) for i in both], "both to go on")
        assert msvc.command("fault", "t/1", "kill").stdout == "t: 2 processes killed\n"
        assert reload.wait() == 1


def test_fault_stop_is_over_in_time(msvc):
    crasher(msvc, "exec sleep 1000\n")
    pid = msvc.pid("t")
    assert msvc.command("fault", "t", "stop", "--for", "200ms").returncode == 0
    wait_for(lambda: state_of(pid) == "T" or "fault is over" in msvc.log("msvc"), "the stop")
    wait_for(lambda: state_of(pid) != "T", "the process to go on")
    assert msvc.log_has(rf"t/1\[{pid}\]: fault is over, going on")
    assert msvc.pid("t") == pid


def test_fault_stop_takes_the_whole_group_and_none_ends_it(msvc):
    crasher(msvc, "sleep 1000 & echo $! > child; wait\n")
    wait_for(lambda: (msvc.dir / "child").exists() and (msvc.dir / "child").read_text(),
             "the child")
    pids = [msvc.pid("t"), int((msvc.dir / "child").read_text())]
    assert msvc.command("fault", "t", "stop").returncode == 0
    wait_for(lambda: [state_of(p) for p in pids] == ["T", "T"], "both to stop")
    result = msvc.command("fault", "t", "none")
    assert result.returncode == 0 and result.stdout == "t: 1 fault ended\n"
    wait_for(lambda: "T" not in [state_of(p) for p in pids], "both to go on")
    assert msvc.command("fault", "t", "none").stdout == "t: 0 faults ended\n"


def test_a_stopped_process_that_is_replaced_leaves_nothing_over(msvc):
    crasher(msvc, "exec sleep 1000\n")
    pid = msvc.pid("t")
    assert msvc.command("fault", "t", "stop", "--for", "300ms").returncode == 0
    os.kill(pid, signal.SIGKILL)
    msvc.wait_state("t", "ready", generation=2)
    assert msvc.log_has(rf"t/1\[{pid}\]: fault is over, the process is gone")
    # A system with a stopped process stops as any other.
    assert msvc.command("fault", "t", "stop").returncode == 0
    assert msvc.stop().returncode == 0
    assert "killing it" not in msvc.log("msvc")


def test_faults_of_the_router_begin_and_end_in_the_log(echo):
    assert echo.command("fault", "echo", "delay=5", "--for", "200ms").returncode == 0
    assert echo.log_has(r"echo: fault: 100% of its requests wait 5 ms, for 200 ms")
    assert echo.log_has(r"echo: fault is over")
    assert echo.command("fault", "echo", "error=503", "--percent", "10").returncode == 0
    assert echo.log_has(r"echo: fault: 10% of its requests are answered 503, for 60000 ms")
    assert echo.command("fault", "echo", "none").stdout == "echo: 1 fault ended\n"


def test_wrong_faults_are_refused_with_what_would_be_right(echo):
    for args, code, text in (
        (["echo", "delay=x"], 2, "must be milliseconds or a duration"),
        (["echo", "error=200"], 2, "must be a status from 400 to 599"),
        (["echo", "stop", "--for", "25h"], 2, "must be a duration"),
        (["echo", "kill", "--percent", "5"], 2, "takes no --percent"),
        (["echo", "explode"], 2, "must be kill, stop, delay=MS, error=STATUS or none"),
        (["echo/x", "kill"], 2, "must be SERVICE or SERVICE/INSTANCE"),
        (["echo/9", "kill"], 1, "there is no echo/9"),
        (["nobody", "kill"], 1, 'there is no service "nobody"'),
        (["echo/1", "delay=5"], 1, "for a whole service"),
    ):
        result = echo.command("fault", *args)
        assert result.returncode == code and text in result.stderr, args
    echo.command("stop", "echo")
    result = echo.command("fault", "echo", "kill")
    assert result.returncode == 1 and "has no process now" in result.stderr


def test_quarantine_without_anything_in_it(echo):
    result = echo.command("quarantine")
    assert result.returncode == 0 and "no request is quarantined" in result.stderr
    assert json.loads(echo.command("quarantine", "-o", "json").stdout) == []
    assert echo.command("quarantine", "release", "all").stdout == "released: 0\n"
    for args, code in ((["show", "ab"], 1), (["release", "ab"], 1), (["show", ""], 1),
                       (["show"], 2), (["list", "x"], 2), (["explode", "x"], 2)):
        assert echo.command("quarantine", *args).returncode == code, args
