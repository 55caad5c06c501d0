"""The judgement over a state table: good ones pass, each problem has its code and SQL that mends it."""

import copy
from pathlib import Path

import pytest

from planodev.postgres import locks, proof, server_facts, state_table
from planodev.postgres.by_hand import ByHand
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
            """ALTER DATABASE "plano" SET search_path = "App", "$user", "public";`""",
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
            'as a superuser: `ALTER TABLE "public".',
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
            'TRUNCATE ON "public".conversation_states TO "o\'x"',
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


OWN_SETTINGS = [
    ["search_path", False],
    ["default_transaction_read_only", False],
    ["default_transaction_read_only", True],
]
WRITABLE = (
    'BEGIN READ WRITE; ALTER DATABASE "plano" SET default_transaction_read_only = off; ALTER ROLE "plano" RESET '
    'default_transaction_read_only; ALTER ROLE "plano" IN DATABASE "plano" RESET default_transaction_read_only; COMMIT;'
)
HAND = ByHand("docker exec p psql -U boss -d plano")


@pytest.mark.parametrize(
    ("facts", "said", "own", "elsewhere"),
    [
        (
            {"read_only_by": "database", "role_settings": OWN_SETTINGS, "owns_database": True},
            "a setting of the database",
            f"`planodev psql -c '{WRITABLE}'`",
            f"as the database's owner: `{WRITABLE}`",
        ),
        (
            {"read_only_by": "configuration file", "role_settings": OWN_SETTINGS, "owns_database": False},
            "a file of the server's settings",
            f"`{HAND.superuser} -c 'SET search_path = pg_catalog' -c '{WRITABLE}'`",
            f"as the database's owner: `{WRITABLE}`",
        ),
        (
            {"read_only_by": "recovery", "superuser": True},
            "the server is a replica",
            "`planodev psql -c 'SELECT pg_promote();'` makes it a server of its own",
            "use the primary",
        ),
        *(
            ({"read_only_by": "client"}, "the `options` of the connection string", there, there)
            for there in ("remove `default_transaction_read_only` from the connection string in Plano's configuration",)
        ),
    ],
)
def test_whose_setting_makes_a_session_read_only_is_said_with_what_ends_it(facts, said, own, elsewhere):
    read_only = {**GOOD, "read_only": True, **facts}
    ours = state_table.judge(read_only, ours=True, hand=HAND)
    theirs = state_table.judge(read_only, ours=False)
    assert {ours.code, theirs.code} == {"server-read-only"}
    assert said in ours.message
    assert [str(ours.fix), str(theirs.fix)] == [own, elsewhere]


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


@pytest.mark.parametrize(
    ("path", "sql"),
    [
        ("", '"app"'),
        ('""', '"app"'),
        ('"$user", public', '"app", "$user", "public"'),
        ('Public,"A ""b"""', '"app", "public", "A ""b"""'),
        ("x;DROP/**/TABLE/**/y", '"app", "x;drop/**/table/**/y"'),
        ('x"; DROP', '"app", "x"";", "drop"'),
    ],
)
def test_a_search_path_in_a_command_to_paste_is_names_alone(path, sql):
    """Whoever owns the database has set it, and a superuser may run the command."""
    assert state_table.with_schema("app", path) == sql
