"""`.env` leads and the database follows; what was killed or removed is mended; nothing committed is lost."""

from __future__ import annotations

import random
import re
import time

import pytest

from .conftest import free_port


def test_a_changed_password_is_followed(project):
    project("up")
    project.store("kept")
    text = (project.path / ".env").read_text()
    (project.path / ".env").write_text(re.sub("DB_PASS=.*", "DB_PASS=changed-by-hand", text))
    done = project("up")
    assert "`.env` leads, and it follows" in done.err
    assert project.env["DB_PASS"] == "changed-by-hand"
    assert project.stored() == ["kept"]


def test_an_emptied_password_is_recovered(project):
    project("up")
    before = project.env["DB_PASS"]
    text = (project.path / ".env").read_text()
    (project.path / ".env").write_text(re.sub("DB_PASS=.*", "DB_PASS=", text))
    project("up")
    assert project.env["DB_PASS"] == before


def test_a_role_changed_by_hand_is_set_back(project):
    project("up")
    with project.login() as session:
        session.execute("ALTER ROLE plano PASSWORD 'something else'")
    project("up")
    project.login().close()


@pytest.mark.parametrize(("key", "value"), [("DB_USER", "other-user"), ("DB_NAME", "other.database")])
def test_another_user_or_database_is_made_and_can_store(project, key, value):
    project("up")
    project.store("kept")
    text = (project.path / ".env").read_text()
    (project.path / ".env").write_text(re.sub(f"{key}=.*", f"{key}={value}", text))
    project("up")
    assert project.env[key] == value
    project.store("new")
    assert project.stored() == (["kept", "new"] if key == "DB_USER" else ["new"])


def test_a_removed_container_is_made_again_over_the_same_data(project, api):
    project("up")
    project.store("kept")
    api.remove_container(project.status()["container"], force=True)
    assert project.status()["state"] == "stopped"
    project("up")
    assert project.stored() == ["kept"]


def test_a_paused_container_goes_on(project, api):
    project("up")
    api.pause(project.status()["container"])
    project("up")
    project.login().close()


def test_a_removed_volume_gives_a_new_database_with_the_same_credentials(project, api):
    project("up")
    before, names = project.env, project.status()
    api.remove_container(names["container"], force=True)
    api.remove_volume(names["volume"])
    project("up")
    assert (project.env, project.stored()) == (before, [])


@pytest.mark.parametrize("after", [0.02, 0.1, 0.3, 0.6, 0.9])
def test_a_server_killed_in_its_first_seconds_is_made_anew(project, api, after):
    running = project.start("up")
    mine = []
    while not mine and running.poll() is None:
        mine = [
            c
            for c in api.containers(filters={"label": "dev.planodev.path"})
            if c["Labels"]["dev.planodev.path"] == str(project.path)
        ]
    time.sleep(after)
    running.kill()
    running.communicate()
    api.kill(mine[0]["Id"])
    project("up")
    project.store("a")
    assert project.stored() == ["a"]


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_the_same_command_again_mends_a_first_up_that_ended_half_way_and_keeps_the_port(project, api, end):
    port = str(free_port())
    running = project.start("up", "--port", port)
    while not any(c["Labels"].get("dev.planodev.path") == str(project.path) for c in api.containers()):
        assert running.poll() is None
    getattr(running, end)()
    running.communicate()
    done = project("up", "--port", port)
    assert "was never ready" in done.err
    assert project.env["DB_PORT"] == port


def test_an_up_killed_at_any_moment_is_mended_by_the_next(project):
    seed = random.randrange(10**6)
    moments = random.Random(seed)
    for _ in range(5):
        running = project.start("up")
        pause = moments.uniform(0.05, 2.0)
        time.sleep(pause)
        running.kill()
        running.communicate()
    done = project("up", code=None)
    assert done.code == 0, f"seed {seed}: {done.err}"
    project.store("a")
    assert project.stored() == ["a"]


def test_a_server_that_runs_and_has_not_our_database_is_called_broken(project):
    project("up")
    with project.login(dbname="postgres") as session:
        session.execute("DROP DATABASE plano WITH (FORCE)")
    assert project.status()["state"] == "broken"
    project("up")
    assert (project.status()["state"], project.stored()) == ("running", [])


def test_too_short_a_timeout_leaves_nothing_that_the_next_up_cannot_mend(project, api):
    late = project("up", "--timeout", "0.05", "--json", code=6)
    assert late.error == "not-ready-in-time"
    api.kill(project.status()["container"])
    project("up")


def test_a_killed_server_loses_no_committed_row(project, api):
    project("up")
    for round_ in range(3):
        project.store(*(f"{round_}-{i}" for i in range(20)))
        api.kill(project.status()["container"])
        project("up")
    assert len(project.stored()) == 60


def test_data_that_was_deleted_on_purpose_is_not_said_to_be_gone(project):
    project("up")
    project("down", "--delete-data", "--yes")
    assert "gone" not in project("up").err
    have = project.status()
    project.api.remove_container(have["container"], force=True)
    project.api.remove_volume(have["volume"])
    assert "its data is gone" in project("up").err


def test_a_refused_deletion_says_once_what_would_go(project):
    project("up")
    said = project("down", "--delete-data", code=2)
    assert said.err.count("stored conversation turns") == 1
    assert said.err.count("would be gone for ever") == 1
