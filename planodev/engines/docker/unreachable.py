"""Why a Plano in a container does not get to a port that this engine publishes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.engines.docker import podman
from planodev.engines.docker.engine import DockerEngine
from planodev.problems import Command, Fix, Problem, Shell

if TYPE_CHECKING:
    from planodev.engines import Engine


_SILENT = "unreachable"  # the code where nothing answered, and nothing refused


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

        here = engine.info.local and failures.this_system() == "linux"
        return _behind_firewall(problem, port) if here and problem.code == _SILENT else problem
    if not podman.is_rootless(engine.api.info()):
        return problem
    why = (
        "rootless Podman leads host.docker.internal to an address of the host's network, "
        "and Postgres listens on 127.0.0.1 alone, so that the network around cannot reach it"
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
