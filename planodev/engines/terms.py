"""The words of an engine: what it runs Postgres in, so that every message is true for each of them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planodev.engines import Container


@dataclass(frozen=True)
class Terms:
    """Nouns, and commands to be filled in by `fill`.

    Args:
        server: what runs: `container`.
        data: what holds the data: `volume`.
        log: the command that shows the server's log.
        console: the command that opens the server as its superuser.
        other_major: what to do about data of another major version, with a place for `{major}`.
        damaged: the command that keeps damaged data for a repair.
        alone: the command that lets the superuser log in again, by PostgreSQL without its server.

    """

    server: str
    data: str
    log: str
    console: str
    other_major: str
    damaged: str
    alone: str


def fill(template: str, container: Container, user: str = "") -> str:
    """Return a command for one server, quoted for the shell."""
    return template.format(
        name=container.name,
        id=shlex.quote(container.id),
        port=container.port,
        user=user,
        volume=container.volume,
        image=container.image,
    )
