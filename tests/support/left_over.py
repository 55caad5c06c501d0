"""Directories that a run of the tests holds, and the end of what a killed run has left in them and in the engine.

A held directory is locked by the process that has made it, so the lock ends with that process, however it ends. The
next run ends whatever belongs to a directory that nobody holds: its servers, containers, volumes and images.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import stat
import tempfile
from pathlib import Path

import psutil

from tests.support.requirements import engine_answers

PREFIX = "planodev-test-"
PYTEST = "directory-of-pytest"  # in the directory of a run: names the one in which pytest has those of its tests
SERVERS = {"postgres", "initdb", "pgbouncer", "brightstaff", "envoy"}
_held: dict[Path, int] = {}


def make() -> Path:
    """Make a directory that any user may enter, as those of pytest are not, and hold it."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
        path.chmod(0o755)
        if _hold(path):
            return path  # else another run has begun in between, and takes it for left over


@functools.cache
def run() -> Path:
    """Return the directory of this run, or of its worker."""
    return make()


def _hold(path: Path) -> bool:
    """Lock a directory, unless another run holds it, or has removed it meanwhile, or it is another user's."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = os.fstat(file).st_uid == os.geteuid() and path.exists()
    except OSError:
        held = False
    if held:
        _held[path] = file
    else:
        os.close(file)
    return held


def remove(path: Path) -> None:
    """End the servers of a held directory, and remove it."""
    end_servers(path)
    shutil.rmtree(path, ignore_errors=True)
    os.close(_held.pop(path))


def end_servers(place: Path) -> None:
    """End every server whose command names a directory below a place."""
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] in SERVERS and f"{place}/" in f"{' '.join(process.info['cmdline'] or [])}/":
            with contextlib.suppress(psutil.Error):
                process.kill()
                process.wait(5)


def sweep() -> None:
    """End what killed runs have left below the directory for temporary files."""
    left = [path for path in Path(tempfile.gettempdir()).resolve().glob(f"{PREFIX}*") if _hold(path)]
    of_pytest = _of_pytest(left)
    if left and engine_answers():
        from tests.support.docker_objects import remove_left

        remove_left(left + of_pytest)
    for place in of_pytest:  # pytest itself removes it, some runs later
        end_servers(place)
    for path in left:
        remove(path)


def _of_pytest(left: list[Path]) -> list[Path]:
    """Return where killed runs had the directories of their tests: below that for temporary files, by their own notes.

    Anybody may write there, so a note that is another user's, or that leads elsewhere, is none.
    """
    temporary = Path(tempfile.gettempdir()).resolve()
    found = []
    for path in left:
        with contextlib.suppress(OSError, ValueError):
            note = os.open(path / PYTEST, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(note, encoding="utf-8") as opened:
                about = os.fstat(note)
                if stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid():
                    place = Path(opened.read()).resolve()
                    found += [place] if temporary in place.parents else []
    return found
