"""Rolling restarts, drain, watchdog: an old and a new process side by side."""

import contextlib
import os
import pathlib
import pwd
import random
import re
import signal
import subprocess
import threading
import time

import pytest

from conftest import BIN, DEADLINE, ECHO, is_running, wait_for
from test_supervise import children

SLEEPER = "[service a]\ncommand = /bin/sleep 1000\nready = none\nramp = 500ms\n"

# Ready once the file go exists and hold.INSTANCE does not; exits 4 when
# dead.INSTANCE exists, a BROKEN one 3 when fail.INSTANCE does; deaf to SIGTERM
# when started with the file deaf. Says nothing more, or WATCHDOG=1 for as long
# as the file alive exists.
GATE = """\
import os, signal, socket, sys, time
home = os.path.dirname(os.path.abspath(__file__))
here = lambda name: os.path.exists(os.path.join(home, name))
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
say = lambda text: sock.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
index = os.environ["MSVC_INSTANCE"]
if here("deaf"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(os.path.join(home, "ran." + os.environ["MSVC_GENERATION"]), "w").close()
if here("dead." + index):
    sys.exit(4)
while here("hold." + index):
    time.sleep(0.01)
if "BROKEN" in os.environ and here("fail." + index):
    sys.exit(3)
while not here("go"):
    time.sleep(0.01)
say("READY=1")
while True:
    if here("alive"):
        say("WATCHDOG=1")
    if here("trigger"):
        say("WATCHDOG=trigger")
    if here("period"):
        say("WATCHDOG_USEC=200000\\nSTATUS=watched")
    if here("stopping"):
        say("STOPPING=1")
    time.sleep(0.02)
"""


def gate(msvc, more=""):
    """A service whose life the test decides by files."""
    path = msvc.dir / "gate.py"
    if not path.exists():  # one that starts just now may be reading it
        path.write_text(GATE)
    return (f"[service a]\ncommand = /usr/bin/python3 {msvc.dir}/gate.py\nready = notify\n"
            f"ramp = 0\n{more}\n")


def touch(msvc, name):
    (msvc.dir / name).write_text("")


def places(msvc, name="a"):
    return [i for i in msvc.service(name)["instances"] if not i["beside"]]


def beside(msvc, name="a"):
    found = [i for i in msvc.service(name)["instances"] if i["beside"]]
    return found[0] if found else None


def wait_beside(msvc, state, name="a"):
    return wait_for(
        lambda: (beside(msvc, name) or {}).get("state") == state and beside(msvc, name),
        f"a {state} one beside")


def wait_alone(msvc, name="a"):
    wait_for(lambda: beside(msvc, name) is None, "one generation")


def begin(msvc, *args):
    """A command that will not answer at once."""
    return subprocess.Popen(
        [BIN / "msvc", "-c", msvc.conf, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True)


def environ(msvc, index=1):
    return pathlib.Path(f"/proc/{msvc.pid('a', index)}/environ").read_bytes()


def user(msvc, index=1):
    return pathlib.Path(f"/proc/{msvc.pid('a', index)}").stat().st_uid


def end(process):
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out, err


def wait_connected(msvc, count):
    """Until so many commands have said what they want, and wait for it."""
    path = str(msvc.run_dir / "control.sock")

    def are_waiting():
        lines = pathlib.Path("/proc/net/unix").read_text().splitlines()
        return sum(line.endswith(path) and line.split()[5] == "03" for line in lines) >= count

    wait_for(are_waiting, f"{count} connections")
    # Connected is accepted: what it asked arrives before what we ask now.
    msvc.status()


class Watch:
    """Looks at the states all the time; fewest is the least number of ready ones."""

    def __init__(self, msvc, name):
        self.msvc, self.name, self.fewest, self.looks = msvc, name, 1000, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._stop.is_set():
            ready = {i["index"] for i in self.msvc.service(self.name)["instances"]
                     if i["state"] == "ready"}
            self.fewest = min(self.fewest, len(ready))
            self.looks += 1

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join(DEADLINE)
        return False


# -- restart


@pytest.mark.parametrize("count", [1, 4])
def test_a_restart_never_takes_an_instance_away(msvc, count):
    touch(msvc, "go")
    msvc.start(gate(msvc, f"instances = {count}"))
    before = places(msvc)
    with Watch(msvc, "a") as watch:
        result = msvc.command("restart", "a")
    assert result.returncode == 0, result.stderr
    assert watch.looks > 0 and watch.fewest == count
    wait_alone(msvc)
    after = places(msvc)
    assert [i["generation"] for i in after] == [i["generation"] + 1 for i in before]
    assert not {i["pid"] for i in before} & {i["pid"] for i in after}
    wait_for(lambda: not any(is_running(i["pid"]) for i in before), "the old ones to end")
    assert [i["restarts"] for i in after] == [1] * count
    assert msvc.service("a")["rolled_back"] is None


def test_clients_do_not_notice_a_restart(msvc):
    msvc.start(ECHO + "instances = 2\nramp = 100ms\ndrain_timeout = 500ms\n")
    with msvc.load("GET", "/hello") as load:
        load.wait_answers(50)
        result = msvc.command("restart", "echo")
        load.wait_answers(50)
    assert result.returncode == 0, result.stderr
    assert load.failures == []
    assert [i["generation"] for i in places(msvc, "echo")] == [2, 2]


def test_one_instance_is_restarted_alone(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc, "instances = 2"))
    first, second = [i["pid"] for i in places(msvc)]
    assert msvc.command("restart", "a/2").returncode == 0
    assert places(msvc)[0]["pid"] == first and places(msvc)[1]["pid"] != second


