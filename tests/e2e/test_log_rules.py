"""Where lines go, in which form, how many, and what of them is found again."""

import contextlib
import gzip
import json
import os
import re
import signal
import subprocess
import tempfile
import threading

from conftest import BIN, DEADLINE, is_running, wait_for

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def talker(name, script, keys=""):
    """A section of a service that runs a script of the shell."""
    return (f"[service {name}]\ncommand = /bin/sh {{dir}}/{name}.sh\nready = none\n"
            f"{keys}\n"), script


def start(msvc, *talkers, head=""):
    for section, script in talkers:
        name = re.match(r"\[service (\w+)\]", section).group(1)
        (msvc.dir / f"{name}.sh").write_text(script)
    msvc.start("".join(section for section, _ in talkers), head=head)


@contextlib.contextmanager
def in_foreground(msvc, text, head=""):
    """`msvc run` with its standard output in a file, which is given."""
    msvc.write(text, head=head)
    with tempfile.TemporaryFile("w+", dir=msvc.dir) as out:
        msvc.foreground = subprocess.Popen(
            [BIN / "msvc", "-c", msvc.conf, "run"], stdout=out, stderr=out)
        msvc.supervisor_pid = msvc.foreground.pid

        def output():
            return os.pread(out.fileno(), 1 << 20, 0).decode()

        yield output
        msvc.foreground.send_signal(signal.SIGTERM)
        assert msvc.foreground.wait(DEADLINE) == 0


def test_lines_may_be_json_objects(msvc):
    start(msvc, talker("t", r"""printf 'plain\n{"a": 1}\n\033[31m\377\n'; exec sleep 1000"""),
          head="log_format = json\n")
    msvc.log_has("31m", "t")
    objects = [json.loads(line) for line in msvc.log("t").splitlines()]
    assert [o["line"] for o in objects] == ["plain", '{"a": 1}', "\033[31m\ufffd"]
    assert all(re.fullmatch(STAMP, o["time"]) for o in objects)
    assert {(o["service"], o["instance"]) for o in objects} == {("t", 1)}
    # People read them as text, harmless to their terminals.
    shown = msvc.command("logs", "t").stdout
    assert re.search(STAMP + r" t/1 plain\n", shown) and r"t/1 \x1b[31m" in shown
    assert msvc.command("-o", "json", "logs", "t").stdout == msvc.log("t")


def test_a_reload_changes_form_and_target_without_a_restart(msvc):
    section, script = talker("t", "while :; do echo again; sleep 0.02; done")
    start(msvc, (section, script))
    msvc.log_has(STAMP + " t/1 again", "t")
    pid = msvc.pid("t")
    msvc.reload(section, head="log_format = json\n")
    msvc.log_has(r'"line":"again"}', "t")
    msvc.reload(section + "log = off\n")
    # What was in the pipe comes before: then the file is as it is.
    wait_for(lambda: msvc.log("t") == wait_and(msvc, lambda: msvc.log("t")), "silence")
    msvc.reload(section)
    size = len(msvc.log("t"))
    wait_for(lambda: len(msvc.log("t")) > size, "lines again")
    assert msvc.pid("t") == pid


def wait_and(msvc, read):
    """What read() gives after the supervisor has answered a few questions."""
    for _ in range(5):
        msvc.status()
    return read()


def test_old_files_are_rotated_and_compressed(msvc):
    start(msvc, talker("t", "seq -f 'line %06g xxxxxxxxxxxxxxxxxxxxxxxxxxx' 1 9000\n"
                            "exec sleep 1000"),
          head="log_max_size = 100k\nlog_keep = 9\nlog_compress = yes\n")
    msvc.log_has("line 009000", "t")

    def plain_files():
        return [p.name for p in msvc.log_dir.glob("t.log.*") if p.suffix != ".gz"]

    wait_for(lambda: not plain_files(), "all of them to be compressed")
    text = "".join(gzip.open(path, "rt").read() for path in
                   sorted(msvc.log_dir.glob("t.log.*.gz"), reverse=True)) + msvc.log("t")
    assert [int(n) for n in re.findall(r"line (\d+)", text)] == list(range(1, 9001))
    shown = msvc.command("logs", "-n", "9000", "t").stdout
    assert shown == text


