"""Hostile services, clumsy admins and poor machines: what isolation holds against them."""

import os
import pathlib
import signal
import subprocess

import pytest

from conftest import BIN, is_running, wait_for
from test_isolation import (  # noqa: F401: box and elsewhere are fixtures
    SLEEP, box, cgroup_base, cgroup_only, elsewhere, proc, proc_status, root_only, said, say,
    secret_dirs, service)


def kill_supervisor(msvc):
    pid = msvc.supervisor_pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_running(pid), "the supervisor to end")


# -- the run directory


@root_only
def test_no_other_user_can_take_our_lock(box):
    """flock(2) asks for no more than a descriptor: whoever can open it holds up every start."""
    box.start(service(box, "a", SLEEP))
    assert box.stop().returncode == 0
    wait_for(lambda: not is_running(box.supervisor_pid), "the supervisor to end")
    result = subprocess.run(["/usr/bin/flock", "-n", box.run_dir / "lock", "true"],
                            user=65534, group=65534, extra_groups=[])
    assert result.returncode != 0


@root_only
def test_a_lock_file_of_before_is_closed_to_others(box):
    box.run_dir.mkdir(mode=0o711)
    (box.run_dir / "lock").touch(0o644)
    box.start(service(box, "a", SLEEP))
    assert (box.run_dir / "lock").stat().st_mode & 0o777 == 0o600


@root_only
@pytest.mark.parametrize("mode, want", [(0o755, 0o755), (0o1777, 0o1755), (0o700, 0o711)])
def test_a_directory_that_was_there_is_closed_to_writers_alone(box, mode, want):
    """It may be one that others need as well, such as /run."""
    box.run_dir.mkdir()
    box.run_dir.chmod(mode)
    box.start(service(box, "a", SLEEP))
    assert box.run_dir.stat().st_mode & 0o7777 == want


def test_what_is_not_of_msvc_stays_in_a_directory_called_secrets(msvc):
    theirs = [msvc.run_dir / "secrets" / name for name in ("tls.2024", "app.1.2")]
    for path in theirs:
        path.mkdir(parents=True)
        (path / "key").touch()
    msvc.start(service(msvc, "a", SLEEP))
    assert msvc.stop().returncode == 0
    wait_for(lambda: not is_running(msvc.supervisor_pid), "the supervisor to end")
    assert [path for path in theirs if not (path / "key").exists()] == []


# -- secrets


@root_only
def test_a_service_cannot_leave_anything_in_the_place_of_its_secrets(box):
    """Its directory is its own: it can make more in there."""
    (box.dir / "key").write_text("hush\n")
    script = ("cd $CREDENTIALS_DIRECTORY; chmod 700 .; mkdir -p x/y/z; cp key x/y/z/copy; "
              f"ln -s /etc/passwd link; chmod 0 x/y; cd {box.dir}/a.d; touch said; {SLEEP}")
    text = service(box, "a", script, "user = nobody", f"secret.key = {box.dir}/key")
    text = text.replace("\nready", "\nrestart_delay = 1ms\nready")
    box.start(text)
    wait_for((box.dir / "a.d" / "said").exists, "the first")
    box.kill("a")
    box.wait_state("a", "ready", generation=2)
    assert secret_dirs(box) == ["a.1.2"]
    (box.dir / "a.d" / "said").unlink()
    box.kill("a")
    wait_for((box.dir / "a.d" / "said").exists, "the third")
    kill_supervisor(box)
    box.start(text)
    assert box.instance("a")["state"] == "ready"
    assert secret_dirs(box) == ["a.1.1"]
    st = (box.run_dir / "secrets" / "a.1.1").stat()
    assert (st.st_uid, st.st_mode & 0o777) == (0, 0o550)


def test_secrets_arrive_byte_for_byte(msvc):
    data = bytes(range(256)) * 4096
    (msvc.dir / "key").write_bytes(data)
    (msvc.dir / "none").write_bytes(b"")
    msvc.start(service(msvc, "a", f"cat $CREDENTIALS_DIRECTORY/k >copy; cat $CREDENTIALS_DIRECTORY/"
                       f"e.0 >empty; echo ok >said; {SLEEP}", f"secret.k = {msvc.dir}/key",
                       f"secret.e.0 = {msvc.dir}/none"))
    assert said(msvc, "a") == "ok"
    assert (msvc.dir / "a.d" / "copy").read_bytes() == data
    assert (msvc.dir / "a.d" / "empty").read_bytes() == b""


# -- env_file


