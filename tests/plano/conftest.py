"""The real planoai and the real Envoy, as judges of configurations and as readers of `.env`."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.support.real_planoai import RENDER, Helper
from tests.support.requirements import envoy_program, planoai_python


@pytest.fixture(scope="session")
def refused(tmp_path_factory):
    """Return a function: why planoai or Envoy refuses the configuration at a path, None where both accept it."""
    program, home = envoy_program(), tmp_path_factory.mktemp("envoy")
    process = Helper(RENDER, home)

    def ask(path):
        why, rendered = process(str(path))
        if why:
            return why
        command = [program, "--mode", "validate", "--log-level", "error", "-c", rendered]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return None if done.returncode == 0 else f"envoy: {done.stderr}"

    yield ask
    process.close()


@pytest.fixture(scope="session")
def schema_of_planoai():
    """Return planoai's own JSON schema of a configuration."""
    code = """
import json, os, planoai, yaml
with open(os.path.join(os.path.dirname(planoai.__file__), "data", "plano_config_schema.yaml")) as file:
    print(json.dumps(yaml.safe_load(file)))
"""
    done = subprocess.run([planoai_python(), "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture
def hand(ready, planoai):
    """Return a function that runs `planodev run -- COMMAND`: how that ended, and what reached Plano or None."""

    def run(*command, code=0, project=ready, options=(), **variables):
        planoai.record.unlink(missing_ok=True)
        mine = {name: planoai.environment[name] for name in ("PATH", "HOME", "PLANO_RECORD")}
        return project("run", *options, "--", *command, code=code, **{**mine, **variables}), planoai.recorded

    return run
