"""Decide, from what was seen, what has to change.

`refuse` raises what is wrong whatever is to be done, before anything is touched. `survey` asks the engine what a
decision needs and a look is too quick for. `decide` changes nothing: it draws a new password where none is known, and
may ask who listens at a port.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from planodev.engines import (
    Desired,
    Server,
    Storage,
    choice,
    data_safety,
    difference,
    port_choice,
    port_holders,
    server_name,
)
from planodev.postgres.server_facts import OLDEST_MAJOR
from planodev.problems import BadInput, Command, Conflict, Fix, Problem, Shell
from planodev.project import credentials, defaults, identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from planodev.engines import Container
    from planodev.engines.docker.adopt import Foreign
    from planodev.look import Seen


@dataclass(frozen=True)
class Survey:
    """What a decision needs to know of the engine beside what was observed.

    Args:
        image_id: of the wanted image, None where it has to be pulled first.
        image_major: the major version of PostgreSQL in it, None where it has none.
        image_fault: why a volume cannot hold the data of this image, None where it can.
        storage: what is known of the data that is there.
        addresses: where to publish.
        port_holder: says who listens at a port, None where it is free.
        first_port: the lowest one that the server may have.
        password: what the server was made with, None where that cannot be read.

    """

    image_id: str | None
    image_major: int | None
    image_fault: str | None
    storage: Storage
    addresses: tuple[str, ...]
    port_holder: Callable[[int], str | None]
    first_port: int
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Plan:
    """What `up` will do about the server.

    Args:
        action: `unchanged`, `start`, `create` or `replace` the server.
        reasons: why, with both values.
        desired: the server as it is wanted.
        pull: whether the image is pulled first; what follows is decided again after that.
        discard: why the volume is removed first, "" where it has data.
        password: of Plano's role, not encoded.
        password_is: where it comes from, in words: kept, recovered or generated.
        problems: what the user has to know.

    """

    action: str
    reasons: tuple[str, ...]
    desired: Desired
    pull: bool
    discard: str
    password: str = field(repr=False)
    password_is: str
    problems: tuple[Problem, ...] = ()

    def server(self, seen: Seen, *, name: str, port: int, volume: str) -> Server:
        """Return what is created; name, port and volume may have been lost to others since the decision."""
        have = None if self.discard else seen.observed.volume
        return Server(
            name=name,
            volume=volume,
            image=self.desired.image,
            port=port,
            addresses=self.desired.addresses,
            owner=seen.owner,
            superuser=have.superuser if have else seen.user,
            database=have.database if have else seen.database,
            plano=seen.mode,
            password=self.password,
        )


def refuse(seen: Seen) -> None:
    """Raise what is wrong whatever is to be done, before anything is touched.

    Raises:
        BadInput: Plano would not reach this engine's database, nothing can be adopted, or the directory is read-only.
        Conflict: `.env` names a database that planodev does not run, or another container's server has the data.

    """
    refuse_unreachable(seen)
    refuse_other_server(seen)
    for source in seen.ignored:
        info = seen.engine.info
        text = f"`{source}` has no effect: {choice.title(info.name)} has PostgreSQL {info.version}"
        fix = Fix(Command("up", "--engine", "docker"), " runs an image")
        seen.progress.notice(Problem("no-images", text, fix))
    credentials.refuse_foreign(seen.env, seen.credentials, configured=seen.config.text is not None)
    identity.check_writable(seen.project)


def refuse_other_server(seen: Seen) -> None:
    """Refuse to go on where another container has a server over the project's data.

    Raises:
        Conflict: it has.

    """
    if problem := data_safety.two_servers(seen.observed):
        raise Conflict.of(problem)


ON_LOOPBACK = "it listens on 127.0.0.1 only, and a container has a 127.0.0.1 of its own"


def refuse_unreachable(seen: Seen) -> None:
    """Refuse a Plano, or a container to adopt, where an engine without containers cannot serve it.

    Raises:
        BadInput: Plano would run in a container, and the engine listens on this machine's loopback alone; or `--adopt`.

    """
    plano, asked = seen.engine.traits.fixed.get("plano"), seen.settings.plano
    if plano and asked.value != plano:
        raise BadInput(
            "plano-out-of-reach",
            f"a Plano in Docker would not reach the {seen.engine.info.name} Postgres",
            why=f"{ON_LOOPBACK} (`docker` is from {asked.source})",
            fix=Fix(
                *(Command("up", "--plano", "native"), " and ", Command("run", "--", "planoai", "up")),
                *("; or ", Command("up", "--engine", "docker")),
            ),
        )
    if not seen.engine.traits.containers and seen.context.options.get("adopt"):
        raise _adopt_needs_docker(choice.title(seen.engine.info.name))


def _adopt_needs_docker(title: str) -> BadInput:
    return BadInput(
        "adopt-needs-docker",
        f"only a container can be adopted, and {title} has none",
        fix=Fix(Command("up", "--adopt", "--engine", "docker")),
    )


def survey(seen: Seen, leaving: Container | None = None) -> Survey:
    """Ask the engine what a decision needs; containers may be created to look into a volume, and are removed again.

    Args:
        seen: the project.
        leaving: a server of the project in another engine that ends before this one starts; its port counts as free.

    Raises:
        Conflict: a native Plano could not reach the database.

    """
    engine, observed, image = seen.engine, seen.observed, seen.settings.image.value
    if seen.mode == "native" and engine.traits.containers:
        from planodev.engines.docker import unreachable

        unreachable.refuse_native(engine)
    have, volume = observed.container, observed.volume
    found = engine.image(image)
    # The image that the container runs already needs no closer look.
    same = found is not None and have is not None and have.image_id == found.id
    if found and not same:
        found = engine.image(image, look_into=True)
    storage = engine.storage(volume, image) if found and volume else None
    addresses = engine.addresses(seen.mode, image)
    freed = leaving.port if leaving and leaving.state in ("running", "paused") else None
    return Survey(
        image_id=found.id if found else None,
        image_major=found.major if found else None,
        image_fault=found.fault if found else None,
        storage=storage or Storage(None, initialised=volume is not None),
        addresses=addresses,
        port_holder=lambda port: None if port == freed else port_holders.taken_by(engine, observed, port, addresses),
        first_port=port_holders.first_for_everybody() if engine.traits.runs_as else 1,
        password=engine.kept_password(have) if have and seen.credentials.password is None else None,
    )


def decide(seen: Seen, facts: Survey) -> Plan:
    """Return what to do; nothing is changed.

    Raises:
        BadInput: the image is missing and may not be pulled, or has no PostgreSQL that Plano can use.
        Conflict: a name, a port, or data belongs to somebody else or to another version.

    """
    observed, settings = seen.observed, seen.settings
    pull = facts.image_id is None or settings.pull.value == "always"
    _refuse_image(seen, facts)
    if not observed.volume and not settings.name.asked:
        _refuse_empty_beside(seen)
    _refuse_apart(seen, facts.storage)
    discard = _worthless(facts.storage) if observed.volume else ""
    if discard:
        observed = observed._replace(container=None, volume=None)
    name = server_name.choose(settings.name, seen.project.slug, seen.project_id, observed.taken)
    port, problems = _port(seen, facts)
    desired = Desired(name, settings.image.value, facts.image_id or "", port, facts.addresses)
    differs = difference.compare(desired, observed)
    if seen.credentials.password is not None:
        password, password_is = seen.credentials.password, "kept"
    elif facts.password:
        password, password_is = facts.password, "recovered (what the server was created with)"
    else:
        password, password_is = credentials.generate_password(), "generated"
    return Plan(differs.action, differs.reasons, desired, pull, discard, password, password_is, problems)


def _port(seen: Seen, facts: Survey) -> tuple[int, tuple[Problem, ...]]:
    have = seen.observed.container
    return port_choice.choose(
        seen.settings.port,
        facts.port_holder,
        own=have.port if have and have.state in ("running", "paused") else None,
        first=facts.first_port,
        user=seen.engine.traits.runs_as,
    )


def _refuse_image(seen: Seen, facts: Survey) -> None:
    image, wording, volume = seen.settings.image.value, seen.engine.wording, seen.observed.volume
    if facts.image_id is None:
        if seen.settings.pull.value == "never":
            raise BadInput(
                "image-missing",
                f"the image `{image}` is missing, and `--pull never` forbids pulling it",
                fix=Fix(Shell("docker pull {}", image), ", or ", Command("up", "--pull", "missing")),
            )
        return
    have = seen.observed.container
    if have and have.image_id == facts.image_id:
        return
    major = facts.image_major
    fault = facts.image_fault
    if major is None:
        fault = "it holds no PostgreSQL"
    elif major < OLDEST_MAJOR:
        fault = f"it holds PostgreSQL {major}, Plano needs {OLDEST_MAJOR} or newer"
    if fault:
        fix = Fix(Command("up", "--image", defaults.IMAGE))
        raise BadInput("image-not-usable", f"cannot use the image `{image}`", why=fault, fix=fix)
    data = facts.storage.major
    if volume and data and data != major and not _worthless(facts.storage):
        raise Conflict(
            "data-of-another-version",
            f"the {wording.data} `{volume.name}` has data of PostgreSQL {data}, `{image}` is PostgreSQL {major}",
            why="PostgreSQL starts only with data of its own major version; nothing was changed",
            fix=Fix.template(wording.other_major.format(major=data)),
        )


def _worthless(storage: Storage) -> str:
    if storage.lost:
        return "was ready once, and is empty now"
    return "" if storage.initialised else "was never ready (an earlier start was interrupted)"


def _refuse_apart(seen: Seen, storage: Storage) -> None:
    """Refuse to replace a server that does not have its data in the volume, or to start one that would not see it."""
    have, volume, image = seen.observed.container, seen.observed.volume, seen.settings.image.value
    if have and (have.data_outside or storage.lost or storage.outside):
        raise data_safety.outside_volume(have, have.data_outside or storage.outside)
    if volume and storage.elsewhere and not _worthless(storage):
        raise Conflict(
            "data-at-another-place",
            f"the image `{image}` would not see the data in the volume `{volume.name}`",
            why=f"it is at `{storage.elsewhere}`, where the image that created it keeps it; a new one would be empty",
            fix=Fix(Command("up", "--image", volume.image or defaults.IMAGE)),
        )


def _refuse_empty_beside(seen: Seen) -> None:
    """Refuse to create an empty database where another one may be this project's."""
    observed, fix = seen.observed, Command("up", "--name", _other_name(seen))
    if observed.namesakes:
        raise _namesake(seen)
    if observed.copies:
        names = ", ".join(f"`{name}`" for name in observed.copies)
        raise Conflict(
            "container-without-volume",
            f"the container {names} has this project's labels, but not its volume",
            why="it is a copy, or its volume has lost its labels; a new database would be empty",
            fix=Fix("where it is a copy, ", fix, " creates a new database beside it"),
        )


