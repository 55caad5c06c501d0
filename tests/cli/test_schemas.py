"""Each command with `--json` has a schema, which says no more and no less than what is printed."""

from __future__ import annotations

import copy
import importlib
import json
import re
import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator, ValidationError

from planodev.cli.main import COMMANDS
from tests.support import schemas

SCHEMAS = sorted(path.stem for path in schemas.PLACE.glob("*.json"))


def printed(tmp_path, *arguments):
    command = [sys.executable, "-m", "planodev", "-C", str(tmp_path), *arguments, "--json"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "DOCKER_HOST": "unix:///nowhere"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return json.loads(done.stdout)


def test_every_command_with_json_has_a_schema():
    have = [name for name in COMMANDS if importlib.import_module(f"planodev.cli.{name}").command.has_json]
    assert sorted([*have, "common"]) == SCHEMAS
    reference = (schemas.PLACE.parent / "reference/commands.md").read_text()
    named = re.search(r"^\| `command` \| string \| (.*) \|$", reference, re.MULTILINE)[1]
    assert not [name for name in have if f"`{name}" not in named]
    listed = (schemas.PLACE / "README.md").read_text()
    assert not [name for name in SCHEMAS if f"[{name}.json]({name}.json)" not in listed]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one(name):
    Draft202012Validator.check_schema(json.loads((schemas.PLACE / f"{name}.json").read_text()))


# Each command once, most of them in an error, and what is no command.
WITHOUT_ENGINE = [
    *(("up", "--dry-run"), ("down", "--nope"), ("status",), ("ask", "hello"), ("conversations",), ("snapshot", "list")),
    *(("reset",), ("keys",), ("verify",), ("doctor",), ("list",), ("forget", "nowhere"), ("production", "self-hosted")),
    *(("conversations", "show", "last"), ("keys", "set", "X"), ("snapshot", "restore", "x"), ("no",)),
]


@pytest.mark.parametrize("arguments", WITHOUT_ENGINE)
def test_what_is_printed_without_an_engine_is_as_the_schema_says(tmp_path, arguments):
    document = printed(tmp_path, *arguments)
    schemas.hold(document)
    assert document["ok"] is (document["error"] is None)


def test_no_command_with_json_is_left_out():
    assert {*SCHEMAS} - {"common"} <= {words[0] for words in WITHOUT_ENGINE}


@pytest.mark.parametrize("arguments", [("status",), ("doctor",), ("production", "neon"), ("verify",)])
def test_a_key_more_or_less_is_noticed(tmp_path, arguments):
    document = printed(tmp_path, *arguments)
    for place in ("data", "error", None):
        found = document[place] if place else document
        if not found:
            continue
        changed = copy.deepcopy(document)
        (changed[place] if place else changed)["another"] = 1
        with pytest.raises(ValidationError):
            schemas.hold(changed)
        for key in found:
            changed = copy.deepcopy(document)
            del (changed[place] if place else changed)[key]
            with pytest.raises((ValidationError, KeyError)):
                schemas.hold(changed)
