"""The commands on stored conversations while the database goes away, others hold locks, or rows form any tree."""

from __future__ import annotations

import contextlib
import json
import re

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planodev.conversations import heads, store
from tests.support import left_over
from tests.support.conversations import Plano, said
from tests.support.docker_objects import remove_all
from tests.support.engine_project import OnEngine
from tests.support.requirements import require_engine
from tests.support.waiting import at_most, until

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'planodev'"


@pytest.mark.each_engine(slow="docker")
def test_a_database_that_stops_in_the_middle_of_a_list_is_told_and_the_next_list_works(project, plano):
    plano.turn("My order 1234")
    with contextlib.suppress(psycopg.OperationalError), project.login(autocommit=False) as holder:
        holder.execute("LOCK TABLE conversation_states IN ACCESS EXCLUSIVE MODE")
        listing = project.start("conversations", "--json")
        with project.login() as watcher:
            until(lambda: watcher.execute(WAITING).fetchone()[0], "the list waits for the lock")
        project.kill()
        out, err = listing.communicate(timeout=20)
    error = json.loads(out)["error"]
    assert (listing.returncode, error["code"]) == (6, "connection-lost"), out + err
    (looks,) = re.findall(f"`planodev -C {project.path} (.*?)`", error["fix"])
    project(looks)  # says that it does not run
    again = project("conversations", "--json", code=None).json["error"]
    project(*re.findall(f"`planodev -C {project.path} (.*?)`", again["fix"]))
    assert "My order 1234" in project("conversations").out


@pytest.mark.each_engine(slow="docker")
@pytest.mark.slow
def test_a_prune_never_holds_its_locks_for_more_than_a_second(project, plano):
    """Each row takes 20 ms, so the first batch takes too long, is given back, and is tried in smaller parts."""
    first = plano.turn("0")
    for number in range(1, 100):
        first = plano.turn(str(number), after=first)
    session = plano.session
    session.execute(
        "CREATE TABLE deleted (batch xid8 DEFAULT pg_current_xact_id()); "
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_sleep(0.02); INSERT INTO deleted DEFAULT VALUES; RETURN OLD; END'; "
        "CREATE TRIGGER slow BEFORE DELETE ON conversation_states FOR EACH ROW EXECUTE FUNCTION slow()"
    )
    project("conversations", "prune", "--superseded", "--yes")
    batches = [rows for (rows,) in session.execute("SELECT count(*) FROM deleted GROUP BY batch")]
    assert sum(batches) == 99
    assert max(batches) <= 50  # of 20 ms each
    assert project.stored() == [first]


@pytest.mark.each_engine(slow="docker")
def test_a_prune_that_meets_a_lock_names_who_holds_it_and_deletes_nothing_by_half(project, plano):
    root = plano.turn("root")
    leaf = plano.turn("leaf", after=root)
    with project.login(autocommit=False) as holder:
        holder.execute("SELECT FROM conversation_states WHERE response_id = %s FOR UPDATE", [root])
        pid = str(holder.info.backend_pid)
        with at_most(10):
            error = project("conversations", "prune", "--superseded", "--yes", "--json", code=6).json["error"]
    assert (error["code"], pid in error["why"]) == ("table-locked", True)
    assert project.stored() == sorted([root, leaf])


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.parametrize("there", ["docker", "embedded"])
def test_a_snapshot_of_one_engine_is_restored_on_the_other(there, api):
    here = "embedded" if there == "docker" else "docker"
    require_engine("embedded")
    base = left_over.make()
    (base / "data").mkdir()  # one that planodev makes is for its user alone, and root's server runs as another
    try:
        project = OnEngine(base / "shop", base, here, api)
        project("up", "--model", "ollama/llama3.1")
        project.store("a", "b")
        project("snapshot", "save", "moved")
        project("down", "--delete-data", "--yes")
        project.engine = project.environment["PLANODEV_ENGINE"] = there
        project("up")
        assert project.stored() == []
        restored = project("snapshot", "restore", "moved", "--yes", "--json").json["data"]
        assert (restored["rows"], project.stored()) == (2, ["a", "b"])
        project("down", "--delete-data", "--yes")
    finally:
        remove_all(api, str(base))
        left_over.remove(base)


@pytest.fixture(scope="module")
def table():
    """Return a session at an embedded database."""
    require_engine("embedded")
    base = left_over.make()
    project = OnEngine(base / "shop", base, "embedded")
    project("up", "--model", "ollama/llama3.1")
    with project.login() as session:
        yield session
    left_over.remove(base)


# Which earlier turn each turn goes on from (None: from none), and what is said, out of few words: texts repeat.
TURNS = st.lists(st.tuples(st.none() | st.integers(0, 30), st.sampled_from(["yes", "no", "why?"])), max_size=30)


@pytest.mark.embedded
@given(TURNS, st.randoms())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_for_random_trees_of_stored_turns_the_list_has_exactly_the_heads(table, turns, dice):
    table.execute("TRUNCATE conversation_states")
    plano, rows = Plano(table), []
    for parent, text in turns:
        history = plano.items[rows[parent % len(rows)]] if rows and parent is not None else []
        rows.append(plano.put([*history, said(text), said(f"answer {dice.randrange(3)}", "assistant")]))
    items = plano.items
    true = {one for one in rows if not any(items[o][: len(items[one])] == items[one] != items[o] for o in rows)}
    with table.transaction():
        found = heads.newest(store.newest(table), len(rows) + 1).heads
    assert {head.row.id for head in found} == true
