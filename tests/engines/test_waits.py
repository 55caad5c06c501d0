"""What keeps a server from answering, on every engine: each command ends in time, and names it; `down` stops it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest

from tests.support.tiers import slow_but
from tests.support.waiting import at_most, until

pytestmark = pytest.mark.each_engine(slow="docker")

LIMIT = 15.0  # seconds, for a command without `--timeout`


def took(project, *command):
    began = time.monotonic()
    project(*command)
    return time.monotonic() - began


@contextlib.contextmanager
def locked(project):
    """Hold the table as a migration does that somebody has left open; yields the session's process."""
    with project.login(autocommit=False) as session:
        session.execute("LOCK TABLE conversation_states IN ACCESS EXCLUSIVE MODE")
        yield session.info.backend_pid
        with contextlib.suppress(psycopg.Error):
            session.rollback()
        session.close()


def signal_server(project, name):
    """Send a signal to the postmaster alone; its children go on."""
    if project.engine == "docker":
        project.api.kill(project.status()["container"], signal=name)
    else:
        os.kill(project.pid(), getattr(signal, name))


@pytest.fixture
def filled(project):
    project("up", "--plano", "native")
    project.store("kept")
    return project


def names(text, pid):
    """Say whether a text has who holds a lock: the process, the first words of its statement, and since when."""
    since = f"since {time.gmtime().tm_year}-"
    return all(word in text for word in (f"process {pid} ", "`LOCK TABLE conversation_states`", since))


def test_a_locked_table_is_named_with_its_holder_and_keeps_down_from_nothing(filled):
    with locked(filled) as pid:
        with at_most(LIMIT):
            status = filled("status", "--json").json
        assert (status["data"]["state"], status["data"]["table"]) == ("running", "ready")
        assert status["data"]["conversations"] is None
        assert [w["code"] for w in status["warnings"]][-1:] == ["table-locked"]
        assert names(status["warnings"][-1]["message"], pid)
        for command in ("verify", "up"):
            with at_most(LIMIT):
                refused = filled(command, "--json", code=7)
            assert refused.error == "table-locked", command
            assert names(refused.json["error"]["why"], pid), command
        with at_most(LIMIT):
            filled("doctor", code=7)
        with at_most(LIMIT):
            assert filled("down", "--keep-data", "--json").json["data"]["stopped"]
    filled("up")
    assert filled.stored() == ["kept"]


@pytest.mark.slow
def test_locks_are_waited_for_no_longer_than_timeout_says(filled):
    """Seen in what the server is asked for, as it ends each wait itself."""
    filled.write("planodev.toml", "timeout = 60\n")
    filled.as_superuser("ALTER SYSTEM SET log_statement = 'all'")
    filled.as_superuser("SELECT pg_reload_conf()")
    with locked(filled):
        waits = {}
        for options in ((), ("--timeout", "5")):
            before = len(filled.words()[0])
            assert filled("up", *options, "--json", code=7).error == "table-locked"
            limits = re.findall(r"SET LOCAL lock_timeout = (\d+)", filled.words()[0][before:])
            waits[options] = sum(map(int, limits)) / 1000
    assert 0 < waits["--timeout", "5"] < 5 < waits[()]


@pytest.mark.slow
def test_what_is_about_to_be_deleted_is_named_also_where_it_cannot_be_counted(filled):
    with locked(filled) as pid, at_most(LIMIT):
        message = filled("down", "--delete-data", "--json", code=2).json["error"]["message"]
        assert "every stored conversation turn (not counted, since `conversation_states` is locked: " in message
        assert names(message, pid)
    assert filled.stored() == ["kept"]


def test_a_lock_that_is_given_back_in_time_disturbs_nobody(filled):
    with filled.login(autocommit=False) as session:
        session.execute("LOCK TABLE conversation_states IN ACCESS EXCLUSIVE MODE")
        later = threading.Timer(1.0, session.rollback)
        later.start()
        filled("verify")
        later.join()


