"""`up` and `down` on the embedded engine killed at random, often with the server: no row is lost, records are true.

Source of the moments and their number: PLANODEV_SEED and PLANODEV_KILLS, see `test_kills.py`.
"""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import boundaries, evidence, records
from tests.support.kills import MODEL, mended
from tests.support.ports import free_port
from tests.support.seed import KILLS, SEED

pytestmark = [pytest.mark.embedded, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
TURNS = 10  # of one project, until the next one begins with a first `up`


def work_for(project, moments):
    """Give the next command something to do; returns the command, and what `.env` may be found as."""
    path = project.path / ".env"
    kind = moments.choice(["down", "port", "password", "user", "env", "stopped", "nothing"])
    command = ["down", "--keep-data"] if kind == "down" else ["up"]
    if kind == "port":
        command += ["--port", str(free_port())]
    elif kind == "password":
        project.change(".env", "^DB_PASS=.*", f"DB_PASS=password-{moments.randrange(10**6)}")
    elif kind == "user":
        project.change(".env", "^DB_USER=.*", f"DB_USER=role{moments.randrange(10**6)}")
    elif kind == "env":
        path.unlink()
    elif kind == "stopped":
        project("down", "--keep-data")
    return kind, command, {path.read_text() if path.exists() else None}


def test_killed_at_any_statement_while_a_role_is_made_it_is_mended(make_project):
    project = make_project()
    project("up", *MODEL)
    project.store("kept")
    for number in itertools.count():
        project.change(".env", "^DB_USER=.*", f"DB_USER=role{number}")
        command = [sys.executable, "-m", "tests.support.killed_at", str(number), "-C", str(project.path), "up"]
        done = subprocess.run(command, env=project.environment, cwd=ROOT, capture_output=True, check=False, timeout=120)
        assert evidence.PROVED in project("up").out, number
        assert project.stored() == ["kept"]
        if done.returncode == 0:
            break
    assert number > 3, "there were fewer statements"


def test_killed_at_random_moments_it_is_mended_each_time_and_no_row_is_lost(make_project):
    print(f"PLANODEV_SEED={SEED} PLANODEV_KILLS={KILLS}")
    moments, killed, longest = random.Random(SEED), 0, {}
    project, rows = None, []
    for number in itertools.count():
        if number % TURNS == 0:
            project, rows = make_project(f"kills{number}"), []
            kind, command, envs = "first", ["up", *MODEL], {None}
        else:
            kind, command, envs = work_for(project, moments)
        moment, with_server = moments.uniform(0, longest.get(kind, 1.8)), moments.random() < 1 / 3
        print(f"kill {number}: {kind} {command} after {moment:.3f} s{', the server too' if with_server else ''}")
        running = project.start(*command)
        time.sleep(moment)  # noqa: TID251  the moment is the fault
        running.kill()
        _, said = running.communicate()
        assert "Traceback" not in said
        killed += running.returncode == -signal.SIGKILL
        if running.returncode == 0:
            longest[kind] = moment  # it had ended before; such a one does not count
        boundaries.env_is_whole(project, envs)
        if with_server and project.status()["state"] == "running":
            project.kill()
        records.of(project)
        mended(project, rows)
        records.hold(project)
        evidence.store(project, f"row {number}")
        rows = evidence.content(project)
        assert len(rows) == number % TURNS + 1
        if killed >= KILLS:
            break
