"""A running database of a project, as the steps after its start pass it on."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from planodev.background import Job
from planodev.postgres.connection import Connection, host_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from planodev.engines import Container
    from planodev.look import Seen
    from planodev.postgres.proof import Evidence


class Prepared:
    """Prepared commands that create the table and run the proof as soon as the server accepts a login.

    Starting a command in a container takes the engine longer than the command itself; this way it does so
    while there is nothing else to do.

    Args:
        make_table: makes the table once its argument has returned True; returns what it printed.
        prove: runs the proof once its argument has returned True; None where it has to run elsewhere.
        limit: seconds to wait for a login; without one nothing here may ever begin.

    """

    def __init__(
        self,
        make_table: Callable[[Callable[[], bool]], str],
        prove: Callable[[Callable[[], bool]], Evidence] | None,
        limit: float,
    ) -> None:
        logged_in = threading.Event()
        self.go = logged_in.set
        self.made = made = Job(lambda: make_table(lambda: logged_in.wait(limit)))
        self._proof = Job(lambda: prove(lambda: made() is not None)) if prove else None

    def proof(self) -> Evidence | None:
        """Wait for the proof; None where it could not be run, or has to run elsewhere."""
        return self._proof() if self._proof else None


@dataclass(frozen=True)
class Database:
    """A running server of this project.

    Args:
        seen: the project, and what the engine has since the server runs.
        server: the container, or the embedded server.
        port: on this machine.
        password: of Plano's role, as Plano will send it.
        password_is: where it comes from: `kept`, `recovered` or `generated`.
        marked: whether its data has been ready before.
        found_running: whether it ran when it was looked at, and was left as it was.
        proved: the evidence of a proof that has passed in this run.
        prepared: table and proof, ready to be run the moment that a login succeeds.

    """

    seen: Seen
    server: Container
    port: int
    password: str = field(repr=False)
    password_is: str
    marked: bool = True
    found_running: bool = False
    proved: Evidence | None = None
    prepared: Prepared | None = field(default=None, repr=False)

    def of(self, seen: Seen) -> Database:
        """Return it with the project's files as they are now."""
        return replace(self, seen=seen)

    def connection(self, *, host: str | None = None) -> Connection:
        """Return the connection as Plano will open it, or through another `host`."""
        seen = self.seen
        there = host or host_of(seen.mode)
        return Connection(seen.user, self.password, there, self.port, seen.database, seen.config.options, own=True)
