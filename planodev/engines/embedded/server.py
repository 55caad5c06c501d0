"""The embedded server: created with its data, or started over data that is there."""

from __future__ import annotations

import secrets
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from planodev.background import Job
from planodev.engines.embedded import cluster, directories, process
from planodev.engines.embedded.directories import DataDirectory, Labels
from planodev.problems import Command, Conflict, Fix, NotReady, Shell
from planodev.project import private_files, regular_file

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from planodev.deadline import Limit
    from planodev.engines import Server
    from planodev.engines.embedded.prepared import PreparedCluster
    from planodev.engines.embedded.programs import Program
    from planodev.project.identity import Project


def create(
    program: Program, project: Project, server: Server, prepared: PreparedCluster | None, limit: Limit
) -> tuple[subprocess.Popen[bytes], Callable[[], bool | None] | None]:
    """Make the data where there is none, and start the server.

    Returns:
        The server, and for new data a function that waits until it is durable, and says whether it is; None if late.

    Raises:
        PortTaken: somebody else has the port.
        NotReady: the data could not be made, or the server does not come up.
        Late: what makes the data did not end in time.

    """
    directory = DataDirectory(directories.databases() / server.owner.project_id)
    labels = Labels(
        server.owner.project_id,
        server.owner.path,
        server.owner.inode,
        server.name,
        server.superuser,
        server.database,
        program.version,
        server.port,
    )
    have = directory.labels() if directory.path.is_dir() else None
    if directory.was_ready:
        first = have or Labels("", "", "", "", "plano", "plano", "", 0)  # its labels were removed by hand
        if server.addresses:  # none while its data is moved elsewhere: the labels stay
            directory.label(labels._replace(user=first.user, database=first.database))
        return start(program, project, directory, server.port, limit), None
    if not (have and (directory.data / "PG_VERSION").exists()):
        cluster.make_directory(project, directory)
        directory.label(labels)
        directory.write("password", f"{server.password}\n")
    runner = directories.runner(project, directory)
    program = cluster.reached(program)
    fresh = not directory.data.exists()
    if fresh:
        Job(_load)
        if prepared is None or not prepared.give(directory, limit):
            cluster.init(program, directory, runner, secrets.token_urlsafe(24), limit)
        cluster.make_database(program, directory, runner, server, limit)
    directory.label(labels)  # again, with another port, where the first was lost to another program
    sync = cluster.begin_sync(program, directory, runner, limit)
    child = process.start(program, directory, runner, server.port, limit())
    if not process.wait_ready(directory, child, limit()) and child.poll() is not None:
        raise _not_up(directory)
    return child, sync


def _load() -> None:
    """Import what the next steps need, while initdb runs: it takes a third of that time."""
    for name in ("psycopg", "jinja2", "ruamel.yaml"):
        import_module(name)


def start(
    program: Program, project: Project, directory: DataDirectory, port: int, limit: Limit
) -> subprocess.Popen[bytes]:
    """Start the server over data that is there.

    Raises:
        PortTaken: somebody else has the port.
        Conflict: the data cannot be used by whom the server runs as.

    """
    runner = directories.runner(project, directory)
    _check_mode(directory, runner.uid, runner.name)
    return process.start(cluster.reached(program), directory, runner, port, limit())


def _check_mode(directory: DataDirectory, uid: int, name: str) -> None:
    """Repair permissions that PostgreSQL refuses; say what planodev may not repair.

    Raises:
        Conflict: the data belongs to somebody else.

    """
    try:
        found = directory.data.stat(follow_symlinks=False)
        if found.st_uid == uid:
            private_files.set_mode(directory.data, add=0o700, remove=0o077, owner=uid)
    except OSError as error:
        raise Conflict(
            "data-denied",
            f"{name} may not use the data in `{directory.data}`",
            why=error.strerror,
            fix=Fix(Shell("chown -R {0} {1} && chmod -R u+rwX {1}", name, directory.path)),
        ) from error
    if found.st_uid != uid:
        raise Conflict(
            "data-denied",
            f"the data in `{directory.data}` does not belong to {name}, the user that Postgres would run as",
            why="PostgreSQL starts only with data of the user who starts it",
            fix=Fix(Shell("chown -R {} {}", name, directory.path)),
        )


def _not_up(directory: DataDirectory) -> NotReady:
    said = regular_file.tail(directory.log, 10_000).strip().splitlines()[-12:]
    hint = " (or raise kern.sysv.shmall)" if sys.platform == "darwin" else ""
    return NotReady(
        "server-stopped",
        "Postgres does not start",
        why="\n".join(said) or "it left no log",
        fix=Fix(Shell("tail -n 50 {}", directory.log), f" has the whole log{hint}; then ", Command("up")),
    )
