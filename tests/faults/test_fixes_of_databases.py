"""What mends a database of the project's own server is run by a shell as it is printed, and then Plano can store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tiers import slow_but
from tests.support.toml import tomllib

ROWS = tomllib.loads(Path(__file__).with_name("databases.toml").read_text())["row"]
CODES = {
    "column-extra",
    "column-generated",
    "column-missing",
    "column-wrong-type",
    "key-missing",
    "privilege-missing",
    "server-read-only",
    "store-failed",
    "table-missing",
    "table-off-search-path",
    "table-unlogged",
    "table-wrong-kind",
}
NAMES = [row["name"] for row in ROWS]
USUAL = [row["name"] for row in ROWS if not row.get("only_another")]
QUICK = [row["name"] for row in ROWS if row.get("quick")]


def run(project, line):
    """Run a line of a fix as a person pastes it."""
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{project.environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=project.path,
        env={**project.environment, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    assert "ERROR" not in done.stderr, (line, done.stderr)


def enter(project, row, owner):
    """Do what somebody has done to the database; `owner` is how the first role logs in."""
    if row.get("as") == "superuser" and project.engine == "embedded":
        owner = {"user": "planodev+admin", "password": None, "passfile": str(project.place() / "pgpass")}
    with project.login(**owner) as session:
        for statement in row.get("alone") or [row["sql"]]:
            session.execute(statement)


def ways(fix):
    """Return the commands of each way out that has some: a semicolon in the text stands between two."""
    found = [[]]
    for at, part in enumerate(fix.split("`")):
        if at % 2:
            found[-1].append(part)
        elif "; " in part:
            found.append([])
    return [way for way in found if way]


def mend(project, way=0):
    """Follow the fixes until Plano can store, each the first of its ways; returns the codes that were told."""
    told = []
    while (done := project("verify", "--json", code=None)).code:
        error = done.json["error"]
        assert error["code"] not in told, error
        told.append(error["code"])
        (*_, line) = lines = ways(error["fix"])[way]
        assert line.startswith(("planodev ", "docker exec ", "PGPASSFILE=")), error
        for line in lines:
            run(project, line)
    return told


def is_ready(project):
    project("up")
    assert project.status()["table"] == "ready"
    with project.login() as session:  # as Plano does it
        session.execute("SELECT response_id, input_items, created_at, model, provider FROM conversation_states")
    return project.stored()


def skip_but(project, row):
    if row.get("but") == project.engine:
        pytest.skip("here the role is a superuser, whom this does not keep")


@pytest.mark.each_engine(slow="docker")
@pytest.mark.parametrize("name", slow_but(QUICK, USUAL))
def test_what_a_fix_says_as_it_is_printed_has_plano_store_again(filled, name):
    row = ROWS[NAMES.index(name)]
    skip_but(filled, row)
    enter(filled, row, {})
    assert mend(filled)[0] == row["code"]
    assert row["code"] in CODES
    stored = is_ready(filled)
    assert ("kept" in stored) is not row.get("lost", False)


OTHERS = [row["name"] for row in ROWS if row.get("another")]


@pytest.mark.slow
@pytest.mark.each_engine
@pytest.mark.parametrize("name", OTHERS)
def test_what_plano_s_role_may_not_do_is_printed_as_the_superusers(filled, name):
    """`.env` names another role than the one that the database was made for, which is no superuser and owns nothing."""
    row = ROWS[NAMES.index(name)]
    owner = {"user": filled.env["DB_USER"], "password": filled.env["DB_PASS"]}
    filled.change(".env", "^DB_USER=.*$", "DB_USER=an-other")
    filled("up")
    enter(filled, row, owner)
    told = mend(filled)
    assert told[0] == row["code"]
    assert ("kept" in is_ready(filled)) is not row.get("lost", False)


@pytest.mark.slow
@pytest.mark.embedded
def test_a_table_with_values_that_do_not_fit_is_put_aside(filled):
    for _ in range(2):
        with filled.login() as session:
            session.execute("ALTER TABLE conversation_states ALTER COLUMN input_items TYPE text")
            session.execute("INSERT INTO conversation_states VALUES ('odd', 'no JSON', 1, 'm', 'p')")
        assert mend(filled, way=1) == ["column-wrong-type"]
        assert is_ready(filled) == []


@pytest.mark.slow
@pytest.mark.each_engine
@pytest.mark.parametrize("by", ["", "superuser"])
def test_who_locks_the_table_is_ended_as_the_fix_says(filled, by):
    place = filled.engine == "embedded" and by and str(filled.place() / "pgpass")
    way = {"user": "planodev+admin", "password": None, "passfile": place} if place else {}
    holder = filled.login(**way)
    holder.execute("BEGIN; LOCK TABLE conversation_states")
    assert mend(filled) == ["table-locked"]
    holder.close()
    assert is_ready(filled) == ["kept"]


# What keeps the role from creating the table where there is none.
NOT_MADE = (
    'CREATE SCHEMA app; ALTER ROLE "an-other" SET search_path = nowhere; ALTER DATABASE plano SET search_path = gone',
    "DROP SCHEMA public CASCADE",
    "ALTER DATABASE plano SET default_transaction_read_only = on",
)


@pytest.mark.slow
@pytest.mark.each_engine
@pytest.mark.parametrize("sql", NOT_MADE)
def test_a_role_that_may_create_no_table_may_once_the_fix_was_run(filled, sql):
    owner = {"user": filled.env["DB_USER"], "password": filled.env["DB_PASS"]}
    filled.change(".env", "^DB_USER=.*$", "DB_USER=an-other")
    filled("up")
    enter(filled, {"as": "superuser", "sql": f"DROP TABLE conversation_states; {sql}"}, owner)
    error = filled("up", "--json", code=5).json["error"]
    assert error["code"] == "table-not-made"
    run(filled, ways(error["fix"])[0][0])
    assert is_ready(filled) == []


@pytest.mark.slow
@pytest.mark.each_engine
def test_a_server_that_waits_for_another_one_is_promoted(filled):
    if filled.engine == "embedded":
        (filled.place() / "data/standby.signal").write_text("")
    else:
        number = filled.api.exec_create(filled.container()["Id"], ["sh", "-c", 'touch "$PGDATA/standby.signal"'])
        filled.api.exec_start(number["Id"])
    filled("down", "--keep-data")
    assert filled("up", "--json", code=7).error == "server-read-only"
    assert mend(filled) == ["server-read-only"]
    assert is_ready(filled) == ["kept"]
