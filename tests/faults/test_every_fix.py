"""Each fix of each problem that can be had without an engine is followed as it is printed, and ends the problem."""

from __future__ import annotations

import re
import shlex
from types import SimpleNamespace

import pytest

from planodev.gateway import start
from planodev.steps import login
from tests.faults import states, states_of_engines, states_of_machines
from tests.faults.following import LOOKS, follower, told  # noqa: F401  a fixture
from tests.support.requirements import require_engine
from tests.support.tiers import first_of_each

OF_ENGINES = (*states_of_engines.STATES, *states_of_machines.STATES)
STATES = (*states.STATES, *OF_ENGINES)
# Codes whose fix may be the very command that told them, with the reason.
AGAIN = {
    "interrupted": "the command was cut off, and goes on where it was",
    "key-not-given": "a person types the key this time",
    "bad-key": "a person types another key",
    "project-above": "it is typed for another directory",
}


def kind(state):
    """Return what one state stands for in `make test`: a code, or those that differ by the name of a value alone."""
    return re.sub(r"^bad-(db-|(?!key|config-file)).*", r"bad-\1", state.code)


def kind_of_engine(state):
    """Return what a state of an engine, a registry or a machine stands for in `make test`."""
    return state.code[:3]


ROWS = [*first_of_each(kind, states.STATES), *first_of_each(kind_of_engine, OF_ENGINES)]


@pytest.mark.parametrize("state", ROWS, ids=lambda state: state.name)
def test_no_fix_ends_in_the_problem_that_it_is_for(follower, state):  # noqa: F811
    if "--engine embedded" in state.typed:
        require_engine("embedded")
    here, fix = failed(follower, state)
    offered = here.ways(fix)
    if state.hand:
        assert state.says in fix, fix
        offered = [None]
    assert offered or state.then, fix
    for at, way in enumerate(offered or [None]):
        if at:
            here, fix = failed(follower, state)
        if state.hand:
            state.hand(here)
        others = [line for line in re.findall(r"`([^`]+)`", way or "") if here.does(line)]
        assert commands(way) != [shlex.split(state.typed)] or others or state.code in AGAIN, fix
        done = here.follow(agreed(way, state) if way else "", state.piped) if not state.hand else None
        again = done if answers(way, state) else here.typed(shlex.split(state.then or state.typed), state.piped)
        assert state.code not in told(again), (way, again.err, done and done.err)


BESIDE = ("database-made-by-hand", "container-without-volume", "data-of-another-checkout")


@pytest.mark.parametrize("state", [one for one in STATES if one.code in BESIDE], ids=lambda state: state.name)
def test_the_name_that_is_proposed_for_a_second_database_is_free(follower, state):  # noqa: F811
    here, fix = failed(follower, state)
    (way,) = (way for way in here.ways(fix) if "--name" in way)
    done = here.follow(way)
    assert done.code == 0, done.err
    assert commands(way)[-1][-1] in here.engine.containers


def test_a_longer_wait_is_offered_up_to_the_longest_one(follower, monkeypatch):  # noqa: F811
    here = follower()
    states.up(here)
    starting = "FATAL:  the database system is starting up"
    monkeypatch.setattr(here.database, "refusal", lambda env: starting)
    here("down", "--keep-data")
    for longest, offered in (
        (3600, "planodev up --timeout 0.4"),
        (0.3, "planodev up --timeout 0.3"),
        (0.2, "planodev logs"),
    ):
        monkeypatch.setattr(login, "LONGEST", longest)
        fix = told(here.typed(["up", "--timeout", "0.2"]))["not-ready-in-time"]
        assert f"`{offered}`" in fix


def test_a_longer_wait_for_plano_is_offered_up_to_the_longest_one(monkeypatch):
    monkeypatch.setattr(start.running, "problem", lambda *_: None)
    monkeypatch.setattr(start.client, "silence", lambda _: "it says nothing")
    seen, plano = SimpleNamespace(mode="native", config=None), SimpleNamespace(state="starting", port=1)
    fixes = [str(start._not_ready(seen, plano, 0, "", limit).fix) for limit in (1000.0, 3000.0, 3600.0)]
    assert [re.findall(r"--plano-timeout (\d+)", fix) for fix in fixes] == [["2000"], ["3600"], []]
    assert all("`planodev doctor`" in fix for fix in fixes)


def failed(follower, state):  # noqa: F811
    here = follower()
    state.enter(here)
    done = here.typed(shlex.split(state.typed), state.gives)
    found = told(done)
    assert state.code in found, (done.err, done.out)
    return here, found[state.code]


def agreed(way, state):
    return way.replace("--delete-data`", "--delete-data --yes`") if state.yes else way


def answers(way, state):
    """Say whether a way out ends with what shows that it was one: the command that failed, or one that only looks."""
    first = shlex.split(state.typed)
    last = [words for words in commands(way) if words[0] not in LOOKS or (words[0] == "run" and words != first)]
    if not last or state.then:
        return bool(commands(way)) and not state.then
    return last[-1][0] == shlex.split(state.typed)[0] and "--help" not in last[-1]


def commands(way):
    """Return the words of the planodev commands of a way out, without the directory."""
    found = [shlex.split(line)[1:] for line in re.findall(r"`(planodev [^`]+)`", way or "")]
    return [words[2:] if words[0] == "-C" else words for words in found]
