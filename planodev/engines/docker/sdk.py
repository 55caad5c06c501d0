"""The Docker SDK's client, every call of which ends within a limit, with failures of the connection explained."""

from __future__ import annotations

import functools
import math
import os
import queue
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

import docker
import docker.errors
import docker.utils.config
import docker.utils.socket
import requests.exceptions
import urllib3.exceptions

from planodev import trace
from planodev.background import NotDone, watched, within
from planodev.engines import LOOK, NotToldToGo
from planodev.engines.docker import answer_shapes
from planodev.engines.docker.client import NOT_FOUND, NOTED, Refused, ended
from planodev.problems import Fix, NoEngine, Shell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planodev.deadline import Limit
    from planodev.engines import Streams
    from planodev.engines.endpoint import Endpoint
    from planodev.problems import PlanodevError

# Seconds without an event of a pull. A whole pull has no limit: engines report progress every few seconds.
SILENCE = 120
_NAMES = {"df": "disk_usage"}  # of the SDK's methods, where the clients have another
# What the SDK and its libraries raise for a broken connection; `struct.error` for one that breaks inside a frame.
_LOST = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError, struct.error)


class Client:
    """The SDK's low-level client, under names of its own where the quick client has the same.

    Whatever is not here is the SDK's own method. Each raises `Refused` for an error that the engine answers with, and
    `NoEngine` where the connection is lost, or the limit has passed.

    Args:
        sdk: the client.
        where: the engine.
        limit: gives the seconds for one call; what the call itself says how long to wait for comes on top.

    """

    def __init__(self, sdk: docker.APIClient, where: Endpoint, limit: Limit) -> None:
        self._sdk = sdk
        self._where = where
        self._limit = limit

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Return a method of the SDK."""
        if name.startswith("__"):
            raise AttributeError(name)
        method = getattr(self._sdk, name)

        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            return self._bounded(kwargs.get("timeout") or 0, lambda: method(*args, **kwargs), name)

        return call

    def find_image(self, image: str) -> Any:  # noqa: ANN401
        """Return what is known of a local image, None where there is none."""
        try:
            return self.inspect_image(image)
        except Refused as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def disk_usage(self) -> dict[str, Any]:
        """Return what the engine's volumes take on the disk, as `Volumes`, each with `UsageData`."""
        return dict(self.df())

    def make_volume(self, name: str, labels: dict[str, str]) -> dict[str, str]:
        """Create a volume; one that is there is left as it is. Returns the labels that it has."""
        return dict(self.create_volume(name, labels=labels).get("Labels") or {})

    def make_container(self, config: dict[str, Any], name: str | None = None) -> str:
        """Create a container from the Engine API's own description of one; returns its id."""
        return str(self.create_container_from_config(config, name)["Id"])

    def put_files(self, container: str, directory: str, archive: bytes) -> None:
        """Unpack a tar archive into a container; it must end with the archive's end mark, see `archives.packed`."""
        self.put_archive(container, directory, archive)

    def get_files(self, container: str, path: str) -> bytes:
        """Return a file or directory of a container as a tar archive."""
        return bytes(self._bounded(0, lambda: b"".join(self._sdk.get_archive(container, path)[0]), "get_archive"))

    def stop(self, container: str, timeout: int) -> None:
        """Stop a container, which the engine kills after `timeout` whole seconds, within the limit."""
        self._bounded(0, lambda: self._sdk.stop(container, timeout=timeout), "stop")

    def signal(self, container: str, name: str) -> None:
        """Send a signal to a container's first process."""
        self.kill(container, signal=name)

    def hold_input(self, container: str) -> Any:  # noqa: ANN401  one of several kinds of sockets
        """Open a container's input, which ends when what is returned, or this process, is closed."""
        return self.attach_socket(container, params={"stdin": 1, "stream": 1})

    def run_attached(self, container: str, command: list[str], environment: dict[str, str], streams: Streams) -> int:
        """Run a command in a container with files of this machine for its input and output, however long it takes.

        Where `streams.watch` or an interruption ends the wait, the command itself may go on in the container.

        Returns its exit code; 1 where the engine does not say it.
        """
        number = self.exec_create(container, command, stdin=True, environment=environment)["Id"]
        stream = self.exec_start(number, socket=True)
        raw = getattr(stream, "_sock", stream)
        raw.settimeout(None)
        threading.Thread(target=_feed, args=(raw, streams.source), daemon=True).start()

        def pass_on() -> None:
            for kind, piece in docker.utils.socket.frames_iter(stream, tty=False):  # type: ignore[no-untyped-call]
                target = streams.errors if kind == docker.utils.socket.STDERR else streams.target
                target.write(piece)
                target.flush()

        try:
            if streams.watch:
                watched(pass_on, LOOK, streams.watch)
            else:
                pass_on()
        finally:
            _close(stream, raw)
        code = ended(lambda: self.exec_inspect(number), NOTED)
        return 1 if code is None else code

    def exec_run(
        self,
        container: str,
        command: list[str],
        environment: dict[str, str],
        go: Callable[[], bool] | None = None,
        *,
        most: float = math.inf,
    ) -> tuple[int, bytes, bytes]:
        """Run a command in a container; returns its exit code, stdout and stderr.

        With `go` it is placed at once where the engine lets us, and begins when `go` has returned True. It is waited
        for as long as the limit says, and at most `most` seconds.

        Raises:
            NotToldToGo: `go` has returned False; the command has not begun.

        """
        # The SDK cannot write to a command's input on Windows, so the command is only created after that.
        if go and not go():
            raise NotToldToGo
        started: str = self.exec_create(container, command, environment=environment)["Id"]

        def begun() -> Any:  # noqa: ANN401
            return self._sdk.exec_start(started, detach=False, tty=False, stream=False, socket=False, demux=True)

        out, err = self._bounded(0, begun, "exec_start", most)
        code = ended(lambda: self.exec_inspect(started), min(NOTED, self._limit()))
        if code is None:
            from planodev.engines import failures

            raise failures.lost(self._where, ConnectionError("a command's output was cut off while it was running"))
        return code, out or b"", err or b""

    def pull(self, name: str, tag: str | None) -> Iterator[dict[str, Any]]:
        """Pull an image; yields what the engine tells of it. Ends where it tells nothing for `SILENCE` seconds."""
        said: queue.Queue[Any] = queue.Queue()

        def listen() -> None:
            try:
                for event in self._sdk.pull(name, tag=tag, stream=True, decode=True):
                    said.put(event)
            except BaseException as error:  # noqa: BLE001  raised again below
                said.put(error)
            said.put(None)

        threading.Thread(target=listen, daemon=True).start()
        while True:
            try:
                event = said.get(timeout=SILENCE)
            except queue.Empty:
                raise self._timed_out(f"nothing came within {SILENCE} seconds") from None
            if event is None:
                return
            if isinstance(event, BaseException):
                raise self._told(event) from event
            yield event

    def _bounded(self, more: float, call: Callable[[], Any], name: str, most: float = math.inf) -> Any:  # noqa: ANN401
        seconds, began = min(most, self._limit() + more), time.monotonic()
        try:
            return answer_shapes.check(_NAMES.get(name, name), within(seconds, call))
        except answer_shapes.Misshapen as error:
            from planodev.engines import failures

            text = f"its answer to `{name}` of the Docker SDK is not Docker's API: {error}"
            raise failures.answered_badly(self._where, text) from None
        except (TimeoutError, requests.exceptions.ReadTimeout) as error:
            raise self._timed_out(f"no complete answer to `{name}` within {seconds:.3g} seconds") from error
        except Exception as error:
            told = self._told(error)
            if told is error:
                raise
            raise told from error
        finally:
            trace.note(f"{name} of the Docker SDK", began)

    def _told(self, error: BaseException) -> BaseException:
        """Return an error in the words of this project; others as they are."""
        if isinstance(error, docker.errors.APIError):
            return _refusal(error)
        if not isinstance(error, _LOST):
            return error
        from planodev.engines import failures

        return failures.not_connected(self._where, error)

    def _timed_out(self, text: str) -> PlanodevError:
        from planodev.engines import failures

        return failures.timed_out(self._where, text)


