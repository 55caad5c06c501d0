"""What `.env` says about the database, checked before anything is touched."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from planodev.postgres import connection
from planodev.problems import BadInput, Command, Conflict, Fix
from planodev.project import env_keys, env_kinds, settings
from planodev.project.env_file import NAME
from planodev.project.references import is_shown

if TYPE_CHECKING:
    from planodev.project.env_file import EnvFile

# PostgreSQL's NAMEDATALEN - 1: longer names are truncated without an error.
MAX_NAME_BYTES = 63
PASSWORD_LENGTH = 32
# What a person does who wants Plano to store in another one's server, and has no configuration.
CONFIGURE = f"write a configuration whose connection_string is `{connection.CONNECTION_STRING}`"


class Credentials(NamedTuple):
    """The five values as far as `.env` has them; None where it says nothing. The password is raw.

    `plano` is the mode that DB_HOST speaks for; `foreign_host` is a DB_HOST that is no address of ours; `file` is where
    they stand.
    """

    user: str | None
    password: str | None
    plano: str | None
    port: int | None
    database: str | None
    foreign_host: str | None = None
    file: str = NAME

    def __repr__(self) -> str:
        """Return it without the password."""
        return f"Credentials({self.user!r}, plano={self.plano!r}, port={self.port!r}, database={self.database!r})"


def read(env: EnvFile) -> Credentials:
    """Read and check the DB_* values.

    Raises:
        BadInput: a value cannot work; names the line to change.

    """
    _refuse_unresolved(env)
    values = env.values
    user = _name(env, env_keys.USER, values.get(env_keys.USER))
    if user and (user.startswith("pg_") or user in ("public", "none")):
        raise _bad(env, env_keys.USER, f"`{user}` is reserved by PostgreSQL")
    database = _name(env, env_keys.DATABASE, values.get(env_keys.DATABASE))
    if database in ("template0", "template1"):
        raise _bad(env, env_keys.DATABASE, f"`{database}` is reserved by PostgreSQL")
    port: int | None = None
    if values.get(env_keys.PORT):
        try:
            port = settings.port(values[env_keys.PORT])
        except ValueError as error:
            raise _bad(env, env_keys.PORT, f"a port {error}") from None
    password: str | None = None
    if values.get(env_keys.PASSWORD):
        try:
            password = connection.decode_password(values[env_keys.PASSWORD])
        except ValueError as error:
            raise _bad(env, env_keys.PASSWORD, str(error)) from None
    host = values.get(env_keys.HOST)
    if host and not connection.is_host(host):
        raise _bad(
            env,
            env_keys.HOST,
            "write only a host name or an address, without user, password and port",
        )
    mode = _mode(host)
    borrowed = [key for key in env_keys.ALL if key in env.from_shell]
    if host and not mode and borrowed:
        raise BadInput(
            "env-reference-foreign",
            f"{', '.join(borrowed)} in `{env.path}` would send a variable of this shell to `{host}`",
            why="a file that came with a repository could ask for any of them",
            fix=f"write the value itself in `{env.path}`, or set {borrowed[0]} there to a variable of the file",
        )
    return Credentials(
        user, password, mode, port, database, foreign_host=host if host and not mode else None, file=env.path.name
    )


def _refuse_unresolved(env: EnvFile) -> None:
    """Raise `BadInput` for the first value with a reference that cannot be resolved."""
    key, error = next(((key, env.unresolved[key]) for key in env_keys.ALL if key in env.unresolved), (None, None))
    if key is None or error is None:
        return
    own = Fix(Command("up", "--dotenv", env_kinds.own_name(env.path)), " keeps planodev's own values apart")
    if error.keeper:
        start = error.keeper.command.format("{}", file=env.path.name) if error.keeper.command else ""
        fix = Fix(Command("up").started_by(start), " puts the value in its place, as it does for other commands; or ")
        raise BadInput(
            "env-reference",
            f"{key} in `{env.path}` is no value: {error}",
            why="planodev would use the text itself: neither it nor Plano can look the secret up",
            fix=fix + own if start else f"put the secret into the variable {key} of this shell; or " + own,
        )
    name, way = error.variable, ""
    if name and is_shown(name):
        way = f"`export {name}=…`, or a default in the line as in `${{{name}:-…}}`; or "
    elif name:
        way = "set that variable, or put the value in single quotes if its `$` is no reference; or "
    raise BadInput("env-reference-unset", f"{key} in `{env.path}` has no value: {error}", fix=way + own)


def is_usable_name(name: str) -> bool:
    """Say whether SQL, the URL and every reader of `.env` take the name of a role or a database as it is."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name) is not None


def generate_password() -> str:
    """Return characters of `[A-Za-z0-9_-]`, 6 bits each, safe in URLs, YAML and every reader of `.env`."""
    import secrets

    return secrets.token_urlsafe(PASSWORD_LENGTH)[:PASSWORD_LENGTH]  # of so many bytes, which are more characters


def _mode(host: str | None) -> str | None:
    if host == connection.DOCKER_HOST_NAME or re.fullmatch(r"172\.\d+\.\d+\.\d+|0\.0\.0\.0", host or ""):
        return "docker"
    return "native" if host in (connection.LOOPBACK, "localhost", "::1", "[::1]") else None


def completing(env: EnvFile, wanted: Credentials, by_hand: str, *options: str) -> Fix:
    """Return the fix for what a project lacks: `up`, or what is left where that refuses, beside another one's server.

    Args:
        env: the project's `.env`.
        wanted: what that says.
        by_hand: what a person does for the other server, in words.
        options: of `up`.

    """
    if wanted.foreign_host is None:
        return Fix(Command("up", *options))
    return Fix(f"for `{wanted.foreign_host}` {by_hand}; or ", *_creates_own(env, *options))


def _creates_own(env: EnvFile, *options: str) -> tuple[Command, str]:
    return Command("up", *options, "--dotenv", env_kinds.own_name(env.path)), " creates one, with a separate file"


def refuse_foreign(env: EnvFile, wanted: Credentials, *, configured: bool) -> None:
    """Refuse to replace the address of somebody else's server.

    Args:
        env: the project's `.env`.
        wanted: what that says.
        configured: whether Plano has a configuration, so that the other server can be verified.

    Raises:
        Conflict: DB_HOST names a server that planodev does not run.

    """
    if wanted.foreign_host:
        raise Conflict(
            "foreign-host",
            f"{env_keys.HOST} in `{env.path}` is `{wanted.foreign_host}`, a server that planodev does not run",
            why="`up` would replace it with an address on this machine, and what reads it would lose that server",
            fix=Fix(*((Command("verify"), " verifies that server; ") if configured else ()), *_creates_own(env)),
        )


def _name(env: EnvFile, key: str, value: str | None) -> str | None:
    """Check a role or database name: what SQL, the URL and every reader of `.env` take as it is."""
    if not value:
        return None
    if len(value.encode()) > MAX_NAME_BYTES:
        raise _bad(env, key, f"it has {len(value.encode())} bytes, PostgreSQL accepts at most {MAX_NAME_BYTES}")
    if not is_usable_name(value):
        raise _bad(env, key, "only ASCII letters, digits, `_`, `.` and `-` work in SQL, URLs and `.env`")
    return value


def _bad(env: EnvFile, key: str, why: str) -> BadInput:
    return BadInput(
        f"bad-db-{key.removeprefix(env_keys.PREFIX).lower()}",
        f"{key} in `{env.path}` cannot be used",
        why=why,
        fix=Fix(f"change the line {key}=… in `{env.path}`, then ", Command("up")),
    )
