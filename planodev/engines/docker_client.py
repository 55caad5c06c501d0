"""The Docker SDK's client, with failures of the connection told apart and explained."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests.exceptions

from planodev.engines import endpoint as endpoints
from planodev.errors import NoEngine

if TYPE_CHECKING:
    from collections.abc import Mapping

# Seconds for one request; pulls and logs stream, so this is the longest silence.
REQUEST_TIMEOUT = 60


class Client(docker.APIClient):
    """The low-level client; a lost connection becomes `NoEngine` wherever it happens."""

    where: endpoints.Endpoint

    def request(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Send a request, as `requests.Session` does.

        Raises:
            NoEngine: the engine cannot be reached, or did not answer in time.

        """
        try:
            return super().request(*args, **kwargs)
        except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
            raise _lost(self.where, error) from error


def connect(environment: Mapping[str, str]) -> tuple[Client, endpoints.Endpoint]:
    """Find the engine and shake hands with it.

    Raises:
        NoEngine: none answers, it answers with an error, or it is too old.

    """
    where = endpoints.find(environment, Path.home(), endpoints.probe_socket)
    _check_socket(where)
    # The SDK asks for the version inside the constructor, before an attribute of the object could be set.
    kind = type("Client", (Client,), {"where": where})
    try:
        client = kind(base_url=where.url, tls=where.tls or False, version="auto", timeout=REQUEST_TIMEOUT)
    except docker.errors.InvalidVersion as error:
        raise NoEngine(
            "engine-too-old",
            f"the engine at `{where.url}` is too old",
            why=str(error),
            fix="install Docker Engine 20.10 or newer",
        ) from error
    except (docker.errors.DockerException, ValueError) as error:
        if isinstance(error.__cause__, NoEngine):
            raise error.__cause__ from None
        if isinstance(error.__cause__, docker.errors.APIError) or "Error while fetching server API version" in str(error):
            raise answered_badly(where, error) from error
        raise NoEngine(
            "bad-endpoint",
            f"`{where.url}` is not an endpoint that can be used",
            why=f"{error} (from {where.source})",
            fix="set DOCKER_HOST to something like `unix:///var/run/docker.sock`, or unset it",
        ) from error
    return client, where


def answered_badly(where: endpoints.Endpoint, error: Exception) -> NoEngine:
    """Return the error for an engine that answers, but with an error of its own."""
    return NoEngine(
        "engine-error",
        f"the engine at `{where.url}` answers with an error",
        why=" ".join(str(error).split()),
        fix="`docker version` shows whether it is well; restart the engine if not",
    )


def _check_socket(where: endpoints.Endpoint) -> None:
    if not where.url.startswith(("unix://", "http+unix://")) or os.name != "posix":
        return
    path = "/" + where.url.split("://", 1)[1].lstrip("/")
    state = endpoints.probe_socket(Path(path))
    if state == "denied":
        raise endpoints.denied(path, where.source)
    if state == "dead":
        raise endpoints.not_started(path, where.source)
    if state == "missing":
        raise NoEngine(
            "no-socket",
            f"there is no socket at `{path}`",
            why=f"{where.source} names it, and no engine has made it",
            fix="start the engine, or choose another with `docker context use` or DOCKER_HOST",
        )


def _lost(where: endpoints.Endpoint, error: Exception) -> NoEngine:
    return NoEngine(
        "engine-unreachable",
        f"the engine at `{where.url}` does not answer",
        why=" ".join(str(error).split()),
        fix=f"start it, or choose another (this one comes from {where.source})",
    )
