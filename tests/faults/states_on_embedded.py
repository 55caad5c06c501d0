"""States of a database that the embedded engine runs, and of its server: see `tests.faults.states`."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from dataclasses import replace

import psutil
import psycopg
import pytest
from dotenv import dotenv_values

from planodev.engines import port_holders
from planodev.engines.embedded import cluster, directories
from planodev.engines.embedded import process as processes
from planodev.postgres import limits, state_table
from planodev.project import defaults
from tests.faults.states import State, both, changes, fake_docker, has_key, has_planoai, real_docker, typed, up, writes
from tests.faults.states_of_machines import process
from tests.support import left_over
from tests.support.ports import free_port
from tests.support.project import login
from tests.support.requirements import as_root
from tests.support.waiting import until


def embedded(here):
    """Have a place for the data of an embedded engine, and no server of it left in the end."""
    place = left_over.make()
    here.at_end(lambda: left_over.remove(place))
    here.own = place / "data"
    here.monkeypatch.setattr(directories, "OF_ROOT", place / "of-root")
    here.monkeypatch.setenv("XDG_DATA_HOME", str(here.own))
    here.monkeypatch.setenv("PLANODEV_ENGINE", "embedded")
    here.monkeypatch.setenv("PLANODEV_PORT", str(free_port()))


def own_data(here):
    here.monkeypatch.setenv("XDG_DATA_HOME", str(here.own))


def unreachable(here):
    as_root()
    embedded(here)
    here.monkeypatch.setenv("XDG_DATA_HOME", str(here.home / "data"))  # below a directory of pytest's, which is shut


def a_file(here):
    embedded(here)
    (here.home / "file").write_text("")
    here.monkeypatch.setenv("XDG_DATA_HOME", str(here.home / "file"))


def no_database(here):
    """Have the program that makes the role and the database fail."""
    embedded(here)
    here.first = cluster._first
    here.monkeypatch.setattr(cluster, "_first", lambda *_: "SELECT 1/0;\n")


def database(here):
    here.monkeypatch.setattr(cluster, "_first", here.first)


def old_server(here):
    """Leave a process in the data of a server that is gone, whose number is another program's now."""
    embedded(here)
    up(here)
    here("down", "--keep-data")
    data = data_of(here)
    worker = process(here, "sleep", "60", cwd=data)
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n1\n1\n\n\n\n")
    here.others[f"kill {worker.pid}"] = lambda _: (worker.kill(), worker.wait())


def not_stopped(here):
    """Have a server that no signal of planodev's ends."""
    embedded(here)
    up(here)
    here.monkeypatch.setattr(processes, "_signal", lambda *_: None)
    here.monkeypatch.setattr(defaults, "STOP_LIMIT", 1.0)


def logged_in(here):
    return login(dotenv_values(here.directory / ".env", interpolate=False))


def ready(here):
    """Have all that Plano needs, and a port for its listener that no other program has."""
    both(embedded, has_planoai, has_key, up, changes("config.yaml", "12000", str(free_port())))(here)


def below_1024(here):
    """Have the limit that every system but a container has."""
    here.monkeypatch.setattr(port_holders, "first_for_everybody", lambda: 1024)


def on_embedded(*steps):
    return both(embedded, up, *steps)


ROW = {"input_items": [], "created_at": 1, "model": "m", "provider": "p"}


def stores(*ids):
    """Have turns stored, as who imports them."""

    def run(here):
        here.write("rows.jsonl", "".join(f"{json.dumps({'response_id': one, **ROW})}\n" for one in ids))
        here("conversations", "import", "rows.jsonl")

    return run


NESTED = json.dumps({"response_id": "deep", **ROW}).replace("[]", "[" * 5000 + "]" * 5000) + "\n"


def nested(here):
    """Have a turn stored that is nested more deeply than Python reads."""
    record = f"(jsonb_populate_record(NULL::{state_table.NAME}, '{NESTED}')).*"
    alter(here, f"INSERT INTO {state_table.NAME} SELECT {record}")


def slow(here):
    """Have a row that takes the server longer to read than planodev waits, which is less than in earnest."""
    stores("abc1")(here)
    here.monkeypatch.setitem(limits.bound.__kwdefaults__, "statement", 0.3)
    alter(here, f"CREATE POLICY slow ON {state_table.NAME} USING (pg_sleep(2) IS NOT NULL)")
    alter(here, f"ALTER TABLE {state_table.NAME} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")


def quick(here):
    alter(here, f"ALTER TABLE {state_table.NAME} DISABLE ROW LEVEL SECURITY")


def alter(here, statement):
    with logged_in(here) as session:
        session.execute(statement)


def takes_every_connection(here):
    here.held = []
    with suppress(psycopg.OperationalError):
        while True:
            here.held.append(logged_in(here))


def ends_them(here):
    for session in here.held:
        session.close()


def data_of(here):
    (data,) = here.own.glob("planodev/postgres/*/data")
    return data


def server_of(here):
    return psutil.Process(int((data_of(here) / "postmaster.pid").read_text().split()[0]))


def lets_in(here):
    with suppress(psycopg.OperationalError):
        logged_in(here).close()
        return True


def lets_nobody_in(here):
    path = data_of(here) / "pg_hba.conf"
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("host")))
    server_of(here).send_signal(signal.SIGHUP)
    until(lambda: not lets_in(here), "the server reads its pg_hba.conf")


