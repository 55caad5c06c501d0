"""A quick lane in front of the Docker SDK: the same methods and answers, for the few calls of an ordinary day.

Importing the SDK takes longer than all that `status`, or an `up` that finds nothing to do, asks of the
engine. Over a local socket those questions are plain HTTP, so the standard library asks them; every other
method, and every other kind of endpoint, goes to the SDK, which is loaded at that moment.
"""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from planodev.engines.docker_terms import NOT_FOUND, NotToldToGo, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from planodev.engines.docker_client import Client
    from planodev.engines.endpoint import Endpoint
    from planodev.problems import PlanodevError

# host-gateway, which the proof and Plano itself need, came with Docker Engine 20.10.
OLDEST_API = (1, 41)
TIMEOUT = 60  # seconds of silence


class QuickClient:
    """Stands where the SDK's client is expected; only for `unix://` endpoints, which have no TLS.

    The methods have the names and answers of `docker_client.Client`, whose docstrings hold for them.
    """

    def __init__(self, where: Endpoint) -> None:
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
            self._ask("GET", "/_ping")
        return self._version or {}

    def info(self) -> Any:  # noqa: ANN401
        return self._get("/info")

    def containers(self, *, all: bool) -> Any:  # noqa: A002, ANN401  the SDK's name
        return self._get(f"/containers/json?all={int(all)}")

    def volumes(self) -> Any:  # noqa: ANN401
        return self._get("/volumes")

    def inspect_container(self, container: str) -> Any:  # noqa: ANN401
        return self._get(f"/containers/{quote(container)}/json")

    def inspect_network(self, network: str) -> Any:  # noqa: ANN401
        return self._get(f"/networks/{quote(network)}")

    def find_image(self, image: str) -> Any:  # noqa: ANN401
        try:
            return self._get(f"/images/{quote(image)}/json")
        except Refused as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def make_volume(self, name: str, labels: dict[str, str]) -> dict[str, str]:
        made = self._parsed(self._ask("POST", "/volumes/create", {"Name": name, "Labels": labels}))
        return dict(made.get("Labels") or {})

    def make_container(self, config: dict[str, Any], name: str | None = None) -> str:
        query = f"?name={quote(name)}" if name else ""
        return str(self._parsed(self._ask("POST", f"/containers/create{query}", config))["Id"])

    def put_files(self, container: str, directory: str, archive: bytes) -> None:
        self._ask("PUT", f"/containers/{quote(container)}/archive?path={quote(directory)}", archive)

    def start(self, container: str) -> None:
        self._ask("POST", f"/containers/{quote(container)}/start")

    def signal(self, container: str, name: str) -> None:
        # Said and not waited for: the engine takes its time to answer, and the answer changes nothing.
        with suppress(OSError):
            self._say("POST", f"/containers/{quote(container)}/kill?signal={name}").close()

    def exec_run(
        self, container: str, command: list[str], environment: dict[str, str], go: Callable[[], bool] | None = None
    ) -> tuple[int, bytes, bytes]:
        if go:
            # Whatever ends planodev before it says go also ends the input, and then nothing is done.
            command = ["sh", "-c", 'read -r go && exec "$@"', "sh", *command]
        body = {
            "Cmd": command,
            "Env": [f"{key}={value}" for key, value in environment.items()],
            "AttachStdin": go is not None,
            "AttachStdout": True,
            "AttachStderr": True,
        }
        number = self._parsed(self._ask("POST", f"/containers/{quote(container)}/exec", body))["Id"]
        out, err = _demultiplex(self._ask("POST", f"/exec/{number}/start", {"Detach": False, "Tty": False}, go))
        return self._get(f"/exec/{number}/json")["ExitCode"], out, err

    def _get(self, path: str) -> Any:  # noqa: ANN401
        return self._parsed(self._ask("GET", path))

    def _parsed(self, answer: bytes) -> Any:  # noqa: ANN401
        try:
            return json.loads(answer)
        except ValueError as error:
            raise self._lost(ConnectionError("the answer broke off")) from error

    def _ask(
        self, method: str, path: str, body: dict[str, Any] | bytes = b"", go: Callable[[], bool] | None = None
    ) -> bytes:
        """Return the answer's body.

        Asked in HTTP/1.0: the answer is a head, an empty line, and all the rest up to the end, for streams too.
        """
        try:
            with self._say(method, path, body) as connection, connection.makefile("rb") as stream:
                status, *headers = _head(stream)
                code = int(status.split(" ")[1])
                if go:
                    # Only now, after the head, does the engine listen for the command's input.
                    if not go():
                        raise NotToldToGo
                    connection.sendall(b"\n")
                answer = stream.read()
        except (OSError, ValueError, IndexError) as error:
            raise self._lost(error) from error
        if code >= 400:  # noqa: PLR2004
            raise self._refusal(code, answer)
        if self._version is None:
            named = dict(header.lower().split(": ", 1) for header in headers if ": " in header)
            # The header looks like `Docker/20.10.24 (linux)` or `Libpod/5.2.1 (linux)`.
            server = named.get("server", "").split(" ")[0]
            self._version = {"ApiVersion": named.get("api-version"), "Version": server.split("/")[-1]}
        return answer

    def _say(self, method: str, path: str, body: dict[str, Any] | bytes = b"") -> socket.socket:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "x-tar" if isinstance(body, bytes) else "json"
        head = f"{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/{kind}\r\n"
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(TIMEOUT)
            connection.connect(self._path)
            connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        except BaseException:
            connection.close()
            raise
        return connection

    def _lost(self, error: Exception) -> PlanodevError:
        from planodev.engines import failures

        return failures.lost(self._where, error)

    def _refusal(self, code: int, answer: bytes) -> Exception:
        text = answer.decode(errors="replace").strip()
        with suppress(ValueError, KeyError, TypeError):
            text = json.loads(text)["message"]
        if self._version is None:  # the handshake already
            return _answered_badly(self._where, f"{code} {text}")
        return Refused(code, text)


def _head(stream: BinaryIO) -> list[str]:
    """Return the lines of an answer up to the empty one; raises `ValueError` where it breaks off before that."""
    lines: list[str] = []
    for line in stream:
        if line == b"\r\n":
            return lines
        lines.append(line.decode("latin-1").strip())
    raise ValueError("the answer broke off")


def check_version(where: Endpoint, version: dict[str, Any]) -> None:
    """Raise `NoEngine` for an engine whose API is too old, or that does not speak Docker's."""
    try:
        api = tuple(int(part) for part in version["ApiVersion"].split("."))
    except (KeyError, ValueError, TypeError, AttributeError):
        raise _answered_badly(where, f"it says no API version: {str(version)[:80]}") from None
    if api < OLDEST_API:
        raise _answered_badly(where, f"its API is {version['ApiVersion']}, planodev and Plano need 1.41")


def _answered_badly(where: Endpoint, answer: str) -> PlanodevError:
    from planodev.engines import failures

    return failures.answered_badly(where, answer)


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
