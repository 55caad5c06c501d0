"""The database's daily commands, on every engine by the same test: psql, logs, reset."""

from __future__ import annotations

import os
import re
import subprocess
import time

import pytest

from tests.support.terminal import on_terminal
from tests.support.waiting import until

pytestmark = pytest.mark.each_engine(slow="docker")


@pytest.fixture
def ready(project):
    project("up", "--model", "ollama/llama3.1")
    return project


def piped(project, *arguments, text="", code=0, **variables):
    done = subprocess.run(
        project.command(*arguments),
        env={**project.environment, **variables},
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout


class TestPsql:
    def test_a_command_a_pipe_and_a_file_from_a_pipe(self, ready):
        assert piped(ready, "psql", "-Atc", "SELECT current_user") == f"{ready.env['DB_USER']}\n"
        assert piped(ready, "psql", "-qAt", text="SELECT 6*7;\n") == "42\n"
        assert piped(ready, "psql", "-At", "-f", "-", text="SELECT 'ü';\n") == "ü\n"
        assert piped(ready, "psql", "--", "-Atc", "SELECT 7") == "7\n"
        big = piped(ready, "psql", "-Atc", "SELECT repeat('x', 1000000)")
        assert len(big) == 1_000_001

    @pytest.mark.slow
    def test_the_exit_code_is_its_own(self, ready):
        piped(ready, "psql", "-c", "SELECT 1/0", code=1)
        piped(ready, "psql", "-v", "ON_ERROR_STOP=1", "-f", "-", text="SELECT 1/0;", code=3)

    @pytest.mark.slow
    def test_a_terminal_gets_a_prompt(self, ready):
        code, screen = on_terminal(
            ready, "psql", "-P", "pager=off", answers=[("plano=", "SELECT 40+2;\n"), ("42", "\\q\n")]
        )
        assert (code, "42" in screen) == (0, True), screen

    def test_variables_of_this_shell_lead_nowhere_else_and_the_password_is_in_no_argument(self, ready):
        out = piped(ready, "psql", "-Atc", "SELECT current_database()", PGDATABASE="postgres", PGHOST="192.0.2.1")
        assert out == f"{ready.env['DB_NAME']}\n"
        running = ready.start("psql", "-c", "SELECT pg_sleep(30)")
        asks = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)'"
        with ready.login() as session:
            until(lambda: session.execute(asks).fetchone(), "its query")
        words = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        running.kill()
        assert ready.env["DB_PASS"] not in words

    @pytest.mark.slow
    def test_a_database_that_does_not_run(self, ready):
        ready("down", "--keep-data")
        assert "[not-running]" in ready("psql", "-c", "SELECT 1", code=6).err

    @pytest.mark.slow
    def test_an_environment_file_opens_it_for_reading_alone(self, ready):
        values = {**ready.env, "DB_HOST": "127.0.0.1"}
        ready.write("prod.env", "".join(f"{name}={value}\n" for name, value in values.items()))
        assert piped(ready, "psql", "--env-file", "prod.env", "-Atc", "SELECT 42") == "42\n"
        refused = ready("psql", "--env-file", "prod.env", "-c", "TRUNCATE conversation_states", code=1)
        assert "read-only transaction" in refused.err
        ready.store("a")
        listed = ready("conversations", "--env-file", "prod.env", "--json").json["data"]["conversations"]
        assert [one["id"] for one in listed] == ["a"]


class TestLogs:
    def test_the_end_of_the_log_without_secrets(self, ready):
        with ready.login() as session:
            text = f"of the test {ready.env['DB_PASS']}, \x1b[31m"
            session.execute(f"DO $$ BEGIN RAISE LOG '{text}'; END $$")
        out = ready("logs").out
        assert "of the test ***" in out
        assert ready.env["DB_PASS"] not in out
        assert "\x1b" not in out
        ready.write(".env", (ready.path / ".env").read_text() + "SHOP_TOKEN=of-another-service\n")
        with ready.login() as session:
            text = "asked with of-another-service at postgresql://ada:her-own@db.example.org/shop"
            session.execute(f"DO $$ BEGIN RAISE LOG '{text}'; END $$")
        out = ready("logs").out
        assert "asked with *** at postgresql://***@db.example.org/shop" in out
        assert len(ready("logs", "-n", "2").out.splitlines()) == 2

    @pytest.mark.slow
    def test_a_log_is_followed(self, ready):
        following = ready.start("logs", "-f", "-n", "1")
        following.stdout.readline()
        with ready.login() as session:
            session.execute("DO $$ BEGIN RAISE LOG 'while it was followed'; END $$")
        line = ""
        end = time.monotonic() + 10
        while "while it was followed" not in line and time.monotonic() < end:
            line = following.stdout.readline()
        following.send_signal(2)
        assert "while it was followed" in line
        assert following.wait(30) == 130
        assert following.stderr.read() == ""


