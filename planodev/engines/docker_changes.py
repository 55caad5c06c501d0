"""What planodev changes in a Docker Engine, and the looks that need a container for it: the SDK's side."""

from __future__ import annotations

import io
import sys
import tarfile
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import docker.errors
import docker.types

from planodev.engines import Container, PortTaken, Server, Volume, docker_pull, planning, ports
from planodev.engines.docker import INSIDE_PORT, LABEL, READY_MARK
from planodev.errors import BadInput, Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.engines.endpoint import Endpoint
    from planodev.progress import Progress

PASSWORD_FILE = "/etc/planodev-password"  # noqa: S105  a path, not a secret
_DATA = "/planodev-data"


class Changes:
    """The half of `DockerEngine` that creates, starts, stops and removes."""

    def __init__(self, api: Any, where: Endpoint) -> None:  # noqa: ANN401  QuickClient or docker.APIClient
        self._api = api
        self._where = where
        self._witness: _Witness | None = None

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

    def addresses(self, plano: str) -> tuple[str, ...]:
        facts = self._api.info()
        rootless = any("rootless" in option for option in facts.get("SecurityOptions") or [])
        native = sys.platform == "linux" and "Docker Desktop" not in facts.get("OperatingSystem", "")
        return planning.published_addresses(
            plano,
            local=self._where.local,
            native_linux=native,
            rootless=rootless,
            gateway=self._gateway() if native and self._where.local and plano == "docker" else None,
        )

    def _gateway(self) -> str | None:
        """Return the bridge's address on this host; `None` where the bridge is in a virtual machine."""
        with suppress(docker.errors.APIError):
            bridge = self._api.inspect_network("bridge")
            name = (bridge.get("Options") or {}).get("com.docker.network.bridge.name", "docker0")
            return ports.interface_address(name)
        return None

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

    def log(self, container: Container, lines: int) -> str:
        return self._api.logs(container.id, tail=lines).decode(errors="replace")

    def pull(self, image: str, progress: Progress) -> None:
        docker_pull.pull(self._api, image, progress)

    def create(self, server: Server) -> None:
        labels = {
            LABEL + "project": server.owner.id,
            LABEL + "path": server.owner.path,
            LABEL + "inode": server.owner.inode,
            LABEL + "superuser": server.superuser,
            LABEL + "image": server.image,
            LABEL + "database": server.database,
            LABEL + "plano": server.plano,
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
        created = Container.planned(container, server)
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

    def begin_witness(self, image: str) -> None:
        if self._witness is None:
            self._witness = _Witness(self._api, self._host_config(auto_remove=True), image)

    def witness(self, image: str) -> str:
        self.begin_witness(image)
        assert self._witness  # noqa: S101  set by the line above
        return self._witness.wait()

    def close(self) -> None:
        if self._witness:
            self._witness.end()
            self._witness = None

    def _read(self, container_id: str, path: str) -> str | None:
        try:
            chunks, _ = self._api.get_archive(container_id, path)
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
                member = archive.extractfile(archive.getmembers()[0])
                return member.read().decode() if member else None
        except docker.errors.NotFound:
            return None


class _Witness:
    """The throw-away container on the default bridge; it starts in the background and ends by itself."""

    LIFE = 900  # seconds, in case nobody comes to end it

    def __init__(self, api: Any, host_config: Any, image: str) -> None:  # noqa: ANN401
        self._api = api
        self._id: str | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(host_config, image), daemon=True)
        self._thread.start()

    def _run(self, host_config: Any, image: str) -> None:  # noqa: ANN401
        try:
            self._id = self._api.create_container(
                image,
                entrypoint=["sh", "-c", f"trap exit TERM; sleep {self.LIFE} & wait"],
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
                # It is removed by the engine when it ends; waiting for that would take a tenth of a second.
                self._api.kill(self._id, signal="TERM")


def _variables(image: Mapping[str, Any]) -> dict[str, str]:
    return dict(v.split("=", 1) for v in image["Config"].get("Env") or [] if "=" in v)


def _tar(name: str, content: str) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content.encode()), 0o400
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(member, io.BytesIO(content.encode()))
    return buffer.getvalue()
