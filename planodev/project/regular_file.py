"""Read regular files of a bounded size; pipes and devices, which could block, are refused."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from planodev.project.env_kinds import is_of_a_shell, is_stream

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 10_000_000  # bytes; far more than any file that planodev reads whole


def read(path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        OSError: it is not there, no regular file, too large, or not to be read by this user.

    """
    if is_stream(path):
        raise OSError(errno.EINVAL, "it is a pipe or a device", str(path))
    if stat.S_ISDIR(path.stat().st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    # Without waiting, as for /proc/kmsg, which counts as a file; what a shell has made ends by itself.
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | (0 if is_of_a_shell(path) else getattr(os, "O_NONBLOCK", 0))
    found = bytearray()
    with os.fdopen(os.open(path, flags), "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        while max(size, len(found)) <= LARGEST and (piece := file.read(LARGEST + 1 - len(found))):
            found += piece
    if max(size, len(found)) > LARGEST:
        raise OSError(errno.EINVAL, f"it is larger than {LARGEST:,} bytes", str(path))
    if piece is None:
        raise OSError(errno.EINVAL, "reading it would block", str(path))
    return bytes(found)


def text(path: Path) -> str:
    """Return the text that a file holds; what is not UTF-8 in it stands as U+FFFD.

    Raises:
        OSError: as for `read`.

    """
    return read(path).decode(errors="replace")


def tail(path: Path, size: int) -> str:
    """Return the text at the end of a file, "" where it cannot be read.

    Args:
        path: the file.
        size: in bytes, at most.

    """
    try:
        if is_stream(path):
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            return file.read(size).decode(errors="replace")
    except OSError:
        return ""
