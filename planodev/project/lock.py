"""One planodev at a time in a project, so that eight terminals end with one database."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from planodev.problems import BadInput, NotReady
from planodev.project import private_files

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    from fasteners import InterProcessLock
    from platformdirs import user_state_path

    directory = user_state_path("planodev") / "locks"
    name = hashlib.sha256(str(project.path).encode()).hexdigest()[:16]
    lock = InterProcessLock(directory / f"{name}.lock")
    try:
        private_files.make_directory(directory)
        held = lock.acquire(delay=POLL, max_delay=POLL, timeout=timeout)
        private_files.give(directory / f"{name}.lock")
    except (OSError, ThreadError) as error:  # fasteners says ThreadError where the file system has no locks
        raise BadInput(
            "state-directory-unwritable",
            f"`{directory}` cannot be written",
            why=getattr(error, "strerror", None) or str(error),
            fix="set XDG_STATE_HOME to a directory of yours",
        ) from error
    if not held:
        raise NotReady(
            "locked",
            "another planodev is working in this project",
            why=f"it still holds the lock after {timeout:g} seconds",
            fix="wait for it, then run the command again",
        )
    try:
        yield
    finally:
        lock.release()
