"""Projects with an embedded database, and machines on which the stand-in of Plano runs."""

from __future__ import annotations

import pytest

from tests.support.engine_project import OnEngine
from tests.support.ports import free_port, free_ports
from tests.support.requirements import require_engine
from tests.support.stand_in.machine import Machine

CONFIG = """version: v0.4.0
model_providers:
{models}listeners:
  - {{type: model, name: model_listener, port: {port}}}
state_storage:
  type: postgres
  connection_string: "postgresql://${{DB_USER}}:${{DB_PASS}}@${{DB_HOST}}:${{DB_PORT}}/${{DB_NAME}}"
"""
PROVIDERS = {
    "ollama/llama3.1": "  - {model: ollama/llama3.1, base_url: http://localhost:11434, default: true}\n",
}


class Gateway(OnEngine):
    """A project whose Plano is started on a machine of its own or of another's project."""

    def __init__(self, path, base, machine):
        super().__init__(path, base, "embedded")
        self.machine = machine
        self.environment |= {**machine.environment, "PLANODEV_PORT": str(free_ports())}
        self.listener = free_port()

    def up(self, *arguments, models=("ollama/llama3.1",), **variables):
        """Bring the database up, with a model listener that no other test has."""
        written = "".join(PROVIDERS[model] for model in models)
        self.write("config.yaml", CONFIG.format(port=self.listener, models=written))
        return self("up", *arguments, **variables)

    def start_plano(self):
        return self("run", "--", "planoai", "up")

    def plano(self):
        """Return what `status` says of Plano."""
        return self.status()["running_plano"]


@pytest.fixture
def make_machine(base):
    require_engine("embedded")
    made = []

    def make(name="machine"):
        made.append(Machine(base / name))
        return made[-1]

    yield make
    for machine in made:
        machine.clean()


@pytest.fixture
def machine(make_machine):
    return make_machine()


@pytest.fixture
def make_shop(base, machine):
    return lambda name="shop", on=None: Gateway(base / name, base, on or machine)


@pytest.fixture
def shop(make_shop):
    return make_shop()
