"""A password on its way through the files, as each program that takes it reads it."""

from __future__ import annotations

import base64
import os
import subprocess

import pytest

from tests.support.kubernetes import built, containers, of_kind, pods, written
from tests.support.passwords import AWKWARD, LITERAL
from tests.support.ports import free_port
from tests.support.postgres_server import Project


def fill(directory, password):
    path = directory / ".env.production"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("DB_PASS=")]
    path.write_text("\n".join([*lines, f"DB_PASS={password}", ""]))


@pytest.mark.parametrize("password", [one for one in AWKWARD if one not in LITERAL])
def test_for_kubernetes_a_password_that_is_not_literal_is_refused_before_anything_is_written(project, password):
    """The Secret has it as it stands, for PgBouncer and for the operator; `verify` reads it out of a URL."""
    directory = written(project, ("kubernetes",))
    fill(directory, password)
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    project.write("config.yaml", project.read("config.yaml").replace("12000", "12100"))
    for command in (
        ("production", "kubernetes"),
        ("verify", "--env-file", "kubernetes/.env.production", "--config", "kubernetes/plano_config.yaml"),
    ):
        done = project(*command, "--json", code=None)
        assert (done.error, done.code) == ("password-not-literal", {"production": 2, "verify": 7}[command[0]])
        assert password not in done.json["error"]["message"]
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("password", LITERAL)
def test_for_kubernetes_a_literal_password_comes_out_as_it_is(project, password):
    directory = written(project, ("kubernetes",))
    fill(directory, password)
    project("production", "kubernetes")
    (login,) = [one for one in of_kind(built(directory), "Secret") if one["metadata"]["name"] == "plano-login"]
    assert base64.b64decode(login["data"]["password"]).decode() == password


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory):
    """Return the command of PgBouncer's container, which is the same whatever the password."""
    directory = written(Project(tmp_path_factory.mktemp("sidecar") / "shop"), ("kubernetes",))
    spec = next(spec for name, _, spec in pods(built(directory)) if name == "plano")
    (command,) = [one["command"] for one in containers(spec) if one["name"] == "pgbouncer"]
    return command


@pytest.mark.parametrize("password", [*LITERAL, *AWKWARD])
def test_the_sidecar_writes_the_password_that_it_is_given(sidecar, tmp_path, password):
    """As PgBouncer reads `auth_file`: in quotes, a quote twice. `test_kubernetes.py` has it log in."""
    own = sidecar[-1].partition("cp /ca")[0].replace("/tmp/", "")
    environment = {"PATH": os.environ["PATH"], "DB_USER": "plano_prod", "DB_PASS": password}
    subprocess.run([*sidecar[:-1], own], env=environment, cwd=tmp_path, check=True)
    doubled = password.replace('"', '""')
    assert (tmp_path / "userlist.txt").read_text() == f'"plano_prod" "{doubled}"\n'


@pytest.mark.parametrize("password", [*LITERAL, *AWKWARD, "", "a'; DROP ROLE x; --"])
def test_where_the_password_itself_is_sent_sql_gets_none_that_is_another_there(project, tmp_path, password):
    project("production", "neon", "--host", "db.example.com")
    fill(project.path, password)
    command = project.read("PRODUCTION.md").partition("## 3.")[2].partition("```sh\n")[2].partition("```")[0]
    (tmp_path / "psql").write_text(f"#!/bin/sh\ncat >'{tmp_path}/sent'\n")
    (tmp_path / "psql").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for shell in ("sh", "bash"):
        run = [shell, "-euc", f"owner=x\n{command}"]
        done = subprocess.run(run, cwd=project.path, env=environment, capture_output=True, text=True, check=False)
        if password in LITERAL:
            assert done.returncode == 0
            assert (tmp_path / "sent").read_text() == f"ALTER ROLE plano_prod PASSWORD '{password}';\n"
        else:
            assert done.returncode
            assert "other characters" in done.stderr
            assert not (tmp_path / "sent").exists()


@pytest.mark.parametrize("password", [*AWKWARD, *LITERAL])
def test_what_readers_of_the_file_take_for_different_passwords_is_refused(project, password):
    """What is left is percent-encoded or literal: nothing then is a riddle of a refused login."""
    project.env(DB_PASS=password, DB_PORT=free_port())
    refused = {"env-file-misread", "env-file-placeholder", "password-not-encoded"}
    # Two quotes are an empty password, which is the server's to refuse.
    plain = password in (*LITERAL, '""', "%41", "y" * 99 + "%", "100%")
    error = project.verify(code=None).error
    assert error in ({"connection-refused"} if plain else refused)
