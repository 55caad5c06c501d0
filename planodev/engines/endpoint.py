"""Which Docker endpoint to talk to, and why: DOCKER_HOST, then the current context, then known sockets."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planodev.errors import NoEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Endpoint:
    """An address of an engine, and where it was found; `tls` is what the SDK's client takes under that name."""

    url: str
    source: str
    tls: Any = None


# A socket's state: `answers`, `missing`, `denied`, `dead` (it is there, nobody listens).
Probe = str


def known_sockets(home: Path, runtime: Path | None) -> list[tuple[Path, str]]:
    """Return the sockets of the engines that people use, most usual first.

    Sources: Docker Desktop for Mac and Linux, Colima, OrbStack, Rancher Desktop, Podman and rootless Docker
    documentation, each on "socket location". The first one is also what OrbStack and Colima link to.
    """
    sockets = [
        (Path("/var/run/docker.sock"), "default socket"),
        (home / ".docker/run/docker.sock", "Docker Desktop"),
        (home / ".docker/desktop/docker.sock", "Docker Desktop"),
        (home / ".colima/default/docker.sock", "Colima"),
        (home / ".config/colima/default/docker.sock", "Colima"),
        (home / ".orbstack/run/docker.sock", "OrbStack"),
        (home / ".rd/docker.sock", "Rancher Desktop"),
        (home / ".local/share/containers/podman/machine/podman.sock", "Podman"),
        (home / ".local/share/containers/podman/machine/qemu/podman.sock", "Podman"),
        (Path("/run/podman/podman.sock"), "Podman"),
    ]
    if runtime:
        sockets[1:1] = [(runtime / "docker.sock", "rootless Docker")]
        sockets.append((runtime / "podman/podman.sock", "rootless Podman"))
    return sockets


def find(environment: Mapping[str, str], home: Path, probe: Callable[[Path], Probe]) -> Endpoint:
    """Choose an endpoint; looks at files and at `probe` only.

    Args:
        environment: for DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH, DOCKER_CONTEXT, XDG_RUNTIME_DIR.
        home: the user's home directory.
        probe: tells the state of a socket.

    Raises:
        NoEngine: nothing is there, or what is there may not be opened.

    """
    if environment.get("DOCKER_HOST"):
        from docker.utils import kwargs_from_env

        found = kwargs_from_env(environment=dict(environment))
        return Endpoint(found["base_url"], "DOCKER_HOST", found.get("tls"))
    context = _context(environment)
    if context:
        return context
    if os.name == "nt":
        # On Windows every engine offers Docker's own named pipe.
        return Endpoint("npipe:////./pipe/docker_engine", "default named pipe")
    runtime = environment.get("XDG_RUNTIME_DIR")
    states = [(path, product, probe(path)) for path, product in known_sockets(home, Path(runtime) if runtime else None)]
    for path, product, state in states:
        if state == "answers":
            return Endpoint(f"unix://{path}", product)
    for path, product, state in states:
        if state == "denied":
            raise denied(str(path), product)
    for path, product, state in states:
        if state == "dead":
            raise not_started(str(path), product)
    raise NoEngine(
        "no-engine",
        "no Docker Engine answers",
        why=f"DOCKER_HOST is not set, there is no docker context, and none of {len(states)} known sockets exists",
        fix="start Docker Desktop, Colima, OrbStack, Rancher Desktop or Podman; on Linux `sudo systemctl start docker`",
    )


def denied(path: str, product: str) -> NoEngine:
    """Return the error for a socket that this user may not open."""
    return NoEngine(
        "engine-denied",
        f"permission denied on `{path}`",
        why=f"{product}: the engine is there, but this user may not talk to it",
        fix="`sudo usermod -aG docker $USER`, then log in again (or `newgrp docker` in this terminal)",
    )


def not_started(path: str, product: str) -> NoEngine:
    """Return the error for a socket at which nobody listens."""
    start = {
        "Colima": "`colima start`",
        "OrbStack": "`orb start`",
        "Docker Desktop": "start Docker Desktop",
        "Rancher Desktop": "start Rancher Desktop",
        "Podman": "`podman machine start`",
        "rootless Podman": "`systemctl --user start podman.socket`",
        "rootless Docker": "`systemctl --user start docker`",
    }.get(product, "`sudo systemctl start docker`, or start Docker Desktop")
    return NoEngine("engine-not-started", f"nothing answers at `{path}`", why=f"{product} is not running", fix=start)


def probe_socket(path: Path) -> Probe:
    """Look whether somebody listens at a socket, without saying a word; takes at most 2 seconds."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        try:
            client.connect(str(path))
        except PermissionError:
            return "denied"
        except OSError as error:
            return "missing" if error.errno in (errno.ENOENT, errno.ENOTDIR, None) else "dead"
    return "answers"


def _context(environment: Mapping[str, str]) -> Endpoint | None:
    """Return the current context's endpoint, None for the built-in `default`; the SDK reads the files."""
    from docker.context import ContextAPI
    from docker.context.config import get_current_context_name

    name = environment.get("DOCKER_CONTEXT") or get_current_context_name()
    if name in (None, "", "default"):
        return None
    try:
        found = ContextAPI.get_context(name)
    except Exception as error:  # noqa: BLE001  the SDK raises a bare Exception for a damaged file
        raise _bad_context(name, str(error)) from error
    if found is None or not found.Host:
        # The SDK would fall back to the default socket, and the database would end up in another engine.
        raise _bad_context(name, "it has no stored endpoint")
    return Endpoint(found.Host, f"context `{name}`", found.TLSConfig)


def _bad_context(name: str, why: str) -> NoEngine:
    return NoEngine(
        "no-context",
        f"the docker context `{name}` cannot be used",
        why=f"{why}, and the docker command would use it too",
        fix="`docker context ls`, then `docker context use NAME`",
    )
