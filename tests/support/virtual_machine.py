"""A machine of its own for faults that would hit every container here: an engine, its processes and its network.

It lives in namespaces: whatever kills their first process kills engine and servers at once, as a power cut does.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import docker

from tests.support.project import Project
from tests.support.waiting import until

ENGINE = Path(__file__).parents[1] / "engine"
WRITER = """
import os, sys, psycopg
with psycopg.connect(os.environ["TO"], autocommit=True, sslmode="disable") as session:
    for number in range(1000000):
        session.execute("INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)"
                        " VALUES (%s, '[]', 1, 'm', 'p')", [f"{os.environ['NAME']}-{number}"])
        print(f"{os.environ['NAME']}-{number}", flush=True)
"""
READER = """
import os, psycopg
with psycopg.connect(os.environ["TO"], sslmode="disable") as session:
    for row in session.execute("SELECT response_id FROM conversation_states"):
        print(row[0])
"""


def _client(project, script, name=""):
    values = project.env
    url = "postgresql://{DB_USER}:{DB_PASS}@127.0.0.1:{DB_PORT}/{DB_NAME}".format(**values)
    command = [*getattr(project, "inside", ()), sys.executable, "-c", script]
    environment = {**project.environment, "TO": url, "NAME": name}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def read(project):
    """Return the keys of all rows, from where the project's database can be reached."""
    reader = _client(project, READER)
    out, _ = reader.communicate(timeout=30)
    assert reader.returncode == 0
    return set(out.split())


@contextlib.contextmanager
def written_until(project, name):
    """Commit row after row until the server goes away; yields a set of what was acknowledged, complete at the end."""
    writer, acknowledged = _client(project, WRITER, name), set()
    try:
        for _ in range(50):
            acknowledged.add(writer.stdout.readline().strip())
        assert "" not in acknowledged
        yield acknowledged
        out, _ = writer.communicate(timeout=60)
        assert writer.returncode, "the server never went away"
        acknowledged.update(line for line in out.split("\n")[:-1])
    finally:
        writer.kill()
        writer.wait()


class Machine:
    """Its disk is a directory that outlives it; `on` and `off` are the power switch."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.socket = place / "s"
        self.first = self.engine = None

    def on(self):
        """Boot it: nothing is left of its processes, and of what they kept in memory."""
        space = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self.first = subprocess.Popen([*space, "sh", "-c", "ip link set lo up && exec sleep 900"])
        children = Path(f"/proc/{self.first.pid}/task/{self.first.pid}/children")
        until(lambda: children.read_text().strip(), "its first process")
        number = children.read_text().split()[0]
        until(lambda: Path(f"/proc/{number}/comm").read_text().strip() == "sleep", "its network")
        self.space = ["nsenter", "-t", number, "-n"]
        self.run = self.place / f"run{self.first.pid}"
        self.start_engine()

    def start_engine(self):
        self.run.mkdir(exist_ok=True)
        where = [f"--exec-root={self.run}", f"--pidfile={self.run}/pid"]
        with (self.place / "log").open("ab") as log:
            kind = subprocess.run([ENGINE, "--today"], capture_output=True, text=True, check=True).stdout.strip()
            where += [f"--host=unix://{self.socket}"]
            command = [*self.space, "-m", "-p", ENGINE, kind, self.place / "disk", *where]
            self.engine = subprocess.Popen(command, stdout=log, stderr=log)
        until(self._answers, "its engine", 60)

    def _answers(self):
        assert self.engine.poll() is None, (self.place / "log").read_text()[-2000:]
        with contextlib.suppress(Exception):
            return self.api().ping()
        return False

    def api(self):
        return docker.APIClient(base_url=f"unix://{self.socket}", version="auto", timeout=60)

    def stop_engine(self):
        """End the engine as a service manager does."""
        children = Path(f"/proc/{self.engine.pid}/task/{self.engine.pid}/children").read_text().split()
        for number in children or [str(self.engine.pid)]:  # nsenter stays, and starts it as its child
            os.kill(int(number), 15)
        self.engine.wait(timeout=60)

    def off(self):
        """Cut the power: every process of it dies at once, unasked."""
        self.first.kill()
        self.first.wait()
        self.engine.wait(timeout=30)
        self.socket.unlink(missing_ok=True)

    def project(self, name, state):
        project = Project(self.place / name, state, self.api())
        project.environment["DOCKER_HOST"] = f"unix://{self.socket}"
        project.inside = self.space
        ordinary = project.command
        project.command = lambda *arguments: [*project.inside, *ordinary(*arguments)]
        return project
