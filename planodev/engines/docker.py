"""Postgres in a container of a Docker Engine, or of one that speaks its API."""

from __future__ import annotations

import io
import sys
import tarfile
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import docker.errors
import docker.types

from planodev.engines import (
    AdminFailed,
    Container,
    EngineInfo,
    Observed,
    PortTaken,
    Server,
    Volume,
    docker_pull,
    planning,
    ports,
)
from planodev.engines.docker_client import Client
from planodev.engines.docker_client import connect as _connect
from planodev.errors import BadInput, Conflict
from planodev.plano import proof
from planodev.project import Owner, Project, original_still_there, relation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.connection import Connection
    from planodev.engines.endpoint import Endpoint
    from planodev.progress import Progress

LABEL = "dev.planodev."
PASSWORD_FILE = "/etc/planodev-password"  # noqa: S105  a path, not a secret
READY_MARK = "planodev-ready"
INSIDE_PORT = 5432
_DATA = "/planodev-data"


def connect(environment: Mapping[str, str]) -> DockerEngine:
    """Return the engine that answers; raises `NoEngine` with the cause."""
    return DockerEngine(*_connect(environment))


class DockerEngine:
    """The engine behind `planodev.engines.Engine`, over the SDK's low-level client."""

    def __init__(self, client: Client, where: Endpoint) -> None:
        self._api = client
        self._where = where
        self._local = where.url.startswith(("unix://", "http+unix://", "npipe://")) or any(
            name in where.url for name in ("//127.0.0.1", "//localhost", "//[::1]")
        )
        self._witness: _Witness | None = None
        self._published: list[dict[str, Any]] = []
        self._projects: frozenset[str] = frozenset()
        self._facts: dict[str, Any] | None = None

    @property
    def info(self) -> EngineInfo:
        facts = self._info()
        return EngineInfo(
            "docker", self._where.url, self._where.source, facts["ServerVersion"], facts["OperatingSystem"], self._local
        )

    def _info(self) -> dict[str, Any]:
        if self._facts is None:
            self._facts = self._api.info()
        return self._facts

    # Looking

    def observe(self, project: Project, env_id: str | None) -> Observed:
        self._published = self._api.containers(all=True)
        taken: dict[str, str] = {}
        projects: set[str] = set()
        ours: dict[str, Any] | None = None
        for item in self._published:
            owner = _owner(item["Labels"])
            if owner and LABEL + "witness" not in item["Labels"]:
                if relation(project, env_id, owner, original_still_there) == "ours" and ours is None:
                    ours = item
                    continue
                whose = f"planodev made it for `{owner.path}`"
            else:
                whose = "it was not made by planodev"
            taken.update({name.lstrip("/"): f"a container has it, {whose}" for name in item["Names"] or []})
        volume: Volume | None = None
        namesakes = []
        for item in self._api.volumes()["Volumes"] or []:
            owner = _owner(item["Labels"] or {})
            found = _volume(item, owner) if owner else None
            projects.update([owner.id] if owner else [])
            related = relation(project, env_id, owner, original_still_there) if owner else "other"
            if found and ours and _mounted(ours) == found.name:
                volume = found
            elif found and related == "ours" and not ours and volume is None:
                volume = found
            else:
                taken[item["Name"]] = "a volume has it"
                if found and related == "namesake":
                    namesakes.append(found)
        self._projects = frozenset(projects)
        container = self._inspect(ours["Id"]) if ours else None
        return Observed(container, volume, tuple(namesakes), taken)

    def projects(self) -> frozenset[str]:
        return self._projects

    def _inspect(self, container_id: str) -> Container:
        item = self._api.inspect_container(container_id)
        labels = item["Config"]["Labels"]
        owner = _owner(labels)
        if owner is None:  # we listed it by these labels a moment ago
            raise Conflict("container-changed", f"the container `{item['Name']}` lost its labels")
        bindings = (item["HostConfig"]["PortBindings"] or {}).get(f"{INSIDE_PORT}/tcp") or []
        state = item["State"]
        return Container(
            id=item["Id"],
            name=item["Name"].lstrip("/"),
            state=state["Status"],
            image=labels.get(LABEL + "image", item["Config"]["Image"]),
            image_id=item["Image"],
            port=int(bindings[0]["HostPort"]) if bindings else None,
            addresses=tuple(b["HostIp"] for b in bindings),
            volume=_mounted(item),
            owner=owner,
            exit_code=state.get("ExitCode", 0),
            oom_killed=state.get("OOMKilled", False),
            started_at=state.get("StartedAt", ""),
        )

    def image_id(self, image: str) -> str | None:
        try:
            return str(self._api.inspect_image(image)["Id"])
        except docker.errors.ImageNotFound:
            return None

    def image_major(self, image: str) -> int | None:
        variables = _variables(self._api.inspect_image(image))
        if variables.get("PG_MAJOR", "").isdigit():
            return int(variables["PG_MAJOR"])
        # No official image: ask the program itself.
        container = self._api.create_container(image, entrypoint=["postgres"], command=["--version"])
        try:
            self._api.start(container)
            self._api.wait(container, timeout=30)
            words = self._api.logs(container).decode(errors="replace").split()
        except docker.errors.APIError:
            return None
        finally:
            self._api.remove_container(container, force=True, v=True)
        major = words[2].split(".")[0] if words[:1] == ["postgres"] and len(words) > 2 else ""  # noqa: PLR2004
        return int(major) if major.isdigit() else None

    def pull(self, image: str, progress: Progress) -> None:
        docker_pull.pull(self._api, image, progress)

    def addresses(self, plano: str) -> tuple[str, ...]:
        facts = self._info()
        rootless = any("rootless" in option for option in facts.get("SecurityOptions") or [])
        native = sys.platform == "linux" and "Docker Desktop" not in facts.get("OperatingSystem", "")
        return planning.published_addresses(
            plano,
            local=self._local,
            native_linux=native,
            rootless=rootless,
            gateway=self._gateway() if native and self._local and plano == "docker" else None,
        )

    def _gateway(self) -> str | None:
        """Return the bridge's address on this host; `None` where the bridge is in a virtual machine."""
        with suppress(docker.errors.APIError):
            bridge = self._api.inspect_network("bridge")
            name = (bridge.get("Options") or {}).get("com.docker.network.bridge.name", "docker0")
            return ports.interface_address(name)
        return None

    def port_holder(self, port: int, addresses: tuple[str, ...]) -> str | None:
        for item in self._published:
            if any(p.get("PublicPort") == port and p.get("Type") == "tcp" for p in item.get("Ports") or []):
                return f"the container `{(item['Names'] or ['?'])[0].lstrip('/')}`"
        return ports.holder(port, addresses) if self._local else None

    def data_major(self, volume: Volume, image: str) -> int | None:
        nested = [f"{major}/docker/PG_VERSION" for major in range(18, 30)]
        content = self._read_volume(volume, image, ["PG_VERSION", *nested])
        return int(content) if content and content.strip().isdigit() else None

    def _read_volume(self, volume: Volume, image: str, names: list[str]) -> str | None:
        """Read the first of these files that a volume has, through a container that is never started."""
        container = self._api.create_container(
            image, entrypoint=["true"], host_config=self._host_config(binds=[f"{volume.name}:{_DATA}:ro"])
        )
        try:
            contents = (self._read(container["Id"], f"{_DATA}/{name}") for name in names)
            return next((content for content in contents if content is not None), None)
        finally:
            self._api.remove_container(container, force=True, v=True)

    def was_ready(self, volume: Volume, image: str) -> bool:
        return self._read_volume(volume, image, [READY_MARK]) is not None

    def kept_password(self, container: Container) -> str | None:
        return self._read(container.id, PASSWORD_FILE)

    def state(self, container: Container) -> str:
        try:
            return str(self._api.inspect_container(container.id)["State"]["Status"])
        except docker.errors.NotFound:
            return "dead"

    def log(self, container: Container, lines: int) -> str:
        return self._api.logs(container.id, tail=lines).decode(errors="replace")

    # Changing

    def create(self, server: Server) -> None:
        labels = {
            LABEL + "project": server.owner.id,
            LABEL + "path": server.owner.path,
            LABEL + "inode": server.owner.inode,
            LABEL + "superuser": server.superuser,
            LABEL + "image": server.image,
            LABEL + "database": server.database,
        }
        image = self._api.inspect_image(server.image)
        declared = (image["Config"].get("Volumes") or {}).keys()
        # postgres:18 moved its data one level down and declares the parent.
        target = "/var/lib/postgresql" if "/var/lib/postgresql" in declared else "/var/lib/postgresql/data"
        self._api.create_volume(server.volume, labels=labels)
        bindings = [(address, server.port) for address in server.addresses]
        try:
            container = self._api.create_container(
                server.image,
                name=server.name,
                labels=labels,
                ports=[INSIDE_PORT],
                environment={
                    "POSTGRES_USER": server.superuser,
                    "POSTGRES_DB": server.database,
                    "POSTGRES_PASSWORD_FILE": PASSWORD_FILE,
                },
                host_config=self._host_config(
                    binds=[f"{server.volume}:{target}"],
                    port_bindings={INSIDE_PORT: bindings},
                    restart_policy={"Name": "unless-stopped"},
                ),
            )["Id"]
        except docker.errors.APIError as error:
            if error.status_code == 409:  # noqa: PLR2004
                raise Conflict(
                    "name-taken", f"the name `{server.name}` is taken", why=error.explanation, fix="`planodev up` again"
                ) from error
            raise
        # A file instead of a variable: the password stays out of what `docker inspect` shows.
        self._api.put_archive(container, "/etc", _tar(PASSWORD_FILE.rsplit("/", 1)[1], server.password))
        created = self._inspect(container)
        try:
            self.start(created)
        except PortTaken:
            self._api.remove_container(container, force=True)
            raise

    def _host_config(self, **values: Any) -> Any:  # noqa: ANN401
        return self._api.create_host_config(
            network_mode="bridge", extra_hosts={"host.docker.internal": "host-gateway"}, **values
        )

    def start(self, container: Container) -> None:
        try:
            if container.state == "paused":
                self._api.unpause(container.id)
            else:
                self._api.start(container.id)
        except docker.errors.APIError as error:
            # Engines word it differently, so look at the port itself as well.
            text = (error.explanation or "").lower()
            if any(words in text for words in ("already allocated", "already in use", "not available", "forbidden by")):
                raise PortTaken(text) from error
            if container.port and ports.holder(container.port, container.addresses):
                raise PortTaken(text) from error
            raise

    def stop(self, container: Container, timeout: float) -> None:
        if container.state == "paused":
            self._api.unpause(container.id)
        self._api.stop(container.id, timeout=round(timeout))

    def remove_container(self, container: Container) -> None:
        with suppress(docker.errors.NotFound):
            self._api.remove_container(container.id, force=True)

    def remove_volume(self, volume: Volume) -> None:
        try:
            self._api.remove_volume(volume.name)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            raise Conflict(
                "volume-in-use",
                f"the volume `{volume.name}` can't be removed",
                why=error.explanation,
                fix=f"`docker ps -a --filter volume={volume.name}` shows who uses it",
            ) from error

    def mark_ready(self, container: Container) -> None:
        item = self._api.inspect_container(container.id)
        mark = f"{_mount(item)['Destination']}/{READY_MARK}"
        code, _, err = self._exec(container.id, ["sh", "-c", 'touch "$MARK" && sync "$MARK"'], {"MARK": mark})
        if code:
            raise AdminFailed(err.strip())

    # Talking SQL

    def admin(self, container: Container, sql: str, *, user: str, database: str) -> str:
        code, out, err = self._psql(container.id, sql, {"PGUSER": user, "PGDATABASE": database, "LC_ALL": "C"})
        if code:
            raise AdminFailed(err.strip())
        return out.strip()

    def begin_witness(self, image: str) -> None:
        if self._witness is None:
            self._witness = _Witness(self._api, self._host_config(auto_remove=True), image)

    def prove_beside_plano(self, connection: Connection, image: str, timeout: float) -> proof.Evidence:
        self.begin_witness(image)
        assert self._witness  # noqa: S101  set by the line above
        return self._prove(self._witness.wait(), connection, timeout)

    def prove_from_inside(self, container: Container, connection: Connection, timeout: float) -> proof.Evidence:
        return self._prove(container.id, connection, timeout)

    def _prove(self, container_id: str, connection: Connection, timeout: float) -> proof.Evidence:
        _, out, err = self._psql(container_id, proof.psql_script(), proof.psql_environment(connection, timeout))
        return proof.read_psql(out, err)

    def _psql(self, container_id: str, sql: str, environment: dict[str, str]) -> tuple[int, str, str]:
        # Through the environment, since arguments show in `ps` and standard input needs a hijacked connection,
        # which the SDK does not have on Windows.
        command = ["sh", "-c", 'printf %s "$PLANODEV_SQL" | psql -XAtq -v ON_ERROR_STOP=1']
        return self._exec(container_id, command, {**environment, "PLANODEV_SQL": sql})

    def _exec(self, container_id: str, command: list[str], environment: dict[str, str]) -> tuple[int, str, str]:
        started = self._api.exec_create(container_id, command, environment=environment)
        out, err = self._api.exec_start(started, demux=True)
        code = self._api.exec_inspect(started)["ExitCode"]
        return code, (out or b"").decode(errors="replace"), (err or b"").decode(errors="replace")

    def _read(self, container_id: str, path: str) -> str | None:
        try:
            chunks, _ = self._api.get_archive(container_id, path)
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
                member = archive.extractfile(archive.getmembers()[0])
                return member.read().decode() if member else None
        except docker.errors.NotFound:
            return None

    def close(self) -> None:
        if self._witness:
            self._witness.end()
            self._witness = None


