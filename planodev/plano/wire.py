"""The first words that a PostgreSQL server says, which no client library hands on.

A start-up message, and for SCRAM the first of its two rounds: enough to tell PostgreSQL from anything else, to see
whether a login without TLS is refused before a password is asked for, and how many SCRAM iterations the server
wants. Nothing that is secret is sent.

Source: PostgreSQL 17, chapter 53, "Frontend/Backend Protocol"; RFC 5802 for SCRAM.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROTOCOL = 3 << 16
_SSL_REQUEST = 80877103
_SASL, _SASL_CONTINUE = 10, 11
_MECHANISM = b"SCRAM-SHA-256"
# The longest message that is read: a server's first words are short.
_LONGEST = 30_000
_LENGTH = 4  # bytes of a message's length, which counts them in


@dataclass(frozen=True)
class Greeting:
    """What a server answered to a start-up message.

    Args:
        postgres: whether it speaks the protocol.
        silent: whether it took the connection and said nothing in time.
        asks: the authentication that it asks for, as numbered in the protocol; None where it refuses.
        iterations: of SCRAM, None for any other authentication.
        error: the server's refusal.
        sqlstate: its five characters.

    """

    postgres: bool
    silent: bool = False
    asks: int | None = None
    iterations: int | None = None
    error: str | None = None
    sqlstate: str | None = None


def greet(  # noqa: PLR0913  a place, a role and how
    address: tuple[str, int], user: str, database: str, timeout: float, *, options: str = "", tls: bool = False
) -> Greeting:
    """Begin a login and break it off before the password.

    Args:
        address: numeric host and TCP port.
        user: role name.
        database: database name.
        timeout: seconds for all of it.
        options: for the server's command line, as the driver sends them.
        tls: whether to encrypt; the certificate is not looked at, since nothing secret is sent.

    Raises:
        OSError: no connection, or none in time.

    """
    with closing(socket.create_connection(address, timeout)) as plain:
        end = time.monotonic() + timeout
        stream = _encrypted(plain) if tls else plain
        if stream is None:
            return Greeting(postgres=True, error="the server speaks no TLS")
        # The end of a line makes a server answer that waits for one, such as HTTP; PostgreSQL takes it for a name.
        parameters = {"user": user, "database": database, "application_name": "planodev\r\n\r\n"}
        stream.sendall(_startup({**parameters, **({"options": options} if options else {})}))
        try:
            return _read(stream, end)
        except TimeoutError:
            return Greeting(postgres=False, silent=True)
        except (OSError, EOFError, ValueError, struct.error):
            return Greeting(postgres=False)


def _encrypted(plain: socket.socket) -> ssl.SSLSocket | None:
    plain.sendall(struct.pack("!ii", 8, _SSL_REQUEST))
    if plain.recv(1) != b"S":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


def _startup(parameters: Mapping[str, str]) -> bytes:
    body = b"".join(name.encode() + b"\0" + value.encode() + b"\0" for name, value in parameters.items()) + b"\0"
    return struct.pack("!ii", len(body) + 8, _PROTOCOL) + body


def _read(stream: socket.socket, end: float) -> Greeting:
    kind, body = _message(stream, end)
    while kind in (b"N", b"v"):  # notices, or an older version of the protocol
        kind, body = _message(stream, end)
    if kind == b"E":
        return _refusal(body)
    if kind != b"R":
        return Greeting(postgres=False)
    (asks,) = struct.unpack("!i", body[:4])
    if asks != _SASL or _MECHANISM not in body[4:].split(b"\0"):
        return Greeting(postgres=True, asks=asks)
    # `n,,`: no channel binding, as without TLS; the server's answer carries `i=ITERATIONS`.
    first = b"n,,n=,r=planodevplanodevplanodev"
    words = _MECHANISM + b"\0" + struct.pack("!i", len(first)) + first
    stream.sendall(b"p" + struct.pack("!i", len(words) + 4) + words)
    kind, body = _message(stream, end)
    if kind == b"E":
        return _refusal(body)
    count = re.search(rb",i=(\d+)", body) if body[:4] == struct.pack("!i", _SASL_CONTINUE) else None
    return Greeting(postgres=True, asks=asks, iterations=int(count[1]) if count else None)


def _refusal(body: bytes) -> Greeting:
    fields = {field[:1]: field[1:].decode(errors="replace") for field in body.split(b"\0") if field}
    return Greeting(postgres=True, error=fields.get(b"M", ""), sqlstate=fields.get(b"C"))


def _message(stream: socket.socket, end: float) -> tuple[bytes, bytes]:
    kind = _exactly(stream, 1, end)
    if kind not in b"ENRv":
        raise ValueError("not PostgreSQL")
    (length,) = struct.unpack("!i", _exactly(stream, _LENGTH, end))
    if not _LENGTH <= length <= _LONGEST:
        raise ValueError("not PostgreSQL")
    return kind, _exactly(stream, length - _LENGTH, end)


def _exactly(stream: socket.socket, count: int, end: float) -> bytes:
    found = b""
    while len(found) < count:
        stream.settimeout(max(0.001, end - time.monotonic()))
        piece = stream.recv(count - len(found))
        if not piece:
            raise EOFError
        found += piece
    return found
