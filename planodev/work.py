"""What one run of `up` knows; the steps read it and hand on what they found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from planodev.engines import choice
from planodev.plano import config_file
from planodev.postgres.connection import Connection, host_of
from planodev.problems import BadInput
from planodev.project import credentials, env_file, records, settings
from planodev.project.identity import new_id
from planodev.project.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.engines import Container, Engine, Observed, Volume
    from planodev.engines.choice import EngineChoice
    from planodev.postgres.proof import Evidence
    from planodev.problems import Fix
    from planodev.progress import Progress
    from planodev.project.identity import Project
    from planodev.result import Outcome
    from planodev.steps.access import Ahead


@dataclass
class Work:
    """The state of a run: what the project has, what the engine has, what is wanted.

    `password` is None until a step has found or made one; `ahead` is table and proof on their way; `proved` holds
    the evidence of a proof that has already passed in this run, `elsewhere` the server that `verify` proved instead,
    `first` what is to be done before Plano can start;
    `engine_choice` is why this engine, and which other one has the project's data.
    """

    project: Project
    progress: Progress
    options: Mapping[str, Any]
    environment: Mapping[str, str]
    env: env_file.EnvFile
    wanted: credentials.Credentials
    settings: settings.Settings
    config: config_file.ConfigFile
    project_id: str
    engine: Engine = field(repr=False)
    observed: Observed
    container: Container | None = None
    volume: Volume | None = None
    password: str | None = field(default=None, repr=False)
    password_is: str = ""
    port: int = 0
    superuser: str = ""
    ahead: Ahead | None = None
    proved: Evidence | None = None
    elsewhere: Connection | None = None
    first: list[Fix | str] = field(default_factory=list)
    dry_run: bool = False
    engine_choice: EngineChoice | None = None

    @property
    def user(self) -> str:
        """The role that Plano enters as: `.env`, else what the volume was made with, else `plano`."""
        made_with = (self.volume.user or self.volume.superuser) if self.volume else ""
        return self.wanted.user or made_with or credentials.DEFAULT_USER

    @property
    def database(self) -> str:
        """The database: `.env`, else what the volume was made with, else `plano`."""
        return self.wanted.database or (self.volume.database if self.volume else "") or credentials.DEFAULT_DATABASE

    @property
    def mode(self) -> str:
        """Where Plano will run: `docker` or `native`."""
        return self.settings.plano.value

    @property
    def lost_data(self) -> bool:
        """Whether this engine has no data of the project any more that `down --delete-data` did not delete."""
        if self.observed.volume or self.wanted.foreign_host:
            return False
        record = records.find(self.project, self.env.project_id)
        if record is None:
            return self.env.project_id == self.project_id
        return record.engine == self.engine.info.name

    def connection(self, *, host: str | None = None) -> Connection:
        """Return the way in as Plano will see it, or from another place with `host`."""
        assert self.password is not None  # noqa: S101  the container step runs first
        return Connection(
            self.user, self.password, host or host_of(self.mode), self.port, self.database, self.config.options
        )

    def have(self) -> Container:
        """Return the container, which the steps after the one that starts it can rely on."""
        assert self.container is not None  # noqa: S101
        return self.container


class Step(Protocol):
    """One thing that planodev does. It counts as failed until it returns."""

    title: str

    def run(self, work: Work) -> Outcome:
        """Look, compare, act, and say what was done; in a dry run only say what would be done."""
        ...


def read_project(
    project: Project, options: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[env_file.EnvFile, credentials.Credentials, settings.Settings, config_file.ConfigFile]:
    """Read every file of the project and resolve the settings; the first bad input is raised, nothing is changed."""
    env = env_file.load(project.env_path)
    wanted = credentials.read(env)
    chosen = settings.resolve(options, environment, project.path, had(wanted, None))
    config = config_file.load(config_file.find(project.path, chosen.config.value))
    return env, wanted, chosen, config


def read_leniently(
    project: Project,
) -> tuple[env_file.EnvFile, credentials.Credentials, settings.Settings, config_file.ConfigFile]:
    """Read what is needed to stop a database: a bad line somewhere must not keep it running."""
    try:
        return read_project(project, {}, {})
    except BadInput:
        pass
    try:
        env = env_file.load(project.env_path)
    except BadInput:
        env = env_file.EnvFile(project.env_path, exists=False, lines=())
    nothing = credentials.Credentials(None, None, None, None, None)
    chosen = settings.resolve({}, {}, None, {})
    return env, nothing, chosen, config_file.ConfigFile(project.path / "config.yaml", None)


def had(
    wanted: credentials.Credentials, observed: Observed | None, decided: Mapping[str, tuple[Any, str]] | None = None
) -> dict[str, tuple[Any, str]]:
    """Return the settings that the project already has, with where each stands; what the engine decides leads."""
    found: dict[str, tuple[Any, str]] = {}
    if observed and observed.volume and observed.volume.image:
        found["image"] = (observed.volume.image, "the volume's label")
    if observed and observed.container:
        have = observed.container
        found["name"] = (have.name, "the container")
        found["image"] = (have.image, "the container's label")
        if have.port:
            found["port"] = (have.port, "the container")
    if wanted.port:
        found["port"] = (wanted.port, ".env")
    if wanted.plano:
        found["plano"] = (wanted.plano, ".env")
    return {**found, **(decided or {})}


def prepare(  # noqa: PLR0913  the three after the project always travel together
    project: Project,
    options: Mapping[str, Any],
    environment: Mapping[str, str],
    progress: Progress,
    engine: Engine | None = None,
    *,
    lenient: bool = False,
    patient: bool = False,
) -> Work:
    """Read the project's files, ask the engine what is there, and resolve the settings; nothing is changed.

    Args:
        project: which one.
        options: what was typed, by name.
        environment: the process's environment.
        progress: who is told.
        engine: one that is open already.
        lenient: take a bad line in a file for one that is not there.
        patient: give the engine as long for an answer as the setting `timeout` says.

    Raises:
        PlanodevError: no engine answers, or a file says something that cannot be right.

    """
    read = read_leniently(project) if lenient else read_project(project, options, environment)
    env, wanted, chosen, config_file = read
    opened = None
    if engine is None:
        follow = "engine" not in options
        limit = max(chosen.timeout.value, settings.LEAST_ENGINE_LIMIT) if patient else settings.ENGINE_LIMIT
        opened = choice.choose(chosen.engine, environment, project, env.project_id, follow=follow, limit=limit)
        engine = opened.engine
    observed = engine.observe(project, env.project_id)
    known = observed.volume or observed.container
    # A copy of another checkout's `.env` brings that one's number along: this project gets its own.
    free = not _number_in_use(env.project_id, engine) and not records.is_of_another(project, env.project_id)
    number = known.owner.id if known else (env.project_id if free else None)
    if opened and opened.data_elsewhere and (record := records.find(project, env.project_id)):
        number = record.project
    mine = had(wanted, observed, engine.decides())
    return Work(
        project=project,
        progress=progress,
        options=options,
        environment=environment,
        env=env,
        wanted=wanted,
        settings=chosen if lenient else settings.resolve(options, environment, project.path, mine),
        config=config_file,
        project_id=number or new_id(),
        engine=engine,
        observed=observed,
        dry_run=bool(options.get("dry_run")),
        engine_choice=opened,
    )


def remember(run: Work) -> None:
    """Note which engine has the project's data, for the day when that engine is down."""
    if run.volume and not run.dry_run:
        path, inode = str(run.project.path), run.project.inode
        records.write(Record(run.project_id, path, inode, run.engine.info.name, run.volume.name))


def forget(run: Work) -> None:
    """Note that the project's data was deleted, so that the next database may be anywhere."""
    path, inode = str(run.project.path), run.project.inode
    records.write(Record(run.project_id, path, inode, "", ""))


def _number_in_use(number: str | None, engine: Engine) -> bool:
    return number is not None and number in engine.projects()
