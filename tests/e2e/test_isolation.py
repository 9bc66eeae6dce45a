"""What a service is limited to and kept from, and what it is told."""

import os
import pathlib
import re
import resource
import shutil
import tempfile

import pytest

from conftest import BUILD, DEADLINE, new_system, wait_for

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may set these")
SLEEP = "exec sleep 100000"


@pytest.fixture
def box(msvc):
    """A system that other users can reach into."""
    os.chmod(msvc.dir, 0o755)
    return msvc


def service(msvc, name, script, *keys):
    """A section that runs a shell script, which may write to {dir}/NAME.d."""
    out = msvc.dir / f"{name}.d"
    out.mkdir(exist_ok=True)
    out.chmod(0o777)
    path = msvc.dir / f"{name}.sh"
    path.write_text(f"cd {out}\n{script}\n")
    path.chmod(0o755)
    text = "\n".join(keys)
    ready = "" if "ready" in text else "ready = none\n"
    return f"[service {name}]\ncommand = /bin/sh {path}\ndir = /\n{ready}{text}\n"


def said(msvc, name, file="said"):
    """What a service has written to a file of its own, once it is whole."""
    path = msvc.dir / f"{name}.d" / file
    return wait_for(lambda: path.exists() and path.read_text(), f"{path}").strip()


def say(command):
    """A script that tells the output of a command."""
    return f"{{ {command}; }} >tmp 2>&1; mv tmp said; {SLEEP}"


def proc(msvc, name, file):
    return pathlib.Path(f"/proc/{msvc.pid(name)}/{file}").read_text()


def proc_status(msvc, name, key):
    return re.search(rf"^{key}:\s*(.*)$", proc(msvc, name, "status"), re.M)[1].split()


# -- limits


def test_a_process_is_made_as_its_limits_say(msvc):
    msvc.start(service(msvc, "a", SLEEP, "umask = 027", "nice = 7", "oom_score_adj = 321",
                       "limit.core = 0", "limit.nofile = 100:200", "limit.stack = 1m:2m"))
    limits = proc(msvc, "a", "limits")
    assert re.search(r"open files\s+100\s+200\s", limits), limits
    assert re.search(r"core file size\s+0\s+0\s", limits), limits
    assert re.search(rf"stack size\s+{1 << 20}\s+{2 << 20}\s", limits), limits
    assert proc_status(msvc, "a", "Umask") == ["0027"]
    assert proc(msvc, "a", "oom_score_adj").strip() == "321"
    assert os.getpriority(os.PRIO_PROCESS, msvc.pid("a")) == 7


def test_limits_of_a_running_process_change_in_place(msvc):
    msvc.start(service(msvc, "a", SLEEP, "limit.nofile = 100:200", "limit.fsize = infinity"))
    pid = msvc.pid("a")
    result = msvc.reload(service(msvc, "a", SLEEP, "limit.nofile = 90:150", "nice = 3",
                                 "oom_score_adj = 10", "limit.fsize = 1g"))
    assert result.returncode == 0, result.stderr
    assert msvc.pid("a") == pid
    assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (90, 150)
    assert resource.prlimit(pid, resource.RLIMIT_FSIZE) == (1 << 30, 1 << 30)
    assert os.getpriority(os.PRIO_PROCESS, pid) == 3
    assert proc(msvc, "a", "oom_score_adj").strip() == "10"


def test_memory_is_limited_without_a_control_group_too(msvc):
    """cgroup = no leaves RLIMIT_DATA, and says so once."""
    eater = ("/usr/bin/python3 -c 'x = bytearray(300 << 20)' 2>err; echo $? >tmp; mv tmp said;"
             + SLEEP)
    msvc.start(service(msvc, "a", eater, "memory_max = 100m", "tasks_max = 50"),
               head="cgroup = no")
    assert said(msvc, "a") == "1"
    assert "MemoryError" in (msvc.dir / "a.d" / "err").read_text()
    msvc.kill("a")
    msvc.wait_state("a", "ready", generation=2)
    assert msvc.log("msvc").count("a: memory_max: no control group for it (cgroup = no)") == 1
    assert msvc.log("msvc").count("a: tasks_max: no control group for it") == 1


