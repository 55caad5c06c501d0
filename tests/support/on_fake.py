"""The command line, whole and in this process, over an engine in memory and real files: milliseconds for a command."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass

from planodev.cli.main import main
from planodev.engines.docker import engine as docker
from tests.support import away
from tests.support.fake_engine import FakeEngine


@dataclass
class Done:
    """What a command has said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        with suppress(ValueError):
            return json.loads(self.out)
        return {}

    @property
    def error(self):
        return (self.json.get("error") or {}).get("code")

    @property
    def warnings(self):
        return [warning["code"] for warning in self.json.get("warnings", [])]


class CommandLine:
    """planodev, typed in a directory; `engine` is the Docker that it finds."""

    def __init__(self, directory, home, monkeypatch, capsys):
        self.directory, self.monkeypatch, self.capsys = directory, monkeypatch, capsys
        self.engine = FakeEngine()
        monkeypatch.setattr(docker, "connect", lambda *_: self.engine)
        for name in away.PLACES:
            (home / name.lower()).mkdir(parents=True, exist_ok=True)
            monkeypatch.setenv(name, str(home / name.lower()))
        monkeypatch.setenv("PLANODEV_ENGINE", "docker")
        for name in ("DB_USER", "DB_PASS", "DB_HOST", "DB_PORT", "DB_NAME", "DATABASE_URL", "ANTHROPIC_API_KEY"):
            monkeypatch.delenv(name, raising=False)

    def __call__(self, *arguments, **shell):
        with self.monkeypatch.context() as patch:
            patch.chdir(self.directory)
            for name, value in shell.items():
                patch.setenv(name, value)
            self.capsys.readouterr()
            code = main([*map(str, arguments)])
            said = self.capsys.readouterr()
        assert "Traceback" not in said.err
        return Done(code, said.out, said.err)

    @property
    def database(self):
        """The only database of the engine, as `tests.support.fake_engine.FakePostgres` has it."""
        [found] = self.engine.data.values()
        return found
