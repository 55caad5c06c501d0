"""What makes new data durable, and that nothing is called ready before."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from planodev.engines import Container, Late, Output, Server
from planodev.engines.embedded import cluster, directories, process
from planodev.engines.embedded import server as servers
from planodev.engines.embedded.cluster import is_little
from planodev.engines.embedded.directories import DataDirectory
from planodev.engines.embedded.engine import EmbeddedEngine
from planodev.engines.embedded.prepared import PreparedCluster
from planodev.look import of_timeout
from planodev.project.identity import Owner
from planodev.steps import not_in_time
from tests.support.tiers import slow
from tests.support.waiting import at_most, until

MEMORY = "MemTotal:       49368172 kB\nDirty:          {} kB\nWriteback:      {} kB\nWritebackTmp:          0 kB\n"


@pytest.mark.parametrize(
    ("kernel", "dirty", "writeback", "little"),
    [
        ("6.1.0-18-amd64", 45_000, 12, True),
        ("5.8", 0, 0, True),
        ("5.15.167.4-microsoft-standard-WSL2", 60_000, 0, True),
        ("6.1.0-18-amd64", 2_000_000, 0, False),
        ("6.1.0-18-amd64", 0, 2_000_000, False),
        ("5.7.19", 45_000, 12, False),
        ("4.18.0-553.el8_10.x86_64", 45_000, 12, False),
    ],
)
def test_the_whole_file_system_is_written_only_where_that_is_soon_done_and_errors_are_told(
    kernel, dirty, writeback, little
):
    assert is_little(kernel, MEMORY.format(dirty, writeback)) is little


def test_a_system_that_does_not_tell_is_not_asked():
    assert is_little("6.1.0", "MemTotal: 1 kB\n") is False


@pytest.mark.parametrize(("whole", "one_by_one"), [(0, 1), (1, 0), (1, 1)])
def test_data_is_durable_once_a_program_has_said_so(tmp_path, monkeypatch, whole, one_by_one):
    """`sync -f` first, and `initdb --sync-only` where that has failed."""
    for name, code in (("sync", whole), ("initdb", one_by_one)):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} \"$@\" >>'{tmp_path}/asked'\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(cluster, "_all_may_be_written", lambda: True)
    place = SimpleNamespace(data=tmp_path / "data", path=tmp_path)
    program = SimpleNamespace(path=lambda name: tmp_path / name, directory=tmp_path)
    runner = SimpleNamespace(arguments={}, name="x", uid=0, gid=0)
    assert cluster.begin_sync(program, place, runner, lambda: 15.0)() is (0 in (whole, one_by_one))
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0] == f"sync -f {place.data}"
    assert len(asked) == (1 if whole == 0 else 2)


def server_in(directory):
    server = Server("n", "v", "", 1, (), Owner("0" * 16, "/p", "1"), "plano", "plano", "native", "secret")
    return Container.planned(str(directory), server)


def test_the_mark_is_durable_before_the_table_is_made(tmp_path, monkeypatch):
    engine, seen = EmbeddedEngine(SimpleNamespace(), SimpleNamespace(path=Path(tmp_path)), lambda: 15.0), []
    engine._sync = lambda: seen.append("data") or True
    monkeypatch.setattr(DataDirectory, "sync", lambda place: seen.append(("mark", place.ready.exists())))
    monkeypatch.setattr(process, "postmaster", lambda _: process.Postmaster(1, 5432, listens=True, ready=True))
    monkeypatch.setattr(process, "psql", lambda *_: seen.append("table") or Output(0, "", ""))
    engine.psql(server_in(tmp_path), "SELECT 1", {"PGUSER": "plano"}, seconds=1, ready=True)
    assert seen == ["data", ("mark", True), "table"]


def test_new_data_comes_with_what_says_that_it_is_durable(open_place, monkeypatch):
    said, child = (lambda: True), SimpleNamespace()
    monkeypatch.setattr(directories, "databases", lambda: open_place)
    monkeypatch.setattr(cluster, "init", lambda _, place, *__: place.data.mkdir())
    monkeypatch.setattr(cluster, "make_database", lambda *_: None)
    monkeypatch.setattr(cluster, "begin_sync", lambda *_: said)
    monkeypatch.setattr(cluster, "reached", lambda program: program)
    monkeypatch.setattr(process, "start", lambda *_: child)
    monkeypatch.setattr(process, "wait_ready", lambda *_: True)
    project = SimpleNamespace(path=open_place)
    owner = Owner("0123456789abcdef", str(open_place), "1")
    server = Server("n", "v", "", 1, (), owner, "plano", "plano", "native", "secret")
    made = servers.create(SimpleNamespace(version="16.1"), project, server, None, lambda: 15.0)
    assert made == (child, said)
    assert not (open_place / owner.project_id / "ready").exists()


@pytest.mark.parametrize("durable", [False, None])
def test_data_that_could_not_be_made_durable_is_never_called_ready(tmp_path, durable):
    """None stands for data that is still being written: the disk is slow, and no role is refused anything."""
    engine = EmbeddedEngine(SimpleNamespace(), SimpleNamespace(path=Path(tmp_path)), lambda: 15.0)
    engine._sync = lambda: durable

    def make_table():
        return engine.psql(server_in(tmp_path), "SELECT 1", {"PGUSER": "plano"}, seconds=1, ready=True)

    if durable is None:
        with pytest.raises(Late, match=r"^the new data was not written to disk in time$"):
            make_table()
    else:
        done = make_table()
        assert (done.code, "durable" in done.err) == (1, True)
    assert list(tmp_path.iterdir()) == []


# planodev, whose new data is never written to the disk.
NEVER_WRITTEN = """
import time

