"""What the tests take for a first start of the embedded engine has left what a real one leaves."""

from __future__ import annotations

import psycopg
import pytest

from tests.support import copied_cluster

pytestmark = pytest.mark.embedded

# Everything of the server that a project, or a later planodev, could tell apart.
FACTS = (
    "SELECT rolname, rolsuper, rolcanlogin, rolcreatedb, left(rolpassword, 18) FROM pg_authid ORDER BY 1",
    "SELECT datname, pg_get_userbyid(datdba), encoding, datcollate, datctype, datacl FROM pg_database ORDER BY 1",
    "SELECT name, setting FROM pg_settings WHERE name !~ '^(port|data_directory|.*_file)$' ORDER BY 1",
    "SELECT type, database, user_name, address, auth_method FROM pg_hba_file_rules",
)


@pytest.fixture
def started(make_project):
    """Return projects that are up: the one whose data the next has a copy of, that one, and one made by initdb."""
    made = {name: make_project(name, "shop") for name in ("first", "copied", "real")}
    del made["real"].environment[copied_cluster.VARIABLE]
    for project in made.values():
        project("up")
    return made


def seen_by_superuser(project):
    password = (project.place() / "pgpass").read_text().splitlines()[0].rpartition(":")[2]
    with project.login(user="planodev+admin", password=password, dbname="postgres") as session:
        (number,) = session.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
        return number, [session.execute(statement).fetchall() for statement in FACTS]


def files(project):
    place = project.place()
    inside = {path.relative_to(place): path.stat() for path in place.rglob("*")}
    named = {path: found for path, found in inside.items() if path.parts[1:2] != ("base",)}
    return {path: (found.st_mode, found.st_uid, found.st_gid) for path, found in named.items()}


@pytest.mark.slow
def test_a_copy_is_what_initdb_would_have_made(started):
    first, copied, real = (seen_by_superuser(project) for project in started.values())
    assert first[0] == copied[0] != real[0]
    assert copied[1] == real[1]
    assert files(started["copied"]) == files(started["real"])
    passwords = {project.env["DB_PASS"] for project in started.values()}
    assert len(passwords) == 3
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        started["copied"].login(password=started["real"].env["DB_PASS"])