def test_an_env_file_of_too_many_variables_is_refused_at_once(msvc):
    """Each is looked for among all others, and everybody waits for that."""
    (msvc.dir / "vars").write_text("".join(f"V{i}=\n" for i in range(120000)))
    msvc.start(service(msvc, "a", SLEEP, f"env_file = {msvc.dir}/vars",
                       "restart_limit = 1/60s", "restart_delay = 10ms"), check=False)
    msvc.wait_state("a", "failed")
    assert "vars:2001: has more than 2000 variables" in msvc.instance("a")["reason"]


def test_a_variable_that_no_program_can_be_given_is_the_reason(msvc):
    (msvc.dir / "vars").write_text("A=" + "x" * 200000)
    msvc.start(service(msvc, "a", SLEEP, f"env_file = {msvc.dir}/vars",
                       "restart_limit = 1/60s", "restart_delay = 10ms"), check=False)
    msvc.wait_state("a", "failed")
    assert "exec /bin/sh: Argument list too long" in msvc.instance("a")["reason"]


# -- read_only


@root_only
def test_landlock_keeps_what_is_below_dev_too(msvc):
    os.chmod(msvc.dir, 0o777)
    mark = pathlib.Path("/dev/shm") / msvc.dir.name
    mark.mkdir()
    mark.chmod(0o777)
    try:
        msvc.write(service(msvc, "a", say(f"touch {mark}/x; echo $?; echo >/dev/null; echo $?"),
                           f"read_only = {mark}"))
        assert msvc.command("start", user=54321, group=54321, extra_groups=[]).returncode == 0
        msvc.supervisor_pid = msvc.lock_pid()
        codes = [line for line in said(msvc, "a").splitlines() if line.isdigit()]
        assert codes == ["1", "0"], said(msvc, "a")
    finally:
        for path in mark.iterdir():
            path.unlink()
        mark.rmdir()


@root_only
@pytest.mark.parametrize("seccomp", ["default", "off"])
def test_a_user_namespace_is_no_way_out_of_read_only(box, seccomp):
    ro = box.dir / "ro"
    ro.mkdir()
    ro.chmod(0o777)
    inner = f"mount -o remount,rw,bind {ro}; umount {ro}; mount --bind {box.dir} /mnt;" \
            f"touch /mnt/ro/x; touch {ro}/x; echo end"
    box.start(service(box, "a", say(f"unshare -Urm sh -c '{inner}'; touch {ro}/y"), "user = nobody",
                      f"read_only = {ro}", f"seccomp = {seccomp}"))
    assert "Read-only file system" in said(box, "a")
    assert list(ro.iterdir()) == []


@root_only
def test_read_only_follows_links_and_nests(box):
    ro = box.dir / "ro"
    (ro / "sub").mkdir(parents=True)
    (box.dir / "link").symlink_to(ro)
    (box.dir / "file").write_text("as it was")
    box.start(service(box, "a", say(f"touch {ro}/x {ro}/sub/x; echo x >{box.dir}/file; touch ok"),
                      f"read_only = {box.dir}/link/sub, {box.dir}/link, {box.dir}/file, /proc"))
    assert said(box, "a").count("Read-only file system") == 3
    assert list(ro.rglob("x")) == [] and (box.dir / "file").read_text() == "as it was"
    assert (box.dir / "a.d" / "ok").exists()


# -- private_tmp


@root_only
def test_a_run_directory_below_tmp_is_found_by_any_name(elsewhere, box):  # noqa: F811
    """private_tmp hides where a link leads to as well."""
    link = elsewhere / "link"
    link.symlink_to(box.dir)
    elsewhere.chmod(0o755)
    box.run_dir = link / "run"
    script = "test -S $NOTIFY_SOCKET && touch ${NOTIFY_SOCKET%/*}/svc/a/x; echo end $?"
    box.start(f"[service a]\ncommand = /bin/sh -c '{script}; {SLEEP}'\ndir = /\n"
              "ready = none\nprivate_tmp = yes\n")
    assert box.log_has(r"end (\d)", "a")[1] == "0", box.log("a")
    (box.run_dir / "svc" / "a" / "x").unlink()


@root_only
def test_services_do_not_see_the_temporary_files_of_each_other(box):
    def text(name, script):
        return (f"[service {name}]\ncommand = /bin/sh -c '{script}; echo end; {SLEEP}'\n"
                "dir = /\nready = none\nprivate_tmp = yes\n")
    box.start(text("a", "touch /tmp/of-a") + text("b", "ls -A /tmp /var/tmp")
              .replace("ready = none", "ready = none\nafter = a"))
    box.log_has("end", "a")
    box.log_has("end", "b")
    assert "of-a" not in box.log("b")
    root = pathlib.Path(f"/proc/{box.pid('a')}/root/tmp")
    assert (root / "of-a").exists()


# -- privileges


