"""Will it store? Each thing that keeps Plano from it is found, once, and nothing is found where it will."""

from __future__ import annotations

import json

import pytest

from planodev import rendering
from planodev.plano import config_edit, config_file, judge, providers, storage
from planodev.postgres import connection
from tests.support.will_store import AGENT, CASES, GOOD, MODEL, STORAGE, found, with_string

SET = {"DB_USER": "plano", "DB_PASS": "p%40ss", "DB_HOST": "127.0.0.1", "DB_PORT": "5432", "DB_NAME": "plano"}


@pytest.mark.parametrize(("text", "code", "fatal", "has"), CASES)
def test_each_is_found_once_with_a_fix(tmp_path, text, code, fatal, has):
    findings = found(tmp_path, text)
    assert [(one.code, one.fatal) for one in findings] == [(code, fatal)], findings
    assert has in f"{findings[0].message} {findings[0].fix}"
    assert findings[0].fix


OURS = connection.CONNECTION_STRING
# A string of the project's own variables with one fault: code, what is said; `up --yes` writes the five variables.
SLIPS = [
    (f"{OURS}\n", "line-break", "ends with a line break"),
    (f"{OURS}\n\n", "line-break", "ends with a line break"),
    (f"{OURS} ", "trailing-blank", "ends with whitespace"),
    (f" {OURS}", "leading-text", "starts with whitespace"),
    (f"{OURS}/", "part", "database `${DB_NAME}/`"),
    (f"{OURS}#main", "part", "database `${DB_NAME}#main`"),
    (f"{OURS}_test", "part", "database `${DB_NAME}_test`"),
    (OURS.replace("${DB_NAME}", "chats"), "part", "database `chats` instead of `${DB_NAME}`"),
    (OURS.replace(":${DB_PASS}", ""), "part", "no `:${DB_PASS}`"),
    (OURS.replace("${DB_PASS}", "hunter2"), "part", "a password instead of"),
    ("postgresql://${DB_PASS}:${DB_USER}@${DB_HOST}:${DB_PORT}/${DB_NAME}", "part", "swapped"),
    (OURS.replace("${DB_HOST}", "host.docker.internal"), "part", "host `host.docker.internal`"),
    (OURS.replace("${DB_USER}", "me"), "part", "user `me` instead of `${DB_USER}`"),
    (OURS.replace("DB_USER", "db_user"), "part", "names `${db_user}`"),
    (OURS.lower(), "part", "names `${db_user}`"),
    ("host=${DB_HOST} port=${DB_PORT} user=${DB_USER} password=${DB_PASS} dbname=${DB_NAME}", "no-url", "is not a URL"),
    (OURS.replace("postgresql:", "postgresql+psycopg:"), "scheme", "in lower case"),
    (OURS.replace("postgresql:", "POSTGRESQL:"), "scheme", "in lower case"),
    (OURS.replace("postgresql:", "mysql:"), "scheme", "in lower case"),
    (f"\N{LEFT DOUBLE QUOTATION MARK}{OURS}\N{RIGHT DOUBLE QUOTATION MARK}", "no-url", "is not a URL"),
    ("jdbc:postgresql://${DB_HOST}:${DB_PORT}/${DB_NAME}?user=${DB_USER}&password=${DB_PASS}", "scheme", "lower case"),
    *(
        (one, "placeholder", "never filled in")
        for one in (
            *("TODO", "changeme", "xxxx", "REPLACE_ME", "your-postgres-connection-string", "postgresql://..."),
            *(
                f"postgresql://me:{word}@localhost:5432/d"
                for word in ("YOUR_PASSWORD", "REPLACE_ME", "changeme", "xxxx")
            ),
            "postgresql://user:password@localhost:5432/mydb",
        )
    ),
]


@pytest.mark.parametrize(("string", "code", "said"), SLIPS)
def test_a_slip_in_the_projects_own_string_is_named_and_mended_by_up(tmp_path, string, code, said):
    text = GOOD.replace(json.dumps(OURS), json.dumps(string))
    (problem,) = found(tmp_path, text, SET, "native")
    assert (problem.code, problem.fatal) == (f"connection-string-{code}", True)
    assert said in problem.message
    assert "hunter2" not in problem.message
    assert "`planodev up --yes` writes" in str(problem.fix)
    wanted = storage.wanted_string(string, 5432, SET, "native")
    assert wanted == OURS
    assert found(tmp_path, config_edit.with_storage(text, wanted), SET, "native") == []


STARTING = [
    f"{OURS}?connect_timeout=5",
    OURS.replace("${DB_HOST}", "localhost"),
    OURS.replace("${DB_USER}", "plano").replace("${DB_NAME}", "plano"),
    OURS.replace("${DB_PASS}", "p%40ss"),
    "postgresql://${DB_USER}:${DB_PASS}@db.internal:5432/chats",
    "postgresql://alex:Xy7@db.internal:5432/chats",
]


