"""What a supervisor must withstand, scenario by scenario.

The ids (A5, C3, ...) are those of a list of scenarios made from the test suites
of other supervisors; what test_supervise.py already claims is not repeated.
"""

import contextlib
import ctypes
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import msgpack
import pytest

from conftest import BIN, BUILD, DEADLINE, ECHO, is_running, new_system, wait_for
from test_supervise import children, shell, sleeper, wait_trap, write_script, write_trap

root_only = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def zombies(supervisor):
    found = []
    for pid in children(supervisor):
        with contextlib.suppress(FileNotFoundError):
            text = pathlib.Path(f"/proc/{pid}/stat").read_text()
            if text.rsplit(")", 1)[1].split()[0] == "Z":
                found.append(pid)
    return found


def control(msvc):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(DEADLINE)
    sock.connect(str(msvc.run_dir / "control.sock"))
    return sock


def request(**fields):
    body = msgpack.packb(fields)
    return struct.pack(">I", len(body)) + body


def answer(sock):
    def take(count):
        data = b""
        while len(data) < count:
            chunk = sock.recv(count - len(data))
            assert chunk, f"the connection ended after {len(data)} of {count} bytes"
            data += chunk
        return data

    return msgpack.unpackb(take(struct.unpack(">I", take(4))[0]))


