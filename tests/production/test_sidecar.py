"""PgBouncer as it is rendered, between Plano and servers that take encrypted logins only."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import pytest

from planodev import production
from tests.support.ports import free_port
from tests.support.postgres_server import (
    LOOPBACK,
    PASSWORD,
    openssl,
    own_directory,
    pgbouncer,
    prepared,
    program,
    require_path,
    running,
)

pytestmark = pytest.mark.postgres


@pytest.fixture
def beside(project, tls_server, authority):
    """A database on the TLS server, and what runs PgBouncer before it; gives (rendered ini, directory, database)."""
    database = prepared(project, tls_server, "rds")
    project("production", "rds", "--host", "localhost", "--force")
    with own_directory() as directory:
        shutil.copy(authority.certificate, directory / "server-ca.pem")
        port = free_port()
        ini = project.read("pgbouncer.ini")
        assert "host=localhost port=5432" in ini
        ini = ini.replace("port=5432", f"port={tls_server.port}").replace("listen_port = 6432", f"listen_port = {port}")
        project.env(DB_PORT=port, DB_NAME=database)
        yield ini, directory, database


def test_through_it_the_proof_passes_and_without_it_the_reason_is_told(project, beside, tls_server):
    ini, directory, database = beside
    with pgbouncer(directory, ini, {"plano_prod": PASSWORD}):
        data = project.verify().json["data"]
        assert data["table"] == "ready"
    project.env(DB_PORT=tls_server.port, DB_NAME=database)
    assert "Plano's driver has no TLS" in project.fails("tls-required")


def test_it_encrypts_and_keeps_the_same_connection(beside, tls_server):
    import psycopg

    ini, directory, database = beside
    with pgbouncer(directory, ini, {"plano_prod": PASSWORD}) as port:
        way = {"host": LOOPBACK, "port": port, "user": "plano_prod", "password": PASSWORD, "dbname": database}
        with psycopg.connect(**way, sslmode="disable", autocommit=True) as session:
            pid = session.execute("SELECT pg_backend_pid()").fetchone()[0]
            assert tls_server.sql(f"SELECT ssl FROM pg_stat_ssl WHERE pid = {pid}", fetch=True) == [(True,)]
            assert session.execute("SELECT pg_backend_pid()").fetchone()[0] == pid


def test_a_server_of_another_name_or_authority_is_not_spoken_to(project, beside):
    ini, directory, _ = beside
    with pgbouncer(directory, ini.replace("host=localhost", f"host={LOOPBACK}"), {"plano_prod": PASSWORD}):
        assert "server-ca.pem" in project.fails("pooler-without-server", code=6)
        assert "127.0.0.1" in (directory / "log").read_text()
    other = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", directory / "other.key", "-subj", "/CN=other")
    openssl(*other, "-out", directory / "server-ca.pem")
    with pgbouncer(directory, ini, {"plano_prod": PASSWORD}):
        project.fails("pooler-without-server", code=6)
        assert "certificate verify failed" in (directory / "log").read_text()


def test_a_host_that_is_still_to_be_filled_in_is_no_riddle(project, beside):
    ini, directory, _ = beside
    with pgbouncer(directory, ini.replace("host=localhost", "host=FILL-IN-host"), {"plano_prod": PASSWORD}):
        assert "pgbouncer.ini" in project.fails("pooler-without-server", code=6)


def test_a_server_that_is_away_is_told_from_pgbouncer_that_is_away(project, beside):
    ini, directory, _ = beside
    away = re.sub(r"host=localhost port=\d+", f"host=localhost port={free_port()}", ini)
    with pgbouncer(directory, away, {"plano_prod": PASSWORD}):
        project.fails("pooler-without-server", code=6)
        project.fails("login-timed-out", "--timeout", "1", code=None)
    assert "start it first" in project.fails("connection-refused", code=6)


def test_what_the_server_refuses_is_told_through_it(project, beside, tls_server):
    ini, directory, database = beside
    with pgbouncer(directory, ini, {"plano_prod": PASSWORD}) as port:
        tls_server.sql("ALTER ROLE plano_prod PASSWORD 'another'")
        project.fails("password-refused", code=5)
        tls_server.sql(f"ALTER ROLE plano_prod PASSWORD '{PASSWORD}'")
        project.env(DB_PORT=port, DB_NAME="nowhere").fails("database-missing", code=5)
        project.env(DB_PORT=port, DB_NAME=database, DB_PASS="not-that-of-pgbouncer").fails("password-refused", code=5)
        tls_server.sql("ALTER TABLE conversation_states DROP COLUMN model", database=database)
        project.env(DB_PORT=port, DB_NAME=database).fails("column-missing")


# What Compose starts


def composed(directory):
    """Return a Compose file as docker-compose understands it."""
    compose = require_path(shutil.which("docker-compose"), "docker-compose")
    done = subprocess.run(
        [compose, "-f", "compose.production.yaml", "config"], cwd=directory, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(done.stdout)["services"]


@pytest.mark.parametrize("password", ["plain-Password_1", 'per%cent @ "quotes" \\ $HOME', "ümlaut"])
def test_the_command_of_its_container_runs_it_with_the_password_of_the_file(project, beside, tls_server, password):
    from urllib.parse import quote

    ini, directory, database = beside
    literal = password.replace("'", "''")
    tls_server.sql(f"ALTER ROLE plano_prod PASSWORD '{literal}'")
    port = int(re.search(r"listen_port = (\d+)", ini)[1])
    project.env(DB_PORT=port, DB_NAME=database, DB_PASS=quote(password, safe=""))
    service = composed(project.path)["pgbouncer"]
    (directory / "pgbouncer.ini").write_text(ini)
    places = {"$$": "$", "/tmp/": f"{directory}/run-", "/etc/pgbouncer": str(directory)}
    places["exec pgbouncer"] = f"exec {program('pgbouncer')}"
    own = service["command"]
    for there, here in places.items():
        own = [word.replace(there, here) for word in own]
    environment = {"PATH": os.environ["PATH"], **service["environment"]}
    with running(own, directory, port, env=environment):
        project.verify()
        assert "listening on 0.0.0.0" in (directory / "log").read_text()
        assert (directory / "run-userlist.txt").stat().st_mode & 0o777 == 0o600
        check = [word.replace("127.0.0.1:6432", f"127.0.0.1:{port}") for word in service["healthcheck"]["test"][1:]]
        assert subprocess.run(check, check=False).returncode == 0
    assert subprocess.run(check, check=False, capture_output=True).returncode != 0


def test_no_secret_is_in_any_file_but_the_one_that_git_ignores(project):
    project("production", "rds", "--generate-password", "--force")
    password = re.search("DB_PASS=(.*)", project.read(".env.production"))[1]
    assert len(password) == 32
    for path in project.path.iterdir():
        assert path.name == ".env.production" or path.is_dir() or password not in path.read_text()


@pytest.mark.parametrize("provider", production.names())
def test_compose_understands_it_and_everything_stays_on_this_machine(project, provider):
    project("production", provider, "--generate-password", "--force")
    services = composed(project.path)
    plano = services["plano"]
    assert plano["image"] == "katanemo/plano:0.4.39"
    assert plano["healthcheck"]["test"][-1] == "http://127.0.0.1:12000/v1/models"
    assert plano["environment"]["DB_USER"] == "plano_prod"
    first = services.get("pgbouncer", plano)
    assert all(str(port).startswith("127.0.0.1:") for port in map(address, first["ports"]))
    assert ("pgbouncer" in services) == production.load(provider).sidecar
    if "pgbouncer" in services:
        assert plano["network_mode"] == "service:pgbouncer"
        assert plano["depends_on"] == {"pgbouncer": {"condition": "service_healthy"}}
        assert plano["environment"]["DB_HOST"] == LOOPBACK


def address(port):
    return port if isinstance(port, str) else f"{port.get('host_ip')}:{json.dumps(port)}"
