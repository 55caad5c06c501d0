"""PgBouncer as it is rendered, between Plano and servers that take encrypted logins only."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import pytest

from planodev.postgres.connection import encode_password
from tests.support.passwords import AWKWARD
from tests.support.ports import free_port
from tests.support.postgres_server import (
    COMPOSED,
    LOOPBACK,
    PASSWORD,
    openssl,
    own_directory,
    pgbouncer,
    pgbouncer_command,
    placed,
    prepared,
    running,
)
from tests.support.requirements import require_path
from tests.support.tiers import slow_but

pytestmark = pytest.mark.postgres


@pytest.fixture
def beside(project, tls_server, authority):
    """A database on the TLS server, and what runs PgBouncer before it; gives (rendered ini, directory, database)."""
    database = prepared(project, tls_server, "rds")
    project("production", "rds", "--host", "db.example.com")
    with own_directory() as directory:
        shutil.copy(authority.certificate, directory / "server-ca.pem")
        port = free_port()
        ini = placed(project, tls_server, database, directory, port)
        assert f"host=localhost port={tls_server.port} dbname={database}\n" in ini
        project.env(DB_PORT=port, DB_NAME="ready")
        yield ini, directory, database


def test_without_it_the_reason_is_told_and_through_it_as_the_fix_says_the_proof_passes(project, beside, tls_server):
    ini, directory, database = beside
    project.env(DB_PORT=tls_server.port, DB_NAME=database)
    said = project.fails("tls-required")
    assert "Plano's driver has no TLS" in said
    assert "run PgBouncer in between: `planodev" in said  # whose files `beside` has from that command
    with pgbouncer(directory, ini, {"plano_prod": PASSWORD}) as port:
        data = project.env(DB_PORT=port, DB_NAME="ready").verify().json["data"]
        assert data["table"] == "ready"


def test_it_encrypts_and_keeps_the_same_connection(beside, tls_server):
    import psycopg

    ini, directory, _ = beside
    with pgbouncer(directory, ini, {"plano_prod": PASSWORD}) as port:
        way = {"host": LOOPBACK, "port": port, "user": "plano_prod", "password": PASSWORD, "dbname": "ready"}
        with psycopg.connect(**way, sslmode="disable", autocommit=True) as session:
            pid = session.execute("SELECT pg_backend_pid()").fetchone()[0]
            assert tls_server.sql(f"SELECT ssl FROM pg_stat_ssl WHERE pid = {pid}", fetch=True) == [(True,)]
            assert session.execute("SELECT pg_backend_pid()").fetchone()[0] == pid


@pytest.mark.slow
def test_a_server_of_another_name_or_authority_is_not_spoken_to(project, beside, authority):
    ini, directory, _ = beside
    with pgbouncer(directory, ini.replace("host=localhost", f"host={LOOPBACK}"), {"plano_prod": PASSWORD}):
        assert "server-ca.pem" in project.fails("pooler-without-server", code=6)
        assert "127.0.0.1" in (directory / "log").read_text()
    other = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", directory / "other.key", "-subj", "/CN=other")
    openssl(*other, "-out", directory / "server-ca.pem")
    with pgbouncer(directory, ini, {"plano_prod": PASSWORD}):
        assert "the authority in `server-ca.pem`" in project.fails("pooler-without-server", code=6)
        assert "certificate verify failed" in (directory / "log").read_text()
    shutil.copy(authority.certificate, directory / "server-ca.pem")
    with pgbouncer(directory, ini, {"plano_prod": PASSWORD}):
        project.verify()


@pytest.mark.slow
def test_a_host_that_is_still_to_be_filled_in_is_no_riddle(project, beside):
    ini, directory, _ = beside
    with pgbouncer(directory, ini.replace("host=localhost", "host=FILL-IN-host"), {"plano_prod": PASSWORD}):
        assert "the host in `pgbouncer.ini`" in project.fails("pooler-without-server", code=6)
        assert "FILL-IN-host" in (directory / "log").read_text()
    with pgbouncer(directory, ini, {"plano_prod": PASSWORD}):
        project.verify()


def test_a_server_that_is_away_is_told_from_pgbouncer_that_is_away(project, beside):
    ini, directory, _ = beside
    away = re.sub(r"host=localhost port=\d+", f"host=localhost port={free_port()}", ini)
    with pgbouncer(directory, away, {"plano_prod": PASSWORD}):
        project.fails("pooler-without-server", code=6)
        project.fails("pooler-without-server", "--timeout", "1", code=6)
    assert "start it first" in project.fails("connection-refused", code=6)


def test_what_the_server_refuses_is_told_through_it(project, beside, tls_server):
    ini, directory, database = beside
    with pgbouncer(directory, ini, {"plano_prod": PASSWORD}) as port:
        tls_server.sql("ALTER ROLE plano_prod PASSWORD 'another'")
        project.fails("password-refused", code=5)
        tls_server.sql(f"ALTER ROLE plano_prod PASSWORD '{PASSWORD}'")
        said = project.env(DB_PORT=port, DB_NAME="nowhere").fails("pooler-rejects", code=5)
        project.env(DB_PORT=port, DB_NAME=re.search(r"set DB_NAME=(\w+) in", said)[1]).verify()
        project.env(DB_PORT=port, DB_NAME="ready", DB_PASS="not-that-of-pgbouncer").fails("password-refused", code=5)
        tls_server.sql("ALTER TABLE conversation_states DROP COLUMN model", database=database)
        project.env(DB_PORT=port, DB_NAME="ready").fails("column-missing")
    with pgbouncer(directory, ini.replace(f"dbname={database}", "dbname=nowhere"), {"plano_prod": PASSWORD}):
        project.fails("database-missing", code=5)


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


def in_place(command, directory, port=6432):
    """Return a command of a container as this machine runs it: other paths, another port, PgBouncer of Debian 13."""
    places = {"$$": "$", "/tmp/": f"{directory}/", ":1920 ": f":{port:04X} "}
    places["exec pgbouncer"] = f"exec {' '.join(pgbouncer_command())}"
    for there, here in places.items():
        command = [word.replace(there, here) for word in command]
    return command


@pytest.mark.parametrize("password", slow_but(AWKWARD[:1], AWKWARD))
def test_the_command_of_its_container_runs_it_with_the_password_of_the_file(project, beside, tls_server, password):
    ini, directory, _ = beside
    literal = password.replace("'", "''")
    tls_server.sql(f"ALTER ROLE plano_prod PASSWORD '{literal}'")
    port = int(re.search(r"listen_port = (\d+)", ini)[1])
    project.env(DB_PORT=port, DB_NAME="ready", DB_PASS=encode_password(password))
    service = composed(project.path)["pgbouncer"]
    assert service["stop_signal"] == "SIGINT"
    (directory / "pgbouncer.ini").write_text(ini)
    environment = {"PATH": os.environ["PATH"], **service["environment"]}
    own = in_place(service["command"], directory)
    own = [word.replace("umask 077", "umask 022") for word in own]  # PgBouncer here is nobody, and the shell root
    with running(own, directory, port, env=environment, as_nobody=False):
        project.verify()
        assert "listening on 0.0.0.0" in (directory / "log").read_text()
        check = ["sh", "-c", *in_place(service["healthcheck"]["test"][1:], directory, port)]
        assert subprocess.run(check, check=False).returncode == 0
    assert subprocess.run(check, check=False, capture_output=True).returncode != 0


def test_no_secret_is_in_any_file_but_the_one_that_git_ignores(project):
    project("production", "rds", "--generate-password", "--force")
    password = re.search("DB_PASS=(.*)", project.read(".env.production"))[1]
    assert len(password) == 32
    for path in project.path.iterdir():
        assert path.name == ".env.production" or path.is_dir() or password not in path.read_text()


@pytest.mark.parametrize("provider", slow_but(("rds",), [*COMPOSED, "self-hosted --direct"]))
def test_compose_understands_it_and_everything_stays_on_this_machine(project, provider):
    project("production", *provider.split(), "--generate-password", "--force")
    services = composed(project.path)
    plano, direct = services["plano"], provider.endswith("--direct")
    assert plano["image"] == "katanemo/plano:0.4.39"
    assert "http://127.0.0.1:12000/v1/models" in plano["healthcheck"]["test"][-1]
    environment = plano["environment"]
    assert environment["DB_USER"] == "plano_prod"
    assert (environment["UV_NO_SYNC"], environment["UV_PROJECT_ENVIRONMENT"]) == ("1", "/usr/local")
    assert plano["cpus"] == 2
    assert plano["stop_grace_period"]
    first = services.get("pgbouncer", plano)
    assert all(str(port).startswith("127.0.0.1:") for port in map(address, first["ports"]))
    assert ("pgbouncer" in services) != direct
    if not direct:
        assert plano["network_mode"] == "service:pgbouncer"
        assert plano["depends_on"] == {"pgbouncer": {"condition": "service_healthy"}}
        way = [environment[f"DB_{name}"] for name in ("PASS", "HOST", "PORT", "NAME")]
        assert way == ["", LOOPBACK, "6432", "plano"]


def address(port):
    return port if isinstance(port, str) else f"{port.get('host_ip')}:{json.dumps(port)}"


@pytest.fixture
def check(project, tmp_path):
    """The health check of Plano's container; of what it sees, it gives whether it passes, waits or has ended Plano."""

    def of(arguments):
        project("production", *arguments, "--force")
        script = composed(project.path)["plano"]["healthcheck"]["test"][-1].replace("$$", "$")
        programs = tmp_path / "programs"
        shutil.rmtree(programs, ignore_errors=True)
        programs.mkdir()
        for name in ("grep", "python3"):  # the connection, and what Plano answers; without PgBouncer both are Python's
            (programs / name).write_text(
                '#!/bin/sh\ncase "$*" in *v1/models*) exit $ANSWERS ;; *) exit $CONNECTED ;; esac\n'
            )
            (programs / name).chmod(0o755)
        script = script.replace("/tmp/", f"{programs}/").replace("kill 1", "echo ended")

        def run(*, answers, connected):
            seen = {"ANSWERS": str(int(not answers)), "CONNECTED": str(int(not connected))}
            path = f"{programs}:{os.environ['PATH']}"
            done = subprocess.run(
                ["sh", "-c", script], env={"PATH": path, **seen}, capture_output=True, text=True, check=False
            )
            return "passes" if done.returncode == 0 else done.stdout.strip() or "waits"

        return run

    return of


@pytest.mark.parametrize("form", [("rds",), ("self-hosted", "--direct")], ids=" ".join)
def test_the_health_check_ends_a_plano_that_answers_without_a_connection_even_at_its_start(check, form):
    run = check(form)
    assert [run(answers=False, connected=now) for now in (False, True) * 3] == ["waits"] * 6  # it starts
    assert [run(answers=True, connected=False) for _ in range(4)] == [*["waits"] * 3, "ended"]

    run = check(form)
    for seen in ({"answers": True, "connected": False}, {"answers": False, "connected": True}):
        assert run(answers=True, connected=True) == "passes"
        assert [run(**seen) for _ in range(3)] == ["waits"] * 3
        assert run(answers=True, connected=True) == "passes"
        assert [run(**seen) for _ in range(4)] == [*["waits"] * 3, "ended"]
