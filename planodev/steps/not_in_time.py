"""What did not end within `--timeout`: the error, and what allows more time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.problems import Command, Fix, NotReady
from planodev.project.settings import LONGEST

if TYPE_CHECKING:
    from planodev.engines import Late
    from planodev.look import Seen


def longer(seconds: float) -> Fix | None:
    """Return the command that waits twice as long, at most the longest time there is; None where that was waited."""
    return None if seconds >= LONGEST else Fix(Command("up", "--timeout", f"{min(seconds * 2, LONGEST):g}"))


def error(seen: Seen, late: Late) -> NotReady:
    """Return the error for what an engine did not end in time."""
    return NotReady(
        "not-ready-in-time",
        str(late),
        why="this machine is overloaded, or its disk is not responding",
        fix=longer(seen.deadline.seconds)
        or Fix("once the disk responds and the machine is less loaded: ", Command("up")),
    )
