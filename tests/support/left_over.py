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
    try:
        file = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
    except OSError:
        return False
    _held[path] = file
    return path.exists()


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
    if left and engine_answers():
        from tests.support.docker_objects import remove_left

        remove_left(left + _of_pytest(left))
    for place in _of_pytest(left):  # pytest itself removes it, some runs later
        end_servers(place)
    for path in left:
        remove(path)


def _of_pytest(left: list[Path]) -> list[Path]:
    return [Path(file.read_text()) for path in left if (file := path / PYTEST).is_file()]