def cgroup_base():
    """Where control groups can be made, or None."""
    mounts = re.findall(r"^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 ",
                        pathlib.Path("/proc/self/mountinfo").read_text(), re.M)
    own = re.search(r"^0::(.*)$", pathlib.Path("/proc/self/cgroup").read_text(), re.M)
    if not mounts or not own:
        return None
    base = pathlib.Path(mounts[0] + own[1])
    return base if os.access(base, os.W_OK) and (base / "cgroup.kill").exists() \
        or os.access(base, os.W_OK) and base == pathlib.Path(mounts[0]) else None


cgroup_only = pytest.mark.skipif(
    os.geteuid() != 0 or cgroup_base() is None, reason="no cgroup2 that we may write")


@cgroup_only
def test_a_helper_that_left_its_session_dies_by_the_control_group(msvc):
    """It would outlive a kill of the process group."""
    script = f"setsid sh -c 'echo $$ >tmp; mv tmp said; {SLEEP}' & {SLEEP}"
    msvc.start(service(msvc, "a", script, "memory_max = 1g"))
    helper = int(said(msvc, "a"))
    group = cgroup_base() / f"msvc-{msvc.supervisor_pid}" / "a.1.1"
    assert str(helper) in (group / "cgroup.procs").read_text().split()
    msvc.kill("a")
    msvc.wait_state("a", "ready", generation=2)
    wait_for(lambda: not pathlib.Path(f"/proc/{helper}").exists(), "the helper to end")
    assert (group.parent / "a.1.2").exists()
    top, pid = group.parent, msvc.supervisor_pid
    assert msvc.stop().returncode == 0
    wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "the supervisor to end")
    assert not top.exists()


@cgroup_only
def test_control_groups_outlive_a_reexec(msvc):
    text = service(msvc, "a", f"setsid sleep 100000 & echo $! >said; {SLEEP}", "tasks_max = 100",
                   "limit.nofile = 64")
    msvc.start(text)
    helper, pid, old = int(said(msvc, "a")), msvc.supervisor_pid, msvc.pid("a")
    assert msvc.command("reexec").returncode == 0
    assert msvc.pid("a") == old
    top = cgroup_base() / f"msvc-{pid}"
    assert (top / "a.1.1").exists()
    msvc.kill("a")
    msvc.wait_state("a", "ready", generation=2)
    wait_for(lambda: not pathlib.Path(f"/proc/{helper}").exists(), "the helper to end")
    assert (top / "a.1.2").exists()
    assert msvc.stop().returncode == 0
    wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "the supervisor to end")
    assert not top.exists()


@cgroup_only
def test_what_a_killed_msvc_left_in_its_groups_is_gone_after_the_next_start(msvc):
    dead = cgroup_base() / f"msvc-{2 ** 22 + os.getpid()}"
    (dead / "old.1.1").mkdir(parents=True)
    msvc.start(service(msvc, "a", SLEEP, "tasks_max = 100"))
    assert not dead.exists()


def test_a_service_that_asks_for_nothing_gets_no_group(msvc):
    msvc.start(service(msvc, "a", SLEEP))
    assert f"msvc-{msvc.supervisor_pid}" not in proc(msvc, "a", "cgroup")


# -- users, groups, capabilities


@root_only
def test_a_service_runs_with_the_groups_of_its_user_and_more(box):
    box.start(service(box, "a", SLEEP, "user = nobody", "group = daemon",
                      "supplementary_groups = mail, games"))
    import grp
    want = {grp.getgrnam(name).gr_gid for name in ("daemon", "mail", "games")}
    assert set(map(int, proc_status(box, "a", "Groups"))) == want
    assert proc_status(box, "a", "Uid") == ["65534"] * 4
    assert proc_status(box, "a", "Gid") == [str(grp.getgrnam("daemon").gr_gid)] * 4


def test_new_privileges_are_off_unless_they_are_wanted(msvc):
    msvc.start(service(msvc, "a", SLEEP)
               + service(msvc, "b", SLEEP, "no_new_privileges = no"))
    assert proc_status(msvc, "a", "NoNewPrivs") == ["1"]
    assert proc_status(msvc, "b", "NoNewPrivs") == ["0"]


