"""A database that an engine has, of whatever project: what `planodev list` shows and `forget` deletes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planodev.project.identity import Owner


@dataclass(frozen=True)
class ListedDatabase:
    """A database that an engine has.

    Args:
        owner: the project that it was made for.
        engine: `docker` or `embedded`.
        place: the volume or the data directory; "" for a server without one.
        state: of its server, such as `running`; "" where there is none.
        bytes: on the disk; None where the engine does not say.
        stopped_at: when its server ended, in seconds since 1970; None where it runs, or nobody knows.

    """

    owner: Owner
    engine: str
    place: str
    state: str
    bytes: int | None
    stopped_at: float | None
