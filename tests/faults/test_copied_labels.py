"""Labels are copied by `docker commit` and in Compose files: what has them is not therefore this project's."""

from __future__ import annotations

import contextlib
import os

import docker
import pytest

from tests.support.docker_proxy import gate
from tests.support.ports import free_port
from tests.support.tiers import slow_but
from tests.support.waiting import at_most, until

pytestmark = pytest.mark.docker


@pytest.fixture
def up(project):
    project("up")
    project.store("kept")
    return project


@pytest.fixture
def copied(api, up, foreign_container):
    """Make a container with all labels of the project's, and with these mounts."""
    labels = up.container()["Config"]["Labels"]

    def make(*binds, **config):
        name = f"copy-{os.urandom(4).hex()}"
        foreign_container(name, Labels=labels, HostConfig={"Binds": list(binds)}, **config)
        return name

    return make


def mend(up, api):
    """Remove the project's own container: what is left is its volume, and the copy."""
    api.remove_container(up.status()["container"], force=True, v=True)


@pytest.mark.slow
def test_a_container_of_an_image_that_was_committed_is_left_alone(up, api, foreign_container):
    own = up.status()["container"]
    image = api.commit(own, "planodev-test/committed", os.urandom(4).hex())["Id"]
    name = f"copy-{os.urandom(4).hex()}"
    copy = foreign_container(name, Image=image)
    try:
        assert up.status()["container"] == own
        assert "unchanged" in up("up").err
        up("down", "--keep-data")
        assert api.inspect_container(copy)["State"]["Running"]
        up("up")
        mend(up, api)
        assert up.status()["container"] is None
        up("up")
        assert up.stored() == ["kept"]
        up("down", "--delete-data", "--yes")
        assert api.inspect_container(copy)["State"]["Running"]
        refused = up("up", "--json", code=4)
        assert refused.error == "container-without-volume"
        assert name in refused.json["error"]["message"]
        up("up", "--name", f"own-{os.urandom(4).hex()}")
        assert up.stored() == []
    finally:
        api.remove_container(copy, force=True, v=True)
        api.remove_image(image, force=True)


COMMANDS = [("up",), ("up", "--dry-run"), ("status",), ("down", "--keep-data"), ("verify",)]


@pytest.mark.parametrize("command", slow_but([("up",)], COMMANDS))
def test_two_containers_over_its_volume_are_a_conflict_and_none_is_touched(up, api, snapshot, copied, command):
    own = up.status()
    copy = copied(f"{own['volume']}:/var/lib/postgresql/data")
    before = snapshot(own["container"], copy)
    refused = up(*command, "--json", code=4)
    assert refused.error == "two-databases"
    assert own["container"] in refused.json["error"]["message"]
    assert copy in refused.json["error"]["message"]
    assert snapshot(own["container"], copy) == before
    if command == ("up",):
        assert "`docker stop NAME && docker rm NAME` of the copy" in refused.json["error"]["fix"]
        api.stop(copy, timeout=0)
        api.remove_container(copy)
        up("up")
        assert up.stored() == ["kept"]


@pytest.mark.slow
def test_a_volume_with_copied_labels_is_a_conflict_whoever_uses_it(up, api, copied, snapshot):
    own = up.status()
    labels = api.inspect_volume(own["volume"])["Labels"]
    other = f"copy-{os.urandom(4).hex()}"
    api.create_volume(other, labels=labels)
    copy = copied(f"{other}:/var/lib/postgresql/data")
    for removed in (False, True):
        if removed:
            api.remove_container(own["container"], force=True, v=True)
        before = snapshot(copy)
        refused = up("up", "--json", code=4)
        assert refused.error == "two-databases"
        assert snapshot(copy) == before
    api.remove_container(copy, force=True)
    refused = up("up", "--json", code=4)
    assert other in refused.json["error"]["message"]
    assert own["volume"] in refused.json["error"]["message"]
    says = "`docker volume rm NAME` of the copy, once `docker ps -a --filter volume=NAME` has no container of it"
    assert says in refused.json["error"]["fix"]
    assert api.containers(all=True, filters={"volume": other}) == []
    api.remove_volume(other)
    up("up")
    assert up.stored() == ["kept"]