@pytest.mark.parametrize("string", STARTING)
def test_a_string_that_leads_there_or_to_another_server_is_no_slip(tmp_path, string):
    assert found(tmp_path, with_string(string), SET, "native") == []


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("state_storage: postgres", "that is not a mapping of keys"),
        ("state_storage: [postgres]", "that is not a mapping of keys"),
        ("state_storage:", "an empty `state_storage`"),
        ("state_storage: {connection_string: x}", "without `type`"),
        ("state_storage: {type: postgres, connection_string: [a]}", "that is not a text"),
    ],
)
def test_a_storage_of_another_form_is_called_what_it_is(tmp_path, written, said):
    text = GOOD.replace(STORAGE, f"{written}\n")
    (problem,) = found(tmp_path, text)
    assert (problem.code, said in problem.message) == ("config-without-storage", True), problem.message
    assert found(tmp_path, config_edit.with_storage(text, OURS)) == []


GOOD_ONES = [
    GOOD,
    GOOD + "colour: red\n",  # a key that planoai might not know is planoai's to name
    GOOD.replace(MODEL, MODEL + AGENT) + "agents: [{id: one, url: 'http://localhost:10510'}]\n",
    GOOD.replace("claude-sonnet-4-5}", "claude-sonnet-4-5}\n  - {model: openai/gpt-4o}"),
    GOOD.replace(
        "{model: anthropic/claude-sonnet-4-5}", "{model: ollama/llama3.1, base_url: 'http://localhost:11434'}"
    ),
    f"version: v0.1\nlisteners:\n  egress_traffic: {{port: 12000}}\nllm_providers: [{{model: mistral/x}}]\n{STORAGE}",
    with_string("postgresql://${DB_USER}:${DB_PASS}@${DB_HOST}:5432/${DB_NAME}"),
    with_string("postgresql://u:p@[::1]:5432/d?connect_timeout=5"),
    with_string("postgresql://u:p@h:5432/d?options=-c%20search_path%3Dapp"),
]


@pytest.mark.parametrize("text", GOOD_ONES)
@pytest.mark.parametrize("environment", [None, SET])
def test_nothing_is_found_where_it_will_store(tmp_path, text, environment):
    assert found(tmp_path, text, environment) == []


@pytest.mark.parametrize("template", rendering.config_templates())
@pytest.mark.parametrize("provider", [provider.name for provider in providers.OFFERED])
def test_nothing_is_found_in_a_template(tmp_path, monkeypatch, template, provider):
    monkeypatch.setenv("HOME", str(tmp_path))
    entries = [providers.entry(f"{provider}/some-model")]
    text = rendering.render(
        f"config/{template}.yaml.j2", providers=entries, connection_string=connection.CONNECTION_STRING
    )
    login = ["chatgpt-login"] if provider == "chatgpt" else []  # it has no key
    for mode in ("docker", "native"):
        assert [one.code for one in found(tmp_path, text, SET, mode)] == login


def test_the_same_thing_twice_is_said_once_and_two_things_twice(tmp_path):
    twice = AGENT.replace("[{id: one", "[{id: one, description: d}, {id: one")
    text = GOOD.replace(MODEL, twice).replace("v0.4.0", "v9")
    assert [one.code for one in found(tmp_path, text)] == ["config-version", "agent-without-url", "no-model-listener"]


@pytest.mark.parametrize("mode", ["docker", "native"])
def test_a_variable_that_is_not_set_is_told_once_the_environment_is_known(tmp_path, mode):
    text = with_string("postgresql://${DB_USER}:${SECRET}@${DB_HOST}:${DB_PORT}/${DB_NAME}?application_name=$SECRET")
    assert found(tmp_path, text, None, mode) == []
    assert [(one.code, one.fatal) for one in found(tmp_path, text, SET, mode)] == [("connection-string-unset", True)]
    assert found(tmp_path, text, {**SET, "SECRET": "x"}, mode) == []


def test_no_secret_is_in_a_finding(tmp_path):
    for string in ("postgresql://u:s3cret@ss@h:5432/d", "postgresql://u:s3cret@h:x/d", "mysql://u:s3cret@h/d"):
        findings = found(tmp_path, with_string(string))
        assert findings
        assert "s3cret" not in str(findings)
    assert "s3cret" not in str(found(tmp_path, GOOD, {**SET, "DB_PASS": "s3cret@x"}))


def test_no_file_is_said_elsewhere(tmp_path):
    assert judge.judge_config(config_file.load(tmp_path / "config.yaml"), None, "docker") == []