def test_a_restart_in_the_middle_of_one_waits_and_runs_again(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc))
    (msvc.dir / "go").unlink()
    first = begin(msvc, "restart", "a")
    wait_beside(msvc, "starting")
    second = begin(msvc, "restart", "a")
    wait_connected(msvc, 2)
    touch(msvc, "go")
    assert end(first)[0] == 0 and end(second)[0] == 0
    wait_alone(msvc)
    assert places(msvc)[0]["generation"] == 3 and places(msvc)[0]["state"] == "ready"


def test_a_restart_is_over_when_what_is_new_was_drained_meanwhile(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc, "instances = 2"))
    touch(msvc, "hold.2")
    restart = begin(msvc, "restart", "a")
    wait_for(lambda: (beside(msvc) or {}).get("index") == 2, "a/2")
    assert msvc.command("drain", "a/1").returncode == 0
    (msvc.dir / "hold.2").unlink()
    assert end(restart)[0] == 0
    assert [i["state"] for i in places(msvc)] == ["draining", "ready"]


def test_a_restart_does_not_wait_for_what_waits_in_vain(msvc):
    msvc.start("[service a]\ncommand = /bin/false\nready = notify\nrestart_limit = 1000/60s\n"
               "restart_delay = 20ms\n" + SLEEPER.replace("service a", "service b") +
               "after = a\n", check=False)
    result = msvc.command("restart")
    assert result.returncode == 1
    assert re.search("^(msvc: )?b/1: starting: waits for a$", result.stderr, re.M), result.stderr


def test_the_table_shows_the_one_beside(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc))
    (msvc.dir / "go").unlink()
    restart = begin(msvc, "restart", "a")
    wait_beside(msvc, "starting")
    lines = msvc.command("status", "a").stdout.splitlines()
    assert re.match(r"a/1 +ready ", lines[1]) and re.match(r"a/1\+ +starting ", lines[2])
    touch(msvc, "go")
    assert end(restart)[0] == 0


def test_without_overlap_the_old_one_ends_first(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc, "overlap = no"))
    pid = msvc.pid("a")
    (msvc.dir / "go").unlink()
    restart = begin(msvc, "restart", "a")
    msvc.wait_state("a", "starting", generation=2)
    assert not is_running(pid) and beside(msvc) is None
    touch(msvc, "go")
    assert end(restart)[0] == 0


# -- what goes wrong


def test_a_killed_new_one_is_rolled_back(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc, "instances = 2"))
    before = places(msvc)
    (msvc.dir / "go").unlink()
    restart = begin(msvc, "restart", "a")
    os.kill(wait_beside(msvc, "starting")["pid"], signal.SIGKILL)
    code, _, err = end(restart)
    assert code == 1
    assert re.search(r"a/1: rolled back: killed by signal 9", err)
    assert [i["pid"] for i in places(msvc)] == [i["pid"] for i in before]
    assert msvc.log_has(r"a/1: rolled back: killed by signal 9 .*generation 1 goes on")
    # Generations never go back, and a restart that succeeds forgets it.
    assert "rolled back" in msvc.service("a")["rolled_back"]
    assert "  a/1: rolled back: killed by signal 9" in msvc.command("status").stdout
    touch(msvc, "go")
    assert msvc.command("restart", "a").returncode == 0
    assert [i["generation"] for i in places(msvc)] == [3, 2]
    assert msvc.service("a")["rolled_back"] is None


def test_a_failure_on_trial_does_not_count_for_the_old_one(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc, "restart_limit = 1/60s"))
    (msvc.dir / "go").unlink()
    for _ in range(3):
        restart = begin(msvc, "restart", "a")
        os.kill(wait_beside(msvc, "starting")["pid"], signal.SIGKILL)
        assert end(restart)[0] == 1
    assert places(msvc)[0]["state"] == "ready" and places(msvc)[0]["generation"] == 1


def test_when_the_old_one_dies_the_new_one_takes_its_place(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc))
    (msvc.dir / "go").unlink()
    restart = begin(msvc, "restart", "a")
    new = wait_beside(msvc, "starting")["pid"]
    old = msvc.kill("a")
    msvc.log_has(rf"a/1\[{old}\]: killed by signal 9 .*its successor takes over")
    assert msvc.instance("a")["state"] == "starting" and msvc.instance("a")["pid"] is None
    touch(msvc, "go")
    assert end(restart)[0] == 0
    assert msvc.pid("a") == new and len(msvc.service("a")["instances"]) == 1


