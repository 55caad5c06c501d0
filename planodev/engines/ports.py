"""The ports and addresses of this machine."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planodev.engines import Engine, Observed


def taken_by(engine: Engine, observed: Observed, port: int, addresses: tuple[str, ...]) -> str | None:
    """Return who listens at a port of the server's addresses, None when it is free or this project's own."""
    if port in observed.published:
        return observed.published[port]
    return holder(port, addresses) if engine.info.local else None


def holder(port: int, addresses: tuple[str, ...]) -> str | None:
    """Return who listens at a port on any of the addresses, None when it is free.

    Both a connection and a bind are tried: on macOS a bind to 127.0.0.1 succeeds beside a listener on 0.0.0.0.
    """
    for address in addresses:
        with socket.socket() as client:
            client.settimeout(0.5)
            if client.connect_ex((address, port)) == 0:
                return _program(port)
        with socket.socket() as server:
            if os.name == "posix":
                # Else connections in TIME_WAIT count as a listener.
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                server.bind((address, port))
            except PermissionError:
                return "the system: ports below 1024 need root" if port < 1024 else "the system (reserved)"  # noqa: PLR2004
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return _program(port)
                # Not an address of this machine: the engine reports that.
    return None


def unused() -> int:
    """Return a port of 127.0.0.1 that nobody has, and nobody knows."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def _program(port: int) -> str:
    """Name the program that listens, as far as the system tells this user."""
    import psutil

    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f"`{psutil.Process(connection.pid).name()}` (process {connection.pid})"
    return "another program"


def interface_address(name: str) -> str | None:
    """Return the IPv4 address of a network interface of this machine, None where it has none."""
    import psutil

    addresses = psutil.net_if_addrs().get(name, [])
    return next((address.address for address in addresses if address.family == socket.AF_INET), None)
