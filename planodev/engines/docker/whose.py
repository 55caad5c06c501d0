"""Whose the containers and volumes of an engine are.

Labels alone say little: `docker commit` copies a container's into an image, and from there into every container of it,
and a Compose file may repeat them. So a container is this project's where it has the project's labels *and* mounts a
volume that has them too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planodev.engines.docker import labels
from planodev.problems import Conflict, Fix, Shell
from planodev.project.identity import ownership
from planodev.project.records import still_there

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planodev.engines import Volume
    from planodev.project.identity import Project

Item = dict[str, Any]


class Found:
    """What a list of containers and one of volumes have for a project; see `planodev.engines.Observed`."""

    def __init__(self) -> None:
        self.container: Item | None = None
        self.volume: Volume | None = None
        self.copies: list[str] = []
        self.namesakes: list[Volume] = []
        self.taken: dict[str, str] = {}
        self.projects: set[str] = set()


def sort(project: Project, project_id: str | None, containers: Sequence[Item], volumes: Sequence[Item] | None) -> Found:
    """Sort what an engine lists by whose it is.

    Args:
        project: the directory.
        project_id: the id in its `.env`.
        containers: all of them.
        volumes: all of them; None where the engine does not say, and a container's labels have to do.

    Raises:
        Conflict: more than one container, or volume, is this project's by all that can be seen.

    """
    found = Found()
    ours = _sort_volumes(found, project, project_id, volumes or [])
    names = {volume.name for volume in ours}
    mine = []
    for item in containers:
        owner = labels.owner_of(item["Labels"])
        if owner is None or labels.PROBE_LABEL in item["Labels"]:
            whose = "planodev did not create it"
        elif ownership(project, project_id, owner, still_there) != "ours":
            whose = f"planodev created it for `{owner.path}`"
        elif names & labels.volumes_of(item) if volumes is not None else labels.volumes_of(item):
            mine.append(item)
            continue
        else:
            whose = "it has this project's labels, but not its volume"
            found.copies.append(name_of(item))
        found.taken.update({name.lstrip("/"): f"a container has it, {whose}" for name in item["Names"] or []})
    if len(mine) > 1:
        raise _ambiguous("containers", sorted(map(name_of, mine)), "docker ps -a --filter {}", project)
    if len(ours) > 1:
        raise _ambiguous("volumes", sorted(names), "docker volume ls --filter {}", project)
    found.container, found.volume = next(iter(mine), None), next(iter(ours), None)
    return found


def _sort_volumes(found: Found, project: Project, project_id: str | None, volumes: Sequence[Item]) -> list[Volume]:
    """Sort the volumes; returns those of this project, where some have the id of its `.env` those alone."""
    ours = []
    for item in volumes:
        owner = labels.owner_of(item["Labels"] or {})
        found.taken[item["Name"]] = "a volume has it"
        if owner is None:
            continue
        found.projects.add(owner.project_id)
        volume = labels.volume_of(item, owner)
        related = ownership(project, project_id, owner, still_there)
        if related == "ours":
            ours.append(volume)
        elif related == "namesake":
            found.namesakes.append(volume)
    ours = [volume for volume in ours if volume.owner.project_id == project_id] or ours
    for volume in ours:
        del found.taken[volume.name]
    return ours


def users_of(
    volume: str, directory: str, containers: Sequence[Item], volumes: Sequence[Item], *, but: str | None
) -> list[Item]:
    """Return the containers that run and have the same data, beside those that only look into it.

    They may have it by the volume's name, by its directory on the engine's machine, or by a volume of that directory.

    Args:
        volume: the name of the volume that the data is in, "" where it is in none.
        directory: of the data, or of the volume, on the engine's machine, "" where that is not told.
        containers: those that are listed.
        volumes: those that are listed.
        but: the id of a container that is left out, None for none.

    """
    same_data = {volume, *(other["Name"] for other in volumes if _within(_device(other), directory))} - {""}
    return [
        item
        for item in containers
        if item["Id"] != but
        and item.get("State") in ("running", "paused", "restarting")
        and labels.PROBE_LABEL not in (item["Labels"] or {})
        and (same_data & labels.volumes_of(item) or _mounts_below(item, directory))
    ]


def _mounts_below(item: Item, directory: str) -> bool:
    """Say whether a container has a directory of the engine's machine mounted as such, or one within it."""
    return any(
        _within(str(mount.get("Source") or ""), directory) for mount in item["Mounts"] if mount.get("Type") == "bind"
    )


def _within(path: str, directory: str) -> bool:
    return bool(directory) and (path == directory or path.startswith(f"{directory}/"))


def _device(volume: Item) -> str:
    """Return the directory that a volume is of, "" where it is of its own.

    Source: Docker's local driver, of which `docker volume create -o type=none -o o=bind -o device=DIRECTORY` makes one.
    """
    options = volume.get("Options")  # those of a plugin may be anything
    return str(options.get("device") or "") if isinstance(options, dict) else ""


def name_of(item: Mapping[str, Any]) -> str:
    """Return a listed container's name, or the beginning of its number."""
    return str((item["Names"] or [item["Id"][:12]])[0]).lstrip("/")


def _ambiguous(what: str, names: list[str], listing: str, project: Project) -> Conflict:
    away = "`docker stop NAME && docker rm NAME` of the copy"
    if what == "volumes":
        away = "`docker volume rm NAME` of the copy, once `docker ps -a --filter volume=NAME` has no container of it"
    return Conflict(
        "two-databases",
        f"{len(names)} {what} have this project's labels: {', '.join(f'`{name}`' for name in names)}",
        why="one is a copy, with the labels of the other; planodev cannot tell which has the conversations, and "
        "touched none of them",
        fix=Fix(
            *("check each (", Shell(listing, f"label={labels.LABEL}path={project.path}"), f" lists them), then {away}")
        ),
    )
