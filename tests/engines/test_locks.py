"""What keeps a server from answering beside a locked table: prepared transactions, its own catalogue, the engine."""

from __future__ import annotations

import contextlib
import shlex
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
        yield session.info.backend_pid
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
    named = "the prepared transaction `left 'open` (plano) holds the lock since "
    with at_most(LIMIT):
        (warning,) = [w for w in filled("status", "--json").json["warnings"] if w["code"] == "table-locked"]
    assert named in warning["message"]
    assert shlex.split(warning["fix"].split("`")[1])[-2:] == ["-c", "ROLLBACK PREPARED 'left ''open'"]
    with at_most(LIMIT):
        refused = filled("verify", "--json", code=7)
    assert refused.error == "table-locked"
    assert named in refused.json["error"]["why"]
    with at_most(LIMIT):
        refused = filled("conversations", "--json", code=6)
    filled.follow(refused.json["error"]["fix"])
    filled("verify")
    assert filled.stored() == ["kept"]


def told(project, *command, code=0):
    """Run a command that is over in time; returns what it says, whole."""
    with at_most(LIMIT):
        done = project(*command, "--json", code=code)
    return done.out


# A table of one database's catalogue, so that another database can be asked, and what each of them keeps from passing.
ASKED = {"pg_class": "the login", "pg_index": "the login", "pg_proc": "a function"}


@pytest.mark.parametrize("table", ASKED)
def test_who_has_locked_a_databases_catalogue_is_named_by_another_database(filled, table):
    with holding(filled, f"LOCK TABLE pg_catalog.{table} IN ACCESS EXCLUSIVE MODE") as pid:
        holder = f"`{table}` of the server's own catalogue is locked: server process {pid} (plano"
        holder = [
            holder,
            f"holds the lock since {time.gmtime().tm_year}-",
            f"; its statement began with `LOCK TABLE pg_catalog.{table}`",
        ]
        for command, code in (
            (("status",), 0),
            (("verify",), 7),
            (("up", "--timeout", "5"), 6),
            *(((("conversations",), 6), (("doctor",), 7)) if ASKED[table] == "the login" else ()),
        ):
            said = told(filled, *command, code=code)
            assert all(part in said for part in holder), f"{command}: {said}"
            assert "firewall" not in said
        with at_most(LIMIT):
            filled("down", "--keep-data")
    filled("up")
    assert filled.stored() == ["kept"]


@pytest.mark.parametrize("table", ["pg_authid", "pg_database"])
def test_where_every_database_shares_the_locked_table_that_is_said_with_how_to_look(filled, table):
    name = filled.status()["container"]
    with holding(filled, f"LOCK TABLE pg_catalog.{table} IN ACCESS EXCLUSIVE MODE"):
        with at_most(LIMIT):
            status = filled("status", "--json").json
        assert status["data"]["state"] == "broken"
        (warning,) = [w for w in status["warnings"] if w["code"] == "server-silent"]
        assert "timeout" in warning["message"]
        for said in (
            warning["fix"],
            told(filled, "verify", code=7),
            told(filled, "up", "--timeout", "5", code=6),
        ):
            assert f"the server cannot be asked which: `docker top {name} -efww` lists the sessions" in said
            assert "firewall" not in said
        processes = [row[-1] for row in filled.api.top(name, ps_args="-efww")["Processes"]]
        assert any("idle in transaction" in process for process in processes), processes
        with at_most(LIMIT):
            filled("down", "--keep-data")
    filled("up")
    assert filled.stored() == ["kept"]


@contextlib.contextmanager
def hanging_exec(project):
    """Have the engine answer everything but what runs a program in a container."""

    def hang(method, path):
        if "/exec" in path:
            time.sleep(3 * LIMIT)  # noqa: TID251  an engine that takes its time is the subject

    with tempfile.TemporaryDirectory() as place, gate(place, before=hang) as host:
        project.environment["DOCKER_HOST"] = host
        yield
        del project.environment["DOCKER_HOST"]


def test_status_says_what_the_engine_does_not_answer(filled):
    with hanging_exec(filled), at_most(LIMIT):
        status = filled("status", "--json").json
    (warning,) = [w for w in status["warnings"] if w["code"] == "server-silent"]
    assert "the engine did not respond" in warning["message"]
    assert "/exec`" in warning["message"]


def test_psql_and_what_else_runs_in_the_container_is_waited_for_until_it_has_begun(filled):
    with hanging_exec(filled):
        for command in (("psql", "-c", "SELECT 1"), ("snapshot", "save")):
            with at_most(LIMIT):
                refused = filled(*command, code=3)
            assert "[engine-timed-out]" in refused.err
            assert "/exec`" in refused.err
    assert "1 row" in filled("psql", "-c", "SELECT 1").out


def test_psql_waits_for_no_lock_for_ever(filled):
    with holding(filled, "LOCK TABLE conversation_states IN ACCESS EXCLUSIVE MODE"), at_most(LIMIT):
        refused = filled("psql", "-c", "TABLE conversation_states", code=1)
    assert "lock timeout" in refused.err
