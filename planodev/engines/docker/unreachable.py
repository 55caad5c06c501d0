"""Why a Plano in a container, or planodev itself in one, does not get to a port that this engine publishes."""

from __future__ import annotations

import socket
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from planodev.engines.docker import podman
from planodev.engines.docker.engine import DockerEngine
from planodev.problems import Command, Conflict, Fix, Problem, Shell

if TYPE_CHECKING:
    from planodev.engines import Engine


_SILENT = "unreachable"  # the code where nothing answers at all
_AROUND = (
    "planodev runs in a container, such as a devcontainer, and the engine is that of the machine around it: "
    "127.0.0.1 is the container here, and Postgres listens on the machine"
)


_HOST_NETWORK = "give the container the machine's network: `--network=host`, in `runArgs` of devcontainer.json"


def is_around(engine: Engine) -> bool:
    """Say whether planodev is in a container, and was given the engine of the machine around it.

    An engine that runs in the same container calls itself by the name of that; so does one whose network it shares,
    and then 127.0.0.1 is the machine's. Source: Docker's API, `GET /info`, `Name`.
    """
    from planodev.engines import failures

    if not isinstance(engine, DockerEngine) or not engine.info.local or failures.this_system() != "container":
        return False
    return _machine_of(engine) not in ("", socket.gethostname())


@cache  # asked at every login attempt
def _machine_of(engine: DockerEngine) -> str:
    return str(engine.api.info().get("Name") or "")


def from_around(problem: Problem, engine: Engine) -> Problem:
    """Return a problem of planodev's own way to the database with what is known of where the two are."""
    if problem.code not in (_SILENT, "connection-refused") or not is_around(engine):
        return problem
    return replace(problem, why=_AROUND, fix=f"type it on the machine itself; or {_HOST_NETWORK}")


def reaches_native(engine: Engine) -> bool:
    """Say whether a native Plano reaches what the engine publishes."""
    return engine.info.local and not is_around(engine)


def refuse_native(engine: Engine) -> None:
    """Refuse a native Plano that could not reach what the engine publishes.

    Raises:
        Conflict: the engine is on another machine, or on the one around this container.

    """
    if reaches_native(engine):
        return
    if engine.info.local:
        why: str = _AROUND
        ways = Fix(
            *(Command("up", "--plano", "docker"), "; or "),
            *(
                Command("up", "--engine", "embedded", "--plano", "native"),
                ", with Postgres in this container; or ",
            ),
            _HOST_NETWORK,
        )
    else:
        why = f"the engine at `{engine.info.endpoint}` is on another machine, and publishes on that one's loopback"
        ways = Fix(Command("up", "--plano", "docker"), ", or an engine on this machine (`docker context use default`)")
    message = "a native Plano could not reach this database"
    raise Conflict("native-needs-local-engine", message, why=why, fix=ways)


def explain(engine: Engine, problem: Problem, port: int) -> Problem:
    """Return a problem with what is known of the engine's network.

    Args:
        engine: that publishes the port.
        problem: why Plano's container does not get there.
        port: on this machine.

    """
    if not isinstance(engine, DockerEngine):
        return problem
    if not podman.is_podman(engine.api.version()):
        from planodev.engines import failures

        here = engine.info.local and failures.this_system() in ("linux", "wsl", "container")
        return _behind_firewall(problem, port) if here and problem.code == _SILENT else problem
    if not podman.is_rootless(engine.api.info()):
        return problem
    why = (
        "rootless Podman resolves host.docker.internal to an address of the host's network, "
        "and Postgres listens on 127.0.0.1 only, so that the network cannot reach it"
    )
    # Source: passt(1), `--map-host-loopback`; containers.conf(5), `pasta_options`.
    option = 'pasta_options = ["--map-host-loopback", "169.254.1.2"]'
    fix = Fix(Command("up", "--plano", "native"), f"; or put `{option}` under `[network]` in containers.conf")
    return replace(problem, why=why, fix=fix)


def _behind_firewall(problem: Problem, port: int) -> Problem:
    """Return the problem of a machine on which a packet of a container to the machine itself is dropped in silence.

    Source: https://docs.docker.com/engine/network/packet-filtering-firewalls/, "Docker and ufw": a port that is reached
    through the bridge's own gateway is the machine's, and passes its INPUT chain.
    """
    why = "a firewall of this machine, such as ufw or firewalld, drops what containers send to it"
    allow = Shell("sudo ufw allow in on docker0 to any port {} proto tcp", port)
    fix = Fix("let containers in: ", allow, "; or ", Command("up", "--plano", "native"))
    return replace(problem, why=why, fix=fix)
