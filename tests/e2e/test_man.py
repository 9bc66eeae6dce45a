"""Man pages and completion tell what the programs do, no more and no less."""

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
    assert {k for k in keys if not k.startswith("env")} <= entries


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
