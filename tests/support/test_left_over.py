"""What the next run of the tests takes for left over, where anybody may have written beside it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile

import psutil
import pytest

from tests.support import docker_objects, left_over
from tests.support.requirements import as_root

ANOTHER = 12345  # a user without a name


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Return a directory for temporary files, beside one that is none."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


@pytest.fixture
def swept(monkeypatch):
    """Return what sweeps, and tells whose servers, containers and volumes it would have ended."""
    found = set()
    monkeypatch.setattr(left_over, "engine_answers", lambda: True)
    monkeypatch.setattr(docker_objects, "remove_left", found.update)
    monkeypatch.setattr(left_over, "end_servers", found.add)

    def sweep():
        left_over.sweep()
        return found

    return sweep


@pytest.fixture
def left(temporary):
    """Return the directory that a killed run has left, with a note of where pytest had those of its tests."""
    path = temporary / f"{left_over.PREFIX}left"
    path.mkdir()
    (path / left_over.PYTEST).write_text(str(temporary / "pytest-1"))
    return path


def test_a_killed_run_and_its_tests_are_swept(temporary, swept, left):
    assert swept() == {left, temporary / "pytest-1"}
    assert not left.exists()


@pytest.mark.parametrize("text", ["../home", "pytest-1/../../home", ".", "", "a\0b", "\udcff"], ids=ascii)
def test_a_note_that_leads_elsewhere_is_none(temporary, swept, left, text):
    (left / left_over.PYTEST).write_bytes(os.fsencode(f"{temporary}/{text}"))
    assert swept() == {left}


def test_a_link_is_no_note_and_no_directory_of_a_run(temporary, swept, left):
    (left / left_over.PYTEST).rename(temporary / "note")
    (left / left_over.PYTEST).symlink_to(temporary / "note")
    (temporary / f"{left_over.PREFIX}link").symlink_to(temporary.parent / "home")
    assert swept() == {left}
    assert (temporary.parent / "home").exists()


def test_a_pipe_is_no_note(swept, left):
    (left / left_over.PYTEST).unlink()
    os.mkfifo(left / left_over.PYTEST)
    assert swept() == {left}


@pytest.mark.parametrize("of_another", [".", left_over.PYTEST])
def test_what_another_user_has_planted_is_not_heard(swept, left, of_another):
    as_root()
    os.chown(left / of_another, ANOTHER, ANOTHER)
    assert swept() == ({left} if of_another != "." else set())
    assert left.exists() == (of_another == ".")


@pytest.mark.parametrize("why", ["held", "gone"])
def test_a_directory_that_is_held_or_gone_keeps_nothing_open(swept, left, monkeypatch, why):
    with contextlib.ExitStack() as stack:
        if why == "held":
            file = os.open(left, os.O_RDONLY)
            stack.callback(os.close, file)
            fcntl.flock(file, fcntl.LOCK_EX)
        else:  # as where another run has just removed it
            monkeypatch.setattr(left_over.Path, "exists", lambda _: False)
        opened = psutil.Process().num_fds()
        assert swept() == set()
        assert psutil.Process().num_fds() == opened
