"""Look once: the project's files, the engine that has or will have its database, and what that engine has now."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planodev import installation
from planodev.deadline import Asking, Deadline
from planodev.engines import LABEL_SCHEMA, choice, hint
from planodev.plano import config_file
from planodev.postgres.by_hand import ByHand
from planodev.postgres.connection import Connection, host_of
from planodev.problems import BadInput, Command, Conflict, Fix, NotReady, Problem
from planodev.project import credentials, defaults, env_file, env_keys, env_kinds, records, settings
from planodev.project.identity import Owner, new_id
from planodev.project.settings import Setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.deadline import Limit
    from planodev.engines import Container, Engine, Observed
    from planodev.problems import PlanodevError
    from planodev.progress import Progress
    from planodev.project.identity import Project


@dataclass(frozen=True, eq=False)
class Context:
    """One run of one command.

    Args:
        project: the directory.
        options: what was typed, by name; None for what was not.
        environment: the process's environment.
        progress: takes messages and questions.
        start: where the user is, for a project that was found above that; None where that is the project itself.
        records: which engine has which project's data, as the user's state directory says.
        settings_file: `planodev.toml`; like the records it is read once, also by a part of the run with other options.
        began: when, by `time.monotonic`.

    """

    project: Project
    options: Mapping[str, Any]
    environment: Mapping[str, str] = field(repr=False)
    progress: Progress
    start: Path | None = None
    records: records.Records = field(default_factory=records.Records, repr=False)
    settings_file: settings.File = field(default_factory=settings.File, repr=False)
    began: float = field(default_factory=time.monotonic, repr=False)

    @property
    def dry_run(self) -> bool:
        """Say whether nothing may be changed."""
        return bool(self.options.get("dry_run"))

    @cached_property
    def sources(self) -> settings.Sources:
        """Where the settings come from."""
        return settings.Sources(self.options, self.environment, self.project.path, self.settings_file)


@dataclass(frozen=True, eq=False)
class Files:
    """What the project's files say.

    Args:
        env: the file with the database's address: `.env`, or planodev's own in its place.
        keys_env: `.env`, the only one that planoai reads provider keys from; None where nothing can be written there.
        credentials: what `env` says of the database.
        settings: those of options, variables, `planodev.toml` and defaults.
        config: Plano's configuration.
        unread: the error for files that `down` could not use and does without; None where all were read.

    """

    env: env_file.EnvFile
    keys_env: env_file.EnvFile | None
    credentials: credentials.Credentials
    settings: settings.Settings
    config: config_file.ConfigFile
    unread: Problem | None = field(default=None, kw_only=True)

    def under(self, context: Context) -> Files:
        """Return the same files with the settings of a run that has other options; nothing is read again."""
        if self.unread:  # `down` works without settings that cannot be read
            return self
        known = context.sources.settings
        return replace(self, settings=_existing(known, self.credentials, self.config, None, {}))


@dataclass(frozen=True, eq=False)
class Seen(Files):
    """What one look has seen.

    Args:
        context: the run.
        project_id: the random id that links the project to its database, see `project.identity`.
        engine: the open engine.
        observed: what it has of this project.
        deadline: the end of all that the command waits for.
        engine_choice: why this engine, and which other one has the project's data.
        ignored: where settings come from that this engine does not have, such as `--image`.
        config_change: what becomes of the configuration, once that is settled; `config` has it already.

    """

    context: Context
    project_id: str
    engine: Engine = field(repr=False)
    observed: Observed
    deadline: Deadline = field(repr=False)
    engine_choice: choice.EngineChoice | None = None
    ignored: tuple[str, ...] = ()
    config_change: config_file.ConfigChange = config_file.UNCHANGED

    @property
    def project(self) -> Project:
        """The project."""
        return self.context.project

    @property
    def environment(self) -> Mapping[str, str]:
        """The process's environment."""
        return self.context.environment

    @cached_property
    def progress(self) -> Progress:
        """What takes messages and questions."""
        return Asking(self.context.progress, self.deadline)

    @property
    def user(self) -> str:
        """The role of Plano: of `.env`, else of the last `up`, else the volume's first one, else `plano`."""
        volume = self.observed.volume
        made_with = (volume.user or volume.superuser) if volume else ""
        return self.credentials.user or (self._last and self._last.user) or made_with or defaults.USER

    @property
    def superuser(self) -> str:
        """The role that initdb made; before there is data, Plano's, which it will make on Docker."""
        return self.observed.volume.superuser if self.observed.volume else self.user

    @property
    def by_hand(self) -> ByHand:
        """How a person runs SQL on this project's server."""
        have = self.observed.container
        psql = self.engine.wording.psql
        return ByHand(hint(psql, have, self.superuser, self.database) if have else "")

    @property
    def database(self) -> str:
        """The database: of `.env`, else of the last `up`, else what the volume was made with, else `plano`."""
        made_with = self.observed.volume.database if self.observed.volume else ""
        known = self.credentials.database or (self._last and self._last.database)
        return known or made_with or defaults.DATABASE

    @cached_property
    def _last(self) -> records.Record | None:
        """What was recorded of this engine's data, for a `.env` that is gone; None where there is no such data."""
        known = self.context.records.find(self.project, self.project_id) if self.observed.volume else None
        ours = known and (known.project, known.engine) == (self.project_id, self.engine.info.name)
        return known if ours else None

    @property
    def mode(self) -> str:
        """Where Plano will run: `docker` or `native`."""
        return self.settings.plano.value

    @property
    def owner(self) -> Owner:
        """What the labels of this project's container and volume say."""
        return Owner(self.project_id, str(self.project.path), self.project.inode)

    @property
    def config_option(self) -> tuple[str, ...]:
        """What `up` needs to create or to see this configuration, such as `("--config", "other.yaml")`."""
        path = self.config.path
        if path == config_file.find(self.project.path, ""):
            return ()
        return ("--config", os.path.relpath(path, self.project.path))

    @property
    def moves(self) -> bool:
        """Whether the project's data is still in another engine, and wanted here."""
        return bool(self.engine_choice and self.engine_choice.data_elsewhere)

    @property
    def move_unfinished(self) -> bool:
        """Whether a move between engines was interrupted."""
        return bool(self.engine_choice and self.engine_choice.move_unfinished)

    @property
    def lost_data(self) -> bool:
        """Whether the project's data was in this engine and is gone, without `down --delete-data`."""
        if self.observed.volume or self.credentials.foreign_host:
            return False
        record = self.context.records.find(self.project, self.env.project_id)
        if record is None:
            return self.env.project_id == self.project_id and not self.env.deleted
        return record.engine == self.engine.info.name

    def connection(self, *, host: str | None = None) -> Connection:
        """Return the connection that `.env` names, as Plano will open it, or through another `host`."""
        wanted = self.credentials
        return Connection(
            self.user,
            wanted.password or "",
            host or host_of(self.mode),
            wanted.port or 0,
            self.database,
            self.config.options,
            own=wanted.foreign_host is None,
        )

    def with_env_files(self) -> Seen:
        """Return it with `.env`, and the file in its place, read again: for where planodev has written one of them."""
        env, keys_env = env_files(self.context, Setting(self.env.path.name, "--dotenv"))
        return replace(self, env=env, keys_env=keys_env)

    @property
    def not_listening(self) -> Problem | None:
        """Why the password must not be sent, as what listens may not be the project's server; None where it is."""
        have, wanted = self.observed.container, self.credentials.port
        if have is None or have.state != "running":
            server = self.engine.wording.server
            why = f"the {server} `{have.name}` is {have.condition}" if have else f"this project has no {server}"
            return Problem("not-running", "Postgres is not running", Fix(Command("up")), why, level="error")
        if have.port != wanted:
            why = f"{env_keys.PORT} in `{self.env.path}` is {wanted}, and the server is at port {have.port}"
            text = f"what listens at {env_keys.PORT} is not this project's server"
            return Problem("not-its-port", text, Fix(Command("up")), why, level="error")
        return None

    @property
    def server(self) -> Container:
        """The server, once it was created or started.

        Raises:
            NotReady: it is gone, as where somebody else has removed it since.

        """
        if self.observed.container is None:
            server = self.engine.wording.server
            raise NotReady(
                "server-stopped",
                f"the {server} of this project is gone",
                why=f"it was created or started a moment ago, and the engine does not list a {server} of this project",
                fix=Fix(Command("up")),
            )
        return self.observed.container

    def again(self) -> Seen:
        """Return what the engine has now; the files were not changed by others meanwhile."""
        return replace(self, observed=self.engine.observe(self.project, self.project_id))