def test_age_counts_from_the_first_line_also_for_a_new_logger(msvc):
    msvc.log_dir.mkdir()
    (msvc.log_dir / "t.log").write_text("2020-01-01T00:00:00.000Z t/1 from long ago\n")
    start(msvc, talker("t", "echo new; exec sleep 1000"), head="log_max_age = 24h\n")
    msvc.log_has("t/1 new", "t")
    assert "long ago" not in msvc.log("t")
    assert "long ago" in (msvc.log_dir / "t.log.1").read_text()


def test_a_flood_is_cut_to_its_rate_and_the_loss_is_told(msvc):
    start(msvc, talker("t", "seq -f 'line %g' 1 50000; echo done >&2\n"
                            f"echo through > {msvc.dir}/through; exec sleep 1000",
                       "log_rate = 100/1s"))
    wait_for(lambda: (msvc.dir / "through").exists(), "the service to get through")
    msvc.log_has(r"msvc-logger warn \d+ lines dropped by log_rate", "t")
    msvc.log_has(r"t: more than 100 lines in 1000 ms, dropping")
    # Nothing is lost without being counted.
    wait_for(lambda: len(re.findall("t/1 ", msvc.log("t"))) + sum(
        int(n) for n in re.findall(r"warn (\d+) lines", msvc.log("t"))) == 50001, "the sum")
    assert msvc.instance("t")["state"] == "ready"


def test_inherited_lines_are_on_standard_output_and_in_no_file(msvc):
    (msvc.dir / "t.sh").write_text("echo hello; exec sleep 1000")
    section = "[service t]\ncommand = /bin/sh {dir}/t.sh\nready = none\nlog = inherit\n"
    with in_foreground(msvc, section, "log_format = json\n") as output:
        wait_for(lambda: re.search(r'"service":"t","instance":1,"line":"hello"}\n', output()),
                 "the line")
    assert not (msvc.log_dir / "t.log").exists()


def test_in_the_background_inherited_lines_go_to_a_file_and_that_is_told(msvc):
    start(msvc, talker("t", "echo hello; exec sleep 1000", "log = inherit"))
    msvc.log_has("t/1 hello", "t")
    msvc.log_has("t: log = inherit has no standard output in the background")


def test_without_a_log_a_crash_still_tells_its_last_words(msvc):
    start(msvc, talker("t", "[ -e once ] && exec sleep 1000; touch once\n"
                            "echo 'last words' >&2; exit 3", "log = off"))
    listed = wait_for(lambda: json.loads(msvc.command("-o", "json", "crash", "list").stdout),
                      "the bundle")
    bundle = json.dumps(listed)
    name = re.search(r't-1-1-\w+', bundle).group(0)
    shown = msvc.command("crash", "show", name).stdout
    assert "last words" in shown
    assert not (msvc.log_dir / "t.log").exists()


def test_a_killed_logger_costs_no_line_and_no_process(msvc):
    """F6: the consumer of the log pipe dies; child and supervisor live."""
    start(msvc, talker("t", "i=0; while :; do i=$((i+1)); echo number $i; sleep 0.005; done"))
    msvc.log_has("number 10\n", "t")
    pid, logger = msvc.pid("t"), msvc.status()["supervisor"]["logger"]["pid"]
    os.kill(logger, signal.SIGKILL)
    wait_for(lambda: msvc.status()["supervisor"]["logger"]["pid"] not in (0, logger), "a new logger")
    at = len(msvc.log("t"))
    wait_for(lambda: len(msvc.log("t")) > at + 200, "more lines")
    numbers = [int(n) for n in re.findall(r"number (\d+)\n", msvc.log("t"))]
    # One that was written but not yet taken may come twice.
    assert sorted(set(numbers)) == list(range(1, numbers[-1] + 1))
    assert msvc.pid("t") == pid and is_running(msvc.supervisor_pid)


# -- msvc logs


OLD = "".join(f"2026-01-0{day}T10:00:00.000Z {{0}}/1 {{0}} of day {day}\n" for day in range(1, 8))


def write_logs(msvc):
    """Two logs with a line a day, in a plain, a rotated and a compressed file."""
    msvc.write("[service a]\ncommand = /bin/true\n[service b]\ncommand = /bin/true\n"
               "[service c]\ncommand = /bin/true\n")
    msvc.log_dir.mkdir()
    for name in ("a", "b"):
        lines = OLD.format(name).splitlines(True)
        with gzip.open(msvc.log_dir / f"{name}.log.2.gz", "wt") as out:
            out.writelines(lines[:3])
        (msvc.log_dir / f"{name}.log.1").write_text("".join(lines[3:5]))
        (msvc.log_dir / f"{name}.log").write_text("".join(lines[5:]))
    (msvc.log_dir / "c.log").write_text("2026-01-03T12:00:00.000Z c/1 c alone\n")


