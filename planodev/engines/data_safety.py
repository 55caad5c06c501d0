"""Servers and data that do not belong together: what would destroy data is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.problems import Command, Conflict, Fix, Problem, Shell
from planodev.project import defaults

if TYPE_CHECKING:
    from planodev.engines import Container, Observed
    from planodev.problems import Level


def two_servers(observed: Observed, level: Level = "error") -> Problem | None:
    """Return the problem of PostgreSQL in another container over the project's volume, None where there is none."""
    if not observed.other_server or not observed.volume:
        return None
    message = f"another container runs PostgreSQL over this project's data: `{observed.other_server}`"
    why = f"both would write into the volume `{observed.volume.name}`, and two servers destroy their data"
    return Problem(
        "data-in-use",
        message,
        Fix(Shell("docker stop {}", observed.other_server), ", then ", Command("up")),
        why,
        level,
    )


def outside_volume(server: Container, data: str) -> Conflict:
    """Return the error for a server whose data is not in its volume: nothing may replace or remove it.

    Args:
        server: the container.
        data: where the data is, "" where that is not known.

    """
    where = f"it, or a part of it, is at `{data}`, and" if data else "the volume is empty, and the data"
    return Conflict(
        "data-outside-volume",
        f"the container `{server.name}` does not keep its data in its volume `{server.volume}`",
        why=f"{where} would be lost with the container; nothing was changed",
        fix=Fix(
            *(Shell("docker start {}", server.name), ", then ", Command("snapshot", "save"), ", "),
            *(Command("down", "--delete-data"), ", ", Command("up", "--image", defaults.IMAGE), " and "),
            *(Command("snapshot", "restore"), " bring its conversations into a volume"),
        ),
    )
