"""The lock of a project: one planodev at a time changes it."""

from __future__ import annotations

import errno
import os
import stat
import struct
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from planodev import masking
from planodev.pasting import posix
from planodev.problems import BadInput, Fix, NotReady, Shell
from planodev.project import private_files, user_paths
from planodev.visible import line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fasteners import InterProcessLock

    from planodev.project.identity import Project

# Seconds between two attempts to get the lock.
POLL = 0.02
PROGRAM = "planodev"
_SURELY_ENDED = 60.0  # seconds after which a write, which takes milliseconds, was killed
_WIDE = 120  # columns of the holder's command


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
    except (OSError, ThreadError) as error:  # fasteners raises ThreadError where the file system has no locks
        raise BadInput(
            "state-directory-unwritable",
            f"`{path.parent}` cannot be written",
            why=getattr(error, "strerror", None) or str(error),
            fix="set XDG_STATE_HOME to a directory that you own",
        ) from error
    if held is None:
        raise _locked(path, timeout)
    try:
        yield
    finally:
        held.release()


def _locked(path: Path, timeout: float) -> NotReady:
    """Return the error that names who holds a lock."""
    message, again = "another planodev is working in this project", "then run the command again"
    late = f"the lock was not given within {timeout:g} seconds"
    pid = _holder(path)
    if not pid:
        why = f"{late}; this system does not say which process holds it"
        return NotReady("locked", message, why=why, fix=f"wait for it, {again}")
    why = f"{late}: process {pid} holds it{_about(pid)}"
    fix = Fix("wait for it, or end it: ", Shell("kill {}", pid), f"; {again}")
    return NotReady("locked", message, why=why, fix=fix)


def _holder(path: Path) -> int | None:
    """Return the process that holds a lock, as the kernel says; None where it does not.

    It does so on Linux, for processes that this one may see. Source: fcntl_locking(2), F_GETLK.
    """
    if sys.platform != "linux":
        return None
    import fcntl

    # struct flock on 64-bit Linux: type, whence, start, length, process; `0q` pads the end.
    asked = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    with suppress(OSError, struct.error), path.open("rb") as file:
        kind, _, _, _, pid = struct.unpack("hhqqi0q", fcntl.fcntl(file, fcntl.F_GETLK, asked))
        return pid if kind != fcntl.F_UNLCK and pid > 0 else None
    return None


def _about(pid: int) -> str:
    """Return what is known of a process: its command, and since when it runs."""
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        words, since = process.cmdline(), time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(process.create_time()))
        own = next((i for i, word in enumerate(words) if os.path.basename(word) == PROGRAM), None)  # noqa: PTH119
        shown = " ".join(map(posix, [PROGRAM, *words[own + 1 :]] if own is not None else words))
        return f", `{line(masking.urls(shown), _WIDE)}`, running since {since}"
    return ", about which nothing else is known"


def discard(project: Project) -> None:
    """Remove the file of a lock that is held, for a project of which nothing is left."""
    with suppress(OSError):  # Windows does not remove open files
        _file(project.path).unlink()


def sweep(kept: Iterable[Path]) -> None:
    """Remove the files of locks that nobody holds, but for those of some directories."""
    from fasteners import InterProcessLock

    stay = {_file(directory) for directory in kept}
    with suppress(OSError):
        for path in _directory().glob("*.lock"):
            if path in stay or not stat.S_ISREG(path.lstat().st_mode):
                continue
            lock = InterProcessLock(path)
            if lock.acquire(blocking=False):
                path.unlink(missing_ok=True)
                lock.release()


def _directory() -> Path:
    return user_paths.state() / "locks"


def _file(directory: Path) -> Path:
    return _directory() / f"{user_paths.short_name(directory)}.lock"


def _refuse_no_file(path: Path) -> None:
    """Refuse what is no regular file: a pipe is waited for, and a link may lead root to a file of its own.

    Raises:
        OSError: it is a link, a pipe, a device or a directory.

    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(errno.EINVAL, f"`{path}` is a link, or no file")


def _acquire(path: Path, timeout: float) -> InterProcessLock | None:
    from fasteners import InterProcessLock

    ends = time.monotonic() + timeout
    while True:
        _refuse_no_file(path)
        lock = InterProcessLock(path)
        if not lock.acquire(delay=POLL, max_delay=POLL, timeout=max(0.0, ends - time.monotonic())):
            return None
        # Its last holder may have removed the file meanwhile, and a lock on a removed file keeps nobody out. One on a
        # file that a link leads to, which was put there a moment ago, does not either.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock.lockfile.fileno()), path.lstat()):
                private_files.give(lock.lockfile.fileno(), path.parent)
                return lock
        lock.release()


def tidy(project: Project) -> None:
    """Remove what killed writes have left in a project, unless another planodev is writing there at this moment."""
    places = {project.path: 0.0}
    for path in (project.env_path, project.keys_path):
        if path.is_symlink():  # it is written beside its target, where other projects may write, too
            places.setdefault(Path(os.path.realpath(path)).parent, _SURELY_ENDED)
    if any(private_files.leftovers(place) for place in places):
        with suppress(BadInput, NotReady), hold(project, 0):
            for place, age in places.items():
                private_files.sweep(place, age)
