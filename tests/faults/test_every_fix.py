"""Each fix of each problem that can be had without an engine is followed as it is printed, and ends the problem."""

from __future__ import annotations

import re
import shlex
from types import SimpleNamespace

import pytest

from planodev.gateway import start
from planodev.steps import not_in_time
from tests.faults import states
from tests.faults.every_state import OF_ENGINES, STATES
from tests.support.following import told
from tests.support.requirements import require_engine
from tests.support.tiers import first_of_each

# Codes whose fix may be the very command that told them, with the reason.
AGAIN = {
    "interrupted": "the command was cut off, and goes on where it was",
    "key-not-given": "a person types the key this time",
    "bad-key": "a person types another key",
}


def kind(state):
    """Return what one state stands for in `make test`: a code, or those that differ by the name of a value alone."""
    return re.sub(r"^bad-(db-|(?!key|config-file)).*", r"bad-\1", state.code)


def kind_of_engine(state):
    """Return what a state of an engine, a registry or a machine stands for in `make test`: the first of its words."""
    return "embedded" if state.embedded else state.code.partition("-")[0]


def with_its_engine(row):
    """Return a row with the mark of the engine that it needs."""
    (state,), marks = (row.values, row.marks) if isinstance(row, tuple) else ((row,), ())
    return pytest.param(state, marks=[*marks, pytest.mark.embedded]) if state.embedded else row


ROWS = [*first_of_each(kind, states.STATES), *first_of_each(kind_of_engine, OF_ENGINES)]


@pytest.mark.parametrize("state", [with_its_engine(row) for row in ROWS], ids=lambda state: state.name)
def test_no_fix_ends_in_the_problem_that_it_is_for(follower, state):
    if state.embedded:
        require_engine("embedded")
    here, fix = failed(follower, state)
    for at, way in enumerate(ways(here, fix, state)):
        if at:
            here, _ = failed(follower, state)
        if state.hand and state.says in way:
            state.hand(here)
        does = [line for line in re.findall(r"`([^`]+)`", way) if here.does(line)]
        assert commands(way) != [shlex.split(state.typed)] or does or state.hand or state.code in AGAIN, way
        followed = here.follow(filled(way, state, here), state.piped)
        for words, done in followed:
            assert ends_well(done, state), (words, done.err)
        if at and followed and all(words[0] == "logs" for words, _ in followed):
            continue  # it shows more of what another way is for
        standing = [done for words, done in followed if stands_for(words, state) and not state.then]
        done = standing[-1] if standing else here.typed(shlex.split(state.then or state.typed), state.piped)
        assert ends_well(done, state), (way, done.err)
        assert state.code not in all_told(done), (way, done.err)


def failed(follower, state):
    """Return a project in a state, and the fix that is told there."""
    here = follower()
    state.enter(here)
    done = here.typed(shlex.split(state.typed), state.gives)
    found = all_told(done)
    assert state.code in found, (done.err, done.out)
    return here, found[state.code]


def all_told(done):
    """Return what was told, as JSON too: the code of each problem, with its fix."""
    error = done.json.get("error")
    return told(done) | ({error["code"]: error["fix"] or ""} if error else {})


def ways(here, fix, state):
    """Return the ways out to follow: those of a fix that have a command and are no other row's, and words alone."""
    assert state.says in fix, fix
    others = [one.says for one in STATES if one.code == state.code and one.says]
    found = [
        way for way in here.ways(fix) if (state.says and state.says in way) or not any(says in way for says in others)
    ]
    if state.says and not any(state.says in way for way in found):
        found.append(state.says)
    assert found or not fix, fix
    return found or [""]


def filled(way, state, here):
    """Return a way out with what a person writes into its commands, and says yes to."""
    agreed = way.replace(f"{state.yes}`", f"{state.yes} --yes`") if state.yes else way
    if not state.fills:
        return agreed
    word, written = state.fills
    return agreed.replace(word, written.format(home=here.home))


def ends_well(done, state):
    return not done.code or state.next in all_told(done)


def stands_for(words, state):
    """Say whether a command is the one that failed, with other options or in another directory."""
    name = words[2] if words[0] == "-C" else words[0]
    return name == shlex.split(state.typed)[0] and "--help" not in words


def commands(way):
    """Return the words of the planodev commands of a way out."""
    return [shlex.split(line)[1:] for line in re.findall(r"`(planodev [^`]+)`", way)]


BESIDE = ("database-made-by-hand", "container-without-volume", "data-of-another-checkout")


@pytest.mark.parametrize("state", [one for one in STATES if one.code in BESIDE], ids=lambda state: state.name)
def test_the_name_that_is_proposed_for_a_second_database_is_free(follower, state):
    here, fix = failed(follower, state)
    (way,) = (way for way in here.ways(fix) if "--name" in way)
    ((words, done),) = here.follow(way)
    assert done.code == 0, done.err
    assert words[-1] in here.engine.containers


def test_a_longer_wait_is_offered_up_to_the_longest_one(follower, monkeypatch):
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
        monkeypatch.setattr(not_in_time, "LONGEST", longest)
        fix = told(here.typed(["up", "--timeout", "0.2"]))["not-ready-in-time"]
        assert f"`{offered}`" in fix


def test_a_longer_wait_for_plano_is_offered_up_to_the_longest_one(monkeypatch):
    monkeypatch.setattr(start.running, "problem", lambda *_: None)
    monkeypatch.setattr(start.client, "silence", lambda _: "it says nothing")
    seen, plano = SimpleNamespace(mode="native", config=None), SimpleNamespace(state="starting", port=1)
    fixes = [str(start._not_ready(seen, plano, 0, "", limit).fix) for limit in (1000.0, 3000.0, 3600.0)]
    assert [re.findall(r"--plano-timeout (\d+)", fix) for fix in fixes] == [["2000"], ["3600"], []]
    assert all("`planodev doctor`" in fix for fix in fixes)
