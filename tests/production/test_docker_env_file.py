"""Docker's own reading of the environment files that `production` writes."""

from __future__ import annotations

import subprocess

import pytest

from planodev import production
from tests.support.requirements import require
from tests.support.tiers import slow_but

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("provider", slow_but(["rds"], [name for name in production.names() if name != "kubernetes"]))
def test_docker_reads_the_values_as_they_stand(project, api, provider):
    require("docker")
    project("production", provider, "--generate-password")
    for name in (".env.production", ".env.production.example"):
        file = project.path / name
        wanted = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
        command = ["docker", "create", "--env-file", str(file), "--entrypoint", "true", "postgres:16"]
        number = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        try:
            found = api.inspect_container(number)["Config"]["Env"]
        finally:
            api.remove_container(number, force=True)
        assert set(wanted) <= set(found)
