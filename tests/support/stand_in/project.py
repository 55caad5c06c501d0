"""A project whose Plano is a stand-in on a machine of its own, or on another project's."""

from __future__ import annotations

from tests.support.engine_project import OnEngine
from tests.support.ports import free_port, free_ports

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
    "openai/gpt-4o": "  - {model: openai/gpt-4o, access_key: $OPENAI_API_KEY}\n",
}


class Gateway(OnEngine):
    """A project whose Plano is started on a machine of its own or of another's project."""

    def __init__(self, path, base, machine, engine="embedded", api=None):
        super().__init__(path, base, engine, api)
        self.machine = machine
        self.others["planoai"] = self.planoai
        self.environment |= {**machine.environment, "PLANODEV_PORT": str(free_ports())}
        self.listener = free_port()

    def up(self, *arguments, models=("ollama/llama3.1",), **variables):
        """Bring the database up, with a model listener that no other test has."""
        self.write("config.yaml", self.configuration(*models))
        return self("up", *arguments, **variables)

    def configuration(self, *models):
        written = "".join(PROVIDERS[model] for model in models or ("ollama/llama3.1",))
        return CONFIG.format(port=self.listener, models=written)

    def start_plano(self):
        return self("run", "--", "planoai", "up")

    def planoai(self, *words):
        """Run planoai itself, which has to end well."""
        assert not self.machine.planoai(self, *words).returncode

    def plano(self):
        """Return what `status` says of Plano."""
        return self.status()["running_plano"]
