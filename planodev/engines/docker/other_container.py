"""A container that planodev did not create, such as that of a running Plano."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from planodev.engines.docker import labels
from planodev.engines.docker.client import CONFLICT, NOT_FOUND, Refused
from planodev.engines.docker.engine import DockerEngine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.engines import Engine


@dataclass(frozen=True)
class Other:
    """What can be seen of one.

    Args:
        variables: its environment.
        mounts: what it has from outside, by the place in it.
        said: what a command that was run in it has printed, "" where it could not be run.
        error: why it could not be started, "" where it could.

    """

    variables: Mapping[str, str] = field(repr=False)
    mounts: Mapping[str, str]
    said: str
    error: str = ""


def look_into(engine: Engine, name: str, command: list[str]) -> Other | None:
    """Return a container, with what a command prints in it; None where there is none, as in any engine but Docker."""
    if not isinstance(engine, DockerEngine):
        return None
    try:
        item = engine.api.inspect_container(name)
        runs = item["State"]["Status"] == "running"
        said = engine.api.exec_run(item["Id"], command, {})[1] if runs else b""
    except Refused as error:
        if error.status not in (NOT_FOUND, CONFLICT):
            raise
        return None  # removed or stopped meanwhile
    mounts = {mount["Destination"]: mount.get("Source") or "" for mount in item.get("Mounts") or []}
    why_not = "" if runs else str(item["State"].get("Error") or "")
    return Other(labels.variables_of(item["Config"]), mounts, said.decode(errors="replace"), why_not)
