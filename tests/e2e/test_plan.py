"""msvc reload --dry-run, and what a reload of each key does to the process."""

import json
import os
import pathlib
import re
import signal
from random import Random

import pytest

from conftest import ECHO, ROOT, new_system, wait_for

SLEEP = "command = /bin/sleep 1000\nready = none\n"


def plan(msvc, *args, code=0):
    result = msvc.command("-o", "json", "reload", "--dry-run", *args)
    assert result.returncode == code, result.stderr
    return json.loads(result.stdout)


def acts(answer):
    return {f'{i["section"]} {i["name"] or ""}'.strip(): (i["act"], i["keys"])
            for i in answer["plan"]}


def test_the_plan_tells_what_the_reload_then_does(msvc):
    msvc.start("".join(f"[service {n}]\n{SLEEP}" for n in ("same", "gone", "other", "apply")))
    pids = {n: msvc.pid(n) for n in ("same", "gone", "other", "apply")}
    msvc.write(f"[service same]\n{SLEEP}[service other]\n{SLEEP}env.A = 1\n"
               f"[service apply]\n{SLEEP}stop_timeout = 3s\n[service new]\n{SLEEP}",
               router="max_body = 2m\n")
    answer = plan(msvc)
    assert acts(answer) == {
        "service gone": ("stop", []), "service same": ("keep", []),
        "service other": ("restart", ["env"]), "service apply": ("change", ["stop_timeout"]),
        "service new": ("start", []), "router": ("change", ["max_body"])}
    text = msvc.command("reload", "--dry-run")
    assert text.returncode == 0
    assert re.search(r"^restart +service other +env$", text.stdout, re.M)
    assert re.search(r"^start +service new$", text.stdout, re.M)
    # Nothing was touched.
    assert {n: msvc.pid(n) for n in pids} == pids
    counts = json.loads(msvc.command("-o", "json", "reload").stdout)
    for key in ("added", "removed", "restarted", "applied", "kept"):
        assert counts[key] == answer[key] == 1
    wait_for(lambda: [s["name"] for s in msvc.status()["services"]]
             == ["same", "other", "apply", "new"], "gone to be gone")
    assert msvc.pid("same") == pids["same"] and msvc.pid("apply") == pids["apply"]
    assert msvc.pid("other") != pids["other"]
    assert all(act == "keep" for act, _ in acts(plan(msvc)).values())


def test_what_reload_would_refuse_is_refused(echo):
    pid = echo.pid("echo")
    echo.write("[service echo]\ncomand = x\n")
    result = echo.command("reload", "--dry-run")
    assert result.returncode == 1 and 'mean "command"' in result.stderr
    assert plan(echo, code=1)["ok"] is False
    # A port that is taken is one, too.
    with echo.socket():
        echo.write(ECHO, router=f"listen = {echo.host}:{echo.port}\nlisten = 192.0.2.1:9\n")
        assert echo.command("reload", "--dry-run").returncode == 1
    assert echo.pid("echo") == pid and echo.get("/hello").status == 200


def test_a_plan_needs_a_supervisor(msvc):
    msvc.write(ECHO)
    assert plan(msvc, code=3) == {
        "ok": False, "exit": 3, "error": f"not running (no supervisor in {msvc.run_dir})"}


# -- every key of a service: is its process replaced, as conf_keys.def says?

KEYS = re.findall(r"^X\(SERVICE, (\w+), (\w+),[^)]*?(APPLY|RESTART),\s+(?:LOCAL|ALL),",
                  (ROOT / "conf" / "conf_keys.def").read_text(), re.M | re.S)

# Another value than that of the base; those of a type do for the rest.
VALUES = {
    "command": "/bin/sleep 2000", "dir": "/", "user": "nobody", "group": "nogroup",
    "env": "env.A = 1", "env_file": "{dir}/env", "env_inherit": "HOME",
    "secret": "secret.A = {dir}/secret", "socket": "tcp:{host}:9901",
    "supplementary_groups": "nogroup", "umask": "077", "nice": "3", "oom_score_adj": "100",
    "limit": "limit.nofile = 500", "cpu_weight": "200", "cpu_quota": "50%",
    "tasks_max": "100", "no_new_privileges": "no", "capabilities": "none",
    "seccomp": "off", "private_tmp": "yes", "read_only": "/etc", "schedule_zone": "UTC",
    "instances": "2", "health": "command /bin/true", "on_unhealthy": "drain",
    "log": "off", "log_rate": "100/1s", "route": "/x", "restart": "never",
    "restart_delay": "1s,2s", "restart_limit": "7/70s", "on_failed": "stop-dependents",
    "ready": "notify", "stop_signal": "INT", "after": "other", "wants": "other",
    "requires": "other", "success_codes": "3", "enabled": "no", "max_inflight": "4",
    "overlap": "yes", "fallback": "json {}", "fallback_on": "5xx", "retry_budget": "30",
    "health_failures": "5",
}
BY_TYPE = {"DURATION": "7s", "COUNT": "9", "SIZE": "3m"}
# What the test can not see: it is about another kind of service, or the process
# is meant to go; each is tested where it belongs.
ELSEWHERE = {"url", "type", "schedule", "schedule_zone", "schedule_jitter", "enabled", "idle_stop",
             "ready"}