@contextlib.contextmanager
def limited(pid, kind, value):
    """A resource limit of a running process, lifted at the end."""
    uid = int(re.search(r"Uid:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])

    def set_soft(soft):
        # As the same user: another one's limits take a capability.
        code = (f"import resource as r; hard = r.prlimit({pid}, {int(kind)})[1]; "
                f"r.prlimit({pid}, {int(kind)}, ({soft}, hard))")
        prefix = [] if uid == os.getuid() else [
            "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        subprocess.run([*prefix, "/usr/bin/python3", "-c", code], check=True, timeout=DEADLINE)

    set_soft(value)
    try:
        yield
    finally:
        if is_running(pid):
            set_soft("hard")


# -- A. start


@pytest.mark.parametrize(
    "text, says",
    [
        ("[service a]\ncommand =\n", r':\d+: service "a": .*command'),
        ("[service a]\ncommand = x 'y\n", r':\d+: service "a": .*command.*not closed'),
        ("[service a]\nroute = /a\n", r':\d+: service "a": .*command'),
        (sleeper("a") + sleeper("a"), r':\d+: .*"a".*already'),
        (sleeper("a", "after = b") + sleeper("b", "after = a"), r':\d+: .*after.*a.*b'),
        (sleeper("a", "after = nosuch"), r':\d+: .*nosuch'),
    ],
    ids=["empty", "quote", "none", "twice", "cycle", "unknown"],
)
def test_a_wrong_list_is_refused_with_section_and_key(msvc, text, says):
    """A3 A5 A12 A14 A15"""
    msvc.write(text)
    for command in ("check", "start"):
        result = msvc.command(command)
        assert result.returncode == 1 and re.search(says, result.stderr), result.stderr
    assert msvc.lock_pid() is None


def test_a_service_of_one_key_has_the_documented_defaults(msvc):
    """A4: restart = always, and the defaults of ready hold."""
    msvc.start("[service echo]\ncommand = {samples}/echo\n")
    msvc.kill("echo", sig=signal.SIGTERM)
    assert msvc.wait_state("echo", "ready", generation=2)["last_exit"] == "exit 0"


def test_files_of_a_child_are_made_with_the_usual_mask(msvc):
    """A8: whatever the shell of the operator had."""
    write_script(msvc, "a", f"touch {msvc.dir}/made; exec sleep 1000\n")
    msvc.write(shell("a", "")[0])
    before = os.umask(0o077)
    try:
        assert msvc.command("start").returncode == 0
    finally:
        os.umask(before)
    msvc.supervisor_pid = msvc.lock_pid()
    wait_for((msvc.dir / "made").exists, "the file")
    assert (msvc.dir / "made").stat().st_mode & 0o777 == 0o644


def test_an_unknown_user_is_refused_before_anything_runs(msvc):
    """A9"""
    result = msvc.start(sleeper("a", "user = nosuchuser"), check=False)
    assert result.returncode == 1 and "nosuchuser" in result.stderr
    assert msvc.lock_pid() is None


def unprivileged(msvc, *args):
    """Run msvc as a user that nobody else is."""
    return subprocess.run(
        ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups",
         BIN / "msvc", "-c", msvc.conf, *args],
        capture_output=True, text=True, timeout=DEADLINE)


@root_only
def test_a_user_that_cannot_be_set_never_runs_as_another(msvc):
    """A9"""
    os.chmod(msvc.dir, 0o777)
    msvc.write(sleeper("a", "user = nobody\nrestart_limit = 1/60s") + sleeper("b"))
    result = unprivileged(msvc, "start")
    msvc.supervisor_pid = msvc.lock_pid()
    assert result.returncode == 1 and "nobody" in result.stderr, result.stderr
    if msvc.supervisor_pid:
        assert msvc.instance("a")["pid"] is None


@root_only
def test_without_processes_to_have_it_waits_and_goes_on_later(msvc):
    """A16: RLIMIT_NPROC."""
    os.chmod(msvc.dir, 0o777)
    msvc.write(sleeper("a", "restart_limit = 1/60s\nrestart_delay = 20ms\n"
                            "restart_delay_max = 100ms"))
    result = unprivileged(msvc, "start")
    msvc.supervisor_pid = msvc.lock_pid()
    assert result.returncode == 0, result.stderr
    with limited(msvc.supervisor_pid, resource.RLIMIT_NPROC, 1):
        msvc.kill("a")
        msvc.log_has(r"a/1\[0\]: fork: Resource temporarily unavailable, next try")
        wait_for(lambda: msvc.log("msvc").count("fork: Resource") > 3, "more tries")
        assert msvc.instance("a")["state"] in ("backoff", "starting")
    msvc.wait_state("a", "ready", generation=2)


@root_only
def test_a_user_with_too_many_processes_is_not_the_fault_of_the_service(msvc):
    """A16: RLIMIT_NPROC of the child, met at exec after the change of user."""
    os.chmod(msvc.dir, 0o755)
    msvc.start(
        sleeper("a", "user = nobody\nrestart_limit = 1/60s\nrestart_delay = 20ms\n"
                     "restart_delay_max = 100ms")
        # The kernel looks before it counts the new one: there must be another.
        + sleeper("other", "user = nobody"))
    with limited(msvc.supervisor_pid, resource.RLIMIT_NPROC, 0):
        msvc.kill("a")
        wait_for(lambda: msvc.instance("a")["generation"] > 5, "more tries")
        assert msvc.instance("a")["state"] in ("backoff", "starting"), msvc.all_logs()
    msvc.wait_state("a", "ready")


def test_without_descriptors_to_have_it_waits_and_goes_on_later(msvc):
    """A16: RLIMIT_NOFILE."""
    msvc.start(sleeper("a", "restart_limit = 1/60s\nrestart_delay = 20ms\n"
                            "restart_delay_max = 100ms"))
    supervisor, old = msvc.supervisor_pid, msvc.pid("a")
    wait_for(lambda: msvc.log_has("all services are ready"), "the start")
    with limited(supervisor, resource.RLIMIT_NOFILE, 3):
        os.kill(old, signal.SIGKILL)
        msvc.log_has(r"a/1\[0\]: .*: Too many open files, next try")
        wait_for(lambda: msvc.log("msvc").count("Too many open files") > 3, "more tries")
    msvc.wait_state("a", "ready", generation=2)


def test_a_client_that_cannot_be_accepted_costs_no_cpu(msvc):
    """A16: the control socket without descriptors."""
    msvc.start(sleeper("a"))
    supervisor = msvc.supervisor_pid
    with limited(supervisor, resource.RLIMIT_NOFILE, 3):
        with control(msvc) as sock:
            sock.sendall(request(cmd="status"))
            before = cpu_seconds(supervisor)
            threading.Event().wait(1)
            assert cpu_seconds(supervisor) - before < 0.2
    assert msvc.command("status").returncode == 0


def test_forty_descriptors_are_enough_for_a_few_services(msvc):
    """A16"""
    msvc.write(ECHO + sleeper("a") + sleeper("b"))
    result = subprocess.run(
        ["prlimit", "--nofile=40:40", BIN / "msvc", "-c", msvc.conf, "start"],
        capture_output=True, text=True, timeout=DEADLINE)
    msvc.supervisor_pid = msvc.lock_pid()
    assert result.returncode == 0, result.stderr
    assert msvc.get("/hello").status == 200


@pytest.mark.skipif("san" in BUILD.name, reason="a sanitizer maps terabytes")
def test_without_memory_it_lives_and_goes_on_later(msvc):
    """A16: RLIMIT_AS."""
    msvc.start(sleeper("many", "instances = 40\nrestart_delay = 20ms\n"
                               "restart_delay_max = 100ms\nrestart_limit = none"))
    supervisor = msvc.supervisor_pid
    pids = [i["pid"] for i in msvc.service("many")["instances"]]
    with limited(supervisor, resource.RLIMIT_AS, 4096):
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for _ in range(20):
            with contextlib.suppress(OSError, AssertionError), control(msvc) as sock:
                sock.sendall(request(cmd="reload"))
                answer(sock)
        assert is_running(supervisor)
    wait_for(lambda: all(i["state"] == "ready" and i["pid"] not in pids
                         for i in msvc.service("many")["instances"]), "all to be back")
    assert not zombies(supervisor)


@contextlib.contextmanager
def small_disk(path, size="256k"):
    path.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},nr_inodes=64", "tmpfs", path],
        capture_output=True)
    if done.returncode != 0:
        pytest.skip("no right to mount here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=False)


@root_only
def test_a_full_run_dir_delays_a_new_service_and_harms_no_other():
    """A16: ENOSPC where a service's directory is to be made."""
    with new_system() as msvc, small_disk(msvc.run_dir):
        try:
            msvc.start(ECHO)
            fillers = []
            with contextlib.suppress(OSError):
                for n in range(100):
                    (msvc.run_dir / f"filler{n}").mkdir()
                    fillers.append(msvc.run_dir / f"filler{n}")
            late = sleeper("late", "restart_delay = 20ms\nrestart_delay_max = 100ms")
            assert msvc.reload(ECHO + late).returncode == 0
            msvc.log_has(r"late/1.*No space left on device")
            # Its socket leaves room for one file, which either may get.
            old = msvc.kill("echo")
            msvc.log_has(rf"echo/1\[{old}\]: killed by signal 9")
            for path in fillers:
                path.rmdir()
            msvc.wait_state("late", "ready")
            wait_for(lambda: msvc.get("/hello").status == 200, "an answer")
        finally:
            msvc.stop()


# -- B. restart


def test_an_operators_restart_has_one_process_at_any_time(msvc):
    """B10"""
    write_script(
        msvc, "a",
        f"trap 'rmdir {msvc.dir}/only; exit 0' TERM\n"
        f"mkdir {msvc.dir}/only || echo two >> {msvc.dir}/two\nwhile :; do sleep 0.02; done\n")
    msvc.start(shell("a", "")[0] + "overlap = no\n")
    for _ in range(5):
        wait_for((msvc.dir / "only").exists, "the process to run")
        assert msvc.command("restart", "a").returncode == 0
    assert not (msvc.dir / "two").exists()


# -- C. intensity and backoff


def test_a_limit_counts_restarts_in_a_sliding_window(msvc):
    """C2 C3: so many in the period are fine, period after period."""
    msvc.start(sleeper("a", "restart_limit = 2/300ms\nrestart_delay = 1ms"))
    for generation in range(2, 8):
        instance = msvc.instance("a")
        started = time.monotonic()
        os.kill(instance["pid"], signal.SIGKILL)
        msvc.wait_state("a", "ready", generation=generation)
        if generation % 2:
            wait_for(lambda: time.monotonic() - started > 0.32, "the window to pass")


def test_a_crash_loop_is_no_busy_loop_and_the_operator_is_heard(msvc):
    """C4 C8 B9"""
    write_script(msvc, "bad", f"echo x >> {msvc.dir}/runs; exit 3\n")
    msvc.start(
        sleeper("good") + "[service bad]\ncommand = /bin/sh {dir}/bad.sh\n"
        "restart_limit = none\nrestart_delay = 200ms\n", check=False)
    before, begin = cpu_seconds(msvc.supervisor_pid), time.monotonic()
    slowest = 0
    while (time.monotonic() - begin) < 2:
        start = time.monotonic()
        assert msvc.command("status").returncode == 0
        slowest = max(slowest, time.monotonic() - start)
    # 0, 0.2, 0.4, 0.8, 1.6 s: no more than these fit.
    assert (msvc.dir / "runs").read_text().count("x") <= 7
    assert slowest < 1
    assert cpu_seconds(msvc.supervisor_pid) - before < 1
    assert msvc.command("stop", "bad").returncode == 0
    assert msvc.instance("bad")["state"] == "stopped"


def test_a_failed_service_starts_with_a_clean_record(msvc):
    """C5"""
    write_script(msvc, "a", f"[ -e {msvc.dir}/good ] && exec sleep 1000\nexit 4\n")
    msvc.start(
        sleeper("other") + "[service a]\ncommand = /bin/sh {dir}/a.sh\nready = none\n"
        "restart_limit = 2/60s\nrestart_delay = 1ms\n", check=False)
    other = msvc.pid("other")
    wait_for(lambda: msvc.instance("a")["state"] == "failed", "it to fail")
    (msvc.dir / "good").touch()
    assert msvc.command("start", "a").returncode == 0
    for _ in range(2):
        generation = msvc.instance("a")["generation"]
        msvc.kill("a")
        msvc.wait_state("a", "ready", generation=generation + 1)
    assert msvc.pid("other") == other


# -- E. stop


def test_stop_takes_as_long_as_the_services_need(msvc):
    """E1 E3 E4: TERM is enough for most; KILL only after stop_timeout."""
    write_trap(msvc, "stub", "")
    write_trap(msvc, "slow", f"sleep 0.5; touch {msvc.dir}/tidy; exit 0")
    msvc.start(
        sleeper("ok") + shell("stub", "")[0] + "stop_timeout = 1s\n"
        + shell("slow", "")[0] + "stop_timeout = 30s\n")
    wait_trap(msvc, "stub")
    wait_trap(msvc, "slow")
    start = time.monotonic()
    assert msvc.command("stop", "ok").returncode == 0
    assert time.monotonic() - start < 0.5 + DEADLINE / 20
    start = time.monotonic()
    assert msvc.stop().returncode == 0
    assert 1.0 <= time.monotonic() - start < 1.6 + DEADLINE / 10
    assert (msvc.dir / "tidy").exists()
    assert "slow/1" in msvc.log("msvc") and "stub/1" in msvc.log("msvc")


def test_stop_signal_kill_kills_at_once(msvc):
    """E2"""
    write_trap(msvc, "stub", "")
    msvc.start(shell("stub", "")[0] + "stop_signal = KILL\nstop_timeout = 60s\n")
    assert msvc.command("stop", "stub").returncode == 0
    assert msvc.instance("stub")["last_exit"] == "signal 9"


def test_a_service_in_backoff_or_waiting_is_stopped_without_a_new_start(msvc):
    """E8 E9 E10"""
    write_script(msvc, "bad", f"echo x >> {msvc.dir}/runs; exit 3\n")
    msvc.start(
        "[service bad]\ncommand = /bin/sh {dir}/bad.sh\nready = none\n"
        "restart_delay = 1h\nrestart_delay_max = 1h\n" + sleeper("next", "after = bad"),
        check=False)
    msvc.wait_state("bad", "backoff", generation=2)
    runs = (msvc.dir / "runs").read_text()
    assert msvc.command("stop", "bad").returncode == 0
    assert msvc.command("stop", "bad").returncode == 0
    msvc.wait_state("next", "ready")
    assert msvc.stop().returncode == 0
    assert (msvc.dir / "runs").read_text() == runs


def test_a_grandchild_that_holds_the_pipe_delays_no_stop(msvc):
    """E6: it has left group and session, and still ends with the supervisor."""
    write_script(msvc, "fork", f"setsid sleep 1000 &\necho $! > {msvc.dir}/pid\nwait\n")
    msvc.start(shell("fork", "")[0])
    path = msvc.dir / "pid"
    pid = int(wait_for(lambda: path.exists() and path.read_text().strip(), "the pid"))
    assert msvc.stop().returncode == 0
    assert not is_running(pid)


def test_a_service_that_says_stopping_and_stays_is_stopped(msvc):
    """E4: STOPPING=1 of sd_notify(3) does not make it immortal."""
    (msvc.dir / "a.py").write_text(
        "import os, signal, socket\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.environ['MSVC_GENERATION'] == '1':\n"
        "    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "    sock.sendto(b'READY=1\\nSTOPPING=1', os.environ['NOTIFY_SOCKET'])\n"
        "while True: signal.pause()\n")
    msvc.start("[service a]\ncommand = /usr/bin/python3 {dir}/a.py\nready = notify\n"
               "stop_timeout = 200ms\n", check=False)
    wait_for(lambda: msvc.instance("a")["generation"] >= 2, "a new one")
    assert "did not end" in msvc.log("msvc")


# -- F. reaping, reload, peers that hang


def test_a_signal_storm_leaves_everything_as_it_was(msvc):
    """F3: SIGHUP and reload from many sides, also while services start."""
    msvc.write("".join(sleeper(f"s{n}") for n in range(40)))
    starting = subprocess.Popen(
        [BIN / "msvc", "-c", msvc.conf, "start"], stdout=subprocess.DEVNULL)
    msvc.supervisor_pid = wait_for(msvc.lock_pid, "a supervisor")
    wait_for((msvc.run_dir / "control.sock").exists, "the control socket")
    wait_for(lambda: msvc.log("msvc"), "the first log line")
    for _ in range(200):
        os.kill(msvc.supervisor_pid, signal.SIGHUP)
    reloads = [subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "reload"],
                                stdout=subprocess.DEVNULL) for _ in range(8)]
    assert [p.wait(DEADLINE) for p in reloads] == [0] * 8
    assert starting.wait(DEADLINE) == 0
    services = msvc.status()["services"]
    assert len(services) == 40
    assert all(s["instances"][0]["generation"] == 1 for s in services)
    assert all(s["instances"][0]["state"] == "ready" for s in services)


