"""Which engine a project gets: the one that has its data, and never an empty database beside data that exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from planodev.problems import Command, Fix, NoEngine
from planodev.project import records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.engines import Engine
    from planodev.project.identity import Project
    from planodev.project.settings import Setting

NAMES = {"docker": "Docker", "embedded": "the embedded engine"}


@dataclass(frozen=True)
class Choice:
    """An open engine.

    Args:
        engine: the chosen one.
        data_in: the name of another one that has the project's data, "" where none has.
        unfinished: whether a move from one to the other was ended in the middle.

    """

    engine: Engine
    data_in: str = ""
    unfinished: bool = False


def choose(  # noqa: PLR0913  who is asked, for whom, and how
    wanted: Setting[str],
    environment: Mapping[str, str],
    project: Project,
    env_id: str | None,
    *,
    follow: bool,
    limit: float,
) -> Choice:
    """Return the engine to use, connected.

    Args:
        wanted: `auto`, `docker` or `embedded`.
        environment: for DOCKER_HOST and its like.
        project: whose data counts.
        env_id: the number in its `.env`.
        follow: take the engine that has the data, whatever is wanted; only `up` moves data.
        limit: seconds for one exchange with an engine.

    Raises:
        NoEngine: none answers, or the one that has the data does not; says which fixes fit.

    """
    record = records.find(project, env_id)
    sure = record is not None
    has = (record and record.engine) or _embedded_has(project, env_id)
    unfinished = bool(record and (record.moving_to or record.remains))
    name = has or "auto" if follow else wanted.value
    if name == "auto" and not has:
        return Choice(_first_that_answers(environment, project, env_id, limit, sure=sure))
    if name == "auto":
        name, why = has, "it has this project's data"
    else:
        why = f"from {wanted.source}" if not follow else "it has this project's data"
    engine = _open(name, environment, project, has, record.place if record else "", limit=limit)
    engine.why = why
    if not has and name == "embedded" and _docker_has(environment, project, env_id, limit):
        has = "docker"
    return Choice(engine, has if has and has != name else "", unfinished)


def other(name: str, environment: Mapping[str, str], project: Project, env_id: str | None, limit: float) -> Engine:
    """Return the engine that has the data which is to be moved; `limit` is as for `choose`.

    Raises:
        NoEngine: it does not answer.

    """
    record = records.find(project, env_id)
    return _open(name, environment, project, name, record.place if record else "", limit=limit)


def _embedded_has(project: Project, env_id: str | None) -> str:
    from planodev.engines import embedded

    return "embedded" if embedded.has_data(project, env_id) else ""


def _open(  # noqa: PLR0913  see `choose`
    name: str, environment: Mapping[str, str], project: Project, has: str, place: str, *, limit: float
) -> Engine:
    try:
        if name == "embedded":
            from planodev.engines import embedded

            return embedded.connect(project)
        from planodev.engines import docker

        return docker.connect(environment, limit)
    except NoEngine as error:
        if name != has:
            raise
        there = f"{NAMES[name]}, in `{place}`" if place else NAMES[name]
        here = f"this project's data is in {there}; a second database would be empty"
        raise NoEngine(error.code, error.message, why=_and(error.why, here), fix=error.fix) from error


def _first_that_answers(
    environment: Mapping[str, str], project: Project, env_id: str | None, limit: float, *, sure: bool
) -> Engine:
    """Return Docker where it answers, else the embedded engine where it is installed."""
    from planodev.engines import docker

    engine: Engine
    try:
        engine = docker.connect(environment, limit)
    except NoEngine as error:
        # One that was named and cannot be used is an error; no other is taken in its place.
        named = environment.get("DOCKER_HOST") or environment.get("DOCKER_CONTEXT") or error.code == "no-context"
        from planodev.engines import embedded, embedded_program

        if embedded_program.find() is None:
            raise _both_ways_out(error, embedded.INSTALL, named=bool(named)) from error
        if named:
            raise
        if env_id and not sure and not records.is_of_another(project, env_id):
            text = "`.env` has the number of a database that is not an embedded one: it may be in Docker"
            fix = (error.fix or "") + Fix("; ", Command("up", "--engine", "embedded"), " creates a new, empty one")
            raise NoEngine(error.code, error.message, why=_and(error.why, text), fix=fix) from error
        engine = embedded.connect(project)
        engine.why = f"without Docker: {error.message}"
        return engine
    engine.why = "it answers"
    return engine


def _both_ways_out(error: NoEngine, install: str, *, named: bool) -> NoEngine:
    then = Command("up", "--engine", "embedded") if named else Command("up")
    fix = (error.fix or "") + Fix(f"; or {install}, which needs no Docker, then ", then)
    return NoEngine(error.code, error.message, why=error.why, fix=fix)


def _docker_has(environment: Mapping[str, str], project: Project, env_id: str | None, limit: float) -> bool:
    """Say whether a Docker that answers has data of this project; one that does not answer was asked to be left out."""
    from planodev.engines import docker

    try:
        return docker.connect(environment, limit).observe(project, env_id).volume is not None
    except NoEngine:
        return False


def _and(why: str | None, more: str) -> str:
    return f"{why}; {more}" if why else more
