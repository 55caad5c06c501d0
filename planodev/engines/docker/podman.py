"""What is different on Podman, with what was seen there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from planodev.engines.docker.client import CONFLICT, PODMAN, Refused
from planodev.engines.docker.labels import LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.engines import Container
    from planodev.engines.docker.client import Api

KEEPER_LABEL = f"{LABEL}keeps-network-for"


def is_podman(version: Mapping[str, Any]) -> bool:
    """Say whether an engine's answer to `version` is Podman's, of either client."""
    names = [item.get("Name") or "" for item in version.get("Components") or []]  # in the SDK's answer
    return (version.get("Platform") or {}).get("Name") == PODMAN or "Podman Engine" in names


def is_rootless(facts: Mapping[str, Any]) -> bool:
    """Say whether the engine's network is in a user namespace, by what it says of itself; Docker's too."""
    return any("rootless" in option for option in facts.get("SecurityOptions") or [])


def needs_network_held(server: Container) -> bool:
    """Say whether a server is published on its own network's gateway."""
    return len(server.addresses) > 1


def hold_network(api: Api, server: Container) -> None:
    """Keep the network of a server up for as long as it runs, by a container that sleeps beside it.

    Netavark 1.14 and 1.17 fail to remove the port forwarding of the last container of a network where that is published
    on the network's own gateway ("Could not process rule: No such file or directory"): the rules stay, and lead the
    next server on that port to an address that is gone. The gateway's address is not there either until a
    container runs, so that the first one cannot be published on it. Seen with Podman 5.4 and 5.8, rootful.
    """
    config = {
        "Image": server.image,
        "Entrypoint": ["sleep", "infinity"],
        "Labels": {KEEPER_LABEL: server.name},
        "HostConfig": {
            "NetworkMode": "bridge",
            "RestartPolicy": {"Name": "unless-stopped"},
            # Instead of the volumes that the image declares.
            "Tmpfs": {"/var/lib/postgresql": "", "/var/lib/postgresql/data": ""},
        },
    }
    name = _keeper(server)
    try:
        number = api.make_container(config, name)
    except Refused as error:
        if error.status != CONFLICT or not _is_keeper(api, name):
            raise
        number = name
    api.start(number)


def release_network(api: Api, server: Container) -> None:
    """Remove the container that `hold_network` made, once the server has stopped; where there is none, do nothing."""
    name = _keeper(server)
    with suppress(Refused):
        if _is_keeper(api, name):
            api.remove_container(name, force=True, v=True)


def _keeper(server: Container) -> str:
    return f"{server.name}-network"


def _is_keeper(api: Api, name: str) -> bool:
    return KEEPER_LABEL in (api.inspect_container(name)["Config"]["Labels"] or {})