def shown(msvc, *args):
    result = msvc.command("logs", *args)
    assert result.returncode == 0, result.stderr
    return re.findall(r"/1 (\w) of day (\d)|/1 (c) alone", result.stdout)


def days(name, first, last):
    return [(name, str(day), "") for day in range(first, last + 1)]


def both(first, last):
    return [line for day in range(first, last + 1) for line in
            (("a", str(day), ""), ("b", str(day), ""))]


def test_logs_of_some_services_are_merged_over_all_their_files(msvc):
    write_logs(msvc)
    assert sorted(shown(msvc, "a", "b")) == sorted(both(1, 7))
    assert shown(msvc, "-n", "5", "a") == days("a", 3, 7)
    assert [line[1] for line in shown(msvc, "-n", "7", "a", "b")] == list("4556677")
    assert ("", "", "c") in shown(msvc)


def test_logs_of_a_time(msvc):
    write_logs(msvc)
    assert shown(msvc, "--since", "2026-01-03T10:00:00Z", "a") == days("a", 3, 7)
    assert shown(msvc, "--since", "2026-01-03T10:00:00.001Z", "a") == days("a", 4, 7)
    assert shown(msvc, "--until", "2026-01-03T10:00:00Z", "a") == days("a", 1, 2)
    assert shown(msvc, "--since", "2026-01-02T00:00Z", "--until", "2026-01-05T00:00Z",
                 "a") == days("a", 2, 4)
    assert shown(msvc, "--since", "2026-01-02T00:00Z", "-n", "2", "a") == days("a", 6, 7)
    assert shown(msvc, "--since", "1h", "a") == []


def test_logs_are_searched(msvc):
    write_logs(msvc)
    assert shown(msvc, "--grep", "day [246]", "a") == days("a", 2, 2) + days("a", 4, 4) + \
        days("a", 6, 6)
    assert shown(msvc, "--grep", "DAY 3$", "a") == []
    assert shown(msvc, "-i", "--grep", "DAY 3$", "a") == days("a", 3, 3)
    assert shown(msvc, "-n", "1", "--grep", "day [246]", "a") == days("a", 6, 6)
    # The text is searched, not what stands before it.
    assert shown(msvc, "--grep", "2026|a/1", "a") == []


def test_logs_say_what_is_wrong_with_an_option(msvc):
    write_logs(msvc)
    for args, text in (
            (("--grep", "da(y", "a"), "missing closing parenthesis at offset 4"),
            (("--since", "soon", "a"), '--since "soon": must be a duration such as 10m'),
            (("--until", "2026-13-01", "a"), '--until "2026-13-01": must be'),
            (("-f", "--until", "10m", "a"), "--until"),
            (("-n", "x", "a"), "must be a number")):
        result = msvc.command("logs", *args)
        assert result.returncode == 2 and text in result.stderr, result.stderr
    result = msvc.command("logs", "a", "nosuch")
    assert result.returncode == 1 and 'unknown service "nosuch"' in result.stderr


def test_logs_as_json_are_an_object_a_line(msvc):
    write_logs(msvc)
    result = msvc.command("-o", "json", "logs", "-n", "2", "a", "c")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"time": f"2026-01-0{day}T10:00:00.000Z", "service": "a", "instance": 1,
         "line": f"a of day {day}"} for day in (6, 7)]


