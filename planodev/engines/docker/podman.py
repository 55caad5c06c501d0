"""What is different on Podman, with what was seen there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from planodev.engines.docker.terms import CONFLICT, LABEL, PODMAN, Refused
from planodev.problems import Command, Fix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.engines import Container

KEEPER_LABEL = f"{LABEL}keeps-network-for"


def is_podman(version: Mapping[str, Any]) -> bool:
    """Say whether an engine's answer to `version` is Podman's, of either client."""
    names = [item.get("Name") or "" for item in version.get("Components") or []]  # of the SDK's answer
    return (version.get("Platform") or {}).get("Name") == PODMAN or "Podman Engine" in names


def unreachable(facts: Mapping[str, Any]) -> tuple[str, Fix] | None:
    """Return why a Plano in Docker cannot reach a database here, and what helps; None where it can.

    Args:
        facts: the engine's answer to `info`.

    """
    if not any("rootless" in one for one in facts.get("SecurityOptions") or []):
        return None
    why = (
        "rootless Podman leads host.docker.internal to an address of the host's network, "
        "and Postgres listens on 127.0.0.1 alone, so that the network around cannot reach it"
    )
    # Source: passt(1), `--map-host-loopback`; containers.conf(5), `pasta_options`.
    option = 'pasta_options = ["--map-host-loopback", "169.254.1.2"]'
    fix = Fix(Command("up", "--plano", "native"), f"; or put `{option}` under `[network]` in containers.conf")
    return why, fix


def hold_network(api: Any, server: Container) -> None:  # noqa: ANN401  either client
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
            # In place of the volumes that the image declares.
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


def release_network(api: Any, server: Container) -> None:  # noqa: ANN401  either client
    """Remove the container that `hold_network` made, once the server has stopped; where there is none, do nothing."""
    name = _keeper(server)
    with suppress(Refused):
        if _is_keeper(api, name):
            api.remove_container(name, force=True, v=True)


def _keeper(server: Container) -> str:
    return f"{server.name}-network"


def _is_keeper(api: Any, name: str) -> bool:  # noqa: ANN401  either client
    return KEEPER_LABEL in (api.inspect_container(name)["Config"]["Labels"] or {})