@root_only
@pytest.mark.parametrize("user", ["root", "nobody"])
def test_only_the_listed_capabilities_are_left(box, user):
    box.start(service(box, "a", SLEEP, f"user = {user}",
                      "capabilities = cap_net_bind_service, cap_kill")
              + service(box, "b", SLEEP, f"user = {user}", "capabilities = none"))
    want = 1 << 10 | 1 << 5
    for key in ("CapEff", "CapPrm", "CapBnd"):
        assert int(proc_status(box, "a", key)[0], 16) == want, key
        assert int(proc_status(box, "b", key)[0], 16) == 0, key


def test_an_unknown_capability_is_told_and_counts(msvc):
    msvc.start(service(msvc, "a", SLEEP, "capabilities = cap_of_tea", "restart_limit = 1/60s",
                       "restart_delay = 10ms"), check=False)
    msvc.wait_state("a", "failed")
    assert 'capability "cap_of_tea" is not known' in msvc.instance("a")["reason"]


# -- seccomp


def call(number, *args):
    words = ", ".join(map(str, args))
    return ("/usr/bin/python3 -c 'import ctypes; l = ctypes.CDLL(None, use_errno=True); "
            f"print(l.syscall({number}, {words}), ctypes.get_errno())'")


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of another machine")
def test_calls_that_no_service_needs_are_refused(msvc):
    """keyctl(KEYCTL_GET_KEYRING_ID, process, create), which is harmless"""
    msvc.start(service(msvc, "a", say(call(250, 0, -2, 1)))
               + service(msvc, "b", say(call(250, 0, -2, 1)), "seccomp = off"))
    assert said(msvc, "a") == "-1 1"
    assert proc_status(msvc, "a", "Seccomp") == ["2"]
    assert said(msvc, "b") != "-1 1"
    assert proc_status(msvc, "b", "Seccomp") == ["0"]


@root_only
def test_the_filter_holds_for_a_user_with_new_privileges_too(box):
    box.start(service(box, "a", SLEEP, "user = nobody", "no_new_privileges = no"))
    assert proc_status(box, "a", "Seccomp") == ["2"]


# -- files


