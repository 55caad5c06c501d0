"""A way to a PostgreSQL server that loses everything from some statement on, as a network does that drops packets."""

from __future__ import annotations

import contextlib
import select
import socket
import threading

_STATEMENTS = b"QPB"  # the first byte of what a client sends after its login. Source: PostgreSQL's message formats


@contextlib.contextmanager
def losing(to, statement, *, connections=None):
    """Carry connections to a port, and yield the port of the way there.

    Args:
        to: the server's port on this machine.
        statement: the number of the message of a connection from which on nothing is carried.
        connections: so many of them are lost, and the later ones are not; None for all.

    """
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)

        def accept():
            number = 0
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    client, _ = listener.accept()
                    number += 1
                    lost = connections is None or number <= connections
                    one = threading.Thread(
                        target=_carry, args=(client, to, statement if lost else 0, ended), daemon=True
                    )
                    one.start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()


def _carry(client, to, statement, ended):
    seen = 0
    with client, socket.create_connection(("127.0.0.1", to)) as server, contextlib.suppress(OSError):
        ways = {client: server, server: client}
        while not ended.is_set():
            for source in select.select(list(ways), [], [], 0.1)[0]:
                piece = source.recv(65536)
                if not piece:
                    return
                seen += source is client and piece[:1] in _STATEMENTS
                if statement and seen >= statement:
                    ended.wait()
                    return
                ways[source].sendall(piece)
