"""A project that a fault is inflicted on, and what the faults need of the engine."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field

import docker

from tests.support.docker_objects import make_image
from tests.support.ports import free_port
from tests.support.waiting import until


@dataclass
class Case:
    """A project that is up and has rows, and what a row's texts and options may speak of."""

    project: object
    api: object
    place: object
    another: object
    fixture: object
    undo: contextlib.ExitStack
    words: dict = field(default_factory=dict)
    variables: dict = field(default_factory=dict)

    def __post_init__(self):
        status = self.project.status()
        self.name, self.volume, self.port = status["container"], status["volume"], status["port"]
        self.words |= {"name": self.name, "volume": self.volume, "port": self.port, "free": free_port()}

    def inside(self, *command, user="root"):
        """Run a command in the database's container; returns its output."""
        number = self.api.exec_create(self.name, list(command), user=user)["Id"]
        return self.api.exec_start(number).decode(errors="replace")

    def change_data(self, script):
        """Run a shell script as root over the volume, from a container of its own; returns its output."""
        number = self.api.create_container_from_config(
            {
                "Image": "postgres:16",
                "Entrypoint": ["sh", "-ec", script],
                "WorkingDir": "/data",
                "HostConfig": {"Binds": [f"{self.volume}:/data"], "NetworkMode": "none"},
            }
        )["Id"]
        try:
            self.api.start(number)
            end = self.api.wait(number, timeout=30)
            out = self.api.logs(number).decode(errors="replace")
            assert end["StatusCode"] == 0, out
            return out
        finally:
            self.api.remove_container(number, force=True, v=True)

    def stop(self):
        self.api.stop(self.name, timeout=20)

    def until(self, holds, what, seconds=30):
        until(holds, what, seconds)

    def state(self):
        return self.api.inspect_container(self.name)["State"]

    def variant(self, tag, *changes):
        """Make an image of the same PostgreSQL with another id."""
        return make_image(self.api, f"planodev-faults/{os.getpid()}", tag, *changes)

    def foreign_container(self, name):
        """Make somebody else's container, unless the name is taken anyway."""
        with contextlib.suppress(docker.errors.APIError):
            number = self.api.create_container_from_config(
                {"Image": "postgres:16", "Entrypoint": ["sleep", "90"]}, name
            )
            self.undo.callback(self.api.remove_container, number["Id"], force=True, v=True)
            self.api.start(number["Id"])