def refuse_beside(seen: Seen, foreign: Foreign | None) -> None:
    """Refuse to create an empty database beside one that may hold the conversations.

    Raises:
        Conflict: a Postgres that planodev did not create has the wanted name, and this project has none yet.

    """
    if foreign is None:
        return
    name = seen.settings.name.value
    raise Conflict(
        "database-made-by-hand",
        f"the container `{name}` is a PostgreSQL {foreign.major} that planodev did not create",
        why="it may hold this project's conversations, and a second database would be empty",
        fix=Fix(
            *(Command("up", "--adopt"), " imports its data, user and password; "),
            *(Command("up", "--name", _other_name(seen)), " creates a separate one"),
        ),
    )


def _other_name(seen: Seen) -> str:
    """Return a name for a second database, which nobody has."""
    return server_name.other(seen.settings.name.value, seen.project.slug, seen.project_id, seen.observed.taken)


def _namesake(seen: Seen) -> Conflict:
    names = ", ".join(f"`{volume.name}`" for volume in seen.observed.namesakes)
    return Conflict(
        "data-of-another-checkout",
        f"the {seen.engine.wording.data} {names} was created for another checkout at `{seen.project.path}`",
        why="nothing in this checkout says that the data is its own, and two checkouts never share a database",
        fix=Fix(
            Command("up", "--name", _other_name(seen)),
            " creates a separate database",
        ),
    )