def test_when_both_die_the_old_one_is_started_again(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc))
    (msvc.dir / "go").unlink()
    restart = begin(msvc, "restart", "a")
    new = wait_beside(msvc, "starting")["pid"]
    old = msvc.kill("a")
    msvc.log_has(rf"a/1\[{old}\]: killed by signal 9 .*its successor takes over")
    touch(msvc, "fail.1")
    os.kill(new, signal.SIGKILL)
    assert end(restart)[0] == 1
    touch(msvc, "go")
    assert msvc.wait_state("a", "ready")["generation"] == 3


def test_stop_in_the_middle_stops_both(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc))
    (msvc.dir / "go").unlink()
    restart = begin(msvc, "restart", "a")
    pids = [msvc.pid("a"), wait_beside(msvc, "starting")["pid"]]
    assert msvc.command("stop", "a").returncode == 0
    assert not any(is_running(pid) for pid in pids)
    assert end(restart)[0] == 1
    assert msvc.instance("a")["state"] == "stopped" and beside(msvc) is None
    touch(msvc, "go")
    assert msvc.command("start", "a").returncode == 0
    assert msvc.instance("a")["generation"] == 3


def test_the_end_of_the_supervisor_in_the_middle_stops_both(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc))
    (msvc.dir / "go").unlink()
    restart = begin(msvc, "restart", "a")
    pids = [msvc.pid("a"), wait_beside(msvc, "starting")["pid"]]
    assert msvc.stop().returncode == 0
    assert not any(is_running(pid) for pid in pids)
    assert end(restart)[0] == 1


# -- reload


def test_a_reload_to_what_exits_at_start_is_rolled_back(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc, "instances = 2"))
    before = [i["pid"] for i in places(msvc)]
    touch(msvc, "fail.1")
    result = msvc.reload(gate(msvc, "instances = 2\nenv.BROKEN = 1"))
    assert result.returncode == 1
    assert "a/1: rolled back: exited 3" in result.stderr
    assert "1 restarted" in result.stdout
    assert [i["pid"] for i in places(msvc)] == before and beside(msvc) is None
    assert msvc.service("a")["rolled_back"] == "a/1: rolled back: exited 3"
    # The same file again is tried again, since it does not run.
    assert msvc.command("reload").returncode == 1
    (msvc.dir / "fail.1").unlink()
    result = msvc.command("reload")
    assert result.returncode == 0, result.stderr
    assert not set(before) & {i["pid"] for i in places(msvc)}
    assert msvc.service("a")["rolled_back"] is None


def test_a_reload_to_what_is_never_ready_is_rolled_back(msvc):
    msvc.start(SLEEPER)
    pid = msvc.pid("a")
    result = msvc.reload(SLEEPER.replace("ready = none", "ready = notify\nready_timeout = 200ms"))
    assert result.returncode == 1
    assert "a/1: rolled back: not ready within 200 ms" in result.stderr
    assert msvc.pid("a") == pid and msvc.instance("a")["state"] == "ready"


def test_a_reload_to_what_runs_and_dies_at_once_is_rolled_back(msvc):
    """Without a sign of readiness that a program runs proves little."""
    msvc.start(SLEEPER)
    pid = msvc.pid("a")
    result = msvc.reload(SLEEPER.replace("sleep 1000", "sleep 0.1"))
    assert result.returncode == 1 and "a/1: rolled back: exited 0" in result.stderr
    assert msvc.pid("a") == pid


def test_a_reload_to_a_missing_program_is_rolled_back(msvc):
    msvc.start(SLEEPER)
    pid = msvc.pid("a")
    result = msvc.reload(SLEEPER.replace("/bin/sleep", "/nosuch/sleep"))
    assert result.returncode == 1 and "No such file" in result.stderr
    assert msvc.pid("a") == pid


def test_what_was_replaced_before_the_failure_goes_back_too(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc, "instances = 3"))
    before = places(msvc)
    touch(msvc, "fail.3")
    result = msvc.reload(gate(msvc, "instances = 3\nenv.BROKEN = 1"))
    assert result.returncode == 1 and "a/3: rolled back: exited 3" in result.stderr
    after = places(msvc)
    assert [i["generation"] for i in after] == [3, 3, 1]
    assert after[2]["pid"] == before[2]["pid"]
    for instance in after:
        environ = pathlib.Path(f"/proc/{instance['pid']}/environ").read_bytes()
        assert b"BROKEN" not in environ
    assert msvc.log_has("a: back on the old configuration")
    # A crash later on starts the version that serves.
    msvc.kill("a", 3)
    msvc.wait_state("a", "ready", 3, generation=3)
    environ = pathlib.Path(f"/proc/{msvc.pid('a', 3)}/environ").read_bytes()
    assert b"BROKEN" not in environ


def test_a_reload_in_the_middle_of_one_goes_on_to_the_last_file(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc))
    (msvc.dir / "go").unlink()
    msvc.write(gate(msvc, "env.TRY = 1"))
    first = begin(msvc, "reload")
    wait_beside(msvc, "starting")
    msvc.write(gate(msvc, "env.TRY = 2"))
    second = begin(msvc, "reload")
    wait_for(lambda: msvc.log("msvc").count("supervisor: reloaded") == 2, "two reloads")
    touch(msvc, "go")
    assert end(first)[0] == 0 and end(second)[0] == 0
    environ = pathlib.Path(f"/proc/{msvc.pid('a')}/environ").read_bytes()
    assert b"TRY=2" in environ and len(msvc.service("a")["instances"]) == 1


