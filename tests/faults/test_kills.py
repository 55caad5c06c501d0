"""`planodev up` killed anywhere: at each of its lines, at each request to the engine, at random; the next one mends it.

PLANODEV_SEED repeats a run; PLANODEV_KILLS is the number of random kills. With 100 and more every boundary is tried.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import time

import pytest

from tests.support import boundaries, evidence, records
from tests.support.docker_objects import remove_all
from tests.support.kills import ELSEWHERE, MODEL, mended
from tests.support.ports import free_port
from tests.support.project import Project
from tests.support.seed import KILLS, SEED
from tests.support.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.fixture(autouse=True)
def seeded():
    """Print what repeats this run; pytest shows it where the test fails."""
    print(f"PLANODEV_SEED={SEED} PLANODEV_KILLS={KILLS}")


def some(numbers, share):
    """Return all of the boundaries in a long run, else some that the seed picks."""
    numbers = list(numbers)
    return numbers if KILLS >= 100 else sorted(random.Random(SEED).sample(numbers, max(1, round(len(numbers) * share))))


@pytest.fixture(scope="module")
def place(tmp_path_factory, api):
    place = tmp_path_factory.mktemp("kills")
    yield place
    remove_all(api, str(place))


@pytest.fixture
def fresh(place, api):
    """Make projects that were never up; they are removed at the end of the test."""
    made = []

    def make():
        made.append(Project(place / f"kills{next(NUMBERS)}", place / "state", api))
        return made[-1]

    yield make
    for project in made:
        remove_all(api, str(project.path))


NUMBERS = itertools.count()


@pytest.fixture
def filled(fresh):
    project = fresh()
    project("up", *MODEL)
    evidence.store(project, "first")
    return project


def test_killed_at_any_line_it_is_about_to_say_when_it_replaces_a_container_with_data(filled):
    rows = evidence.content(filled)
    for number in itertools.count():
        old = (filled.path / ".env").read_text()
        came = boundaries.killed_at_line(filled, number, "--port", str(free_port()))
        boundaries.env_is_whole(filled, {old})
        mended(filled, rows)
        if not came:
            break
    assert number >= 10


@pytest.mark.parametrize("number", some(range(9), 0.25))
def test_killed_at_any_line_of_a_first_up(fresh, number):
    project = fresh()
    assert boundaries.killed_at_line(project, number, *MODEL)
    boundaries.env_is_whole(project, {None})
    done = project("up")
    assert evidence.PROVED in done.out
    assert evidence.content(project) == []


@pytest.mark.parametrize(
    ("number", "when"), some([(number, when) for number in range(1, 17) for when in ("before", "after")], 0.15)
)
def test_killed_at_any_request_that_changes_the_engine_when_there_is_data(filled, place, number, when):
    rows = evidence.content(filled)
    old = (filled.path / ".env").read_text()
    options = ("--port", str(free_port()))
    reached = boundaries.killed_at_request(filled, str(place), number, when, *options)
    assert reached or number > 14, "there were fewer requests"
    boundaries.env_is_whole(filled, {old})
    mended(filled, rows, *options)


@pytest.mark.parametrize(
    ("number", "when"), some([(number, when) for number in range(1, 12) for when in ("before", "after")], 0.15)
)
def test_killed_at_any_request_of_a_first_up(fresh, place, number, when):
    project = fresh()
    reached = boundaries.killed_at_request(project, str(place), number, when, *MODEL)
    assert reached or number > 9, "there were fewer requests"
    boundaries.env_is_whole(project, {None})
    mended(project, [], *MODEL)


@pytest.mark.parametrize("after", [0.02, 0.05, 0.2, 0.45, 0.7, 1.0, 1.5])
def test_the_server_killed_after_its_first_start(fresh, api, after):
    """Count from the moment at which the engine has started it, and kill the server alone."""
    project = fresh()
    running = project.start("up", *MODEL)
    found = []

    def started():
        assert running.poll() is None, running.communicate()
        items = api.containers(filters={"label": "dev.planodev.path"})
        found.extend(c["Id"] for c in items if c["Labels"]["dev.planodev.path"] == str(project.path))
        return found

    until(started, "a container")
    time.sleep(after)  # noqa: TID251  the moment is the fault
    api.kill(found[0])
    _, said = running.communicate(timeout=90)
    assert "Traceback" not in said
    if running.returncode == 0:
        until(lambda: api.inspect_container(found[0])["State"]["Status"] == "exited", "the end of the server")
    rows = []
    mended(project, rows, *MODEL)
    evidence.store(project, "a")
    assert len(evidence.content(project)) == 1


def test_killed_again_and_again_before_it_was_ever_up(fresh):
    moments, project = random.Random(SEED), fresh()
    for _ in range(5):
        running = project.start("up", *MODEL)
        time.sleep(moments.uniform(0.05, 2.0))  # noqa: TID251  the moment is the fault
        running.kill()
        running.communicate()
    mended(project, [], *MODEL)
    assert evidence.store(project, "a")
    assert len(evidence.content(project)) == 1


def work_for_up(project, moments, api):
    """Give the next `up` something to do; returns its options and what `.env` may be found as."""
    path = project.path / ".env"
    kind = moments.choice(["port", "name", "plano", "password", "env", "container", "nothing"])
    options = {
        "port": ["--port", str(free_port())],
        "name": ["--name", f"plano-kills-{os.getpid()}-{moments.randrange(10**6)}"],
        "plano": ["--plano", moments.choice(["docker", "native"])],
    }.get(kind, [])
    if kind == "password":
        project.change(".env", "^DB_PASS=.*", f"DB_PASS=password-{moments.randrange(10**6)}")
    elif kind == "env":
        path.unlink()
    elif kind == "container":
        api.remove_container(project.status()["container"], force=True)
    return kind, options, {path.read_text() if path.exists() else None}


def test_killed_at_random_moments_it_is_mended_each_time_and_no_row_is_lost(fresh, api):
    moments, killed = random.Random(SEED), 0
    project, rows, longest = None, [], {}
    for number in itertools.count():
        if number % 10 == 0:
            project, rows = fresh(), []  # a first `up`
            kind, options, envs = "first", list(MODEL), {None}
        else:
            kind, options, envs = work_for_up(project, moments, api)
        moment, with_server = moments.uniform(0, longest.get(kind, 1.8)), moments.random() < 1 / 3
        print(f"kill {number}: {kind} {options} after {moment:.3f} s{', the server too' if with_server else ''}")
        running = project.start("up", *options)
        time.sleep(moment)  # noqa: TID251  the moment is the fault
        running.kill()
        running.communicate()
        killed += running.returncode == -signal.SIGKILL
        if running.returncode == 0:
            longest[kind] = moment  # it had ended before; such a one does not count
        boundaries.env_is_whole(project, envs)
        name = project.status()["container"]
        if with_server and name and api.inspect_container(name)["State"]["Running"]:
            api.kill(name)
        records.of(project)
        mended(project, rows)
        records.hold(project)
        evidence.store(project, f"row {number}")
        rows = evidence.content(project)
        assert len(rows) == number % 10 + 1
        if killed >= KILLS - 3 * ELSEWHERE:
            break
