"""What a killed planodev has asked for, and the engine carries out later: containers come and go under the next one."""

from types import SimpleNamespace

import pytest

from planodev.engines.docker import containers, storage
from planodev.engines.docker.client import CONFLICT, NOT_FOUND, Refused
from planodev.engines.docker.engine import DockerEngine
from planodev.engines.docker.labels import LABEL
from planodev.problems import Conflict

NAME = "planodev-look-into-plano-postgres-data"
TAKEN = Refused(CONFLICT, f'Conflict. The container name "/{NAME}" is already in use by container "700bf4cb".')
REMOVING = Refused(CONFLICT, "removal of container 700bf4cb is already in progress")
GONE = Refused(NOT_FOUND, f"No such container: {NAME}")


class Engine:
    """One name, which the engine is still creating a container under, or removing one, for so many requests."""

    def __init__(self, *, creating=0, removing=0):
        self.creating, self.removing, self.there = creating, removing, bool(removing)
        self.removals = 0  # requests for one

    def make_container(self, config, name):
        assert name == NAME
        if self.creating:
            self.creating -= 1
            self.there = not self.creating  # the name is taken first; only then can it be removed
            raise TAKEN
        if self.there:
            raise TAKEN
        self.there = True
        return config["Image"]

    def remove_container(self, name, *, force, v):
        assert (name, force) == (NAME, True)
        self.removals += 1
        if self.removing:
            self.removing -= 1
            self.there = bool(self.removing)
            raise REMOVING
        if not self.there:
            raise GONE
        self.there = False


@pytest.mark.parametrize("state", [{}, {"creating": 1}, {"creating": 3}, {"removing": 1}, {"removing": 3}])
def test_a_container_that_comes_or_goes_late_is_replaced(state):
    engine = Engine(**state)
    assert containers.create_in_place(engine, NAME, {"Image": "postgres:16"}) == "postgres:16"
    assert engine.there


def test_a_name_that_is_free_is_taken_by_one_request():
    engine = Engine()
    containers.create_in_place(engine, NAME, {"Image": "postgres:16"})
    assert engine.removals == 0


def test_a_container_that_the_engine_is_removing_is_gone_afterwards():
    engine = Engine(removing=3)
    containers.remove(engine, NAME)
    assert not engine.there


@pytest.mark.parametrize("state", [{"creating": 10**9}, {"removing": 10**9}])
def test_a_name_that_never_gets_free_is_not_waited_for_for_ever(state, monkeypatch):
    monkeypatch.setattr(containers, "LIMIT", 0.2)
    with pytest.raises(Refused):
        containers.create_in_place(Engine(**state), NAME, {"Image": "postgres:16"})


def test_a_server_that_is_removed_while_it_is_stopped_is_stopped():
    def refuse(*arguments, **named):
        raise GONE

    api = SimpleNamespace(stop=refuse, signal=refuse, version=lambda: {"Version": "28.5.2"})
    engine = object.__new__(DockerEngine)
    engine.api, engine.limit = api, lambda: 10.0
    engine.stop(SimpleNamespace(id="700bf4cb", state="removing"), 5.0)


OWN = SimpleNamespace(name="plano-postgres-data", owner=SimpleNamespace(project_id="0123456789abcdef"))


class Volumes:
    """A volume, and what the engine lists of its users at each request to remove it; then nobody uses it."""

    def __init__(self, *listed):
        self.listed, self.removed, self.there = list(listed), [], True

    def containers(self, *, all):  # noqa: A002  the SDK's name
        return self.listed[0]

    def remove_container(self, name, *, force, v):
        if name.startswith("planodev-look-into-"):
            raise GONE
        self.removed.append(name)

    def remove_volume(self, name):
        if self.listed and (self.removed or not self.listed[0]):
            self.listed.pop(0)
        if self.listed:
            raise Refused(CONFLICT, f"remove {name}: volume is in use - [700bf4cb]")
        self.there = False


def user(project="0123456789abcdef", state="created"):
    labels = {f"{LABEL}{key}": value for key, value in {"project": project, "path": "/p", "inode": "1"}.items()}
    mounts = [{"Type": "volume", "Name": OWN.name, "Destination": "/var/lib/postgresql/data"}]
    return {"Id": "700bf4cb", "State": state, "Labels": labels, "Mounts": mounts}


def test_a_container_that_comes_late_does_not_keep_a_volume():
    """The killed `up` asked for it; it is not listed at first, and has never started."""
    engine = Volumes([], [user()])
    storage.remove(engine, OWN)
    assert (engine.removed, engine.there) == (["700bf4cb"], False)


@pytest.mark.parametrize("other", [{"state": "running"}, {"state": "exited"}, {"project": "fedcba9876543210"}])
def test_any_other_user_keeps_a_volume_at_once(other):
    engine = Volumes([user(**other)])
    with pytest.raises(Conflict) as caught:
        storage.remove(engine, OWN)
    assert (caught.value.code, engine.removed) == ("volume-in-use", [])