def files(context: Context) -> Files:
    """Read every file of the project and resolve the settings; the first bad input is raised, nothing is changed.

    Raises:
        BadInput: a file or a setting has an invalid value.
        Conflict: `.env` is somebody else's.

    """
    resolved = context.sources.settings
    env, keys_env = env_files(context, resolved.dotenv)
    wanted = credentials.read(env)
    return together(context, env, keys_env, wanted, load_config(context))


def together(
    context: Context,
    env: env_file.EnvFile,
    keys_env: env_file.EnvFile | None,
    wanted: credentials.Credentials,
    config: config_file.ConfigFile,
) -> Files:
    """Return files that were read one by one, with the settings of the run."""
    return Files(env, keys_env, wanted, _existing(context.sources.settings, wanted, config, None, {}), config)


def load_config(context: Context) -> config_file.ConfigFile:
    """Read Plano's configuration.

    Raises:
        BadInput: it cannot be read.

    """
    return config_file.load(config_file.find(context.project.path, context.sources.settings.config.value))


def env_files(context: Context, asked: Setting[str]) -> tuple[env_file.EnvFile, env_file.EnvFile | None]:
    """Read the file with the database's address, and the `.env` for provider keys, None where that cannot be used.

    Args:
        context: the run.
        asked: the setting `dotenv`.

    Raises:
        BadInput: it is of a kind that is not read.
        Conflict: it is somebody else's.

    """
    project, shell = context.project, context.environment
    apart = project.keys_path != project.env_path
    keys_env = None
    if apart:
        with suppress(BadInput):
            keys_env = env_file.load(project.keys_path, shell)
    # The database is described by planodev's own file alone.
    values = keys_env.values if keys_env else {}
    beside = {name: value for name, value in values.items() if name not in env_file.OF_A_DATABASE}
    env = env_file.load(project.env_path, shell, beside)
    error = _judge(context, env, asked=asked.asked)
    if error:
        raise error
    if keys_env and _link(context, keys_env, asked=False):
        keys_env = None
    return env, keys_env if apart else env


