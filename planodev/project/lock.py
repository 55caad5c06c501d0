"""One planodev at a time in a project, so that eight terminals end with one database."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from planodev.problems import BadInput, NotReady
from planodev.project import private_files, user_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from fasteners import InterProcessLock

    from planodev.project.identity import Project

# Seconds between two looks at a lock that another process holds.
POLL = 0.02


@contextmanager
def hold(project: Project, timeout: float) -> Iterator[None]:
    """Hold the project's lock; the system frees it when the process dies, however that happens.

    Args:
        project: the directory; the lock lives outside it, so nothing there has to be ignored by git.
        timeout: seconds to wait for another planodev.

    Raises:
        NotReady: another planodev still works in the project after `timeout`.

    """
    from threading import ThreadError

    path = _file(project.path)
    try:
        private_files.make_directory(path.parent)
        held = _acquire(path, timeout)
    except (OSError, ThreadError) as error:  # fasteners says ThreadError where the file system has no locks
        raise BadInput(
            "state-directory-unwritable",
            f"`{path.parent}` cannot be written",
            why=getattr(error, "strerror", None) or str(error),
            fix="set XDG_STATE_HOME to a directory of yours",
        ) from error
    if held is None:
        raise NotReady(
            "locked",
            "another planodev is working in this project",
            why=f"it still holds the lock after {timeout:g} seconds",
            fix="wait for it, then run the command again",
        )
    try:
        private_files.give(held.lockfile.fileno(), path.parent)
        yield
    finally:
        held.release()


def discard(project: Project) -> None:
    """Remove the file of a lock that is held, for a project of which nothing is left."""
    with suppress(OSError):  # Windows removes no open file
        _file(project.path).unlink()


def sweep(kept: Iterable[Path]) -> None:
    """Remove the files of locks that nobody holds, but for those of some directories."""
    from fasteners import InterProcessLock

    stay = {_file(directory) for directory in kept}
    with suppress(OSError):
        for path in _directory().glob("*.lock"):
            lock = InterProcessLock(path)
            if path not in stay and lock.acquire(blocking=False):
                path.unlink(missing_ok=True)
                lock.release()


def _directory() -> Path:
    return user_paths.state() / "locks"


def _file(directory: Path) -> Path:
    name = hashlib.sha256(str(directory).encode()).hexdigest()[:16]
    return _directory() / f"{name}.lock"


def _acquire(path: Path, timeout: float) -> InterProcessLock | None:
    from fasteners import InterProcessLock

    ends = time.monotonic() + timeout
    while True:
        lock = InterProcessLock(path)
        if not lock.acquire(delay=POLL, max_delay=POLL, timeout=max(0.0, ends - time.monotonic())):
            return None
        # Who held it may have removed the file meanwhile, and then a lock on it keeps nobody out.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock.lockfile.fileno()), path.stat()):
                return lock
        lock.release()


def tidy(project: Project) -> None:
    """Remove what killed writes have left in a project, unless another planodev is writing there at this moment."""
    if private_files.leftovers(project.path):
        with suppress(BadInput, NotReady), hold(project, 0):
            private_files.sweep(project.path)
