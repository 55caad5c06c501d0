"""Whom the embedded server lets do what: Plano's role is no superuser, and nothing that it defines runs as one."""

from __future__ import annotations

import pytest

from tests.support.tiers import slow_but

pytestmark = pytest.mark.embedded

# Whoever reads the table, or asks by a name that the system has too, runs this: it notes as whom, and tries for more.
TRAP = """
CREATE SCHEMA trap;
GRANT ALL ON SCHEMA trap TO public;
CREATE FUNCTION trap.spring() RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog AS $$ BEGIN
  RAISE LOG 'sprung by % in a session of %, superuser: %', current_user, session_user,
    (SELECT bool_or(rolsuper) FROM pg_catalog.pg_roles WHERE rolname IN (current_user, session_user));
  BEGIN EXECUTE 'RESET ROLE'; EXECUTE 'ALTER ROLE plano SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END;
  BEGIN EXECUTE 'RESET SESSION AUTHORIZATION'; EXECUTE 'ALTER ROLE plano SUPERUSER';
    EXCEPTION WHEN OTHERS THEN NULL; END;
  BEGIN EXECUTE 'SET SESSION AUTHORIZATION "planodev+admin"'; EXECUTE 'ALTER ROLE plano SUPERUSER';
    EXCEPTION WHEN OTHERS THEN NULL; END;
  RETURN true;
EXCEPTION WHEN OTHERS THEN RETURN true; END $$;
CREATE FUNCTION trap.to_regclass(text) RETURNS regclass LANGUAGE sql AS
  $$ SELECT pg_catalog.to_regclass($1) WHERE trap.spring() $$;
CREATE FUNCTION trap.count() RETURNS bigint LANGUAGE sql AS $$ SELECT 0::bigint WHERE trap.spring() $$;
CREATE FUNCTION trap.same(name, name) RETURNS boolean LANGUAGE sql AS
  $$ SELECT $1 OPERATOR(pg_catalog.=) $2 AND trap.spring() $$;
CREATE OPERATOR trap.= (LEFTARG = name, RIGHTARG = name, FUNCTION = trap.same);
CREATE VIEW trap.pg_tables AS SELECT * FROM pg_catalog.pg_tables WHERE trap.spring();
CREATE VIEW trap.pg_class AS SELECT * FROM pg_catalog.pg_class WHERE trap.spring();
CREATE VIEW trap.pg_roles AS SELECT * FROM pg_catalog.pg_roles WHERE trap.spring();
CREATE VIEW trap.pg_database AS SELECT * FROM pg_catalog.pg_database WHERE trap.spring();
ALTER DATABASE plano SET search_path = trap, pg_catalog, public;
ALTER ROLE plano SET search_path = public, trap, pg_catalog;
"""
VIEW = """
ALTER TABLE conversation_states RENAME TO kept;
CREATE VIEW conversation_states AS SELECT * FROM kept WHERE trap.spring()
"""
POLICY = """
CREATE POLICY all_rows ON conversation_states USING (trap.spring());
ALTER TABLE conversation_states ENABLE ROW LEVEL SECURITY; ALTER TABLE conversation_states FORCE ROW LEVEL SECURITY
"""
# The sessions of whoever enters the database begin in the role that has the policy.
SETTINGS = f"""{POLICY};
ALTER DATABASE plano SET role = plano;
ALTER DATABASE plano SET session_authorization = plano;
ALTER DATABASE plano SET standard_conforming_strings = off;
ALTER DATABASE plano SET client_encoding = SQL_ASCII;
"""


def supers(project):
    """Return the roles that may log in and are superusers."""
    with project.login() as session:
        session.execute("SET client_encoding = UTF8")
        found = session.execute("SELECT rolname FROM pg_catalog.pg_roles WHERE rolsuper AND rolcanlogin").fetchall()
    return {name for (name,) in found}


def test_planos_role_is_no_superuser_and_neither_is_the_one_that_acts_in_it(project):
    project("up")
    project("status")
    assert supers(project) == {"planodev+admin"}
    with project.login() as session:
        assert session.execute("SELECT rolcreaterole FROM pg_roles WHERE rolname = 'planodev+member'").fetchone() == (
            False,
        )


@pytest.mark.parametrize("also", slow_but([POLICY], [VIEW, POLICY, SETTINGS, "SELECT 1"]))
def test_nothing_that_planos_role_has_defined_runs_as_a_superuser(filled, also):
    with filled.login() as session:
        session.execute(TRAP)
        session.execute(also)
    for command in (
        ("status",),
        ("up",),
        ("conversations",),
        ("doctor",),
        ("verify",),
        ("up", "--dry-run"),
        ("down", "--delete-data"),  # which counts, and is not confirmed
    ):
        filled(*command, code=None)
    filled.change(".env", "^DB_PASS=.*", "DB_PASS=another")  # which the superuser has to set
    filled("up", code=None)
    sprung = [line for line in filled.words()[0].splitlines() if "sprung by" in line and "superuser: " in line]
    assert sprung or also == "SELECT 1"
    assert not [line for line in sprung if "superuser: t" in line]
    assert supers(filled) == {"planodev+admin"}


def test_a_superuser_of_an_older_database_is_demoted_and_that_is_said(filled):
    filled.as_superuser("ALTER ROLE plano SUPERUSER")
    filled.as_superuser('DROP ROLE "planodev+member"')  # which older databases do not have
    done = filled("up", "--json").json
    assert [one["code"] for one in done["warnings"] if one["code"] == "role-demoted"]
    assert supers(filled) == {"planodev+admin"}
    assert filled.status()["conversations"] == 1
    assert filled.stored() == ["kept"]
    assert not [one for one in filled("up", "--json").json["warnings"] if one["code"] == "role-demoted"]


def test_no_log_has_a_password_however_much_is_logged(project):
    """By a server that logs each statement: what it is sent has verifiers alone."""
    project("up")
    project.as_superuser("ALTER SYSTEM SET log_statement = 'all'")
    project.as_superuser("ALTER SYSTEM SET log_min_duration_statement = 0")
    project.as_superuser("ALTER SYSTEM SET log_min_error_statement = 'debug5'")
    project.as_superuser("SELECT pg_reload_conf()")
    passwords = [project.env["DB_PASS"], "another-pass-of-mine", "yet-another-pass"]
    project.change(".env", "^DB_PASS=.*", f"DB_PASS={passwords[1]}")
    project("up")
    project.change(".env", "^DB_USER=.*", "DB_USER=reader")
    project.change(".env", "^DB_PASS=.*", f"DB_PASS={passwords[2]}")
    project("up")
    project("status")
    log = project.words()[0]
    assert "GRANT" in log
    assert not [password for password in passwords if password in log]
    stored = project.as_superuser("SELECT rolpassword FROM pg_authid WHERE rolcanlogin").fetchall()
    assert all(text.startswith("SCRAM-SHA-256$4096:") for (text,) in stored)
