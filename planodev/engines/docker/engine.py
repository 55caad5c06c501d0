"""Postgres in a container of a Docker Engine, or of one that speaks its API.

What only a change needs is imported where it is used: an `up` that finds nothing to do never does.
"""

from __future__ import annotations

import math
import posixpath
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planodev import executables, paths, trace
from planodev.background import Job, NotDone, within
from planodev.engines import (
    Container,
    EngineInfo,
    Image,
    Log,
    Observed,
    Output,
    Probe,
    Program,
    Server,
    State,
    Storage,
    Streams,
    Traits,
    Volume,
    data_safety,
    endpoint,
)
from planodev.engines.docker import containers, data_place, labels, podman, quick, whose
from planodev.engines.docker.client import CONFLICT, NOT_FOUND, PODMAN, Refused
from planodev.engines.docker.wording import WORDING
from planodev.postgres import limits
from planodev.problems import Conflict, NoEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planodev.deadline import Limit
    from planodev.engines.docker.client import Api
    from planodev.engines.docker.probe import ProbeContainer
    from planodev.progress import Progress
    from planodev.project.identity import Project

VOLUMES_LIMIT = 4.0  # seconds to list the volumes; after that a server is stopped without them
# Ends psql even when nobody waits for it any more; an image without coreutils may have no `timeout`. Not by KILL, which
# ends `timeout` as well: the postmaster, as process 1 of the container, would then reap the killed psql, and take that
# for a crash of its server. Source: docker-library/postgres, issue 1349.
_BOUND = 'command -v timeout >/dev/null && set -- timeout "$PLANODEV_SECONDS"; '
_PSQL = 'printf %s "$PLANODEV_SQL" | "$@" psql -XAtq -v ON_ERROR_STOP=1'
# The identifier that the server reports must be that of the data in the volume: the first 8 bytes of its control file.
# And no directory of the data, such as a tablespace, may be a link that leads out of the volume.
_ELSEWHERE = 93
_IN_VOLUME = f"""\
[ -s "$PLANODEV_DATA/PG_VERSION" ] || exit {_ELSEWHERE}
there=$(od -An -tu8 -N8 "$PLANODEV_DATA/global/pg_control" | tr -d ' ')
here=$(psql -XAtqc 'SELECT system_identifier FROM pg_catalog.pg_control_system()') || exit
[ -z "$there" ] || [ "$there" = "$here" ] || exit {_ELSEWHERE}
volume=$(readlink -f "${{PLANODEV_MARK%/*}}")
for link in "$PLANODEV_DATA"/* "$PLANODEV_DATA"/pg_tblspc/*; do
    [ -L "$link" ] && [ -d "$link" ] || continue
    leads=$(readlink -f "$link")
    case $leads/ in "$volume"/*) ;; *) echo "$leads" >&2; exit {_ELSEWHERE} ;; esac
done"""
_MARK = 'touch "$PLANODEV_MARK" && sync "$PLANODEV_MARK"'
_READERS = ("sh", "bash", "dash", "ash", "busybox", "python3", "python", "perl", "env")
_ENDED = (124, 143)  # exit codes of coreutils' and BusyBox's `timeout` for an ended command