def test_logs_follow_what_is_found_over_rotation_and_compression(msvc):
    script = ("i=0; while [ $i -lt 3000 ]; do i=$((i+1));"
              " echo number $i $((i % 10)) xxxxxxxxxxxxxxxxxxxxxx; done\n"
              f"while [ ! -e {msvc.dir}/go ]; do sleep 0.01; done\n"
              "while [ $i -lt 6000 ]; do i=$((i+1));"
              " echo number $i $((i % 10)) xxxxxxxxxxxxxxxxxxxxxx; done; exec sleep 1000\n")
    start(msvc, talker("t", script),
          head="log_max_size = 64k\nlog_keep = 99\nlog_compress = yes\n")
    msvc.log_has("number 3000 ", "t")
    follow = subprocess.Popen(
        [BIN / "msvc", "-c", msvc.conf, "logs", "-f", "--since", "10m", "--grep", " 7 x+$", "t"],
        stdout=subprocess.PIPE, text=True)
    try:
        numbers = []
        while not numbers or numbers[-1] < 5997:
            numbers.append(int(re.search(r"number (\d+) 7", follow.stdout.readline()).group(1)))
            if numbers[-1] == 2997:
                (msvc.dir / "go").touch()
        assert numbers == list(range(7, 6000, 10))
    finally:
        follow.kill()
        follow.wait()
        follow.stdout.close()


# -- what may go wrong


def test_any_bytes_at_all_are_valid_json(msvc):
    noise = msvc.dir / "noise"
    noise.write_bytes(os.urandom(300_000) + b'\n{"a\n\0\0\xff\\"\n' + b"\xf0\x9f\x98\x80" * 9000 +
                      b"\n" + b"x" * 1_000_000 + b"\nthe end\nno newline")
    start(msvc, talker("t", f"cat {noise}; sleep 0.01; exec sleep 1000"),
          head="log_format = json\nlog_max_size = 100m\n")
    msvc.log_has("the end", "t")
    for data in ((msvc.log_dir / "t.log").read_bytes(),
                 subprocess.run([BIN / "msvc", "-c", msvc.conf, "-o", "json", "logs", "-n",
                                 "100000", "t"], capture_output=True, check=True).stdout):
        lines = [json.loads(line.decode("utf-8", "strict")) for line in data.splitlines()]
        assert all(line["service"] == "t" and line["instance"] == 1 for line in lines)
        said = "".join(line["line"] + ("" if line.get("cut") else "\n") for line in lines)
        # No piece of a long line ends inside a character.
        assert "\N{GRINNING FACE}" * 9000 + "\n" + "x" * 1_000_000 + "\nthe end\n" in said


@contextlib.contextmanager
def follow(msvc, *args):
    """`msvc logs -f`, which ends at a deadline at the latest."""
    with subprocess.Popen([BIN / "msvc", "-c", msvc.conf, "logs", "-f", *args],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = threading.Timer(2 * DEADLINE, process.kill)
        deadline.start()
        try:
            yield process
        finally:
            deadline.cancel()
            process.kill()


def read_until(process, pattern):
    """What it prints up to a line that matches."""
    text = ""
    while True:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        text += line
        if re.search(pattern, line):
            return text


def test_logs_follow_over_killed_loggers_and_a_new_form(msvc):
    section, script = talker("t", "i=0; while [ $i -lt 9000 ]; do i=$((i+1));"
                                  " echo number $i xxxxxxxxxxxxxxxxxxxxxx; done; exec sleep 1000")
    head = "log_max_size = 16k\nlog_keep = 100\nlog_compress = yes\n"
    wait = f"echo waits; while [ ! -e {msvc.dir}/go ]; do sleep 0.01; done"
    start(msvc, talker("t", f"{wait}; {script}"), head=head)
    with follow(msvc, "-n", "1", "t") as follower:
        read_until(follower, "waits")
        (msvc.dir / "go").touch()
        text = read_until(follower, "number 1000 ")
        for number in (2000, 3000, 4000):
            logger = msvc.status()["supervisor"]["logger"]["pid"]
            os.kill(logger, signal.SIGKILL)
            text += read_until(follower, f"number {number} ")
        msvc.reload(section, head=head + "log_format = json\n")
        text += read_until(follower, "number 9000 ")
    numbers = [int(n) for n in re.findall(r"t/1 number (\d+) x+\n", text)]
    assert sorted(set(numbers)) == list(range(1, 9001))
    wait_for(lambda: not list(msvc.log_dir.glob("*.tmp")), "no half file to be left")


def test_a_removed_log_directory_is_made_anew_and_followed(msvc):
    start(msvc, talker("t", "i=0; while :; do i=$((i+1)); echo number $i; sleep 0.01; done"))
    with follow(msvc, "-n", "1", "t") as follower:
        read_until(follower, "number ")
        os.rename(msvc.log_dir, msvc.dir / "old")
        first = int(msvc.log_has(r"number (\d+)\n", "t").group(1))
        read_until(follower, f"number {first + 1}\n")