def test_reload_takes_away_what_waits_or_backs_off(msvc):
    """F3"""
    bad = ("[service bad]\ncommand = /bin/false\nrestart_delay = 1h\n"
           "restart_delay_max = 1h\n")
    msvc.start(bad + sleeper("next", "after = bad") + sleeper("same"), check=False)
    msvc.wait_state("bad", "backoff", generation=2)
    assert msvc.instance("next")["reason"] == "waits for bad"
    same = msvc.pid("same")
    assert msvc.reload(sleeper("same")).returncode == 0
    wait_for(lambda: [s["name"] for s in msvc.status()["services"]] == ["same"],
             "the others to go")
    assert msvc.pid("same") == same


def test_an_instance_wanted_again_while_it_stops_comes_back(msvc):
    """F3: reload while stopping."""
    write_trap(msvc, "a", "sleep 0.5; exit 0")
    msvc.start(shell("a", "")[0] + "instances = 2\n")
    wait_trap(msvc, "a", 2)
    first = msvc.pid("a", 1)
    assert msvc.reload(shell("a", "")[0]).returncode == 0
    assert msvc.instance("a", 2)["state"] == "stopping"
    assert msvc.reload(shell("a", "")[0] + "instances = 2\n").returncode == 0
    msvc.wait_state("a", "ready", index=2, generation=2)
    assert msvc.pid("a", 1) == first