@pytest.mark.slow
def test_a_frozen_server_is_told_in_time_and_down_stops_it(filled):
    signal_server(filled, "SIGSTOP")
    with at_most(LIMIT):
        status = filled("status", "--json").json
    assert status["data"]["state"] == "broken"
    assert [w["code"] for w in status["warnings"]][-1:] == ["server-silent"]
    with at_most(LIMIT):
        unreachable = filled("verify", "--json", code=7).json["error"]
    with at_most(LIMIT):
        assert "timeout expired" in filled("psql", "-c", "SELECT 1", code=2).err
    with at_most(5):
        late = filled("up", "--timeout", "5", "--json", code=6).json["error"]
    assert (unreachable["code"], late["code"]) == ("unreachable", "not-ready-in-time")
    # Both say the same, and the second one offers a longer wait beside it.
    (stop, start), (*ways, _) = (
        re.findall(f"`planodev -C {filled.path} (.*?)`", one["fix"]) for one in (unreachable, late)
    )
    assert ways == [stop, start]
    with at_most(LIMIT):
        assert filled(*stop.split(), "--json").json["data"]["stopped"]
    filled(start)
    assert filled.stored() == ["kept"]


def signal_process(project, pid, name):
    """Send a signal to one of the server's processes, by the number that the server has for it."""
    if project.engine == "docker":
        number = project.api.exec_create(project.status()["container"], ["sh", "-c", f"kill -{name[3:]} {pid}"])["Id"]
        project.api.exec_start(number)
    else:
        os.kill(pid, getattr(signal, name))


@pytest.mark.slow
def test_a_session_that_is_frozen_with_the_server_ends_by_force(filled):
    with filled.login() as session:
        signal_process(filled, session.info.backend_pid, "SIGSTOP")
        with at_most(LIMIT):
            filled("down", "--keep-data")
        session.close()
    filled("up")
    assert filled.stored() == ["kept"]


WAITS = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'planodev'"


@contextlib.contextmanager
def stopped(project, *command):
    """Start a command, and stop the server's process that serves it, in the middle of a statement; yields both."""
    with locked(project):
        running = project.start(*command)
        with project.login() as watcher:
            ((pid,),) = until(lambda: watcher.execute(WAITS).fetchall(), "the command is in a statement")
        signal_process(project, pid, "SIGSTOP")
        yield running, pid
        running.wait()  # before what it waits for is given back
        signal_process(project, pid, "SIGCONT")


# What meets a locked table, with its exit code.
MEETS_A_LOCK = {
    ("status",): 0,
    ("verify",): 7,
    ("up", "--timeout", "5"): 7,
    ("conversations",): 6,
    ("doctor",): 7,
    ("up",): 7,
    ("conversations", "export", "rows"): 6,
    ("conversations", "prune", "--superseded", "--yes"): 6,
    ("reset", "--yes"): 6,
    ("snapshot", "save"): 6,
}


@pytest.mark.slow
def test_a_holder_of_the_lock_that_is_itself_stopped_is_called_so_and_the_fix_ends_it(filled):
    """`pg_terminate_backend` is a signal, which a process that is stopped does not heed."""
    with filled.login(autocommit=False) as holder:
        holder.execute("LOCK TABLE conversation_states IN ACCESS EXCLUSIVE MODE")
        pid = holder.info.backend_pid
        signal_process(filled, pid, "SIGSTOP")
        for command, code in MEETS_A_LOCK.items() if filled.engine == "docker" else [*MEETS_A_LOCK.items()][:4]:
            with at_most(LIMIT):
                said = filled(*command, "--json", code=code)
            assert f"server process {pid} (plano) holds the lock" in said.out
            assert "; the process is stopped (SIGSTOP or a debugger)" in said.out
            assert "pg_terminate_backend" not in said.out, command
            assert "down --keep-data` and `planodev" in said.out, command
        with at_most(LIMIT):
            said = filled("down", "--delete-data", "--json", code=2).out
        assert f"server process {pid} (plano) holds the lock" in said
        with at_most(2 * LIMIT):
            filled.follow(filled("verify", "--json", code=7).json["error"]["fix"])
        holder.close()
    filled("verify")
    assert filled.stored() == ["kept"]


COMMANDS = [
    ("conversations",),
    ("conversations", "export", "rows"),
    ("conversations", "prune", "--superseded", "--yes"),
]


@pytest.mark.parametrize("command", slow_but(COMMANDS[:1], COMMANDS), ids=" ".join)
def test_a_process_of_the_server_that_is_stopped_is_named_and_not_waited_for(filled, command):
    with stopped(filled, *command) as (running, pid), at_most(LIMIT):
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (6, "")
    assert "[connection-lost]" in err
    assert f"server process {pid}, which handles this session, is stopped (SIGSTOP or a debugger)" in err
    assert filled.stored() == ["kept"]
    filled(*command)


