#!/usr/bin/python3
"""Check that msvc.ini(5) and conf_keys.def agree.

Every key of the table has an entry in its section of the man page, with the
same default and an example, and the man page has no entry besides.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def table():
    """Map (section, key) to the default, "" for none."""
    text = (ROOT / "conf/conf_keys.def").read_text()
    row = r'^X\((\w+),\s*(\w+),\s*\w+,\s*\w+,\s*"([^"]*)"'
    return {
        (section.lower(), key): default
        for section, key, default in re.findall(row, text, re.M)
    }


def entries():
    """Map (section, key) to the text of its entry in the man page."""
    text = (ROOT / "man/msvc.ini.5").read_text()
    found = {}
    for section, body in re.findall(
        r"^\.Ss \[(\w+)(?: NAME)?\]\n(.*?)(?=^\.S[sh] )", text, re.M | re.S
    ):
        for item in re.split(r"^\.It ", body, flags=re.M)[1:]:
            key = re.match(r"Ic (\w+)(?:\. Ns Ar (?:KEY|NAME))? Ns = Ns ", item)
            if key is None:
                sys.exit(f"msvc.ini.5: [{section}]: odd entry: .It {item[:40]}")
            found[section, key[1]] = item
    return found


def main():
    wanted, found = table(), entries()
    complaints = []
    for section, key in sorted(wanted.keys() | found.keys()):
        place = f"[{section}] {key}"
        if (section, key) not in found:
            complaints.append(f"{place}: no entry in msvc.ini.5")
            continue
        if (section, key) not in wanted:
            complaints.append(f"{place}: not in conf_keys.def")
            continue
        text, default = found[section, key], wanted[section, key]
        told = re.search(r"^The default is (.+)\.$", text, re.M)
        told = told[1] if told else ""
        if told != default:
            complaints.append(
                f'{place}: the man page says default "{told}", '
                f'the table "{default}"'
            )
        if f".Ql {key}" not in text.partition("Example:")[2]:
            complaints.append(f"{place}: no example in msvc.ini.5")
    if len(wanted) < 40:
        complaints.append("conf_keys.def: the table was not understood")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