@pytest.fixture
def elsewhere():
    """A directory that is not below /tmp."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=".isolation-", dir=os.environ.get("HOME", "/root")))
    yield path
    shutil.rmtree(path)


@root_only
def test_a_private_tmp_is_empty_and_its_own(box):
    mark = pathlib.Path(tempfile.mkdtemp(prefix="msvc-mark-", dir="/var/tmp"))
    try:
        own = f"{mark.name}-own"
        box.start(f"[service a]\ncommand = /bin/sh -c 'touch /tmp/{own}; ls -A /tmp /var/tmp; "
                  "echo end; exec sleep 100000'\ndir = /\nready = none\nprivate_tmp = yes\n")
        box.log_has("end", "a")
        assert own in box.log("a")
        assert not re.search(rf"{mark.name}$", box.log("a"), re.M)
        assert not pathlib.Path("/tmp", own).exists()
    finally:
        mark.rmdir()


@root_only
def test_a_service_with_a_private_tmp_still_answers(box, elsewhere):
    """Its socket is in the run directory, which is below /tmp here."""
    shutil.copy(BUILD / "samples" / "echo", elsewhere / "echo")
    box.start(f"[service echo]\ncommand = {elsewhere}/echo\ndir = /\nroute = /\n"
              "private_tmp = yes\nread_only = /\n")
    assert box.get("/hello").status == 200


def test_a_private_tmp_is_refused_where_it_cannot_be(msvc):
    if os.geteuid() == 0:
        pytest.skip("root can")
    msvc.start(service(msvc, "a", SLEEP, "private_tmp = yes"), check=False)
    assert "only root" in msvc.instance("a")["reason"]


READ_ONLY = ("touch {ro}/x; echo $?; touch {ro}/sub/x; echo $?; touch ok; echo $?; "
             "echo >/dev/null; echo $?; mkdir b; mv ok b; echo $?")


def check_read_only(msvc, command):
    ro = msvc.dir / "ro"
    (ro / "sub").mkdir(parents=True)
    os.chmod(ro, 0o777)
    os.chmod(ro / "sub", 0o777)
    msvc.write(service(msvc, "a", say(READ_ONLY.format(ro=ro)), f"read_only = {ro}, /etc"))
    assert command("start").returncode == 0
    msvc.supervisor_pid = msvc.lock_pid()
    codes = [line for line in said(msvc, "a").splitlines() if line.isdigit()]
    assert codes == ["1", "1", "0", "0", "0"], said(msvc, "a")
    assert list(ro.iterdir()) == [ro / "sub"]


@root_only
def test_read_only_paths_are_so_for_root_by_mounts(msvc):
    check_read_only(msvc, msvc.command)


@root_only
def test_read_only_paths_are_so_for_others_by_landlock(msvc):
    os.chmod(msvc.dir, 0o777)
    check_read_only(msvc, lambda *args: msvc.command(
        *args, user=54321, group=54321, extra_groups=[]))


# -- what it is told


def test_the_environment_has_an_order_of_who_wins(msvc):
    (msvc.dir / "one").write_text("A=one\nB=one\nC='one # two'\n")
    (msvc.dir / "two").write_text("# a comment\n\nB = \"two \\\"x\\\"\"\nD=a \\\n  b  \n")
    msvc.write(service(msvc, "a", say("env"), "env.A = conf", "env_inherit = OUTER, A, NOT_THERE",
                       f"env_file = {msvc.dir}/one, {msvc.dir}/two"))
    result = msvc.command("start", env={"OUTER": "outer", "A": "outer", "HIDDEN": "x"})
    msvc.supervisor_pid = msvc.lock_pid()
    assert result.returncode == 0, result.stderr
    lines = said(msvc, "a").splitlines()
    for line in ("A=conf", 'B=two "x"', "C=one # two", "D=a   b", "OUTER=outer"):
        assert line in lines, (line, lines)
    assert not [line for line in lines if line.startswith(("HIDDEN", "NOT_THERE"))]


def test_all_is_inherited_but_what_is_for_msvc_alone(msvc):
    msvc.write(service(msvc, "a", say("env"), "env_inherit = *"))
    result = msvc.command("start", env={"OUTER": "outer", "WATCHDOG_USEC": "1", "LISTEN_FDS": "3"})
    msvc.supervisor_pid = msvc.lock_pid()
    assert result.returncode == 0, result.stderr
    text = said(msvc, "a")
    assert "OUTER=outer" in text
    assert "WATCHDOG_USEC" not in text and "LISTEN_FDS" not in text


@pytest.mark.parametrize("line, why", [
    ("NOTIFY_SOCKET=/x", "sets itself"), ("MSVC_SERVICE=x", "sets itself"),
    ("nothing", "is not of the form KEY=value"), ("A='x", "does not end"),
])
def test_a_wrong_env_file_fails_the_start_with_its_line(msvc, line, why):
    (msvc.dir / "vars").write_text(f"OK=1\n{line}\n")
    msvc.start(service(msvc, "a", SLEEP, f"env_file = {msvc.dir}/vars",
                       "restart_limit = 1/60s", "restart_delay = 10ms"), check=False)
    msvc.wait_state("a", "failed")
    reason = msvc.instance("a")["reason"]
    assert f"{msvc.dir}/vars:2: " in reason and why in reason, reason


def secret_dirs(msvc):
    return sorted(path.name for path in (msvc.run_dir / "secrets").glob("*"))


def test_a_secret_is_a_file_that_goes_with_its_process(msvc):
    (msvc.dir / "key").write_text("hush\n")
    keys = [f"secret.db_key = {msvc.dir}/key"]
    msvc.start(service(msvc, "a", say("env; cat $CREDENTIALS_DIRECTORY/db_key; echo end"), *keys))
    text = said(msvc, "a")
    assert text.endswith("hush\nend"), text
    path = msvc.run_dir / "secrets" / "a.1.1"
    assert f"CREDENTIALS_DIRECTORY={path}" in text
    assert "hush" not in proc(msvc, "a", "environ") + proc(msvc, "a", "cmdline")
    assert path.stat().st_mode & 0o777 == 0o500
    assert (path / "db_key").stat().st_mode & 0o777 == 0o400
    (msvc.dir / "key").write_text("new\n")
    (msvc.dir / "a.d" / "said").unlink()
    msvc.kill("a")
    assert said(msvc, "a").endswith("new\nend")
    assert secret_dirs(msvc) == ["a.1.2"]
    assert msvc.stop().returncode == 0
    assert not (msvc.run_dir / "secrets").exists()


def test_a_secret_that_cannot_be_read_is_the_reason(msvc):
    (msvc.dir / "big").write_bytes(b"x" * (1 << 20 | 1))
    os.mkfifo(msvc.dir / "fifo")
    limits = ("restart_limit = 1/60s", "restart_delay = 10ms")
    msvc.start(service(msvc, "a", SLEEP, f"secret.k = {msvc.dir}/none", *limits)
               + service(msvc, "b", SLEEP, f"secret.k = {msvc.dir}/big", *limits)
               + service(msvc, "c", SLEEP, f"secret.k = {msvc.dir}/fifo", *limits), check=False)
    for name, why in (("a", "none: No such file"), ("b", "big: has more than 1048576 bytes"),
                      ("c", "fifo: is not a regular file")):
        msvc.wait_state(name, "failed")
        assert f"secret.k: {msvc.dir}/{why}" in msvc.instance(name)["reason"]
    assert secret_dirs(msvc) == []


@root_only
def test_a_service_cannot_reach_into_another_of_another_user(box):
    """Secrets, environment, ledger, sockets: the victim's, tried by nobody."""
    (box.dir / "key").write_text("hush\n")
    os.chmod(box.dir / "key", 0o600)
    text = service(box, "victim", SLEEP, "user = daemon", "env.TOKEN = hush",
                   f"secret.key = {box.dir}/key")
    box.start(text)
    victim = box.pid("victim")
    run = box.run_dir
    tries = [
        f"cat {run}/secrets/victim.1.1/key", f"ls {run}/secrets/victim.1.1", f"ls {run}/secrets",
        f"cat /proc/{victim}/environ", f"ls /proc/{victim}/fd", f"cat /proc/{victim}/fd/1",
        f"ls {run}/svc/victim", f"touch {run}/svc/victim/x", f"ls {run}/svc", f"cat {box.dir}/key",
        f"kill -0 {victim}", f"cat {run}/control.sock",
    ]
    for number in range(8):
        tries.append(f"cat /proc/{victim}/fd/{number}")
    script = "\n".join(f"{line} </dev/null; echo \"$?: {line}\"" for line in tries)
    result = box.reload(text + service(box, "thief", say(script), "user = nobody"))
    assert result.returncode == 0, result.stderr
    out = said(box, "thief")
    codes = re.findall(r"^(\d+): (.*)$", out, re.M)
    assert len(codes) == len(tries), out
    assert [line for code, line in codes if code == "0"] == [], out
    assert "hush" not in out