def _feed(stream: Any, source: BinaryIO | None) -> None:  # noqa: ANN401  one of several kinds of sockets
    """Send a file, and say where it ends."""
    with suppress(OSError, ValueError):  # a file that was closed since has no number
        while source and (piece := os.read(source.fileno(), 1 << 16)):
            stream.sendall(piece)
        stream.shutdown(socket.SHUT_WR)


def _close(stream: Any, raw: Any) -> None:  # noqa: ANN401  of several kinds of sockets
    """Close a connection, so that the threads that read it or write to it end."""
    with suppress(OSError):
        raw.shutdown(socket.SHUT_RDWR)
    stream.close()
    raw.close()


def connect(where: Endpoint, limit: Limit, version: str = "auto") -> Client:
    """Connect to the engine at an endpoint; a known API version saves the request for it.

    Raises:
        NoEngine: it does not answer in time, answers with an error, or its address cannot be used.

    """

    def made() -> docker.APIClient:
        # The SDK's own limit bounds one read only. It is set so that the threads of an abandoned call end.
        return docker.APIClient(
            base_url=where.url, tls=where.tls or False, version=version, timeout=max(1, round(limit()))
        )

    try:
        return Client(within(limit(), made), where, limit)
    except Exception as error:
        if found := _explained(where, error):
            raise found from error
        raise


