"""`.env` leads and the database follows; what was killed or removed is mended; nothing committed is lost."""

from __future__ import annotations

import pytest

from tests.support.ports import free_port
from tests.support.waiting import until

pytestmark = pytest.mark.docker


@pytest.mark.slow
@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_the_same_command_again_mends_a_first_up_that_ended_half_way_and_keeps_the_port(project, api, end):
    port = str(free_port())
    running = project.start("up", "--port", port)
    mine = {"label": f"dev.planodev.path={project.path}"}
    until(lambda: running.poll() is not None or api.containers(filters=mine), "its container")
    assert running.poll() is None
    getattr(running, end)()
    running.communicate()
    done = project("up", "--port", port)
    assert "was never ready" in done.err
    assert project.env["DB_PORT"] == port


@pytest.mark.slow
def test_a_server_that_runs_and_has_not_our_database_is_called_broken(project):
    project("up")
    with project.login(dbname="postgres") as session:
        session.execute("DROP DATABASE plano WITH (FORCE)")
    assert project.status()["state"] == "broken"
    project("up")
    assert (project.status()["state"], project.stored()) == ("running", [])


@pytest.mark.slow
def test_too_short_a_timeout_leaves_nothing_that_the_next_up_cannot_mend(project, api):
    late = project("up", "--timeout", "0.05", "--json", code=6)
    assert late.error == "not-ready-in-time"
    api.kill(project.status()["container"])
    project("up")


@pytest.mark.slow
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
    assert said.err.count("would be deleted permanently") == 1