def test_a_service_enabled_again_while_it_stops_comes_back(msvc):
    """F3"""
    write_trap(msvc, "a", "sleep 0.5; exit 0")
    msvc.start(shell("a", "")[0])
    wait_trap(msvc, "a")
    assert msvc.reload(shell("a", "")[0] + "enabled = no\n").returncode == 0
    assert msvc.instance("a")["state"] == "stopping"
    assert msvc.reload(shell("a", "")[0]).returncode == 0
    msvc.wait_state("a", "ready", generation=2)


def test_restart_does_not_bring_back_an_instance_that_is_to_go(msvc):
    """F3: restart during a reload that takes instances away."""
    write_trap(msvc, "a", "sleep 0.5; exit 0")
    msvc.start(shell("a", "")[0] + "instances = 3\n")
    wait_trap(msvc, "a", 3)
    assert msvc.reload(shell("a", "")[0]).returncode == 0
    assert len(msvc.service("a")["instances"]) == 3
    result = msvc.command("restart", "a")
    assert result.returncode == 0, result.stderr
    wait_for(lambda: len(msvc.service("a")["instances"]) == 1, "two to go")


def has_asked(pid):
    """Does that command wait, with a socket open? Then it has connected."""
    links = [os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
    state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return state == "S" and any(link.startswith("socket:") for link in links)


def test_restart_of_a_waiting_service_keeps_the_order(msvc):
    """A13: restart during start."""
    (msvc.dir / "late.py").write_text(
        "import os, signal, socket, time\n"
        f"while not os.path.exists({str(msvc.dir / 'go')!r}): time.sleep(0.01)\n"
        "sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "sock.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])\n"
        "while True: signal.pause()\n")
    msvc.write("[service late]\ncommand = /usr/bin/python3 {dir}/late.py\nready = notify\n"
               + sleeper("next", "after = late"))
    starting = subprocess.Popen(
        [BIN / "msvc", "-c", msvc.conf, "start"], stdout=subprocess.DEVNULL)
    msvc.supervisor_pid = wait_for(msvc.lock_pid, "a supervisor")
    wait_for(lambda: msvc.log("msvc"), "the first log line")
    wait_for(lambda: msvc.instance("late")["pid"], "late to run")
    restarting = subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "restart", "next"])
    wait_for(lambda: has_asked(restarting.pid), "the restart to be asked for")
    with control(msvc) as sock:  # behind it in the backlog
        sock.sendall(request(cmd="status"))
        answer(sock)
    assert msvc.instance("next")["pid"] is None
    (msvc.dir / "go").touch()
    assert restarting.wait(DEADLINE) == 0 and starting.wait(DEADLINE) == 0
    assert msvc.instance("next")["generation"] == 1


