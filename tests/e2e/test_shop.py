"""The shop: a small real system over all that msvc has."""

import configparser
import re
import signal

import pytest

from conftest import ROOT, SAMPLES, wait_for


@pytest.fixture
def shop(msvc):
    text = (ROOT / "svc/samples/shop/shop.ini").read_text()
    sections = text[re.search(r"^\[(service|route) ", text, re.M).start():]
    sections = re.sub(r"(\S*/)?build/samples/shop", str(SAMPLES / "shop"), sections)
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
    notices = wait_for(
        lambda: "book" in (body := shop.get("/notices").body.decode()) and body
        or "ada@example.org" in body and body or f'"order":{oid}' in body and body,
        "the notice")
    assert notices


def test_an_order_of_an_unknown_user_is_refused(shop):
    answer = shop.http("POST", "/orders", {"user": 4711, "item": "x", "amount": 1})
    assert answer.status in (404, 422)


def test_a_payment_over_the_limit_refuses_the_order(shop):
    answer = shop.http("POST", "/orders", {"user": user(shop), "item": "x", "amount": 10**9})
    assert answer.status == 402


def test_bad_orders_are_told_what_is_wrong(shop):
    for body in ({}, {"user": "a"}, {"user": 1, "item": "", "amount": -1}, []):
        assert shop.http("POST", "/orders", body).status in (400, 422)


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
    assert answer.status in (502, 503)
    assert shop.command("start", "payments").returncode == 0
    assert wait_for(
        lambda: shop.http("POST", "/orders", {"user": uid, "item": "b", "amount": 3}).status == 201,
        "an order")
