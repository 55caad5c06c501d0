"""What keeps a server from answering beside a locked table: prepared transactions, its own catalogue, the engine."""

from __future__ import annotations

import contextlib
import tempfile
import time

import psycopg
import pytest

from tests.support.docker_proxy import gate
from tests.support.waiting import at_most

pytestmark = [pytest.mark.docker, pytest.mark.slow]

LIMIT = 15.0  # seconds, for a command without `--timeout`


@contextlib.contextmanager
def holding(project, *statements):
    """Run statements in a transaction that stays open."""
    with project.login(autocommit=False) as session:
        for statement in statements:
            session.execute(statement)
        yield
        with contextlib.suppress(psycopg.Error):
            session.rollback()
        session.close()


def test_a_prepared_transaction_is_named_with_what_ends_it(filled):
    with filled.login() as session:
        session.execute("ALTER SYSTEM SET max_prepared_transactions = 4")
    filled("down", "--keep-data")
    filled("up")
    with filled.login(autocommit=False) as session:
        session.execute("LOCK TABLE conversation_states IN ACCESS EXCLUSIVE MODE")
        session.execute("PREPARE TRANSACTION 'left ''open'")
        session.commit()
    named = "the prepared transaction `left 'open` (plano) holds it, since "
    with at_most(LIMIT):
        (warning,) = [w for w in filled("status", "--json").json["warnings"] if w["code"] == "table-locked"]
    assert named in warning["message"]
    assert "`ROLLBACK PREPARED 'left ''open'`" in warning["fix"]
    with at_most(LIMIT):
        refused = filled("verify", "--json", code=7)
    assert refused.error == "table-locked"
    assert named in refused.json["error"]["why"]
    with at_most(LIMIT):
        refused = filled("conversations", "--json", code=6)
    filled.follow(refused.json["error"]["fix"])
    filled("verify")
    assert filled.stored() == ["kept"]


@pytest.mark.parametrize("table", ["pg_class", "pg_authid", "pg_proc"])
def test_a_locked_catalogue_of_the_server_is_told_as_a_server_that_does_not_answer(filled, table):
    with holding(filled, f"LOCK TABLE pg_catalog.{table} IN ACCESS EXCLUSIVE MODE"):
        with at_most(LIMIT):
            status = filled("status", "--json").json
        assert status["data"]["state"] == "broken"
        (warning,) = [w for w in status["warnings"] if w["code"] == "server-silent"]
        assert "timeout" in warning["message"]
        with at_most(LIMIT):
            refused = filled("verify", "--json", code=7)
        assert "firewall" not in refused.out
        with at_most(LIMIT):
            refused = filled("up", "--timeout", "5", "--json", code=6)
        # The login itself needs none of the functions.
        assert refused.error == ("server-silent" if table == "pg_proc" else "not-ready-in-time")
        with at_most(LIMIT):
            filled("down", "--keep-data")
    filled("up")
    assert filled.stored() == ["kept"]


def test_status_says_what_the_engine_does_not_answer(filled):
    with tempfile.TemporaryDirectory() as place:

        def hang(method, path):
            if "/exec" in path:
                time.sleep(3 * LIMIT)  # noqa: TID251  an engine that takes its time is the subject

        with gate(place, before=hang) as host:
            filled.environment["DOCKER_HOST"] = host
            with at_most(LIMIT):
                status = filled("status", "--json").json
            del filled.environment["DOCKER_HOST"]
    (warning,) = [w for w in status["warnings"] if w["code"] == "server-silent"]
    assert "the engine did not respond" in warning["message"]
    assert "/exec`" in warning["message"]


def test_psql_waits_for_no_lock_for_ever(filled):
    with holding(filled, "LOCK TABLE conversation_states IN ACCESS EXCLUSIVE MODE"), at_most(LIMIT):
        refused = filled("psql", "-c", "TABLE conversation_states", code=1)
    assert "lock timeout" in refused.err
