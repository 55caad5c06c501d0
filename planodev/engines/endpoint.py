"""Which Docker endpoint to talk to, and why: DOCKER_HOST, then the current context, then known sockets."""

from __future__ import annotations

import errno
import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from planodev import masking, paths, urls
from planodev.problems import NoEngine
from planodev.project import json_file, regular_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Endpoint(NamedTuple):
    """An engine's address, and where it was found; `tls` is the SDK client's argument of that name."""

    url: str
    source: str
    tls: Any = None

    @property
    def local_socket(self) -> bool:
        """Whether it is a Unix socket of this machine."""
        return self.url.startswith(("unix://", "http+unix://")) and os.name == "posix"

    @property
    def local(self) -> bool:
        """Whether the ports that it publishes are this machine's."""
        near = urls.read(self.url).host in ("127.0.0.1", "localhost", "::1")
        return self.local_socket or self.url.startswith("npipe://") or near


# A socket's state: `answers`, `missing`, `denied`, `dead` (it exists, and nothing listens).
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
    """Choose an endpoint, by files and by `probe` alone.

    Args:
        environment: for DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH, DOCKER_CONTEXT, XDG_RUNTIME_DIR.
        home: the user's home directory.
        probe: tells the state of a socket.

    Raises:
        NoEngine: there is no socket, nothing answers at it, or this user may not open it.

    """
    if host := environment.get("DOCKER_HOST"):
        return _from_variable(host, environment)
    context = _context(environment, home)
    if context:
        return context
    if os.name == "nt":
        # On Windows every engine listens at Docker's own named pipe.
        return Endpoint("npipe:////./pipe/docker_engine", "default named pipe")
    runtime = environment.get("XDG_RUNTIME_DIR")
    states = [(path, product, probe(path)) for path, product in known_sockets(home, Path(runtime) if runtime else None)]
    for path, product, state in states:
        if state == "answers":
            return Endpoint(f"unix://{path}", product)
    from planodev.engines import failures

    for wanted in ("denied", "dead"):
        for path, product, state in states:
            if state == wanted:
                raise failures.at_socket(state, f"unix://{path}", product)
    # An installed product has created the directory of its socket.
    installed = {name: path for path, name, _ in states if path.is_relative_to(home) and paths.is_dir(path.parent)}
    raise failures.nowhere(f"unix://{next(iter(installed.values()))}" if len(installed) == 1 else "")


def check_socket(where: Endpoint) -> None:
    """Raise the error that fits a local socket at which nothing answers; other endpoints are not looked at."""
    if not where.local_socket:
        return
    path = "/" + where.url.split("://", 1)[1].lstrip("/")
    state = probe_socket(Path(path))
    if state != "answers":
        from planodev.engines import failures

        raise failures.at_socket(state, where.url, where.source)


def probe_socket(path: Path) -> Probe:
    """Say whether something listens at a socket, without sending anything; takes at most 2 seconds."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        try:
            client.connect(str(path))
        except PermissionError:
            return "denied"
        except OSError as error:
            return "missing" if error.errno in (errno.ENOENT, errno.ENOTDIR, None) else "dead"
    return "answers"


def _from_variable(host: str, environment: Mapping[str, str]) -> Endpoint:
    if host.startswith("unix://"):
        return Endpoint(host, "DOCKER_HOST")
    import docker
    import docker.errors
    import docker.utils

    # ValueError is for a port such as 99999999.
    try:
        found = docker.utils.kwargs_from_env(environment=dict(environment))
    except (docker.errors.DockerException, OSError, TypeError, ValueError) as error:
        from planodev.engines import failures

        raise failures.unusable(host, "DOCKER_HOST", error) from error
    return Endpoint(found["base_url"], "DOCKER_HOST", found.get("tls"))


def _context(environment: Mapping[str, str], home: Path) -> Endpoint | None:
    """Return the current context's endpoint, None for the built-in `default`.

    Read as the docker command does, which the SDK does not: it refuses contexts of older versions, as those with
    `StackOrchestrator: kubernetes` or without `SkipTLSVerify`. Source: docker/cli 28.5, `cli/config/config.go` (a file
    that cannot be read names no context) and `cli/context/store`.
    """
    directory = Path(environment.get("DOCKER_CONFIG") or home / ".docker")
    name = environment.get("DOCKER_CONTEXT") or _current(directory / "config.json")
    if name in ("", "default"):
        return None
    import hashlib

    stored = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
    try:
        meta = json.loads(regular_file.read(directory / "contexts/meta" / stored / "meta.json"))
        engine = meta["Endpoints"]["docker"]
        host, unchecked = engine["Host"], bool(engine.get("SkipTLSVerify"))
    except OSError as error:
        raise _bad_context(name, f"`{error.filename}`: {error.strerror}", environment) from error
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise _bad_context(name, "it has no stored endpoint", environment) from error
    if not host or not isinstance(host, str):
        # Without one it would be the default socket, and the database would end up in another engine.
        raise _bad_context(name, "it has no stored endpoint", environment)
    return Endpoint(host, f"context `{name}`", _certificates(directory / "contexts/tls" / stored / "docker", unchecked))


def _current(file: Path) -> str:
    """Return the context that docker's configuration names, "" where it names none or cannot be read."""
    found = None
    with suppress(OSError):
        found = (json_file.read(file) or {}).get("currentContext")
    return found if isinstance(found, str) else ""


def _certificates(directory: Path, unchecked: bool) -> Any:  # noqa: ANN401, FBT001  of docker.tls
    """Return the TLS of a context as the SDK has it, None where one of its three files is missing."""
    ca, cert, key = (directory / name for name in ("ca.pem", "cert.pem", "key.pem"))
    if not all(map(paths.is_file, (ca, cert, key))):
        return None
    import docker  # the whole package first: two threads that import parts of it deadlock
    import docker.tls

    return docker.tls.TLSConfig(client_cert=(str(cert), str(key)), ca_cert=str(ca), verify=None if unchecked else True)


def _bad_context(name: str, why: str, environment: Mapping[str, str]) -> NoEngine:
    # The variable overrides what `docker context use` sets.
    choose = "`unset DOCKER_CONTEXT`" if environment.get("DOCKER_CONTEXT") else "`docker context use NAME`"
    return NoEngine(
        "no-context",
        f"cannot use docker context `{masking.value(name)}`",
        why=f"{why}; the docker command would use this context too",
        fix=f"`docker context ls` lists those that are there; then {choose}",
    )
