"""The parts of a URL that somebody has typed; nothing is raised for one that cannot be read."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

LAST_PORT = 65535


class Url(NamedTuple):
    """A URL, taken apart.

    Args:
        scheme: in lower case, "" where there is none.
        user: who stands before an `@`, "" where nobody does.
        host: in lower case and without brackets, "" where there is none.
        port: None where none is written, -1 where what is written cannot be one.
        path: with its slash, "" where there is none.

    """

    scheme: str
    user: str
    host: str
    port: int | None
    path: str

    @property
    def origin(self) -> str:
        """Scheme, host and port, without a login."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{'' if self.port is None else f':{self.port}'}"

    @property
    def port_is_valid(self) -> bool:
        """Whether it has no port, or a number that can be one: Envoy takes 0, too."""
        return self.port != -1


def read(text: object) -> Url:
    """Return the parts of a URL; one with an unmatched bracket has none."""
    try:
        parts = urlsplit(str(text))
    except ValueError:
        return Url("", "", "", -1, "")
    try:
        port = parts.port
    except ValueError:  # no number, or one beyond `LAST_PORT`
        port = -1
    return Url(parts.scheme, parts.username or "", parts.hostname or "", port, parts.path)
