"""What the embedded engine has in a data directory, in the words of the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.engines import Container, Volume
from planodev.engines.embedded import directories, process
from planodev.engines.embedded.directories import SUPERUSER
from planodev.postgres.connection import LOOPBACK
from planodev.problems import Conflict, Fix, Shell
from planodev.project.identity import Owner

if TYPE_CHECKING:
    from planodev.engines.embedded.directories import DataDirectory, Labels

NAME = "embedded-postgres"


def owner(labels: Labels) -> Owner:
    """Return whose a data directory is."""
    return Owner(labels.project, labels.path, labels.inode)


def volume(directory: DataDirectory, labels: Labels) -> Volume:
    """Return the directory as the volume."""
    return Volume(
        str(directory.path),
        owner(labels),
        SUPERUSER,
        f"postgresql-{labels.version}",
        labels.database,
        user=labels.user,
        schema=labels.schema,
    )


def container(directory: DataDirectory, labels: Labels) -> Container:
    """Return the server, running or not."""
    try:
        running = process.postmaster(directory)
        major = directory.major()
    except PermissionError as error:
        raise denied(directory) from error
    return Container(
        id=str(directory.path),
        name=labels.name,
        state="running" if running else "exited",
        image=f"postgresql-{labels.version}",
        image_id=labels.version if major in (None, labels.version.split(".")[0]) else f"data of {major}",
        port=(running.port if running and running.port else labels.port) or None,
        addresses=(LOOPBACK,),
        volume=str(directory.path),
        owner=owner(labels),
        plano="native",
    )


def denied(directory: DataDirectory) -> Conflict:
    """Return the error for data that this user may not read."""
    owner = directories.owner_of(directory)
    return Conflict(
        "data-denied",
        f"this project's data in `{directory.path}` cannot be read",
        why=f"it belongs to {owner}, or its permissions were changed; a second database would be empty",
        fix=Fix(Shell("chmod -R u+rwX {}", directory.path), f" as {owner}, or run planodev as {owner}"),
    )
