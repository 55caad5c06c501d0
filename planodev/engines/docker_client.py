"""The Docker SDK's client, with failures of the connection told apart and explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests.exceptions

from planodev.engines.docker_terms import NOT_FOUND, NotToldToGo, Refused
from planodev.problems import NoEngine

if TYPE_CHECKING:
    from collections.abc import Callable

    from planodev.engines.endpoint import Endpoint
    from planodev.problems import PlanodevError

# Seconds for one request; pulls and logs stream, so this is the longest silence.
REQUEST_TIMEOUT = 60


class Client(docker.APIClient):
    """The low-level client; a lost connection becomes `NoEngine` wherever it happens."""

    where: Endpoint

    def request(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Send a request, as `requests.Session` does.

        Raises:
            NoEngine: the engine cannot be reached, or did not answer in time.

        """
        try:
            return super().request(*args, **kwargs)
        except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
            from planodev.engines import failures

            raise failures.lost(self.where, error) from error

    def _raise_for_status(self, response: Any) -> None:  # noqa: ANN401
        try:
            super()._raise_for_status(response)  # type: ignore[misc]
        except docker.errors.APIError as error:
            raise Refused(error.status_code or 500, str(error.explanation or error)) from error

    def find_image(self, image: str) -> Any:  # noqa: ANN401
        """Return what is known of a local image, None where there is none."""
        try:
            return self.inspect_image(image)  # type: ignore[no-untyped-call]
        except Refused as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def make_volume(self, name: str, labels: dict[str, str]) -> dict[str, str]:
        """Create a volume; one that is there is left as it is. Returns the labels that it has."""
        return dict(self.create_volume(name, labels=labels).get("Labels") or {})

    def make_container(self, config: dict[str, Any], name: str | None = None) -> str:
        """Create a container from the Engine API's own description of one; returns its id."""
        return str(self.create_container_from_config(config, name)["Id"])  # type: ignore[no-untyped-call]

    def put_files(self, container: str, directory: str, archive: bytes) -> None:
        """Unpack a tar archive into a container."""
        self.put_archive(container, directory, archive)

    def signal(self, container: str, name: str) -> None:
        """Send a signal to a container's first process."""
        self.kill(container, signal=name)

    def exec_run(
        self, container: str, command: list[str], environment: dict[str, str], go: Callable[[], bool] | None = None
    ) -> tuple[int, bytes, bytes]:
        """Run a command in a container; returns its exit code, stdout and stderr.

        With `go` it is placed at once where the engine lets us, and begins when `go` has returned True.

        Raises:
            NotToldToGo: `go` has returned False; the command has not begun.

        """
        # The SDK cannot write to a command's input on Windows, so here it is placed only then.
        if go and not go():
            raise NotToldToGo
        started: str = self.exec_create(container, command, environment=environment)["Id"]
        out, err = self.exec_start(started, detach=False, tty=False, stream=False, socket=False, demux=True)
        return int(self.exec_inspect(started)["ExitCode"]), out or b"", err or b""


def connect(where: Endpoint, version: str = "auto") -> Client:
    """Shake hands with the engine at an endpoint; a known API version saves that.

    Raises:
        NoEngine: it does not answer, answers with an error, or its address cannot be used.

    """
    # The SDK asks for the version inside the constructor, before an attribute of the object could be set.
    kind = type("Client", (Client,), {"where": where})
    try:
        client: Client = kind(base_url=where.url, tls=where.tls or False, version=version, timeout=REQUEST_TIMEOUT)
    except Exception as error:
        if isinstance(error.__cause__, NoEngine):
            raise error.__cause__ from None
        if found := _explained(where, error):
            raise found from error
        raise
    return client


def _explained(where: Endpoint, error: Exception) -> PlanodevError | None:
    from planodev.engines import failures

    cause = error.__cause__
    if isinstance(cause, Refused):
        return failures.answered_badly(where, f"{cause.status} {cause.text}")
    if "Error while fetching server API version" in str(error):
        return failures.answered_badly(where, str(cause or error))
    # Over ssh it connects in the constructor, and paramiko's errors have no class in common with others.
    if isinstance(error, OSError) or type(error).__module__.startswith("paramiko"):
        return failures.lost(where, error)
    if isinstance(error, (docker.errors.DockerException, ValueError)):
        return failures.unusable(where.url, where.source, error)
    return None