def test_generations_of_a_name_never_go_back(msvc):
    """A socket path is that of one process, as long as the supervisor lives."""
    two = sleeper("a", "instances = 2") + sleeper("b")
    msvc.start(two)
    for generation in (2, 3):
        msvc.kill("a", 2)
        msvc.wait_state("a", "ready", index=2, generation=generation)
    assert msvc.reload(sleeper("b")).returncode == 0
    wait_for(lambda: len(msvc.status()["services"]) == 1, "a to go")
    assert msvc.reload(two).returncode == 0
    again = msvc.wait_state("a", "ready", index=2)
    assert again["generation"] >= 4 and again["restarts"] == 0
    assert msvc.reload(sleeper("a") + sleeper("b")).returncode == 0
    wait_for(lambda: len(msvc.service("a")["instances"]) == 1, "a/2 to go")
    assert msvc.reload(two).returncode == 0
    assert msvc.wait_state("a", "ready", index=2)["generation"] > again["generation"]
    msvc.reload(sleeper("fresh") + sleeper("b"))
    assert msvc.wait_state("fresh", "ready")["generation"] == 1


def test_a_change_of_run_dir_is_refused(msvc):
    """F4"""
    msvc.start(sleeper("a"))
    pid = msvc.pid("a")
    text = msvc.conf.read_text()
    msvc.conf.write_text(text.replace(str(msvc.run_dir), f"{msvc.dir}/elsewhere"))
    result = msvc.command("-r", msvc.run_dir, "reload")
    assert result.returncode == 1
    assert "elsewhere" in result.stderr and "stop and start" in result.stderr
    msvc.conf.write_text(text)
    assert msvc.pid("a") == pid and not (msvc.dir / "elsewhere").exists()