def test_a_file_that_is_put_back_in_the_middle_keeps_the_old_ones(msvc):
    touch(msvc, "go")
    text = gate(msvc, "instances = 2")
    msvc.start(text)
    before = [i["pid"] for i in places(msvc)]
    (msvc.dir / "go").unlink()
    msvc.write(gate(msvc, "instances = 2\nenv.TRY = 1"))
    first = begin(msvc, "reload")
    wait_beside(msvc, "starting")
    assert msvc.reload(text).returncode == 0
    assert end(first)[0] == 0
    wait_alone(msvc)
    assert [i["pid"] for i in places(msvc)] == before


def test_a_stop_that_is_overtaken_by_a_start_says_so(msvc):
    touch(msvc, "go")
    touch(msvc, "deaf")
    msvc.start(gate(msvc, "stop_timeout = 2s"))
    stop = begin(msvc, "stop", "a")
    msvc.wait_state("a", "stopping")
    start = begin(msvc, "start", "a")
    code, _, err = end(stop)
    assert code == 1 and "a: was started again" in err
    (msvc.dir / "deaf").unlink()
    assert end(start)[0] == 0
    assert msvc.instance("a")["generation"] == 2


def test_instances_that_go_away_in_the_middle_are_not_replaced(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc, "instances = 2"))
    (msvc.dir / "go").unlink()
    restart = begin(msvc, "restart", "a/2")
    pid = wait_beside(msvc, "starting")["pid"]
    assert msvc.reload(gate(msvc, "instances = 1")).returncode == 0
    wait_for(lambda: len(msvc.service("a")["instances"]) == 1, "one instance")
    assert not is_running(pid)
    end(restart)
    assert msvc.instance("a")["generation"] == 1


@pytest.mark.parametrize("how", ["removed", "disabled", "overlap = no"])
def test_a_service_that_changes_its_nature_in_the_middle(msvc, how):
    touch(msvc, "go")
    other = SLEEPER.replace("service a", "service b")
    msvc.start(gate(msvc) + other)
    (msvc.dir / "go").unlink()
    msvc.write(gate(msvc, "env.TRY = 1") + other)
    first = begin(msvc, "reload")
    pids = [msvc.pid("a"), wait_beside(msvc, "starting")["pid"]]
    touch(msvc, "go")
    text = {"removed": "", "disabled": gate(msvc, "enabled = no"),
            "overlap = no": gate(msvc, "env.TRY = 2\noverlap = no")}[how]
    assert msvc.reload(text + other).returncode == 0
    assert end(first)[0] == 0
    wait_for(lambda: not any(is_running(pid) for pid in pids), "both to end")
    if how == "overlap = no":
        instance = msvc.wait_state("a", "ready", generation=3)
        assert b"TRY=2" in pathlib.Path(f"/proc/{instance['pid']}/environ").read_bytes()
    # What it ran on is gone for good only now.
    assert msvc.reload(gate(msvc) + other).returncode == 0
    msvc.wait_state("a", "ready")
    assert msvc.instance("b")["generation"] == 1


def test_a_rolled_back_reload_takes_the_instances_that_it_added(msvc):
    touch(msvc, "go")
    touch(msvc, "fail.1")
    msvc.start(gate(msvc))
    pid = msvc.pid("a")
    result = msvc.reload(gate(msvc, "instances = 3\nenv.BROKEN = 1"))
    assert result.returncode == 1 and "a/1: rolled back: exited 3" in result.stderr
    wait_for(lambda: len(msvc.service("a")["instances"]) == 1, "one instance")
    assert msvc.pid("a") == pid and msvc.instance("a")["state"] == "ready"


def test_a_rolled_back_reload_brings_back_the_instances_that_it_took(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc, "instances = 3"))
    pid = msvc.pid("a")
    touch(msvc, "hold.1")
    touch(msvc, "fail.1")
    msvc.write(gate(msvc, "instances = 1\nenv.BROKEN = 1"))
    reload = begin(msvc, "reload")
    wait_beside(msvc, "starting")
    wait_for(lambda: len(places(msvc)) == 1, "one instance")
    (msvc.dir / "hold.1").unlink()
    assert end(reload)[0] == 1
    for index in (2, 3):
        assert msvc.wait_state("a", "ready", index)["generation"] == 2
        assert b"BROKEN" not in environ(msvc, index)
    assert msvc.pid("a") == pid