NEEDS_ROOT = {"user", "group", "supplementary_groups", "private_tmp", "read_only",
              "oom_score_adj"}


@pytest.fixture(scope="module")
def shared():
    """One system for all keys: each test changes one and goes back."""
    with new_system() as system:
        system.dir.chmod(0o755)
        (system.dir / "env").write_text("B=1\n")
        (system.dir / "secret").write_text("x")
        (system.dir / "secret").chmod(0o600)
        system.start(base(""))
        yield system


def base(extra):
    # overlap = no: one process at a time, so that a pid tells all.
    command = "" if "command =" in extra else "command = /bin/sleep 1000\n"
    overlap = "" if "overlap =" in extra else "overlap = no\n"
    return (f"[service s]\n{command}{overlap}ready = none\n{extra}"
            f"[service other]\n{SLEEP}")


def change_one(shared, key, line, change):
    before = shared.instance("s")
    shared.write(base(line + "\n"))
    expected = "restart" if change == "RESTART" else "change"
    item = next(i for i in plan(shared)["plan"] if i["name"] == "s")
    assert (item["act"], item["keys"]) == (expected, [key])
    result = shared.command("reload")
    assert result.returncode == 0, result.stderr
    if change == "RESTART":
        wait_for(lambda: shared.instance("s")["pid"] not in (None, before["pid"]), "a new pid")
    else:
        assert shared.instance("s")["pid"] == before["pid"]
    assert all(i["act"] == "keep" for i in plan(shared)["plan"])


@pytest.mark.parametrize("key,kind,change", [
    (key, kind, change) for key, kind, change in KEYS if key not in ELSEWHERE])
def test_a_reload_does_what_the_table_says(shared, key, kind, change):
    if key in NEEDS_ROOT and os.geteuid() != 0:
        pytest.skip(f"{key} needs root")
    value = VALUES.get(key) or BY_TYPE[kind]
    value = value.replace("{dir}", str(shared.dir)).replace("{host}", shared.host)
    line = value if value.startswith(f"{key}.") else f"{key} = {value}"
    try:
        change_one(shared, key, line, change)
    finally:
        assert shared.reload(base("")).returncode == 0
        shared.wait_state("s", "ready")


def test_the_table_was_read_whole():
    text = (ROOT / "conf" / "conf_keys.def").read_text()
    assert len(KEYS) == len(re.findall(r"^X\(SERVICE,", text, re.M))


# -- and every key of [msvc] and [router]: all of them without touching a service

WHOLE = {
    "log_dir": "{dir}/log2", "log_compress": "yes", "log_format": "json", "cgroup": "no",
    "crash_dir": "{dir}/crashes", "admin": "{host}:9902", "access_log": "off",
    "error_detail": "brief", "quarantine_body": "yes", "listen": "{host}:9903",
    "max_head": "20k",
}
WHOLE_KEYS = re.findall(r"^X\((MSVC|ROUTER), (\w+), (\w+),",
                        (ROOT / "conf" / "conf_keys.def").read_text(), re.M)


@pytest.mark.parametrize("section,key,kind", [
    row for row in WHOLE_KEYS if row[1] not in ("run_dir", "include")])
