"""Where the database is that a project's files name: its own, or one that planodev does not run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from planodev.plano import storage
from planodev.plano.environment import variables
from planodev.postgres.connection import LOOPBACK, Connection, host_of
from planodev.problems import VerificationFailed
from planodev.project.credentials import completing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from planodev.look import Seen
    from planodev.plano.config_file import ConfigFile
    from planodev.plano.driver_url import Target
    from planodev.project.credentials import Credentials
    from planodev.project.env_file import EnvFile


class Address(NamedTuple):
    """A database.

    Args:
        connection: host, port, database, role and password.
        file: that names it.
        ours: whether it is the project's own, which planodev runs.

    """

    connection: Connection
    file: Path
    ours: bool


def find(
    env: EnvFile, credentials: Credentials, config: ConfigFile, environment: Mapping[str, str], *, mode: str = "native"
) -> Address:
    """Return the database of `.env`, else the one that the configuration names by itself.

    Args:
        env: the project's `.env`.
        credentials: what that says.
        config: Plano's configuration.
        environment: the process's environment, for variables that the configuration names.
        mode: whose address: `native` for this machine, `docker` for a Plano in a container.

    Raises:
        VerificationFailed: `.env` does not say all that is needed, and the configuration names no database.
        BadInput: the configuration cannot be read, or would send away what is not for its server.

    """
    if not env.missing:
        host = credentials.foreign_host or LOOPBACK
        return Address(connection_of(credentials, host, config), env.path, ours=credentials.foreign_host is None)
    foreign = storage.foreign_target(config.connection_string, None, {**env.values, **environment}, mode)
    if foreign is None:
        raise incomplete(env, credentials)
    keys = [key.name for key in config.keys]
    storage.refuse_to_send(config.connection_string or "", foreign, env, environment, keys)
    return Address(storage.connection_to(foreign), config.path, ours=False)


def connection_of(credentials: Credentials, host: str, config: ConfigFile | None = None) -> Connection:
    """Return the connection that a complete `.env` names, through `host`."""
    options, own = config.options if config else "", credentials.foreign_host is None
    user, password, database = credentials.user or "", credentials.password or "", credentials.database or ""
    return Connection(user, password, host, credentials.port or 0, database, options, own=own)


def incomplete(env: EnvFile, wanted: Credentials) -> VerificationFailed:
    """Return the error for a `.env` that lacks one of the five values."""
    return VerificationFailed(
        "env-file-incomplete",
        env.lacks,
        why=f"`{env.path}` holds the database's address and password",
        fix=completing(env, wanted, env.to_add),
    )


def other_database(seen: Seen) -> Target | None:
    """Return the database that the configuration names where that is not this project's, None where it is."""
    wanted, text, ours = seen.credentials, seen.config.written_string, None
    if wanted.user and wanted.password and wanted.port and wanted.database:
        ours = Connection(wanted.user, wanted.password, host_of(seen.mode), wanted.port, wanted.database)
    given = variables(ours) if ours else {}
    return storage.foreign_target(text, ours, {**seen.env.values, **seen.environment, **given}, seen.mode)
