"""Find the rows to delete, on the server, and delete them in batches that block nobody for more than a second."""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from planodev.conversations import access, store
from planodev.conversations.store import TABLE
from planodev.postgres import limits
from planodev.problems import CredentialsRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from planodev.conversations.access import Place
    from planodev.conversations.heads import Outline

_BATCH_TIME, _AIM = 1.0, 0.25  # seconds: the limit of a batch, and its target
_FIRST_BATCH, _LARGEST_BATCH = 200, 10_000
_AT_ONCE = 5_000
_WHOLE = "md5(array_to_string(k.keys, ''))"


@dataclass
class Doomed:
    """Rows that are to go: their ids, one a line, and what they are."""

    ids: IO[str]
    rows: int = 0
    conversations: int = 0
    bytes: int = 0

    def add(self, number: str, stored: int, *, superseded: bool) -> None:
        """Note a row; a superseded one is no conversation of its own."""
        self.ids.write(json.dumps(number) + "\n")
        self.rows += 1
        self.conversations += not superseded
        self.bytes += stored

    def batches(self) -> Iterator[list[str]]:
        """Yield the ids, in lists that are as long as one statement ever needs."""
        self.ids.seek(0)
        batch: list[str] = []
        for line in self.ids:
            batch.append(json.loads(line))
            if len(batch) >= _LARGEST_BATCH:
                yield batch
                batch = []
        if batch:
            yield batch


@contextmanager
def find(at: Place, *, before: int | None, superseded: bool, numbers: Iterable[str]) -> Iterator[Doomed]:
    """Find the rows to delete, by one of the criteria.

    Args:
        at: where.
        before: rows of turns before this second.
        superseded: rows that others go on from.
        numbers: ids, or beginnings of ids: what goes on from them, and what leads to them and to nothing else.

    Raises:
        BadInput: an id is unknown, or ambiguous.
        CredentialsRefused: the role may not delete.

    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as ids:
        doomed = Doomed(ids)
        with access.session(at) as opened:
            limits.bound(opened, statement=limits.ALL)
            _refuse_without_delete(opened, at)
            if numbers:
                for row, begun in _trees(opened, numbers):
                    doomed.add(row.id, row.stored, superseded=begun)
            else:
                where = "b.h IS NOT NULL" if superseded else "k.created_at < %s"
                with opened.cursor(name="planodev_prune") as rows:
                    rows.itersize = _AT_ONCE
                    rows.execute(_statement(opened, where), None if superseded else (before,))
                    for number, stored, begun in rows:
                        doomed.add(number, stored or 0, superseded=begun)
        yield doomed


def _statement(opened: Any, where: str) -> str:  # noqa: ANN401
    """Return the query for rows and whether another one continues each: a join that spills to the server's disk."""
    return f"""\
WITH k AS MATERIALIZED (SELECT r.response_id, r.created_at, pg_column_size(r.input_items) AS stored, o.keys
  FROM {TABLE} AS r, {store.hashed(store.items_of(opened))}),
b AS MATERIALIZED (SELECT DISTINCT md5(array_to_string(k.keys[1:n], '')) AS h
  FROM k, generate_series(1, cardinality(k.keys) - 1) AS n)
SELECT k.response_id, k.stored, b.h IS NOT NULL FROM k LEFT JOIN b ON b.h = {_WHOLE} WHERE {where}"""


def _trees(opened: Any, numbers: Iterable[str]) -> list[tuple[Outline, bool]]:  # noqa: ANN401
    """Return the rows that go with these ids, each with whether another one goes on from it."""
    found: dict[str, tuple[Outline, bool]] = {}
    wanted = {store.resolve(opened, number) for number in numbers}
    for number in wanted:
        family = _family(opened, number)
        begun = {prefix for row in family.values() for prefix in row.prefixes[:-1]}
        chosen = [row for row in family.values() if row.id in wanted]
        later = {
            row.id
            for row in family.values()
            for one in chosen
            if one.prefixes and one.prefixes[-1] in row.prefixes[:-1]
        }
        going = {row.id for row in chosen} | later
        earlier = {
            row.id
            for row in family.values()
            if row.prefixes and any(row.prefixes[-1] in family[one].prefixes[:-1] for one in going)
        }
        kept = {prefix for row in family.values() if row.id not in going | earlier for prefix in row.prefixes[:-1]}
        gone = [
            row for row in family.values() if row.id in going or (row.id in earlier and row.prefixes[-1] not in kept)
        ]
        found |= {row.id: (row, bool(row.prefixes) and row.prefixes[-1] in begun) for row in gone}
    return list(found.values())


def _family(opened: Any, number: str) -> dict[str, Outline]:  # noqa: ANN401
    """Return every row that begins as a row does up to its first answer, itself included, or that it begins with."""
    of = f"FROM {TABLE} AS r, {store.hashed(store.items_of(opened))}"
    own = store.outlined(opened, number)
    end = next(iter(own.answers), len(own.keys or ()))
    if not end:
        return {own.id: own}
    alike = (
        "o.keys[1:%s::int] = (%s::text[])[1:%s::int] OR o.keys <> '{}' AND o.keys = (%s::text[])[1:cardinality(o.keys)]"
    )
    keys = list(own.keys or ())
    rows = opened.execute(f"SELECT {store.OUTLINE}, true {of} WHERE {alike}", (end, keys, end, keys))
    return {one.id: one for one in map(store.outline_of, rows)}


def _refuse_without_delete(opened: Any, at: Place) -> None:  # noqa: ANN401
    if opened.execute(f"SELECT has_table_privilege('{TABLE}', 'DELETE')").fetchone()[0]:
        return
    user = at.connections[0].user
    told = f"`{user}` may not delete from `{TABLE}`"
    if at.ours:
        raise CredentialsRefused("privilege-refused", told, fix=access.granting(opened, at))
    why, fix = (
        "a role that Plano uses in production need not",
        "log in as the table's owner, with a separate environment file",
    )
    raise CredentialsRefused("privilege-refused", told, why=why, fix=fix)


def delete(at: Place, doomed: Doomed, told: Callable[[int], None]) -> int:
    """Delete the rows, in batches that each lock theirs for a second at most; returns how many there were.

    Args:
        at: where.
        doomed: the rows.
        told: is called with the number of rows that are gone by then.

    """
    import psycopg

    size, gone = _FIRST_BATCH, 0
    with access.session(at, writes=True) as opened:
        opened.commit()
        for batch in doomed.batches():
            rest = batch
            while rest:
                part, begun = rest[:size], time.monotonic()
                try:
                    limits.bound(opened, lock=_BATCH_TIME, statement=_BATCH_TIME)
                    gone += opened.execute(f"DELETE FROM {TABLE} WHERE response_id = ANY(%s)", (part,)).rowcount
                    opened.commit()
                except psycopg.errors.QueryCanceled:
                    if size == 1:
                        raise
                    opened.rollback()
                    size = max(1, size // 4)
                    continue
                rest = rest[len(part) :]
                ratio = _AIM / max(time.monotonic() - begun, 0.001)
                size = max(1, min(_LARGEST_BATCH, int(size * min(2.0, max(0.5, ratio)))))
                told(gone)
    return gone
