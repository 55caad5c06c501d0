"""Every code of planodev has its fix followed by a test, or a reason why that cannot be; a new one needs its row."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

from tests.faults.every_state import STATES
from tests.support import codes
from tests.support.reached import reached
from tests.support.rules import KINDS, LATE
from tests.support.toml import tomllib
from tests.support.words_of_fixes import CONFIGURATIONS, STRINGS

TESTS = Path(__file__).parents[1]
FIXES = tomllib.loads((Path(__file__).parent / "fixes.toml").read_text())
FOLLOWED = {
    *(state.code for state in STATES),
    *(f"connection-string-{code}" for code, *_ in STRINGS),
    *(code for code, *_ in CONFIGURATIONS),
    *(code for _, code, *_ in [*KINDS, *LATE]),
}
HELD = [code for listed in FIXES["held"].values() for code in listed]
NOT_RUN = [code for row in FIXES["not-run"] for code in row["codes"]]
# Errors that name no way out, as nothing is to be mended: the user has said no; or has pressed Ctrl-C; or the command
# alone is to be typed again.
WITHOUT = {"not-confirmed", "interrupted", "container-changed"}

# Fixes that are nothing but the same once more: another try may get another answer.
AGAIN = {"answer-cut-off", "provider-failed", "query-timed-out", "table-locked"}


def test_every_code_is_in_one_place():
    every = {*codes.in_source(), *codes.in_reference()}
    assert len(every) > 300
    found = Counter([*FOLLOWED, *HELD, *NOT_RUN])
    assert sorted(every - {*found}) == []
    assert sorted({*found} - every) == []
    assert [code for code, count in found.items() if count > 1] == []


def test_what_is_held_elsewhere_names_a_test_that_is_there_and_has_the_code():
    for test, held in FIXES["held"].items():
        file, *_, name = test.split("::")
        text = reached((TESTS / file).read_text(), name)
        assert [code for code in held if f'"{code}"' not in text and f"[{code}]" not in text] == [], test


def test_each_code_without_a_run_has_a_reason():
    assert [row["codes"] for row in FIXES["not-run"] if len(row["reason"].split()) < 8] == []


def test_every_error_has_a_fix_but_those_that_are_named():
    without = set()
    for path in (codes.ROOT / "planodev").rglob("*.py"):
        for call in codes.calls(path.read_text()):
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            given = [word.value for word in call.keywords if word.arg == "fix"] or call.args[2:3]
            nothing = not given or (isinstance(given[0], ast.Constant) and not given[0].value)
            if nothing and name[0].isupper() and name not in ("Problem", "KeyProblem"):
                without |= {call.args[0].value if isinstance(call.args[0], ast.Constant) else ast.unparse(call.args[0])}
    assert without == WITHOUT


# Notices of what planodev has done, or that name the way out in their own sentence.
NOTICES = {"old-data-kept", "role-demoted", "output-open-to-others", "project-above"}


def test_a_notice_without_a_fix_is_named():
    without = set()
    for path in (codes.ROOT / "planodev").rglob("*.py"):
        for call in codes.calls(path.read_text()):
            name = getattr(call.func, "id", "")
            if (
                name == "Problem"
                and len(call.args) == 2
                and not {word.arg for word in call.keywords} & {"fix", "level"}
            ):
                without.add(getattr(call.args[0], "value", ast.unparse(call.args[0])))
    assert without == NOTICES


def test_a_fix_that_only_says_again_is_named():
    again = set()
    for path in (codes.ROOT / "planodev").rglob("*.py"):
        for call in codes.calls(path.read_text()):
            given = [word.value for word in call.keywords if word.arg == "fix"] or call.args[2:3]
            said = getattr(given[0], "value", None) if given else None
            if isinstance(said, str) and re.fullmatch(r"[a-z ]+ again", said):
                again.add(call.args[0].value)
    assert again == AGAIN
