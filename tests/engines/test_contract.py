"""What every engine does behind `planodev.engines.Engine`, also the one in memory that `up` is tested on."""

from __future__ import annotations

import os

import docker as sdk
import pytest

from planodev.engines import NameTaken, NotToldToGo, Observed, PortTaken, Probe, Server, Storage, VolumeTaken
from planodev.engines.docker import engine as docker
from planodev.engines.embedded import engine as embedded
from planodev.postgres import connection, limits, proof
from planodev.project import identity
from planodev.project.identity import Owner
from tests.support import left_over
from tests.support.docker_objects import remove_all
from tests.support.fake_engine import FakeEngine
from tests.support.ports import free_port
from tests.support.requirements import require_engine
from tests.support.waiting import at_most, until

NAME = f"plano-contract-{os.getpid()}"
PATIENCE = 60.0  # seconds for a first start


class Contract:
    """One project on an engine, at the protocol itself."""

    def __init__(self, kind, base):
        self.base = base
        self.port = free_port()
        self.path = base / "shop"
        self.path.mkdir()
        self.project, self.number = identity.at(self.path), identity.new_id()
        self.engine = self.open(kind)
        self.image = self.engine.traits.fixed.get("image", "postgres:16")
        self.mode = self.engine.traits.fixed.get("plano", "docker")

    def open(self, kind):
        if kind == "fake":
            return FakeEngine()
        if kind == "docker":
            return docker.connect(os.environ, lambda: 30.0)
        return embedded.connect(self.project, lambda: 30.0)

    def server(self, name=NAME, number=None, **changed):
        here = {"path": str(self.path), "inode": self.project.inode}
        owner = Owner(number or self.number, **(here if number is None else {"path": f"{self.base}/o", "inode": ""}))
        wanted = {
            "volume": f"{name}-data",
            "port": self.port,
            "addresses": self.engine.addresses(self.mode, self.image),
        }
        first = {"superuser": "plano", "database": "plano", "plano": self.mode, "password": "first one"}
        return Server(**{"name": name, "image": self.image, "owner": owner, **wanted, **first, **changed})

    def seen(self):
        return self.engine.observe(self.project, self.number)

    def psql(self, script="SELECT 1;", *, database="plano", seconds=10.0, **how):
        seen = self.seen()
        env = {"PGUSER": seen.volume.superuser, "PGDATABASE": database, "LC_ALL": "C"}
        return self.engine.psql(seen.container, script, env, seconds=seconds, **how)

    def created(self):
        """Create the server, and wait until it answers."""
        self.engine.create(self.server())
        until(lambda: self.login() == (0, "1\n", ""), self.login, PATIENCE)
        return self.seen()

    def login(self, password="first one", where=None):
        """Enter as Plano will, from beside it."""
        way = connection.Connection("plano", password, connection.host_of(self.mode), self.port, "plano")
        place, env = where or Probe(self.image, 120), proof.psql_environment(way, 5)
        return self.engine.psql(place, "SELECT 1;", env, seconds=5)


ON = [
    "fake",
    pytest.param("docker", marks=pytest.mark.docker),
    pytest.param("embedded", marks=pytest.mark.embedded),
]
# What every `up` on Docker does, which other tests of `make test` see there.
slow_on_docker = pytest.mark.parametrize(
    "on", [ON[0], pytest.param("docker", marks=[pytest.mark.docker, pytest.mark.slow]), ON[2]], indirect=True
)


@pytest.fixture(params=ON)
def on(request, monkeypatch):
    if request.param != "fake":
        require_engine(request.param)
    base = left_over.make()
    monkeypatch.setenv("XDG_DATA_HOME", str(base / "data"))
    contract = Contract(request.param, base)
    yield contract
    contract.engine.close()
    if request.param == "docker":
        remove_all(sdk.APIClient(version="auto", timeout=60), str(base))
    left_over.remove(base)


def test_a_look_finds_nothing_and_changes_nothing(on):
    seen = on.seen()
    assert (seen.container, seen.volume, seen.namesakes) == (None, None, ())
    assert on.number not in seen.projects
    assert (on.engine.state(NAME), on.engine.logs(NAME, 5).text) == (None, "")
    assert on.seen() == seen


