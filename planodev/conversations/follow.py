"""Turns as they are stored: the newest rows by `updated_at`, which the server sets, looked for again and again.

Times are texts here: PostgreSQL has some, such as `infinity`, that Python has not.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from planodev.conversations import access, store
from planodev.postgres import limits
from planodev.problems import NotReady

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planodev.conversations.access import Place
    from planodev.conversations.heads import Outline

_POLL = 0.4  # seconds
# A pause is at least so many times as long as the query, which without an index on `updated_at` reads the whole table.
_PAUSES = 5
# A row becomes visible when its transaction ends, but its `updated_at` is the time at which that began.
_OVERLAP = "interval '10 seconds'"


def turns(at: Place) -> Iterator[tuple[Outline, str]]:
    """Yield each turn that is stored from now on with its short id, without end, also over restarts of the database.

    Raises:
        PlanodevError: the database does not answer at the beginning, or refuses what is asked later.

    """
    watch, waiting = _Watch(), False
    while True:
        try:
            with access.session(at) as opened:
                if waiting:
                    at.context.progress.note("the database is back")
                waiting = False
                yield from watch.over(opened)
        except NotReady as error:  # noqa: PERF203  each is an outage to wait for
            if not watch.begun:
                raise
            if not waiting:
                at.context.progress.note(f"waiting for the database: {error.why or error.message}")
            waiting = True
            time.sleep(_POLL)


class _Watch:
    """What was seen by now: when the server was asked last, by its own clock, and the rows since shortly before."""

    def __init__(self) -> None:
        self.begun = False
        self._asked: str | None = None
        self._seen: set[tuple[str, str]] = set()

    def over(self, opened: Any) -> Iterator[tuple[Outline, str]]:  # noqa: ANN401
        """Yield what is new, without end, over one session."""
        while True:
            started = time.monotonic()
            limits.bound(opened)
            now = opened.execute("SELECT localtimestamp::text").fetchone()[0]
            found = _since(opened, self._asked or now)
            new = [row for row, moment in found if self.begun and (row.id, moment) not in self._seen]
            short = store.short_ids(opened, [row.id for row in new]) if new else {}
            opened.rollback()
            # Not the time of the newest row: if that is in the future, all rows stored until then would be missed.
            self._seen, self._asked, self.begun = {(row.id, moment) for row, moment in found}, now, True
            yield from ((row, short[row.id]) for row in new)
            time.sleep(max(_POLL, _PAUSES * (time.monotonic() - started)))


def _since(opened: Any, mark: str) -> list[tuple[Outline, str]]:  # noqa: ANN401
    rows = opened.execute(
        f"SELECT {store.OUTLINE}, true, r.updated_at::text FROM (SELECT * FROM {store.TABLE} WHERE updated_at > "
        f"%s::timestamp - {_OVERLAP} ORDER BY updated_at) AS r, {store.hashed(store.items_of(opened))} "
        "ORDER BY r.updated_at",
        (mark,),
    )
    return [(store.outline_of(row[:-1]), row[-1]) for row in rows]