def test_a_router_that_hangs_delays_nothing_else_and_catches_up(msvc):
    """F5: SIGSTOP, many changes of state, SIGCONT."""
    msvc.start(ECHO + sleeper("many", "instances = 20\nrestart_limit = none\n"
                                      "restart_delay = 1ms\nrestart_delay_max = 1ms"))
    router = msvc.status()["supervisor"]["router"]["pid"]
    os.kill(router, signal.SIGSTOP)
    try:
        for generation in range(2, 12):
            for instance in msvc.service("many")["instances"]:
                os.kill(instance["pid"], signal.SIGKILL)
            wait_for(lambda g=generation: all(
                i["state"] == "ready" and i["generation"] >= g
                for i in msvc.service("many")["instances"]), "all to be back")
        msvc.kill("echo")
        wait_for(lambda: msvc.instance("echo")["generation"] == 2, "a new echo")
    finally:
        os.kill(router, signal.SIGCONT)
    msvc.wait_state("echo", "ready", generation=2)
    assert msvc.get("/hello").status == 200
    assert msvc.status()["supervisor"]["router"]["pid"] == router


def test_a_logger_that_hangs_delays_nothing_else_and_catches_up(msvc):
    """F5 F6"""
    write_script(msvc, "talk", "while :; do echo 0123456789012345678901234567890123456789; done\n")
    msvc.start(sleeper("many", "instances = 20\nrestart_limit = none\n"
                               "restart_delay = 1ms\nrestart_delay_max = 1ms")
               + shell("talk", "")[0], head="log_max_size = 1m\nlog_keep = 1\n")
    logger = msvc.status()["supervisor"]["logger"]["pid"]
    os.kill(logger, signal.SIGSTOP)
    try:
        for generation in range(2, 42):
            for instance in msvc.service("many")["instances"]:
                with contextlib.suppress(ProcessLookupError, TypeError):
                    os.kill(instance["pid"], signal.SIGKILL)
            wait_for(lambda g=generation: all(
                i["state"] == "ready" and i["generation"] >= g
                for i in msvc.service("many")["instances"]), "all to be back")
        assert msvc.command("restart", "talk").returncode == 0
    finally:
        os.kill(logger, signal.SIGCONT)
    size = len(msvc.log("talk"))
    wait_for(lambda: len(msvc.log("talk")) != size, "lines to go on")
    assert msvc.status()["supervisor"]["logger"]["pid"] == logger
    wait_for(lambda: open_files(msvc.supervisor_pid) < 80, "the old pipes to be closed")
    assert not zombies(msvc.supervisor_pid)


