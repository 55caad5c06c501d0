"""Which rows are conversations: a row is one exactly when no other row goes on from it.

Every row holds the whole history, so a row is an ancestor of another exactly when its items are a proper prefix of the
other's. Rows are read newest first, and reading ends as soon as no older row can matter for what is shown.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ANSWER = re.compile("a+")
# At least so many rows are read: among them a continuation is found even where clocks disagree or texts repeat.
LEAST_LOOKED_AT = 200


@dataclass(frozen=True)
class Outline:
    """What a list needs of a row.

    Args:
        id: the row's `response_id`.
        created_at: of the turn, in seconds since 1970.
        model: what was asked for.
        provider: what answered.
        stored: its items' size on disk, in bytes.
        keys: a hash for each item; None where the items are no list.
        roles: a letter for each item: `a` for one of the model's, `u` for one of a user's, else `?`.
        opening: the beginning of the first message of a user.
        closing: the beginning of the last message of a user.
        matches: whether it is one that is looked for.

    """

    id: str
    created_at: int
    model: str
    provider: str
    stored: int
    keys: tuple[str, ...] | None
    roles: str
    opening: str
    closing: str
    matches: bool = True

    @cached_property
    def prefixes(self) -> tuple[bytes, ...]:
        """A hash for each beginning of the items, from the first item alone to all of them."""
        digest, found = b"", []
        for key in self.keys or ():
            digest = hashlib.blake2b(digest + key.encode(), digest_size=16).digest()
            found.append(digest)
        return tuple(found)

    @property
    def turns(self) -> int:
        """How often a model has answered."""
        return len(_ANSWER.findall(self.roles))

    @property
    def answers(self) -> list[int]:
        """How many items there are at the end of each answer."""
        return [found.end() for found in _ANSWER.finditer(self.roles)]


@dataclass(frozen=True)
class Head:
    """A conversation: its newest row, and the newer conversation that it shares its beginning with."""

    row: Outline
    branch_of: str | None = None
    branch_turn: int | None = None


@dataclass(frozen=True)
class Found:
    """Conversations, newest first; `looked_at` is the number of rows that were read for them."""

    heads: tuple[Head, ...]
    looked_at: int


class Heads:
    """Rows, taken one after another in any order; `rows` are those that none of the others goes on from.

    `matching` is how many of them are looked for.
    """

    def __init__(self) -> None:
        self._begun: set[bytes] = set()  # prefixes that some row continues
        self._rows: dict[bytes, dict[str, Outline]] = {}
        self.matching = 0

    def add(self, row: Outline) -> None:
        """Add a row. One without a list of items is no ancestor of any other."""
        whole = row.prefixes[-1] if row.prefixes else row.id.encode()
        if whole in self._begun:
            return
        self._rows.setdefault(whole, {})[row.id] = row
        self.matching += row.matches
        for prefix in row.prefixes[:-1]:
            self._begun.add(prefix)
            self.matching -= sum(gone.matches for gone in self._rows.pop(prefix, {}).values())

    @property
    def rows(self) -> list[Outline]:
        """The rows that are conversations, newest first."""
        rows = [row for same in self._rows.values() for row in same.values()]
        return sorted(rows, key=lambda row: (row.created_at, len(row.roles)), reverse=True)


def newest(rows: Iterable[Outline], wanted: int) -> Found:
    """Return the newest conversations that match.

    Args:
        rows: newest first by `created_at`, the order within a second being anybody's.
        wanted: how many conversations at most.

    """
    heads, looked_at, second = Heads(), 0, None
    for row in rows:
        # A continuation is never older than its row: once a second has ended, none of the rows so far has one to come.
        if row.created_at != second:
            if looked_at >= LEAST_LOOKED_AT and heads.matching >= wanted:
                break
            second = row.created_at
        heads.add(row)
        looked_at += 1
    return Found(tuple(branches([row for row in heads.rows if row.matches][:wanted])), looked_at)


def branches(rows: Iterable[Outline]) -> list[Head]:
    """Return conversations, each with the newer one, if any, of which it is a branch."""
    known: dict[bytes, str] = {}
    found = []
    for row in rows:
        ends = list(enumerate(row.answers, 1))
        shared = [(turn, known[row.prefixes[end - 1]]) for turn, end in ends if row.prefixes[end - 1] in known]
        turn, other = shared[-1] if shared else (None, None)
        found.append(Head(row, other, turn))
        for _, end in ends:
            known.setdefault(row.prefixes[end - 1], row.id)
    return found
