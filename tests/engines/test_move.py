"""Between the engines: which one `auto` takes, and conversations that move from one to the other and back."""

from __future__ import annotations

import contextlib
import json
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import docker
import pytest

from tests.support import left_over
from tests.support.docker_objects import remove_all
from tests.support.engine_project import OnEngine
from tests.support.namespace import ROOT, WITHOUT_DOCKER, elsewhere
from tests.support.requirements import require_engine
from tests.support.seed import KILLS, SEED
from tests.support.terminal import on_terminal
from tests.support.tiers import slow_but
from tests.support.waiting import until

pytestmark = pytest.mark.docker


@pytest.fixture
def project():
    require_engine("embedded")
    base = left_over.make()
    api = docker.APIClient(version="auto", timeout=60)
    made = OnEngine(base / "shop", base, "auto", api)
    yield made
    remove_all(api, str(base))
    left_over.remove(base)


def volumes(project):
    found = project.api.volumes(filters={"label": "dev.planodev.path"})["Volumes"] or []
    return [v["Name"] for v in found if v["Labels"]["dev.planodev.path"] == str(project.path)]


def places(project):
    directory = project.base / "data/planodev/postgres"
    return [p.name for p in directory.iterdir() if not p.name.startswith(".")] if directory.is_dir() else []


def engine_of(project):
    return project.status()["engine"]["name"]


@pytest.mark.slow
def test_a_row_that_the_new_table_refuses_ends_the_move_and_the_fix_goes_on_with_the_old_one(project):
    project("up")
    project.store("kept")
    with project.login() as session:
        session.execute("ALTER TABLE conversation_states ALTER COLUMN model DROP NOT NULL")
        session.execute("INSERT INTO conversation_states VALUES ('without a model', '[]', 1, NULL, 'p')")
    error = project("up", "--engine", "embedded", "--yes", "--json", code=4).json["error"]
    assert error["code"] == "move-failed"
    words = re.fullmatch("nothing is lost: `planodev -C .* (up --engine docker)` continues .*", error["fix"])[1]
    project(*words.split())
    assert engine_of(project) == "docker"
    assert project.stored() == ["kept", "without a model"]


@pytest.mark.slow
def test_there_and_back_with_every_row_and_nothing_left_behind(project):
    project("up")
    assert engine_of(project) == "docker"
    project.store("one", "two\nlines\t\\N", "ümläut")
    before = project.stored()
    port = project.env["DB_PORT"]
    done = project("up", "--engine", "embedded", "--yes")
    assert "3 stored conversation turns in the volume" in done.err
    assert "conversations: moved, 3 stored conversation turns" in done.err
    assert (project.stored(), project.env["DB_HOST"], project.env["DB_PORT"]) == (before, "127.0.0.1", port)
    assert (volumes(project), len(places(project)), engine_of(project)) == ([], 1, "embedded")
    project("up")
    project("verify")
    project.store("three")
    project("up", "--engine", "docker", "--plano", "docker", "--yes")
    assert len(project.stored()) == 4
    assert (len(volumes(project)), places(project), engine_of(project)) == (1, [], "docker")
    assert project.env["DB_HOST"] == "host.docker.internal"
    assert list((project.base / "state/planodev/projects").glob("*.moving")) == []


