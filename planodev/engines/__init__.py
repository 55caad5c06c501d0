"""Where Postgres can run: each engine is a package here, behind the protocol `Engine` below.

An engine looks, carries out what was decided, and runs `psql` scripts in a given place. What Plano needs of
PostgreSQL (the proof, the table, roles) is no engine's matter: `postgres/` has it as functions over `Engine.psql`.

Plain values are named tuples, which Python creates several times faster than dataclasses: each command loads them all.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol

from planodev.pasting import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planodev.deadline import Limit
    from planodev.progress import Progress
    from planodev.project.identity import Owner, Project


class EngineInfo(NamedTuple):
    """Which engine answered; `engine` in `--json`.

    Args:
        name: `docker` or `embedded`.
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

    @property
    def called(self) -> str:
        """Its product name for messages: Podman speaks Docker's API, but is not Docker."""
        return "podman" if self.product == "Podman" else self.name


class Traits(NamedTuple):
    """How this engine differs from others, for whoever has to know.

    Args:
        containers: whether the server is a container, of an image that is chosen. Else it is a process of this machine,
            of a PostgreSQL that the engine brings, and `psql` runs on this machine as well.
        hairpin: whether the server's own container gets to the port that it publishes by the way that Plano's takes.
        fixed: the settings that are not the user's to choose here, such as `{"plano": "native"}`.
        runs_as: the user of this machine who has to be allowed to listen at the port, "" where the engine sees to that.

    """

    containers: bool
    hairpin: bool
    fixed: Mapping[str, str]
    runs_as: str = ""


# States in which nothing of a container runs: there is nothing to stop, and Podman refuses to.
ENDED = ("exited", "created", "dead")
# States of containers that are no adjectives.
_CONDITIONS = {"exited": "stopped", "created": "not started yet", "removing": "being removed"}


class Container(NamedTuple):
    """A container of ours as the engine shows it now.

    `plano` is the mode that its addresses were chosen for, `data_outside` where it has data that is not in its volume.
    """

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
    data_outside: str = ""

    @property
    def condition(self) -> str:
        """Return the state for a sentence with "is"; `state` is the engine's own word."""
        return _CONDITIONS.get(self.state, self.state)

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


class Wording(NamedTuple):
    """What an engine calls what it has, so that every message is true for each of them.

    The commands have the places `{name}`, `{id}`, `{port}`, `{user}`, `{database}`, `{volume}` and `{image}`, which
    `hint` fills in.

    Args:
        server: what runs: `container`.
        data: what holds the data: `volume`.
        other_major: what to do about data of another major version, with a place for `{major}`.
        damaged: the command that keeps damaged data for a repair.
        single_user: the command that lets the superuser log in again, by PostgreSQL without its server, which is
            stopped.
        sessions: the command that shows the server's sessions without asking it, by its processes.
        psql: the command for a `psql` as the superuser, who needs no password there.

    """

    server: str
    data: str
    other_major: str
    damaged: str
    single_user: str
    sessions: str
    psql: str


def hint(command: str, container: Container, user: str = "", database: str = "") -> str:
    """Return a command of a `Wording` for one server, quoted for the shell; `user` is the role to log in as."""
    return command.format(
        name=quoted(container.name),
        id=quoted(container.id),
        port=container.port,
        user=quoted(user) if user else "",
        database=quoted(database) if database else "",
        volume=quoted(container.volume),
        image=quoted(container.image),
    )


# The version of the labels that this planodev writes; labels without a version have the same form.
LABEL_SCHEMA = 1


class Volume(NamedTuple):
    """A volume of ours; the rest is what it was first made with.

    `superuser` is initdb's role, `user` the first one of Plano where that is another; `adopts` the id of the container
    whose data was, or is being, taken over; `plano` the mode at that time;
    `schema` the form that its labels have.
    """

    name: str
    owner: Owner
    superuser: str
    image: str
    database: str
    adopts: str = ""
    user: str = ""
    plano: str = ""
    schema: int = 1


