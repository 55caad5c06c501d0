"""Each row of the fault matrix: inflicted for real on a database with rows, then `planodev up` and every row."""

from __future__ import annotations

import contextlib
import itertools

import pytest

from tests.faults import inflict
from tests.support import evidence
from tests.support.case import Case
from tests.support.docker_objects import remove_all
from tests.support.ports import free_port
from tests.support.project import Project
from tests.support.tiers import slow_but

from .matrix import MATRIX, MATRIX_TEST

pytestmark = pytest.mark.docker

ROWS = {row.name: row for row in MATRIX if row.test == MATRIX_TEST}
# For `make test`, one that is mended by a statement and one by another container.
SAMPLE = ("password_changed", "container_removed")
NUMBERS = itertools.count()
# By PostgreSQL itself, before it gives up.
CHANGED_BY_STARTING = ("postmaster.pid", "postmaster.opts", "pg_stat/pgstat.stat", "global/pg_control")


@pytest.fixture(scope="module")
def pool(tmp_path_factory, api):
    """Return a project that is up and has the rows of all tests before; one that was not mended is given up."""
    place = tmp_path_factory.mktemp("faults")
    projects = []

    def lend():
        if not projects:
            projects.append(Project(place / f"faults{next(NUMBERS)}", place / "state", api))
            # A port of its own: the usual ones come and go with every other project here.
            projects[0]("up", "--model", "anthropic/claude-sonnet-4-5", "--port", str(free_port()))
        return projects[0]

    lend.give_up = projects.clear
    lend.give_back = projects.append
    lend.place = place
    yield lend
    remove_all(api, str(place))


@pytest.fixture
def case(pool, api, request):
    others = []

    def another():
        others.append(Project(pool.place / f"other{next(NUMBERS)}", pool.place / "state", api))
        others[0]("up", "--model", "anthropic/claude-sonnet-4-5")
        evidence.store(others[0], "of the other one")
        return others[0]

    with contextlib.ExitStack() as undo:
        made = Case(pool(), api, str(pool.place), another, request.getfixturevalue, undo)
        made.others = others
        yield made
    for other in others:
        remove_all(api, str(other.path))


@pytest.mark.parametrize("row", slow_but(SAMPLE, ROWS))
def test_a_fault_is_repaired_or_explained_and_no_row_is_lost(row, case, pool):
    row = ROWS[row]
    project = case.project
    pool.give_up()  # until it works again
    evidence.store(project, f"{row.name}-1", f"{row.name}-2")
    committed, database = evidence.content(project), project.env["DB_NAME"]
    secrets = evidence.passwords(project)
    inflict.by(row.name)(case)
    secrets |= evidence.passwords(project, *case.others)
    options = [option.format(**case.words) for option in row.options]

    if row.dry is not None:
        dry_run(row, case, options)
    before = evidence.data(case.api, case.volume) if row.broken and not row.restless else None
    done = project("up", *options, code=row.code, **case.variables)
    secrets |= evidence.passwords(project)
    said = done.err + done.out
    parts = [part.format(**case.words) for part in row.said]
    assert not parts or evidence.one_line(said, parts), f"no line with {parts} in\n{said}"
    assert not [word for word in secrets if word in said], "a password was said"
    if row.code:
        assert f"[{row.error}]" in done.err, done.err
        assert "  fix: " in done.err
        if before is not None:
            case.api.stop(case.name, timeout=5) if row.code == 6 else None
            changed = {name for name, _ in evidence.data(case.api, case.volume).items() ^ before.items()}
            assert not [name for name in changed if not name.endswith(CHANGED_BY_STARTING)]
    else:
        assert evidence.PROVED in done.out
        if row.rows == "kept":
            assert evidence.content(project) == committed
        elif row.rows == "elsewhere":
            assert (evidence.content(project, dbname=database), evidence.content(project)) == (committed, [])
        else:
            assert evidence.content(project) == []

    for other in case.others:
        assert len(evidence.content(other)) == 1
    case.undo.close()
    mended = project("up", *row.after)
    assert evidence.PROVED in mended.out
    assert row.rows == "gone" or evidence.content(project) == committed
    assert not list(project.path.glob("..env.*"))
    pool.give_back(project)


def dry_run(row, case, options):
    """Say what `up` would do, and change nothing: neither in the engine nor in a file."""
    prefix = str(case.project.path)
    engine, files = evidence.engine(case.api, prefix), evidence.files(case.project.path)
    dry = case.project("up", "--dry-run", *options, code=row.dry_code, **case.variables)
    parts = [part.format(**case.words) for part in row.dry]
    assert evidence.one_line(dry.err + dry.out, parts), f"no line with {parts} in the dry run\n{dry.err}"
    assert evidence.files(case.project.path) == files
    after = evidence.engine(case.api, prefix)
    if row.restless:
        engine, after = (({number: seen[0] for number, seen in item[0].items()}, item[1]) for item in (engine, after))
    assert after == engine