@pytest.mark.slow
def test_a_port_that_the_new_server_cannot_get_is_told_while_the_old_one_runs_and_the_fix_moves(project):
    project("up")
    project.store("kept")
    before = project.container()["State"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = project("up", "--engine", "embedded", "--port", port, "--yes", "--json", code=4)
        assert (refused.error, project.container()["State"], project.stored()) == ("port-taken", before, ["kept"])
        project("up", "--engine", "embedded", "--port", project.env["DB_PORT"], "--dry-run")
        project.follow(refused.json["error"]["fix"])
    assert (project.stored(), engine_of(project)) == (["kept"], "embedded")


@pytest.mark.slow
def test_a_source_whose_container_is_gone_is_started_by_a_name_that_nobody_has(project):
    other = project.api.create_container("postgres:16", name="plano-postgres")
    try:
        project("up")
        project.store("kept")
        project.api.remove_container(project.status()["container"], force=True)
        project("up", "--engine", "embedded", "--yes")
    finally:
        project.api.remove_container(other, force=True)
    assert (project.stored(), engine_of(project)) == (["kept"], "embedded")


@pytest.mark.slow
def test_every_column_arrives_as_it_was(project):
    project("up", "--engine", "embedded")
    with project.login() as session:
        session.execute(
            "INSERT INTO conversation_states VALUES ('id', %s, 9007199254740993, 'm', 'p', '2001-02-03 04:05:06.789')",
            [json.dumps([{"text": "a\u2028b \\ \" ' \n \t é 日本"}])],
        )
        before = session.execute("SELECT *, input_items::text FROM conversation_states").fetchall()
        session.execute("ALTER DATABASE plano SET datestyle = 'SQL, DMY'")  # else 3 February is 2 March
    project("up", "--engine", "docker", "--yes")
    with project.login() as session:
        assert session.execute("SELECT *, input_items::text FROM conversation_states").fetchall() == before


def test_it_is_offered_and_needs_yes_where_nobody_can_be_asked(project):
    project.write(".env", "OPENAI_API_KEY=of-no-use\n")
    project("up", "--engine", "embedded")
    project.store("kept")
    refused = project("up", "--engine", "docker", "--json", code=2)
    assert refused.error == "move-not-confirmed"
    assert "1 stored conversation turn" in refused.json["error"]["why"]
    assert (volumes(project), project.stored()) == ([], ["kept"])
    assert "would move" in project("up", "--engine", "docker", "--dry-run").err
    assert (volumes(project), project.stored()) == ([], ["kept"])
    code, screen = on_terminal(project, "up", "--engine", "docker", answers=[("[y/N]", "n\n")])
    assert (code, "nothing was changed" in screen, volumes(project)) == (2, True, []), screen
    code, screen = on_terminal(project, "up", "--engine", "docker", answers=[("[y/N]", "y\n")])
    assert (code, project.stored(), engine_of(project)) == (0, ["kept"], "docker"), screen
    refused = project("up", "--engine", "embedded", "--json", code=2)
    assert refused.error == "move-not-confirmed"
    project.follow(refused.json["error"]["fix"].partition("; ")[0])
    assert (project.stored(), engine_of(project)) == (["kept"], "embedded")


@pytest.mark.slow
def test_rows_of_every_database_come_along_and_other_tables_keep_the_old_data(project):
    project("up", "--engine", "embedded")
    project.store("first")
    text = (project.path / ".env").read_text()
    project.write(".env", text.replace("DB_NAME=plano", "DB_NAME=second"))
    project("up")
    project.store("second")
    with project.login() as session:
        session.execute("CREATE TABLE my_own (n int)")
    done = project("up", "--engine", "docker", "--yes")
    assert "old-data-kept" in done.err
    assert "my_own" in done.err
    assert "2 stored conversation turns" in done.err
    assert project.stored() == ["second"]
    with project.login(dbname="plano") as session:
        assert session.execute("SELECT response_id FROM conversation_states").fetchall() == [("first",)]
    assert len(places(project)) == 1
    project.store("later")
    project("up", "--engine", "embedded", "--yes")  # into what was kept: both are there
    assert project.stored() == ["later", "second"]
    with project.login() as session:
        assert session.execute("SELECT count(*) FROM my_own").fetchone() == (0,)


@pytest.mark.parametrize(("first", "second"), [("embedded", "docker"), ("docker", "embedded")])
@pytest.mark.slow
def test_a_move_that_is_killed_loses_nothing(project, first, second):
    project("up", "--engine", first)
    keys = {f"key-{n}" for n in range(50)}
    project.store(*keys)
    for moment in (0.2, 0.4, 0.6, 0.9, 1.2, 1.6, 2.0, 2.5):
        running = project.start("up", "--engine", second, "--yes")
        time.sleep(moment)  # noqa: TID251  the moment is the fault
        running.kill()
        running.communicate()
        project("up")
        assert set(project.stored()) == keys, moment
        if engine_of(project) == second:
            break
    project("up", "--engine", second, "--yes")
    assert set(project.stored()) == keys
    assert engine_of(project) == second
    assert (len(volumes(project)), len(places(project))) == ((1, 0) if second == "docker" else (0, 1))


def killed_at(project, number, *arguments):
    """Kill a planodev at a place in its work; returns whether it came to there."""
    command = [sys.executable, "-m", "tests.support.killed_at", str(number), "-C", str(project.path), *arguments]
    done = subprocess.run(command, env=project.environment, cwd=ROOT, capture_output=True, check=False, timeout=180)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode != 0


@pytest.mark.parametrize(("first", "second"), [("embedded", "docker"), ("docker", "embedded")])
@pytest.mark.slow
def test_a_move_killed_at_any_statement_keeps_every_row_and_leaves_nothing_unsaid(project, first, second):
    project("up", "--engine", first)
    keys = {f"key-{n}" for n in range(20)}
    project.store(*keys)
    every = KILLS >= 100
    step, number = (1, 0) if every else (random.Random(SEED).randrange(9, 14), random.Random(SEED).randrange(8))
    print(f"PLANODEV_SEED={SEED} PLANODEV_KILLS={KILLS}")
    while killed_at(project, number, "up", "--engine", second, "--yes"):
        done = project("up")
        assert set(project.stored()) == keys, number
        left = (len(volumes(project)), len(places(project)))
        if left == (1, 1):
            assert "move-left-data" in done.err, number
        else:
            assert left == ((1, 0) if engine_of(project) == "docker" else (0, 1)), number
        project("up", "--engine", first, "--yes")
        number += step
    assert number > 20
    assert set(project.stored()) == keys
    assert (len(volumes(project)), len(places(project))) == ((1, 0) if second == "docker" else (0, 1))


@pytest.mark.slow
def test_a_deletion_takes_every_copy_and_says_so(project):
    project("up", "--engine", "embedded")
    project.store("first")
    with project.login() as session:
        session.execute("CREATE TABLE my_own (n int)")
    project("up", "--engine", "docker", "--yes")
    assert (len(volumes(project)), len(places(project))) == (1, 1)
    done = project("down", "--delete-data", "--yes")
    assert "and what is left in the data directory" in done.err
    assert (volumes(project), places(project)) == ([], [])


@pytest.mark.parametrize("engine", slow_but(["embedded"], ["docker", "embedded"]))
def test_a_renamed_directory_that_loses_its_env_file_finds_its_data(project, engine):
    project("up", "--engine", engine)
    project.store("kept")
    project.path = project.path.rename(project.path.with_name("renamed"))
    project("up")
    (project.path / ".env").unlink()
    project("up")
    assert project.stored() == ["kept"]
    (project.path / ".env").unlink()
    project("up")
    assert (project.stored(), engine_of(project)) == (["kept"], engine)


@pytest.mark.parametrize("engine", slow_but(["embedded"], ["docker", "embedded"]))
def test_a_copy_of_a_project_that_was_moved_never_gets_its_data(project, engine):
    project("up", "--engine", engine)
    project.store("kept")
    first = project.path
    moved, copy = first.with_name("moved"), first.with_name("copy")
    project.path = first.rename(moved)
    project("up")
    for place in (copy, first):  # the second is where the labels say that the project is
        project.path = shutil.copytree(moved, place)
        assert project.status()["state"] == "absent"
        project("down", "--delete-data", "--yes")
        project.path = moved
        assert (project.stored(), project.status()["state"]) == (["kept"], "running")
    project.path = first
    assert project("up", "--engine", engine, "--json", code=4).error == "data-of-another-checkout"
    for place, rows in ((copy, []), (moved, ["kept"])):
        project.path = place
        project("up", "--engine", engine)
        assert project.stored() == rows
        project("down", "--delete-data", "--yes")


OTHERS = {
    "archive.conversation_states": "CREATE SCHEMA archive; CREATE TABLE archive.conversation_states (id int)",
    "column note of conversation_states": "ALTER TABLE conversation_states ADD COLUMN note text",
    "seen": "CREATE VIEW seen AS SELECT response_id FROM conversation_states",
    "prune()": "CREATE FUNCTION prune() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "numbers": "CREATE SEQUENCE numbers",
}


@pytest.mark.parametrize("first", ["docker", "embedded"])
@pytest.mark.slow
def test_old_data_that_has_anything_else_is_kept_and_said_to_be(project, first):
    second = "embedded" if first == "docker" else "docker"
    project("up", "--engine", first)
    project.store("kept")
    with project.login() as session:
        for statement in OTHERS.values():
            session.execute(statement)
        session.execute("CREATE TABLE plain (id serial)")  # its sequence goes with it
    done = project("up", "--engine", second, "--plano", "native", "--yes", "--json").json
    (kept,) = [w["message"] for w in done["warnings"] if w["code"] == "old-data-kept"]
    assert kept.rpartition(" it also holds ")[2].split(", ") == sorted([*OTHERS, "plain"])
    assert (len(volumes(project)), len(places(project))) == (1, 1)
    assert project.stored() == ["kept"]


@pytest.mark.slow
def test_the_old_data_outlives_a_move_whose_proof_fails(project):
    project("up", "--engine", "docker")
    project.store("kept")
    config = (project.path / "config.yaml").read_text()
    project.write("config.yaml", config.replace("${DB_NAME}", "${DB_NAME}?sslmode=require"))
    project("up", "--engine", "embedded", "--yes", code=7)
    assert len(volumes(project)) == 1
    project.write("config.yaml", config)
    project("up", "--engine", "docker", "--yes")
    assert project.stored() == ["kept"]


@pytest.mark.slow
def test_rows_that_are_stored_during_the_move_are_there_or_were_refused(project):
    import threading

    import psycopg

    project("up", "--engine", "embedded")
    stored, stop = [], threading.Event()

    def store(worker):
        with contextlib.suppress(psycopg.Error), project.login() as session:
            while not stop.is_set():
                key = f"row-{worker}-{len(stored)}"
                session.execute(
                    "INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)"
                    " VALUES (%s, '[]', 1, 'm', 'p')",
                    [key],
                )
                stored.append(key)

    workers = [threading.Thread(target=store, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    until(lambda: len(stored) > len(workers), "rows of each")
    project("up", "--engine", "docker", "--yes")
    stop.set()
    for worker in workers:
        worker.join(20)
    assert len(stored) > 20
    assert set(stored) == set(project.stored())


@pytest.mark.slow
def test_docker_is_down_and_has_the_data(filled):
    before = sorted(p.name for p in filled.base.rglob("*"))
    for arguments in ([], ["--engine", "embedded", "--yes"]):
        done = elsewhere(filled, WITHOUT_DOCKER, "up", *arguments, code=3)
        assert "this project's data is in Docker" in done.stderr
    state = elsewhere(filled, WITHOUT_DOCKER, "status", "--json")
    assert "data is in Docker" in state.stdout
    assert (places(filled), sorted(p.name for p in filled.base.rglob("*"))) == ([], before)
    (filled.path / ".env").unlink()  # not even then
    elsewhere(filled, WITHOUT_DOCKER, "up", code=3)
    filled("up")
    assert filled.stored() == ["kept"]


@pytest.mark.slow
def test_data_in_docker_without_a_record_is_found_before_an_empty_database_is_made(project):
    import shutil

    project("up")
    project.store("kept")
    shutil.rmtree(project.base / "state")
    assert project("up", "--engine", "embedded", "--json", code=2).error == "move-not-confirmed"
    project("up", "--engine", "embedded", "--yes")
    assert project.stored() == ["kept"]


def recorded(project):
    return [json.loads(file.read_text())["engine"] for file in project.base.rglob("planodev/projects/*.json")]


@pytest.mark.slow
def test_a_lost_env_file_and_record_before_a_move_and_a_lost_env_file_after_it(project):
    import shutil

    project("up", "--engine", "embedded")
    project.store("kept")
    with project.login() as session:
        session.execute("CREATE TABLE my_own (n int)")  # the old data is kept, beside the new
    shutil.rmtree(project.base / "state")
    (project.path / ".env").unlink()
    project("up", "--engine", "docker", "--yes")
    assert recorded(project) == ["docker"]
    (project.path / ".env").unlink()
    project("up")
    assert (engine_of(project), project.stored(), recorded(project)) == ("docker", ["kept"], ["docker"])


@pytest.mark.parametrize("there", ["docker", "embedded"])
@pytest.mark.slow
def test_a_record_of_another_day_opens_no_empty_database_beside_the_data(project, there):
    project("up", "--engine", there)
    project.store("kept")
    (record,) = project.base.rglob("planodev/projects/*.json")
    wrong = "embedded" if there == "docker" else "docker"
    record.write_text(json.dumps({**json.loads(record.read_text()), "engine": wrong}))
    (project.path / ".env").unlink()
    project("up")
    assert (engine_of(project), project.stored(), recorded(project)) == (there, ["kept"], [there])
    assert (len(volumes(project)), len(places(project))) == ((1, 0) if there == "docker" else (0, 1))


@pytest.mark.slow
def test_old_data_that_a_killed_move_left_goes_with_the_next_up_also_where_nothing_else_is_to_do(project):
    project("up", "--engine", "docker")
    project.store("kept")
    (old,) = volumes(project)
    labels = project.api.inspect_volume(old)["Labels"]
    project("up", "--engine", "embedded", "--yes")
    (record,) = project.base.rglob("planodev/projects/*.json")
    # As it stands when the kill comes after the proof, and before the old data is gone.
    record.write_text(json.dumps({**json.loads(record.read_text()), "remains": "docker"}))
    project.api.create_volume(old, labels=labels)
    project("up")
    assert (volumes(project), len(places(project))) == ([], 1)
    assert project.stored() == ["kept"]
    assert json.loads(record.read_text())["remains"] == ""
