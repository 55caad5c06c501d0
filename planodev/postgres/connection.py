"""The connection to the database: the five DB_* values, and how they are written in `.env` and in URLs.

Plano builds its connection string by text substitution, and its driver decodes percent signs. So DB_PASS
holds the percent-encoded form and Postgres holds the raw one; `encode_password` is the only place that
knows.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from planodev.project import env_keys

CONNECTION_STRING = "postgresql://${%s}:${%s}@${%s}:${%s}/${%s}" % env_keys.ALL  # noqa: UP031  the braces are literal
DOCKER_HOST_NAME = "host.docker.internal"
LOOPBACK = "127.0.0.1"
INSIDE_PORT = 5432  # of every server in its container
# Hosts that planoai, python-dotenv, `docker --env-file` and `sh` read alike, and that need no encoding in a URL.
_HOST = (
    r"(?a)[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?"
    r"|\[?[0-9A-Fa-f.:]{2,45}(?:%[A-Za-z0-9_.-]+)?\]?|/[A-Za-z0-9_./@+-]{0,100}"
)
_ENCODED = r"(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})+"


def is_loopback(host: str) -> bool:
    """Say whether a name or an address is loopback, which is another one in a container than on its machine."""
    return host.startswith(("127.", "/")) or host in ("::1", "localhost")


def is_published(address: str, port: str) -> bool:
    """Say whether the port that an engine publishes leads to where a server listens in its container.

    It leads to one port, over IPv4, and not to the container's own loopback. No address: the server has only a socket.
    """
    return port == str(INSIDE_PORT) and bool(address) and ":" not in address and not is_loopback(address)


def is_host(text: str) -> bool:
    """Say whether a text is a host name, an address or a socket's directory, or some of them with commas between.

    Names are those of RFC 1123 with `_`, which networks of containers have as well.
    """
    return all(re.fullmatch(_HOST, one) is not None for one in text.split(","))


class Connection(NamedTuple):
    """A connection to the database.

    Args:
        user: role name, raw.
        password: raw, as Postgres knows it; never shown by `repr`.
        host: name or address, seen from where Plano runs.
        port: TCP port.
        database: database name, raw.
        options: what the server is told for the session, such as `-c search_path=app`.
        own: whether planodev runs that server, which is entered by SCRAM or not at all.

    """

    user: str
    password: str
    host: str
    port: int
    database: str
    options: str = ""
    own: bool = False

    def __repr__(self) -> str:
        """Return it without the password."""
        return f"Connection({self.user}@{self.host}:{self.port}/{self.database})"

    @property
    def url(self) -> str:
        """The connection string, with the password in it."""
        return f"postgresql://{self.user}:{encode_password(self.password)}@{self.host}:{self.port}/{self.database}"


def host_of(plano: str | None) -> str:
    """Return the DB_HOST by which a Plano that runs in `docker` or `native` mode reaches this machine."""
    return DOCKER_HOST_NAME if plano == "docker" else LOOPBACK


def encode_password(raw: str) -> str:
    """Return the form for DB_PASS: percent-encoded, without `~`, which `sh` would expand.

    Source: tokio-postgres 0.7.18 decodes percent signs in user info; planoai's `.env` reader takes all else literally.
    """
    return quote(raw, safe="", errors="surrogateescape").replace("~", "%7E")


def decode_password(value: str) -> str:
    """Return the raw password for a value of DB_PASS.

    A value that is a valid percent-encoded text is decoded, as Plano's driver will do; any other is taken
    as the password itself.

    Raises:
        ValueError: the decoded bytes are not UTF-8 or contain a NUL, which Postgres cannot store.

    """
    if not re.fullmatch(_ENCODED, value):
        raw = value
    else:
        try:
            raw = unquote_to_bytes(value).decode()
        except UnicodeDecodeError as error:
            raise ValueError("its percent-encoded bytes are not UTF-8") from error
    if "\0" in raw:
        raise ValueError("it contains a NUL")
    return raw


def is_encoded(value: str) -> bool:
    """Say whether a value can stand in `.env` and in the connection string as it is."""
    return re.fullmatch(_ENCODED, value) is not None
