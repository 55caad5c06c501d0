"""The proof, alone: exit 7 with the true cause, and nothing changed."""

from __future__ import annotations

import re

import pytest

from tests.support.tables import SPOILED
from tests.support.tiers import first_of_each, slow_but

pytestmark = pytest.mark.embedded


@pytest.fixture
def proved(project):
    project("up")
    project.store("kept")
    return project


@pytest.mark.docker
def test_it_passes_and_leaves_no_trace(proved):
    before = proved.container()["Id"]
    assert "Plano can store conversations as plano at host.docker.internal" in proved("verify").out
    assert proved.stored() == ["kept"]
    assert proved.container()["Id"] == before
    assert proved("verify", "--json").json["data"]["conversations"] == 1


# A superuser, as Plano's role is on Docker, is held by no row-level security.
TABLES = {code: sql for code, sql in SPOILED.items() if code != "row-level-security"}
TABLES["server-read-only"] = "ALTER DATABASE plano SET default_transaction_read_only = on"


@pytest.mark.parametrize("code", slow_but(("column-wrong-type", "server-read-only"), TABLES))
def test_a_table_that_will_not_do_is_named_and_never_altered(proved, code):
    with proved.login() as session:
        session.execute(TABLES[code])
    failed = proved("verify", "--json", code=7)
    assert failed.error == code
    assert failed.json["error"]["why"]
    assert failed.json["error"]["fix"]
    if code in ("table-missing", "table-off-search-path"):
        return  # `up` may make a table where there is none
    assert proved("up", "--json", code=7).error == code


LINES = {
    "password-refused": ("DB_PASS", "wrong"),
    "database-missing": ("DB_NAME", "nowhere"),
    "not-its-port": ("DB_PORT", "1"),
    "env-file-incomplete": ("DB_USER", ""),
}


@pytest.mark.parametrize("code", slow_but(("password-refused",), LINES))
def test_what_env_says_is_what_is_tried(proved, code):
    key, value = LINES[code]
    text = (proved.path / ".env").read_text()
    (proved.path / ".env").write_text(re.sub(f"{key}=.*", f"{key}={value}", text))
    failed = proved("verify", "--json", code=7)
    assert failed.error == code
    assert failed.json["error"]["fix"] == f"`planodev -C {proved.path} up`"


@pytest.mark.slow
def test_a_server_that_planodev_does_not_run_is_proved_and_never_replaced(proved):
    text = (proved.path / ".env").read_text()
    for host, code in (("nowhere.invalid", "name-not-found"), ("127.1.2.3", "connection-refused")):
        (proved.path / ".env").write_text(re.sub("DB_HOST=.*", f"DB_HOST={host}", text))
        assert proved("verify", "--json", code=7).error == code
        assert proved("up", "--json", code=4).error == "foreign-host"
        assert f"DB_HOST={host}" in (proved.path / ".env").read_text()


def test_a_server_that_does_not_run_is_no_proof(proved):
    proved("down", "--keep-data")
    assert proved("verify", "--json", code=7).error == "not-running"


HEAD = """\
version: v0.4.0
listeners: [{type: model, name: m, port: 12000}]
model_providers: [{model: ollama/llama3.1, base_url: "http://localhost:11434", default: true}]
"""


@pytest.mark.parametrize(
    "storage",
    first_of_each(
        bool,
        [
            "",
            "state_storage:\n  type: memory\n",
            'state_storage:\n  type: postgres\n  connection_string: ""\n',
        ],
    ),
)
def test_a_config_that_would_not_store_fails_until_it_may_be_edited(project, storage):
    project.write("config.yaml", HEAD + storage)
    failed = project("up", "--json", code=7)
    assert failed.error == "config-without-storage"
    assert failed.json["error"]["fix"].startswith(f"`planodev -C {project.path} up --yes`")
    assert (project.path / "config.yaml").read_text() == HEAD + storage
    assert project("verify", "--json", code=7).error == "config-without-storage"
    assert [w["code"] for w in project("status", "--json").json["warnings"]] == ["config-without-storage"]
    project("up", "--yes")
    assert (project.path / "config.yaml").read_text().startswith(HEAD)
    project("verify")


@pytest.mark.slow
def test_nothing_configured_is_no_proof(project):
    assert project("verify", "--json", code=7).error == "env-file-incomplete"