class TestReset:
    def test_it_asks_and_empties_in_place(self, ready):
        ready.store("a")
        assert "1 stored conversation turn in" in ready("reset", "--json", code=2).json["error"]["why"]
        ready.store("b")
        refused = ready("reset", "--json", code=2).json["error"]
        assert (refused["code"], "2 stored conversation turns" in refused["why"]) == ("not-confirmed", True)
        code, screen = on_terminal(ready, "reset", answers=[("[y/N]", "\n")])
        assert (code, ready.stored()) == (2, ["a", "b"]), screen
        with ready.login() as plano:
            plano.execute("SELECT count(*) FROM conversation_states", prepare=True)
            assert ready("reset", "--yes", "--json").json["data"] == {"deleted_rows": 2}
            assert plano.execute("SELECT count(*) FROM conversation_states", prepare=True).fetchone() == (0,)
        assert ready.status()["table"] == "ready"

    @pytest.mark.slow
    def test_a_locked_table_ends_in_time_and_loses_nothing(self, ready):
        ready.store("a")
        with ready.login(autocommit=False) as holder:
            holder.execute("SELECT * FROM conversation_states")
            assert ready("reset", "--yes", "--json", code=6).error == "table-locked"
        assert ready.stored() == ["a"]

    @pytest.mark.slow
    def test_it_is_for_the_project_s_own_database_alone(self, ready):
        ready.change(".env", "^DB_HOST=.*$", "DB_HOST=db.example.invalid")
        assert ready("reset", "--yes", "--json", code=4).error == "foreign-server"


@pytest.mark.slow
def test_psql_without_a_client_of_the_engine(ready):
    path = os.pathsep.join(one for one in os.environ["PATH"].split(os.pathsep) if not os.path.exists(f"{one}/docker"))
    assert piped(ready, "psql", "-qAt", text="SELECT 6*7;\n", PATH=path) == "42\n"
    piped(ready, "psql", "-c", "SELECT 1/0", code=1, PATH=path)