def test_reloads_do_not_pile_up_before_a_router_that_hangs(msvc):
    """F6: what is meant for it is bounded, in bytes and descriptors."""
    many = "".join(f"[service s{n}]\ncommand = x\nenabled = no\n" for n in range(1000))
    msvc.start(ECHO + many)
    router = msvc.status()["supervisor"]["router"]["pid"]
    os.kill(router, signal.SIGSTOP)
    try:
        for _ in range(3):
            assert msvc.command("reload").returncode == 0
        before = open_files(msvc.supervisor_pid)
        for _ in range(10):
            assert msvc.command("reload").returncode == 0
        wait_for(lambda: open_files(msvc.supervisor_pid) <= before, "no more descriptors")
    finally:
        os.kill(router, signal.SIGCONT)
    assert msvc.reload(ECHO.replace("route = /", "route = /new")).returncode == 0
    wait_for(lambda: msvc.get("/new/x").status == 200, "the last picture to apply")
    assert msvc.status()["supervisor"]["router"]["pid"] == router


@root_only
@pytest.mark.parametrize("role", ["router", "logger"])
def test_a_helper_that_hangs_without_its_lifeline_is_replaced(msvc, role):
    """F6"""
    msvc.start(ECHO)
    old = msvc.status()["supervisor"][role]["pid"]
    os.kill(old, signal.SIGSTOP)
    pidfd = os.pidfd_open(old)
    fd = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, 3, 0)  # pidfd_getfd
    os.close(pidfd)
    if fd < 0:
        os.kill(old, signal.SIGCONT)
        pytest.skip("no right to take its descriptor")
    with socket.socket(fileno=fd) as lifeline:
        lifeline.shutdown(socket.SHUT_RDWR)
    wait_for(lambda: not is_running(old), f"the {role} to be killed")
    wait_for(lambda: msvc.status()["supervisor"][role]["state"] == "ready", "a new one")
    wait_for(lambda: msvc.get("/hello").status == 200, "an answer")


# -- the control socket


def test_a_control_client_that_half_closes_gets_its_answer(msvc):
    write_trap(msvc, "a", "sleep 0.3; exit 0")
    msvc.start(shell("a", "")[0])
    wait_trap(msvc, "a")
    for fields in ({"cmd": "status"}, {"cmd": "restart", "service": "a", "instance": 0}):
        with control(msvc) as sock:
            sock.sendall(request(**fields))
            sock.shutdown(socket.SHUT_WR)
            assert answer(sock)["ok"] is True
    with control(msvc) as sock:
        sock.sendall(request(cmd="status")[:7])
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""


def test_a_control_client_that_leaves_while_it_waits_is_forgotten(msvc):
    write_trap(msvc, "stub", "")
    msvc.start(shell("stub", "")[0] + "stop_timeout = 60s\n")
    wait_trap(msvc, "stub")
    before = open_files(msvc.supervisor_pid)
    for half in (False, True):
        with control(msvc) as sock:
            sock.sendall(request(cmd="stop", service="stub", instance=0))
            if half:
                sock.shutdown(socket.SHUT_WR)
            wait_for(lambda: msvc.instance("stub")["state"] == "stopping", "it to stop")
    wait_for(lambda: open_files(msvc.supervisor_pid) <= before, "the descriptors to go")
    msvc.kill("stub")