from planodev.__main__ import main
from planodev.engines.embedded import cluster

cluster._all_may_be_written = lambda: time.sleep(600)
main()
"""


@pytest.mark.slow
@pytest.mark.embedded
@pytest.mark.first_start
def test_new_data_that_is_not_written_in_time_is_told_as_that_and_the_next_up_goes_on(project):
    typed = project.command
    project.command = lambda *words: [sys.executable, "-c", NEVER_WRITTEN, *typed(*words)[3:]]
    refused = project("up", "--timeout", "5", "--json", code=6).json["error"]
    assert refused["code"] == "not-ready-in-time"
    assert refused["message"] == "the new data was not written to disk in time"
    assert float(re.search(r"`planodev .*--timeout ([0-9.]+)`", refused["fix"])[1]) > 5
    project.command = typed
    project.follow(refused["fix"])
    assert project.stored() == []


@pytest.mark.parametrize(("seconds", "code", "said"), [(0.05, 0, None), (20.0, 0, True), (20.0, 1, False)])
def test_whether_new_data_is_durable_is_not_known_before_it_is_written(tmp_path, monkeypatch, seconds, code, said):
    program = tmp_path / "initdb"
    program.write_text(f"#!/bin/sh\nsleep 1\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setattr(cluster, "_all_may_be_written", lambda: False)
    place = SimpleNamespace(data=tmp_path / "data", path=tmp_path)
    programs, runner = SimpleNamespace(path=lambda name: tmp_path / name), SimpleNamespace(arguments={})
    assert cluster.begin_sync(programs, place, runner, lambda: seconds)() is said


def test_a_program_that_cannot_be_run_does_not_make_data_durable(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_all_may_be_written", lambda: False)
    place = SimpleNamespace(data=tmp_path / "data", path=tmp_path)
    programs, runner = SimpleNamespace(path=lambda name: tmp_path / name), SimpleNamespace(arguments={})
    assert cluster.begin_sync(programs, place, runner, lambda: 15.0)() is False


# planodev, one of whose programs of PostgreSQL is another.
WITH_ANOTHER = """
from planodev.__main__ import main
from planodev.engines.embedded import programs

real = programs.Program.path
programs.Program.path = lambda self, name: {program!r} if name == {name!r} else real(self, name)
main()
"""


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (0.2, "`planodev up --timeout 10`"),  # an engine has 5 seconds in any case
        (300.0, "`planodev up --timeout 600`"),
        (3000.0, "`planodev up --timeout 3600`"),
        (3600.0, "once the disk responds and the machine is less loaded: `planodev up`"),
    ],
)
def test_a_first_start_that_takes_too_long_offers_more_than_was_typed(typed, offered):
    seen = SimpleNamespace(deadline=of_timeout(SimpleNamespace(timeout=SimpleNamespace(value=typed))))
    told = not_in_time.error(seen, cluster.late("initdb"))
    assert (told.code, told.message) == ("not-ready-in-time", "PostgreSQL's `initdb` did not end in time")
    assert str(told.fix) == offered


@pytest.mark.parametrize("ends", [True, False])
def test_a_prepared_initdb_that_had_all_the_time_is_the_last_one(open_place, monkeypatch, ends):
    """A second one would have no time left; `ends` says whether the first is ended before it is waited for."""
    begun, waits = [], threading.Event()

    def init(*_):
        begun.append("initdb")
        if not ends:
            waits.wait(20)
        raise cluster.late("initdb")

    monkeypatch.setattr(directories, "databases", lambda: open_place)
    monkeypatch.setattr(cluster, "reached", lambda program: program)
    monkeypatch.setattr(cluster, "init", init)
    project = SimpleNamespace(path=open_place)
    prepared = PreparedCluster(SimpleNamespace(), project, lambda: 15.0)
    owner = Owner("0123456789abcdef", str(open_place), "1")
    server = Server("n", "v", "", 1, (), owner, "plano", "plano", "native", "secret")
    until(lambda: begun, "the first initdb")
    if ends:
        until(lambda: not prepared._made.runs, "its end")
    with pytest.raises(Late, match=r"^PostgreSQL's `initdb` did not end in time$"):
        servers.create(SimpleNamespace(version="16.1"), project, server, prepared, lambda: 0.1)
    assert begun == ["initdb"]
    waits.set()
    prepared.drop()


@pytest.mark.embedded
@pytest.mark.first_start
@pytest.mark.parametrize("name", ["initdb", slow("postgres")])
def test_a_program_that_makes_the_data_and_never_ends_is_ended_and_the_next_up_starts_over(project, name):
    """As on a disk that does not answer."""
    program = project.base / name
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    typed = project.command
    code = WITH_ANOTHER.format(program=str(program), name=name)
    project.command = lambda *words: [sys.executable, "-c", code, *typed(*words)[3:]]
    with at_most(5):
        refused = project("up", "--timeout", "5", "--json", code=6).json["error"]
    assert refused["code"] == "not-ready-in-time"
    assert refused["message"] == f"PostgreSQL's `{name}` did not end in time"
    assert float(re.search(r"`planodev .*--timeout ([0-9.]+)`", refused["fix"])[1]) > 5
    project.command = typed
    project.follow(refused["fix"])
    assert project.stored() == []
