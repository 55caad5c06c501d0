"""Which tests `make test` runs: all but those marked `slow`, which are for `make test-all`."""

from __future__ import annotations

import pytest


def slow_but(kept, values):
    """Return values to parametrize with, those that are not kept marked slow.

    Args:
        kept: values that `make test` runs, each of them among the values.
        values: all of them, which `make test-all` runs.

    """
    values = list(values)
    assert not set(kept) - set(values), f"not there any more: {set(kept) - set(values)}"
    return [value if value in kept else pytest.param(value, marks=pytest.mark.slow) for value in values]
