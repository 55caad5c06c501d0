"""Time limits for PostgreSQL, so that no lock and no frozen server is waited for without end.

The server has the shorter ones, since it can say what it has waited for. What it does not keep, the client ends.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planodev.deadline import Limit

# Seconds for a login, for a lock that another session holds, for a look at the table, for a statement, for one that
# reads many conversations, and for one that reads or writes all of them.
LOGIN, LOCK, LOOK, STATEMENT, READING, ALL = 5.0, 5.0, 6.0, 10.0, 60.0, 3600.0
# Seconds of silence after which another session looks whether the server is at work on a statement.
SILENCE = 6.0
# An option of a session in which somebody types: statements take as long as they take, and wait for no lock for ever.
TYPED = f"-c lock_timeout={LOCK * 2000:.0f}"
EXPIRED = "timeout expired"  # how libpq says that a login was not answered in time
MARGIN = 1.0  # seconds for the engine to report the end of a script


def within(left: Limit, most: float = STATEMENT) -> float:
    """Return the seconds that one script may take, less than its caller waits: so the server reports the time-out."""
    return max(0.5, min(most, left() - MARGIN))


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
    """Return SQL that sets the limits for one transaction of `seconds` at most, which also passes through a pooler."""
    return "".join(f"SET LOCAL {name} = {milliseconds};\n" for name, milliseconds in _settings(seconds))


def bound(session: Any, *, statement: float = READING, lock: float = LOCK) -> None:  # noqa: ANN401  psycopg is loaded late
    """Bound what one transaction of a session waits for, in seconds."""
    milliseconds = (f"{statement * 1000:.0f}", f"{lock * 1000:.0f}")
    session.longest = statement + MARGIN
    session.execute("SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}".format(*milliseconds))


def _settings(seconds: float) -> tuple[tuple[str, int], ...]:
    # The lock's limit is the shorter one, so that a statement that waits for a lock fails with that error.
    return ("statement_timeout", math.ceil(seconds * 800)), ("lock_timeout", math.ceil(seconds * 400))


def silent(seconds: float) -> str:
    """Return the message for a server that accepts connections and does not answer, in libpq's words."""
    return f"{EXPIRED}: no answer within {seconds:.2g} seconds"
