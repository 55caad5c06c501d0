"""Ports of this machine: free ones, and one that is taken."""

from __future__ import annotations

import contextlib
import random
import socket


@contextlib.contextmanager
def listening(port=0, address="127.0.0.1"):
    """Hold a port of this machine."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen()
        yield server.getsockname()[1]


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def free_ports():
    """Return a free port whose next one is free as well, of those that no connection gets by chance."""
    while True:
        port = random.randrange(20000, 32000, 2)
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 1))
            return port
