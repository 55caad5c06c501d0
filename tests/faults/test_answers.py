"""Each fault of `answers.toml`, for real: what the user sees, at once, with a fix and without a secret."""

from __future__ import annotations

import os
import re

import pytest

from tests.faults import answers
from tests.support.waiting import at_most

ROWS = answers.rows()
SECRETS = ("secret-password", "hunter2", "hun/ter2")
LIMIT = 15.0  # seconds


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_fault_is_answered(row, tmp_path):
    if row.name == "address-no-path" and os.geteuid():
        pytest.skip("`/` refuses all but root")
    with at_most(LIMIT):
        done = answers.inflict(row, tmp_path)
    said = done.err + done.out
    assert (answers.seen(done, tmp_path), done.code) == (row.sees, row.exit), said
    assert row.why in answers.cause(done)
    assert "fix: " in said or "output" in row.limit
    assert re.search(r"\[[a-z0-9-]+\]$", row.sees), "a code of its own"
    assert "unexpected" not in said
    assert "Traceback" not in said
    assert not [secret for secret in SECRETS if secret in said]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e]", said)
