"""A session whose server or network has gone silent ends; one whose statement takes long does not."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from types import SimpleNamespace

import psycopg
import pytest

from planodev.commands import snapshot
from planodev.engines import LOOK, Streams
from planodev.postgres import limits, proof
from planodev.postgres.connection import Connection
from planodev.postgres.session import Session
from planodev.problems import PlanodevError
from tests.support.stalling import losing
from tests.support.tiers import slow_but
from tests.support.waiting import at_most, until

pytestmark = pytest.mark.embedded


@pytest.fixture
def filled(project):
    project("up")
    project.store("kept")
    return project


def opened(project, port):
    env = project.env
    return proof.login(Connection(env["DB_USER"], env["DB_PASS"], "127.0.0.1", port, env["DB_NAME"]), 5)


@pytest.mark.parametrize(("statement", "connections"), [(1, None), (2, None), (3, 1)])
def test_what_the_server_has_answered_and_nobody_brings_is_waited_for_no_longer(
    filled, monkeypatch, statement, connections
):
    monkeypatch.setattr(limits, "SILENCE", 0.3)
    with (
        losing(int(filled.env["DB_PORT"]), statement, connections=connections) as port,
        opened(filled, port) as session,
    ):
        session.autocommit = True
        for _ in range(statement - 1):
            session.execute("SELECT 1")
        with at_most(3), pytest.raises(psycopg.OperationalError, match="timeout expired"):
            session.execute("SELECT 1")
        assert session.closed


def test_a_copy_whose_server_goes_silent_ends_without_a_word_of_the_librarys_own(filled, monkeypatch, caplog):
    monkeypatch.setattr(limits, "SILENCE", 0.3)
    with losing(int(filled.env["DB_PORT"]), 2) as port, opened(filled, port) as session:
        with pytest.raises(psycopg.OperationalError), session.cursor().copy("COPY conversation_states FROM STDIN"):
            pass
        assert session.closed
    assert caplog.records == []


def test_a_statement_that_takes_long_is_waited_for(filled, monkeypatch):
    monkeypatch.setattr(limits, "SILENCE", 0.2)
    with opened(filled, int(filled.env["DB_PORT"])) as session:
        assert session.execute("SELECT 'late' FROM pg_sleep(1.5)").fetchone() == ("late",)


def test_no_statement_takes_longer_than_it_may_whatever_the_server_says(filled, monkeypatch):
    monkeypatch.setattr(limits, "SILENCE", 0.2)
    with opened(filled, int(filled.env["DB_PORT"])) as session:
        session.longest = 0.5
        with at_most(3), pytest.raises(psycopg.OperationalError, match="timeout expired"):
            session.execute("SELECT pg_sleep(60)")


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("statement", ["SELECT pg_sleep(60)", "COPY (SELECT pg_sleep(60)) TO STDOUT", "COPY"])
def test_ctrl_c_is_not_waited_for_and_a_server_that_hears_of_it_gives_up(filled, statement, silent):
    def work(session):
        if statement.startswith("SELECT"):
            session.execute(statement)
            return
        with session.cursor().copy("COPY conversation_states FROM STDIN" if statement == "COPY" else statement) as rows:
            if statement == "COPY":
                while True:
                    rows.write(b"#" * 1000)
            rows.read()

    with opened(filled, int(filled.env["DB_PORT"])) as session:
        pid = session.info.backend_pid
        later = threading.Timer(
            0.5, lambda: (silent and os.kill(pid, signal.SIGSTOP), signal.raise_signal(signal.SIGINT))
        )
        later.start()
        with at_most(1.5, beside=3), pytest.raises(KeyboardInterrupt):
            work(session)
        assert session.closed
    if silent:
        os.kill(pid, signal.SIGCONT)
    with filled.login() as watcher:
        there = "SELECT FROM pg_stat_activity WHERE pid = %s"
        until(lambda: not watcher.execute(there, [pid]).fetchall(), "the end of the session")
    assert filled.stored() == ["kept"]


@pytest.fixture
def clock(monkeypatch):
    """Return the time, in seconds, which only the test changes."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def watching(session, clock, seconds):
    """Look at a program that writes nothing, for some seconds, as often as an engine does."""
    with tempfile.TemporaryFile() as target, tempfile.TemporaryFile() as errors:
        watch = snapshot._Watch(["pg_dump"], Streams(None, target, errors), "written", session)
        ends = clock[0] + seconds
        while clock[0] < ends:
            watch()
            clock[0] += LOOK


def test_a_program_that_the_server_is_at_work_for_is_asked_after_once_in_each_silence(clock):
    asked = []
    watching(SimpleNamespace(idle_because=asked.append), clock, 50)
    assert len(asked) in range(7, 9)  # each is a login and a look at the engine


def test_a_program_that_does_not_go_on_is_ended_at_the_second_look(clock):
    asked = []
    session = SimpleNamespace(idle_because=lambda name: asked.append(clock[0]) or "a cause")
    with pytest.raises(PlanodevError) as refused:
        watching(session, clock, 50)
    assert len(asked) == 2
    assert asked[1] - asked[0] < 1
    assert clock[0] - 100 < limits.SILENCE + 1
    assert refused.value.why.endswith(": a cause")


def of_three_processes(stopped):
    """Return why the server is not at work for a program of three processes, as `stopped` tells of its own ones."""
    rows = [(11, "active", None), (12, "active", "LWLock"), (13, "active", "LWLock")]
    one = Session.__new__(Session)
    one.again = lambda: SimpleNamespace(execute=lambda *_: SimpleNamespace(fetchall=lambda: rows), close=lambda: None)
    one.stopped = stopped
    return one.idle_because("planodev-1")


def test_the_engine_is_looked_at_once_however_many_processes_a_program_has():
    looks = []
    assert "12" in of_three_processes(lambda: looks.append("look") or {7})
    assert looks == ["look"]


def test_processes_that_cannot_be_seen_are_not_told_of():
    assert of_three_processes(lambda: None) is None


def test_an_engine_that_does_not_answer_is_not_waited_for_when_a_limit_is_kept(monkeypatch):
    monkeypatch.setattr(limits, "LOGIN", 0.1)
    answers = threading.Event()
    with at_most(2):
        assert of_three_processes(lambda: answers.wait(20) and {11}) is None
    answers.set()


COMMANDS = [("conversations",), ("conversations", "export", "rows"), ("psql", "-c", "SELECT 1")]


@pytest.mark.parametrize("command", slow_but(COMMANDS[:1], COMMANDS), ids=" ".join)
def test_a_command_ends_in_time_where_a_hosted_server_goes_silent_after_the_login(filled, command):
    with losing(int(filled.env["DB_PORT"]), 2) as port:
        env = {**filled.env, "DB_HOST": "127.0.0.1", "DB_PORT": str(port)}
        filled.write(
            "hosted.env", "".join(f"{name}={value}\n" for name, value in env.items() if name.startswith("DB_"))
        )
        words = (
            ("psql", "--env-file", "hosted.env", *command[1:])
            if command[0] == "psql"
            else (*command, "--env-file", "hosted.env")
        )
        with at_most(15, beside=10):
            refused = filled(*words, code=6)
    assert "[connection-lost]" in refused.err
    assert "timeout expired: no answer within" in refused.err
