"""Every database that planodev has made in an engine that speaks Docker's API, by the labels."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from planodev.engines.docker import labels
from planodev.engines.docker.client import Refused
from planodev.engines.inventory import ListedDatabase
from planodev.problems import NoEngine

if TYPE_CHECKING:
    from planodev.engines.docker.client import Api


def databases(api: Api) -> list[ListedDatabase]:
    """Return every volume of planodev's, and every server that has none.

    Raises:
        NoEngine: the connection was lost.
        Refused: the engine refuses the lists.

    """
    servers = {}
    for item in api.containers(all=True):
        owner = labels.owner_of(item["Labels"])
        if owner and labels.PROBE_LABEL not in item["Labels"]:
            with suppress(Refused):  # removed since it was listed
                servers[item["Id"]] = (owner, api.inspect_container(item["Id"]))
    mounted = {name: server for _, server in servers.values() for name in labels.volumes_of(server)}
    volumes = [item for item in api.volumes()["Volumes"] or [] if labels.owner_of(item["Labels"])]
    sizes = _sizes(api) if volumes else {}
    found = []
    for item in volumes:
        name, owner = item["Name"], labels.owner_of(item["Labels"])
        assert owner  # noqa: S101  only those with an owner are listed
        found.append(_listed(owner, name, mounted.get(name), sizes.get(name)))
    ours = {item["Name"] for item in volumes}
    return found + [
        _listed(owner, "", one, None) for owner, one in servers.values() if not ours & labels.volumes_of(one)
    ]


def _listed(owner: Any, place: str, server: dict[str, Any] | None, size: int | None) -> ListedDatabase:  # noqa: ANN401
    state = server["State"] if server else {}
    return ListedDatabase(owner, "docker", place, state.get("Status", ""), size, _ended(state))


def _ended(state: dict[str, Any]) -> float | None:
    """Return when a container ended; the engine says `0001-01-01T00:00:00Z` of one that never ran."""
    moment = str(state.get("FinishedAt") or "")[:19]
    if state.get("Status") == "running" or not moment or moment.startswith("0001"):
        return None
    with suppress(ValueError):
        return datetime.fromisoformat(f"{moment}+00:00").timestamp()
    return None


def _size(usage: dict[str, Any]) -> int:
    size = usage.get("Size")
    return -1 if size is None else int(size)


def _sizes(api: Api) -> dict[str, int]:
    """Return what each volume takes on the disk; an engine that has too much to count says nothing."""
    try:
        listed = api.disk_usage().get("Volumes") or []
    except (Refused, NoEngine):
        return {}
    sizes = {item["Name"]: _size(item.get("UsageData") or {}) for item in listed}
    return {name: size for name, size in sizes.items() if size >= 0}