def _judge(context: Context, env: env_file.EnvFile, *, asked: bool) -> PlanodevError | None:
    """Return why a file is not taken for the project's, None where it is."""
    if not env.exists:
        return None
    ours = env.project_id is not None
    return _link(context, env, asked=asked) or env_kinds.judge(env.path, env.text, env.written, asked=asked, ours=ours)


def _link(context: Context, env: env_file.EnvFile, *, asked: bool) -> PlanodevError | None:
    project, project_id = context.project, env.project_id
    if env.path.is_symlink():
        of_another = context.records.is_of_another(project, project_id)
    else:
        of_another = context.records.is_linked_by_another(project, project_id)
        if not of_another:
            return None
    ours = project_id is not None
    return env_kinds.judge_link(env.path, project.path, asked=asked, ours=ours, of_another=of_another)


def files_to_stop(context: Context) -> Files:
    """Read what is needed to stop a database: a bad line somewhere must not keep it running."""
    try:
        return files(context)
    except (BadInput, Conflict) as error:
        unread = error.problem
    try:
        env = env_file.load(context.project.env_path)
    except BadInput:
        env = env_file.EnvFile(context.project.env_path, exists=False, lines=())
    nothing = credentials.Credentials(None, None, None, None, None)
    config = config_file.ConfigFile(context.project.path / "config.yaml", None)
    return Files(env, None, nothing, settings.Sources({}, {}, None).settings, config, unread=unread)


