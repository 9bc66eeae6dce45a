"""Requests that kill their service, what was in flight, faults in the router."""

import json
import os
import re
import signal
import socket
import threading
import time

from conftest import read_all, wait_for

FAULT = ("[service fault]\ncommand = {samples}/fault\nroute = /\nrestart_delay = 20ms\n"
         "restart_limit = none\n")
TRACE = "0123456789abcdef0123456789abcdef"


def bundles(msvc):
    result = msvc.command("-o", "json", "crash")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def wait_bundle(msvc, generation=1):
    name = wait_for(
        lambda: next((b["id"] for b in bundles(msvc) if b["generation"] == generation), None),
        f"the bundle of generation {generation}")
    return json.loads(msvc.command("-o", "json", "crash", "show", name).stdout)


def quarantine(msvc):
    return json.loads(msvc.command("-o", "json", "quarantine").stdout)


def eat(msvc, body="poison", **headers):
    return msvc.http("POST", "/eat?deep=yes", body=body, headers=headers)


def poison(msvc, **headers):
    """Have the request kill the service until it is kept from it."""
    for _ in range(6):
        generation = msvc.wait_state("fault", "ready")["generation"]
        answer = eat(msvc, **headers)
        assert answer.status in (502, 503)
        if answer.status == 503:
            break
        msvc.wait_state("fault", "ready", generation=generation + 1)
    entries = wait_for(lambda: quarantine(msvc), "the quarantine")
    assert len(entries) == 1
    return entries[0]


# -- what was in flight


def test_a_bundle_lists_the_request_that_crashed(msvc):
    msvc.start(FAULT)
    answer = msvc.http("POST", "/crash?why=not", body="x", headers={
        "traceparent": f"00-{TRACE}-0123456789abcdef-01"})
    assert answer.status == 502
    bundle = wait_bundle(msvc)
    assert bundle["signal_name"] == "SIGABRT" and bundle["in_flight_total"] == 1
    request = bundle["requests"][0]
    assert request["state"] == "taken" and request["method"] == "POST"
    assert request["target"] == "/crash?why=not" and request["route"] == "fault"
    assert request["trace_id"] == TRACE and request["request_id"]
    assert request["client"].startswith("127.") and request["age_ms"] >= 0
    shown = msvc.command("crash", "last").stdout
    assert "taken   POST /crash?why=not" in shown and TRACE in shown


def test_a_bundle_knows_the_trace_that_the_router_made(msvc):
    msvc.start(FAULT)
    assert msvc.http("POST", "/crash").status == 502
    assert re.fullmatch("[0-9a-f]{32}", wait_bundle(msvc)["requests"][0]["trace_id"])


def health(msvc):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(str(msvc.run_dir / "admin.sock"))
        sock.sendall(b"GET /-/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return json.loads(read_all(sock).split(b"\r\n\r\n", 1)[1])


def test_requests_that_no_handler_has_begun_are_told_apart(msvc):
    # A ledger counts only when the service has read of it: one link, used before.
    msvc.start(FAULT, router="workers = 1\nerror_detail = full\n")
    answers = []

    def ask(method, path):
        thread = threading.Thread(target=lambda: answers.append(msvc.http(method, path).status))
        thread.start()
        return thread

    # The handler sleeps: what comes behind it stays in the socket.
    threads = [ask("POST", "/block?ms=60000")]
    msvc.log_has("blocks for 60000 ms", "fault")
    threads += [ask("GET", "/fine") for _ in range(3)]
    wait_for(lambda: health(msvc)["in_flight"] == 4, "four requests in flight")
    msvc.kill("fault")
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 200, 200, 502]
    bundle = wait_bundle(msvc)
    states = [(r["state"], r["target"]) for r in bundle["requests"]]
    assert sorted(states) == [("taken", "/block?ms=60000")] + [("untaken", "/fine")] * 3
    assert bundle["in_flight_total"] == 4 and bundle["signal"] == 9


# -- poison


def test_a_request_that_kills_is_quarantined_and_others_are_not(msvc):
    msvc.start(FAULT, router="error_detail = full\n")
    entry = poison(msvc)
    assert entry["service"] == "fault" and entry["method"] == "POST"
    assert entry["target"] == "/eat?deep=yes" and entry["body_bytes"] == 6
    pid = msvc.wait_state("fault", "ready")["pid"]
    answer = eat(msvc)
    assert answer.status == 503 and answer.json["cause"] == "quarantined"
    assert int(answer.headers["Retry-After"]) > 0
    assert eat(msvc, body="bread").status == 200
    assert msvc.pid("fault") == pid
    assert msvc.log_has(r'fault: "POST /eat\?deep=yes" is quarantined')


