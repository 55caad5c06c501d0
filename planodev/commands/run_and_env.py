"""`planodev env` and `planodev run`: the database's variables, printed or given to a command."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from planodev import address
from planodev.look import Context, files, look
from planodev.plano import config_file, planoai, storage
from planodev.plano import environment as plano_environment
from planodev.postgres.connection import DOCKER_HOST_NAME, LOOPBACK, host_of
from planodev.problems import BadInput, Problem
from planodev.project import env_file, env_keys, settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from planodev.postgres.connection import Connection
    from planodev.progress import Progress
    from planodev.project.credentials import Credentials
    from planodev.project.env_file import EnvFile


@dataclass(frozen=True)
class Launch:
    """A command, ready to be started: where, and with which environment."""

    command: tuple[str, ...]
    directory: Path
    environment: dict[str, str] = field(repr=False)


def env(context: Context) -> dict[str, str]:
    """Return the variables for a Plano in the mode of `--plano`, by default in the project's mode.

    Args:
        context: with the option `plano`.

    Raises:
        PlanodevError: `.env` is not complete, or says something that cannot be right.

    """
    read = files(context)
    connection = _connection(read.env, read.credentials, read.settings.plano.value)
    config = _if_readable(read.config)
    _tell_held_back(read.env, config, context.progress)
    return plano_environment.of(connection, read.env, config, context.environment)


def run(context: Context, command: Sequence[str]) -> Launch:
    """Prepare a command, and for `planoai up` check what would keep Plano from starting or storing.

    Args:
        context: with the option `plano`. The command runs where the user is; a Plano in the project's directory, unless
            there is a configuration for it where the user is.
        command: program and arguments.

    Raises:
        PlanodevError: Plano would not start, or would not store; or `.env` is not complete.

    """
    options, environment, progress = context.options, context.environment, context.progress
    directory = context.start or context.project.path
    start = planoai.start(command, directory)
    if start and not start.config.exists():
        directory = context.project.path
        start = planoai.start(command, directory)
    read = files(replace(context, options={}))
    found, wanted, config = read.env, read.credentials, read.config
    if not start:
        config = _if_readable(config)
    # A process of this machine uses this machine's address; only `planoai up --docker` runs Plano in a container.
    asked = options.get("plano") and settings.Sources(options, {}, None).one("plano").value
    mode = asked or (start.mode if start else "native")
    if start and start.config != config.path:
        config = config_file.load(start.config)
    own = start and storage.foreign_target(config.connection_string, None, {**found.values, **environment}, mode)
    connection = None if own and found.missing else _connection(found, wanted, mode)
    added = plano_environment.of(connection, found, config, environment)
    _tell_held_back(found, config, progress)
    overruled = _overruled(added, environment, found.path.name)
    if overruled:
        progress.notice(overruled)
    if start:
        from planodev.gateway import start as gateway_start
        from planodev.steps import before_plano

        in_mode = replace(context, options={"plano": mode})
        seen = look(in_mode, read=read)
        try:
            before_plano.check(replace(seen, config=config))
        finally:
            seen.engine.close()
        added[gateway_start.STAMP] = gateway_start.stamp(config, {**environment, **added})
    return Launch(tuple(command), directory, {**environment, **added})


def _tell_held_back(env: EnvFile, config: config_file.ConfigFile, progress: Progress) -> None:
    names = plano_environment.held_back(env, config)
    if names:
        file = env.path.name if names[0] in env.written else env_file.NAME
        text = f"{', '.join(names)} of `{file}` is not passed on, because it decides which code a program runs"
        fix = f"set {names[0]} in the shell if you mean it, or rename it in `{file}` and in the configuration"
        progress.notice(Problem("variable-held-back", text, fix))


def _overruled(added: Mapping[str, str], environment: Mapping[str, str], file: str) -> Problem | None:
    """Return a warning where the shell has other values than the command gets."""
    # `planodev env` prints either mode's address for the shell, so neither is worth a warning.
    fine = {env_keys.HOST: (DOCKER_HOST_NAME, LOOPBACK, "localhost")}
    names = [
        name for name in env_keys.ALL if environment.get(name) not in (None, "", added.get(name), *fine.get(name, ()))
    ]
    if not names:
        return None
    values = "another value" if len(names) == 1 else "other values"
    text = f"the shell has {values} for {', '.join(names)}; the command gets what `{file}` has"
    return Problem("shell-overruled", text, f"`unset {' '.join(names)}`")


def _if_readable(config: config_file.ConfigFile) -> config_file.ConfigFile:
    """Return the configuration, without its text where it cannot be parsed: only Plano itself needs it."""
    try:
        _ = config.content
    except BadInput:
        return replace(config, text=None)
    return config


def _connection(env: EnvFile, known: Credentials, mode: str) -> Connection:
    if env.missing:
        raise address.incomplete(env, known)
    return address.connection_of(known, known.foreign_host or host_of(mode))
