"""Where to publish, so that Plano reaches the server and the network around does not."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from planodev.engines.docker import podman
from planodev.engines.docker.client import Refused
from planodev.postgres.connection import LOOPBACK

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
    return published_addresses(plano, native_linux=native_linux, rootless=podman.is_rootless(facts), gateway=gateway)


def published_addresses(plano: str, *, native_linux: bool, rootless: bool, gateway: str | None) -> tuple[str, ...]:
    """Return where to publish so that Plano reaches the port and the network around does not.

    A container reaches `host.docker.internal` through the bridge gateway on native Linux, where a port that is
    published on 127.0.0.1 alone refuses it (seen on Docker Engine 20.10). Docker Desktop, Colima, OrbStack,
    Rancher Desktop, Podman machine and rootless engines hand that name's connections to the host's own loopback,
    and have no gateway address on the host to publish on.

    Args:
        plano: `docker` or `native`.
        native_linux: whether the engine runs on its host's own kernel, not in a virtual machine of a desktop.
        rootless: whether its network is in a user namespace.
        gateway: the address of the default bridge on the engine's host, where it is known.

    """
    if plano == "docker" and native_linux and not rootless and gateway:
        return (LOOPBACK, gateway)
    return (LOOPBACK,)


def _gateway(api: Api) -> str | None:
    """Return the bridge's address on this machine, None where it is not to be seen from here."""
    with suppress(Refused):
        bridge = api.inspect_network("bridge")
        name = (bridge.get("Options") or {}).get("com.docker.network.bridge.name") or "docker0"
        return interface_address(name)
    return None


def interface_address(name: str) -> str | None:
    """Return the IPv4 address of a network interface of this machine, None where it has none."""
    import psutil

    addresses = psutil.net_if_addrs().get(name, [])
    return next((address.address for address in addresses if address.family == socket.AF_INET), None)
