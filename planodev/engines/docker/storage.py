"""A volume: what its data is, seen without a server, and how to look into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.engines import Storage, planning
from planodev.engines.docker import archives
from planodev.engines.docker.client import NOT_FOUND, Refused
from planodev.engines.docker.labels import READY_MARK
from planodev.problems import Conflict, Fix, Shell

if TYPE_CHECKING:
    from planodev.engines.docker.client import Api

# The throw-away container that looks into a volume or fills it: one at a time, so that what a killed run has left
# is found by its name, and removed before the next one begins.
READER = "planodev-look-into-{}"
_DATA = "/planodev-data"
_VERSIONS = ("PG_VERSION", *(f"{major}/docker/PG_VERSION" for major in range(18, 30)))


def look_into(api: Api, volume: str, image: str, *, version: bool) -> Storage:
    """Look at the files of a volume, through a container that is started only where the mark is missing."""
    config = {"Image": image, "Entrypoint": ["true"], "HostConfig": {"Binds": [f"{volume}:{_DATA}:ro"]}}
    remove_reader(api, volume)
    container = api.make_container(config, READER.format(volume))
    try:
        marked = archives.read(api, container, f"{_DATA}/{READY_MARK}") is not None
        texts = (archives.read(api, container, f"{_DATA}/{name}") for name in (_VERSIONS if version else ()))
        found = next((text.strip() for text in texts if text is not None), "")
    finally:
        api.remove_container(container, force=True, v=True)
    major = int(found) if found.isdigit() else None
    return Storage(major, initialised=marked or _has_tables(api, volume, image))


def _has_tables(api: Api, volume: str, image: str) -> bool:
    """Say whether somebody made a table in it, whatever became of the mark."""
    remove_reader(api, volume)
    command = ["find", _DATA, "-type", "f", "-path", "*/base/*", "-name", "[1-9]*"]
    config = {
        "Image": image,
        "User": "0",
        "Entrypoint": command,
        "Cmd": [],
        "HostConfig": {"Binds": [f"{volume}:{_DATA}:ro"], "NetworkMode": "none"},
    }
    container = api.make_container(config, READER.format(volume))
    try:
        api.start(container)
        api.wait(container, timeout=60)
        names = api.logs(container).decode(errors="replace").splitlines()
    finally:
        api.remove_container(container, force=True, v=True)
    numbers = (name.rsplit("/", 1)[1] for name in names if "/" in name)
    return any(number.isdigit() and int(number) >= planning.FIRST_OWN for number in numbers)


def remove_reader(api: Api, volume: str) -> None:
    """Remove the throw-away container that a killed process has left at a volume."""
    try:
        api.remove_container(READER.format(volume), force=True, v=True)
    except Refused as error:
        if error.status != NOT_FOUND:
            raise


def remove(api: Api, volume: str) -> None:
    """Remove a volume.

    Raises:
        Conflict: a container uses it.

    """
    remove_reader(api, volume)
    try:
        api.remove_volume(volume)
    except Refused as error:
        if error.status == NOT_FOUND:
            return
        raise Conflict(
            "volume-in-use",
            f"the volume `{volume}` can't be removed",
            why=error.text,
            fix=Fix(Shell("docker ps -a --filter volume={}", volume), " shows who uses it"),
        ) from error
