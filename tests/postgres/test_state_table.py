"""The judgement over a state table: good ones pass, each problem has its code and SQL that mends it."""

import copy
from pathlib import Path

import pytest

from planodev.postgres import locks, proof, server_facts, state_table
from planodev.postgres.connection import Connection
from planodev.problems import Fix, Problem
from planodev.production import server_faults
from tests.support.facts import GOOD

TABLE, COLUMNS = ("table",), ("table", "columns")
EXTRA = {"type": "text", "not_null": True, "has_default": False, "generated": False}


def changed(*changes):
    """Return the good facts with some of them changed; `...` removes one."""
    facts = copy.deepcopy(GOOD)
    for *path, value in changes:
        *way, last = path
        place = facts
        for key in way:
            place = place[key]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return facts


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [(*TABLE, "kind", "p")],
        [(*TABLE, "privileges", ["SELECT", "INSERT", "UPDATE"])],
        [(*COLUMNS, "updated_at", "type", "timestamptz")],
        [(*COLUMNS, "response_id", "type", "varchar")],
        [(*COLUMNS, "tenant", {**EXTRA, "not_null": False})],
        [(*COLUMNS, "tenant", {**EXTRA, "has_default": True})],
        [("server_version_num", 120000)],
    ],
)
def test_a_table_that_plano_can_use_has_no_problem(changes):
    assert state_table.judge(changed(*changes), ours=True) is None


@pytest.mark.parametrize(
    ("changes", "code", "fix"),
    [
        ([("server_version_num", 110022)], "server-too-old", "upgrade"),
        ([("read_only", True)], "server-read-only", "default_transaction_read_only"),
        ([("table", None), ("elsewhere", None)], "table-missing", "planodev up"),
        (
            [("table", None), ("elsewhere", ["App"])],
            "table-off-search-path",
            """ALTER DATABASE "plano" SET search_path = "App", "$user", public;`""",
        ),
        (
            [("encoding", "LATIN1")],
            "database-encoding",
            "write another DB_NAME into the project's `.env`, then `planodev up`",
        ),
        ([(*TABLE, "kind", "v")], "table-wrong-kind", "ALTER VIEW conversation_states RENAME TO"),
        (
            [(*TABLE, "persistence", "u")],
            "table-unlogged",
            "`planodev psql -c 'ALTER TABLE conversation_states SET LOGGED;'`",
        ),
        (
            [(*TABLE, "persistence", "u"), (*TABLE, "owner", "Other")],
            "table-unlogged",
            "as a superuser: `ALTER TABLE public.",
        ),
        ([(*TABLE, "kind", "m")], "table-wrong-kind", "ALTER MATERIALIZED VIEW conversation_states RENAME TO"),
        ([(*COLUMNS, "created_at", "type", "int4")], "column-wrong-type", "TYPE BIGINT USING created_at::BIGINT"),
        ([(*COLUMNS, "created_at", "type", "timestamptz")], "column-wrong-type", "BIGINT"),
        ([(*COLUMNS, "input_items", "type", "text")], "column-wrong-type", "TYPE JSONB"),
        ([(*COLUMNS, "updated_at", "type", "int8")], "column-wrong-type", "TYPE TIMESTAMP"),
        ([(*COLUMNS, "model", ...)], "column-missing", "ADD COLUMN model TEXT"),
        ([(*COLUMNS, None)], "column-missing", "ADD COLUMN response_id TEXT"),
        ([(*COLUMNS, "provider", "generated", True)], "column-generated", ""),
        ([(*COLUMNS, "Tenant", EXTRA)], "column-extra", 'ALTER COLUMN "Tenant" DROP NOT NULL'),
        ([(*TABLE, "unique_response_id", False)], "key-missing", "CREATE UNIQUE INDEX ON conversation_states"),
        ([(*TABLE, "privileges", None)], "privilege-missing", "GRANT SELECT, INSERT, UPDATE"),
        ([(*TABLE, "privileges", ["SELECT", "INSERT"])], "privilege-missing", 'TO "plano"'),
        (
            [(*TABLE, "privileges", []), ("user", "o'x")],
            "privilege-missing",
            'TRUNCATE ON public.conversation_states TO "o\'x"',
        ),
    ],
)
def test_each_problem_has_its_code_and_what_mends_it(changes, code, fix):
    problem = state_table.judge(changed(*changes), ours=True)
    assert problem.code == code
    assert fix in str(problem.fix)
    assert problem.message
    assert problem.fatal


