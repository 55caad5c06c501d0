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
from urllib.parse import unquote

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


def login(values, **changed):
    """Log in with what a `.env` says."""
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


class Project:
    """A directory, and the command line in it; `state` is where planodev keeps its locks."""

    def __init__(self, path: Path, state: Path, api: docker.APIClient) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.api = api
        # Other programs that a fix may name, and what does what each does.
        self.others = {}
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

    def follow(self, fix):
        """Type the commands that a fix names, in their order, and say yes; returns how planodev's last one ended."""
        done = None
        for line in re.findall("`([^`]+)`", fix):
            program, _, rest = line.partition(" ")
            if program == "planodev":
                words = shlex.split(rest)
                words = words[2:] if words[0] == "-C" else words
                agreed = ["--yes"] if words[0] in ("up", "down") or words[:2] == ["snapshot", "restore"] else []
                done = self(*words, *agreed, code=None if words[0] == "doctor" else 0)
            elif program in self.others:
                self.others[program](*shlex.split(rest))
        return done

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
        return login(self.env, **changed)

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
