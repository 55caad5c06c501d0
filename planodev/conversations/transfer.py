"""Rows as JSON lines: out of the table, and back into it, all or none."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from planodev.conversations import access, store
from planodev.conversations.store import TABLE
from planodev.postgres import limits, proof
from planodev.postgres.state_table import COLUMNS
from planodev.problems import BadInput, Command, Conflict, Fix, PlanodevError
from planodev.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from planodev.conversations.access import Place

_BATCH_ROWS, _BATCH_BYTES = 500, 4_000_000
_TEXTS = ("response_id", "model", "provider")
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_LONGEST = 2**28  # bytes of a line; no jsonb of PostgreSQL holds more
# A time as PostgreSQL writes it, also in years that Python lacks; PostgreSQL itself checks whether it is one.
_STAMP = re.compile(r"-?infinity|\d{4,6}-\d\d-\d\d[T ][0-9:.+Z-]{5,30}( BC)?")
_NESTED = "is nested too deeply to be read"
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
# The rows of a batch; of two with the same id, the later one.
_INCOMING = """\
(SELECT DISTINCT ON (e ->> 'response_id') e ->> 'response_id' AS response_id, e -> 'input_items' AS input_items,
  (e ->> 'created_at')::bigint AS created_at, e ->> 'model' AS model, e ->> 'provider' AS provider,
  coalesce((e ->> 'updated_at')::timestamp, localtimestamp) AS updated_at
FROM jsonb_array_elements(%(rows)s::jsonb) WITH ORDINALITY AS x (e, n) ORDER BY e ->> 'response_id', n DESC)"""
_DIFFERS = (
    "(t.input_items::jsonb, t.created_at, t.model::text, t.provider::text) IS DISTINCT FROM "
    "(n.input_items, n.created_at, n.model, n.provider)"
)


def write(at: Place, file: Path, *, force: bool) -> int:
    """Write every row into a file, mode 0600, the oldest first; returns how many.

    Raises:
        Conflict: the file exists, and is not to be replaced.
        PlanodevError: it cannot be written.

    """
    if file.exists() and not force:
        fix = "name another file, or replace it with `--force`"
        raise Conflict("file-exists", f"`{file}` exists", fix=fix)
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    try:
        with _private(partial) as target:
            count = sum(target.write(line + "\n") > 0 for line in _lines(at))
            target.flush()
            os.fsync(target.fileno())
        partial.replace(file)
    except OSError as error:
        why, fix = error.strerror or str(error), "free space there, or name another file"
        raise PlanodevError("file-failed", f"`{file}` could not be written", why=why, fix=fix) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return count


@contextmanager
def _private(file: Path) -> Iterator[IO[str]]:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as target:
        yield target


def _lines(at: Place) -> Iterator[str]:
    with access.session(at) as opened:
        limits.bound(opened, statement=limits.ALL)
        pairs = ", ".join(
            f"'{name}', {store.items_of(opened) if name == 'input_items' else name}" for name in COLUMNS.split(", ")
        )
        with opened.cursor(name="planodev_export") as rows:
            rows.itersize = _BATCH_ROWS
            rows.execute(f"SELECT jsonb_build_object({pairs})::text FROM {TABLE} ORDER BY created_at, response_id")
            for (line,) in rows:
                yield line


@dataclass(frozen=True)
class Source:
    """A file of rows, and its bytes, which can be read from the beginning again."""

    file: Path
    lines: IO[bytes]


@dataclass(frozen=True)
class Brought:
    """What an import has done: rows that are new, that were replaced, and that were there already, the same."""

    added: int
    replaced: int
    same: int


@contextmanager
def opened_twice(file: Path) -> Iterator[Source]:
    """Open a file that is read more than once: what a pipe brings is kept in a temporary file.

    Raises:
        BadInput: it cannot be read.

    """
    with ExitStack() as opened:
        try:
            lines: IO[bytes] = opened.enter_context(file.open("rb"))
            if not lines.seekable():
                kept = opened.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(lines, kept)
                lines = kept
        except OSError as error:
            raise _bad(file, error.strerror or str(error)) from error
        yield Source(file, lines)


def check(source: Source) -> int:
    """Read a file through, before anything is touched; returns the number of its rows.

    Raises:
        BadInput: it cannot be read, a line in it is no row, or two lines tell different things of one row.

    """
    known: dict[int, tuple[int, int]] = {}
    count = 0
    for number, _, row in _rows(source):
        told = _digest([row[name] for name in ("input_items", "created_at", "model", "provider")])
        count += 1
        first, before = known.setdefault(_digest(row["response_id"]), (number, told))
        if told != before:
            raise _bad(source.file, f"lines {first} and {number} have the same id but different content")
    return count


def _digest(value: object) -> int:
    return int.from_bytes(hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).digest(), "big")


def read(at: Place, source: Source, *, force: bool) -> Brought:
    """Put a file's rows into the table, in one transaction.

    Raises:
        BadInput: it cannot be read, a line in it is no row, or PostgreSQL does not take one.
        Conflict: a row of the same id differs, and is not to be replaced; nothing was imported.

    """
    import psycopg

    added = replaced = same = 0
    with access.session(at, writes=True) as opened:
        limits.bound(opened, statement=limits.ALL)
        for batch in _batches(source):
            try:
                new, differing, count = _bring(opened, batch)
            except (psycopg.errors.DataError, psycopg.errors.ProgramLimitExceeded) as error:
                raise _bad(source.file, proof.said(error)) from error
            if differing and not force:
                some = ", ".join(f"`{visible(number)}`" for number in differing[:3])
                raise Conflict(
                    "row-differs",
                    "nothing was imported: the table has other rows of the same id",
                    why=f"{some}{' and others' if len(differing) > 3 else ''}",  # noqa: PLR2004
                    fix="`--force` replaces them with those in the file",
                )
            if differing:
                _replace(opened, batch)
            added, replaced, same = added + new, replaced + len(differing), same + count - new - len(differing)
        opened.commit()
    return Brought(added, replaced, same)


def _bring(opened: Any, rows: str) -> tuple[int, list[str], int]:  # noqa: ANN401
    """Insert rows with a new id; returns how many, the ids of existing rows that differ, and the number of ids."""
    values = {"rows": rows}
    new = opened.execute(
        f"INSERT INTO {TABLE} ({COLUMNS}) SELECT {COLUMNS} FROM {_INCOMING} AS n ON CONFLICT (response_id) DO NOTHING",
        values,
    ).rowcount
    differing = opened.execute(
        f"SELECT n.response_id FROM {_INCOMING} AS n JOIN {TABLE} AS t USING (response_id) WHERE {_DIFFERS}", values
    ).fetchall()
    count = opened.execute(f"SELECT count(*) FROM {_INCOMING} AS n", values).fetchone()[0]
    return new, [row[0] for row in differing], count


def _replace(opened: Any, rows: str) -> None:  # noqa: ANN401
    opened.execute(
        f"UPDATE {TABLE} AS t SET input_items = n.input_items, created_at = n.created_at, model = n.model, "
        f"provider = n.provider, updated_at = n.updated_at FROM {_INCOMING} AS n "
        f"WHERE t.response_id = n.response_id AND {_DIFFERS}",
        {"rows": rows},
    )


def _batches(source: Source) -> Iterator[str]:
    batch: list[str] = []
    held = 0
    for _, line, _ in _rows(source):
        batch.append(line)
        held += len(line)
        if len(batch) >= _BATCH_ROWS or held >= _BATCH_BYTES:
            yield f"[{','.join(batch)}]"
            batch, held = [], 0
    if batch:
        yield f"[{','.join(batch)}]"


def _rows(source: Source) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield each row of a file: its line's number, the JSON that stands there and PostgreSQL takes, and what it holds.

    Numbers with a fraction are texts, as they are written.
    """
    for number, line in _numbered(source):
        if line.strip():
            try:
                yield number, *_row(line)
            except _NoRow as error:
                fix = "remove that line from the file" if str(error) == _NESTED else None
                raise _bad(source.file, f"line {number} {error}", fix) from error


