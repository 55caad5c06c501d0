"""What planodev changes in a Docker Engine, and the looks that need a container for it."""

from __future__ import annotations

import math
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from planodev.engines import Container, Foreign, NameTaken, PortTaken, Server, Volume, planning, ports
from planodev.engines.docker import archives, podman
from planodev.engines.docker.labels import is_of, labels_of, variables_of
from planodev.engines.docker.terms import CONFLICT, INSIDE_PORT, NOT_FOUND, READER, READY_MARK, Refused
from planodev.problems import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planodev.engines.endpoint import Endpoint
    from planodev.progress import Progress

PASSWORD_FILE = "/etc/planodev-password"  # noqa: S105  a path, not a secret
_DATA = "/planodev-data"
# Where Plano's own container is, with the name that Plano uses: the proof from inside goes the same way round.
_ON_THE_BRIDGE = {"NetworkMode": "bridge", "ExtraHosts": ["host.docker.internal:host-gateway"]}


class Changes:
    """The half of `DockerEngine` that creates, starts, stops and removes."""

    def __init__(self, api: Any, where: Endpoint, *, podman: bool = False) -> None:  # noqa: ANN401  either client
        self._api = api
        self._where = where
        self._podman = podman

    def image_major(self, image: str) -> int | None:
        variables = variables_of(self._api.find_image(image)["Config"])
        if variables.get("PG_MAJOR", "").isdigit():
            return int(variables["PG_MAJOR"])
        # No official image: ask the program itself.
        container = self._api.make_container({"Image": image, "Entrypoint": ["postgres"], "Cmd": ["--version"]})
        try:
            self._api.start(container)
            self._api.wait(container, timeout=30)
            words = self._api.logs(container).decode(errors="replace").split()
        except Refused:
            return None
        finally:
            self._api.remove_container(container, force=True, v=True)
        major = words[2].split(".")[0] if words[:1] == ["postgres"] and len(words) > 2 else ""  # noqa: PLR2004
        return int(major) if major.isdigit() else None

    def addresses(self, plano: str, facts: Mapping[str, Any], resolve: Callable[[], str | None]) -> tuple[str, ...]:
        """Choose where to publish; `resolve` looks a container's `host.docker.internal` up, which takes its time."""
        # A socket on a Mac leads into a virtual machine; an engine elsewhere is taken for a Linux server.
        native = "Docker Desktop" not in facts.get("OperatingSystem", "") and (
            sys.platform == "linux" or not self._where.local
        )
        gateway = None
        if native and plano == "docker":
            gateway = (self._gateway() if self._where.local else None) or resolve()
        rootless = any("rootless" in option for option in facts.get("SecurityOptions") or [])
        return planning.published_addresses(plano, native_linux=native, rootless=rootless, gateway=gateway)

    def _gateway(self) -> str | None:
        """Return the bridge's address on this machine, None where it is not to be seen from here."""
        with suppress(Refused):
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
        config = {"Image": image, "Entrypoint": ["true"], "HostConfig": {"Binds": [f"{volume.name}:{_DATA}:ro"]}}
        archives.remove_reader(self._api, volume.name)
        container = self._api.make_container(config, READER.format(volume.name))
        try:
            contents = (archives.read(self._api, container, f"{_DATA}/{name}") for name in names)
            return next((content for content in contents if content is not None), None)
        finally:
            self._api.remove_container(container, force=True, v=True)

    def was_ready(self, volume: Volume, image: str) -> bool:
        return self._read_volume(volume, image, [READY_MARK]) is not None or self._has_tables(volume, image)

    def _has_tables(self, volume: Volume, image: str) -> bool:
        """Say whether somebody made a table in it, whatever became of the mark."""
        archives.remove_reader(self._api, volume.name)
        command = ["find", _DATA, "-type", "f", "-path", "*/base/*", "-name", "[1-9]*"]
        config = {
            "Image": image,
            "User": "0",
            "Entrypoint": command,
            "Cmd": [],
            "HostConfig": {"Binds": [f"{volume.name}:{_DATA}:ro"], "NetworkMode": "none"},
        }
        container = self._api.make_container(config, READER.format(volume.name))
        try:
            self._api.start(container)
            self._api.wait(container, timeout=60)
            names = self._api.logs(container).decode(errors="replace").splitlines()
        finally:
            self._api.remove_container(container, force=True, v=True)
        numbers = (name.rsplit("/", 1)[1] for name in names if "/" in name)
        return any(number.isdigit() and int(number) >= planning.FIRST_OWN for number in numbers)

    def kept_password(self, container: Container) -> str | None:
        return archives.read(self._api, container.id, PASSWORD_FILE)

    def log(self, container: Container, lines: int) -> str:
        text: bytes = self._api.logs(container.id, tail=lines)
        return text.decode(errors="replace")

    def pull(self, image: str, progress: Progress) -> None:
        from planodev.engines.docker import pull

        pull.pull(self._api, image, progress)

    def adopt(self, foreign: Foreign, server: Server, timeout: float) -> tuple[int, str]:
        from planodev.engines.docker import adopt

        size = adopt.take_over(self._api, foreign, server, labels_of(server), timeout)
        return size, adopt.aside(foreign)

    def create(self, server: Server) -> None:
        labels = labels_of(server)
        image = self._api.find_image(server.image)
        declared = (image["Config"].get("Volumes") or {}).keys()
        # postgres:18 moved its data one level down and declares the parent.
        target = "/var/lib/postgresql" if "/var/lib/postgresql" in declared else "/var/lib/postgresql/data"
        inside = f"{INSIDE_PORT}/tcp"
        config = {
            "Image": server.image,
            "Labels": labels,
            "Env": [
                f"POSTGRES_USER={server.superuser}",
                f"POSTGRES_DB={server.database}",
                f"POSTGRES_PASSWORD_FILE={PASSWORD_FILE}",
            ],
            "ExposedPorts": {inside: {}},
            "HostConfig": {
                **_ON_THE_BRIDGE,
                "Binds": [f"{server.volume}:{target}"],
                "PortBindings": {inside: [{"HostIp": ip, "HostPort": str(server.port)} for ip in server.addresses]},
                "RestartPolicy": {"Name": "unless-stopped"},
            },
        }
        # The engine hands out a volume that is there as if it were new: another project may have just made it.
        if not is_of(server.owner, self._api.make_volume(server.volume, labels)):
            raise NameTaken(f"the volume `{server.volume}` is another project's")
        try:
            container = self._api.make_container(config, server.name)
        except Refused as error:
            if error.status == CONFLICT:
                raise NameTaken(error.text) from error
            raise
        try:
            # A file instead of a variable: the password stays out of what `docker inspect` shows.
            packed = archives.packed(PASSWORD_FILE.rsplit("/", 1)[1], server.password)
            self._api.put_files(container, "/etc", packed)
            self.start(Container.planned(container, server))
        except Exception:
            # One that is in the way of nobody: it may lack its password. Where the engine is gone it stays, as
            # `created`, and the next `up` replaces it; where it has started after all, it is as good as any.
            with suppress(Exception):
                self._remove_unless_running(container)
            raise

    def _remove_unless_running(self, container: str) -> None:
        if not self._api.inspect_container(container)["State"]["Running"]:
            self._api.remove_container(container, force=True)

    def _needs_network_held(self, container: Container) -> bool:
        """Say whether it is published on its own network's gateway, which takes Podman some help."""
        return self._podman and len(container.addresses) > 1

    def start(self, container: Container) -> None:
        if self._needs_network_held(container):
            podman.hold_network(self._api, container)
        try:
            if container.state == "paused":
                self._api.unpause(container.id)
            else:
                self._api.start(container.id)
        except Refused as error:
            from planodev.engines import failures

            found = failures.refused(error.text, forbidden=error.forbidden)
            # Engines word it differently, so look at the port itself as well.
            held = container.port and ports.holder(container.port, container.addresses)
            if found.code == "port-taken" or held:
                raise PortTaken(found.why) from error
            raise

    def stop(self, container: Container, timeout: float) -> None:
        if container.state == "paused":
            self._api.unpause(container.id)
        with suppress(Refused):  # a server that was sent SIGSTOP would not hear; a container that restarts has none
            self._api.signal(container.id, "CONT")
        self._api.stop(container.id, timeout=math.ceil(timeout))
        self._release_network(container)

    def remove_container(self, container: Container) -> None:
        try:
            self._api.remove_container(container.id, force=True)
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
        self._release_network(container)

    def _release_network(self, container: Container) -> None:
        if self._needs_network_held(container):
            podman.release_network(self._api, container)

    def remove_volume(self, volume: Volume) -> None:
        archives.remove_reader(self._api, volume.name)
        try:
            self._api.remove_volume(volume.name)
        except Refused as error:
            if error.status == NOT_FOUND:
                return
            raise Conflict(
                "volume-in-use",
                f"the volume `{volume.name}` can't be removed",
                why=error.text,
                fix=f"`docker ps -a --filter volume={volume.name}` shows who uses it",
            ) from error
