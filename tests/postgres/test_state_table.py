"""The judgement over a state table: good ones pass, each problem has its code and SQL that mends it."""

import copy

import pytest

from planodev.postgres import state_table
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
    assert state_table.judge(changed(*changes)) is None


@pytest.mark.parametrize(
    ("changes", "code", "fix"),
    [
        ([("server_version_num", 110022)], "server-too-old", "upgrade"),
        ([("read_only", True)], "server-read-only", "default_transaction_read_only"),
        ([("table", None), ("elsewhere", None)], "table-missing", "planodev up"),
        (
            [("table", None), ("elsewhere", ["App"])],
            "table-off-search-path",
            'ALTER ROLE "plano" SET search_path = "App"',
        ),
        ([("encoding", "LATIN1")], "database-encoding", "ENCODING 'UTF8'"),
        ([(*TABLE, "kind", "v")], "table-wrong-kind", "rename"),
        ([(*TABLE, "persistence", "u")], "table-unlogged", "SET LOGGED"),
        ([(*TABLE, "kind", "m")], "table-wrong-kind", "rename"),
        ([(*COLUMNS, "created_at", "type", "int4")], "column-wrong-type", "TYPE BIGINT USING created_at::BIGINT"),
        ([(*COLUMNS, "created_at", "type", "timestamptz")], "column-wrong-type", "BIGINT"),
        ([(*COLUMNS, "input_items", "type", "text")], "column-wrong-type", "TYPE JSONB"),
        ([(*COLUMNS, "updated_at", "type", "int8")], "column-wrong-type", "TYPE TIMESTAMP"),
        ([(*COLUMNS, "model", ...)], "column-missing", "ADD COLUMN model TEXT"),
        ([(*COLUMNS, None)], "column-missing", "ADD COLUMN response_id TEXT"),
        ([(*COLUMNS, "provider", "generated", True)], "column-generated", ""),
        ([(*COLUMNS, "Tenant", EXTRA)], "column-extra", 'ALTER COLUMN "Tenant" DROP NOT NULL'),
        ([(*TABLE, "unique_response_id", False)], "key-missing", "ADD PRIMARY KEY (response_id)"),
        ([(*TABLE, "privileges", None)], "privilege-missing", "GRANT SELECT, INSERT, UPDATE"),
        ([(*TABLE, "privileges", ["SELECT", "INSERT"])], "privilege-missing", 'TO "plano"'),
        ([(*TABLE, "privileges", []), ("user", "o'x")], "privilege-missing", 'TO "o\'x"'),
    ],
)
def test_each_problem_has_its_code_and_what_mends_it(changes, code, fix):
    problem = state_table.judge(changed(*changes))
    assert problem.code == code
    assert fix in str(problem.fix)
    assert problem.message
    assert problem.fatal


@pytest.mark.parametrize("column", ["response_id", "input_items", "created_at", "model", "provider", "updated_at"])
def test_every_column_that_plano_names_is_needed(column):
    problem = state_table.judge(changed((*COLUMNS, column, ...)))
    assert (problem.code, f"`{column}`" in problem.message) == ("column-missing", True)


def test_the_missing_privileges_are_named():
    problem = state_table.judge(changed((*TABLE, "privileges", ["SELECT"])))
    assert "INSERT, UPDATE" in problem.message
    assert "SELECT" not in problem.message


def test_many_rows_are_told_as_an_estimate():
    from planodev.result import counted

    assert state_table.read_count("100000") == (100_000, False)
    assert state_table.read_count("~100001") == (100_001, True)
    assert counted(100_001, estimated=True) == "about 100001 stored conversation turns"
