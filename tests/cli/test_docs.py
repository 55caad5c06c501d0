"""The documents say what the program does: every command, option, error code and help text."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs/reference.md").read_text()
COMMANDS = ("up", "down", "status", "verify", "production")


def usage(*arguments):
    command = [sys.executable, "-m", "planodev", *arguments, "--help"]
    environment = {"COLUMNS": "80", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_the_help_in_the_reference_is_what_is_printed(command):
    line = " ".join(["$ planodev", *command, "--help"])
    found = re.search(re.escape(line) + r"\n(.*?)\n```", REFERENCE, re.DOTALL)
    assert found, f"no block that begins with `{line}`"
    assert found[1].strip() == usage(*command)


def test_every_command_is_listed_and_every_option_explained():
    listed = re.findall(r"^  ([a-z]+) ", usage().split("Commands:")[1], re.MULTILINE)
    assert tuple(listed) == COMMANDS
    outside = re.sub(r"```.*?```", "", REFERENCE, flags=re.DOTALL)
    for command in COMMANDS:
        for option in set(re.findall(r"--[a-z-]+", usage(command))) - {"--help"}:
            assert f"`{option}" in outside, f"{command} {option}"


def test_every_error_code_is_in_the_reference():
    calls = r"(?:BadInput|NoEngine|Conflict|CredentialsRefused|NotReady|VerificationFailed|Interrupted|Notice|Fault)"
    text = "\n".join(
        path.read_text()
        for path in (ROOT / "planodev").rglob("*.py")
        if path.name not in ("providers.py", "driver_url.py")
    )
    codes = set(re.findall(calls + r"\(\s*\"([a-z-]+)\"", text))
    codes |= set(re.findall(r"PlanodevError\(\s*\"([a-z-]+)\"", text))
    codes |= set(re.findall(r"\", \"(image-[a-z-]+|[a-z]+(?:-[a-z]+)+)\"\)", text))
    assert len(codes) > 50
    missing = sorted(code for code in codes if f"`{code}`" not in REFERENCE)
    assert not missing


def test_every_key_of_the_json_is_in_the_reference():
    report = (ROOT / "planodev/report.py").read_text()
    keys = set(re.findall(r"^        \"([a-z_]+)\":", report, re.MULTILINE))
    assert {"engine", "state", "conversations", "data_bytes"} < keys
    assert not sorted(key for key in keys if f"`{key}`" not in REFERENCE)


def test_links_between_documents_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_example_of_env_is_read_by_all_and_holds_no_password():
    from planodev.env_file import KEYS, load

    values = load(ROOT / ".env.example").values
    assert set(KEYS) - {"DB_PASS"} <= set(values)
    assert not values.get("DB_PASS")