def test_a_restart_that_a_reload_makes_needless_is_answered(msvc):
    touch(msvc, "go")
    text = gate(msvc)
    msvc.start(text)
    pid = msvc.pid("a")
    (msvc.dir / "go").unlink()
    restart = begin(msvc, "restart", "a")
    wait_beside(msvc, "starting")
    msvc.write(gate(msvc, "env.TRY = 1"))
    first = begin(msvc, "reload")
    wait_for(lambda: (beside(msvc) or {}).get("generation") == 3, "the next one")
    msvc.write(text)
    second = begin(msvc, "reload")
    # The operator has asked for a new process, whatever the files say.
    wait_for(lambda: (beside(msvc) or {}).get("generation") == 4, "the one after it")
    touch(msvc, "go")
    assert end(restart)[0] == 0
    assert end(first)[0] == 0 and end(second)[0] == 0
    assert msvc.pid("a") != pid


def test_overlap_that_is_switched_off_in_the_middle_counts_for_the_rest(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc, "instances = 2"))
    touch(msvc, "hold.1")
    restart = begin(msvc, "restart", "a")
    wait_beside(msvc, "starting")
    pids = [i["pid"] for i in places(msvc)]
    (msvc.dir / "go").unlink()
    assert msvc.reload(gate(msvc, "instances = 2\noverlap = no")).returncode == 0
    wait_for(lambda: not any(is_running(pid) for pid in pids), "both to end")
    (msvc.dir / "hold.1").unlink()
    assert beside(msvc) is None
    touch(msvc, "go")
    assert end(restart)[0] == 0
    assert [i["generation"] for i in places(msvc)] == [3, 2]


def test_when_the_new_one_will_not_end_the_dead_old_one_is_back_at_once(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc, "ready_timeout = 1s\nstop_timeout = 1h"))
    (msvc.dir / "go").unlink()
    touch(msvc, "deaf")
    restart = begin(msvc, "restart", "a")
    new = wait_beside(msvc, "starting")["pid"]
    wait_for(lambda: (msvc.dir / "ran.2").exists(), "the new one to run")
    (msvc.dir / "deaf").unlink()
    old = msvc.kill("a")
    msvc.log_has(rf"a/1\[{old}\]: killed by signal 9 .*its successor takes over")
    msvc.log_has(rf"a/1\[{new}\]: not ready within 1000 ms")
    touch(msvc, "go")
    assert msvc.wait_state("a", "ready")["generation"] == 3
    os.kill(new, signal.SIGKILL)
    assert end(restart)[0] == 1


@pytest.fixture
def twice_broken(msvc):
    """a/1 could not go back to the old version: it serves the new one, as nobody."""
    text = gate(msvc, "instances = 2")
    msvc.dir.chmod(0o777)
    touch(msvc, "go")
    msvc.start(text)
    touch(msvc, "hold.2")
    msvc.write(gate(msvc, "instances = 2\nuser = nobody\nenv.BROKEN = 1"))
    reload = begin(msvc, "reload")
    wait_for(lambda: (beside(msvc) or {}).get("index") == 2 and beside(msvc)["pid"], "a/2")
    touch(msvc, "dead.1")
    touch(msvc, "fail.2")
    (msvc.dir / "hold.2").unlink()
    code, _, err = end(reload)
    assert code == 1 and "a/2: rolled back: exited 3" in err
    assert b"BROKEN" in environ(msvc, 1) and b"BROKEN" not in environ(msvc, 2)
    return text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to change users")
def test_what_stays_on_another_version_stays_its_user(msvc, twice_broken):
    nobody = pwd.getpwnam("nobody").pw_uid
    assert user(msvc) == nobody and user(msvc, 2) == 0
    (msvc.dir / "dead.1").unlink()
    pid = msvc.kill("a")
    instance = msvc.wait_state("a", "ready", generation=4)
    assert instance["pid"] != pid and b"BROKEN" in environ(msvc) and user(msvc) == nobody
    msvc.kill("a", 2)
    msvc.wait_state("a", "ready", 2, generation=3)
    assert user(msvc, 2) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to change users")
def test_a_version_is_kept_for_as_long_as_something_runs_on_it(msvc, twice_broken):
    """The file says again what most run on; the one that does not cannot follow."""
    for _ in range(2):
        result = msvc.reload(twice_broken)
        assert result.returncode == 1 and "a/1: rolled back: exited 4" in result.stderr
        assert "1 restarted" in result.stdout
    (msvc.dir / "dead.1").unlink()
    msvc.kill("a")
    msvc.wait_state("a", "ready", generation=6)
    assert b"BROKEN" in environ(msvc)
    assert msvc.reload(twice_broken).returncode == 0
    assert b"BROKEN" not in environ(msvc)


# -- drain


def test_a_drained_instance_stays_and_gets_nothing_until_undrained(msvc):
    msvc.start(SLEEPER + "instances = 2\n")
    pid = msvc.pid("a", 2)
    assert msvc.command("drain", "a/2").returncode == 0
    instance = msvc.instance("a", 2)
    assert instance["state"] == "draining" and instance["pid"] == pid
    assert instance["reason"] == "drained by an operator"
    assert msvc.instance("a", 1)["state"] == "ready"
    assert msvc.command("drain", "a/2").returncode == 0
    assert msvc.command("undrain", "a/2").returncode == 0
    assert msvc.instance("a", 2)["state"] == "ready" and msvc.pid("a", 2) == pid
    assert msvc.command("drain", "nosuch").returncode == 1
    assert msvc.command("drain").returncode == 2


