"""The supervisor when memory fails it: it stays, tries again, and goes on later."""

import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from conftest import BIN, BUILD, ECHO, is_running, wait_for

SLEEPER = "[service {name}]\ncommand = /bin/sleep 1000\nready = none\n{more}\n"


def sleeper(name, more=""):
    return SLEEPER.format(name=name, more=more)


@pytest.fixture
def poor(msvc):
    """Memory fails while the file is there that this returns."""
    if "san" in BUILD.name or shutil.which("cc") is None:
        pytest.skip("needs a compiler, and the C library's own allocator")
    library = msvc.dir / "poor.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library,
                    pathlib.Path(__file__).with_name("poor.c")], check=True)
    switch = msvc.dir / "poor"

    def start(text):
        msvc.write(text)
        result = subprocess.run(
            [BIN / "msvc", "-c", msvc.conf, "start"], capture_output=True, text=True,
            env={**os.environ, "LD_PRELOAD": str(library), "POOR_FILE": str(switch)})
        msvc.supervisor_pid = msvc.lock_pid()
        assert result.returncode == 0, result.stderr
        return switch

    return start


def test_without_memory_it_restarts_answers_and_reloads_as_it_can(msvc, poor):
    text = ECHO + sleeper("a", "restart_limit = none\nrestart_delay = 1ms\n"
                               "restart_delay_max = 5ms\ninstances = 4")
    switch = poor(text)
    pid = msvc.supervisor_pid
    pids = [i["pid"] for i in msvc.service("a")["instances"]]
    switch.touch()
    for victim in pids:
        os.kill(victim, signal.SIGKILL)
    os.kill(msvc_router(pid), signal.SIGKILL)
    for number in range(10):
        # Some are refused, none is left without an answer or an end.
        for command in (["status"], ["restart", "a"], ["drain", "echo"], ["undrain", "echo"],
                        ["fault", "echo", "delay=1", "--for", "1s"], ["reload"], ["reexec"],
                        ["stop", "a"], ["start", "a"]):
            msvc.command(*command)
        msvc.write(text + sleeper(f"new{number}"))
        assert is_running(pid)
    switch.unlink()
    msvc.write(text)
    assert msvc.command("reload").returncode == 0
    assert msvc.command("start", "a").returncode == 0
    assert msvc.command("start", "echo").returncode == 0
    wait_for(lambda: all(i["state"] == "ready" for i in msvc.service("a")["instances"]),
             "all to be back")
    msvc.command("undrain", "echo")
    wait_for(lambda: msvc.get("/hello").status == 200, "an answer")
    assert msvc.lock_pid() == pid
    assert re.search("out of memory|Cannot allocate memory", msvc.log("msvc"))
    assert msvc.command("reexec").returncode == 0


def msvc_router(supervisor):
    children = pathlib.Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text()
    for pid in children.split():
        if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "msvc-router":
            return int(pid)
    raise AssertionError("there is no router")
