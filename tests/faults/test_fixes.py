"""No fix ends in the problem that it is for: each one that names a command is run in the state that gave it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import left_over
from tests.support.engine_project import OnEngine
from tests.support.ports import free_port
from tests.support.requirements import require_engine
from tests.support.rules import BAD
from tests.support.tables import SPOILED
from tests.support.tiers import slow_but

pytestmark = pytest.mark.embedded

KEY = "ANTHROPIC_API_KEY"
# What looks, and says the same again by its nature.
LOOKING = ("verify", "status", "logs", "doctor", "run", "production", "up --help")


@pytest.fixture
def ready():
    require_engine("embedded")
    base = left_over.make()
    made = OnEngine(base / "shop", base, "embedded")
    made.environment |= {"PLANODEV_PORT": str(free_port()), "HOME": str(base), KEY: ""}
    made.write("config.yaml", (BAD / "ok.yaml").read_text())
    made("up")
    with (made.path / ".env").open("a") as file:
        file.write(f"{KEY}=sk-ant-1\n")
    yield made
    left_over.remove(base)


def line(key, text):
    return lambda ready: ready.change(".env", f"^{key}=.*\n?", text)


def sql(statement):
    def run(ready):
        with ready.login() as session:
            session.execute(statement)

    return run


def planodev(*words):
    return lambda ready: ready(*words, code=None)


def remove(name):
    return lambda ready: (ready.path / name).unlink()


def data_gone(ready):
    place = ready.place()
    ready("down", "--keep-data")
    shutil.rmtree(place)


def another_checkout(ready):
    ready("down", "--keep-data")
    ready.path.rename(ready.path.with_name("old"))
    ready.path.mkdir()
    shutil.copy(ready.path.with_name("old") / "config.yaml", ready.path)
    shutil.rmtree(ready.path.with_name("old"))


def no_engine(ready):
    """Leave a project without a database on a machine where Docker does not answer."""
    ready("down", "--delete-data", "--yes")
    del ready.environment["PLANODEV_ENGINE"]
    ready.environment["DOCKER_HOST"] = "unix:///nowhere/docker.sock"


def records_gone(ready):
    shutil.rmtree(Path(ready.environment["XDG_STATE_HOME"]) / "planodev/projects")
    (ready.path / ".env").unlink()


# How a state is entered; where its fix asks for more than a command, what it says then, and what does that.
STATES = {
    "env lost": (remove(".env"),),
    "env without a password": (line("DB_PASS", ""),),
    "env without a host": (line("DB_HOST", ""),),
    "env with another password": (line("DB_PASS", "DB_PASS=another\n"),),
    "env with another user": (line("DB_USER", "DB_USER=another\n"),),
    "env with another database": (line("DB_NAME", "DB_NAME=another\n"),),
    "env with another port": (line("DB_PORT", "DB_PORT=5\n"),),
    "env in quotes": (line("DB_USER", "DB_USER='plano'\n"),),
    "env with export": (line("DB_NAME", "export DB_NAME=plano\n"),),
    "env for all to read": (
        lambda ready: (ready.path / ".env").chmod(0o644),
        "chmod 600",
        lambda ready: (ready.path / ".env").chmod(0o600),
    ),
    "env with a bad port": (line("DB_PORT", "DB_PORT=many\n"), "change the line DB_PORT", line("DB_PORT", "")),
    "env with a bad user": (line("DB_USER", "DB_USER=a b\n"), "change the line DB_USER", line("DB_USER", "")),
    "env of another server": (
        line("DB_HOST", "DB_HOST=db.invalid\n"),
        "check DB_HOST and the like in",
        line("DB_HOST", ""),
    ),
    "env without a key": (line(KEY, ""),),
    "config lost": (remove("config.yaml"),),
    "config for another port": (lambda ready: ready.change("config.yaml", r"\$\{DB_PORT\}", "5"),),
    "stopped": (planodev("down", "--keep-data"),),
    "killed": (lambda ready: ready.kill(),),
    "deleted": (planodev("down", "--delete-data", "--yes"),),
    "data gone": (data_gone,),
    "records and env lost": (records_gone,),
    "another checkout": (another_checkout,),
    "no engine": (no_engine,),
    "role's password changed": (sql("ALTER ROLE plano PASSWORD 'other'"),),
    "table dropped": (sql("DROP TABLE conversation_states"),),
}
# One of each kind for `make test`: a bad line, a server that is down, a lost table.
SAMPLE = ("env with a bad port", "killed", "table dropped")
COMMANDS = (["up", "--dry-run"], ["status"], ["verify"], ["doctor"])


@pytest.mark.parametrize("state", slow_but(SAMPLE, STATES))
def test_no_fix_ends_in_the_problem_that_it_is_for(ready, state):
    enter, *by_hand = STATES[state]
    enter(ready)
    told_by, said = {}, []  # a command of a fix → the codes that it is for, each with the command that told it
    for command in COMMANDS:
        for code, fix in told(ready, command):
            said.append((command, code, fix))
            for words in commands_in(fix, ready):
                told_by.setdefault(words, {})[code] = command
    assert told_by or by_hand, "the state has no problem with a command that mends it"
    if by_hand:
        says, mend = by_hand
        by_words = [(command, code) for command, code, fix in said if says in fix and not commands_in(fix, ready)]
        assert any(says in fix for *_, fix in said)
        mend(ready)
        assert [(command, code) for command, code in by_words if code in [one for one, _ in told(ready, command)]] == []
    for words, codes in told_by.items():
        done = typed(ready, words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        for code, command in codes.items():
            again = [one for one, _ in told(ready, command)]
            assert code not in again, f"{words} for {code} of {command}: {done.stdout}{done.stderr}"


def commands_in(fix, ready):
    """Return the commands of a fix that change something."""
    found = [words for words in re.findall(r"`([^`]*)`", fix) if words.startswith("planodev ")]
    plain = [words.replace(f"-C {ready.path} ", "") for words in found]
    return [words for words, said in zip(found, plain, strict=True) if not said[9:].startswith(LOOKING)]


def told(ready, command):
    """Return the code of each problem that a command tells, with its fix."""
    document = json.loads(ready(*command, "--json", code=None).out)
    found = [*document["warnings"], *([document["error"]] if document["error"] else [])]
    pairs = [(one["code"], one["fix"] or "") for one in found if one["code"] != "checks-failed"]
    for check in document["data"].get("checks", ()):
        if check["state"] in ("failed", "warning") and check["name"] != "planoai":
            pairs += [(f"check {check['name']}", check["fix"] or "")]
    return pairs


def typed(ready, words):
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{ready.environment['PATH']}"
    environment = {**ready.environment, "PATH": path}
    return subprocess.run(
        ["bash", "-c", words],
        cwd=ready.path,
        env=environment,
        input="sk-ant-2\n",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_list_that_is_cut_is_whole_once_the_fix_was_followed(ready):
    said = '{"type": "message", "role": "user", "content": "a"}'
    with ready.login() as session:
        session.execute(
            "INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)"
            " SELECT 'row-' || n, %s::jsonb, n, 'm', 'p' FROM generate_series(1, 10000) AS n"
            " UNION ALL SELECT 'last', %s::jsonb, 20000, 'm', 'p'",
            [f"[{said}]", f"[{said}, {said}]"],
        )
    (warning,) = ready("conversations", "--json").json["warnings"]
    assert warning["code"] == "list-cut"
    (prune,) = re.findall(f"`planodev -C {ready.path} ([^`]*)`", warning["fix"])
    ready(*prune.split(), "--yes")
    assert ready("conversations", "--json").json["warnings"] == []


def superuser(ready, database="plano"):
    """Log in as who made the cluster, as its owner does who has the machine."""
    of_it = (one.split(":") for one in (ready.place() / "pgpass").read_text().splitlines())
    user, password = next((one[3], one[4]) for one in of_it if one[3].endswith("admin"))
    return ready.login(user=user, password=password, dbname=database)


def as_superuser(statements, database="plano"):
    def run(ready, fix=""):
        with superuser(ready, database) as session:
            session.execute(statements)

    return run


def runs_all(ready, fix):
    for words in re.findall("`([^`]*)`", fix):
        assert typed(ready, words).returncode == 0, words


def finds_in_the_log(text, statements, database="plano"):
    def run(ready, fix):
        (words,) = re.findall("`([^`]*)`", fix)
        assert text in typed(ready, words).stdout
        as_superuser(statements, database)(ready)

    return run


def another_user(ready):
    """Give the project another role, as who changes `.env` does."""
    ready.change(".env", "^DB_USER=.*$", "DB_USER=another")
    ready("up")


def another_user_without_truncate(ready):
    another_user(ready)
    as_superuser("REVOKE TRUNCATE ON conversation_states FROM another")(ready)


NO_TABLE = """\
DROP TABLE conversation_states; ALTER SCHEMA public OWNER TO CURRENT_USER;
REVOKE ALL ON SCHEMA public FROM plano, PUBLIC"""
NO_SUPERUSER = """\
DO $$BEGIN EXECUTE format('ALTER ROLE %I NOLOGIN', current_user); END$$"""
CLOSED = "not currently accepting connections"
# By code: what a session of the superuser does, what is typed, and what a person does about it.
BY_SUPERUSER = {
    "query-failed": (
        as_superuser(
            SPOILED["store-failed"].replace(
                "INSERT ON conversation_states FOR EACH ROW", "TRUNCATE ON conversation_states"
            )
        ),
        "reset --yes",
        finds_in_the_log("quota", "DROP TRIGGER no ON conversation_states"),
    ),
    "login-failed": (
        as_superuser("ALTER DATABASE plano ALLOW_CONNECTIONS false", "postgres"),
        "verify",
        finds_in_the_log(CLOSED, "ALTER DATABASE plano ALLOW_CONNECTIONS true", "postgres"),
    ),
    "connection-limit": (as_superuser("ALTER DATABASE plano CONNECTION LIMIT 0"), "verify", runs_all),
    "table-not-made": (as_superuser(NO_TABLE), "up", runs_all),
    "privilege-refused": (another_user_without_truncate, "reset --yes", runs_all),
    "role-not-demoted": (as_superuser(f"ALTER ROLE plano SUPERUSER; {NO_SUPERUSER}"), "up", runs_all),
    "cannot-follow": (as_superuser(f"ALTER ROLE plano NOLOGIN; {NO_SUPERUSER}"), "up", runs_all),
}


@pytest.mark.parametrize("code", [pytest.param(code, marks=pytest.mark.slow) for code in BY_SUPERUSER])
def test_what_a_fix_asks_of_the_servers_superuser_mends_it(ready, code):
    enter, command, mend = BY_SUPERUSER[code]
    enter(ready)
    error = ready(*command.split(), "--json", code=None).json["error"]
    assert error["code"] == code, error
    mend(ready, error["fix"])
    ready(*command.split())


@pytest.mark.slow
def test_a_role_that_env_names_anew_may_empty_the_table(ready):
    another_user(ready)
    ready("reset", "--yes")
