"""Whether a process of the server is stopped: seen, seen not to be, or not seen, and what is said of each."""

import json
from types import SimpleNamespace

import pytest

from planodev.conversations import access
from planodev.engines import Output
from planodev.postgres import locked_catalogue, locks, processes, proof, state_table
from planodev.postgres.by_hand import ByHand
from planodev.postgres.proof import Evidence
from planodev.problems import Command, NoEngine

LOCK = {"pid": 5, "user": "plano", "application": "psql", "query": "LOCK TABLE x", "since": "12:00"}
PREPARED = {**LOCK, "pid": None, "prepared": "p", "query": ""}
UNSEEN = (
    Output(0, "\n", ""),  # a system without /proc
    Output(0, "5\n", ""),  # not our question's answer
    Output(0, "psql of another kind\n", ""),
    Output(1, "", "ERROR:  permission denied for function pg_read_file"),
    NoEngine("no-engine", "no engine answers"),
)


def seen_with(answer):
    """Return a project whose server's engine gives this answer to every script."""

    def psql(*_, **__):
        if isinstance(answer, NoEngine):
            raise answer
        return answer

    engine = SimpleNamespace(psql=psql, limit=lambda: 5.0, close=lambda: None)
    observed = SimpleNamespace(container="server")
    return SimpleNamespace(engine=engine, superuser="boss", user="plano", observed=observed, by_hand=ByHand("psql"))


@pytest.mark.parametrize(
    ("out", "stopped"), [("0\n", frozenset()), ("0\n5\n", frozenset({5})), ("7\n0\n5\n", frozenset({5, 7}))]
)
def test_the_processes_that_are_stopped_are_known_where_they_can_be_seen(out, stopped):
    assert processes.stopped(seen_with(Output(0, out, ""))) == stopped


@pytest.mark.parametrize("answer", UNSEEN)
def test_what_cannot_be_seen_is_not_said_to_be_at_work(answer):
    seen = seen_with(answer)
    assert processes.stopped(seen) is None
    evidence = processes.with_holder(Evidence({"lock": LOCK}, stored=False), seen)
    assert evidence.facts == {"lock": LOCK}
    assert "the process is stopped" in str(state_table.locked(evidence.facts["lock"]).fix)


def test_without_a_server_nothing_can_be_seen():
    seen = seen_with(Output(0, "0\n", ""))
    seen.observed.container = None
    assert processes.stopped(seen) is None


RESTART = "`planodev down --keep-data` and `planodev up` restart the server, and the data is kept"
END_OF_PREPARED = "ROLLBACK PREPARED 'p'"
END_OF_ANOTHERS = "wait for it, or end it: `psql -c 'SET search_path = pg_catalog' -c 'SELECT pg_terminate_backend(5)'`"
END = "wait for it, or end it: `planodev psql -c 'SELECT pg_terminate_backend(5)'`"


@pytest.mark.parametrize(
    ("lock", "answer", "fix"),
    [
        (LOCK, Output(0, "0\n5\n", ""), RESTART),
        (LOCK, Output(0, "0\n", ""), END),
        *((LOCK, answer, f"{END}; if the lock remains, the process is stopped: {RESTART}") for answer in UNSEEN),
        ({**LOCK, "user": "boss"}, Output(0, "0\n", ""), END_OF_ANOTHERS),
        (PREPARED, UNSEEN[0], f"wait for it, or end it: {Command('psql', '-c', END_OF_PREPARED)}"),
    ],
)
def test_a_lock_of_the_projects_own_table_ends_by_its_fix_whatever_is_known_of_its_holder(lock, answer, fix):
    opened = SimpleNamespace(execute=lambda _: SimpleNamespace(fetchone=lambda: (lock,)))
    connections = [SimpleNamespace(user="plano")]
    at = SimpleNamespace(ours=True, look=lambda: seen_with(answer), connections=connections)
    assert str(access._waited(opened, at).problem.fix) == fix


@pytest.mark.parametrize("application", ["psql", f"the process {locks.STOPPED}"])
@pytest.mark.parametrize(("answer", "stopped"), [("0\n5\n", True), ("0\n", False), ("\n", False)])
def test_what_ends_a_lock_on_the_catalogue_depends_on_the_process_and_on_no_words(answer, stopped, application):
    """Its program may have any name, and PostgreSQL hides the statement of another role's, which is told last."""
    lock = {**LOCK, "application": application, "query": ""}
    answers = [Output(0, json.dumps({"table": "pg_class", "lock": lock}), ""), Output(0, answer, "")]
    engine = SimpleNamespace(psql=lambda *_, **__: answers.pop(0), limit=lambda: 5.0)
    holder = locked_catalogue.holder(engine, "server", superuser="plano", database="plano")
    assert holder.stopped is stopped
    assert holder.text.endswith(f"; the process {locks.STOPPED}") is stopped
    evidence = Evidence(None, stored=False, error="timeout expired", holder=holder)
    problem = proof.server_silent(evidence)
    assert problem.message == f"Postgres is running, but does not answer: {holder.text}"
    assert ("end that transaction" in str(problem.fix)) is not stopped
