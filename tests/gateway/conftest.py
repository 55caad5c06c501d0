"""Projects whose Plano is the stand-in, on machines of their own, or in a container called `plano`."""

from __future__ import annotations

import pytest

from tests.support.docker_objects import remove_all
from tests.support.requirements import require, require_engine
from tests.support.stand_in import image
from tests.support.stand_in.machine import Machine
from tests.support.stand_in.project import Gateway


@pytest.fixture
def make_machine(base, quick_python):
    made = []

    def make(name="machine"):
        made.append(Machine(base / name, quick_python))
        return made[-1]

    yield make
    for machine in made:
        machine.clean()


@pytest.fixture
def machine(make_machine):
    return make_machine()


@pytest.fixture
def make_gateway(base, machine):
    require_engine("embedded")
    return lambda name="shop", on=None: Gateway(base / name, base, on or machine)


@pytest.fixture
def gateway(make_gateway):
    return make_gateway()


@pytest.fixture(scope="session")
def plano_image(api):
    require("docker")
    return image.make(api)


@pytest.fixture
def make_docked(base, machine, api, plano_image):
    """Return a function that makes a project whose Plano planoai starts in a container called `plano`."""
    if api.containers(all=True, filters={"name": "^/plano$"}):
        pytest.skip("a container `plano` exists here")
    machine.environment["PLANO_DOCKER_IMAGE"] = plano_image
    yield lambda name="shop": Gateway(base / name, base, machine, "docker", api)
    for container in api.containers(all=True, filters={"name": "^/plano$"}):
        api.remove_container(container["Id"], force=True)
    remove_all(api, str(base))


@pytest.fixture
def docked(make_docked):
    return make_docked()
