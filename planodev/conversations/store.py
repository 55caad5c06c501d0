"""Queries on the table: the newest rows as outlines, one row by its id or a prefix of it.

Nothing here reads more than is shown: rows come through the index on `created_at`, or the primary key, and the server
hashes the items, so that long histories do not cross the wire.
"""

from __future__ import annotations

import difflib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planodev.conversations.heads import LEAST_LOOKED_AT, Outline
from planodev.postgres import state_table
from planodev.problems import BadInput, Command, Fix
from planodev.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TABLE = state_table.NAME
# Rows after which a list stops looking for more conversations: a million rows may all belong to one.
MOST_LOOKED_AT = 10_000
_SHORTEST = 8
_PREFIX = "resp_"  # at the start of every id of Plano
_CANDIDATES = 20
_TYPE = (
    f"SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = to_regclass('{TABLE}') "
    "AND attname = 'input_items' AND NOT attisdropped"
)
# What a column of type json may hold and jsonb cannot: `\u0000`, and halves of surrogate pairs.
_UNSTORABLE = (
    r"(?<!\\)((?:\\\\)*)\\u(?:0000|[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|[dD][c-fC-F][0-9a-fA-F]{2}"
    r"(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))"
)
_CLEANED = rf"regexp_replace(input_items::text, '{_UNSTORABLE}', '\1\\ufffd', 'g')::jsonb"
# The text of a message: one string, or parts, as clients write them that keep the history themselves.
_BODY = (
    "CASE jsonb_typeof(e -> 'content') WHEN 'array' THEN "
    "(SELECT string_agg(coalesce(p ->> 'text', p::text), '' ORDER BY m) "
    "FROM jsonb_array_elements(e -> 'content') WITH ORDINALITY AS part (p, m)) ELSE e ->> 'content' END"
)
_IS_MESSAGE = "jsonb_typeof(e) = 'object' AND e ? 'role' AND coalesce(e ->> 'type', 'message') = 'message'"
# Who an item is from: `a` for the model, also where it calls a tool or reasons, and `u` for a user.
_ROLE = """\
CASE WHEN jsonb_typeof(e) <> 'object' THEN '?' WHEN e ->> 'role' = 'user' THEN 'u' WHEN e ->> 'role' = 'assistant'
  OR e ->> 'type' = 'reasoning' OR right(e ->> 'type', 5) = '_call' THEN 'a' ELSE '?' END"""
# The paths of all texts of an item, of whatever kind, except those of keys that name, mark or encode something.
_UNSPOKEN = ("type", "role", "id", "call_id", "status", "data", "file_data", "encrypted_content")
_SPOKEN = " && ".join(f'@.key != "{key}"' for key in _UNSPOKEN)
_TEXTS = (
    f'strict $.** ? (@.type() == "object").keyvalue() ? ({_SPOKEN}).value ? (@.type() == "string")',
    'strict $.** ? (@.type() == "array")[*] ? (@.type() == "string")',
    'strict $ ? (@.type() == "string")',
)
# The columns of an `Outline`, from a row `r` and from `o`, which is `hashed` of it.
OUTLINE = """\
r.response_id, r.created_at, r.model, r.provider, pg_column_size(r.input_items), o.keys, coalesce(o.roles, ''),
coalesce(o.opening, ''), coalesce(o.closing, '')"""


def hashed(items: str) -> str:
    """Return the lateral join `o` that hashes each item of a row `r`, by the words alone where it is a message."""
    return f"""\
LATERAL (SELECT {items} AS list) AS i,
LATERAL (SELECT jsonb_typeof(i.list) = 'array' AS is_list) AS k,
LATERAL (
  SELECT CASE WHEN k.is_list THEN coalesce(array_agg(key ORDER BY n) FILTER (WHERE n > 0), '{{}}') END AS keys,
    string_agg(role, '' ORDER BY n) AS roles,
    (array_agg(left(body, 400) ORDER BY n) FILTER (WHERE role = 'u'))[1] AS opening,
    (array_agg(left(body, 400) ORDER BY n DESC) FILTER (WHERE role = 'u'))[1] AS closing
  FROM (
    SELECT n, body, {_ROLE} AS role,
      CASE WHEN {_IS_MESSAGE} THEN md5(concat(e ->> 'role', E'\\n', body)) ELSE md5(e::text) END AS key
    FROM jsonb_array_elements(CASE WHEN k.is_list THEN i.list ELSE '[]' END) WITH ORDINALITY AS item (e, n),
      LATERAL (SELECT CASE WHEN {_IS_MESSAGE} THEN {_BODY} END AS body) AS words
  ) AS items
) AS o"""


def items_of(session: Any) -> str:  # noqa: ANN401
    """Return the SQL for a row's items as jsonb, whichever of its two types the column has."""
    found = session.execute(_TYPE).fetchone()
    return f"({_CLEANED})" if found and found[0] == "json" else "input_items"