def test_a_thousand_silent_control_clients_do_not_keep_the_operator_out(msvc):
    msvc.start(sleeper("a"))
    socks = []
    try:
        for n in range(1000):
            socks.append(control(msvc))
            if n % 3 == 0:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    socks[-1].sendall(request(cmd="status")[:5])
        assert msvc.command("status").returncode == 0
        assert msvc.command("restart", "a").returncode == 0
        assert open_files(msvc.supervisor_pid) < 300
    finally:
        for sock in socks:
            sock.close()


# -- under systemd


class Parent:
    """Stands in for systemd: the socket behind NOTIFY_SOCKET."""

    def __init__(self, path):
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(path))
        self.sock.settimeout(DEADLINE)

    def next(self):
        return dict(line.split("=", 1)
                    for line in self.sock.recv(4096).decode().splitlines())

    def wait(self, key):
        while True:
            message = self.next()
            if key in message:
                return message


def run_under(msvc, parent):
    msvc.foreground = subprocess.Popen(
        [BIN / "msvc", "-c", msvc.conf, "run"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env={**os.environ, "NOTIFY_SOCKET": str(parent.path)})


def test_systemd_is_told_of_ready_reload_and_stop(msvc):
    parent = Parent(msvc.dir / "systemd.sock")
    msvc.write(sleeper("a"))
    run_under(msvc, parent)
    ready = parent.wait("READY")
    assert ready["READY"] == "1" and ready["STATUS"] == "all services are ready"
    assert msvc.instance("a")["state"] == "ready"
    before = time.monotonic_ns() // 1000
    msvc.foreground.send_signal(signal.SIGHUP)
    reloading = parent.wait("RELOADING")
    assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert parent.wait("READY")["STATUS"]
    environ = pathlib.Path(f"/proc/{msvc.pid('a')}/environ").read_bytes()
    assert str(parent.path).encode() not in environ
    msvc.foreground.send_signal(signal.SIGTERM)
    assert parent.wait("STOPPING")["STATUS"] == "stopping"
    assert msvc.foreground.wait(DEADLINE) == 0


def test_a_reload_during_the_start_does_not_claim_to_be_ready(msvc):
    parent = Parent(msvc.dir / "systemd.sock")
    (msvc.dir / "late.py").write_text(
        "import os, signal, socket, time\n"
        f"while not os.path.exists({str(msvc.dir / 'go')!r}): time.sleep(0.01)\n"
        "sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "sock.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])\n"
        "while True: signal.pause()\n")
    msvc.write("[service late]\ncommand = /usr/bin/python3 {dir}/late.py\nready = notify\n")
    run_under(msvc, parent)
    wait_for(lambda: msvc.command("reload").returncode == 0, "a reload")
    (msvc.dir / "go").touch()
    assert "STATUS" in parent.wait("READY")
    assert msvc.instance("late")["state"] == "ready"


# -- the command


def test_ctrl_c_during_start_and_restart_leaves_the_system_running(msvc):
    msvc.write("[service a]\ncommand = /bin/sleep 1000\nready = notify\n"
               "ready_timeout = 1h\n" + sleeper("b"))
    for command in ("start", "restart"):
        client = subprocess.Popen(
            [BIN / "msvc", "-c", msvc.conf, command], stderr=subprocess.DEVNULL,
            start_new_session=True)
        msvc.supervisor_pid = wait_for(msvc.lock_pid, "a supervisor")
        wait_for(lambda: msvc.command("status").returncode == 0, "a status")
        wait_for(lambda: msvc.instance("a")["pid"], "a to run")
        os.killpg(client.pid, signal.SIGINT)
        assert client.wait(DEADLINE) != 0
        msvc.wait_state("b", "ready")
        assert is_running(msvc.supervisor_pid)


def test_a_running_system_is_reached_through_a_broken_file(msvc):
    msvc.start(sleeper("a"))
    msvc.log_has("started")
    good = msvc.conf.read_text()
    msvc.conf.write_text(good + "[service b]\ncomand = x\n[serv\n")
    assert msvc.command("status").returncode == 0
    assert msvc.command("logs", "msvc").returncode == 0
    result = msvc.command("reload")
    assert result.returncode == 1 and "comand" in result.stderr
    assert msvc.stop().returncode == 0
    result = msvc.command("start")
    assert result.returncode == 1 and "comand" in result.stderr
    msvc.conf.write_text("")
    shutil.rmtree(msvc.run_dir)
