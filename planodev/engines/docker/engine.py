"""Postgres in a container of a Docker Engine, or of one that speaks its API: looking, and talking SQL.

What changes something is in `changes`; an `up` that finds nothing to do never needs it.
"""

from __future__ import annotations

import math
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planodev.background import begin
from planodev.engines import AdminFailed, Container, EngineInfo, Foreign, Observed, Server, Volume, endpoint
from planodev.engines.docker import podman, probe, quick
from planodev.engines.docker.labels import container_of, mount_of, mounted_by, owner_of, volume_of
from planodev.engines.docker.terms import NOT_FOUND, PODMAN, READY_MARK, WITNESS_LABEL, WORDING, Refused
from planodev.postgres import limits, proof
from planodev.problems import Conflict
from planodev.project.identity import Project, original_still_there, relation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planodev.deadline import Limit
    from planodev.engines.docker.changes import Changes
    from planodev.postgres.connection import Connection
    from planodev.problems import Fix
    from planodev.progress import Progress

# psql ends by itself, also where nobody waits for it any more; an image without coreutils may have no `timeout`.
_BOUND = 'set --; timeout 1 true 2>/dev/null && set -- timeout -s KILL "$PLANODEV_SECONDS"; '
_PSQL = 'printf %s "$PLANODEV_SQL" | "$@" psql -XAtq -v ON_ERROR_STOP=1'
_ENDED = (124, 137)  # exit codes of what `timeout` has ended


def connect(environment: Mapping[str, str], limit: Limit) -> DockerEngine:
    """Find the engine and shake hands with it.

    Args:
        environment: for DOCKER_HOST and its like.
        limit: gives the seconds that may still be waited for it.

    Raises:
        NoEngine: none answers, one answers with an error, or is too old; with the fix for each.

    """
    where = endpoint.find(environment, Path.home(), endpoint.probe_socket)
    endpoint.check_socket(where)
    if where.local_socket:
        client: Any = quick.QuickClient(where, limit)
    else:
        from planodev.engines.docker import sdk

        client = sdk.connect(where, limit)
    quick.check_version(where, client.version())
    return DockerEngine(client, where, limit)