def _explained(where: Endpoint, error: Exception) -> PlanodevError | None:
    from planodev.engines import failures

    cause = error.__cause__
    if isinstance(cause, docker.errors.APIError):
        refusal = _refusal(cause)
        return failures.answered_badly(where, refusal.whole, forbidden=refusal.forbidden)
    if isinstance(error, NotDone) or isinstance(cause, requests.exceptions.ReadTimeout):
        return failures.timed_out(where, str(cause or error))
    if isinstance(cause, (requests.exceptions.ConnectionError, requests.exceptions.Timeout)):
        return failures.not_connected(where, cause)
    if "Error while fetching server API version" in str(error):
        return failures.answered_badly(where, str(cause or error))
    return _not_made(where, error)


def _not_made(where: Endpoint, error: Exception) -> PlanodevError | None:
    """Return the error for a client that could not be constructed, None for a mistake of planodev's own."""
    from planodev.engines import failures

    # Over ssh it connects in the constructor, and paramiko's errors have no class in common with others.
    if isinstance(error, OSError) or type(error).__module__.startswith("paramiko"):
        return failures.not_connected(where, error)
    if problem := _client_config_problem():
        return problem
    if isinstance(error, (docker.errors.DockerException, ValueError)):
        return failures.unusable(where.url, where.source, error)
    return None


def _client_config_problem() -> PlanodevError | None:
    """Return the error for a configuration of docker's client that the SDK falls over; the docker command warns of it.

    A client for an address that is never asked needs nothing else than that file.
    """
    try:
        docker.APIClient(base_url="tcp://127.0.0.1:1", version="1.41").close()
    except Exception as error:  # noqa: BLE001  of many kinds, depending on the file
        file = str(docker.utils.config.find_config_file())
        return NoEngine(
            "docker-config-unusable",
            f"`{file}` is not what docker writes",
            why=f"{type(error).__name__}: {error}",
            fix=Fix("correct it, or move it away: ", Shell("mv {} {}", file, f"{file}.unusable")),
        )
    return None


def _refusal(error: docker.errors.APIError) -> Refused:
    request = getattr(error.response, "request", None)
    asked = f"{request.method} {request.path_url.partition('?')[0]}" if request else ""
    return Refused(error.status_code or 500, str(error.explanation or error).strip(), asked)
