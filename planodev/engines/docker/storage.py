"""Volumes: inspect their data without a server, and remove them."""

from __future__ import annotations

import posixpath
import time
from typing import TYPE_CHECKING, Any

from planodev.engines import Storage
from planodev.engines.docker import archives, containers, data_place, labels
from planodev.engines.docker.client import CONFLICT, NOT_FOUND, Refused
from planodev.engines.docker.labels import PROBE_LABEL, READY_MARK
from planodev.postgres import data_files
from planodev.problems import BadInput, Command, Conflict, Fix, Shell
from planodev.project import defaults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.engines import Volume
    from planodev.engines.docker.client import Api

# The temporary container that reads or fills a volume. It has a fixed name, so that one that a killed run has left is
# found, and replaced by the next.
READER = "planodev-look-into-{}"
_DATA = "/planodev-data"
_VERSION = "PG_VERSION"
# Where else an image may have put its data: from postgres:18 on it is a level or two down.
_OTHER = ("", *(f"{major}/docker" for major in range(18, 30)))


def look_into(api: Api, volume: str, image: str) -> Storage:
    """Look at the files of a volume, through a container that is started only where what belongs there is missing."""
    container = containers.create_in_place(api, READER.format(volume), _reader(volume, image, ["true"]))
    try:
        marked = archives.read(api, container, f"{_DATA}/{READY_MARK}") is not None
        there = data_place.of_image(api.find_image(image)["Config"])
        wanted = there.below
        texts = ((at, archives.read(api, container, posixpath.join(_DATA, at, _VERSION))) for at in (wanted, *_OTHER))
        at, version = next(((at, text.strip()) for at, text in texts if text is not None), ("", ""))
        spaces = archives.links(api, container, posixpath.join(_DATA, at, "pg_tblspc")) if version else []
    finally:
        api.remove_container(container, force=True, v=True)
    files = _files(api, volume, image) if not (marked and version) else []
    if not version:  # in none of the known places
        at = next((file.removesuffix(_VERSION).strip("/") for file in files if file.endswith(f"/{_VERSION}")), wanted)
    return Storage(
        int(version) if version.isdigit() else None,
        initialised=marked or any(map(_is_table, files)),
        marked=marked,
        elsewhere=f"/{at}" if at != wanted else "",
        lost=marked and not version and not files,
        outside=next((space for space in spaces if not data_place.holds(there.mount, space)), ""),
    )


def _reader(volume: str, image: str, command: list[str]) -> dict[str, Any]:
    return {
        "Image": image,
        "User": "0",
        "Entrypoint": command,
        "Cmd": [],
        "Labels": {PROBE_LABEL: "look"},
        "HostConfig": {"Binds": [f"{volume}:{_DATA}:ro"], "NetworkMode": "none"},
    }


def _files(api: Api, volume: str, image: str) -> list[str]:
    """Return the paths of what only a PostgreSQL leaves there: versions, and tables whatever became of the mark."""
    tables = ["-path", "*/base/*", "-name", "[1-9]*"]
    command = [
        "find",
        _DATA,
        "-type",
        "f",
        "(",
        *tables,
        "-o",
        "-name",
        _VERSION,
        ")",
        "!",
        "-path",
        f"*/base/*/{_VERSION}",
    ]
    container = containers.create_in_place(api, READER.format(volume), _reader(volume, image, command))
    try:
        api.start(container)
        api.wait(container, timeout=60)
        lines = api.logs(container).decode(errors="replace").splitlines()
    finally:
        api.remove_container(container, force=True, v=True)
    return [line.removeprefix(_DATA) for line in lines if line.startswith(_DATA)]


def _is_table(file: str) -> bool:
    return data_files.is_of_user(file.rsplit("/", 1)[1])


_GIVE = """\
if [ -z "$(ls -A "$0")" ]; then chown "$1" "$0" && chmod 700 "$0" || exit; fi
exec id -u "${1%%:*}"
"""


def give(api: Api, volume: str, image: str, user: str) -> int:
    """Make the user that an image runs as the owner of an empty volume, who otherwise could not write there.

    Returns the user's number; the images that run as root hand over by themselves.
    """
    if user.partition(":")[0] in ("", "0", "root"):
        return 0
    config = _reader(volume, image, ["sh", "-c", _GIVE, _DATA, user])
    config["HostConfig"]["Binds"] = [f"{volume}:{_DATA}"]
    container = containers.create_in_place(api, READER.format(volume), config)
    try:
        api.start(container)
        code = api.wait(container, timeout=60)["StatusCode"]
        said = api.logs(container).decode(errors="replace").strip()
    finally:
        api.remove_container(container, force=True, v=True)
    number = user.partition(":")[0] if code and user.partition(":")[0].isdigit() else said
    if not number.isdigit():
        raise BadInput(
            "image-not-usable",
            f"cannot use the image `{image}`",
            why=f"it runs as `{user}`, who cannot be made the volume's owner: {said}",
            fix=Fix(Command("up", "--image", defaults.IMAGE)),
        )
    return int(number)


def remove_reader(api: Api, volume: str) -> None:
    """Remove the throw-away container that a killed process has left at a volume."""
    containers.remove(api, READER.format(volume), v=True)


def remove(api: Api, volume: Volume) -> None:
    """Remove a volume, and what a killed planodev asked for late: a container of the project's that never started.

    Raises:
        Conflict: a container uses it.

    """
    end = time.monotonic() + containers.LIMIT
    while True:
        remove_reader(api, volume.name)
        try:
            api.remove_volume(volume.name)
        except Refused as error:
            if error.status == NOT_FOUND:
                return
            users = [item for item in api.containers(all=True) if volume.name in labels.volumes_of(item)]
            late = [item for item in users if _never_started(item, volume)]
            # Without a user that is listed, the engine is still creating or removing one.
            if error.status != CONFLICT or len(late) < len(users) or time.monotonic() > end:
                raise _in_use(volume.name, error.text) from error
            for item in late:
                containers.remove(api, item["Id"], v=True)
            time.sleep(containers.PAUSE)
        else:
            return


def _never_started(item: Mapping[str, Any], volume: Volume) -> bool:
    return item["State"] == "created" and labels.is_of(volume.owner, item["Labels"] or {})


def _in_use(volume: str, why: str) -> Conflict:
    fix = Fix(Shell("docker ps -a --filter volume={}", volume), " shows its user: remove that container first")
    return Conflict("volume-in-use", f"cannot remove the volume `{volume}`", why=why, fix=fix)