def of_timeout(known: settings.Settings, began: float | None = None) -> Deadline:
    """Return the deadline that the setting `timeout` gives; an engine has `LEAST_ENGINE_LIMIT` seconds in any case."""
    return Deadline(max(known.timeout.value, defaults.LEAST_ENGINE_LIMIT), began)


def look(  # noqa: PLR0913  what is known already, and which errors it tolerates
    context: Context,
    engine: Engine | None = None,
    *,
    read: Files | None = None,
    deadline: Deadline | None = None,
    lenient: bool = False,
    patient: bool = False,
) -> Seen:
    """Read the project's files and ask the engine what it has; nothing is changed.

    Args:
        context: the run.
        engine: the engine to look at; default the one that the project's data and settings choose.
        read: the project's files, where this run has read them already, for whatever options.
        deadline: of what the command waits for; default one of `LIMIT` seconds from now.
        lenient: take a file that cannot be read for one that is not there, and do without volumes that nobody lists.
        patient: wait as long as the setting `timeout` says, and `LEAST_ENGINE_LIMIT` at least, from when the run began.

    Raises:
        PlanodevError: no engine answers, or a file has an invalid value.

    """
    project = context.project
    read = read.under(context) if read else (files_to_stop(context) if lenient else files(context))
    if deadline is None:
        deadline = of_timeout(read.settings, context.began) if patient else Deadline(defaults.LIMIT)
    engine_choice, observed = None, None
    if engine is None:
        engine_choice, observed = _choose(context, read, deadline.left, to_stop=lenient)
        engine = engine_choice.engine
    observed = observed or engine.observe(project, _database_id(context, read), to_stop=lenient)
    if not lenient:  # stopping a server does not depend on its labels
        _refuse_newer(observed, engine)
    resolved, ignored = _with_engine(read, engine, observed)
    return Seen(
        env=read.env,
        keys_env=read.keys_env,
        credentials=read.credentials,
        settings=resolved,
        config=read.config,
        unread=read.unread,
        context=context,
        project_id=_project_id(context, read.env.project_id, observed, engine_choice),
        engine=engine,
        observed=observed,
        deadline=deadline,
        engine_choice=engine_choice,
        ignored=ignored,
    )


def _choose(context: Context, read: Files, limit: Limit, *, to_stop: bool) -> tuple[choice.EngineChoice, Observed]:
    """Return the engine of the project, and what it has."""
    project, project_id = context.project, _database_id(context, read)
    follow = "engine" not in context.options
    asked = (read.settings.engine, context.environment, project, project_id)
    chosen = choice.choose(context.records, *asked, follow=follow, limit=limit)
    observed = chosen.engine.observe(project, project_id, to_stop=to_stop)
    if observed.volume is None and not observed.unanswered:
        better = choice.without_data(chosen, *asked, follow=follow, limit=limit)
        if better.engine is not chosen.engine:
            observed = better.engine.observe(project, project_id, to_stop=to_stop)
        chosen = better
    return chosen, observed


def _refuse_newer(observed: Observed, engine: Engine) -> None:
    volume = observed.volume
    if volume and volume.schema > LABEL_SCHEMA:
        raise Conflict(
            "made-by-newer-planodev",
            f"a newer planodev created the {engine.wording.data} `{volume.name}`",
            why=f"its labels have version {volume.schema}, and this planodev knows {LABEL_SCHEMA}",
            fix=Fix(installation.renewing("planodev", Path(sys.prefix), sys.executable)),
        )


def _database_id(context: Context, read: Files) -> str | None:
    """Return the id by which a database is found: of `.env`, or of the record.

    None once that was deleted. An id of another checkout does not count: once that was moved, only its record says
    so, as the labels in the engine have its old path.
    """
    if read.env.deleted:
        return None
    project_id = read.env.project_id
    foreign = context.records.is_of_another(context.project, project_id)
    return context.records.id_of(context.project, None if foreign else project_id)


