"""How long a command waits in all: many waits one after another add nothing to it, and a user may think."""

from __future__ import annotations

import time

import pytest

from planodev import deadline
from planodev.deadline import AFTER, GRACE, Asking, Deadline
from planodev.look import Context
from planodev.problems import Conflict
from planodev.project import identity
from planodev.steps import env_file
from tests.support.silent import Silent


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that the test moves, as a list of one moment."""
    now = [100.0]
    monkeypatch.setattr(deadline.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("waits", [1, 2, 5, 20])
def test_waits_that_all_end_without_an_answer_take_the_time_and_one_grace(clock, waits):
    limit = Deadline(5.0)
    for _ in range(waits):
        clock[0] += limit.left()
    assert clock[0] - 100.0 <= 5.0 + GRACE + AFTER * waits


@pytest.mark.parametrize("seconds", [0.1, 1.0, 5.0, 60.0])
def test_a_wait_that_takes_its_share_leaves_time_to_find_out_why(clock, seconds):
    limit = Deadline(seconds)
    clock[0] += limit.share(3600.0)
    assert limit.left() >= min(seconds / 2, GRACE)
    assert limit.share(1.5) <= 1.5


def test_a_share_of_no_time_adds_no_more_than_another_wait(clock):
    limit = Deadline(5.0)
    clock[0] += 5.0 + GRACE
    assert limit.share(3600.0) == AFTER


def test_the_time_before_the_first_wait_counts(clock):
    assert Deadline(5.0, 98.0).left() == 3.0


@pytest.mark.parametrize(("answer", "left"), [(True, 5.0), (False, 5.0), (None, 1.0)])
def test_the_time_in_which_a_user_thinks_does_not_count(clock, answer, left):
    limit = Deadline(5.0)

    class Thinking(Silent):
        def confirm(self, question, *, default=False):
            clock[0] += 4.0
            return answer

        def ask_secret(self, question):
            clock[0] += 4.0
            return answer and "typed"

    asking = Asking(Thinking(), limit)
    assert asking.confirm("Go on?") is answer
    assert limit.left() == left
    limit.restart()
    assert asking.ask_secret("A key") == (answer and "typed")
    assert limit.left() == (left if answer is not False else 5.0)
    asking.notice("a problem")
    assert asking.notices == ["a problem"]


def test_the_time_to_think_about_a_file_of_its_own_does_not_count(tmp_path, monkeypatch):
    class Thinking(Silent):
        def confirm(self, question, *, default=False):
            monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
            return default

    context = Context(identity.at(tmp_path), {}, {}, Thinking(), began=100.0)
    own = env_file.own_instead(context, Conflict("env-file-of-another-program", "it is Django's"))
    assert (own.began, own.options["dotenv"]) == (1000.0, ".env.plano")