class _Witness:
    """The throw-away container on the default bridge; it starts in the background and ends by itself."""

    LIFE = 900  # seconds, in case nobody comes to end it

    def __init__(self, api: Client, host_config: Any, image: str) -> None:  # noqa: ANN401
        self._api = api
        self._id: str | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(host_config, image), daemon=True)
        self._thread.start()

    def _run(self, host_config: Any, image: str) -> None:  # noqa: ANN401
        try:
            self._id = self._api.create_container(
                image,
                entrypoint=["sleep", str(self.LIFE)],
                labels={LABEL + "witness": "1"},
                host_config=host_config,
            )["Id"]
            self._api.start(self._id)
        except BaseException as error:  # noqa: BLE001  carried to the thread that waits
            self._error = error

    def wait(self) -> str:
        self._thread.join()
        if self._error or self._id is None:
            raise self._error or BadInput("witness-failed", "the throw-away container did not start")
        return self._id

    def end(self) -> None:
        self._thread.join()
        if self._id:
            with suppress(docker.errors.APIError):
                self._api.remove_container(self._id, force=True, v=True)


def _owner(labels: Mapping[str, str] | None) -> Owner | None:
    labels = labels or {}
    if LABEL + "project" not in labels:
        return None
    return Owner(labels[LABEL + "project"], labels.get(LABEL + "path", ""), labels.get(LABEL + "inode", ""))


def _volume(item: Mapping[str, Any], owner: Owner) -> Volume:
    labels = item["Labels"]
    superuser, image, database = (labels.get(LABEL + key, "") for key in ("superuser", "image", "database"))
    return Volume(item["Name"], owner, superuser=superuser, image=image, database=database)


def _mounted(item: Mapping[str, Any]) -> str | None:
    mount = _mount(item)
    return str(mount["Name"]) if mount.get("Type") == "volume" else None


def _mount(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((m for m in item["Mounts"] if m["Destination"].startswith("/var/lib/postgresql")), {})


def _variables(image: Mapping[str, Any]) -> dict[str, str]:
    return dict(v.split("=", 1) for v in image["Config"].get("Env") or [] if "=" in v)


def _tar(name: str, content: str) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content.encode()), 0o400
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(member, io.BytesIO(content.encode()))
    return buffer.getvalue()
