"""A quick lane in front of the Docker SDK: the same methods and answers, for the few calls of an ordinary day.

Importing the SDK takes longer than all that `status`, or an `up` that finds nothing to do, asks of the
engine. Over a local socket those questions are plain HTTP, so the standard library asks them; every other
method, and every other kind of endpoint, goes to the SDK, which is loaded at that moment.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from planodev.engines import endpoint as endpoints
from planodev.errors import NoEngine

if TYPE_CHECKING:
    from planodev.engines.docker_client import Client

# host-gateway, which the proof and Plano itself need, came with Docker Engine 20.10.
OLDEST_API = (1, 41)
TIMEOUT = 60  # seconds of silence


class QuickClient:
    """Stands where `docker.APIClient` is expected; only for `unix://` endpoints without TLS."""

    def __init__(self, where: endpoints.Endpoint) -> None:
        self._where = where
        self._path = "/" + where.url.split("://", 1)[1].lstrip("/")
        self._version: dict[str, Any] | None = None
        self._sdk: Client | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Everything that is not here is the SDK's."""
        if name.startswith("__"):
            raise AttributeError(name)
        if self._sdk is None:
            from planodev.engines import docker_client

            self._sdk = docker_client.connect(self._where, self.version()["ApiVersion"])
        return getattr(self._sdk, name)

    def version(self) -> dict[str, Any]:
        """Return ApiVersion and Version from a ping's headers: `/version` itself takes ten times as long."""
        if self._version is None:
            self._ask("GET", "/_ping", None)
        return self._version or {}

    def containers(self, *, all: bool) -> Any:  # noqa: A002, ANN401  the SDK's name
        return self._get(f"/containers/json?all={int(all)}")

    def volumes(self) -> Any:  # noqa: ANN401
        return self._get("/volumes")

    def inspect_container(self, container: str) -> Any:  # noqa: ANN401
        # A container that is gone is the SDK's to report, so that there is one kind of error for it.
        return self._get(f"/containers/{quote(container)}/json") or self.__getattr__("inspect_container")(container)

    def find_image(self, image: str) -> Any:  # noqa: ANN401
        """Return what is known of a local image, None where there is none."""
        return self._get(f"/images/{quote(image)}/json")

    def exec_run(self, container: str, command: list[str], environment: dict[str, str]) -> tuple[int, bytes, bytes]:
        """Run a command in a container; returns its exit code, stdout and stderr."""
        body = {
            "Cmd": command,
            "Env": [f"{key}={value}" for key, value in environment.items()],
            "AttachStdout": True,
            "AttachStderr": True,
        }
        started = self._ask("POST", f"/containers/{quote(container)}/exec", body)
        if started is None:
            raise ConnectionError(f"the container {container[:12]} takes no command")
        number = json.loads(started)["Id"]
        frames = self._ask("POST", f"/exec/{number}/start", {"Detach": False, "Tty": False}) or b""
        out, err = _demultiplex(frames)
        return self._get(f"/exec/{number}/json")["ExitCode"], out, err

    def _get(self, path: str) -> Any:  # noqa: ANN401
        answer = self._ask("GET", path, None)
        return None if answer is None else json.loads(answer)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> bytes | None:
        """Return the answer's body, None for a client error (4xx), which callers hand to the SDK to explain.

        Asked in HTTP/1.0: the answer is a head, an empty line, and all the rest up to the end, for streams too.
        """
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\n"
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(TIMEOUT)
                connection.connect(self._path)
                connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
                with connection.makefile("rb") as stream:
                    first, _, answer = stream.read().partition(b"\r\n\r\n")
            status, *headers = first.decode("latin-1").split("\r\n")
            code = int(status.split(" ")[1])
        except (OSError, ValueError, IndexError) as error:
            raise endpoints.lost(self._where, error) from error
        if code >= 500:  # noqa: PLR2004
            raise endpoints.answered_badly(self._where, answer.decode(errors="replace"))
        if self._version is None and code == 200:  # noqa: PLR2004
            named = dict(header.lower().split(": ", 1) for header in headers if ": " in header)
            # "Docker/20.10.24 (linux)", "Libpod/5.2.1 (linux)"
            server = named.get("server", "").split(" ")[0]
            self._version = {"ApiVersion": named.get("api-version"), "Version": server.split("/")[-1]}
        return None if code >= 400 else answer  # noqa: PLR2004


def check_version(where: endpoints.Endpoint, version: dict[str, Any]) -> None:
    """Raise `NoEngine` for an engine whose API is too old, or that does not speak Docker's."""
    try:
        api = tuple(int(part) for part in version["ApiVersion"].split("."))
    except (KeyError, ValueError, TypeError, AttributeError):
        raise endpoints.answered_badly(where, f"it says no API version: {str(version)[:80]}") from None
    if api < OLDEST_API:
        raise NoEngine(
            "engine-too-old",
            f"the engine at `{where.url}` is too old",
            why=f"its API is {version['ApiVersion']}, planodev and Plano need 1.41 (Docker Engine 20.10)",
            fix="upgrade the engine",
        )


def _demultiplex(frames: bytes) -> tuple[bytes, bytes]:
    """Split a stream into stdout and stderr: 8 bytes of header (kind, 0, 0, 0, length), then the text.

    Source: Docker Engine API, "Attach to a container", stream format.
    """
    parts: dict[int, list[bytes]] = {1: [], 2: []}
    at = 0
    while at + 8 <= len(frames):
        kind, length = frames[at], int.from_bytes(frames[at + 4 : at + 8], "big")
        parts.setdefault(kind, []).append(frames[at + 8 : at + 8 + length])
        at += 8 + length
    return b"".join(parts[1]), b"".join(parts[2])
