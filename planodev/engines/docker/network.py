"""Where to publish, so that Plano reaches the server and the network around does not."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from planodev.engines import planning, ports
from planodev.engines.docker import podman
from planodev.engines.docker.client import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planodev.engines.docker.client import Api


def addresses(
    api: Api, plano: str, facts: Mapping[str, Any], resolve: Callable[[], str | None], *, local: bool
) -> tuple[str, ...]:
    """Choose where to publish.

    Args:
        api: the engine.
        plano: `docker` or `native`.
        facts: what the engine says of itself.
        resolve: looks a container's `host.docker.internal` up, which takes its time.
        local: whether the engine is on this machine.

    """
    # On a Mac the engine runs in a virtual machine; a remote one is taken for a Linux server.
    desktop = "Docker Desktop" in (facts.get("OperatingSystem") or "")
    native_linux = not desktop and (sys.platform == "linux" or not local)
    gateway = None
    if native_linux and plano == "docker":
        gateway = (_gateway(api) if local else None) or resolve()
    return planning.published_addresses(
        plano, native_linux=native_linux, rootless=podman.is_rootless(facts), gateway=gateway
    )


def _gateway(api: Api) -> str | None:
    """Return the bridge's address on this machine, None where it is not to be seen from here."""
    with suppress(Refused):
        bridge = api.inspect_network("bridge")
        name = (bridge.get("Options") or {}).get("com.docker.network.bridge.name") or "docker0"
        return ports.interface_address(name)
    return None