def test_the_command_shows_it_without_secrets_and_releases_it(msvc):
    msvc.start(FAULT)
    entry = poison(msvc, Authorization="Basic c2VjcmV0", Cookie="a=secret")
    table = msvc.command("quarantine").stdout.splitlines()
    assert len(table) == 2 and table[1].startswith(entry["print"][:12])
    shown = json.loads(
        msvc.command("-o", "json", "quarantine", "show", entry["print"][:8]).stdout)
    assert shown["client"].startswith("127.") and "body" not in shown
    assert "secret" not in shown["fields"] and "c2VjcmV0" not in shown["fields"]
    assert "POST" in msvc.command("quarantine", "show", entry["print"]).stdout
    assert msvc.command("quarantine", "release", entry["print"][:8]).stdout == "released: 1\n"
    assert quarantine(msvc) == []
    generation = msvc.wait_state("fault", "ready")["generation"]
    assert wait_for(lambda: eat(msvc).status == 502, "the request to be delivered")
    msvc.wait_state("fault", "ready", generation=generation + 1)


def test_a_body_is_shown_when_it_is_kept(msvc):
    msvc.start(FAULT, router="quarantine_body = yes\n")
    entry = poison(msvc)
    result = msvc.command("-o", "json", "quarantine", "show", entry["print"])
    if os.getuid() == 0:
        assert bytes.fromhex(json.loads(result.stdout)["body"]) == b"poison"
        assert "poison" in msvc.command("quarantine", "show", entry["print"]).stdout
    else:
        assert "body" not in json.loads(result.stdout)


def test_a_new_router_keeps_it_in_quarantine(msvc):
    msvc.start(FAULT)
    entry = poison(msvc)
    router = msvc.status()["supervisor"]["router"]
    os.kill(router["pid"], signal.SIGKILL)
    wait_for(lambda: msvc.status()["supervisor"]["router"]["state"] == "ready"
             and msvc.status()["supervisor"]["router"]["pid"] != router["pid"], "a new router")
    pid = msvc.wait_state("fault", "ready")["pid"]
    assert eat(msvc).status == 503
    assert msvc.pid("fault") == pid
    left = quarantine(msvc)[0]
    assert left["print"] == entry["print"] and left["left_ms"] <= entry["left_ms"]


def test_a_quarantine_is_over_in_time(msvc):
    msvc.start(FAULT + "quarantine = 1s\n")
    poison(msvc)
    wait_for(lambda: quarantine(msvc) == [], "its end")
    msvc.wait_state("fault", "ready")
    assert wait_for(lambda: eat(msvc).status == 502, "the request to be delivered")


def test_release_all_empties_it(msvc):
    msvc.start(FAULT)
    poison(msvc)
    assert msvc.command("quarantine", "release", "all").stdout == "released: 1\n"
    assert quarantine(msvc) == []


def test_a_kill_from_outside_makes_nothing_suspect(msvc):
    msvc.start(FAULT)
    for number in range(1, 5):
        instance = msvc.wait_state("fault", "ready", generation=number)
        request = threading.Thread(target=lambda: msvc.http("POST", "/block?ms=60000"))
        request.start()
        wait_for(lambda: msvc.log("fault").count("blocks for") == number, "the handler to begin")
        os.kill(instance["pid"], signal.SIGKILL)
        request.join()
    assert quarantine(msvc) == []


# -- faults in the router


def test_fault_error_answers_a_share_of_the_requests(msvc):
    msvc.start(FAULT)
    assert msvc.command("fault", "fault", "error=503", "--for", "1m").returncode == 0
    wait_for(lambda: msvc.get("/x").status == 503, "the fault")
    assert msvc.get("/x").status == 503
    msvc.command("fault", "fault", "error=418", "--percent", "50")
    wait_for(lambda: msvc.get("/x").status != 503, "the other fault")
    statuses = [msvc.get("/x").status for _ in range(100)]
    assert {200, 418} == set(statuses) and 20 < statuses.count(418) < 80
    msvc.command("fault", "fault", "none")
    wait_for(lambda: [msvc.get("/x").status for _ in range(10)] == [200] * 10, "its end")


def test_fault_delay_makes_requests_wait(msvc):
    msvc.start(FAULT)

    def seconds():
        start = time.monotonic()
        assert msvc.get("/x").status == 200
        return time.monotonic() - start

    assert msvc.command("fault", "fault", "delay=300ms", "--for", "20s").returncode == 0
    wait_for(lambda: seconds() >= 0.3, "the delay")
    msvc.command("fault", "fault", "none")
    wait_for(lambda: seconds() < 0.3, "its end")


def test_a_new_router_goes_on_with_the_fault(msvc):
    msvc.start(FAULT)
    msvc.command("fault", "fault", "error=503")
    router = msvc.status()["supervisor"]["router"]["pid"]
    os.kill(router, signal.SIGKILL)
    wait_for(lambda: msvc.status()["supervisor"]["router"]["state"] == "ready"
             and msvc.status()["supervisor"]["router"]["pid"] != router, "a new router")
    msvc.wait_state("fault", "ready")
    assert msvc.get("/x").status == 503
    msvc.command("fault", "fault", "none")
    wait_for(lambda: msvc.get("/x").status == 200, "its end")


def test_fault_ends_by_itself(msvc):
    msvc.start(FAULT)
    msvc.command("fault", "fault", "error=503", "--for", "300ms")
    wait_for(lambda: msvc.get("/x").status == 200, "its end")
    assert msvc.log_has(r"fault: fault is over")
