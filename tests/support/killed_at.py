"""Run planodev, and kill it before or after the Nth thing that it changes: `python -m tests.support.killed_at N …`.

It counts what changes an engine, a server, a record or `.env`, so that each statement of a move is a place to be killed
at. With KILLED_AT=requests it counts each request that changes a Docker Engine, and what is written here. It ends by
SIGKILL there; where there are fewer places, as planodev does.
"""

import os
import runpy
import signal
import sys

import psycopg
from docker.api.client import APIClient

from planodev.engines.docker.engine import DockerEngine
from planodev.engines.docker.quick import QuickClient
from planodev.engines.embedded.engine import EmbeddedEngine
from planodev.project.env_file import EnvFile
from planodev.project.records import Records

REQUESTS = {
    APIClient: ("_post", "_put", "_delete"),
    QuickClient: ("make_volume", "make_container", "put_files", "remove_container", "start", "exec_run"),
}
CHANGES = ("create", "start", "stop", "remove_server", "remove_storage", "psql", "program")


class Places:
    def __init__(self, left):
        self.left = left

    def come_to(self):
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1

    def around(self, owner, name):
        real = getattr(owner, name)

        def counted(*arguments, **named):
            self.come_to()
            result = real(*arguments, **named)
            self.come_to()
            return result

        setattr(owner, name, counted)


if __name__ == "__main__":
    places = Places(int(sys.argv.pop(1)))
    engines = dict.fromkeys((DockerEngine, EmbeddedEngine), CHANGES)
    for owner, names in (REQUESTS if os.environ.get("KILLED_AT") == "requests" else engines).items():
        for name in names:
            places.around(owner, name)
    places.around(Records, "write")
    places.around(EnvFile, "write")
    for name in ("execute", "commit"):
        places.around(psycopg.Connection, name)
    sys.argv[0] = "planodev"
    runpy.run_module("planodev", run_name="__main__")