@pytest.mark.slow
def test_a_container_that_has_a_volume_without_labels_is_never_replaced(up, api, copied, snapshot):
    """As after a volume was brought back by hand, without its labels."""
    own = up.status()
    mend(up, api)
    api.remove_volume(own["volume"])
    api.create_volume(own["volume"])
    copy = copied(f"{own['volume']}:/var/lib/postgresql/data")
    before = snapshot(copy)
    assert up("up", "--json", code=4).error == "container-without-volume"
    assert snapshot(copy) == before
    api.remove_container(copy, force=True)
    api.remove_volume(own["volume"])


@pytest.fixture
def other_server(api, foreign_container):
    """Start another server over the data of a volume, and return its name once it is ready."""
    name = f"copy-{os.urandom(4).hex()}"

    def start(volume, by):
        there = volume if by == "its name" else api.inspect_volume(volume)["Mountpoint"]
        if by == "another volume":
            api.create_volume(name, driver_opts={"type": "none", "o": "bind", "device": there})
            there = name
        binds = {"HostConfig": {"Binds": [f"{there}:/var/lib/postgresql/data"]}}
        foreign_container(name, Entrypoint=["docker-entrypoint.sh"], Cmd=["postgres"], **binds)
        until(lambda: "ready to accept connections" in api.logs(name).decode(), "the other server")
        return name

    yield start
    with contextlib.suppress(docker.errors.APIError):
        api.remove_container(name, force=True)
        api.remove_volume(name)


@pytest.mark.parametrize("by", slow_but(["its name", "its directory"], ["its name", "its directory", "another volume"]))
@pytest.mark.parametrize("own", slow_but(["gone"], ["gone", "stopped", "runs"]))
def test_no_server_is_started_over_data_that_one_in_another_container_has(up, snapshot, other_server, own, by):
    """PostgreSQL itself does not see it: each has the number 1 among the processes of its own container."""
    have = up.status()
    if own == "gone":
        mend(up, up.api)
    elif own == "stopped":
        up("down", "--keep-data")
    other = other_server(have["volume"], by)
    before = snapshot(other, *([have["container"]] if own != "gone" else []))
    for command in (("up",), ("up", "--dry-run"), ("up", "--port", str(free_port())), ("verify",)):
        refused = up(*command, "--json", code=4)
        assert refused.error == "data-in-use"
        assert f"`{other}`" in refused.json["error"]["message"]
    assert "data-in-use" in [one["code"] for one in up("status", "--json").json["warnings"]]
    checks = {one["name"]: one for one in up("doctor", "--json", code=7).json["data"]["checks"]}
    assert checks["volume"]["state"] == "failed"
    assert f"`docker stop {other}`" in checks["volume"]["fix"]
    assert snapshot(other, *([have["container"]] if own != "gone" else [])) == before
    assert f"`docker stop {other}`" in refused.json["error"]["fix"]
    if own == "runs":
        return  # whatever is left of the data
    up.api.stop(other)
    up("up")
    assert up.stored() == ["kept"]


@pytest.mark.parametrize("also", [False, True])
@pytest.mark.slow
def test_down_stops_the_server_while_the_engine_lists_no_volumes(up, also):
    """As a volume plugin that hangs has it: `GET /volumes` gets no answer."""
    import threading

    hung, words = threading.Event(), ("--delete-data", "--yes") if also else ("--keep-data",)

    def hang(method, path):
        if path.startswith("/volumes"):
            hung.wait(60)

    with gate(up.path.parent, before=hang) as url:
        with at_most(15):
            done = up("down", *words, "--json", code=None, DOCKER_HOST=url)
        hung.set()
    if also:
        assert (done.code, done.error) == (3, "volumes-unanswered")
        assert "nothing was deleted" in done.json["error"]["message"]
    else:
        assert done.code == 0
        assert [one["code"] for one in done.json["warnings"]] == ["volumes-unanswered"]
        assert done.json["data"]["stopped"] is True
    assert up.status()["state"] == "stopped"
    up("up")
    assert up.stored() == ["kept"]
