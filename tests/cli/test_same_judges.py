"""Every command says the same of a configuration: one set of judges, with the same values."""

from __future__ import annotations

import json

import pytest

from planodev.engines import port_holders
from planodev.postgres.connection import CONNECTION_STRING
from tests.support.on_fake import CommandLine
from tests.support.rules import BAD

KEYS = {"ANTHROPIC_API_KEY": "sk-ant-1", "MISTRAL_API_KEY": "m-12345", "OPENAI_API_KEY": "sk-openai-1"}
OK = (BAD / "ok.yaml").read_text()
STRINGS = {
    "literal-user": CONNECTION_STRING.replace("${DB_USER}", "me"),
    "literal-database": CONNECTION_STRING.replace("${DB_NAME}", "chats"),
    "literal-password": CONNECTION_STRING.replace("${DB_PASS}", "hunter2"),
    "no-password": CONNECTION_STRING.replace(":${DB_PASS}", ""),
    "small-letters": CONNECTION_STRING.lower(),
    "placeholder": "postgresql://[USER]:$DB_PASSWORD@[HOST]:5432/postgres",
    "tls": f"{CONNECTION_STRING}?sslmode=require",
    "port": CONNECTION_STRING.replace("${DB_PORT}", "6000"),
    "unset": "postgresql://u:${NOWHERE}@db.internal:5432/d",
    "other": "postgresql://u:p@db.internal:5432/d",
}
TEXTS = {path.stem: path.read_text() for path in sorted(BAD.glob("*.yaml"))}
TEXTS |= {name: OK.replace(CONNECTION_STRING, string) for name, string in STRINGS.items()}
TEXTS |= {
    "no-storage": OK.partition("state_storage")[0],
    "unknown-key": OK + "colour: red\n",
    "wrong-kind": OK + "system_prompt: 5\n",
    "literal-key": OK.replace("$ANTHROPIC_API_KEY", "sk-ant-12345678"),
    "missing-key": OK.replace("$ANTHROPIC_API_KEY", "$GROQ_API_KEY"),
}
# What a command cannot know, as `docs/reference/errors.md` has it.
NOT_OF_PRODUCTION = {"port-of-database", "connection-string-port", "connection-string-unset", "other-database"}
NOT_OF_PRODUCTION |= {"access-key-literal", "key-not-in-env-file"}
NOT_OF_PRODUCTION |= {"config-without-storage"}  # its copy stores


@pytest.fixture
def line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(port_holders, "holder", lambda port, addresses: None)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # without planoai, which would say more
    (tmp_path / "shop").mkdir()
    line = CommandLine(tmp_path / "shop", tmp_path / "home", monkeypatch, capsys)
    (line.directory / "config.yaml").write_text(OK)
    assert line("up", "--save-keys", **KEYS).code == 0
    return line


def told(done):
    """Return the codes about the configuration and its keys."""
    codes = {*done.warnings, *([done.error] if done.error else [])}
    return {code for code in codes if not code.startswith(("plano-", "env-file-", "not-", "checks-"))}


def of_doctor(line):
    checks = {one["name"]: one for one in line("doctor", "--json").json["data"]["checks"]}
    found = set()
    for name in ("config", "keys"):
        if checks[name]["state"] != "ok":
            found |= {checks[name]["message"].rpartition("[")[2].rstrip("]")}
            found |= {one["code"] for one in checks[name]["others"]}
    return found


@pytest.mark.parametrize("name", TEXTS)
def test_each_command_tells_the_same(line, name):
    (line.directory / "config.yaml").write_text(TEXTS[name])
    wanted = told(line("status", "--json"))
    assert bool(wanted) is (name not in ("ok", "port-12000")), wanted
    assert of_doctor(line) == wanted
    for command in (("up", "--dry-run"), ("verify",)):
        done = line(*command, "--json")
        seen = told(done)
        if name == "other" and command == ("verify",):
            continue  # which proves that one
        # An error ends it before the keys are looked at; that it names another database is one too.
        assert seen == wanted or (done.error and seen >= {c for c in wanted if not c.startswith(("key-", "access-"))})
    written = line("production", "rds", "--host", "db.example.org", "--output", "deploy", "--json")
    assert json.dumps(written.json), written.err
    assert {*written.warnings} - {"localhost-endpoint", "listener-address"} == wanted - NOT_OF_PRODUCTION
