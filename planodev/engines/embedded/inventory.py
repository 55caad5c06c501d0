"""Every database of the embedded engine, by the directories that it has made."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from planodev.engines.embedded import describe, directories, process
from planodev.engines.inventory import ListedDatabase

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = 512  # bytes: the unit of `st_blocks`


def databases() -> list[ListedDatabase]:
    """Return all that this user may look into."""
    found = []
    for directory in directories.all_directories():
        with suppress(PermissionError, FileNotFoundError):
            labels = directory.labels()
            if labels is None:
                continue
            running = process.postmaster(directory)
            stopped = None if running or not directory.log.exists() else directory.log.stat().st_mtime
            state = "running" if running else "exited"
            found.append(
                ListedDatabase(
                    describe.owner(labels), "embedded", str(directory.path), state, _size(directory.path), stopped
                )
            )
    return found


def _size(directory: Path) -> int:
    """Return the bytes that a directory takes on the disk; what goes away meanwhile takes none."""
    total = 0
    for place, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):
                stat = os.lstat(os.path.join(place, name))  # noqa: PTH118  thousands of them
                total += getattr(stat, "st_blocks", -(-stat.st_size // _BLOCK)) * _BLOCK
    return total