class Observed(NamedTuple):
    """Everything of one project in the engine, and the names that others hold.

    Args:
        container: of this project, None where there is none.
        volume: of this project, None where there is none.
        namesakes: volumes made at this path by another checkout.
        taken: names of all containers and volumes that are not this project's, name → whose.
        published: the ports that containers publish, port → whose; None for this project's own.
        projects: the ids of all projects with data here.
        copies: names of containers with this project's labels that do not use its volume.
        unanswered: the question about volumes that the engine gave no answer to in time, "" where it did.
        other_server: the name of another container in which PostgreSQL runs over this project's volume, "" for none.

    """

    container: Container | None = None
    volume: Volume | None = None
    namesakes: tuple[Volume, ...] = ()
    taken: Mapping[str, str] = MappingProxyType({})
    published: Mapping[int, str | None] = MappingProxyType({})
    projects: frozenset[str] = frozenset()
    copies: tuple[str, ...] = ()
    unanswered: str = ""
    other_server: str = ""


class Desired(NamedTuple):
    """The database that `up` wants to see; what `plan` compares."""

    name: str
    image: str
    image_id: str
    port: int
    addresses: tuple[str, ...]


class Server(NamedTuple):
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
    password: str

    def __repr__(self) -> str:
        """Return it without the password."""
        return f"Server({self.name!r}, {self.image!r}, port={self.port})"


class Image(NamedTuple):
    """A local image.

    Args:
        id: the engine's.
        major: of its PostgreSQL, None where it has none, or nobody asked.
        fault: why its data cannot be held by a volume, None where it can, or nobody asked.

    """

    id: str
    major: int | None = None
    fault: str | None = None


class Storage(NamedTuple):
    """What a volume's data is. Data that was never ready has no conversations: its first start was interrupted.

    Args:
        major: its major version, None where there is none.
        initialised: whether it was ever ready, by the mark or by what it has.
        marked: whether it has the mark.
        elsewhere: where in the volume the data is, where the image would look at another place; else "".
        lost: whether it was ready once, and nothing is there now.
        outside: where a part of it is that is not in the volume, such as a tablespace; else "".

    """

    major: int | None
    initialised: bool
    marked: bool = True
    elsewhere: str = ""
    lost: bool = False
    outside: str = ""


class State(NamedTuple):
    """How a container is now.

    Args:
        status: such as `running`, `exited` or `restarting`.
        restarts: how often the engine has started it again by itself.

    """

    status: str
    restarts: int = 0


class Probe(NamedTuple):
    """A probe container in Plano's network, of this image; it ends by itself after `life` seconds."""

    image: str
    life: float


class Output(NamedTuple):
    """What `psql` has printed, and its exit code."""

    code: int
    out: str
    err: str


LOOK = 0.2  # seconds between two looks at a program that runs


class Streams(NamedTuple):
    """What a program reads and writes: open files of this machine; without a source it reads nothing.

    `watch` is called every `LOOK` seconds while the program runs; what it raises ends the program.
    """

    source: BinaryIO | None
    target: BinaryIO
    errors: BinaryIO
    watch: Callable[[], None] | None = None


class Program(NamedTuple):
    """One of the server's own programs, ready to be run, however long it takes.

    Args:
        run: runs it with files of this machine; returns its exit code.
        command: what starts it from this machine, None where that takes a client of the engine that is not there.
        variables: what that needs in its environment.

    """

    run: Callable[[Streams], int]
    command: list[str] | None = None
    variables: Mapping[str, str] = MappingProxyType({})

    def __repr__(self) -> str:
        """Return it without the variables, which hold a password."""
        return f"Program({self.command!r})"


class Log(NamedTuple):
    """Lines of a server's log, and the mark behind them."""

    text: str
    mark: str


