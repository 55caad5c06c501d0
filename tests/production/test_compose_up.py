"""compose.production.yaml started by Docker Compose as it is rendered, with a stand-in for Plano's image.

PgBouncer's image has Debian's files, as its Dockerfile says, and is not built by it: nothing is downloaded here.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from planodev import production
from tests.support import compose_images
from tests.support.ports import free_port
from tests.support.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.slow]

CONFIG = """version: v0.4.0
model_providers:
  - {{model: ollama/llama3.1, base_url: http://localhost:11434, default: true}}
listeners:
  - {{type: model, name: model_listener, port: {port}}}
"""
GRACE = 30  # seconds, `stop_grace_period`
PSQL = ("psql", "-h", "127.0.0.1", "-U", "postgres")


class Deployed:
    """The files of `production self-hosted` in a directory, and what Compose makes of them."""

    def __init__(self, project, api, name, port, database):
        self.project, self.api, self.name, self.port, self.database = project, api, name, port, database

    def compose(self, *arguments):
        file = self.project.path / production.COMPOSE
        done = subprocess.run(
            [compose_images.compose(), "-p", self.name, "-f", file, *arguments],
            env={**os.environ, "COMPOSE_PROGRESS": "plain"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr + self.logs()
        return done.stdout

    def logs(self):
        found = self.api.containers(all=True, filters={"label": f"com.docker.compose.project={self.name}"})
        return "".join(f"\n{one['Names']} {one['Status']}\n{self.api.logs(one['Id']).decode()}" for one in found)

    def state(self, service):
        return self.api.inspect_container(f"{self.name}-{service}-1")["State"]

    def turn(self, text, after=None, patience=60):
        """Send a turn until it is answered: once more for a 409, and while Plano is started again."""
        body = json.dumps({"model": "m", "input": text, "previous_response_id": after and after["id"]}).encode()

        def answered():
            with contextlib.suppress(OSError, ValueError):
                request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v1/responses", body)
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.load(answer)

        return until(answered, self.logs, patience)

    def stored(self, turn):
        """Wait until a turn is in the database: Plano answers first, and one on its way is lost with the connection."""
        query = f"SELECT FROM conversation_states WHERE response_id = '{turn['id']}'"
        psql = ["docker", "exec", self.database, *PSQL, "-d", "plano", "-qc", query]
        until(lambda: "(1 row)" in subprocess.run(psql, capture_output=True, text=True, check=True).stdout, self.logs)
        return turn


@pytest.fixture
def database(api, foreign_container):
    """A server on a port of this machine; returns (container, port)."""
    port = free_port()
    number = foreign_container(
        f"production-database-{port}",
        Entrypoint=None,
        Env=["POSTGRES_PASSWORD=owners"],
        ExposedPorts={"5432/tcp": {}},
        HostConfig={"PortBindings": {"5432/tcp": [{"HostPort": str(port)}]}},
    )
    return number, port


@pytest.fixture
def deployed(project, api, database, tmp_path):
    number, server = database
    port, name = free_port(), f"production-{server}"
    project.write(
        "config.yaml",
        CONFIG.format(port=port)
        + 'state_storage:\n  type: postgres\n  connection_string: "'
        + 'postgresql://${DB_USER}:${DB_PASS}@${DB_HOST}:${DB_PORT}/${DB_NAME}"\n',
    )
    project("production", "self-hosted", "--host", "host.docker.internal", "--generate-password")
    ini = (project.path / production.SIDECAR).read_text()
    project.write(production.SIDECAR, ini.replace("port=5432", f"port={server}"))
    password = next(
        line[8:] for line in (project.path / production.ENV_NAME).read_text().splitlines() if line[:8] == "DB_PASS="
    )
    sql = (project.path / "conversation_states.sql").read_text() + f"ALTER ROLE plano_prod PASSWORD '{password}';"

    def ready():
        psql = ["docker", "exec", "-i", number, *PSQL]
        made = subprocess.run([*psql, "-c", "SELECT"], capture_output=True, check=False).returncode == 0
        return made and [*psql, "-v", "ON_ERROR_STOP=1"]

    until(ready, lambda: api.logs(number).decode(), 60)
    psql = ready()
    subprocess.run([*psql, "-c", "CREATE DATABASE plano"], check=True, capture_output=True)
    subprocess.run([*psql, "-d", "plano"], input=sql, text=True, check=True, capture_output=True)
    compose_images.make(api, f"{name}-pgbouncer:latest", production.PLANO_IMAGE, port)
    made = Deployed(project, api, name, port, number)
    yield made
    made.compose("down", "--timeout", "5")
    for image in (f"{name}-pgbouncer", production.PLANO_IMAGE):
        api.remove_image(image, force=True)


def test_the_rendered_files_up_for_real(deployed, database, api):
    number, _ = database
    deployed.compose("up", "-d", "--wait", "--no-build", "--pull", "never")
    first = deployed.turn("My name is Ada.")
    second = deployed.stored(deployed.turn("What is my name?", first))
    assert (second["messages"], second["first"]) == (3, "My name is Ada.")
    deployed.project("verify", "--env-file", production.ENV_NAME)
    begun = {service: deployed.state(service)["StartedAt"] for service in ("pgbouncer", "plano")}

    api.restart(number, timeout=20)
    third = deployed.stored(deployed.turn("And now?", second))
    assert (third["messages"], third["first"]) == (5, "My name is Ada.")
    assert {service: deployed.state(service)["StartedAt"] for service in begun} == begun

    # Docker starts PgBouncer again with another network, and Plano stays behind in the one that is gone.
    os.kill(deployed.state("pgbouncer")["Pid"], signal.SIGKILL)
    until(lambda: deployed.state("plano")["StartedAt"] != begun["plano"], deployed.logs, 90)
    fourth = deployed.stored(deployed.turn("Still there?", third))
    assert (fourth["messages"], fourth["first"]) == (7, "My name is Ada.")

    started = time.monotonic()
    deployed.compose("stop")
    assert time.monotonic() - started < GRACE
    assert [deployed.state(service)["Status"] for service in begun] == ["exited", "exited"]
    deployed.compose("up", "-d", "--wait", "--no-build", "--pull", "never")
    assert deployed.turn("And today?", fourth)["messages"] == 9