def test_a_drained_instance_that_crashes_is_back_and_not_drained(msvc):
    msvc.start(SLEEPER)
    assert msvc.command("drain", "a").returncode == 0
    msvc.kill("a")
    assert msvc.wait_state("a", "ready", generation=2)


def test_a_drained_instance_can_be_restarted_and_stopped(msvc):
    msvc.start(SLEEPER)
    assert msvc.command("drain", "a").returncode == 0
    assert msvc.command("restart", "a").returncode == 0
    assert msvc.instance("a")["state"] == "ready"
    assert msvc.command("drain", "a").returncode == 0
    assert msvc.command("stop", "a").returncode == 0
    result = msvc.command("drain", "a")
    assert result.returncode == 1 and "a/1 is stopped" in result.stderr


def test_start_puts_a_drained_instance_back(msvc):
    msvc.start(SLEEPER)
    pid = msvc.pid("a")
    assert msvc.command("drain", "a").returncode == 0
    assert msvc.command("start", "a").returncode == 0
    assert msvc.instance("a")["state"] == "ready" and msvc.pid("a") == pid


def test_one_that_stops_by_itself_is_not_undrained(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc, "stop_timeout = 30s"))
    touch(msvc, "stopping")
    msvc.wait_state("a", "draining")
    result = msvc.command("undrain", "a")
    assert result.returncode == 1 and "a/1 is draining" in result.stderr
    assert msvc.instance("a")["state"] == "draining"


# -- watchdog


def test_one_that_falls_silent_is_aborted_and_restarted(msvc):
    touch(msvc, "go")
    touch(msvc, "alive")
    msvc.start(gate(msvc, "watchdog = 300ms"))
    pid = msvc.pid("a")
    environ = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    assert b"WATCHDOG_USEC=300000\0" in environ
    (msvc.dir / "alive").unlink()
    msvc.log_has(rf"a/1\[{pid}\]: watchdog: silent for 300 ms, aborting it")
    touch(msvc, "alive")
    instance = msvc.wait_state("a", "ready", generation=2)
    assert instance["last_exit"] == "signal 6"


def test_a_watchdog_may_be_pulled_by_the_service(msvc):
    touch(msvc, "go")
    touch(msvc, "trigger")
    msvc.start(gate(msvc, "restart_limit = 1/60s"), check=False)
    msvc.log_has("watchdog: triggered by itself, aborting it")
    msvc.wait_state("a", "failed")


def test_a_service_may_ask_for_a_watchdog_of_its_own(msvc):
    touch(msvc, "go")
    msvc.start(gate(msvc))
    touch(msvc, "period")
    wait_for(lambda: msvc.instance("a")["reason"] == "watched", "the wish")
    # Saying so is a sign of life: it has to fall silent first.
    os.kill(msvc.pid("a"), signal.SIGSTOP)
    msvc.log_has("watchdog: silent for 200 ms, aborting it")
    assert msvc.wait_state("a", "ready", generation=2)


# -- with the router