class Engine(Protocol):
    """What a place for Postgres must be able to do. Every method may raise `NoEngine`; `choice` sets `why`.

    `limit` gives the seconds that whoever has connected it may still wait.
    """

    why: str
    limit: Limit

    @property
    def info(self) -> EngineInfo:
        """Which engine this is."""

    @property
    def traits(self) -> Traits:
        """How it differs from others."""

    @property
    def wording(self) -> Wording:
        """The words for what it has, and the commands that a user may type."""

    def observe(self, project: Project, project_id: str | None, *, to_stop: bool = False) -> Observed:
        """Return what the engine has of a project; with `to_stop` without volumes where listing them takes too long.

        Raises:
            Conflict: more than one database could be this project's.

        """

    def state(self, name: str) -> State | None:
        """Return how a container, by name or id, is now; None where there is none."""

    def programs(self, container: Container) -> tuple[str, ...]:
        """Return the names of the programs that run in a server's container; none where nobody says."""

    def logs(self, container: str, lines: int = 0, *, since: str = "") -> Log:
        """Return the last lines of a log, of a container by id or name, or what is new since the mark of an answer.

        Of a container that is gone that is nothing.
        """

    def storage(self, volume: Volume, image: str) -> Storage:
        """Return what the data in a volume is, for a server of this image, a local one."""

    def kept_password(self, container: Container) -> str | None:
        """Return the password that the server was created with, None where it can't be read; it need not run."""

    def image(self, name: str, *, look_into: bool = False) -> Image | None:
        """Return a local image, None where it has to be pulled; `look_into` asks it for its PostgreSQL."""

    def pull(self, image: str, progress: Progress) -> None:
        """Pull an image; raises an error that says why it cannot be pulled."""

    def addresses(self, plano: str, image: str) -> tuple[str, ...]:
        """Return where to publish so that Plano, in `docker` or `native` mode, reaches it and nobody else does.

        `image` is one with `getent`, for a look from inside a container where the engine's host can't be asked.
        """

    def create(self, server: Server) -> None:
        """Create and start a server, and its volume where it is missing; raises `PortTaken`, `NameTaken`."""

    def start(self, container: Container) -> None:
        """Start or unpause; raises `PortTaken`."""

    def stop(self, container: Container, timeout: float) -> None:
        """Shut down fast and cleanly, within `timeout` seconds."""

    def remove_server(self, container: Container) -> None:
        """Remove a server of ours, keeping its data."""

    def remove_storage(self, volume: Volume) -> None:
        """Remove a volume of ours, and with it the data."""

    def psql(  # noqa: PLR0913  where and what, and when it starts and ends
        self,
        where: Container | Probe,
        script: str,
        env: Mapping[str, str],
        *,
        seconds: float,
        ready: bool = False,
        go: Callable[[], bool] | None = None,
    ) -> Output:
        """Run a script by `psql`, unaligned and without headings, up to the first error.

        Args:
            where: in the server's container, or beside Plano's.
            script: what `psql` reads.
            env: libpq's variables. Without PGHOST the server's local connection is used, as PGUSER and without a
                password.
            seconds: how long the script may take; it is ended then, also where nobody waits for it any more.
            ready: leave first, durably, the mark that the data has been ready.
            go: put all in place now, and begin once this has returned True.

        Returns:
            What was printed; where the server does not run, or the time is over, another code than 0 and why.

        Raises:
            NotToldToGo: `go` has returned False; nothing was begun.

        """

    def prepare(self, image: str, mode: str, life: float) -> None:
        """Begin, in the background, what takes long and touches nothing that is there.

        That is the probe container, in `docker` mode, for `life` seconds; or new data where there is none.
        """

    def program(
        self, container: Container, command: list[str], variables: dict[str, str], *, terminal: bool = False
    ) -> Program:
        """Return one of the server's own programs; without PGPASSWORD it connects locally, see `psql`.

        Raises:
            NoEngine: the engine starts no program there in time.

        """

    def disk(self) -> str | None:
        """Return the directory of this machine that holds the engine's data, None where that is elsewhere."""

    def close(self) -> None:
        """Remove what was started only for this run."""


class PortTaken(Exception):
    """A port was taken between the look and the start."""


class NameTaken(Exception):
    """A name was taken between the look and the creation."""


class VolumeTaken(NameTaken):
    """The same of a volume's name, which no container will be listed with."""


class Late(Exception):
    """What an engine does has not ended within its limit; whoever knows `--timeout` says what allows more time."""


class NotToldToGo(Exception):
    """A prepared command was not started, since what it waited for did not happen in time."""


def as_json(info: EngineInfo | None) -> dict[str, Any] | None:
    """Return the `engine` object of `--json`."""
    return info._asdict() if info else None