def test_ctrl_c_ends_a_command_at_once_whose_server_says_nothing(filled):
    with stopped(filled, "conversations") as (running, _):
        running.send_signal(signal.SIGINT)
        with at_most(1):
            assert running.communicate(timeout=60) == ("", "✗ interrupted [interrupted]\n")
    assert running.returncode == 130


@pytest.fixture
def large(filled):
    """Return a project with so much in its table that `pg_dump` takes seconds."""
    with filled.login() as session:
        session.execute(
            "INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)"
            " SELECT 'large-' || n, to_jsonb(array(SELECT md5(random()::text) FROM generate_series(1, 40000))),"
            " 1, 'm', 'p' FROM generate_series(1, 25) AS n"
        )
    return filled


def dump_of(watcher):
    """Return the server's process for `pg_dump`, once that reads rows."""
    found = watcher.execute("SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY public.conversation_states%'")
    return found.fetchone()


@pytest.mark.parametrize("how", slow_but(["process"], ["process", "ctrl-c", "server"]))
def test_a_pg_dump_that_does_not_go_on_is_ended_with_the_cause_and_leaves_nothing(large, how):
    running = large.start("snapshot", "save", "later", "--json")
    with large.login() as watcher:
        (pid,) = until(lambda: dump_of(watcher), "pg_dump reads rows")
    signal_process(large, pid, "SIGSTOP")
    if how == "server":
        signal_server(large, "SIGSTOP")
    if how == "ctrl-c":
        running.send_signal(signal.SIGINT)
    with at_most(1 if how == "ctrl-c" else LIMIT):
        out, err = running.communicate(timeout=60)
    if how == "server":
        signal_server(large, "SIGCONT")
    signal_process(large, pid, "SIGCONT")
    error = json.loads(out)["error"]
    if how == "ctrl-c":
        assert (running.returncode, error["code"]) == (130, "interrupted"), err
    else:
        assert (running.returncode, error["code"]) == (1, "snapshot-failed"), err
        assert error["why"].startswith("`pg_dump` wrote nothing for ")
    if how == "process":
        assert f"server process {pid}, which handles this session, is stopped (SIGSTOP or a debugger)" in error["why"]
    with large.login() as watcher:
        until(lambda: dump_of(watcher) is None, "the end of pg_dump's session")
    kept = large("snapshot", "list", "--json").json["data"]
    assert (kept["snapshots"], list(Path(kept["directory"]).iterdir())) == ([], [])
    if how == "process":
        large("snapshot", "save", "later")


@pytest.mark.slow
def test_a_million_turns_cost_no_more_than_none(filled):
    def times():
        return [min(took(filled, command) for _ in range(3)) for command in ("status", "up")]

    before = times()
    with filled.login() as session:
        session.execute(
            "INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)"
            " SELECT 'row-' || n, '[]', 1, 'm', 'p' FROM generate_series(1, 1000000) AS n"
        )
    for analysed in (False, True):
        data = filled.status()
        assert data["conversations_estimated"]
        assert 0.8e6 < data["conversations"] < 1.2e6, analysed
        with filled.login() as session:
            session.execute("ANALYZE conversation_states")
    assert "about 1" in filled("status").out
    after = times()
    assert all(now < then + 0.3 for now, then in zip(after, before, strict=True)), (before, after)
    refused = filled("down", "--delete-data", "--json", code=2)
    assert "about 1" in refused.json["error"]["message"]
    with at_most(LIMIT):
        filled("down", "--keep-data")


# As where a planodev was killed while it stopped the server: that ends after the next `up` has looked.
STOPPED_AFTER_THE_LOOK = """
from planodev import fast
from planodev.__main__ import main
from planodev.steps import server

fast.already_proved = lambda seen: None
real = server.bring_up

def bring_up(seen, plan, facts):
    database = real(seen, plan, facts)
    seen.engine.stop(database.server, 10)
    return database

server.bring_up = bring_up
main()
"""


def test_a_server_that_stops_after_the_look_is_started_again(project):
    project("up")
    project.store("kept")
    typed = project.command
    project.command = lambda *words: [sys.executable, "-c", STOPPED_AFTER_THE_LOOK, *typed(*words)[3:]]
    again = project("up")
    project.command = typed
    assert "has stopped in the meantime; starting it again" in again.err
    assert project.stored() == ["kept"]
