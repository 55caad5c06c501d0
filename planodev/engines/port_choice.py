"""Which port the server gets: the wanted one, else the next free one and a warning; an error where it was asked for."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.engines.port_holders import UNKNOWN
from planodev.problems import Command, Conflict, Fix, Problem
from planodev.project import defaults

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from planodev.project.settings import Setting

    Holder = Callable[[int], str | None]  # says who listens at a port, None where it is free
    Choice = tuple[int, tuple[Problem, ...]]  # the port, and what the user has to know of it

# Ports that Plano and its parts take, so that the database never gets in their way.
# Source: planoai 0.4.39 `native_runner.py` and `docker_cli.py`; 8000 is the default template's agent listener.
PLANO_PORTS = frozenset({8000, 9901, 19901, 9091, 9092, 10000, 10001, 10510, 11000, 12000, 12001})


def choose(wanted: Setting[int], holder: Holder, *, own: int | None = None, first: int = 1, user: str = "") -> Choice:
    """Return a free port, with a warning where it is not the wanted one.

    Args:
        wanted: the first one to try.
        holder: says who listens at a port.
        own: the port of this project's running server, which counts as free.
        first: the lowest port that the server may have.
        user: whom the server runs as, where not every user may have every port.

    Raises:
        Conflict: the port was asked for and is taken, none of the next hundred is free, or it is below `first`.

    """

    def other(port: int) -> str | None:
        return None if port == own else holder(port)

    if wanted.value == own:
        return own, ()
    if wanted.value < first:
        possible = own or next_free(max(first, defaults.PORT) - 1, holder) or defaults.PORT
        raise _privileged(wanted.value, user, first, possible)
    taken_by = other(wanted.value)
    if taken_by is None:
        return wanted.value, ()
    free = next_free(wanted.value, other)
    if wanted.asked or free is None:
        raise Conflict(
            "port-taken",
            f"port {wanted.value} is taken",
            why=f"held by {taken_by}",
            fix=Fix(Command("up", "--port", free)) if free else Fix(Command("up", "--port", "N"), " with a free port"),
        )
    return free, (_moved(wanted.value, taken_by, free),)


def choose_again(wanted: Setting[int], lost: int, holder: Holder) -> Choice:
    """Return the next free port for one that was lost between the look and the start.

    Args:
        wanted: the first one that was tried.
        lost: the one that another program has taken meanwhile, whether or not it can be seen.
        holder: says who listens at a port.

    Raises:
        Conflict: the port was asked for, or none of the next hundred is free.

    """

    def taker(port: int) -> str:
        return holder(port) or UNKNOWN

    free, _ = choose(replace(wanted, value=lost), lambda port: taker(port) if port == lost else holder(port))
    return free, (_moved(wanted.value, taker(wanted.value), free),)


def next_free(taken: int, holder: Holder, without: Collection[int] = ()) -> int | None:
    """Return the first free port of the hundred behind one, without Plano's own; None where all are taken."""
    following = range(taken + 1, min(taken + 101, 65536))
    possible = (port for port in following if port not in PLANO_PORTS and port not in without)
    return next((port for port in possible if holder(port) is None), None)


def unused() -> int:
    """Return a port of 127.0.0.1 that nobody has, and nobody knows."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def _moved(wanted: int, holder: str, port: int) -> Problem:
    text = f"port {wanted} is taken by {holder}, using {port} instead"
    return Problem("port-moved", text, Fix(Command("up", "--port", wanted), " once it is free"))


def _privileged(port: int, user: str, first: int, free: int) -> Conflict:
    return Conflict(
        "port-privileged",
        f"the server cannot listen on port {port}",
        why=f"ports below {first} need root, and the server runs as `{user}`",
        fix=Fix(Command("up", "--port", free)),
    )