def in_background(function, *args):
    """Call it in a thread; the result is in the list that is returned."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args)), daemon=True)
    thread.start()
    return thread, results


def overtake(msvc):
    """Whatever was sent before these is in the service by now."""
    for _ in range(20):
        assert msvc.get("/hello").status == 200


def test_drain_waits_for_what_is_in_flight(msvc):
    msvc.start(ECHO + "instances = 2\n")
    msvc.get("/hello")
    slow = [in_background(msvc.get, "/sleep/700") for _ in range(4)]
    overtake(msvc)
    result = msvc.command("drain", "echo/1")
    assert result.returncode == 0, result.stderr
    for thread, answers in slow:
        thread.join(DEADLINE)
        assert answers[0].status == 200
    # All of them now go to the other one.
    pid = msvc.pid("echo", 1)
    assert msvc.get("/hello").status == 200
    assert msvc.pid("echo", 1) == pid


def test_a_drain_that_takes_too_long_says_so_and_stays(msvc):
    msvc.start(ECHO + "drain_timeout = 200ms\n")
    thread, answers = in_background(msvc.get, "/sleep/1500")
    overtake(msvc)
    result = msvc.command("drain", "echo")
    assert result.returncode == 1
    assert "echo/1: requests are still in flight after 200 ms" in result.stderr
    assert msvc.instance("echo")["state"] == "draining"
    thread.join(DEADLINE)
    assert answers[0].status == 200
    assert msvc.command("drain", "echo").returncode == 0


FAULT = ("[service fault]\ncommand = {samples}/fault\nroute = /\nramp = 20s\n"
         "ramp_requests = 10\n")


@pytest.mark.parametrize(
    "more, why",
    [
        ("env.FAULT_CODE = 500", r"\d+ of \d+ requests failed, generation before 0 of \d+"),
        ("env.FAULT_SLOW_MS = 100", r"slower, \d+ ms a request, generation before \d+ ms"),
    ],
    ids=["errors", "latency"],
)
def test_a_version_that_answers_worse_is_rolled_back(msvc, more, why):
    msvc.start(FAULT)
    pid = msvc.pid("fault")
    with msvc.load("GET", "/work", connections=4) as load:
        load.wait_answers(10)
        result = msvc.reload(FAULT + more + "\n")
    assert result.returncode == 1
    # What the new one failed at, the old one was asked.
    assert load.failures == []
    assert re.search("fault/1: rolled back: " + why, result.stderr), result.stderr
    assert msvc.pid("fault") == pid and msvc.instance("fault")["state"] == "ready"
    assert msvc.get("/work").json["generation"] in (1, "1")


def test_a_version_that_crashes_is_to_blame_and_not_what_it_was_asked(msvc):
    msvc.start(FAULT)
    with msvc.load("GET", "/work", connections=4) as load:
        load.wait_answers(10)
        for _ in range(2):
            result = msvc.reload(FAULT + "env.FAULT_CRASH = 1\n")
            assert result.returncode == 1
            assert "rolled back" in result.stderr
        load.wait_answers(10)
    assert load.failures == []
    assert msvc.instance("fault")["generation"] in (1, "1")
    assert msvc.command("quarantine").stdout.count("/work") == 0


def test_a_version_that_does_well_takes_over_under_load(msvc):
    text = FAULT.replace("ramp = 20s", "ramp = 500ms")
    msvc.start(text)
    with msvc.load("GET", "/work", connections=4) as load:
        load.wait_answers(10)
        result = msvc.reload(text + "env.VERSION = 2\n")
        load.wait_answers(10)
    assert result.returncode == 0, result.stderr
    assert load.failures == []
    assert len(load.answers) > 20 and msvc.instance("fault")["generation"] == 2


def test_one_that_hangs_is_drained_then_aborted_and_replaced(msvc):
    msvc.start(ECHO + "timeout = 200ms\nhang_grace = 200ms\n")
    pid = msvc.pid("echo")
    assert msvc.get("/hang").status == 504
    msvc.log_has(rf"echo/1\[{pid}\]: hung: GET /hang for \d+ ms, draining")
    msvc.log_has(rf"echo/1\[{pid}\]: hung: GET /hang for \d+ ms, aborting it")
    assert msvc.wait_state("echo", "ready", generation=2)["last_exit"] == "signal 6"
    assert msvc.get("/hello").status == 200


def test_a_plain_nng_service_is_replaced_once_it_listens(msvc):
    """The router's handshake says that it is ready, beside the old one too."""
    msvc.start("[service plain]\ncommand = {samples}/plain_nng\nroute = /\nramp = 100ms\n"
               "ready = listen\n")
    for generation in (2, 3):
        with msvc.load("GET", "/x", connections=2) as load:
            load.wait_answers(5)
            started = time.monotonic()
            result = msvc.command("restart", "plain")
            load.wait_answers(5)
        assert result.returncode == 0, result.stderr
        assert load.failures == [] and msvc.instance("plain")["generation"] == generation
        assert time.monotonic() - started >= 0.1


def test_many_services_are_restarted_at_once(msvc):
    msvc.start("".join(
        f"[service s{n}]\ncommand = /bin/sleep 1000\nready = none\n" for n in range(100)))
    before = {s["name"]: s["instances"][0]["pid"] for s in msvc.status()["services"]}
    assert msvc.command("restart").returncode == 0
    services = msvc.status()["services"]
    assert all(s["instances"][0]["generation"] == 2 for s in services)
    assert all(s["instances"][0]["pid"] != before[s["name"]] for s in services)


# -- what clients are told


def detail_of(msvc, path, wanted):
    """The router hears of states a little later than we do."""
    def told():
        answer = msvc.get(path)
        return answer.status == 503 and re.search(wanted, answer.json["detail"])

    return wait_for(told, f"{wanted!r} for {path}")


def waiting(name, after=""):
    return (f"[service {name}]\ncommand = /bin/sleep 1000\nready = notify\nready_timeout = 1h\n"
            f"route = /{name}\ntimeout = 50ms\n{after}\n")


@pytest.mark.parametrize("is_reload", [False, True], ids=["start", "reload"])
def test_a_client_is_told_for_which_service_its_own_one_waits(msvc, is_reload):
    text = waiting("orders", "after = payments, stock") + waiting("payments") + waiting("stock")
    msvc.write(text)
    if is_reload:
        msvc.start(SLEEPER)
        msvc.write(text)
        assert msvc.command("reload").returncode == 0
    else:
        starting = begin(msvc, "start")
        wait_for(lambda: (msvc.run_dir / "control.sock").exists(), "the supervisor")
        msvc.supervisor_pid = wait_for(msvc.lock_pid, "its lock")
    detail_of(msvc, "/orders", r"^service orders is starting: waits for payments$")
    assert msvc.instance("orders")["reason"] == "waits for payments"
    # The first is there no longer to wait for, the second is.
    assert msvc.command("stop", "payments").returncode == 0
    detail_of(msvc, "/orders", r"^service orders is starting: waits for stock$")
    assert msvc.command("stop", "stock").returncode == 0
    detail_of(msvc, "/orders", r"^service orders is starting$")
    assert msvc.stop().returncode == 0
    if not is_reload:
        end(starting)