def test_settings_of_the_whole_touch_no_service(shared, section, key, kind):
    value = WHOLE.get(key) or BY_TYPE[kind]
    line = f"{key} = {value}\n".replace("{dir}", str(shared.dir)).replace("{host}", shared.host)
    before = shared.instance("s")["pid"], shared.status()["supervisor"]["router"]["pid"]
    shared.write(base(""), **{"head" if section == "MSVC" else "router": line})
    if key in ("log_dir", "listen", "workers", "error_detail"):
        # These the helper writes as well: once is enough.
        text = shared.conf.read_text()
        old = re.findall(rf"^{key} = .*\n", text, re.M)
        shared.conf.write_text(text.replace(old[0], "", 1) if len(old) > 1 else text)
    try:
        items = {i["section"]: (i["act"], i["keys"]) for i in plan(shared)["plan"]
                 if i["section"] != "service"}
        assert items[section.lower()][0] == "change" and key in items[section.lower()][1]
        result = shared.command("reload")
        assert result.returncode == 0, result.stderr
        assert (shared.instance("s")["pid"],
                shared.status()["supervisor"]["router"]["pid"]) == before
    finally:
        assert shared.reload(base("")).returncode == 0


def test_groups_change_without_a_restart(msvc):
    services = f"[service a]\n{SLEEP}[service b]\n{SLEEP}"
    msvc.start(services)
    pids = msvc.pid("a"), msvc.pid("b")
    msvc.write(services + "[group g]\nservices = a, b\nstrategy = one_for_all\n")
    assert acts(plan(msvc))["group g"] == ("start", [])
    assert msvc.command("reload").returncode == 0
    assert msvc.status()["groups"] == [
        {"name": "g", "strategy": "one_for_all", "services": ["a", "b"]}]
    msvc.write(services + "[group g]\nservices = a, b\nstrategy = rest_for_one\n")
    assert acts(plan(msvc))["group g"] == ("change", ["strategy"])
    assert msvc.command("reload").returncode == 0
    assert (msvc.pid("a"), msvc.pid("b")) == pids
    assert msvc.service("a")["group"] == "g"


# -- keys that are applied to what runs do take effect on it

def limits_of(pid):
    text = pathlib.Path(f"/proc/{pid}/limits").read_text()
    return re.search(r"^Max open files +(\d+) +(\d+)", text, re.M).groups()


def test_limits_are_applied_to_the_running_process(msvc):
    msvc.start(f"[service s]\n{SLEEP}")
    pid = msvc.pid("s")
    assert msvc.reload(f"[service s]\n{SLEEP}nice = 4\noom_score_adj = 200\n"
                       "limit.nofile = 321:654\n").returncode == 0
    wait_for(lambda: os.getpriority(os.PRIO_PROCESS, pid) == 4, "the niceness")
    assert pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text() == "200\n"
    assert limits_of(pid) == ("321", "654")
    assert msvc.pid("s") == pid


def test_a_health_probe_begins_and_changes_with_a_reload(msvc):
    def service(name):
        return (f"[service s]\n{SLEEP}health = command /bin/sh -c 'echo >> {{dir}}/{name}'\n"
                "health_interval = 20ms\n")

    def count(name):
        path = msvc.dir / name
        return path.stat().st_size if path.exists() else 0

    msvc.start(f"[service s]\n{SLEEP}")
    pid = msvc.pid("s")
    assert msvc.reload(service("first")).returncode == 0
    wait_for(lambda: count("first") > 2, "three probes")
    assert msvc.reload(service("second")).returncode == 0
    # One after the other: with the first of these the last of those is over.
    wait_for(lambda: count("second") > 0, "the other probe")
    before = count("first")
    wait_for(lambda: count("second") > 3, "more of them")
    assert count("first") == before and msvc.pid("s") == pid


def test_the_log_is_switched_off_and_on_again(msvc):
    (msvc.dir / "t.sh").write_text(
        "n=1; while :; do while [ -e $1 ]; do sleep 0.01; done\n"
        "echo line $n; n=$((n + 1)); touch $1; done\n")
    service = "[service t]\ncommand = /bin/sh {dir}/t.sh {dir}/stop\nready = none\n"
    stop = msvc.dir / "stop"

    def say():
        wait_for(stop.exists, "a line to be written")
        stop.unlink()
        wait_for(stop.exists, "the next one")

    msvc.start(service)
    msvc.log_has("line 1", "t")
    pid = msvc.pid("t")
    assert msvc.reload(service + "log = off\n").returncode == 0
    say()
    assert msvc.reload(service).returncode == 0
    say()
    msvc.log_has("line 3", "t")
    assert "line 2" not in msvc.log("t") and msvc.pid("t") == pid


