"""New data, made ahead in a directory of its own while the rest of planodev is loaded: initdb takes long."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from planodev.background import begin
from planodev.engines.embedded import changes, cluster, directories, process
from planodev.engines.embedded.directories import Place

if TYPE_CHECKING:
    from planodev.engines.embedded.programs import Program
    from planodev.project.identity import Project

_NAME = ".ahead-"


class Ahead:
    """Data that nobody needs yet; what goes wrong with it is told by whoever makes it again, in its place."""

    def __init__(self, program: Program, project: Project) -> None:
        self._program, self._project = program, project
        self._place = Place(directories.databases() / f"{_NAME}{os.getpid()}")
        self._given = self._unwanted = False
        self._made = begin(self._make)

    def _make(self) -> bool:
        sweep()
        changes.make_place(self._project, self._place)
        runner = directories.runner(self._project, self._place)
        program = changes.reached(self._program)
        if self._unwanted:
            raise InterruptedError
        cluster.init(program, self._place, runner, secrets.token_urlsafe(24))
        return True

    def give(self, place: Place) -> bool:
        """Wait for it, and put it in its place; False where there is none."""
        if self._given or not self._made():
            return False
        try:
            if self._place.path.stat().st_uid != place.path.stat().st_uid:
                return False
            for file in (self._place.pgpass, self._place.data):
                file.rename(place.path / file.name)
        except OSError:  # removed by somebody: it is made again, in its place
            return False
        self._given = True
        shutil.rmtree(self._place.path, ignore_errors=True)
        return True

    def drop(self) -> None:
        """Remove what was not given away, and do not let it come to its end before."""
        if not self._given:
            self._unwanted = True
            process.end_everything(self._place)
            self._made()
            with suppress(OSError):
                changes.remove(self._place)


def sweep() -> None:
    """Remove what a planodev left that was killed meanwhile."""
    for left in directories.databases().glob(f"{_NAME}*"):
        with suppress(ValueError):
            if not _runs(int(left.name.removeprefix(_NAME))):
                changes.remove(Place(left))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return pid != os.getpid()
