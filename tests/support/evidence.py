"""What a fault must not have changed: rows with their content, the engine, the files, the data in a volume."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from urllib.parse import unquote

LABEL = "dev.planodev.path"
PROVED = "Verified: Plano can store"


def store(project, *keys):
    """Commit conversations whose content can be told apart."""
    with project.login() as session:
        for key in keys:
            session.execute(
                "INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)"
                " VALUES (%s, jsonb_build_array(%s::text, 'ümläut €'), 1, 'm', 'p')",
                [key, key * 3],
            )
    return keys


def content(project, **login):
    """Return every stored row, whole."""
    with project.login(**login) as session:
        return session.execute("SELECT t::text FROM conversation_states t ORDER BY response_id").fetchall()


def passwords(*projects):
    """Return the passwords that may appear nowhere, as far as they are known now."""
    found = {project.env.get("DB_PASS") or "" for project in projects if (project.path / ".env").exists()}
    return {form for word in found for form in (word, unquote(word)) if len(form) > 5}


def one_line(said, parts):
    """Say whether one line, with what is indented below it, has all of these parts."""
    return any(all(part in piece for part in parts) for piece in re.split(r"\n(?! )", said))


def engine(api, prefix):
    """Return all that the engine has for directories below a prefix, or that uses such a volume."""
    volumes = {
        item["Name"]: item["Labels"]  # not its time of creation, which the engine takes from a directory that changes
        for item in api.volumes()["Volumes"] or []
        if (item["Labels"] or {}).get(LABEL, "").startswith(prefix)
    }
    containers = {}
    for item in api.containers(all=True):
        mine = item["Labels"].get(LABEL, "").startswith(prefix)
        if mine or any(mount.get("Name") in volumes for mount in item["Mounts"]):
            seen = api.inspect_container(item["Id"])
            state = {key: seen["State"][key] for key in ("Status", "StartedAt", "FinishedAt", "Pid", "Paused")}
            containers[item["Id"]] = (seen["Name"], state, seen["Config"], seen["HostConfig"], str(seen["Mounts"]))
    return containers, volumes


def files(directory):
    """Return every file with its bytes, mode, owner and times."""
    found = {}
    for path in [directory, *sorted(directory.rglob("*"))]:
        seen = path.lstat()
        held = path.read_bytes() if path.is_file() else None
        found[str(path)] = (held, seen.st_mode, seen.st_uid, seen.st_ino, seen.st_mtime_ns)
    return found


def data(api, volume):
    """Return name and checksum of every file in a volume, read through a container that never runs."""
    reader = api.create_container_from_config(
        {"Image": "postgres:16", "Entrypoint": ["true"], "HostConfig": {"Binds": [f"{volume}:/look:ro"]}}
    )["Id"]
    try:
        chunks, _ = api.get_archive(reader, "/look")
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            return {
                member.name: hashlib.sha256(archive.extractfile(member).read()).hexdigest() if member.isfile() else ""
                for member in archive.getmembers()
            }
    finally:
        api.remove_container(reader, force=True, v=True)


def leftovers(api, prefix, since):
    """Return what planodev made for itself and did not remove: throw-away containers that never run."""
    return [
        item["Id"]
        for item in api.containers(all=True, filters={"label": "dev.planodev.witness"})
        if item["State"] in ("created", "exited", "dead") and item["Created"] >= since
    ]
