"""Where an image keeps its data, and so where the volume is mounted: data elsewhere would die with the container.

Source: the environment variable PGDATA is that directory in docker-library/postgres and the images made from it, such
as `timescale/timescaledb-ha` (`/home/postgres/pgdata/data`) and postgres:18 (`/var/lib/postgresql/18/docker`).
"""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from planodev.engines.docker.labels import variables_of
from planodev.postgres.connection import INSIDE_PORT, is_published

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_USUAL = "/var/lib/postgresql/data"
# Paths that the Engine API accepts in a bind without escaping.
_PATH = r"/[A-Za-z0-9._/+@-]+"
_LOG = r"(?:^|\s)(?:--waldir[=\s]|-X)\s*(\S+)"
# What a server is told on its command line, where names have either case, and `-` for `_`. Source: postgres(1).
_SETTING = r"(?:--|-c)?([A-Za-z_-]+)=(.*)"
_SHORT = {
    "-D": "data_directory",
    "--pgdata": "data_directory",
    "-p": "port",
    "-h": "listen_addresses",
    "-k": "unix_socket_directories",
}
_SYSTEM = ("/proc", "/sys")
_SERVERS = ("postgres", "postmaster")
_SCRIPT = r".*\.sh|.*entrypoint.*"


class Place(NamedTuple):
    """Where the data of an image is.

    Args:
        mount: where the volume goes.
        below: the way from there to the data, "" where that is the same directory.

    """

    mount: str
    below: str

    @property
    def data(self) -> str:
        """The directory of the data."""
        return posixpath.join(self.mount, self.below) if self.below else self.mount


def of_image(config: Mapping[str, Any]) -> Place:
    """Return the place by an image's configuration.

    It is the volume that the image declares round its data, else the data's directory itself.
    """
    data = directory(config, [*_words(config.get("Entrypoint")), *_words(config.get("Cmd"))])
    declared = (_clean(path) for path in config.get("Volumes") or {})
    mount = max((path for path in declared if holds(path, data)), key=len, default=data)
    return Place(mount, posixpath.relpath(data, mount) if data != mount else "")


def _words(command: str | list[str] | None) -> list[str]:
    """Return the words of a command, which Podman may have as one text."""
    if not isinstance(command, str):
        return command or []
    try:
        return shlex.split(command)
    except ValueError:  # a quote without its end
        return command.split()


def directory(config: Mapping[str, Any], command: Sequence[str]) -> str:
    """Return the directory that a server's settings name for its data, by its command line, else by PGDATA."""
    told = _settings(command)
    return _clean(told.get("data_directory") or told.get("pgdata") or variables_of(config).get("PGDATA") or _USUAL)


def _settings(command: Sequence[str]) -> dict[str, str]:
    """Return the settings that the words of a command line have, by their names in lower case; the last one counts."""
    told = {}
    for word, following in zip(command, [*command[1:], ""], strict=False):
        setting = re.fullmatch(_SETTING, word, re.DOTALL)
        if word in _SHORT:
            told[_SHORT[word]] = following
        elif setting:
            told[setting[1].lower().replace("-", "_")] = setting[2]
        elif word[:2] in _SHORT:
            told[_SHORT[word[:2]]] = word[2:]
    return told


