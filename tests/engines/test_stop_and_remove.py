"""A server is stopped before it is removed by what the engine says of it then, wherever planodev does so."""

from types import SimpleNamespace

import pytest

from planodev.commands import list_and_forget
from planodev.deadline import Deadline
from planodev.engines import Container, Observed, State
from planodev.project import defaults
from planodev.project.identity import Owner
from planodev.steps import server
from planodev.takeover import leftovers

HAVE = Container("7", "plano-postgres", "", "postgres:16", "", 5432, (), None, Owner("0123abcd", "/work/shop", "1"))


NOTHING_RUNS = ("created", "exited", "dead", None)


class Engine:
    """An engine in which a server has another state by now; it records what is done with it."""

    def __init__(self, have, now):
        self.have, self.now, self.done = have, now, []

    def observe(self, *_):
        return Observed(self.have, None)

    def state(self, name):
        return State(self.now) if self.now and name == self.have.id else None

    def stop(self, container, timeout):
        assert 0 < timeout <= defaults.STOP_LIMIT
        self.done.append(("stop", container.state))

    def remove_server(self, container):
        self.done.append(("remove", container.id))


def through_steps(engine):
    server.stop_and_remove(engine, engine.have, defaults.STOP_LIMIT)


def through_move(engine):
    leftovers.end(SimpleNamespace(engine=engine, observed=engine.observe()))


def through_forget(engine):
    deadline = Deadline(defaults.LIMIT)
    deadline.restart = lambda: engine.done.append(("restart",))
    held = SimpleNamespace(owner=engine.have.owner, place=None)
    list_and_forget._remove(engine, None, held, deadline)
    stopped = [at for at, (what, *_) in enumerate(engine.done) if what == "stop"]
    assert [engine.done.pop(at + 1) for at in stopped] == [("restart",)] * len(stopped)


@pytest.mark.parametrize("now", ["running", "paused", "restarting", "removing", *NOTHING_RUNS])
@pytest.mark.parametrize("looked", ["running", "exited"])
@pytest.mark.parametrize("remove", [through_steps, through_move, through_forget])
def test_a_server_is_stopped_first_where_it_runs_now_whatever_was_seen_before(remove, looked, now):
    have = HAVE._replace(state=looked)
    engine = Engine(have, now)
    remove(engine)
    stops = [("stop", now)] if now not in NOTHING_RUNS else []
    assert engine.done == [*stops, ("remove", have.id)]
