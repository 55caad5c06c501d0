"""Which tests `make test` runs: all but those marked `slow`, which are for `make test-all`.

A broad test keeps in `make test` what one of two rules says: the values that are named, or the first row of each kind.
"""

from __future__ import annotations

import pytest


def slow_but(kept, values):
    """Return values to parametrize with, those that are not kept marked slow.

    Args:
        kept: values that `make test` runs, each of them among the values.
        values: all of them, which `make test-all` runs.

    """
    values = list(values)
    assert all(value in values for value in kept), f"not there any more: {[v for v in kept if v not in values]}"
    return [value if value in kept else slow(value) for value in values]


def first_of_each(kind, rows):
    """Return rows to parametrize with, those marked slow that have an earlier one of their kind.

    Args:
        kind: says of a row of which kind it is.
        rows: all of them; a tuple has a value for each name that is parametrized.

    """
    met, marked = set(), []
    for row in rows:
        found = kind(row)
        marked.append(row if found not in met else slow(*row) if isinstance(row, tuple) else slow(row))
        met.add(found)
    return marked


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)
