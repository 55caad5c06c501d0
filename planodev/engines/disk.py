"""Whether the disk that holds the data has room."""

from __future__ import annotations

import shutil
from typing import NamedTuple

from planodev.problems import Fix, Problem, Shell

SCARCE, FULL = 2e9, 2e8  # bytes; a first start of Postgres writes 40 MB, its image takes 450 MB


class Room(NamedTuple):
    """The fullest of some disks, described, and its problem, None where it has enough room."""

    text: str
    problem: Problem | None


def judge(*places: str | None) -> Room:
    """Look at the disks of some directories; None for one that is not of this machine, see `Engine.disk`."""
    free, place = min((shutil.disk_usage(place).free, place) for place in places if place)
    text = f"{free / 1e9:.1f} GB free at {place}"
    if free >= SCARCE:
        return Room(text, None)
    fix = Fix("free some of it: `docker system df` and ", Shell("du -sh {}", place), " show what uses it")
    why = "Postgres stops when its disk is full"
    return Room(text, Problem("disk-full", text, fix, why, "error" if free < FULL else "warning"))
