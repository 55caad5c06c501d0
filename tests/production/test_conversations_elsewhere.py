"""`conversations` and `psql` at a server that planodev does not run, straight and through PgBouncer."""

from __future__ import annotations

import shutil

import psycopg
import pytest

from tests.support.conversations import Plano
from tests.support.ports import free_port
from tests.support.postgres_server import LOOPBACK, PASSWORD, own_directory, pgbouncer
from tests.support.requirements import require_path

FILE = ("--env-file", ".env.production")


@pytest.fixture
def stored(ready, server):
    """Two turns of one conversation, stored as Plano's role; gives (project, database, ids)."""
    project, database = ready
    way = {"host": LOOPBACK, "port": server.port, "user": "plano_prod", "password": PASSWORD, "dbname": database}
    with psycopg.connect(**way, autocommit=True) as session:
        plano = Plano(session)
        root = plano.turn("My order 1234")
        leaf = plano.turn("Which one?", after=root)
    return project, database, (root, leaf)


@pytest.fixture
def pooled(stored, server):
    """The same, behind a PgBouncer in transaction mode."""
    project, database, ids = stored
    port = free_port()
    ini = (
        f"[databases]\n* = host={LOOPBACK} port={server.port}\n[pgbouncer]\nlisten_addr = {LOOPBACK}\n"
        f"listen_port = {port}\nauth_type = scram-sha-256\nauth_file = userlist.txt\npool_mode = transaction\n"
        "ignore_startup_parameters = extra_float_digits,options\n"
    )
    with own_directory() as directory, pgbouncer(directory, ini, {"plano_prod": PASSWORD}):
        yield project.env(DB_PORT=port, DB_NAME=database), ids


def test_a_conversation_is_listed_and_shown_through_a_pooler(pooled):
    project, (_, leaf) = pooled
    listed = project("conversations", *FILE, "--json").json["data"]["conversations"]
    assert [(one["id"], one["turns"]) for one in listed] == [(leaf, 2)]
    assert "My order 1234" in project("conversations", "show", "last", *FILE).out


def test_psql_is_refused_where_a_pooler_drops_read_only(pooled):
    require_path(shutil.which("psql"), "psql")
    project, _ = pooled
    assert "[read-only-not-kept]" in project("psql", *FILE, "-c", "SELECT 1", code=4).err


def test_a_prune_elsewhere_takes_the_owner_and_says_so_to_others(stored, server):
    project, database, (_, leaf) = stored
    prune = ("conversations", "prune", "--superseded", "--yes", *FILE, "--json")
    refused = project(*prune, code=5).json["error"]
    assert (refused["code"], "owner" in refused["fix"]) == ("privilege-refused", True)
    server.sql(f"ALTER ROLE owner PASSWORD '{PASSWORD}'")
    project.env(DB_PORT=server.port, DB_NAME=database, DB_USER="owner")
    assert project(*prune).json["data"]["deleted_rows"] == 1
    left = project("conversations", *FILE, "--json").json["data"]["conversations"]
    assert [one["id"] for one in left] == [leaf]