def gets_a_line(here):
    with (data_of(here) / "pg_hba.conf").open("a") as file:
        file.write("host all all all scram-sha-256\n")


def frozen(here):
    server = server_of(here)
    for one in (server, *server.children()):
        one.suspend()


def in_docker_too(**noted):
    """Have data of the project in Docker as well, as a move leaves it that was cut off, and a record that says so."""

    def run(here):
        here.monkeypatch.setenv("PLANODEV_ENGINE", "docker")
        up(here)
        here("down", "--keep-data")
        (record,) = (here.home / "xdg_state_home/planodev/projects").iterdir()
        record.unlink()
        engine, kept = here.engine, (here.engine.containers, here.engine.data)
        engine.containers, engine.data = {}, {}
        on_embedded()(here)
        engine.containers, engine.data = kept
        record.write_text(json.dumps({**json.loads(record.read_text()), **noted}))

    return run


def docker_back(here):
    fake_docker(here)
    here.at_end(lambda: pytest.fail("it is in Docker still") if here.engine.data else None)


ROWS = stores("abc1", "abc2")
OF_SERVERS = (
    State("query-timed-out", "conversations", on_embedded(slow), quick, "run this again"),
    State("too-many-connections", "verify", on_embedded(takes_every_connection), ends_them, "end the programs that"),
    State("too-many-connections", "verify", on_embedded(takes_every_connection), says="`planodev down"),
    State("pg-hba", "verify", on_embedded(lets_nobody_in), gets_a_line, "add a `host` line with `scram-sha-256`"),
    State("server-silent", "status", on_embedded(frozen)),
    State("checks-failed", "doctor --json", both(ready, typed("down", "--keep-data"))),
    State("move-left-data", "up", in_docker_too(moving_to="docker"), yes="--delete-data"),
    State(
        "copy-remains",
        "down --delete-data --yes",
        both(in_docker_too(remains="docker"), real_docker("unix:///nowhere/docker.sock")),
        docker_back,
        "again once that engine answers",
        yes="--delete-data",
    ),
    State("data-directory-unreachable", "up --engine embedded", unreachable),
    State("data-directory-unwritable", "up", a_file, own_data, "XDG_DATA_HOME to a directory of yours"),
    State("database-not-made", "up", no_database, database, "free space"),
    State("port-privileged", "up --port 80", on_embedded(below_1024)),
    State("plano-out-of-reach", "up --engine embedded --plano docker", both(embedded, has_key, has_planoai)),
    State("data-in-use", "up", old_server),
    State("server-not-stopped", "down --keep-data", not_stopped),
)
OF_CONVERSATIONS = (
    State("not-running", "psql", on_embedded(typed("down", "--keep-data"))),
    State("not-running", "conversations", on_embedded(typed("down", "--keep-data"))),
    State("id-unknown", "conversations show other", on_embedded(ROWS), then="conversations show abc1"),
    State(
        "id-ambiguous",
        "conversations show abc",
        on_embedded(ROWS),
        says="type more of it",
        then="conversations show abc1",
    ),
    State(
        "nothing-stored",
        "conversations show last",
        ready,
        ROWS,
        "`planodev doctor` says whether",
    ),
    State("bad-time", "conversations --since x", on_embedded(), says="`--since 2h`", then="conversations --since 2h"),
    State(
        "bad-import-file",
        "conversations import x.jsonl",
        on_embedded(ROWS, writes("x.jsonl", "[1]\n")),
        fills=("FILE", "y.jsonl"),
        then="conversations import y.jsonl",
    ),
    State(
        "bad-import-file",
        "conversations import x.jsonl",
        on_embedded(writes("x.jsonl", NESTED)),
        writes("x.jsonl", ""),
        "remove that line from the file",
    ),
    State("nested-too-deeply", "conversations show deep", on_embedded(nested), fills=("FILE", "y.jsonl")),
    *(
        State("file-exists", "conversations export rows.jsonl", on_embedded(ROWS), says=says, then=then)
        for says, then in (
            ("name another file", "conversations export other.jsonl"),
            ("or replace it with `--force`", "conversations export rows.jsonl --force"),
        )
    ),
    State(
        "file-failed",
        "conversations --html nowhere/page.html",
        on_embedded(ROWS),
        says="name another file",
        then="conversations --html page.html",
    ),
    State(
        "bad-snapshot-name",
        "snapshot save 'a b'",
        on_embedded(),
        says="choose another name",
        then="snapshot save a-b",
    ),
    State(
        "snapshot-exists",
        "snapshot save one",
        on_embedded(typed("snapshot", "save", "one")),
        says="snapshot delete one",
        yes="delete one",
    ),
    State(
        "snapshot-exists",
        "snapshot save one",
        on_embedded(typed("snapshot", "save", "one")),
        says="choose another name",
        then="snapshot save two",
    ),
    State("snapshot-unknown", "snapshot restore --yes", on_embedded()),
    State(
        "snapshot-unknown",
        "snapshot restore other --yes",
        on_embedded(typed("snapshot", "save", "one")),
        then="snapshot restore one --yes",
    ),
)
STATES = tuple(replace(state, embedded=True) for state in (*OF_SERVERS, *OF_CONVERSATIONS))
