"""Take over a Postgres container created by hand: its data is copied, and the container is kept, stopped.

A volume's labels are fixed when it is made, and by labels planodev finds its data again. So the data moves into a
volume of planodev's own; the old container and its volume stay as they were, under another name.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from planodev.engines.docker import archives, containers, data_place
from planodev.engines.docker.client import NOT_FOUND, Refused
from planodev.engines.docker.engine import DockerEngine
from planodev.engines.docker.labels import (
    LABEL,
    PROBE_LABEL,
    READY_MARK,
    bindings_of,
    labels_of,
    owner_of,
    port_of,
    variables_of,
)
from planodev.engines.docker.storage import READER
from planodev.problems import Command, Conflict, Fix, NoEngine, Shell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.engines import Engine, Server
    from planodev.engines.docker.client import Api

ADOPTS = LABEL + "adopts"
_IMAGE = "planodev-adopts"
# Labels by which another program manages a container, and its name. Sources: `daemon/cluster/executor/container` of
# moby, and Kubernetes' cri-dockerd.
_MANAGERS = {"com.docker.swarm.task.id": "Docker Swarm", "io.kubernetes.container.name": "Kubernetes"}
_LINKS_LIMIT = 5.0  # seconds
_ELSEWHERE = "it runs on other data than `{}`, where its settings put it"
_LINKS = 3  # the exit code where a copy would not be complete
# A line of pg_hba.conf that lets clients in over the network without a password, or with one in clear text.
_OPEN = "^([[:space:]]*host.*[[:space:]])(trust|password)([[:space:]]*(#.*)?)$"
_TIGHTENED = "pg_hba.conf"
# The mark comes last: a copy without it is incomplete, and is made again.
_COPY = f"""\
set -e
link=$(find "$PGDATA/" -type l | head -n 1)
[ -z "$link" ] || {{ echo "\\`$link\\` leads to data elsewhere, which a copy would not have"; exit {_LINKS}; }}
find /planodev -mindepth 1 -delete
mkdir -p "/planodev/$NESTED"
cp -a "$PGDATA/." "/planodev/$NESTED"
rm -f "/planodev/$NESTED/postmaster.pid"
for part in PG_VERSION global/pg_control pg_wal; do
    [ -s "/planodev/$NESTED/$part" ] || {{ echo "there is no \\`$PGDATA/$part\\`"; exit {_LINKS}; }}
done
if grep -Eq "$OPEN" "/planodev/$NESTED/pg_hba.conf"; then
    sed -i -E "s/$OPEN/\\1scram-sha-256\\3/" "/planodev/$NESTED/pg_hba.conf"
    echo {_TIGHTENED}
