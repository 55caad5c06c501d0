"""The trace for `-v`: a line for each request to the engine and the database, without secrets, for bug reports.

No value is in it: neither what a statement has in quotes, where passwords and conversations are, nor its parameters,
nor a request's body.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LITERAL = r"(?s)\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'"
_ID = r"\b([0-9a-f]{12})[0-9a-f]{52}\b"  # a container's or an image's; its beginning identifies it
_LONGEST = 300  # characters of a statement

# Prints a line of the trace; None without `--verbose`.
write: Callable[[str], None] | None = None


def note(text: str, since: float | None = None) -> None:
    """Tell what was asked; `since`, by `time.monotonic`, adds how long the answer took."""
    if write:
        text = re.sub(_ID, r"\1", text)
        took = "" if since is None else f", {(time.monotonic() - since) * 1000:.0f} ms"
        write(text + took)


def statement(way: str, script: str) -> None:
    """Note the SQL that is run, without its values; `way` says as whom and where."""
    if write:
        shown = " ".join(re.sub(_LITERAL, "'…'", script).split())
        note(f"{way}: {shown if len(shown) <= _LONGEST else f'{shown[:_LONGEST]} …'}")


def psql(env: Any, script: str) -> None:  # noqa: ANN401  a mapping of libpq's variables
    """Tell of a script for `psql` with these variables."""
    where = f"{env['PGHOST']}:{env.get('PGPORT', '')}" if env.get("PGHOST") else "the server's own socket"
    statement(f"psql as {env.get('PGUSER', '')} by {where}", script)


def cursor() -> Any:  # noqa: ANN401
    """Return the class of psycopg's cursors that tell of their statements."""
    import psycopg

    class Cursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401
            statement(f"as {self.connection.info.user}", query if isinstance(query, str) else query.as_string(self))
            return super().execute(query, *arguments, **more)

    return Cursor
