"""A project on either engine, with what a test does to its server from outside."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psutil

from tests.support.project import Project
from tests.support.waiting import until


class OnEngine(Project):
    """A directory and the command line in it, with one engine asked for."""

    def __init__(self, path: Path, base: Path, engine: str, api=None) -> None:
        super().__init__(path, base / "state", api)
        self.base = base
        self.engine = engine
        self.environment |= {"XDG_DATA_HOME": str(base / "data"), "PLANODEV_ENGINE": engine}

    def place(self):
        """Return the embedded engine's directory for this project."""
        return Path(self.status()["volume"])

    def pid(self):
        return int((self.place() / "data/postmaster.pid").read_text().split()[0])

    def as_superuser(self, sql):
        """Run SQL as the server's own superuser, as somebody may who has the files; Docker's is the role of `.env`."""
        way = {"dbname": "postgres"}
        if self.engine == "embedded":
            way |= {"user": "planodev+admin", "password": None, "passfile": str(self.place() / "pgpass")}
        with self.login(**way) as session:
            return session.execute(sql)

    def server(self):
        """Return what identifies the server that runs now."""
        if self.engine == "docker":
            item = self.container()
            return item["Id"], item["State"]["StartedAt"]
        return self.pid(), psutil.Process(self.pid()).create_time()

    def kill(self):
        """End the server as a power failure does."""
        if self.engine == "docker":
            with contextlib.suppress(Exception):
                self.api.kill(self.status()["container"])
            return
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        gone(pid)

    def words(self):
        """Return everything that others on this machine could see or find of the server."""
        if self.engine == "docker":
            name = self.status()["container"]
            return [self.api.logs(name).decode(), str(self.api.inspect_container(name)), str(self.api.top(name))]
        place = self.place()
        commands = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
        return [(place / "server.log").read_text(), (place / "labels.json").read_text(), "\n".join(commands)]


def gone(pid, patience=30.0):
    """Wait until a process is gone."""

    def ended():
        with contextlib.suppress(psutil.Error):
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        return True

    until(ended, f"the end of process {pid}", patience)