@root_only
@pytest.mark.parametrize("wanted", ["yes", "no"])
def test_a_set_user_id_program_gives_its_user_only_with_new_privileges(box, wanted):
    for path in box.dir, *box.dir.parents:
        if os.statvfs(path).f_flag & os.ST_NOSUID:
            pytest.skip("the directory is mounted nosuid")
    tool = box.dir / "id"
    tool.write_bytes(pathlib.Path("/usr/bin/id").read_bytes())
    tool.chmod(0o4755)
    box.start(service(box, "a", say(f"{tool} -u"), "user = nobody", f"no_new_privileges = {wanted}"))
    assert said(box, "a") == {"yes": "65534", "no": "0"}[wanted]


@root_only
def test_programs_with_capabilities_as_nobody_have_them_and_no_more(box):
    script = "grep -E 'Cap(Eff|Inh|Amb|Bnd)' /proc/self/status; cat /etc/shadow >/dev/null; echo $?"
    box.start(service(box, "a", say(script), "user = nobody", "capabilities = cap_kill"))
    lines = said(box, "a").splitlines()
    assert {line.split()[1] for line in lines if line.startswith("Cap")} == {f"{1 << 5:016x}"}
    assert lines[-1] == "1"


# -- control groups


@cgroup_only
def test_groups_that_a_service_made_in_its_own_go_with_it(msvc):
    script = (f"d={cgroup_base()}/msvc-$PPID/a.$MSVC_INSTANCE.$MSVC_GENERATION; mkdir -p $d/x/y; "
              f"echo $$ >$d/x/y/cgroup.procs; echo ok >said; {SLEEP}")
    msvc.start(service(msvc, "a", script, "tasks_max = 100", "restart_delay = 1ms"))
    top = cgroup_base() / f"msvc-{msvc.supervisor_pid}"
    assert said(msvc, "a") == "ok"
    assert (top / "a.1.1" / "x" / "y").exists()
    (msvc.dir / "a.d" / "said").unlink()
    msvc.kill("a")
    msvc.wait_state("a", "ready", generation=2)
    assert said(msvc, "a") == "ok"
    msvc.kill("a")
    msvc.wait_state("a", "ready", generation=3)
    assert not (top / "a.1.1").exists()
    assert msvc.stop().returncode == 0
    wait_for(lambda: not is_running(msvc.supervisor_pid), "the supervisor to end")
    assert not top.exists()


@cgroup_only
def test_groups_below_groups_of_a_killed_msvc_are_gone_too(msvc):
    dead = cgroup_base() / f"msvc-{2 ** 22 + os.getpid()}"
    (dead / "old.1.1" / "x" / "y").mkdir(parents=True)
    msvc.start(service(msvc, "a", SLEEP, "tasks_max = 100"))
    assert not dead.exists()


@cgroup_only
def test_no_other_user_can_lock_our_groups(box):
    """Who holds that lock after us keeps what we leave from being ended."""
    box.start(service(box, "a", SLEEP, "tasks_max = 100", "user = nobody"))
    top = cgroup_base() / f"msvc-{box.supervisor_pid}"
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    assert subprocess.run(["/bin/ls", top], capture_output=True, **nobody).returncode != 0
    assert subprocess.run(["/bin/cat", top / "a.1.1" / "cgroup.procs"], capture_output=True,
                          **nobody).returncode == 0


@cgroup_only
def test_commands_that_probe_it_are_in_its_group(msvc):
    probe = msvc.dir / "probe"
    probe.write_text(f"#!/bin/sh\ngrep ^0:: /proc/self/cgroup >>{msvc.dir}/seen\n")
    probe.chmod(0o755)
    msvc.start(service(msvc, "a", SLEEP, f"ready = command {probe}", "tasks_max = 100"))
    assert (msvc.dir / "seen").read_text().splitlines()[-1].endswith("/a.1.1")


# In place of a kernel or container that does not know clone3(2): glibc takes ENOSYS for that.
FILTER = """
import ctypes, os, struct, sys
code = [(0x20, 0, 0, 0), (0x15, 0, 1, 435), (0x06, 0, 0, 0x50000 | 38), (0x06, 0, 0, 0x7fff0000)]
text = b"".join(struct.pack("HBBI", *line) for line in code)
keep = ctypes.create_string_buffer(text)
prog = struct.pack("HxxxxxxQ", len(code), ctypes.addressof(keep))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(22, 2, prog, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


@cgroup_only
def test_a_machine_without_clone3_has_control_groups_all_the_same(msvc):
    msvc.write(service(msvc, "a", SLEEP, "tasks_max = 100"))
    result = subprocess.run(["/usr/bin/python3", "-c", FILTER, str(BIN / "msvc"), "-c",
                             str(msvc.conf), "start"], capture_output=True, text=True)
    msvc.supervisor_pid = msvc.lock_pid()
    assert result.returncode == 0, result.stderr
    assert "/a.1.1" in proc(msvc, "a", "cgroup")