def test_what_is_about_the_end_is_applied(msvc):
    (msvc.dir / "t.sh").write_text(
        "trap 'echo got int; exit 0' INT\necho set\nwhile :; do sleep 0.01; done\n")
    service = "[service t]\ncommand = /bin/sh {dir}/t.sh\nready = none\n"
    msvc.start(service)
    msvc.log_has("set", "t")
    assert msvc.reload(service + "stop_signal = INT\nrestart = never\n").returncode == 0
    pid = msvc.kill("t", sig=signal.SIGINT)
    msvc.wait_state("t", "stopped")
    assert msvc.instance("t")["generation"] == 1 and pid
    assert msvc.command("start", "t").returncode == 0
    wait_for(lambda: msvc.log("t").count("set") == 2, "the trap")
    assert msvc.command("stop", "t").returncode == 0
    wait_for(lambda: msvc.log("t").count("got int") == 2, "the second one's last word")


# -- any two configurations: what the plan says is what the reload does

NAMES = ("a", "b", "c", "d")


def any_conf(random):
    """Some of the services, each with some keys; one that others need is there and enabled."""
    names = [n for n in NAMES if random.random() < 0.8] or ["a"]
    lines, groups = [], []
    for i, name in enumerate(names):
        lines += [f"[service {name}]", "command = /bin/sleep 1000", "ready = none"]
        if random.random() < 0.3:
            lines.append(f"env.A = {random.randrange(2)}")
        if random.random() < 0.3:
            lines.append(f"stop_timeout = {random.randrange(2, 4)}s")
        if random.random() < 0.4:
            lines.append(f"instances = {random.randrange(1, 4)}")
        if random.random() < 0.2:
            lines.append("overlap = no")
        if random.random() < 0.15:
            lines.append("enabled = no")
        if i > 0 and random.random() < 0.5:
            lines.append(f"{random.choice(('after', 'wants', 'requires'))} = "
                         f"{random.choice(names[:i])}")
    if len(names) > 2 and random.random() < 0.4:
        strategy = random.choice(("one_for_one", "rest_for_one", "one_for_all"))
        groups = ["[group g]", f"services = {names[0]}, {names[-1]}", f"strategy = {strategy}"]
    return "\n".join(lines + groups) + "\n"


def pids_of(msvc):
    return {s["name"]: [i["pid"] for i in s["instances"] if i["pid"]]
            for s in msvc.status()["services"]}


@pytest.mark.parametrize("seed", range(6))
def test_the_plan_is_what_happens(msvc, seed):
    random = Random(seed)
    first = any_conf(random)
    msvc.start(first, check=False)
    for step in range(5):
        if random.random() < 0.3:
            msvc.command("stop", "--force", random.choice(list(pids_of(msvc))))
        if random.random() < 0.3:
            msvc.command("scale", f"{random.choice(list(pids_of(msvc)))}={random.randrange(1, 4)}")
        before = pids_of(msvc)
        msvc.write(any_conf(random))
        text = (seed, step, msvc.conf.read_text())
        result = msvc.command("-o", "json", "reload", "--dry-run")
        answer = json.loads(result.stdout)
        assert pids_of(msvc) == before
        reload = json.loads(msvc.command("-o", "json", "reload").stdout)
        assert reload["ok"] is answer["ok"], (text, reload, answer)
        if not reload["ok"]:
            assert reload["error"] == answer["error"], text
            continue
        assert {k: v for k, v in answer.items() if k != "plan"} == reload
        check_effects(msvc, answer, before, text)


def check_effects(msvc, answer, before, text):
    acts = {i["name"]: i["act"] for i in answer["plan"] if i["section"] == "service"}
    # Those that are to stay come last: by then what could take them along has happened.
    for name, act in sorted(acts.items(), key=lambda item: item[1] in ("keep", "change")):
        def agrees():
            old, new = before.get(name, []), pids_of(msvc).get(name, [])
            if act == "stop":
                return not new
            if act == "start":
                return new and not set(old) & set(new)
            if act == "restart":
                return new and not set(old) & set(new)
            # keep, change: those that stay are the same ones, all of them ready.
            return (set(old) <= set(new) or set(new) <= set(old)) and all(
                i["state"] in ("ready", "disabled", "stopped")
                for s in msvc.status()["services"] for i in s["instances"])

        try:
            wait_for(agrees, "it", 8)
        except AssertionError:
            raise AssertionError((name, act, before, pids_of(msvc), text,
                                  msvc.command("status").stdout)) from None
    assert all(i["act"] == "keep" for i in plan(msvc)["plan"]), text
