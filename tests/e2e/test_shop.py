"""The shop: a small real system over all that msvc has."""

import json
import re
import signal
import sqlite3

import pytest

from conftest import ROOT, wait_for


@pytest.fixture
def shop(msvc):
    text = (ROOT / "svc/samples/shop/shop.ini").read_text()
    sections = text[re.search(r"^\[(service|route) ", text, re.M).start():]
    sections = re.sub(r"(\S*/)?build/samples/shop", "{samples}/shop", sections)
    sections = re.sub(r"(\S*/)?build/shop/data", str(msvc.dir / "data"), sections)
    (msvc.dir / "data").mkdir()
    msvc.start(sections)
    return msvc


def user(shop):
    answer = shop.http("POST", "/users", {"name": "Ada", "email": "ada@example.org"})
    assert answer.status == 201, answer.body
    return answer.json["id"]


def test_an_order_is_accepted_paid_and_noticed(shop):
    uid = user(shop)
    assert shop.get(f"/users/{uid}").json["name"] == "Ada"
    order = shop.http("POST", "/orders", {"user": uid, "item": "book", "amount": 30})
    assert order.status == 201, order.body
    oid = order.json["id"]
    assert shop.get(f"/orders/{oid}").json["item"] == "book"
    assert shop.get(f"/orders/{oid}").json["state"] == "accepted"
    notice = wait_for(
        lambda: next((n for n in shop.get("/notices").json if n["order"] == oid), None),
        "the notice")
    assert notice["user"] == uid
    assert "on its way" in notice["text"]


def test_an_order_of_an_unknown_user_is_refused(shop):
    answer = shop.http("POST", "/orders", {"user": 4711, "item": "x", "amount": 1})
    assert answer.status == 422


def test_a_payment_over_the_limit_refuses_the_order(shop):
    answer = shop.http("POST", "/orders", {"user": user(shop), "item": "x", "amount": 10**9})
    assert answer.status == 402


def test_bad_orders_are_told_what_is_wrong(shop):
    for body in ({}, {"user": "a"}, {"user": 1, "item": "x", "amount": -1},
                 {"user": 1, "item": "", "amount": 1}, []):
        assert shop.http("POST", "/orders", body).status == 422, body


def test_a_charge_that_is_asked_for_again_is_charged_once(shop):
    charge = ["call", "payments.charge", '{"order": "abc", "user": 1, "amount": 5}']
    first, second = shop.command(*charge), shop.command(*charge)
    assert first.returncode == 0, first.stderr
    assert json.loads(second.stdout) == json.loads(first.stdout)


def test_an_order_stays_pending_while_nobody_knows_whether_it_was_paid(shop):
    uid = user(shop)
    text = re.sub(
        r"(?m)^command = .*/payments$", f"command = {shop.samples}/echo", shop.conf.read_text())
    shop.conf.write_text(text)  # it knows no payments.charge
    assert shop.command("reload").returncode == 0
    wait_for(lambda: shop.get("/payments/x").json.get("service") == "payments", "the other one")
    answer = shop.http("POST", "/orders", {"user": uid, "item": "b", "amount": 3})
    assert answer.status == 503
    assert shop.get("/orders").json[0]["state"] == "pending"
    assert f"order {shop.get('/orders').json[0]['id']} is pending" in answer.json["detail"]
    assert shop.get("/notices").json == []


def test_a_broken_database_is_a_500_and_is_told(shop):
    with sqlite3.connect(shop.dir / "data/users.db") as db:
        db.execute("ALTER TABLE user RENAME TO other")
    for path in ("/users", "/users/1"):
        assert shop.get(path).status == 500
    assert shop.log_has("no such table", "users")


def test_data_survives_a_kill_of_every_service(shop):
    uid = user(shop)
    for name in ("users", "orders", "payments", "notices"):
        shop.kill(name, sig=signal.SIGKILL)
    assert wait_for(lambda: shop.get(f"/users/{uid}").status == 200, "users")
    assert wait_for(
        lambda: shop.http("POST", "/orders", {"user": uid, "item": "b", "amount": 3}).status == 201,
        "an order")


def test_orders_says_when_payments_is_gone(shop):
    uid = user(shop)
    assert shop.command("stop", "payments").returncode == 0
    answer = shop.http("POST", "/orders", {"user": uid, "item": "b", "amount": 3})
    assert answer.status == 503
    assert shop.command("start", "payments").returncode == 0
    assert wait_for(
        lambda: shop.http("POST", "/orders", {"user": uid, "item": "b", "amount": 3}).status == 201,
        "an order")
