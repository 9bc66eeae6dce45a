"""Man pages and completion tell what the programs do, no more and no less."""

import json
import re
import subprocess

import pytest

from conftest import BIN, ROOT

PAGES = sorted((ROOT / "man").glob("*.[1-9]"))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages_are_clean_mdoc(page):
    try:
        result = subprocess.run(
            ["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("mandoc is not installed (a lint package)")
    assert result.returncode == 0, result.stdout


def test_every_page_of_the_issue_is_there():
    assert {p.name for p in PAGES} >= {
        "msvc.8", "msvc-router.8", "msvc.ini.5", "msvc-wire.7", "svc.3"}


def test_every_key_has_its_entry_and_every_entry_a_key():
    keys = set(re.findall(r"^X\([A-Z]+, (\w+),",
                          (ROOT / "conf/conf_keys.def").read_text(), re.M))
    assert keys, "the key table has changed its form"
    page = (ROOT / "man/msvc.ini.5").read_text()
    entries = set(re.findall(r"^\.It Ic ([a-z_.A-Z]+)", page, re.M))
    # Those with a name of their own, as env.KEY, end in a dot there.
    assert keys <= {e.rstrip(".") for e in entries}


def test_every_command_has_its_entry():
    usage = subprocess.run([BIN / "msvc", "help"], capture_output=True, text=True).stdout
    page = (ROOT / "man/msvc.8").read_text()
    for command in ("start", "run", "stop", "status", "restart", "reload", "check", "logs",
                    "call", "pub", "sub", "version", "drain", "undrain", "crash", "quarantine",
                    "fault"):
        assert command in usage
        assert re.search(rf"^\.It Ic {command}\b", page, re.M), command


def test_every_public_function_has_its_entry():
    header = (ROOT / "svc/svc.h").read_text()
    page = (ROOT / "man/svc.3").read_text()
    functions = set(re.findall(r"\b(svc_[a-z_0-9]+)\(", header))
    assert functions
    missing = {f for f in functions if not re.search(rf"\b{f}\b", page)}
    assert not missing


def page(name):
    return (ROOT / "man" / name).read_text()


def plain(mdoc):
    """Text of mdoc, without its macros."""
    text = re.sub(r"^\.\w\w? ", "", mdoc, flags=re.M)
    text = re.sub(r"\b(?:Ns|Ar|Oo|Oc|Op|Cm|Ic|Fl) ?", "", text)
    return text.replace("\\&", "")


def test_every_command_is_told_as_its_help_tells_it():
    """Each option and argument in the help of a command is in its entry, and the other way."""
    commands = json.loads(subprocess.run(
        [BIN / "msvc", "-o", "json", "help"], capture_output=True, text=True).stdout)
    text = page("msvc.8").replace("\\\n", "")
    entries = dict(re.findall(r"^\.It Ic (\w+)\b(.*)\n", text, re.M))
    for command in commands:
        entry = entries[command["name"]]
        told = set(re.findall(r"Fl -?([\w-]+)", entry))
        told = {letter for word in told for letter in ([word] if len(word) > 2 else word)}
        helped = set(re.findall(r"(?<![\w-])--?([\w-]+)", command["synopsis"]))
        helped = {letter for word in helped for letter in ([word] if len(word) > 2 else word)}
        assert told == helped, command


def examples():
    """(section, key, "key = value") of each example in msvc.ini(5)."""
    found = []
    for section, body in re.findall(
            r"^\.Ss \[(\w+)(?: NAME)?\]\n(.*?)(?=^\.S[sh] )", page("msvc.ini.5"), re.M | re.S):
        for item in re.split(r"^\.It ", body, flags=re.M)[1:]:
            key = re.match(r"Ic (\w+)", item)[1]
            line = re.search(r"^Example:\n\.Ql (.*?) \.$", item, re.M)[1]
            found.append((section, key, line))
    return found


# What else has to be there for an example to make sense.
BESIDE = {
    "type": "", "schedule_zone": "schedule = @daily\n", "schedule_jitter": "schedule = @daily\n",
    "on_unhealthy": "health = tcp 127.0.0.1:9\n", "fallback_on": "fallback = json {}\n",
    "socket": "ready = none\n", "scale_up_wait": "instances = 1..2\n",
    "scale_down_after": "instances = 1..2\n", "max_inflight_all": "max_inflight = 9\n",
    "queue_timeout": "max_inflight = 9\n",
}
HEALTH = ("health_interval", "health_timeout", "health_failures", "health_successes")
OTHERS = "".join(f"[service {n}]\ncommand = /bin/true\nready = none\n"
                 for n in ("database", "cache", "store", "index", "web", "payments"))


def example_conf(section, key, line):
    route = "" if key in ("route", "socket", "schedule", "schedule_zone", "schedule_jitter") \
        else "route = /x\n"
    command = "" if key in ("command", "url") else "command = /bin/true\n"
    beside = BESIDE.get(key, "health = tcp 127.0.0.1:9\n" if key in HEALTH else "")
    users = "[service users]\n" + command + route + OTHERS
    if section == "service":
        if key in ("after", "wants", "requires"):
            # Of another one, for an example may name users.
            return users + f"[service me]\ncommand = /bin/true\n{line}\n"
        return f"[service users]\n{command}{route}{beside}{line}\n" + OTHERS
    if section == "route":
        match = "" if key == "match" else "match = /y\n"
        service = "" if key == "service" else "service = users\n"
        return users + f"[route r]\n{match}{service}{beside}{line}\n"
    if section == "group":
        services = "" if key == "services" else "services = store, index\n"
        return users + f"[group g]\n{services}{line}\n"
    return f"[{section}]\n{line}\n" + users


@pytest.mark.parametrize("section,key,line", examples(), ids=lambda v: v if " " not in v else "")
def test_every_example_of_a_key_is_taken(tmp_path, section, key, line):
    if key in ("user", "group", "supplementary_groups") and section == "service":
        pytest.skip("names users of some other machine")
    conf = tmp_path / "msvc.ini"
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "empty-list.json").write_text("[]")
    conf.write_text(example_conf(section, key, line))
    result = subprocess.run([BIN / "msvc", "-c", conf, "check"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr + conf.read_text()


def displays(name):
    return re.findall(r"^\.Bd [^\n]*\n(.*?)^\.Ed", page(name), re.M | re.S)


def test_the_systems_in_the_examples_are_taken(tmp_path):
    systems = [d for n in ("msvc.ini.5", "msvc.8", "msvc-router.8", "svc.3") for d in displays(n)
               if re.match(r"(?:#.*\n)?\[\w+( \w+)?\]\n", d)]
    assert len(systems) >= 3
    for text in systems:
        conf = tmp_path / "msvc.ini"
        conf.write_text(text.replace("\\e", "\\").replace("user = shop\n", ""))
        result = subprocess.run(
            [BIN / "msvc", "-c", conf, "check"], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr + text


def table_keys(column):
    rows = re.findall(r"^X\(SERVICE, (\w+), \w+,[^)]*?(APPLY|RESTART),\s+(LOCAL|ALL),",
                      (ROOT / "conf/conf_keys.def").read_text(), re.M | re.S)
    return {key for key, *rest in rows if column in rest}


def test_what_is_said_of_url_and_of_reload_is_what_the_table_has():
    text = page("msvc.ini.5")
    with_url = re.search(r"^With\n\.Ic url\nthere may be(.*?)^\.Bl", text, re.M | re.S)[1]
    assert set(re.findall(r"^\.Ic (\w+)", with_url, re.M)) == table_keys("ALL") - {"url"}
    reload = re.search(r"^\.Ss Reload\n.*?^a change of\n(.*?)^restarts", text, re.M | re.S)[1]
    assert set(re.findall(r"^\.Ic (\w+)", reload, re.M)) == table_keys("RESTART")


def test_each_line_of_the_sample_may_be_uncommented(tmp_path):
    """msvc.ini as it is installed; a key that takes the place of another one replaces it."""
    sections = re.split(r"^(?=;?\[)", (ROOT / "conf/msvc.ini").read_text(), flags=re.M)
    keys = re.findall(r"^;(\w[\w.]*) = .*$", "".join(sections), re.M)
    assert len(keys) > 20
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "payments.key").write_text("x")
    conf = tmp_path / "msvc.ini"
    for at, section in enumerate(sections):
        if section.startswith(";["):
            section = re.sub(r"^;", "", section, flags=re.M)
            sections[at] = section
        for line, key in re.findall(r"^;((\w[\w.]*) = .*)$", section, re.M):
            if key in ("user", "fallback_on"):
                continue  # a user of another machine; needs a fallback
            changed = re.sub(rf"^{re.escape(key)} = .*\n", "", section, flags=re.M) \
                if key != "listen" else section
            changed = changed.replace(f";{line}", line, 1)
            conf.write_text("".join(sections[:at] + [changed] + sections[at + 1:]))
            result = subprocess.run(
                [BIN / "msvc", "-c", conf, "check"], capture_output=True, text=True)
            assert result.returncode == 0, (line, result.stderr)
