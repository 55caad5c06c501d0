"""Projects with an embedded database, and machines on which the stand-in of Plano runs."""

from __future__ import annotations

import pytest

from tests.support.requirements import require_engine
from tests.support.stand_in.machine import Machine
from tests.support.stand_in.project import Gateway


@pytest.fixture
def make_machine(base, quick_python):
    require_engine("embedded")
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
    return lambda name="shop", on=None: Gateway(base / name, base, on or machine)


@pytest.fixture
def gateway(make_gateway):
    return make_gateway()