@pytest.mark.parametrize("column", ["response_id", "input_items", "created_at", "model", "provider", "updated_at"])
def test_every_column_that_plano_names_is_needed(column):
    problem = state_table.judge(changed((*COLUMNS, column, ...)), ours=True)
    assert (problem.code, f"`{column}`" in problem.message) == ("column-missing", True)


def test_the_missing_privileges_are_named():
    problem = state_table.judge(changed((*TABLE, "privileges", ["SELECT"])), ours=True)
    assert "INSERT, UPDATE" in problem.message
    assert "SELECT" not in problem.message


def test_many_rows_are_told_as_an_estimate():
    from planodev.result import counted

    assert state_table.read_count("100000") == (100_000, False)
    assert state_table.read_count("~100001") == (100_001, True)
    assert counted(100_001, estimated=True) == "about 100001 stored conversation turns"


@pytest.mark.parametrize(
    ("changes", "code", "fix"),
    [
        (
            [("encoding", "LATIN1")],
            "database-encoding",
            'as an owner: `CREATE DATABASE "plano_utf8" TEMPLATE',
        ),
        (
            [(*TABLE, "persistence", "u")],
            "table-unlogged",
            "as the table's owner: `ALTER TABLE conversation_states",
        ),
    ],
)
def test_a_server_that_planodev_does_not_run_is_mended_by_its_owner(changes, code, fix):
    connection = Connection("plano", "s3cret-word", "db.example", 5432, "plano")
    own = Fix("check its address")
    hosted = server_faults.error(
        state_table.judge(changed(*changes), ours=False), connection, Path(".env.production")
    ).problem
    for problem in (state_table.judge(changed(*changes), own, ours=False), hosted):
        assert problem.code == code
        assert str(problem.fix).startswith(fix)
        assert "planodev" not in str(problem.fix)
    missing = server_faults.error(Problem("database-missing", "x", "y"), connection, Path(".env.production"))
    assert f'CREATE DATABASE "plano" {server_facts.IN_UTF8};' in str(missing.problem.fix)


FAULTS = (
    [("server_version_num", 110022)],
    [("read_only", True)],
    [("encoding", "LATIN1")],
    [("table", None), ("elsewhere", None)],
    [("table", None), ("elsewhere", ["App"])],
    [(*TABLE, "kind", "v")],
    [(*TABLE, "persistence", "u")],
    [(*COLUMNS, "model", ...)],
    [(*COLUMNS, "created_at", "type", "int4")],
    [(*TABLE, "unique_response_id", False)],
    [(*TABLE, "privileges", None)],
)


@pytest.mark.parametrize("changes", FAULTS)
def test_no_fix_of_a_server_that_planodev_does_not_run_is_a_command_of_planodev(changes):
    """`up` would create a server of its own, and leave that one as it is; so for a proof, which has the same."""
    facts, way = changed(*changes), Connection("plano", "s3cret-word", "db.example", 5432, "plano")
    for problem in (
        state_table.judge(facts, ours=False),
        proof.judge(proof.Evidence(facts, stored=False), way, ours=False),
        proof.judge(proof.Evidence(facts, stored=False), way, Fix("check its address"), ours=False),
    ):
        assert problem.fix
        assert "planodev" not in str(problem.fix)


LOCK = {"pid": 5, "user": "plano", "application": "psql", "query": "LOCK TABLE x", "since": "12:00"}


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        (LOCK, "server process 5 (plano, psql) holds the lock since 12:00; its statement began with `LOCK TABLE x`"),
        ({**LOCK, "query": "", "since": None, "user": None, "application": ""}, "server process 5 holds the lock"),
        (
            {**LOCK, "pid": None, "prepared": "p", "query": ""},
            "the prepared transaction `p` (plano, psql) holds the lock",
        ),
    ],
)
def test_who_holds_a_lock_is_told_and_ended_by_a_restart_where_its_process_is_stopped(lock, said):
    restart = Fix("restart it")
    assert locks.holds(lock).startswith(said)
    assert str(proof.ending(locks.Holder("", stopped=False), restart)) == "end that transaction; or restart it"
    stopped = locks.holds({**lock, "stopped": True})
    assert stopped == f"{locks.holds(lock)}; the process is stopped (SIGSTOP or a debugger)"
    assert proof.ending(locks.Holder("", stopped=True), restart) is restart
