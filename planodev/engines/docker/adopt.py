"""Take over a Postgres container that somebody made by hand: its data is copied, and the container kept, stopped.

A volume's labels are fixed when it is made, and by labels planodev finds its data again. So the data moves into a
volume of planodev's own; the old container and its volume stay as they were, under another name.
"""

from __future__ import annotations

from typing import Any

from planodev.engines import Foreign, Server
from planodev.engines.docker import archives
from planodev.engines.docker.labels import owner_of, variables_of
from planodev.engines.docker.terms import INSIDE_PORT, LABEL, NOT_FOUND, READER, READY_MARK, WITNESS_LABEL, Refused
from planodev.problems import Command, Conflict, Fix

ADOPTS = LABEL + "adopts"
_PGDATA = "/var/lib/postgresql/data"
# The mark comes last: without it the copy counts as never made, and is made again.
_COPY = f"""\
set -e
find /planodev -mindepth 1 -delete
mkdir -p "/planodev/$NESTED"
cp -a "$PGDATA/." "/planodev/$NESTED"
rm -f "/planodev/$NESTED/postmaster.pid"
sync
touch /planodev/{READY_MARK}
sync /planodev/{READY_MARK}
du -sk /planodev | cut -f 1
"""


def find(api: Any, name: str) -> Foreign | None:  # noqa: ANN401  QuickClient or docker.APIClient
    """Return the container of this name or id where planodev did not make it and it has PostgreSQL's data."""
    try:
        item = api.inspect_container(name)
    except Refused as error:
        if error.status == NOT_FOUND:
            return None
        raise
    config = item["Config"]
    variables = variables_of(config)
    data = variables.get("PGDATA", _PGDATA)
    if owner_of(config.get("Labels")):
        return None
    version = archives.read(api, item["Id"], f"{data}/PG_VERSION")
    if version is None or not version.strip().isdigit():
        return None
    password = variables.get("POSTGRES_PASSWORD")
    if not password and "POSTGRES_PASSWORD_FILE" in variables:
        password = (archives.read(api, item["Id"], variables["POSTGRES_PASSWORD_FILE"]) or "").strip()
    user = variables.get("POSTGRES_USER") or "postgres"
    bindings = (item["HostConfig"].get("PortBindings") or {}).get(f"{INSIDE_PORT}/tcp") or []
    return Foreign(
        id=item["Id"],
        name=item["Name"].lstrip("/"),
        image=config["Image"],
        major=int(version),
        superuser=user,
        database=variables.get("POSTGRES_DB") or user,
        port=int(bindings[0]["HostPort"]) if bindings and bindings[0].get("HostPort") else None,
        data=data,
        password=password or None,
    )


def take_over(api: Any, foreign: Foreign, server: Server, labels: dict[str, str], timeout: float) -> int:  # noqa: ANN401
    """Stop the container, copy its data into the server's volume, and put the container aside.

    Whatever ends this in the middle, it can be done again: the old data is only ever read.

    Returns:
        The size of the copy in bytes.

    Raises:
        Conflict: the data could not be copied.

    """
    api.make_volume(server.volume, {**labels, ADOPTS: foreign.id})
    if api.inspect_container(foreign.id)["State"]["Paused"]:
        api.unpause(foreign.id)
    api.update_container(foreign.id, restart_policy={"Name": "no"})
    api.stop(foreign.id, timeout=round(timeout))
    nested = foreign.data.removeprefix("/var/lib/postgresql/") if foreign.data.endswith("/docker") else ""
    archives.remove_reader(api, server.volume)
    container = api.make_container(
        {
            "Image": foreign.image,
            "User": "0",
            "Entrypoint": ["sh", "-c", _COPY],
            "Cmd": [],
            "Env": [f"PGDATA={foreign.data}", f"NESTED={nested}"],
            "Labels": {WITNESS_LABEL: "adopt"},
            "HostConfig": {
                "NetworkMode": "none",
                "VolumesFrom": [f"{foreign.id}:ro"],
                "Binds": [f"{server.volume}:/planodev"],
            },
        },
        READER.format(server.volume),
    )
    try:
        api.start(container)
        code = int(api.wait(container, timeout=3600)["StatusCode"])
        said = api.logs(container).decode(errors="replace").strip()
    finally:
        api.remove_container(container, force=True, v=True)
    if code:
        raise Conflict(
            "adopt-failed",
            f"the data of `{foreign.name}` could not be copied",
            why=said.splitlines()[-1] if said else f"the copy ended with exit code {code}",
            fix=Fix(
                f"nothing is lost, `docker start {foreign.name}` restores it; then ", Command("up", "--adopt"), " again"
            ),
        )
    api.rename(foreign.id, aside(foreign))
    return int(said.splitlines()[-1]) * 1024


def aside(foreign: Foreign) -> str:
    """Return the name that an adopted container gets."""
    return f"{foreign.name}-before-planodev-{foreign.id[:6]}"