def _of_server(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of an image's server, where its command is certain to be that of one; else none.

    Of every other command, whose options may be those of the program that starts the server, the server's log says
    where it listens.

    Source: `docker-entrypoint.sh` of docker-library/postgres, which puts `postgres` before a command of options alone.
    """
    entrypoint, command = _words(config.get("Entrypoint")), _words(config.get("Cmd"))
    last = posixpath.basename(entrypoint[-1]) if entrypoint else ""
    behind_script = re.fullmatch(_SCRIPT, last) is not None
    words = command if behind_script or last == "--" else [*entrypoint, *command]
    if behind_script and command and command[0].startswith("-"):
        return _settings(command)
    return _settings(words[1:]) if words and posixpath.basename(words[0]) in _SERVERS else {}


def _clean(path: str) -> str:
    """Return a path in its shortest form, as the engine lists it: POSIX gives two slashes at its start a meaning."""
    clean = posixpath.normpath(path)
    return clean[1:] if clean.startswith("//") else clean


def fault(config: Mapping[str, Any]) -> str | None:
    """Return why a volume cannot hold an image's data, or its server not be reached; None where both can.

    Source: `docker-entrypoint.sh` of docker-library/postgres, on POSTGRES_INITDB_WALDIR and POSTGRES_INITDB_ARGS.
    """
    data = of_image(config).data
    if not re.fullmatch(_PATH, data):
        return f"it keeps its data at `{data}`, where no volume can be mounted"
    if any(holds(system, data) for system in _SYSTEM):
        return f"it keeps its data at `{data}`, which is the system's own"
    log = _log(variables_of(config))
    if log and not holds(data, _clean(log)):
        return f"it keeps its write-ahead log at `{log}`, outside the volume of its data"
    volumes = config.get("Volumes") or {}
    if nowhere := next((path for path in volumes if not path.startswith("/") or _clean(path) == "/"), None):
        return f"it declares a volume at `{nowhere}`, where none can be mounted"
    apart = next((path for path in volumes if _below(_clean(path), data)), None)
    return f"it keeps a part of its data in a separate volume, at `{apart}`" if apart else _unreached(config)


def _unreached(config: Mapping[str, Any]) -> str | None:
    """Return why nobody would reach the server of an image, by its command line; None where that says nothing."""
    told = _of_server(config)
    port, addresses = told.get("port", str(INSIDE_PORT)), told.get("listen_addresses", "*")
    if port != str(INSIDE_PORT):
        return f"its command has the server listen at port {port}, and not at {INSIDE_PORT}"
    if not any(is_published(address.strip(), port) for address in addresses.split(",")):
        return f"its command has the server listen at `{addresses}` alone, where no port of this machine leads"
    if not told.get("unix_socket_directories", "/"):
        return "its command gives the server no local socket, which planodev needs"
    return None


def _log(variables: Mapping[str, str]) -> str:
    """Return the directory for the write-ahead log that an image tells initdb, "" where that is within the data."""
    told = re.search(_LOG, variables.get("POSTGRES_INITDB_ARGS") or "")
    return variables.get("POSTGRES_INITDB_WALDIR") or (told[1].strip("'\"") if told else "")


def of_container(item: Mapping[str, Any]) -> str:
    """Return the directory that a container's server has for its data by its settings."""
    return directory(item["Config"], [item.get("Path") or "", *(item.get("Args") or [])])


def outside(item: Mapping[str, Any], volume: str | None) -> str:
    """Return where a container has its data, or a part of it, where that is not in its volume; "" where it is."""
    data, mounts = of_container(item), _mounts(item)
    around = _around(mounts, data)
    if volume is None or around is None or around.get("Name") != volume:
        return data
    return next((path for path in mounts if _below(path, data)), "")


def in_memory(item: Mapping[str, Any]) -> str:
    """Return the tmpfs in which a container has its data, "" where that is in none."""
    data = of_container(item)
    told = [
        *(item["HostConfig"].get("Tmpfs") or {}),
        *(m["Destination"] for m in item["Mounts"] if m.get("Type") == "tmpfs"),
    ]
    return next((path for path in map(_clean, told) if holds(path, data)), "")


def layered(item: Mapping[str, Any]) -> bool:
    """Say whether a container has its data among its own files, in nothing that was mounted."""
    return mount_of(item) is None


def mount_of(item: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what is mounted where a container has its data; None where that is among its own files."""
    return _around(_mounts(item), of_container(item))


def _mounts(item: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {_clean(mount["Destination"]): mount for mount in item["Mounts"]}


def _around(mounts: Mapping[str, Mapping[str, Any]], data: str) -> Mapping[str, Any] | None:
    return mounts.get(max((path for path in mounts if holds(path, data)), key=len, default=""))


def holds(path: str, data: str) -> bool:
    """Say whether a directory is another one, or around it."""
    return path == data or _below(data, path)


def _below(path: str, parent: str) -> bool:
    return path.startswith(parent.rstrip("/") + "/")
