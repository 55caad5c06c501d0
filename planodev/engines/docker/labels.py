"""Parse what the engine lists of containers, volumes and images: planodev's labels, mounts, ports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planodev.engines import LABEL_SCHEMA, Container, Volume
from planodev.postgres.connection import INSIDE_PORT
from planodev.project.identity import Owner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planodev.engines import Server

LABEL = "dev.planodev."
PROBE_LABEL = f"{LABEL}witness"  # of probe containers; older releases look for this name
READY_MARK = "planodev-ready"  # a file beside the data: the server has been ready once
_DIGITS = 5


def labels_of(server: Server) -> dict[str, str]:
    """Return the labels that its container and its volume get."""
    return {
        LABEL + "schema": str(LABEL_SCHEMA),
        LABEL + "project": server.owner.project_id,
        LABEL + "path": server.owner.path,
        LABEL + "inode": server.owner.inode,
        LABEL + "superuser": server.superuser,
        LABEL + "image": server.image,
        LABEL + "database": server.database,
        LABEL + "plano": server.plano,
    }


def owner_of(labels: Mapping[str, str] | None) -> Owner | None:
    """Return whose a container or a volume is, None where planodev did not make it."""
    labels = labels or {}
    if LABEL + "project" not in labels:
        return None
    return Owner(labels[LABEL + "project"], labels.get(LABEL + "path", ""), labels.get(LABEL + "inode", ""))


def is_of(owner: Owner, labels: Mapping[str, str]) -> bool:
    """Say whether labels are those of a project."""
    return labels.get(LABEL + "project") == owner.project_id


def container_of(item: Mapping[str, Any], owner: Owner, volume: str | None, outside: str) -> Container:
    """Return a container by what the engine tells of it alone, with its volume, and where else it has data."""
    bindings = bindings_of(item)
    labels, state = item["Config"]["Labels"], item["State"]
    return Container(
        id=item["Id"],
        name=item["Name"].lstrip("/"),
        state=state["Status"],
        image=labels.get(LABEL + "image", item["Config"]["Image"]),
        image_id=item["Image"],
        port=port_of(bindings),
        addresses=tuple(b["HostIp"] for b in bindings),
        volume=volume,
        owner=owner,
        plano=labels.get(LABEL + "plano", ""),
        exit_code=state.get("ExitCode") or 0,
        oom_killed=state.get("OOMKilled") or False,
        data_outside=outside,
    )


def bindings_of(item: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return where a container was told to publish its server."""
    return (item["HostConfig"].get("PortBindings") or {}).get(f"{INSIDE_PORT}/tcp") or []


def port_of(bindings: Sequence[Mapping[str, str]]) -> int | None:
    """Return the port of this machine that a server is published at.

    None where it is at none, at whichever is free, or at one of a range, as of `docker run -p 5432-5440:5432`.
    """
    return number(bindings[0]["HostPort"]) if bindings else None


def number(text: str) -> int | None:
    """Return the number that a text is; None for another text, or more digits than a port or a version has."""
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else None


def volume_of(item: Mapping[str, Any], owner: Owner) -> Volume:
    """Return a volume by what the engine lists of it."""
    labels = item["Labels"]
    known = {key: labels.get(LABEL + key, "") for key in ("superuser", "image", "database", "adopts", "plano")}
    schema = number(labels.get(LABEL + "schema", ""))
    return Volume(item["Name"], owner, **known, schema=LABEL_SCHEMA if schema is None else schema)


def volumes_of(item: Mapping[str, Any]) -> set[str]:
    """Return the names of the volumes that a container mounts."""
    return {str(mount["Name"]) for mount in item["Mounts"] if mount.get("Type") == "volume" and mount.get("Name")}


def mount_of(item: Mapping[str, Any], volume: str | None) -> str:
    """Return where a container has a volume, "" where it has not."""
    mounts = (mount for mount in item["Mounts"] if mount.get("Name") == volume)
    return next((str(mount["Destination"]) for mount in mounts), "")


def variables_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment that an image or a container is configured with."""
    return dict(v.split("=", 1) for v in config.get("Env") or [] if "=" in v)


def published(listed: list[dict[str, Any]], ours: Mapping[str, Any] | None) -> dict[int, str | None]:
    """Return the TCP ports that containers publish, with whose; None for our own, which `up` may just have started."""
    found: dict[int, str | None] = {}
    for item in listed:
        name = (item["Names"] or ["?"])[0].lstrip("/")
        whose = None if ours and item["Id"] == ours["Id"] else f"the container `{name}`"
        ports = (port for port in item.get("Ports") or [] if port.get("Type") == "tcp" and port.get("PublicPort"))
        for port in ports:
            found.setdefault(port["PublicPort"], whose)
    return found
