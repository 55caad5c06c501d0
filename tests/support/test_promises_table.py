"""The table of promises: each names a test that is there, and a line that is there to be broken."""

from __future__ import annotations

import pytest

from tests.support.checkout import ROOT
from tests.support.promises import promises


@pytest.mark.parametrize("row", promises(), ids=lambda row: row.promise)
def test_a_promise_names_a_test_and_a_line_that_are_there(row):
    file, _, name = row.test.partition("::")
    assert f"def {name.split('::')[-1].split('[')[0]}(" in (ROOT / file).read_text()
    assert row.broken(ROOT) != (ROOT / row.file).read_text()


def test_there_are_enough_promises_and_none_twice():
    rows = promises()
    assert len(rows) >= 40
    assert len({row.promise for row in rows}) == len(rows)