# -- how it starts


@pytest.mark.parametrize("keys, why", [
    (["dir = /nowhere"], "chdir /nowhere: No such file or directory"),
    (["limit.nofile = 1g:2g"], "set limit nofile: "),
    (["read_only = /nowhere"], "/nowhere: No such file or directory"),
])
def test_a_step_that_fails_is_named_with_its_value(msvc, keys, why):
    text = service(msvc, "a", SLEEP, "restart_limit = 1/60s", "restart_delay = 10ms", *keys)
    if keys[0].startswith("dir"):
        text = text.replace("dir = /\n", "", 1)
    if "limit." in keys[0]:
        text = text.replace("1g:2g", "4000000000")
    msvc.start(text, check=False)
    msvc.wait_state("a", "failed")
    assert why in msvc.instance("a")["reason"]


def test_programs_are_found_by_the_path_that_they_get(msvc):
    tool = msvc.dir / "bin" / "msvc-test-tool"
    tool.parent.mkdir()
    # No "#!": as execvp(3), it is for the shell.
    tool.write_text(SLEEP + "\n")
    tool.chmod(0o755)
    msvc.start(f"[service a]\ncommand = msvc-test-tool x y\nready = none\n"
               f"env.PATH = {msvc.dir}/none:{tool.parent}:/usr/bin:/bin\n")
    assert "msvc-test-tool" in proc(msvc, "a", "cmdline") or msvc.pid("a")


def test_a_child_has_no_descriptor_that_is_not_its_own(msvc):
    """A10"""
    msvc.start(service(msvc, "a", SLEEP) + service(msvc, "b", SLEEP, "memory_max = 1g",
                                                   f"read_only = {msvc.dir}/b.d"))
    for name in ("a", "b"):
        assert sorted(os.listdir(f"/proc/{msvc.pid(name)}/fd")) == ["0", "1", "2"]


def test_every_signal_is_as_usual_in_a_child(msvc):
    msvc.start(service(msvc, "a", SLEEP))
    for key in ("SigBlk", "SigIgn"):
        assert int(proc_status(msvc, "a", key)[0], 16) == 0
