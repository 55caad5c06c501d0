"""Limits for what is asked of PostgreSQL, so that no lock and no frozen server is waited for without end.

The server has the shorter ones, since it can say what it has waited for. What it does not keep, the client ends.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planodev.deadline import Limit

STATEMENT = 10.0  # seconds
_MARGIN = 1.0  # seconds for the engine to tell of an end


def within(left: Limit, most: float = STATEMENT) -> float:
    """Return the seconds for one script, so that it ends before whoever waits for it gives up."""
    return max(0.5, min(most, left() - _MARGIN))


def variables(seconds: float) -> dict[str, str]:
    """Return the variables that make `psql`, and our own server, keep the limits."""
    return {"PGCONNECT_TIMEOUT": connect(seconds), "PGOPTIONS": options(seconds)}


def connect(seconds: float) -> str:
    """Return libpq's limit for a login: whole seconds, of which it takes 2 at least."""
    return str(max(2, math.floor(seconds)))


def options(seconds: float) -> str:
    """Return options of a session of our own server; a pooler of somebody else's may refuse them."""
    return " ".join(f"-c {name}={milliseconds}" for name, milliseconds in _settings(seconds))


def statements(seconds: float) -> str:
    """Return SQL that sets the limits for one transaction, which also passes through a pooler."""
    return "".join(f"SET LOCAL {name} = {milliseconds};\n" for name, milliseconds in _settings(seconds))


def _settings(seconds: float) -> tuple[tuple[str, int], ...]:
    # A statement that waits for a lock fails as one that waits for a lock.
    return ("statement_timeout", math.ceil(seconds * 800)), ("lock_timeout", math.ceil(seconds * 400))


def silent(seconds: float) -> str:
    """Return the text for a server that takes connections and answers nothing, as libpq says it."""
    return f"timeout expired: no answer within {seconds:.2g} seconds"
