"""What the embedded engine changes: making a place, starting the server in it, removing it."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from planodev.background import begin
from planodev.engines.embedded import cluster, directories, process, programs
from planodev.engines.embedded.directories import Labels, Place
from planodev.problems import BadInput, Command, Conflict, Fix, NotReady

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from planodev.engines import Server
    from planodev.engines.embedded.prepared import Ahead
    from planodev.engines.embedded.programs import Program
    from planodev.project.identity import Project

_REMOVED = ".removed-"
_TRIES = 20
START = 60.0  # seconds for a server to get its port
FIRST = 120.0  # seconds for a first start to take connections


def create(
    program: Program, project: Project, server: Server, ahead: Ahead | None
) -> tuple[subprocess.Popen[bytes], Callable[[], bool | None] | None]:
    """Make the data where there is none, and start the server.

    Returns:
        The server, and for new data a function that waits until it is durable, and says whether it is.

    Raises:
        PortTaken: somebody else has the port.
        NotReady: the data could not be made, or the server does not come up.

    """
    place = Place(directories.databases() / server.owner.id)
    labels = Labels(
        server.owner.id,
        server.owner.path,
        server.owner.inode,
        server.name,
        server.superuser,
        server.database,
        program.version,
        server.port,
    )
    have = place.labels() if place.path.is_dir() else None
    if place.was_ready:
        first = have or Labels("", "", "", "", "plano", "plano", "", 0)  # where they were removed by hand
        place.label(replace(labels, user=first.user, database=first.database))
        return start(program, project, place, server.port), None
    if not (have and (place.data / "PG_VERSION").exists()):
        make_place(project, place)
        place.label(labels)
        place.write("password", f"{server.password}\n")
    runner = directories.runner(project, place)
    program = reached(program)
    fresh = not place.data.exists()
    if fresh:
        begin(_load)
        if ahead is None or not ahead.give(place):
            cluster.init(program, place, runner, secrets.token_urlsafe(24))
        cluster.make_database(program, place, runner, server)
    place.label(labels)  # a port that was lost to somebody brings us here again
    sync = cluster.begin_sync(program, place, runner)
    child = process.start(program, place, runner, server.port, START)
    if not process.wait_ready(place, child, FIRST):
        raise _not_up(place)
    return child, sync


def _load() -> None:
    """Import what the steps after this one want: it takes a third of the time for which initdb has us wait."""
    for name in ("psycopg", "jinja2", "ruamel.yaml"):
        import_module(name)


def start(program: Program, project: Project, place: Place, port: int) -> subprocess.Popen[bytes]:
    """Start the server over data that is there.

    Raises:
        PortTaken: somebody else has the port.
        Conflict: the data cannot be used by whom the server runs as.

    """
    runner = directories.runner(project, place)
    _check_mode(place, runner.uid, runner.name)
    return process.start(reached(program), place, runner, port, START)


def remove(place: Place) -> None:
    """Remove a place; from the first moment on it counts as gone, whatever ends this in the middle."""
    process.end_everything(place)
    aside = place.path.with_name(f"{_REMOVED}{place.path.name}-{secrets.token_hex(4)}")
    with suppress(FileNotFoundError):
        place.path.rename(aside)
    for left in place.path.parent.glob(f"{_REMOVED}*"):
        for _ in range(_TRIES):  # what initdb has started dies of its end, and may write a last file on the way
            shutil.rmtree(left, ignore_errors=True)
            if not left.exists():
                break
            time.sleep(0.05)


def make_place(project: Project, place: Place) -> None:
    """Make the directory, private to whoever runs the server.

    Raises:
        BadInput: it cannot be written, or that user would not reach it.

    """
    if place.path.exists():  # left behind by a planodev that was killed before it wrote what this is
        remove(place)
    runner = directories.runner(project, None)
    try:
        place.path.parent.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            _open_ways(place.path.parent, runner.name)
        place.path.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(place.path, runner.uid, runner.gid)
    except OSError as error:
        raise BadInput(
            "data-directory-unwritable",
            f"`{place.path.parent}` cannot be written",
            why=error.strerror,
            fix="give your user access to it, or set XDG_DATA_HOME to a directory of yours",
        ) from error


def _open_ways(directory: Path, name: str) -> None:
    """Let the user who runs the server through to the data, by what planodev itself has made."""
    for part in (directory, directory.parent):
        part.chmod(part.stat().st_mode | 0o711)
    if not programs.reachable(directory):
        raise BadInput(
            "data-directory-unreachable",
            f"{name}, as whom Postgres would run, may not enter `{directory}`",
            why="PostgreSQL refuses to be run by root, so planodev runs it as another user",
            fix="`unset XDG_DATA_HOME`, or name a directory there that every user may enter",
        )


def reached(program: Program) -> Program:
    """Return the programs where whoever runs the server can reach them."""
    return programs.placed(program, directories.root()) if os.geteuid() == 0 else program


def _check_mode(place: Place, uid: int, name: str) -> None:
    """Mend permissions that PostgreSQL refuses; say what planodev may not mend.

    Raises:
        Conflict: the data belongs to somebody else.

    """
    try:
        found = place.data.stat()
        if found.st_uid == uid and found.st_mode & 0o777 != 0o700:  # noqa: PLR2004
            place.data.chmod(0o700)
    except OSError as error:
        raise Conflict(
            "data-denied",
            f"{name} may not use the data in `{place.data}`",
            why=error.strerror,
            fix=f"`chown -R {name} {place.path} && chmod -R u+rwX {place.path}`",
        ) from error
    if found.st_uid != uid:
        raise Conflict(
            "data-denied",
            f"the data in `{place.data}` does not belong to {name}, as whom Postgres would run",
            why="PostgreSQL starts only over data of the user who starts it",
            fix=f"`chown -R {name} {place.path}`",
        )


def _not_up(place: Place) -> NotReady:
    said = place.log.read_text(errors="replace").strip().splitlines()[-12:]
    hint = " (or raise kern.sysv.shmall)" if sys.platform == "darwin" else ""
    return NotReady(
        "server-stopped",
        "Postgres does not come up",
        why="\n".join(said) or "it left no log",
        fix=Fix(f"`tail -n 50 {place.log}` has the whole log{hint}; then ", Command("up")),
    )
