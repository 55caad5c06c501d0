"""The matrix as a whole: it is as long as it is said to be, each row has what holds it, and the document shows it."""

from __future__ import annotations

from pathlib import Path

from tests.faults import answers, inflict
from tests.faults.matrix import MATRIX, MATRIX_TEST, tables
from tests.support.reached import reached

TESTS = Path(__file__).parents[1]
SHOWN = (TESTS.parent / "docs/reliability.md").read_text()
LEAST = 120  # rows


def test_each_row_has_a_name_of_its_own_and_what_holds_it():
    names = [row.name for row in (*MATRIX, *answers.rows())]
    assert len(set(names)) == len(names)
    assert len(names) >= LEAST
    for row in MATRIX:
        file, *_, name = row.test.split("::")
        text = (TESTS / file).read_text()
        assert f"def {name}(" in text, row.test
        assert not row.error or row.test == MATRIX_TEST or f'"{row.error}"' in reached(text, name), row.name
        if row.test == MATRIX_TEST:
            assert callable(inflict.by(row.name))


def test_the_document_shows_every_row_and_how_many_there_are():
    assert tables() == SHOWN.split("<!-- matrix -->\n")[1].split("\n<!-- end of matrix -->")[0]
    assert answers.tables() == SHOWN.split("<!-- answers -->\n")[1].split("\n<!-- end of answers -->")[0]
    every = len(MATRIX) + len(answers.rows())
    assert f"The matrix has {every} rows: {len(MATRIX)} " in " ".join(SHOWN.split())
