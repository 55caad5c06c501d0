"""New data of the embedded engine as a copy of what initdb has made before: half of the work of a first start.

Only initdb is spared, in commands that are forked (`tests.support.forked`): roles, databases, marks, labels and all
else are made by planodev on the copy. Tests of the first start itself are marked `first_start`, and have the real one.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

VARIABLE = "TESTS_CLUSTERS"  # names the directory of the run, with a cluster for each user that runs servers
FILES = ("data", "pgpass")


def install() -> None:
    """Have the planodev of this process copy where there is something to copy, and keep a copy where there is none."""
    from planodev.engines.embedded import cluster

    real = cluster.init

    def init(program, directory, runner, password, limit) -> None:
        kept = Path(os.environ[VARIABLE], str(runner.uid))
        if kept.is_dir():
            _copy(kept, directory.path)
            return
        real(program, directory, runner, password, limit)
        new = kept.with_name(f"{kept.name}-{os.getpid()}")
        new.mkdir(parents=True)
        _copy(directory.path, new)
        with suppress(OSError):  # another command was first
            new.rename(kept)

    cluster.init = init


def _copy(source: Path, target: Path) -> None:
    files = [str(source / name) for name in FILES]
    subprocess.run(["cp", "-a", "--reflink=auto", "--sparse=always", *files, str(target)], check=True)