class DockerEngine:
    """The engine behind `planodev.engines.Engine`, over the methods of the SDK's low-level client."""

    why = ""
    wording = WORDING

    def __init__(self, client: Any, where: endpoint.Endpoint, limit: Limit) -> None:  # noqa: ANN401
        self._api = client
        self._limit = limit
        self._where = where
        self._published: list[dict[str, Any]] = []
        self._projects: frozenset[str] = frozenset()
        self._own: str | None = None  # this project's container
        self._witness: probe.Witness | None = None
        self._facts: Callable[[], dict[str, Any] | None] | None = None

    @property
    def info(self) -> EngineInfo:
        version = self._api.version()
        product = PODMAN if self._podman else (version.get("Platform") or {}).get("Name") or "Docker Engine"
        where, source = self._where.url, self._where.source
        return EngineInfo("docker", where, source, version["Version"], product, self._where.local, self.why)

    @property
    def _podman(self) -> bool:
        return podman.is_podman(self._api.version())

    def decides(self) -> dict[str, tuple[Any, str]]:
        return {}

    # Looking

    def observe(self, project: Project, env_id: str | None) -> Observed:
        try:
            return self._observe(project, env_id)
        except Refused as error:  # a machine's lists are refused by what stands between, such as a proxy
            from planodev.engines import failures

            raise failures.refused(error.text, forbidden=error.forbidden) from error

    def _observe(self, project: Project, env_id: str | None) -> Observed:
        self._published = self._api.containers(all=True)
        taken: dict[str, str] = {}
        projects: set[str] = set()
        ours: dict[str, Any] | None = None
        for item in self._published:
            owner = owner_of(item["Labels"])
            if owner and WITNESS_LABEL not in item["Labels"]:
                if relation(project, env_id, owner, original_still_there) == "ours" and ours is None:
                    ours = item
                    continue
                whose = f"planodev made it for `{owner.path}`"
            else:
                whose = "it was not made by planodev"
            taken.update({name.lstrip("/"): f"a container has it, {whose}" for name in item["Names"] or []})
        volume: Volume | None = None
        namesakes = []
        mounted = mounted_by(ours) if ours else None
        for item in self._api.volumes()["Volumes"] or []:
            owner = owner_of(item["Labels"] or {})
            taken[item["Name"]] = "a volume has it"
            if owner is None:
                continue
            projects.add(owner.id)
            found, related = volume_of(item, owner), relation(project, env_id, owner, original_still_there)
            # A container tells which volume is in use; without one the labels do.
            if found.name == mounted or (mounted is None and related == "ours" and volume is None):
                volume = found
                del taken[found.name]
            elif related == "namesake":
                namesakes.append(found)
        self._projects = frozenset(projects)
        self._own = ours["Id"] if ours else None
        try:
            container = self._inspect(ours["Id"]) if ours else None
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
            container = None  # gone since it was listed: an interrupted `up` may just be ending
        return Observed(container, volume, tuple(namesakes), taken)

    def disk(self) -> str | None:
        root = str(self._api.info().get("DockerRootDir") or "")
        return root if self._where.local and Path(root).is_dir() else None

    def started(self, name: str) -> float | None:
        running = [item for item in self._published if f"/{name}" in item["Names"] and item["State"] == "running"]
        if not running:
            return None
        moment = self._api.inspect_container(running[0]["Id"])["State"]["StartedAt"]
        return datetime.fromisoformat(f"{moment[:19]}+00:00").timestamp()

    def projects(self) -> frozenset[str]:
        return self._projects

    def _inspect(self, container_id: str) -> Container:
        item = self._api.inspect_container(container_id)
        labels = item["Config"]["Labels"]
        owner = owner_of(labels)
        if owner is None:  # we listed it by these labels a moment ago
            raise Conflict("container-changed", f"the container `{item['Name']}` lost its labels")
        return container_of(item, owner)

    def image_id(self, image: str) -> str | None:
        found = self._api.find_image(image)
        return found and str(found["Id"])

    def port_holder(self, port: int, addresses: tuple[str, ...]) -> str | None:
        for item in self._published:
            if any(p.get("PublicPort") == port and p.get("Type") == "tcp" for p in item.get("Ports") or []):
                if item["Id"] == self._own:  # which an `up` that was killed may just have started
                    return None
                return f"the container `{(item['Names'] or ['?'])[0].lstrip('/')}`"
        if not self._where.local:
            return None
        from planodev.engines import ports

        return ports.holder(port, addresses)

    def state(self, container: Container) -> str:
        return str(self._api.inspect_container(container.id)["State"]["Status"])

    # Talking SQL

    def admin(self, container: Container, sql: str, *, user: str, database: str) -> str:
        return self._admin(container, sql, {"PGUSER": user, "PGDATABASE": database})

    def make_ready(
        self, container: Container, sql: str, *, user: str, database: str, go: Callable[[], bool] | None = None
    ) -> str:
        mount = mount_of(self._api.inspect_container(container.id))
        variables = {"PGUSER": user, "PGDATABASE": database, "PLANODEV_MARK": f"{mount['Destination']}/{READY_MARK}"}
        return self._admin(container, sql, variables, 'touch "$PLANODEV_MARK" && sync "$PLANODEV_MARK" && ', go)

    def _admin(
        self,
        container: Container,
        sql: str,
        variables: dict[str, str],
        first: str = "",
        go: Callable[[], bool] | None = None,
    ) -> str:
        seconds = limits.within(self._limit)
        variables = {"LC_ALL": "C", **limits.variables(seconds), **variables}
        try:
            code, out, err = self._psql(container.id, sql, variables, seconds, first, go)
        except Refused as error:  # it was stopped or paused a moment ago
            raise AdminFailed(error.text) from error
        if code:
            raise AdminFailed(limits.silent(seconds) if code in _ENDED else err.strip())
        return out.strip()

    def begin_ahead(self, image: str, mode: str, life: float) -> None:
        if mode == "docker":
            self._begin_witness(image, life)

    def _begin_witness(self, image: str, life: float) -> None:
        if self._witness is None:
            self._witness = probe.Witness(self._api, image, life, probe.leftovers(self._published))
            # Whoever places a witness asks for addresses next, and the engine takes its time to tell of itself.
            self._facts = begin(self._api.info)

    def prove_beside_plano(
        self, connection: Connection, image: str, timeout: float, go: Callable[[], bool] | None = None
    ) -> proof.Evidence:
        self._begin_witness(image, 2 * timeout + 60)
        assert self._witness  # noqa: S101  set by the line above
        return self._prove(self._witness.wait(), connection, timeout, go)

    def prove_from_inside(self, container: Container, connection: Connection, timeout: float) -> proof.Evidence:
        if self._podman:
            # There a container does not reach a port of its own through the gateway: seen with Podman 5.4 and 5.8.
            return self.prove_beside_plano(connection, container.image, timeout)
        return self._prove(container.id, connection, timeout)

    def unreachable(self) -> tuple[str, Fix] | None:
        return podman.unreachable(self._api.info()) if self._podman else None

    def _prove(
        self, container_id: str, connection: Connection, timeout: float, go: Callable[[], bool] | None = None
    ) -> proof.Evidence:
        seconds = limits.within(self._limit, timeout)
        script, variables = proof.psql_script(seconds), proof.psql_environment(connection, seconds)
        code, out, err = self._psql(container_id, script, variables, seconds, "", go)
        return proof.read_psql(out, limits.silent(seconds) if code in _ENDED else err)

    def _psql(  # noqa: PLR0913, PLR0917  where, what, and for how long
        self,
        container_id: str,
        sql: str,
        environment: dict[str, str],
        seconds: float,
        first: str,
        go: Callable[[], bool] | None,
    ) -> tuple[int, str, str]:
        # Through the environment, since arguments show in `ps`, and the SDK cannot write to a command's standard
        # input on Windows.
        command = ["sh", "-c", f"{_BOUND}{first}{_PSQL}"]
        environment = {**environment, "PLANODEV_SQL": sql, "PLANODEV_SECONDS": str(math.ceil(seconds))}
        code, out, err = self._api.exec_run(container_id, command, environment, go)
        return code, out.decode(errors="replace"), err.decode(errors="replace")

    # Changing

    @cached_property
    def _changes(self) -> Changes:
        from planodev.engines.docker.changes import Changes

        return Changes(self._api, self._where, podman=self._podman)

    def image_major(self, image: str) -> int | None:
        return self._changes.image_major(image)

    def addresses(self, plano: str, image: str) -> tuple[str, ...]:
        def resolve() -> str | None:
            self._begin_witness(image, 120)
            assert self._witness  # noqa: S101  set by the line above
            _, out, _ = self._api.exec_run(self._witness.wait(), ["getent", "hosts", "host.docker.internal"], {})
            return next(iter(out.decode().split()), None)

        facts = (self._facts and self._facts()) or self._api.info()
        return self._changes.addresses(plano, facts, resolve if self._api.find_image(image) else lambda: None)

    def data_major(self, volume: Volume, image: str) -> int | None:
        return self._changes.data_major(volume, image)

    def was_ready(self, volume: Volume, image: str) -> bool:
        return self._changes.was_ready(volume, image)

    def kept_password(self, container: Container) -> str | None:
        return self._changes.kept_password(container)

    def log(self, container: Container, lines: int) -> str:
        return self._changes.log(container, lines)

    def pull(self, image: str, progress: Progress) -> None:
        self._changes.pull(image, progress)

    def create(self, server: Server) -> None:
        self._changes.create(server)

    def start(self, container: Container) -> None:
        self._changes.start(container)

    def stop(self, container: Container, timeout: float) -> None:
        self._changes.stop(container, timeout)

    def foreign(self, name: str) -> Foreign | None:
        from planodev.engines.docker import adopt

        return adopt.find(self._api, name)

    def adopt(self, foreign: Foreign, server: Server, timeout: float) -> tuple[int, str]:
        return self._changes.adopt(foreign, server, timeout)

    def remove_container(self, container: Container) -> None:
        self._changes.remove_container(container)

    def remove_volume(self, volume: Volume) -> None:
        self._changes.remove_volume(volume)

    def close(self) -> None:
        if self._witness:
            self._witness.end()
