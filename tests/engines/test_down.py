"""`planodev down` stops a server in time, whatever state it is in, and what it stops is completed by the next `up`."""

from __future__ import annotations

import io
import tarfile

import pytest

from tests.support.docker_objects import make_image
from tests.support.waiting import at_most, until

pytestmark = pytest.mark.docker

LIMIT = 15.0  # seconds


def slow_image(api):
    """Make an image whose first start takes longer than any test: its entrypoint runs a script that sleeps."""
    buffer, script = io.BytesIO(), b"echo begun; sleep 300\n"
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("docker-entrypoint-initdb.d/wait.sh")
        member.size, member.mode = len(script), 0o644
        archive.addfile(member, io.BytesIO(script))
    return make_image(api, "postgres-slow", "16", content=buffer.getvalue(), place="/")


@pytest.mark.slow
def test_a_server_that_restarts_over_and_over(filled, api):
    name = filled.status()["container"]
    settings = "/var/lib/postgresql/data/postgresql.auto.conf"
    number = api.exec_create(name, ["sh", "-c", f"echo 'no such setting' >> {settings}"])["Id"]
    api.exec_start(number)
    api.kill(name)
    api.start(name)
    until(lambda: api.inspect_container(name)["RestartCount"] > 0, "restarts")
    with at_most(LIMIT):
        assert filled("down", "--keep-data", "--json").json["data"]["stopped"]
    assert not api.inspect_container(name)["State"]["Running"]


@pytest.mark.slow
def test_a_first_start_whose_up_was_killed(project, api):
    image = slow_image(api)
    running = project.start("up", "--image", image)
    until(lambda: b"begun" in log_of(project, api), "the script runs")
    running.kill()
    running.communicate()
    with at_most(LIMIT):
        assert project("down", "--keep-data", "--json").json["data"]["stopped"]
    assert "was never ready" in project("up", "--image", "postgres:16").err
    assert project.stored() == []


def log_of(project, api):
    found = api.containers(all=True, filters={"label": f"dev.planodev.path={project.path}"})
    return api.logs(found[0]["Id"]) if found else b""


@pytest.mark.slow
def test_a_frozen_container_is_stopped(filled, api):
    api.pause(filled.status()["container"])
    with at_most(LIMIT):
        assert filled("down", "--keep-data", "--json").json["data"]["stopped"]
    filled("up")
    assert filled.stored() == ["kept"]


@pytest.mark.slow
def test_no_throw_away_container_outlives_eight_first_ups(project, api):
    def there():
        return {item["Id"] for item in api.containers(all=True, filters={"label": "dev.planodev.witness"})}

    before = there()  # of an `up` that was killed, whose container ends by itself
    running = [project.start("up") for _ in range(8)]
    for one in running:
        one.communicate(timeout=120)
    until(lambda: there() <= before, "all are gone", 5)


def test_a_throw_away_container_ends_with_the_planodev_that_is_killed(project, api):
    def there():
        found = api.containers(all=True, filters={"label": "dev.planodev.witness"})
        return {item["Id"] for item in found if item["State"] == "running"}

    before = there()
    running = project.start("up", "--plano", "docker")
    until(lambda: there() - before, "it runs")
    running.kill()
    running.communicate()
    until(lambda: not there() - before, "it has ended", 10)