def newest(session: Any, *, since: int | None = None, model: str = "", grep: str = "") -> Iterator[Outline]:  # noqa: ANN401
    """Yield the newest rows, as few as are asked for, by a cursor of the server.

    Args:
        session: in a transaction.
        since: seconds since 1970; no older rows.
        model: marks rows whose model, asked for or answering, has this in its name.
        grep: marks rows in which somebody says this, in any case of letters.

    """
    items, where, values = items_of(session), [], dict[str, Any]()
    inner = "" if since is None else "WHERE created_at >= %(since)s"
    if model:
        where.append("strpos(lower(r.model || ' ' || r.provider), lower(%(model)s)) > 0")
    if grep:
        paths = ", ".join(f"('{path}')" for path in _TEXTS)
        where.append(
            f"EXISTS (SELECT FROM (VALUES {paths}) AS p (path), jsonb_path_query(i.list, path::jsonpath) AS w "
            "WHERE NOT starts_with(w #>> '{}', 'data:') AND strpos(lower(w #>> '{}'), lower(%(grep)s)) > 0)"
        )
    values |= {"since": since, "model": model, "grep": grep}
    with session.cursor(name=f"planodev_{os.urandom(4).hex()}") as rows:
        rows.itersize = LEAST_LOOKED_AT
        rows.execute(
            f"SELECT {OUTLINE}, {' AND '.join(where) or 'true'} FROM (SELECT * FROM {TABLE} {inner} "
            f"ORDER BY created_at DESC LIMIT {MOST_LOOKED_AT}) AS r, {hashed(items)} ORDER BY r.created_at DESC",
            values,
        )
        for row in rows:
            yield outline_of(row)


def outline_of(row: tuple[Any, ...]) -> Outline:
    """Return the outline that a row of `OUTLINE` is, with whether it matches behind it."""
    keys = None if row[5] is None else tuple(row[5])
    number, created_at, model, provider, stored, _, roles, opening, closing, matches = row
    return Outline(number, created_at, model, provider, stored or 0, keys, roles, opening, closing, matches)


def outlined(session: Any, number: str) -> Outline:  # noqa: ANN401
    """Return the outline of one row by its whole id, which is there."""
    query = f"SELECT {OUTLINE}, true FROM {TABLE} AS r, {hashed(items_of(session))} WHERE r.response_id = %s"
    return outline_of(session.execute(query, (number,)).fetchone())


@dataclass(frozen=True)
class Row:
    """A row as it stands; `input_items` is parsed."""

    response_id: str
    input_items: Any
    created_at: int
    model: str
    provider: str
    updated_at: str | None


def row_of(session: Any, number: str) -> Row:  # noqa: ANN401
    """Return one row by its whole id, which is there."""
    found = session.execute(
        f"SELECT response_id, ({items_of(session)})::text, created_at, model, provider, "
        f"to_jsonb(updated_at) #>> '{{}}' FROM {TABLE} WHERE response_id = %s",
        (number,),
    ).fetchone()
    if found is None:
        raise _unknown(session, number)
    return Row(found[0], json.loads(found[1]), *found[2:])


def resolve(session: Any, text: str) -> str:  # noqa: ANN401
    """Return the id for a text: the whole id or a unique prefix, with or without `resp_`.

    Raises:
        BadInput: there is none, or more than one.

    """
    if not text or "\0" in text:
        raise _unknown(session, text)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _unknown(session, text.encode(errors="replace").decode()) from None
    if session.execute(f"SELECT FROM {TABLE} WHERE response_id = %s", (text,)).fetchone() is not None:
        return text
    found: dict[str, None] = {}
    for begun in (text, f"{_PREFIX}{text}"):
        near = _ids(session, f"WHERE response_id >= %s ORDER BY response_id LIMIT {_CANDIDATES}", begun)
        found |= dict.fromkeys(number for number in near if number.startswith(begun))
    if not found:  # the collation does not sort a prefix before the ids that it begins
        query = f"WHERE starts_with(response_id, %s) OR starts_with(response_id, %s) LIMIT {_CANDIDATES}"
        found = dict.fromkeys(_ids(session, query, text, f"{_PREFIX}{text}"))
    if not found:
        raise _unknown(session, text)
    if len(found) > 1:
        some = ", ".join(f"`{visible(number)}`" for number in list(found)[:5])
        raise BadInput(
            "id-ambiguous",
            f"`{visible(text)}` matches more than one id",
            why=f"{some}{' and others' if len(found) > 5 else ''}",  # noqa: PLR2004
            fix="type more of it",
        )
    return next(iter(found))


def _ids(session: Any, rest: str, *values: str) -> list[str]:  # noqa: ANN401
    return [row[0] for row in session.execute(f"SELECT response_id FROM {TABLE} {rest}", values)]


def _unknown(session: Any, text: str) -> BadInput:  # noqa: ANN401
    ids = _ids(session, f"ORDER BY created_at DESC LIMIT {LEAST_LOOKED_AT}")
    named = {number: number for number in ids} | {number.removeprefix(_PREFIX)[: len(text)]: number for number in ids}
    close = list(dict.fromkeys(named[word] for word in difflib.get_close_matches(text, named, 3, 0.5)))
    near = close or ids[:3]
    why = (
        "nothing is stored"
        if not near
        else ("nearest: " if close else "the newest are ") + ", ".join(f"`{visible(number)}`" for number in near)
    )
    fix = Fix(Command("conversations"), " lists the ids")
    return BadInput("id-unknown", f"no stored turn has the id `{visible(text)}`", why=why, fix=fix)


def short_ids(session: Any, numbers: Iterable[str]) -> dict[str, str]:  # noqa: ANN401
    """Return for each id its shortest prefix, of at least 8 characters, that is unique in the table."""
    beside = (
        f"(SELECT response_id FROM {TABLE} WHERE response_id < r ORDER BY response_id DESC LIMIT 1), "
        f"(SELECT response_id FROM {TABLE} WHERE response_id > r ORDER BY response_id LIMIT 1)"
    )
    rows = session.execute(f"SELECT r, {beside} FROM unnest(%s::text[]) AS r", (list(numbers),))
    return {number: _short(number, [one for one in others if one]) for number, *others in rows}


def _short(number: str, others: list[str]) -> str:
    begun = len(_PREFIX) if number.startswith(_PREFIX) else 0
    shared = max((_shared(number, other) for other in others), default=0)
    return number[begun : max(begun + _SHORTEST, shared + 1)]


def _shared(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
