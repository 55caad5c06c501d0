"""The environment of Plano, and of any other program that uses its database.

planoai does not take DB_* from `.env` (0.4.39 `utils.py:209-225` looks for a key that its own schema forbids), and
takes provider keys from nowhere else. So DB_* have to stand in the environment, and the keys in both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev import executables
from planodev.plano import providers, storage
from planodev.postgres.connection import encode_password
from planodev.project import env_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.plano.config_file import ConfigFile
    from planodev.postgres.connection import Connection
    from planodev.project.env_file import EnvFile

URL = "DATABASE_URL"


def variables(connection: Connection) -> dict[str, str]:
    """Return the five DB_* variables; DB_PASS is percent-encoded, as Plano's connection string needs it."""
    return {
        env_keys.USER: connection.user,
        env_keys.PASSWORD: encode_password(connection.password),
        env_keys.HOST: connection.host,
        env_keys.PORT: str(connection.port),
        env_keys.DATABASE: connection.database,
    }


def of(connection: Connection | None, env: EnvFile, config: ConfigFile, shell: Mapping[str, str]) -> dict[str, str]:
    """Return what is added to the shell's environment.

    DB_* and provider keys come from `.env` and lead, as they do in planoai wherever it reads that file; so does
    DATABASE_URL. Other variables that the configuration's connection string names stay what the shell says.

    Args:
        connection: from where the command will run; None where the configuration names a database of its own.
        env: the project's `.env`.
        config: Plano's configuration; what it names is handed on as well, but for what decides which code programs run:
            both files may come with a repository that was just cloned.
        shell: the environment as it is.

    """
    values = variables(connection) if connection else {}
    also = storage.variables(config.connection_string or "")
    if connection and (URL not in also or not shell.get(URL)):
        values[URL] = env.values.get(URL) or connection.url
    keys = [key.name for key in config.keys if key.name]
    keys += [key for provider in providers.PROVIDERS for key in provider.keys]
    values |= {name: env.values[name] for name in keys if env.values.get(name)}
    values = {name: env.values[name] for name in also if env.values.get(name) and not shell.get(name)} | values
    return {name: value for name, value in values.items() if not executables.steers(name)}


def held_back(env: EnvFile, config: ConfigFile) -> list[str]:
    """Return what the configuration names and `.env` has, and is not handed on, see `of`."""
    named = [key.name for key in config.keys] + storage.variables(config.connection_string or "")
    return [name for name in dict.fromkeys(named) if env.values.get(name) and executables.steers(name)]