def _numbered(source: Source) -> Iterator[tuple[int, bytes]]:
    try:
        source.lines.seek(0)
        yield from enumerate(iter(lambda: source.lines.readline(_LONGEST), b""), 1)
    except OSError as error:
        raise _bad(source.file, error.strerror or str(error)) from error


class _NoRow(Exception):
    """A line is no row; the text says why, after "line 3"."""


def _row(line: bytes) -> tuple[str, dict[str, Any]]:
    """Return a line as text, and the row that it holds.

    Raises:
        _NoRow: it holds none.

    """
    try:
        text = line.decode().strip()
        row = json.loads(text, parse_float=str, parse_constant=_refuse)
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        raise _NoRow("is not UTF-8") from None
    except UnicodeEncodeError:
        raise _NoRow("has half of a surrogate pair") from None
    except RecursionError:
        raise _NoRow(_NESTED) from None
    except ValueError:
        raise _NoRow("is too long" if len(line) == _LONGEST else "is not JSON") from None
    why = _wrong(row) or ("has a NUL, which PostgreSQL does not store" if _NUL.search(text) else None)
    if why:
        raise _NoRow(why)
    return text, row


def _refuse(name: str) -> None:
    """Refuse what Python takes for JSON, such as `NaN`."""
    raise ValueError(name)


def _wrong(row: object) -> str | None:
    if not isinstance(row, dict):
        return "is not an object"
    wrong = [name for name in _TEXTS if not isinstance(row.get(name), str) or not row[name]]
    if "input_items" not in row:
        wrong.append("input_items")
    created = row.get("created_at")
    if not isinstance(created, int) or isinstance(created, bool) or not _SMALLEST <= created <= _LARGEST:
        wrong.append("created_at")
    stamp = row.get("updated_at")
    if stamp is not None and not (isinstance(stamp, str) and _STAMP.fullmatch(stamp)):
        wrong.append("updated_at")
    return f"has no valid {', '.join(wrong)}" if wrong else None


def _bad(file: Path, why: str, fix: str | None = None) -> BadInput:
    usual = Fix(Command("conversations", "export", "FILE"), " writes such a file")
    return BadInput("bad-import-file", f"`{file}` cannot be imported; nothing was changed", why=why, fix=fix or usual)
