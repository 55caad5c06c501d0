"""What tests of kills share: how many there are, and what is there after the next `up`."""

from __future__ import annotations

from tests.support import evidence
from tests.support.seed import KILLS

# A tenth of them each for `down`, the move and `--adopt`, in `test_kills_elsewhere.py`; the rest meet `up`.
ELSEWHERE = max(2, KILLS // 10)
MODEL = ("--model", "anthropic/claude-sonnet-4-5")


def mended(project, rows, *options):
    """Run `up`, which must mend everything: proof, all rows, one whole `.env`."""
    done = project("up", *options, code=None)
    assert done.code == 0, done.err
    assert evidence.PROVED in done.out
    assert evidence.content(project) == rows
    return done
