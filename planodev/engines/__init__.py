"""Where Postgres can run. An engine is one module in this package, behind the small interface below.

`plan` decides, from what is wanted and what was observed, what has to change; engines only carry it out.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from planodev.postgres.connection import Connection
    from planodev.postgres.proof import Evidence
    from planodev.problems import Fix
    from planodev.progress import Progress
    from planodev.project.identity import Owner, Project


@dataclass(frozen=True)
class EngineInfo:
    """Which engine answered.

    Args:
        name: `docker`.
        endpoint: its address, such as `unix:///var/run/docker.sock`.
        source: why this one: `DOCKER_HOST`, ``context `name` ``, `default socket`.
        version: the engine's own, such as `20.10.24`.
        product: what calls itself so, such as `Docker Desktop` or `Debian GNU/Linux 12`.
        local: False where its published ports are on another machine.
        why: this kind of engine and no other.

    """

    name: str
    endpoint: str
    source: str
    version: str
    product: str
    local: bool = True
    why: str = ""


@dataclass(frozen=True)
class Container:
    """A container of ours as the engine shows it now; `plano` is the mode that its addresses were chosen for."""

    id: str
    name: str
    state: str
    image: str
    image_id: str
    port: int | None
    addresses: tuple[str, ...]
    volume: str | None
    owner: Owner
    plano: str = ""
    exit_code: int = 0
    oom_killed: bool = False

    @classmethod
    def planned(cls, number: str, server: Server) -> Container:
        """Return a container that was created for a server and not looked at yet."""
        return cls(
            id=number,
            name=server.name,
            state="created",
            image=server.image,
            image_id="",
            port=server.port,
            addresses=server.addresses,
            volume=server.volume,
            owner=server.owner,
        )


@dataclass(frozen=True)
class Wording:
    """What an engine calls what it has, so that every message is true for each of them.

    The commands have the places `{name}`, `{id}`, `{port}`, `{user}`, `{volume}` and `{image}`, which `hint` fills in.

    Args:
        server: what runs: `container`.
        data: what holds the data: `volume`.
        log: the command that shows the server's log.
        console: the command that opens the server as its superuser.
        other_major: what to do about data of another major version, with a place for `{major}`.
        damaged: the command that keeps damaged data for a repair.
        alone: the command that lets the superuser log in again, by PostgreSQL without its server.

    """

    server: str
    data: str
    log: str
    console: str
    other_major: str
    damaged: str
    alone: str


def hint(command: str, container: Container, user: str = "") -> str:
    """Return a command of a `Wording` for one server, quoted for the shell; `user` is the role to log in as."""
    return command.format(
        name=container.name,
        id=shlex.quote(container.id),
        port=container.port,
        user=user,
        volume=container.volume,
        image=container.image,
    )


@dataclass(frozen=True)
class Volume:
    """A volume of ours; the rest is what it was first made with.

    `superuser` is initdb's role, `user` the first one of Plano where that is another; `adopts` the id of the container
    whose data was, or is being, taken over.
    """

    name: str
    owner: Owner
    superuser: str
    image: str
    database: str
    adopts: str = ""
    user: str = ""


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
    password: str | None = field(repr=False)


@dataclass(frozen=True)
class Observed:
    """Everything of one project in the engine, and the names that others hold.

    Args:
        container: of this project, None where there is none.
        volume: of this project, None where there is none.
        namesakes: volumes made at this path by another checkout.
        taken: names of all containers and volumes that are not this project's, name → whose.

    """

    container: Container | None = None
    volume: Volume | None = None
    namesakes: tuple[Volume, ...] = ()
    taken: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Desired:
    """The database that `up` wants to see; what `plan` compares."""

    name: str
    image: str
    image_id: str
    port: int
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Server:
    """What to create: all that goes into a container and its volume."""

    name: str
    volume: str
    image: str
    port: int
    addresses: tuple[str, ...]
    owner: Owner
    superuser: str
    database: str
    plano: str
    password: str = field(repr=False)


class Engine(Protocol):
    """What a place for Postgres must be able to do. Every method may raise `NoEngine`; `choice` says `why`."""

    why: str

    @property
    def wording(self) -> Wording:
        """The words for what it has, and the commands that a user may type."""

    def decides(self) -> dict[str, tuple[Any, str]]:
        """Return the settings that are its own to decide, as (value, source)."""

    @property
    def info(self) -> EngineInfo:
        """Which engine this is."""

    def observe(self, project: Project, env_id: str | None) -> Observed:
        """Look, and change nothing."""

    def projects(self) -> frozenset[str]:
        """Return the numbers of all projects with data here, as seen by the last `observe`."""

    def image_id(self, image: str) -> str | None:
        """Return the id of a local image, None when it has to be pulled."""

    def image_major(self, image: str) -> int | None:
        """Return the major version of PostgreSQL in a local image, None where it does not say."""

    def pull(self, image: str, progress: Progress) -> None:
        """Pull an image; raises an error that says why it cannot be pulled."""

    def addresses(self, plano: str, image: str) -> tuple[str, ...]:
        """Return where to publish so that Plano, in `docker` or `native` mode, reaches it and nobody else does.

        `image` is one with `getent`, for a look from inside a container where the engine's host can't be asked.
        """

    def port_holder(self, port: int, addresses: tuple[str, ...]) -> str | None:
        """Return who listens at a port, None when it is free for us."""

    def create(self, server: Server) -> None:
        """Create and start a container, and its volume where it is missing; raises `PortTaken`, `NameTaken`."""

    def start(self, container: Container) -> None:
        """Start or unpause; raises `PortTaken`."""

    def stop(self, container: Container, timeout: float) -> None:
        """Shut down fast and cleanly, within `timeout` seconds."""

    def remove_container(self, container: Container) -> None:
        """Remove a container of ours, keeping its volume."""

    def remove_volume(self, volume: Volume) -> None:
        """Remove a volume of ours, and with it the data."""

    def data_major(self, volume: Volume, image: str) -> int | None:
        """Return the major version of the data in a volume, None for an empty one."""

    def was_ready(self, volume: Volume, image: str) -> bool:
        """Say whether the data has ever been ready, by the mark that `make_ready` leaves beside it."""

    def kept_password(self, container: Container) -> str | None:
        """Return the password that the container was created with, None where it can't be read."""

    def admin(self, container: Container, sql: str, *, user: str, database: str) -> str:
        """Run SQL as the superuser over the server's own socket, where no password is needed; returns the rows.

        Raises `AdminFailed` with the server's message.
        """

    def make_ready(
        self, container: Container, sql: str, *, user: str, database: str, go: Callable[[], bool] | None
    ) -> str:
        """Leave the mark that the data has been ready, durably, and then run SQL as `admin` does.

        With `go`, get everything in place now, and act once `go` has returned True.
        """

    def begin_ahead(self, image: str, mode: str, life: float) -> None:
        """Begin, in the background, what takes long and touches nothing that is there.

        The throw-away container for the proof, in `docker` mode, lives `life` seconds; or new data where there is none.
        """

    def prove_beside_plano(
        self, connection: Connection, image: str, timeout: float, go: Callable[[], bool] | None
    ) -> Evidence:
        """Run the proof from where Plano's container will be, once `go` has returned True."""

    def prove_from_inside(self, container: Container, connection: Connection, timeout: float) -> Evidence:
        """Run the proof from the database's own container, which is on the same bridge as Plano's."""

    def unreachable(self) -> tuple[str, Fix] | None:
        """Return why a Plano in Docker cannot reach a database here, and what helps; None where it should."""

    def state(self, container: Container) -> str:
        """Return the state now: `running`, `exited`, `restarting`, `paused`, `dead`."""

    def log(self, container: Container, lines: int) -> str:
        """Return the end of the server's log."""

    def foreign(self, name: str) -> Foreign | None:
        """Return the Postgres of this name or id that planodev did not make, None where there is none."""

    def adopt(self, foreign: Foreign, server: Server, timeout: float) -> tuple[int, str]:
        """Copy its data into the server's volume and put the container aside; returns bytes, and its new name."""

    def disk(self) -> str | None:
        """Return the directory of this machine that holds the engine's data, None where that is elsewhere."""

    def started(self, name: str) -> float | None:
        """Return when a container was started, in seconds since 1970; None where the last `observe` saw none run."""

    def close(self) -> None:
        """Remove what was started only for this run."""


# Before SQL that holds a password: a failing statement would be logged with it.
QUIET = "SET log_statement = 'none'; SET log_min_error_statement = 'panic'; SET standard_conforming_strings = on;\n"


class PortTaken(Exception):
    """A port was taken between the look and the start."""


class NameTaken(Exception):
    """A name was taken between the look and the creation."""


class AdminFailed(Exception):
    """SQL over the server's socket failed; the text is the server's."""


def as_json(info: EngineInfo | None) -> dict[str, Any] | None:
    """Return the `engine` object of `--json`."""
    return vars(info).copy() if info else None
