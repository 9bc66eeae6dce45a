"""What /proc tells of processes."""

import os
import pathlib


def stat_of(pid):
    """State letter and parent of a process, or None when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, parent = text.rsplit(")", 1)[1].split()[:2]
    return state, int(parent)


def children_of(pid):
    """Map the children of a process to their state letters."""
    found = {}
    for entry in os.listdir("/proc"):
        stat = stat_of(entry) if entry.isdigit() else None
        if stat is not None and stat[1] == pid:
            found[int(entry)] = stat[0]
    return found


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "gone"


def fd_count(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def pidfd_of(pid, parent):
    """A descriptor of this child of parent, the caller's; None: no such."""
    if not pid:
        return None
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    stat = stat_of(pid)
    if stat is None or stat[1] != parent:
        os.close(fd)
        return None
    return fd