def connect(environment: Mapping[str, str], limit: Limit) -> DockerEngine:
    """Find the engine and connect to it.

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


def _path_said(text: str) -> str:
    """Return the path that `_IN_VOLUME` has printed last, "" for none; psql may have warned of something before."""
    last = text.strip().rpartition("\n")[2]
    return last if last.startswith("/") else ""


def _program(words: list[str]) -> str:
    """Return the name of the program that a command line runs: of a script itself, not of what reads it."""
    first = posixpath.basename(words[0]).lstrip("-").rstrip(":")
    script = first in _READERS and len(words) > 1 and not words[1].startswith("-")
    return posixpath.basename(words[1]) if script else first


class DockerEngine:
    """The engine behind `planodev.engines.Engine`, over the methods of the SDK's low-level client."""

    why = ""
    wording = WORDING

    def __init__(self, client: Api, where: endpoint.Endpoint, limit: Limit) -> None:
        self.api = client
        self.limit = limit
        self._where = where
        self._listed: list[dict[str, Any]] = []  # every container, as `observe` has seen them
        self._probe: ProbeContainer | None = None
        self._facts: Callable[[], dict[str, Any] | None] | None = None

    @property
    def info(self) -> EngineInfo:
        version = self.api.version()
        product = PODMAN if self._podman else (version.get("Platform") or {}).get("Name") or "Docker Engine"
        where, source = self._where.url, self._where.source
        return EngineInfo("docker", where, source, version["Version"], product, self._where.local, self.why)

    @property
    def traits(self) -> Traits:
        # A container of Podman does not reach its own published port through the gateway: seen with 5.4 and 5.8.
        return Traits(containers=True, hairpin=not self._podman, fixed={})

    @property
    def _podman(self) -> bool:
        return podman.is_podman(self.api.version())

    def observe(self, project: Project, project_id: str | None, *, to_stop: bool = False) -> Observed:
        try:
            return self._observe(project, project_id, to_stop=to_stop)
        except Refused as error:  # only what stands before the engine, such as a proxy, refuses to list
            from planodev.engines import failures

            raise failures.refused(error.text, forbidden=error.forbidden) from error

    def _observe(self, project: Project, project_id: str | None, *, to_stop: bool) -> Observed:
        self._listed = self.api.containers(all=True)
        volumes = self._volumes(patience=VOLUMES_LIMIT if to_stop else None)
        found = whose.sort(project, project_id, self._listed, volumes)
        return Observed(
            self._inspect(found.container, found.volume) if found.container else None,
            found.volume,
            tuple(found.namesakes),
            found.taken,
            labels.published(self._listed, found.container),
            frozenset(found.projects),
            copies=tuple(found.copies),
            unanswered="" if volumes is not None else "`GET /volumes`",
            other_server="" if to_stop else self._other_server(found, volumes),
        )

    def _other_server(self, found: whose.Found, volumes: list[dict[str, Any]] | None) -> str:
        own = next((item for item in volumes or [] if found.volume and item["Name"] == found.volume.name), None)
        if own is None or volumes is None:
            return ""
        directory, have = str(own.get("Mountpoint") or ""), found.container
        return self.server_over(own["Name"], directory, volumes, but=have["Id"] if have else None)

    def server_over(self, volume: str, directory: str, volumes: list[dict[str, Any]], *, but: str | None = None) -> str:
        """Return the name of a container that has PostgreSQL run over this data, "" for none; see `whose.users_of`.

        PostgreSQL itself does not see a server in another container: each has the number 1 among its own processes.
        """
        for item in whose.users_of(volume, directory, self._listed, volumes, but=but):
            if "postgres" in self.programs_of(item["Id"]):
                return whose.name_of(item)
        return ""

    def _volumes(self, *, patience: float | None) -> list[dict[str, Any]] | None:
        """Return all volumes; None where a plugin keeps the engine from saying them within `patience` seconds."""
        if patience is None:
            return self.api.volumes()["Volumes"] or []
        try:
            return within(patience, self.api.volumes)["Volumes"] or []
        except (NotDone, NoEngine):
            return None

    def _inspect(self, listed: dict[str, Any], volume: Volume | None) -> Container | None:
        try:
            item = self.api.inspect_container(listed["Id"])
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
            return None  # removed since it was listed, as by an interrupted `up` that is ending
        owner = labels.owner_of(item["Config"]["Labels"])
        if owner is None:  # it had them when it was listed
            raise Conflict("container-changed", f"the container `{item['Name']}` lost its labels")
        name = volume.name if volume else next(iter(sorted(labels.volumes_of(item))), None)
        return labels.container_of(item, owner, name, data_place.outside(item, name))

    def state(self, name: str) -> State | None:
        try:
            found = self.api.inspect_container(name)
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
            return None
        return State(found["State"]["Status"], int(found.get("RestartCount") or 0))

    def programs(self, container: Container) -> tuple[str, ...]:
        return self.programs_of(container.id)

    def programs_of(self, number: str) -> tuple[str, ...]:
        """Return the same for any container, by its id."""
        try:
            rows = self.api.top(number).get("Processes") or []
        except (Refused, NoEngine):
            return ()
        return tuple(dict.fromkeys(_program(str(row[-1]).split()) for row in rows if row and str(row[-1]).strip()))

    def logs(self, container: str, lines: int = 0, *, since: str = "") -> Log:
        # The mark is the time of the last line, to the nanosecond; "0": no line. The engine takes whole seconds.
        asked: dict[str, int] = {"tail": max(1, lines)}
        if since:
            asked = {"since": int(datetime.fromisoformat(f"{since[:19]}+00:00").timestamp()) if since != "0" else 0}
        try:
            text: bytes = self.api.logs(container, timestamps=True, **asked)
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
            return Log("", since)
        found = [line.partition(" ") for line in text.decode(errors="replace").splitlines()]
        new = [(moment, line) for moment, _, line in found if moment > since]
        shown = new if since else new[len(new) - min(lines, len(new)) :]
        mark = max((moment for moment, _ in new), default=since or "0")
        return Log("".join(f"{line}\n" for _, line in shown), mark)

    def storage(self, volume: Volume, image: str) -> Storage:
        from planodev.engines.docker import storage

        return storage.look_into(self.api, volume.name, image)

    def kept_password(self, container: Container) -> str | None:
        from planodev.engines.docker import archives, server

        return archives.read(self.api, container.id, server.PASSWORD_FILE)

    def image(self, name: str, *, look_into: bool = False) -> Image | None:
        found = self.api.find_image(name)
        if found is None:
            return None
        if not look_into:
            return Image(str(found["Id"]))
        from planodev.engines.docker import image

        return Image(str(found["Id"]), image.major_of(self.api, name, found), data_place.fault(found["Config"]))

    def addresses(self, plano: str, image: str) -> tuple[str, ...]:
        from planodev.engines.docker import network

        def resolve() -> str | None:
            if self.image(image) is None:
                return None
            number = self._begin_probe(image, 120).wait()
            _, out, _ = self.api.exec_run(number, ["getent", "hosts", "host.docker.internal"], {})
            return next(iter(out.decode().split()), None)

        facts = (self._facts and self._facts()) or self.api.info()
        return network.addresses(self.api, plano, facts, resolve, local=self._where.local)

    def disk(self) -> str | None:
        root = str(self.api.info().get("DockerRootDir") or "")
        return root if self._where.local and paths.is_dir(root) else None

    def pull(self, image: str, progress: Progress) -> None:
        from planodev.engines.docker import image as images

        with executables.absolute_path():  # the SDK starts the credential helper of a registry
            images.pull(self.api, image, progress)

    def create(self, server: Server) -> None:
        from planodev.engines.docker import server as servers

        servers.create(self.api, server, on_podman=self._podman)

    def start(self, container: Container) -> None:
        from planodev.engines.docker import server

        server.start(self.api, container, on_podman=self._podman)

    def stop(self, container: Container, timeout: float) -> None:
        if container.state == "paused":
            self.api.unpause(container.id)
        with suppress(Refused):  # wakes a server that SIGSTOP has frozen; refused while it restarts
            self.api.signal(container.id, "CONT")
        # The engine kills what has not ended by then, early enough to report that.
        try:
            self.api.stop(container.id, timeout=max(1, math.floor(min(timeout, self.limit() - limits.MARGIN))))
        except Refused as error:
            if error.status != NOT_FOUND:  # removed since, as by a planodev that was killed while the engine went on
                raise
        self._release_network(container)

    def remove_server(self, container: Container) -> None:
        containers.remove(self.api, container.id)
        self._release_network(container)

    def _release_network(self, container: Container) -> None:
        if self._podman and podman.needs_network_held(container):
            podman.release_network(self.api, container)

    def remove_storage(self, volume: Volume) -> None:
        from planodev.engines.docker import storage

        storage.remove(self.api, volume)

    def program(
        self, container: Container, command: list[str], variables: dict[str, str], *, terminal: bool = False
    ) -> Program:
        def run(streams: Streams) -> int:
            return int(self.api.run_attached(container.id, command, variables, streams))

        # What has begun may take its time. That the engine begins anything there is seen first, within a limit.
        with suppress(Refused):  # as of a container that was paused: the program itself reports it
            self.api.exec_run(container.id, ["sh", "-c", ":"], {}, most=limits.LOGIN)
        client = executables.find("docker")
        if client is None:
            return Program(run)
        # docker may not know a socket that planodev has found; other addresses it finds itself, with certificates.
        host = ["--host", self._where.url] if self._where.local_socket else []
        # Names alone: docker takes the values from its environment, which no list of processes shows.
        names = [word for name in variables for word in ("-e", name)]
        words = [client, *host, "exec", "-it" if terminal else "-i", *names, container.id, *command]
        return Program(run, words, variables)

    def psql(  # noqa: PLR0913  see `Engine`
        self,
        where: Container | Probe,
        script: str,
        env: Mapping[str, str],
        *,
        seconds: float,
        ready: bool = False,
        go: Callable[[], bool] | None = None,
    ) -> Output:
        number = self._begin_probe(where.image, where.life).wait() if isinstance(where, Probe) else where.id
        seconds = limits.within(self.limit, seconds)  # which the start of a probe has taken from
        trace.psql(env, script)
        # Through the environment, since arguments show in `ps`, and the SDK cannot write to a command's standard
        # input on Windows.
        variables = {**env, "PLANODEV_SQL": script, "PLANODEV_SECONDS": str(max(1, math.floor(seconds)))}
        command = _PSQL
        if ready:
            data, mark = self._places(where)
            variables |= {"PLANODEV_DATA": data, "PLANODEV_MARK": mark}
            command = f"{_IN_VOLUME}; {_MARK} && {_PSQL}"
        try:
            command, most = _BOUND + command, seconds + limits.MARGIN
            code, out, err = self.api.exec_run(number, ["sh", "-c", command], variables, go, most=most)
        except Refused as error:
            if error.status != CONFLICT or isinstance(where, Probe):
                raise
            return Output(1, "", error.text)  # the server has stopped, or was paused
        if code == _ELSEWHERE and isinstance(where, Container):
            raise data_safety.outside_volume(where, _path_said(err.decode(errors="replace")))
        said = limits.silent(seconds) if code in _ENDED else err.decode(errors="replace")
        return Output(code, out.decode(errors="replace"), said)

    def _places(self, server: Container | Probe) -> tuple[str, str]:
        """Return where a server has its data, and the mark, through the mount of its volume.

        Raises:
            Conflict: the data is not there.

        """
        assert isinstance(server, Container)  # noqa: S101  nothing else has data
        item = self.api.inspect_container(server.id)
        if apart := data_place.outside(item, server.volume):
            raise data_safety.outside_volume(server, apart)
        return data_place.of_container(item), f"{labels.mount_of(item, server.volume)}/{labels.READY_MARK}"

    def prepare(self, image: str, mode: str, life: float) -> None:
        if mode == "docker":
            self._begin_probe(image, life)

    def _begin_probe(self, image: str, life: float) -> ProbeContainer:
        if self._probe is None:
            from planodev.engines.docker import probe

            self._probe = probe.ProbeContainer(self.api, image, life, probe.leftovers(self._listed))
            # Whoever starts a probe asks for the addresses next, and `info` is slow.
            self._facts = Job(self.api.info)
        return self._probe

    def close(self) -> None:
        if self._probe:
            self._probe.end()