def test_a_client_is_told_how_often_and_when_it_is_tried_again(msvc):
    msvc.start("[service bad]\ncommand = /bin/false\nroute = /\nready = none\nrestart_delay = 20s\n"
               "restart_limit = 5/1h\ntimeout = 300ms\n", check=False)
    detail_of(msvc, "/", r"^service bad is restarting \(2 of 5\), next try in \d+\.\d s: exited 1$")


# -- everything at once


COMMANDS = {"a": "/bin/sleep 1000", "b": "{samples}/echo", "c": "{samples}/fault"}


def three_services(chance=None):
    """As they are to be in the end, or as chance has it."""
    parts = []
    for name, command in COMMANDS.items():
        keys = {"instances": 2, "ramp": "100ms", "overlap": "yes", "enabled": "yes"}
        if chance is not None:
            if chance.random() < 0.1:
                continue
            keys = {"instances": chance.randint(1, 3), "ramp": chance.choice(["0", "100ms"]),
                    "overlap": chance.choice(["yes", "yes", "no"]),
                    "enabled": chance.choice(["yes"] * 7 + ["no"]),
                    "env.TRY": chance.randint(1, 3)}
            if chance.random() < 0.2:
                command = chance.choice(["/bin/false", "/nosuch/program", "/bin/sleep 0.1"])
        keys |= {"stop_timeout": "1s", "drain_timeout": "300ms", "ready_timeout": "2s",
                 "restart_limit": "1000/60s", "restart_delay_max": "100ms"}
        keys |= {"ready": "none"} if name == "a" else {"route": f"/{name}/"}
        keys |= {"after": "b"} if name == "c" and "[service b]" in "".join(parts) else {}
        parts.append(f"[service {name}]\ncommand = {command}\n" +
                     "".join(f"{key} = {value}\n" for key, value in keys.items()))
    return "".join(parts) or SLEEPER


class Disorder:
    """Commands, signals and files in any order; highest is of all generations seen."""

    def __init__(self, msvc, seed):
        self.msvc, self.chance, self.highest, self.begun = msvc, random.Random(seed), {}, []

    def look(self):
        status = self.msvc.status()
        for service in status["services"]:
            there = [i for i in service["instances"] if not i["beside"]]
            assert [i["index"] for i in there] == list(range(1, len(there) + 1))
            for instance in there:
                key = service["name"], instance["index"]
                assert instance["generation"] >= self.highest.get(key, 0), key
                self.highest[key] = instance["generation"]
        return status

    def command(self):
        name = self.chance.choice("abc")
        what = self.chance.choice([name, f"{name}/1", f"{name}/2"])
        verb = self.chance.choice(["restart"] * 4 + ["reload"] * 3 + ["start"] * 2 +
                                  ["stop", "drain", "undrain", "restart all"])
        if verb == "reload":
            self.msvc.write(three_services(self.chance))
        args = {"reload": ["reload"], "restart all": ["restart"], "stop": ["stop", name],
                "start": ["start", name]}.get(verb, [verb, what])
        self.begun.append(begin(self.msvc, *args))

    def hurt(self):
        status = self.look()
        pids = [i["pid"] for s in status["services"] for i in s["instances"]]
        pids += [i["pid"] for s in status["services"] for i in s["instances"] if i["beside"]] * 4
        pids += [status["supervisor"]["router"]["pid"]]
        pid = self.chance.choice(pids)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, self.chance.choice([signal.SIGKILL, signal.SIGTERM]))

    def is_settled(self):
        status = self.look()
        return (len(status["services"]) == 3
                and status["supervisor"]["router"]["state"] == "ready"
                and all([i["state"] for i in s["instances"]] == ["ready", "ready"]
                        for s in status["services"]))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_any_disorder_everything_is_as_configured(msvc, seed):
    msvc.start(three_services())
    supervisor = msvc.supervisor_pid
    files = len(os.listdir(f"/proc/{supervisor}/fd"))
    disorder = Disorder(msvc, seed)
    for _ in range(120):
        disorder.command()
        disorder.hurt()
    msvc.write(three_services())
    msvc.command("reload")
    for process in disorder.begun:
        end(process)
    assert msvc.command("reload").returncode == 0
    for name in COMMANDS:
        assert msvc.command("start", name).returncode == 0
    wait_for(disorder.is_settled, "order")
    assert "3 kept" in msvc.command("reload").stdout
    status = disorder.look()
    assert [s["rolled_back"] for s in status["services"]] == [None] * 3
    instances = [i for s in status["services"] for i in s["instances"]]
    assert not any(i["beside"] for i in instances)
    for instance in instances:
        text = pathlib.Path(f"/proc/{instance['pid']}/environ").read_bytes()
        assert f"MSVC_GENERATION={instance['generation']}\0".encode() in text
        assert b"TRY=" not in text
    wanted = {i["pid"] for i in instances} | {
        status["supervisor"][role]["pid"] for role in ("router", "logger")}
    wait_for(lambda: set(children(supervisor)) == wanted, "no child to be left over")
    wait_for(lambda: len(os.listdir(f"/proc/{supervisor}/fd")) <= files, "as few descriptors")
