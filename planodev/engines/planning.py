"""What has to change so that the engine has the database that `up` wants: pure decisions, each with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from planodev.postgres.connection import LOOPBACK
from planodev.problems import Command, Conflict, Fix, Problem, Shell
from planodev.project import defaults

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from planodev.engines import Container, Desired, Observed, Volume
    from planodev.problems import Level
    from planodev.project.settings import Setting

# Ports that Plano and its parts take, so that the database never gets in their way.
# Source: planoai 0.4.39 `native_runner.py` and `docker_cli.py`; 8000 is the default template's agent listener.
PLANO_PORTS = frozenset({8000, 9901, 19901, 9091, 9092, 10000, 10001, 10510, 11000, 12000, 12001})
# PostgreSQL numbers the files of its own catalogues below this, all others from here on (`FirstNormalObjectId`).
FIRST_OWN = 16384


class Plan(NamedTuple):
    """What to do about the container; `reasons` say why, with both values."""

    action: Literal["unchanged", "start", "create", "replace"]
    reasons: tuple[str, ...] = ()


def plan(desired: Desired, observed: Observed) -> Plan:
    """Compare what is wanted with what was observed."""
    have = observed.container
    if have is None:
        return Plan("create", ("its container is gone, its data is kept",) if observed.volume else ())
    reasons = tuple(_differences(desired, have, observed.volume))
    if reasons:
        return Plan("replace", reasons)
    return Plan("unchanged") if have.state == "running" else Plan("start", (have.state,))


def _differences(desired: Desired, have: Container, volume: Volume | None) -> Iterator[str]:
    if have.name != desired.name:
        yield f"its name changes from `{have.name}` to `{desired.name}`"
    if have.image != desired.image:
        yield f"its image changes from `{have.image}` to `{desired.image}`"
    elif have.image_id != desired.image_id:
        yield f"`{desired.image}` is now {desired.image_id[7:19]}, and it runs {have.image_id[7:19]}"
    if have.port != desired.port:
        yield f"its port changes from {have.port} to {desired.port}"
    elif set(have.addresses) != set(desired.addresses):
        yield f"its addresses change from {', '.join(have.addresses) or 'none'} to {', '.join(desired.addresses)}"
    if volume is None or have.volume != volume.name:
        yield (
            "its volume is gone"
            if have.volume is None
            else f"it uses volume `{have.volume}`, which is not this project's"
        )
    if have.state in ("dead", "removing"):
        yield f"its state is {have.state}"
    elif have.state == "created":
        yield "it was created and never started"


def choose_name(wanted: Setting[str], slug: str, project_id: str, taken: Mapping[str, str]) -> str:
    """Return the container's name: the wanted one, else one with the project's name in it.

    Raises:
        Conflict: the name was asked for, and another container has it.

    """
    if wanted.value not in taken:
        return wanted.value
    longer = other_name(wanted.value, slug, project_id, taken)
    if wanted.asked:
        raise Conflict(
            "name-taken",
            f"the name `{wanted.value}` is taken",
            why=taken[wanted.value],
            fix=Fix(Command("up", "--name", longer), f" (the taken name is from {wanted.source})"),
        )
    return longer


def other_name(wanted: str, slug: str, project_id: str, taken: Collection[str]) -> str:
    """Return a name with the project's own in it, and with its number where somebody has that one as well."""
    longer = f"{wanted}-{slug}"
    return longer if longer not in taken else f"{longer}-{project_id[:6]}"


def choose_port(wanted: Setting[int], holder: Callable[[int], str | None]) -> tuple[int, str | None]:
    """Return a free port and, where it is not the wanted one, who holds that.

    Args:
        wanted: the first one to try.
        holder: says who listens at a port, None when it is free.

    Raises:
        Conflict: the port was asked for and is taken, or no free one was found among the next hundred.

    """
    first = holder(wanted.value)
    if first is None:
        return wanted.value, None
    free = next_free(wanted.value, holder)
    if wanted.asked or free is None:
        raise Conflict(
            "port-taken",
            f"port {wanted.value} is taken",
            why=f"held by {first}",
            fix=Fix(Command("up", "--port", free)) if free else Fix(Command("up", "--port", "N"), " with a free port"),
        )
    return free, first


def privileged(port: int, user: str, first: int, free: int) -> Conflict:
    """Return the error for a port that only root's programs may listen at.

    Args:
        port: that one.
        user: whom the server runs as.
        first: the lowest port that this user may have.
        free: one that could be used instead.

    """
    return Conflict(
        "port-privileged",
        f"the server cannot listen on port {port}",
        why=f"ports below {first} need root, and the server runs as `{user}`",
        fix=Fix(Command("up", "--port", free)),
    )


def next_free(taken: int, holder: Callable[[int], str | None]) -> int | None:
    """Return the first free port of the hundred behind one, without Plano's own; None where all are taken."""
    following = (port for port in range(taken + 1, min(taken + 101, 65536)) if port not in PLANO_PORTS)
    return next((port for port in following if holder(port) is None), None)


def published_addresses(plano: str, *, native_linux: bool, rootless: bool, gateway: str | None) -> tuple[str, ...]:
    """Return where to publish so that Plano reaches the port and the network around does not.

    A container reaches `host.docker.internal` through the bridge gateway on native Linux, where a port that is
    published on 127.0.0.1 alone refuses it (seen on Docker Engine 20.10). Docker Desktop, Colima, OrbStack,
    Rancher Desktop, Podman machine and rootless engines hand that name's connections to the host's own loopback,
    and have no gateway address on the host to publish on.

    Args:
        plano: `docker` or `native`.
        native_linux: whether the engine runs on its host's own kernel, not in a virtual machine of a desktop.
        rootless: whether its network is in a user namespace.
        gateway: the address of the default bridge on the engine's host, where it is known.

    """
    if plano == "docker" and native_linux and not rootless and gateway:
        return (LOOPBACK, gateway)
    return (LOOPBACK,)


def two_servers(observed: Observed, level: Level = "error") -> Problem | None:
    """Return the problem of PostgreSQL in another container over the project's volume, None where there is none."""
    if not observed.other_server or not observed.volume:
        return None
    message = f"another container runs PostgreSQL over this project's data: `{observed.other_server}`"
    why = f"both would write into the volume `{observed.volume.name}`, and two servers destroy their data"
    return Problem(
        "data-in-use",
        message,
        Fix(Shell("docker stop {}", observed.other_server), ", then ", Command("up")),
        why,
        level,
    )


def outside_volume(server: Container, data: str) -> Conflict:
    """Return the error for a server whose data is not in its volume: nothing may replace or remove it.

    Args:
        server: the container.
        data: where the data is, "" where that is not known.

    """
    where = f"it is at `{data}`, and" if data else "the volume is empty, and the data"
    return Conflict(
        "data-outside-volume",
        f"the container `{server.name}` does not keep its data in its volume `{server.volume}`",
        why=f"{where} would be lost with the container; nothing was changed",
        fix=Fix(
            *(Shell("docker start {}", server.name), ", then ", Command("snapshot", "save"), ", "),
            *(Command("down", "--delete-data"), ", ", Command("up", "--image", defaults.IMAGE), " and "),
            *(Command("snapshot", "restore"), " bring its conversations into a volume"),
        ),
    )
