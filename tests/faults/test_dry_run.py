"""`--dry-run` says what `up` would do and changes nothing; `test_faults.py` does it for each row of the matrix."""

from __future__ import annotations

import pytest

from tests.support import boundaries, evidence
from tests.support.docker_proxy import changes, gate
from tests.support.ports import free_port, listening

from .matrix import MATRIX, MATRIX_TEST

pytestmark = pytest.mark.docker

MODEL = ("--model", "anthropic/claude-sonnet-4-5")


def looked_at(project, tmp_path, *options, code=0):
    """Run a dry run; hold engine and files to what they were, and its requests to looks."""
    asked = []

    def note(method, path):
        if changes(method, path):
            asked.append((method, path))

    before = evidence.engine(project.api, str(project.path)), evidence.files(project.path)
    with gate(str(tmp_path), before=note) as url:
        dry = project("up", "--dry-run", *options, code=code, DOCKER_HOST=url)
    assert (evidence.engine(project.api, str(project.path)), evidence.files(project.path)) == before
    # A container that is made to look into a volume, read-only, and removed; and one look at an image's version.
    allowed = {("POST", "create"), ("POST", "start"), ("POST", "wait"), ("DELETE", "containers")}
    kinds = {
        (
            method,
            path.split("/")[1] if method == "DELETE" else path.split("?")[0].rsplit("/", 1)[1],
        )
        for method, path in asked
        if "/exec" not in path
    }
    assert kinds <= allowed, asked
    return dry


def test_every_drift_and_conflict_is_looked_at_by_a_dry_run_as_well():
    assert not [row.name for row in MATRIX if row.test == MATRIX_TEST and row.dry is None]


def test_before_the_first_up_there_is_nothing_after_it_either(project, tmp_path):
    dry = looked_at(project, tmp_path, *MODEL)
    for line in ("would be created", ".env: would be created", "config.yaml: would be created"):
        assert line in dry.err
    assert "Nothing was changed" in dry.out
    assert list(project.path.iterdir()) == []


@pytest.mark.parametrize("number", [4, 5, 6])
@pytest.mark.slow
def test_what_a_killed_first_up_left_is_said_and_stays(project, tmp_path, number):
    boundaries.killed_at_request(project, str(tmp_path), number, "after", *MODEL)
    dry = looked_at(project, tmp_path, *MODEL)
    assert "never ready" in dry.err
    assert "would be created" in dry.err
    done = project("up", *MODEL)
    assert "never ready" in done.err
    assert evidence.PROVED in done.out


@pytest.mark.slow
def test_what_is_refused_is_refused_by_a_dry_run_with_the_same_code(project, tmp_path):
    project("up", *MODEL)
    with listening() as port:
        dry = looked_at(project, tmp_path, "--port", str(port), code=4)
        assert "[port-taken]" in dry.err
    looked_at(project, tmp_path, "--image", "postgres:18", code=4)
    looked_at(project, tmp_path, "--image", f"127.0.0.1:{free_port()}/nobody/postgres:16", "--pull", "never", code=2)


@pytest.mark.slow
def test_a_database_that_was_stopped_would_be_started(project, tmp_path):
    project("up", *MODEL)
    project("down", "--keep-data")
    dry = looked_at(project, tmp_path)
    assert f"{project.status()['container']}: would be started" in dry.err
    data = looked_at(project, tmp_path, "--json").json
    assert (data["ok"], data["data"]["state"]) == (True, "stopped")
