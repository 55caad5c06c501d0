"""What is read of Plano's logs: the words of a line, without what a container or a program writes before them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from planodev.gateway import log

LINES = [
    "[brightstaff] [2026-11-27 18:12:11.000][warn] No response_id captured",
    "[2026-11-27 18:12:11.000][warn] No response_id captured",
    "2026-11-27T18:12:11.000Z No response_id captured",
    "No response_id captured",
]


@pytest.mark.parametrize("line", LINES)
def test_why_a_turn_is_not_stored_is_said_without_the_time_and_the_name_of_a_program(line):
    engine = SimpleNamespace(logs=lambda *_: SimpleNamespace(text=f"{line}\n"))
    assert log.not_stored(SimpleNamespace(mode="docker"), {}, engine) == ("No response_id captured", True)