fi
sync
touch /planodev/{READY_MARK}
sync /planodev/{READY_MARK}
du -sk /planodev | cut -f 1
"""


@dataclass(frozen=True)
class Foreign:
    """A Postgres container that planodev did not make.

    Args:
        id: the engine's.
        name: the container's.
        image: as it was named when the container was made.
        major: the major version of its data.
        superuser: initdb's role.
        database: the first database.
        port: on this machine, None where none is published.
        data: the directory of the data, inside.
        layered: whether that is in no volume, so that a part of the container itself has it.
        fault: why it cannot be adopted, None where it can.
        other_server: the name of another container in which PostgreSQL runs over the same data, "" for none.
        password: of the superuser, None where it can't be read.

    """

    id: str
    name: str
    image: str
    major: int
    superuser: str
    database: str
    port: int | None
    data: str
    layered: bool
    fault: str | None
    password: str | None = field(repr=False)
    other_server: str = ""


class Unfit(NamedTuple):
    """A container whose data cannot be adopted.

    Args:
        name: the container's.
        why: what is true of it.
        superuser: initdb's role where a PostgreSQL runs in it, which can write its data out; else "".

    """

    name: str
    why: str
    superuser: str = ""


class Adopted(NamedTuple):
    """What an adoption has done.

    Args:
        bytes: the size of the copy.
        aside: the name that the old container has now.
        tightened: whether the copy asks for passwords where the old server did not.

    """

    bytes: int
    aside: str
    tightened: bool


def find(engine: Engine, name: str) -> Foreign | None:
    """Return the Postgres container of this name or id that planodev did not make; None where there is none.

    Other engines than Docker have none.
    """
    if not isinstance(engine, DockerEngine):
        return None
    api = engine.api
    try:
        item = api.inspect_container(name)
    except Refused as error:
        if error.status == NOT_FOUND:
            return None
        raise
    config = item["Config"]
    variables = variables_of(config)
    data = data_place.of_container(item)
    if owner_of(config.get("Labels")):
        return None
    version = archives.read(api, item["Id"], f"{data}/PG_VERSION")
    if version is None or not version.strip().isdigit():
        return None
    password = variables.get("POSTGRES_PASSWORD")
    if not password and "POSTGRES_PASSWORD_FILE" in variables:
        password = (archives.read(api, item["Id"], variables["POSTGRES_PASSWORD_FILE"]) or "").strip()
    user = _superuser(variables)
    return Foreign(
        id=item["Id"],
        name=item["Name"].lstrip("/"),
        image=config["Image"],
        major=int(version),
        superuser=user,
        database=variables.get("POSTGRES_DB") or user,
        port=port_of(bindings_of(item)),
        data=data,
        layered=data_place.layered(item),
        fault=_fault(api, item, data),
        password=password or None,
        other_server=_other_server(engine, item),
    )


def _other_server(engine: DockerEngine, item: dict[str, Any]) -> str:
    mount = data_place.mount_of(item)
    if mount is None:
        return ""
    place, volumes = str(mount.get("Source") or ""), engine.api.volumes()["Volumes"] or []
    return engine.server_over(str(mount.get("Name") or ""), place, volumes, but=item["Id"])


def _fault(api: Api, item: dict[str, Any], data: str) -> str | None:
    """Return why a container cannot be adopted, None where it can: stopping it must not lose anything."""
    config = item["Config"]
    fault = data_place.fault((api.find_image(config["Image"]) or item)["Config"])
    if item["HostConfig"].get("AutoRemove"):
        return "the engine removes it, and what it alone has, as soon as it stops (`--rm`)"
    manager = next((name for label, name in _MANAGERS.items() if label in (config.get("Labels") or {})), None)
    if manager:
        return f"it is a task of {manager}, which starts another in its place when it stops"
    if not item["State"]["Running"]:
        return fault
    if not _runs_on(api, item["Id"], data):
        return _ELSEWHERE.format(data)
    link = _first_link(api, item["Id"], data)
    return f"`{link}` leads to data elsewhere, which a copy would not have" if link else fault


def _first_link(api: Api, container: str, data: str) -> str:
    """Return the first link in the data of a running server, such as that of a tablespace; "" for none, or if unknown.

    What it leads to may be gone once the container stops; the links of one that has stopped are seen by the copy.
    """
    try:
        _, out, _ = api.exec_run(container, ["find", f"{data}/", "-type", "l"], {}, most=_LINKS_LIMIT)
    except (Refused, NoEngine):
        return ""
    return str(out.decode(errors="replace").partition("\n")[0])


def _superuser(variables: Mapping[str, str]) -> str:
    return variables.get("POSTGRES_USER") or "postgres"


def unfit(engine: Engine, name: str) -> Unfit | None:
    """Return the container of this name or id, which `find` has not found; None where there is none at all."""
    if not isinstance(engine, DockerEngine):
        return None
    try:
        item = engine.api.inspect_container(name)
    except Refused as error:
        if error.status == NOT_FOUND:
            return None
        raise
    called, data, memory = item["Name"].lstrip("/"), data_place.of_container(item), data_place.in_memory(item)
    if owner := owner_of(item["Config"].get("Labels")):
        return Unfit(called, f"it is planodev's own, of the project in `{owner.path}`")
    if item["State"]["Running"] and "postgres" in engine.programs_of(item["Id"]):
        where = f"it keeps its data in memory, in the tmpfs at `{memory}`" if memory else _ELSEWHERE.format(data)
        return Unfit(called, where, _superuser(variables_of(item["Config"])))
    if memory:
        return Unfit(called, f"it kept its data in memory, in the tmpfs at `{memory}`, where nothing is left of it")
    return Unfit(called, f"it has no data of a PostgreSQL at `{data}`")


def _runs_on(api: Api, container: str, data: str) -> bool:
    """Say whether a running server uses this data directory, by its `postmaster.pid`.

    That file appears a moment after the container's start and goes a moment before its end: where it is missing, this
    looks again, for 5 seconds at most.
    """
    end = time.monotonic() + 5
    while archives.read(api, container, f"{data}/postmaster.pid") is None:
        if not api.inspect_container(container)["State"]["Running"]:
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def take_over(engine: Engine, foreign: Foreign, server: Server, timeout: float) -> Adopted:
    """Stop the container, copy its data into the server's volume, and put the container aside.

    Whatever ends this in the middle, it can be done again: the old data is only ever read. The container gets `timeout`
    seconds to stop.

    Raises:
        Conflict: the data could not be copied.

    """
    assert isinstance(engine, DockerEngine)  # noqa: S101  no other engine has found any
    api = engine.api
    api.make_volume(server.volume, {**labels_of(server), ADOPTS: foreign.id})
    if api.inspect_container(foreign.id)["State"]["Paused"]:
        api.unpause(foreign.id)
    api.update_container(foreign.id, restart_policy={"Name": "no"})
    api.stop(foreign.id, timeout=round(timeout))
    code, said = _copy(api, foreign, server)
    if code:
        again = ("restores it; then ", Command("up", "--adopt"), " again")
        written = Shell("docker exec {} pg_dumpall -U {}", foreign.name, foreign.superuser)
        dump = ("restores it, and ", written, " writes its data out")
        raise Conflict(
            "adopt-failed",
            f"the data of `{foreign.name}` could not be copied",
            why=said.splitlines()[-1] if said else f"the copy ended with exit code {code}",
            fix=Fix(
                "nothing is lost: ", Shell("docker start {}", foreign.name), " ", *(dump if code == _LINKS else again)
            ),
        )
    aside = f"{foreign.name}-before-planodev-{foreign.id[:6]}"
    api.rename(foreign.id, aside)
    *before, size = said.splitlines()
    return Adopted(int(size) * 1024, aside, _TIGHTENED in before)


def _copy(api: Api, foreign: Foreign, server: Server) -> tuple[int, str]:
    """Copy the data of a container that is stopped into a volume; returns the exit code and what was printed."""
    below = data_place.of_image(api.find_image(foreign.image)["Config"]).below
    # Files of the container itself are in no volume: the copy is made from an image of the container.
    image = f"{_IMAGE}:{foreign.id[:12]}" if foreign.layered else foreign.image
    if foreign.layered:
        api.commit(foreign.id, *image.split(":"))
    container = containers.create_in_place(
        api,
        READER.format(server.volume),
        {
            "Image": image,
            "User": "0",
            "Entrypoint": ["sh", "-c", _COPY],
            "Cmd": [],
            "Env": [f"PGDATA={foreign.data}", f"NESTED={below}", f"OPEN={_OPEN}"],
            "Labels": {PROBE_LABEL: "adopt"},
            "HostConfig": {
                "NetworkMode": "none",
                "VolumesFrom": [f"{foreign.id}:ro"],
                "Binds": [f"{server.volume}:/planodev"],
            },
        },
    )
    try:
        api.start(container)
        code = int(api.wait(container, timeout=3600)["StatusCode"])
        return code, api.logs(container).decode(errors="replace").strip()
    finally:
        api.remove_container(container, force=True, v=True)
        if foreign.layered:
            api.remove_image(image)
