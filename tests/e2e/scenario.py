"""What the tests of the 66 supervision scenarios share.

Each test_scenarios_*.py is one part of that list; a test's name begins with
the id of its row (A1 ... F10).
"""

import os
import pathlib
import threading
import time

from conftest import is_running, wait_for
from test_supervise import children, shell, sleeper, write_script

# A service beside the one under test. Something that must not happen is
# looked for after a later event: the restart of this one.
WITNESS = sleeper("witness")


def later(msvc):
    """Crash the witness and wait until it is back, as an event to look back from."""
    generation = msvc.instance("witness")["generation"]
    msvc.kill("witness")
    msvc.wait_state("witness", "ready", generation=generation + 1)


def holds(condition, seconds, what):
    """Look for a bounded, short time that a condition never fails."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), what
        threading.Event().wait(0.02)


def script(msvc, name, text, more=""):
    """A service that runs this text with sh; the section."""
    write_script(msvc, name, text)
    return shell(name, "", f"ready = none\n{more}\n")[0]


def note(name, text="started"):
    """Shell: leave a line behind in NAME.txt; see lines()."""
    return f"echo {text} >>{name}.txt\n"


def lines(msvc, name):
    try:
        return (msvc.dir / f"{name}.txt").read_text().split()
    except FileNotFoundError:
        return []


def command_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:
        return ""


def own_children(msvc):
    """The supervisor's children that are services: not its router and logger."""
    return sorted(
        pid for pid in children(msvc.supervisor_pid)
        if is_running(pid) and not os.path.basename(command_of(pid)).startswith("msvc-"))


def wait_children(msvc, expected):
    """These services and no others; what a shell has run may take a moment to go."""
    wait_for(lambda: own_children(msvc) == sorted(expected), f"the only children {expected}")


def ends(msvc, name):
    """The process of a service has ended for good: its instance."""
    instance = msvc.instance(name)
    return instance if instance["state"] in ("stopped", "failed") else None


def pids(msvc, *names):
    return {name: msvc.pid(name) for name in names}
