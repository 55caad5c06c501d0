"""Who listens at a port of this machine."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planodev.engines import Engine, Observed


UNKNOWN = "another program"  # that listens, where the system does not tell which


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
                if port >= first_for_everybody():  # else an engine that runs as root may use it
                    return "the system (reserved)"
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return _program(port)
                # Not an address of this machine: the engine reports that.
    return None


def first_for_everybody() -> int:
    """Return the lowest port at which programs listen that are not root's.

    Source: Linux, ip(7) on `ip_unprivileged_port_start`. macOS 10.14 has lifted the limit of 1024 for listeners on
    every address alone, which the embedded engine's is not.
    """
    if os.name != "posix":
        return 0
    try:
        return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except (OSError, ValueError):
        return 1024


def _program(port: int) -> str:
    """Name the program that listens, as far as the system tells this user."""
    import psutil

    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f"`{psutil.Process(connection.pid).name()}` (process {connection.pid})"
    return UNKNOWN