def test_what_was_created_is_seen_as_it_was_asked_for(on):
    seen = on.created()
    server, volume = seen.container, seen.volume
    assert (server.state, server.port, server.image, server.plano) == ("running", on.port, on.image, on.mode)
    assert (server.name, server.owner, server.addresses) == (NAME, on.server().owner, on.server().addresses)
    assert (server.volume, volume.owner, volume.database) == (volume.name, server.owner, "plano")
    assert server.image_id == on.engine.image(on.image).id
    assert (on.engine.state(server.id).status, on.number in seen.projects) == ("running", True)
    assert on.engine.kept_password(server) == "first one"
    assert not {server.name, volume.name} & set(seen.taken)
    assert seen.published.get(on.port) is None
    text, mark = on.engine.logs(server.id, 5)
    assert text.strip()
    assert on.engine.logs(server.id, since=mark).text == ""


def test_psql_runs_by_the_servers_local_connection_and_as_plano_from_where_plano_is(on):
    on.created()
    assert on.psql() == (0, "1\n", "")
    failed = on.psql("SELECT nothing_of_this_name;")
    assert failed.code != 0
    assert "ERROR" in failed.err
    assert "no_such" in on.psql(database="no_such").err
    assert on.login(where=on.seen().container if on.engine.traits.hairpin else None) == (0, "1\n", "")
    refused = on.login("wrong")
    assert (refused.code, "password authentication failed" in refused.err) == (2, True)


@slow_on_docker
def test_a_script_waits_until_it_is_told_to_go(on):
    on.created()
    asked = []
    assert on.psql(go=lambda: not asked.append("go")).out == "1\n"
    assert asked == ["go"]
    with pytest.raises(NotToldToGo):
        on.psql(ready=True, go=lambda: False)
    assert not on.engine.storage(on.seen().volume, on.image).initialised


@slow_on_docker
def test_a_script_that_takes_too_long_is_ended(on):
    on.created()
    with at_most(1.0):
        ended = on.psql("SELECT pg_sleep(60);", seconds=1.0)
        assert (ended.code != 0, ended.out, ended.err) == (True, "", limits.silent(1.0))
    assert on.psql() == (0, "1\n", "")  # the server has not taken that for a crash of its own


@slow_on_docker
def test_data_is_initialised_once_a_script_has_marked_it(on):
    volume = on.created().volume
    assert on.engine.storage(volume, on.image) == Storage(16, initialised=False, marked=False)
    on.psql(ready=True)
    assert on.engine.storage(volume, on.image) == Storage(16, initialised=True)


@slow_on_docker
def test_a_server_stops_and_starts_and_its_data_outlives_it(on):
    seen = on.created()
    on.psql(ready=True)
    on.engine.stop(seen.container, 30)
    stopped = on.seen()
    assert (stopped.container.state, on.engine.state(seen.container.id).status) == ("exited", "exited")
    assert (stopped.volume, on.engine.kept_password(stopped.container)) == (seen.volume, "first one")
    assert on.psql().code != 0
    assert on.engine.storage(stopped.volume, on.image).initialised
    on.engine.start(stopped.container)
    assert on.seen().container.state == "running"
    on.engine.remove_server(on.seen().container)
    on.engine.remove_server(seen.container)  # which another may just have done
    assert on.seen().volume == seen.volume
    assert on.engine.storage(seen.volume, on.image).initialised
    on.engine.remove_storage(seen.volume)
    on.engine.remove_storage(seen.volume)
    assert on.seen() == Observed(taken=on.seen().taken, published=on.seen().published, projects=on.seen().projects)
    assert on.number not in on.seen().projects


@slow_on_docker
def test_a_port_that_another_has_is_told_and_takes_nothing(on):
    on.created()
    with pytest.raises(PortTaken):
        on.engine.create(on.server(f"{NAME}-b", identity.new_id()))
    assert on.seen().container.state == "running"
    if on.engine.traits.containers:
        assert on.engine.state(f"{NAME}-b") is None


def test_a_name_that_another_has_is_told(on):
    if not on.engine.traits.containers:
        pytest.skip("its servers share no names")
    on.engine.create(on.server())
    with pytest.raises(VolumeTaken):
        on.engine.create(on.server(number=identity.new_id(), port=free_port()))
    with pytest.raises(NameTaken):
        on.engine.create(on.server(number=identity.new_id(), port=free_port(), volume=f"{NAME}-other"))
    assert on.seen().container.name == NAME


def test_an_image_is_known_or_it_is_not(on):
    found = on.engine.image(on.image, look_into=True)
    assert (found.id, found.major) == (on.engine.image(on.image).id, 16)
    assert on.engine.image("nobody/nothing:1") is None
