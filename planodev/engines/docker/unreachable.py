"""Why a Plano in a container does not get to a port that this engine publishes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.engines.docker import podman
from planodev.engines.docker.engine import DockerEngine
from planodev.problems import Command, Fix, Problem

if TYPE_CHECKING:
    from planodev.engines import Engine


def explain(engine: Engine, problem: Problem) -> Problem:
    """Return a problem with what is known of rootless Podman, the same one on every other engine."""
    if not isinstance(engine, DockerEngine) or not podman.is_podman(engine.api.version()):
        return problem
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
