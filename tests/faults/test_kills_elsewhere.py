"""`down`, the move between engines and `up --adopt` killed at random moments: no row is lost, and the record is true.

Source of the moments and their number: PLANODEV_SEED and PLANODEV_KILLS, see `test_kills.py`, which kills the rest.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import time

import docker
import pytest

from tests.support import evidence, left_over, records
from tests.support.by_hand import ROWS, ByHand
from tests.support.docker_objects import remove_all
from tests.support.engine_project import OnEngine
from tests.support.kills import ELSEWHERE, MODEL, mended
from tests.support.requirements import require_engine
from tests.support.seed import SEED

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.fixture
def place(api):
    """Return a directory that the user who runs an embedded server can enter."""
    base = left_over.make()
    yield base
    remove_all(api, str(base))
    left_over.remove(base)


def kills(longest):
    """Yield moments until so many kills have met a planodev at work; each is sent whether its own did."""
    moments, killed = random.Random(SEED), 0
    while killed < ELSEWHERE:
        moment = moments.uniform(0, longest)
        met = yield moment
        killed += met
        longest = longest if met else min(longest, moment)


def kill(project, moment, *arguments):
    """Start a command, and kill it; returns whether it was still at work."""
    running = project.start(*arguments)
    time.sleep(moment)  # noqa: TID251  the moment is the fault
    running.kill()
    _, said = running.communicate()
    print(f"`{' '.join(arguments)}` after {moment:.3f} s: {running.returncode}")
    assert "Traceback" not in said
    records.of(project)
    return running.returncode == -signal.SIGKILL


def each(longest, work):
    """Do the work at each moment, and tell the moments whether it met anything."""
    moments = kills(longest)
    with contextlib.suppress(StopIteration):
        moment = next(moments)
        while True:
            moment = moments.send(work(moment))


def test_a_down_killed_at_random_moments_is_mended_and_loses_no_row(place, api):
    project = OnEngine(place / "down", place, "docker", api)
    project("up", *MODEL)
    evidence.store(project, "first")
    rows = evidence.content(project)

    def work(moment):
        met = kill(project, moment, "down", "--keep-data")
        mended(project, rows)
        records.hold(project)
        return met

    each(1.5, work)


def test_a_move_killed_at_random_moments_is_finished_and_loses_no_row(place, api):
    require_engine("embedded")
    project = OnEngine(place / "move", place, "auto", api)
    project("up", *MODEL)
    evidence.store(project, *(f"row {number}" for number in range(20)))
    rows = evidence.content(project)

    def work(moment):
        here = project.status()["engine"]["name"]
        met = kill(project, moment, "up", "--engine", "docker" if here == "embedded" else "embedded", "--yes")
        mended(project, rows)
        records.hold(project)
        return met

    each(4.0, work)


def test_an_adoption_killed_at_random_moments_is_finished_and_loses_no_row(place, api):
    numbers, made = itertools.count(), []

    def work(moment):
        found = ByHand(api, f"by-hand-{os.urandom(4).hex()}")
        made.append(found)
        project = OnEngine(place / f"adopt{next(numbers)}", place, "docker", api)
        met = kill(project, moment, "up", "--adopt", "--name", found.name, *MODEL)
        again = project("up", "--name", found.name, *MODEL, code=None)
        assert again.code in (0, 4), again.err
        if again.code == 4:  # nothing was begun
            assert "database-made-by-hand" in again.err
            project("up", "--adopt", "--name", found.name, *MODEL)
        assert project.stored() == ROWS
        records.hold(project)
        assert found.facts()["State"]["Status"] == "exited"  # and kept
        remove_all(api, str(project.path))
        return met

    try:
        each(2.5, work)
    finally:
        for found in made:
            with contextlib.suppress(docker.errors.APIError):
                api.remove_container(found.id, force=True, v=True)
