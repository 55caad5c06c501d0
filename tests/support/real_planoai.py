"""The real planoai, in an environment of its own: as a judge of configurations, as a reader, and as a client."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import psycopg

from tests.support.requirements import planoai_python, require


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
        self.process.wait(timeout=30)


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


def parsed(connection_string):
    """Read as Plano's driver does: the first `@` ends the password, percent signs are decoded."""
    found = re.fullmatch(r"postgresql://([^:@/]+):([^@]*)@([^:@/]+):([0-9]+)/([^/?#]+)", connection_string)
    assert found, connection_string
    names = ("user", "password", "host", "port", "dbname")
    return dict(zip(names, map(unquote, found.groups()), strict=True))


def log_in(mode, connection_string):
    """Log in from where Plano runs; returns whether the table can be read there."""
    way = parsed(connection_string)
    if mode == "native":
        with psycopg.connect(**way, sslmode="disable", connect_timeout=5) as session:
            return session.execute("SELECT count(*) FROM conversation_states").fetchone() is not None
    require("docker")
    command = ["docker", "run", "--rm", "--add-host", "host.docker.internal:host-gateway"]
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "dbname"}
    for name, part in names.items():
        command += ["-e", f"{name}={way[part]}"]
    query = ["psql", "-XAtc", "SELECT count(*) FROM conversation_states"]
    done = subprocess.run(
        [*command, "-e", "PGSSLMODE=disable", "postgres:16", *query], capture_output=True, text=True, check=False
    )
    return done.returncode == 0 and done.stdout.strip().isdigit()
