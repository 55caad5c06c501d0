"""A quick client in front of the Docker SDK, with the same methods and answers, for the few most frequent calls.

Importing the SDK takes longer than all that `status`, or an `up` that finds nothing to do, asks of the
engine. Over a local socket those questions go by `h11`; every other method, and every other kind of
endpoint, goes to the SDK, which is loaded at that moment.
"""

from __future__ import annotations

import json
import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from planodev import trace
from planodev.engines import NotToldToGo
from planodev.engines.docker import answer_shapes
from planodev.engines.docker.client import NOT_FOUND, NOTED, PODMAN, Refused, ended
from planodev.engines.docker.frames import NotHttp
from planodev.engines.docker.podman import is_podman
from planodev.engines.docker.transport import Answer, Closable, NobodyListens, Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from planodev.deadline import Limit
    from planodev.engines.docker.sdk import Client
    from planodev.engines.endpoint import Endpoint
    from planodev.problems import PlanodevError

# Docker Engine 20.10, the first with `host-gateway`, which the proof and Plano itself need.
OLDEST_API = (1, 41)
_JSON, _TAR = {"Content-Type": "application/json"}, {"Content-Type": "application/x-tar"}
_ENGINE_FAILED = 500


class QuickClient:
    """A drop-in for the SDK's client, for `unix://` endpoints, which have no TLS.

    The methods have the names and answers of `sdk.Client`, whose docstrings hold for them.

    Args:
        where: the engine.
        limit: gives the seconds for one exchange with it, the SDK's too.

    """

    def __init__(self, where: Endpoint, limit: Limit) -> None:
        self._where = where
        self._limit = limit
        self._http = Transport("/" + where.url.split("://", 1)[1].lstrip("/"), limit)
        self._version: dict[str, Any] | None = None
        self._sdk: Client | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Pass everything else on to the SDK."""
        if name.startswith("__"):
            raise AttributeError(name)
        if self._sdk is None:
            from planodev.engines.docker import sdk

            self._sdk = sdk.connect(self._where, self._limit, self.version()["ApiVersion"])
        return getattr(self._sdk, name)

    def version(self) -> dict[str, Any]:
        """Return ApiVersion and Version from a ping's headers: `/version` itself takes ten times as long."""
        if self._version is None:
            try:
                headers = self._ask("GET", "/_ping").headers
            except Refused as error:
                from planodev.engines import failures

                raise failures.answered_badly(self._where, error.whole, forbidden=error.forbidden) from error
            # The header looks like `Docker/20.10.24 (linux)` or `Libpod/5.2.1 (linux)`.
            server = (headers.get("server") or "").split(" ")[0]
            name, _, version = server.rpartition("/")
            product = {"Platform": {"Name": PODMAN}} if name == "Libpod" else {}
            self._version = {"ApiVersion": headers.get("api-version"), "Version": version, **product}
        return self._version

    def info(self) -> Any:  # noqa: ANN401
        return self._get("/info", "info")

    def containers(self, *, all: bool) -> Any:  # noqa: A002, ANN401  the SDK's name
        return self._get(f"/containers/json?all={int(all)}", "containers")

    def volumes(self) -> Any:  # noqa: ANN401
        return self._get("/volumes", "volumes")

    def disk_usage(self) -> Any:  # noqa: ANN401
        # Engines before 25 ignore `type`, and count everything.
        return self._get("/system/df?type=volume", "disk_usage")

    def inspect_container(self, container: str) -> Any:  # noqa: ANN401
        return self._get(f"/containers/{quote(container)}/json", "inspect_container")

    def top(self, container: str) -> Any:  # noqa: ANN401
        return self._get(f"/containers/{quote(container)}/top", "top")

    def inspect_network(self, network: str) -> Any:  # noqa: ANN401
        return self._get(f"/networks/{quote(network)}", "inspect_network")

    def find_image(self, image: str) -> Any:  # noqa: ANN401
        try:
            return self._get(f"/images/{quote(image)}/json", "inspect_image")
        except Refused as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def make_volume(self, name: str, labels: dict[str, str]) -> dict[str, str]:
        made = self._post("/volumes/create", {"Name": name, "Labels": labels}, "create_volume")
        return dict(made.get("Labels") or {})

    def make_container(self, config: dict[str, Any], name: str | None = None) -> str:
        query = f"?name={quote(name)}" if name else ""
        return str(self._post(f"/containers/create{query}", config, "create_container_from_config")["Id"])

    def put_files(self, container: str, directory: str, archive: bytes) -> None:
        self._ask("PUT", f"/containers/{quote(container)}/archive?path={quote(directory)}", archive, _TAR)

    def get_files(self, container: str, path: str) -> bytes:
        return self._ask("GET", f"/containers/{quote(container)}/archive?path={quote(path)}").body

    def remove_container(self, container: str, *, force: bool = False, v: bool = False) -> None:
        self._ask("DELETE", f"/containers/{quote(container)}?force={int(force)}&v={int(v)}")

    def start(self, container: str) -> None:
        self._ask("POST", f"/containers/{quote(container)}/start")

    def hold_input(self, container: str) -> Closable:
        return self._http.hold(f"/containers/{quote(container)}/attach?stream=1&stdin=1")

    def signal(self, container: str, name: str) -> None:
        path = f"/containers/{quote(container)}/kill?signal={name}"
        if is_podman(self.version()):  # it drops a request whose sender has closed the connection
            self._ask("POST", path)
            return
        # Not waited for: dockerd is slow to answer, and the answer changes nothing.
        with suppress(OSError):
            self._http.tell("POST", path)
        trace.note(f"POST {path}: not waited for")

    def exec_run(
        self,
        container: str,
        command: list[str],
        environment: dict[str, str],
        go: Callable[[], bool] | None = None,
        *,
        most: float = math.inf,
    ) -> tuple[int, bytes, bytes]:
        if go:
            # If planodev ends before it writes to the input, the input ends as well, and the command is not run.
            command = ["sh", "-c", 'read -r go && exec "$@"', "sh", *command]
        body = {
            "Cmd": command,
            "Env": [f"{key}={value}" for key, value in environment.items()],
            "AttachStdin": go is not None,
            "AttachStdout": True,
            "AttachStderr": True,
        }
        number = quote(self._post(f"/containers/{quote(container)}/exec", body, "exec_create")["Id"])
        out, err = self._run(f"/exec/{number}/start", go, most)
        code = ended(lambda: self._get(f"/exec/{number}/json", "exec_inspect"), min(NOTED, self._limit()))
        if code is None:
            raise self._lost(ConnectionError("a command's output was cut off while it was running"))
        return code, out, err

    def _run(self, path: str, go: Callable[[], bool] | None, most: float) -> tuple[bytes, bytes]:
        began = time.monotonic()

        def said() -> bytes:
            nonlocal began
            if not go:
                return b""
            if not go():
                raise NotToldToGo
            began = time.monotonic()
            return b"\n"

        try:
            done = self._http.run(path, b'{"Detach": false, "Tty": false}', _JSON, said, most=most)
        except OSError as error:
            raise self._lost(error, f"POST {path}", began) from error
        trace.note(f"POST {path}: {done.status if isinstance(done, Answer) else 'ended'}", began)
        if isinstance(done, Answer):
            raise self._refusal("POST", path, done)
        if done.failure:
            raise Refused(_ENGINE_FAILED, done.failure)
        return done.out, done.err

    def _get(self, path: str, name: str) -> Any:  # noqa: ANN401
        """Return the answer to a request, of the shape that the method of this name has."""
        return self._parsed(self._ask("GET", path), f"GET {path}", name)

    def _post(self, path: str, body: dict[str, Any], name: str) -> Any:  # noqa: ANN401
        return self._parsed(self._ask("POST", path, json.dumps(body).encode(), _JSON), f"POST {path}", name)

    def _parsed(self, answer: Answer, asked: str, name: str) -> Any:  # noqa: ANN401
        try:
            return answer_shapes.check(name, json.loads(answer.body))
        except answer_shapes.Misshapen as error:
            from planodev.engines import failures

            asked = asked.partition("?")[0]
            raise failures.answered_badly(
                self._where, f"its answer to `{asked}` is not Docker's API: {error}"
            ) from None
        except (ValueError, RecursionError) as error:
            text = answer.body[:80].decode(errors="replace")
            raise self._lost(NotHttp(f"the answer was cut off, or is not an engine's: {text}")) from error

    def _ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        began = time.monotonic()
        try:
            answer = self._http.ask(method, path, body, headers or {})
        except OSError as error:
            raise self._lost(error, f"{method} {path.partition('?')[0]}", began) from error
        trace.note(f"{method} {path}: {answer.status}", began)
        if answer.status >= 400:  # noqa: PLR2004
            raise self._refusal(method, path, answer)
        return answer

    def _lost(self, error: OSError, request: str = "", began: float = 0.0) -> PlanodevError:
        """Return the error for a lost connection, or for a request that has got no whole answer in time."""
        from planodev.engines import failures
        from planodev.engines.endpoint import check_socket

        if isinstance(error, NotHttp) and self._version is None:
            return failures.answered_badly(self._where, f"it names no API version: {error}")
        if isinstance(error, TimeoutError):
            seconds = round(time.monotonic() - began, 1)
            return failures.timed_out(self._where, f"no complete answer to `{request}` within {seconds:g} seconds")
        if isinstance(error, NobodyListens):
            if self._version is None:
                check_socket(self._where)  # raises what is wrong with the socket, if anything is
            error = ConnectionError(f"it closed the connection: {error.strerror}")
        return failures.lost(self._where, error)

    def _refusal(self, method: str, path: str, answer: Answer) -> Refused:
        text = answer.body.decode(errors="replace").strip()
        with suppress(ValueError, KeyError, TypeError):
            text = json.loads(text)["message"]
        return Refused(answer.status, str(text) or answer.reason, f"{method} {path.partition('?')[0]}")


def check_version(where: Endpoint, version: dict[str, Any]) -> None:
    """Raise `NoEngine` for an engine whose API is too old, or that does not speak Docker's."""
    try:
        api = tuple(int(part) for part in version["ApiVersion"].split("."))
    except (KeyError, ValueError, TypeError, AttributeError):
        from planodev.engines import failures

        raise failures.answered_badly(where, f"it names no API version: {str(version)[:80]}") from None
    if api < OLDEST_API:
        from planodev.engines import failures

        raise failures.too_old(where, version["ApiVersion"], ".".join(str(part) for part in OLDEST_API))
