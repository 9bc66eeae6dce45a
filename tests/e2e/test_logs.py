"""Lines of services in files: whole, in order, bounded, and on a full disk."""

import os
import re
import subprocess

import pytest

from conftest import wait_for


def talker(msvc, script, head=""):
    (msvc.dir / "t.sh").write_text(script)
    msvc.start("[service t]\ncommand = /bin/sh {dir}/t.sh\nready = none\n", head=head)


def test_lines_carry_time_and_instance(msvc):
    talker(msvc, "echo out; echo err >&2; exec sleep 1000\n")
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z t/1 "
    assert msvc.log_has(stamp + "out", "t") and msvc.log_has(stamp + "err", "t")


def test_ten_megabytes_arrive_whole(msvc):
    talker(msvc, "seq -f 'line %06g of the long talk of this service' 1 200000\n"
                 "exec sleep 1000\n", head="log_max_size = 1g\n")
    msvc.log_has("line 200000 ", "t")
    numbers = [int(n) for n in re.findall(r"line (\d+) of", msvc.log("t"))]
    assert numbers == list(range(1, 200001))


def test_files_rotate_by_size_and_keep_so_many(msvc):
    talker(msvc, "seq -f 'line %06g xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' 1 20000\n"
                 "exec sleep 1000\n", head="log_max_size = 100k\nlog_keep = 3\n")
    msvc.log_has("line 020000", "t")
    files = sorted(p.name for p in msvc.log_dir.glob("t.log*"))
    assert files == ["t.log", "t.log.1", "t.log.2", "t.log.3"]
    assert all((msvc.log_dir / name).stat().st_size <= 110 * 1024 for name in files)


def test_control_bytes_are_escaped_and_long_lines_are_cut_not_lost(msvc):
    talker(msvc, "printf 'a\\033[31mred\\n'\n"
                 "head -c 100000 /dev/zero | tr '\\0' 'x'; echo; echo end; exec sleep 1000\n")
    msvc.log_has(r"t/1 end", "t")
    text = msvc.log("t")
    assert "\033" not in text and r"\x1b" in text
    assert text.count("x") >= 100000


def test_the_last_words_of_a_dying_service_are_kept(msvc):
    talker(msvc, "[ -e once ] && exec sleep 1000; touch once\n"
                 "printf 'no newline at the end'; kill -9 $$\n")
    assert msvc.log_has("t/1 no newline at the end", "t")


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_drops_lines_tells_how_many_and_blocks_nobody(msvc):
    msvc.log_dir.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(msvc.log_dir)],
        capture_output=True)
    if mount.returncode != 0:
        pytest.skip("no right to mount here")
    try:
        (msvc.dir / "t.sh").write_text(
            "seq -f 'line %06g xxxxxxxxxxxxxxxxxxxxxxxxxxxx' 1 20000\n"
            f"echo through > {msvc.dir}/through\n"
            "while :; do echo again; sleep 0.05; done\n")
        msvc.start("[service t]\ncommand = /bin/sh {dir}/t.sh\nready = none\n")
        wait_for(lambda: (msvc.dir / "through").exists(), "the service to get through")
        assert msvc.instance("t")["state"] == "ready"
        for path in msvc.log_dir.glob("*.log"):
            os.truncate(path, 0)
        msvc.log_has(r"\d+ lines? dropped", "t")
        msvc.log_has("again", "t")
    finally:
        msvc.stop()
        subprocess.run(["umount", "-l", str(msvc.log_dir)], check=False)
