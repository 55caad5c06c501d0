"""Read regular files of a bounded size; pipes and devices, which could block, are refused."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from planodev.project.env_kinds import is_stream

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 10_000_000  # bytes; far more than any file that planodev reads whole


def read(path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        OSError: it is not there, no regular file, too large, or not to be read by this user.

    """
    if is_stream(path):
        raise OSError(errno.EINVAL, "it is a pipe or a device", str(path))
    if path.stat().st_size > _LARGEST:
        raise OSError(errno.EFBIG, f"it is larger than {_LARGEST:,} bytes", str(path))
    return path.read_bytes()


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
