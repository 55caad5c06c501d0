"""Real projects on a real engine: each test gets a directory, and what it leaves in the engine is removed."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import docker
import psycopg

from tests.support import forked, schemas

KEY = "sk-ant-of-the-env-file"


@dataclass
class Run:
    code: int
    out: str
    err: str

    @property
    def json(self):
        document = json.loads(self.out)
        schemas.hold(document)
        return document

    @property
    def error(self):
        return self.json["error"]["code"]


def usual_signals():
    """Have a new process end by what `nohup` and a job in the background would have it ignore."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Project:
    """A directory, and the command line in it; `state` is where planodev keeps its locks."""

    def __init__(self, path: Path, state: Path, api: docker.APIClient) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.api = api
        foreign = ("PLANODEV_", "DB_", "DATABASE_URL")
        clean = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY") and not k.startswith(foreign)}
        self.environment = {**clean, "XDG_STATE_HOME": str(state), "LC_ALL": "C.UTF-8", "COLUMNS": "80"}

    def command(self, *arguments):
        return [sys.executable, "-m", "planodev", "-C", str(self.path), *arguments]

    def __call__(self, *arguments, code=0, **variables):
        """Run planodev to its end; `code` is what it must exit with, None for any."""
        environment = {**self.environment, **variables}
        done = forked.run(self.command(*arguments), env=environment, cwd=self.path.parent, timeout=180)
        assert "Traceback" not in done.stderr, done.stderr
        assert code is None or done.returncode == code, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
        return Run(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments, **variables):
        return subprocess.Popen(
            self.command(*arguments),
            env={**self.environment, **variables},
            cwd=self.path.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            preexec_fn=usual_signals,  # noqa: PLW1509  it takes no lock
        )

    def follow(self, fix, *added):
        """Type the commands of planodev that a fix names, in their order, with what a person adds to each."""
        for line in re.findall("`planodev ([^`]+)`", fix):
            words = shlex.split(line)
            self(*(words[2:] if words[0] == "-C" else words), *added)

    @property
    def env(self):
        from dotenv import dotenv_values

        return dict(dotenv_values(self.path / ".env", interpolate=False))

    def write(self, name, text):
        (self.path / name).write_text(text)
        return self

    def change(self, name, old, new):
        """Replace in a file what must be there."""
        text = (self.path / name).read_text()
        changed = re.sub(old, lambda _: new, text, flags=re.MULTILINE)
        assert changed != text, f"`{old}` is not in `{name}`"
        return self.write(name, changed)

    def status(self):
        return self("status", "--json").json["data"]

    def container(self):
        return self.api.inspect_container(self.status()["container"])

    def engine(self):
        """Return all that the engine has of this project, to compare before and after; others may be at work there."""
        label = {"label": f"dev.planodev.path={self.path}"}
        containers = {
            item["Id"]: (item["Names"], self.api.inspect_container(item["Id"])["State"])
            for item in self.api.containers(all=True, filters=label)
            if "dev.planodev.witness" not in item["Labels"]
        }
        return containers, sorted(volume["Name"] for volume in self.api.volumes(filters=label)["Volumes"] or [])

    def login(self, **changed):
        from urllib.parse import unquote

        values = self.env
        way = {
            "host": "127.0.0.1",
            "port": values["DB_PORT"],
            "user": values["DB_USER"],
            "password": unquote(values["DB_PASS"]),
            "dbname": values["DB_NAME"],
            "sslmode": "disable",
            "autocommit": True,
        }
        return psycopg.connect(**{**way, **changed})

    def store(self, *keys):
        """Store conversations as Plano does."""
        with self.login() as session:
            for key in keys:
                session.execute(
                    "INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)"
                    " VALUES (%s, '[]', 1, 'm', 'p')",
                    [key],
                )

    def stored(self):
        with self.login() as session:
            return [row[0] for row in session.execute("SELECT response_id FROM conversation_states ORDER BY 1")]