def _with_engine(read: Files, engine: Engine, observed: Observed) -> tuple[settings.Settings, tuple[str, ...]]:
    """Return the settings with what the engine has and decides, and the sources of those that it has no use for."""
    fixed = _fixed(engine, observed)
    found = _existing(read.settings, read.credentials, read.config, observed, fixed)
    if "image" not in fixed:
        return found, ()
    # An engine without images brings its own PostgreSQL.
    found = found._replace(image=Setting(*fixed["image"]), pull=Setting("missing", "default"))
    images = (read.settings.image, read.settings.pull)
    return found, tuple(setting.source for setting in images if setting.asked)


def _fixed(engine: Engine, observed: Observed) -> dict[str, tuple[Any, str]]:
    """Return the settings that only the engine decides, as (value, source); a server that is there keeps its name."""
    name = {"name": observed.container.name} if observed.container else {}
    fixed = engine.traits.fixed
    return {key: (name.get(key, value), choice.title(engine.info.name)) for key, value in fixed.items()}


def _project_id(
    context: Context, project_id: str | None, observed: Observed, engine_choice: choice.EngineChoice | None
) -> str:
    """Return the project's id: of its database, else of `.env`, else a new one."""
    if engine_choice and engine_choice.data_elsewhere:
        return engine_choice.project_id
    known = observed.volume or observed.container
    if known:
        return known.owner.project_id
    # A `.env` copied from another checkout has the id of that project: this one gets one of its own.
    free = project_id not in observed.projects and not context.records.is_of_another(context.project, project_id)
    return project_id if project_id and free else new_id()


def _existing(
    resolved: settings.Settings,
    wanted: credentials.Credentials,
    config: config_file.ConfigFile,
    observed: Observed | None,
    fixed: Mapping[str, tuple[Any, str]],
) -> settings.Settings:
    """Lay what the project already has under what was asked for; what only the engine decides is left to it."""
    has: dict[str, tuple[Any, str]] = {}
    if wanted.file != env_file.NAME:
        has["dotenv"] = (wanted.file, wanted.file)
    if config.literal_port:
        has["port"] = (config.literal_port, config.path.name)
    if observed and observed.volume and observed.volume.image:
        has["image"] = (observed.volume.image, "the volume's label")
    if observed and observed.volume and observed.volume.plano:
        has["plano"] = (observed.volume.plano, "the volume's label")
    if observed and observed.container:
        have = observed.container
        has["name"] = (have.name, "the container")
        has["image"] = (have.image, "the container's label")
        if have.plano:
            has["plano"] = (have.plano, "the container's label")
        if have.port:
            has["port"] = (have.port, "the container")
    if wanted.port:
        has["port"] = (wanted.port, wanted.file)
    if wanted.plano:
        has["plano"] = (wanted.plano, wanted.file)
    has |= fixed
    kept = {name: Setting(*value) for name, value in has.items() if not getattr(resolved, name).asked}
    return resolved._replace(**kept)


def remember(seen: Seen) -> None:
    """Note which engine has the project's data, for the day when that engine is down."""
    volume, engine = seen.observed.volume, seen.engine.info.name
    if volume:
        path, inode = str(seen.project.path), seen.project.inode
        known = seen.context.records.find(seen.project, seen.project_id) if seen.move_unfinished else None
        left = [name if name != engine else "" for name in (known.moving_to, known.remains)] if known else ["", ""]
        where = records.Record(seen.project_id, path, inode, engine, volume.name, *left)
        seen.context.records.write(where._replace(user=seen.user, database=seen.database))


def forget(seen: Seen) -> None:
    """Note that the project's data was deleted, so that the next database may be anywhere.

    `.env` says it, or a record where that cannot be written; otherwise a project without data has no record.
    """
    from planodev.project import notes

    unread = not seen.env.exists and os.path.lexists(seen.env.path)  # see `files_to_stop`
    try:
        if seen.env.project_id:
            seen.env.without_database().write()
    except BadInput:
        unread = True
    if unread:
        deleted = records.Record(seen.project_id, str(seen.project.path), seen.project.inode, "", "")
        seen.context.records.write(deleted)
    else:
        seen.context.records.remove(seen.project_id)
    notes.remove(seen.project_id, seen.project.path, [seen.config.path])
