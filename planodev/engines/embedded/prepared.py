"""A prepared cluster: new data, made in a directory of its own while planodev still loads, as initdb takes long."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from planodev.background import PATIENCE, Job
from planodev.engines import Late
from planodev.engines.embedded import cluster, directories, process
from planodev.engines.embedded.directories import DataDirectory

if TYPE_CHECKING:
    from planodev.deadline import Limit
    from planodev.engines.embedded.programs import Program
    from planodev.project.identity import Project

_NAME = ".ahead-"
_POLL = 0.1  # seconds between two attempts to end it


class PreparedCluster:
    """A data directory that may not be needed; errors are reported by whoever then creates it again."""

    def __init__(self, program: Program, project: Project, limit: Limit) -> None:
        self._program, self._project, self._limit = program, project, limit
        self._directory = DataDirectory(directories.databases() / f"{_NAME}{os.getpid()}")
        self._given = self._unwanted = self._late = False
        self._made = Job(self._make)

    def _make(self) -> bool:
        sweep()
        cluster.make_directory(self._project, self._directory)
        runner = directories.runner(self._project, self._directory)
        program = cluster.reached(self._program)
        if self._unwanted:
            raise InterruptedError
        try:
            cluster.init(program, self._directory, runner, secrets.token_urlsafe(24), self._limit)
        except Late:
            self._late = True
            raise
        return True

    def give(self, directory: DataDirectory, limit: Limit) -> bool:
        """Wait for it, within a limit, and move it to its final directory; False if it could not be created.

        Raises:
            Late: it took all the time that there was, so that a second `initdb` would have none.

        """
        made = self._made(limit())
        if self._late or self._made.runs:
            raise cluster.late("initdb")
        if self._given or not made:
            return False
        try:
            if self._directory.path.stat().st_uid != directory.path.stat().st_uid:
                return False
            for file in (self._directory.pgpass, self._directory.data):
                file.rename(directory.path / file.name)
        except OSError:  # it was removed meanwhile: the caller creates another
            return False
        self._given = True
        shutil.rmtree(self._directory.path, ignore_errors=True)
        return True

    def drop(self) -> None:
        """Stop its creation, and remove what was not used."""
        if not self._given:
            self._unwanted = True
            ends = time.monotonic() + PATIENCE
            process.end_everything(self._directory)
            while self._made.runs and time.monotonic() < ends:
                self._made(_POLL)
                process.end_everything(self._directory)  # it may have started initdb since
            with suppress(OSError):
                cluster.remove(self._directory)


def sweep() -> None:
    """Remove what a killed process has left."""
    for left in directories.databases().glob(f"{_NAME}*"):
        with suppress(OverflowError, ValueError):
            if not _runs(int(left.name.removeprefix(_NAME))):
                cluster.remove(DataDirectory(left))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return pid != os.getpid()
