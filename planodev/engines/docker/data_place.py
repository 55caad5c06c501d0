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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_USUAL = "/var/lib/postgresql/data"
# Paths that the Engine API accepts in a bind without escaping.
_PATH = r"/[A-Za-z0-9._/+@-]+"
_LOG = r"(?:^|\s)(?:--waldir[=\s]|-X)\s*(\S+)"
_SETTING = r"(?:--|-c)?(?:data[_-]directory|pgdata)=(.+)"


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
    declared = (posixpath.normpath(path) for path in config.get("Volumes") or {})
    mount = max((path for path in declared if _holds(path, data)), key=len, default=data)
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
    told = variables_of(config).get("PGDATA") or _USUAL
    for word, following in zip(command, [*command[1:], ""], strict=False):
        setting = re.fullmatch(_SETTING, word)
        if word in ("-D", "--pgdata"):
            told = following
        elif setting or (word.startswith("-D") and len(word) > len("-D")):
            told = setting[1] if setting else word.removeprefix("-D")
    return posixpath.normpath(told)


def fault(config: Mapping[str, Any]) -> str | None:
    """Return why a volume cannot hold an image's data, None where it can.

    Source: `docker-entrypoint.sh` of docker-library/postgres, on POSTGRES_INITDB_WALDIR and POSTGRES_INITDB_ARGS.
    """
    data = of_image(config).data
    if not re.fullmatch(_PATH, data):
        return f"it keeps its data at `{data}`, where no volume can be mounted"
    log = _log(variables_of(config))
    if log and not _holds(data, posixpath.normpath(log)):
        return f"it keeps its write-ahead log at `{log}`, outside the volume of its data"
    apart = next((path for path in config.get("Volumes") or {} if _below(posixpath.normpath(path), data)), None)
    return f"it keeps a part of its data in a separate volume, at `{apart}`" if apart else None


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


def layered(item: Mapping[str, Any]) -> bool:
    """Say whether a container has its data among its own files, in nothing that was mounted."""
    return _around(_mounts(item), of_container(item)) is None


def _mounts(item: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {posixpath.normpath(mount["Destination"]): mount for mount in item["Mounts"]}


def _around(mounts: Mapping[str, Mapping[str, Any]], data: str) -> Mapping[str, Any] | None:
    return mounts.get(max((path for path in mounts if _holds(path, data)), key=len, default=""))


def _holds(path: str, data: str) -> bool:
    return path == data or _below(data, path)


def _below(path: str, parent: str) -> bool:
    return path.startswith(parent.rstrip("/") + "/")