class TestSnapshots:
    def test_saved_listed_restored_and_deleted(self, ready):
        assert "No snapshot yet" in ready("snapshot", "list").out
        ready.store("a", "b")
        saved = ready("snapshot", "save", "before", "--json").json["data"]
        assert (saved["snapshot"]["rows"], saved["snapshot"]["database"]) == (2, ready.env["DB_NAME"])
        assert os.stat(saved["file"]).st_mode & 0o777 == 0o600
        assert ready("snapshot", "save", "before", "--json", code=4).error == "snapshot-exists"
        ready("reset", "--yes")
        ready.store("c")
        heading, row = (line.split() for line in ready("snapshot", "list").out.splitlines())
        assert heading == ["NAME", "CREATED", "DATABASE", "TURNS", "SIZE"]
        assert (row[0], row[3:5]) == ("before", [ready.env["DB_NAME"], "2"])
        assert ready("snapshot", "restore", "--json", code=2).error == "not-confirmed"
        with ready.login() as plano:
            done = ready("snapshot", "restore", "before", "--yes", "--json").json["data"]
            assert (done["rows"], done["replaced_rows"]) == (2, 1)
            assert plano.execute("SELECT count(*) FROM conversation_states").fetchone() == (2,)
        assert ready.stored() == ["a", "b"]
        ready("snapshot", "delete", "before", "--yes")
        assert ready("snapshot", "list", "--json").json["data"]["snapshots"] == []

    @pytest.mark.slow
    def test_deleted_data_comes_back_from_a_snapshot_that_down_names(self, ready):
        ready.store("a")
        name = ready("snapshot", "save", "--json").json["data"]["snapshot"]["name"]
        assert f"Snapshots are kept: `{name}`" in ready("down", "--delete-data", "--yes").out
        ready("up")
        ready("snapshot", "restore", "--yes")
        assert ready.stored() == ["a"]

    @pytest.mark.slow
    def test_unknown_names_and_names_that_no_file_can_have(self, ready):
        assert ready("snapshot", "restore", "--yes", "--json", code=2).error == "snapshot-unknown"
        ready("snapshot", "save", "monday")
        unknown = ready("snapshot", "restore", "mondey", "--json", code=2).json["error"]
        assert (unknown["code"], unknown["why"]) == ("snapshot-unknown", "snapshots: `monday`")
        for name in ("../x", "a/b", ".hidden", "x" * 65, "\x1b[2J", ""):
            assert ready("snapshot", "save", "--json", "--", name, code=None).code in (0, 2)
        assert ready("snapshot", "save", "--json", "--", "../x", code=2).error == "bad-snapshot-name"

    @pytest.mark.slow
    def test_what_is_no_dump_of_the_table_changes_nothing(self, ready):
        ready.store("a")
        ready("snapshot", "save", "whole")
        file = ready("snapshot", "save", "broken", "--json").json["data"]["file"]
        with open(file, "r+b") as dump:
            dump.truncate(os.stat(file).st_size // 3)
        error = ready("snapshot", "restore", "broken", "--yes", "--json", code=1).json["error"]
        assert error["code"] == "snapshot-failed"
        shown = re.fullmatch("`planodev -C .* (snapshot list)` lists the others", error["fix"])[1]
        assert "whole" in ready(*shown.split()).out
        with ready.login() as session:
            session.execute("CREATE TABLE another (a int)")
        with open(file, "wb") as target:
            subprocess.run(
                ready.command("run", "--", "pg_dump", "-Fc", "-t", "another", url_of(ready)),
                env=ready.environment,
                stdout=target,
                check=False,
                stderr=subprocess.DEVNULL,
            )
        assert ready("snapshot", "restore", "broken", "--yes", "--json", code=1).error == "snapshot-failed"
        assert ready.stored() == ["a"]
        ready("snapshot", "restore", "whole", "--yes")

    @pytest.mark.slow
    def test_a_full_disk_leaves_nothing(self, ready):
        directory = ready("snapshot", "list", "--json").json["data"]["directory"]
        with ready.login() as session:
            session.execute(
                "INSERT INTO conversation_states SELECT 'r' || n, to_jsonb(ARRAY[("
                "SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 3000) WHERE n > 0"
                ")]), 1, 'm', 'p' FROM generate_series(1, 30) AS n"
            )
        os.makedirs(directory)
        if (
            os.geteuid()
            or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", directory], check=False).returncode
        ):
            pytest.skip("needs root, and mounts")
        try:
            error = ready("snapshot", "save", "--json", code=1).json["error"]
            assert (error["code"], "space" in error["why"].lower()) == ("snapshot-failed", True)
            assert error["fix"] == f"free disk space for `{directory}`"
            assert os.listdir(directory) == []
        finally:
            subprocess.run(["umount", directory], check=True)
        ready("snapshot", "save")


def url_of(ready):
    values = ready.env
    return f"postgresql://{values['DB_USER']}:{values['DB_PASS']}@127.0.0.1:{values['DB_PORT']}/{values['DB_NAME']}"


def test_a_dry_run_knows_of_the_database_what_status_knows(ready):
    ready.store("a", "b")
    told, dry = ready.status(), ready("up", "--dry-run", "--json").json["data"]
    differing = {key: (dry[key], told[key]) for key in told if dry[key] != told[key]}
    chosen = {"engine", "settings"}  # `up` says where its choice comes from
    assert (set(differing) - chosen, told["state"], dry["conversations"]) == (set(), "running", 2), differing
    assert "✓ conversation_states: unchanged\n" in ready("up", "--dry-run").err
    with ready.login() as session:
        session.execute("DROP TABLE conversation_states")
    dry = ready("up", "--dry-run")
    assert "conversation_states: would be created\n" in dry.err


def test_a_result_never_stands_behind_what_was_being_done(ready):
    code, screen = on_terminal(ready, "conversations", "prune", "--superseded")
    line = next(line for line in screen.splitlines() if "Nothing to delete" in line)
    assert (code, line.rpartition("\x1b[K")[2]) == (0, "Nothing to delete"), screen


def widest(project, screen):
    """Return the longest line, as it is in a directory with a short name."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", screen).replace("\r", "\n")
    text = re.sub(r"/tmp/[^\s`']+", "/srv/shop", text.replace(f" -C {project.path}", ""))
    return max(text.splitlines(), key=len)


def test_no_line_of_a_usual_screen_is_wider_than_100_columns(project):
    model = ("up", "--model", "anthropic/claude-sonnet-4-6")
    key = {"ANTHROPIC_API_KEY": "sk-ant-x"}
    screens = [on_terminal(project, *model, keys=key, answers=[("[Y/n]", "y\n")])]
    project.store("a", "b", "c")
    project("snapshot", "save", "base")
    asking = ("reset", "snapshot restore", "snapshot delete base", "conversations prune --older-than 1d")
    screens += [on_terminal(project, *typed.split(), answers=[("[y/N]", "n\n")]) for typed in asking]
    telling = ("up", "status", "up --dry-run", "snapshot list", "conversations", "keys")
    screens += [on_terminal(project, *typed.split(), keys=key) for typed in telling]
    lines = [widest(project, screen) for _, screen in screens]
    assert [line for line in lines if len(line) > 100] == []
    asked = "".join(screen for _, screen in screens)
    assert "This replaces 3 stored conversation turns with the 3 of the snapshot `base` of 20" in asked
    assert "This deletes 3 stored conversation turns, 3 whole conversations among them" in asked
