"""The connection string of a configuration: which database it names, and what Plano reads after substitution.

Source: planoai 0.4.39 `native_runner.py` (`os.path.expandvars`), `docker_cli.py:41-66` (`localhost` in the file
becomes `host.docker.internal`), and Plano's image (`envsubst`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from planodev.plano.providers import PROVIDERS
from planodev.postgres.connection import CONNECTION_STRING, DOCKER_HOST_NAME, LOOPBACK, Connection
from planodev.problems import BadInput, VerificationFailed
from planodev.project import env_keys
from planodev.visible import visible

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from planodev.plano import driver_url
    from planodev.project.env_file import EnvFile

# Characters of a connection string's values; more of them lead nowhere, and could be gigabytes.
_LONGEST = 1_000_000
_VARIABLE = r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))"
_STAND_INS = ("its.user", "its.secret", "its.host", "1", "its.database")
STAND_INS = dict(zip(env_keys.ALL, _STAND_INS, strict=True))
_LOOPBACKS = (LOOPBACK, "localhost", "::1")


def names_ours(text: str) -> bool:
    """Say whether a connection string is made of the five DB_* variables, so that `.env` decides which database it is.

    Parameters behind them, such as `?connect_timeout=5`, are welcome.
    """
    if text == CONNECTION_STRING:
        return True
    from planodev.plano import driver_url

    try:
        target = driver_url.parse(with_stand_ins(text))
    except driver_url.Refused:
        # An invalid one names no other database, and its error is reported elsewhere.
        return set(env_keys.ALL) <= set(variables(text))
    user, password, host, port, database = _STAND_INS
    ours = (user, password, ((host, int(port)),), database)
    return (target.user, target.password, target.hosts, target.database) == ours


# Placeholders that are left where a user, a host, a port or a database belongs.
_UNFILLED = (
    r"(?i)\[(?![0-9A-Fa-f:.]+\])[^\]]*\]|<[^>]*>|(?<!\$)\{[^{}]*\}|(?<=[:/@])%[sd](?=[:/@?]|$)"
    r"|@(?:host(?:name)?|(?-i:(?:[A-Z]+_)*(?:HOST|HOSTNAME|SERVER|ADDRESS|IP)(?:_[A-Z]+)*)|[\w-]*your[-_.][^:/?]*|(?:[^:/?@]*\.)?example\.(?:com|org|net)"
    r"|\.{2,}|…|x{2,}(?:\.x+)*)(?=[:/?]|$)"
    # A password, alone or beside a user, and a text that is no more than a word.
    r"|://[^:/?@]*:(?:your[-_.][\w.-]+|replace[-_]?(?:me|this)|change[-_]?(?:me|this|it)|to-?do|x{3,}|\*{3,}|\.{2,}|…)@"
    r"|://(?:your[-_]?)?(?:user(?:name)?|db_?user):(?:pass(?:word)?|pwd|secret|db_?pass(?:word)?)@"
    r"|\A(?:postgres(?:ql)?://)?(?:\.{2,}|…|to-?do|fix-?me|replace[-_ ]?(?:me|this)|change[-_ ]?(?:me|this|it)|x{3,}"
    r"|your[-_ ][\w -]+|(?:postgres[-_ ])?connection[-_ ]?string)\s*\Z"
)


def is_placeholder(text: str) -> bool:
    """Say whether a connection string is an example that was never filled in, such as `user:password@host`."""
    return re.search(_UNFILLED, text) is not None


def literal_port(text: str) -> int | None:
    """Return the port of a connection string that has a number in place of `${DB_PORT}`, None for any other."""
    from planodev.plano import driver_url

    try:
        target = driver_url.parse(with_stand_ins(text))
    except driver_url.Refused:
        return None
    (host, port), *more = target.hosts
    named = (target.user, target.password, host, "1", target.database) == _STAND_INS
    return port if named and not more and env_keys.PORT not in variables(text) else None


def with_port(text: str) -> str:
    """Return a connection string that has a number for its port with `${DB_PORT}` instead."""
    return re.sub(r"(@[^/?]*?)(?::\d+)?(?=[/?]|$)", rf"\1:${{{env_keys.PORT}}}", text, count=1)


def slip(text: str, known: Mapping[str, str], mode: str) -> driver_url.Fault | None:
    """Return what is wrong with a connection string that is meant to be the project's own: it names a DB_* variable.

    Args:
        text: as the configuration writes it.
        known: the environment of Plano as far as it is known; a literal user, password or database is judged by it.
        mode: `docker` or `native`.

    """
    from planodev.plano import driver_url

    named = [name for name in variables(text) if name.upper() in env_keys.ALL]
    small = [name for name in named if name not in env_keys.ALL and not known.get(name)]
    if small:
        return driver_url.Fault("part", f"names `${{{small[0]}}}` instead of `${{{small[0].upper()}}}`")
    if not named or not {*variables(text)} <= {*env_keys.ALL}:
        return None  # another variable is there on purpose
    values = {**known, **STAND_INS}
    read = substitute(text, values, mode)
    try:
        target = driver_url.parse(read.rstrip())
    except driver_url.Refused as refused:
        rewritten = refused.fault.code in {"scheme", "no-url", "leading-text"} and set(env_keys.ALL) <= {*named}
        return refused.fault if rewritten else None
    allowed = {STAND_INS[env_keys.HOST], known.get(env_keys.HOST)}
    allowed |= {DOCKER_HOST_NAME} if mode == "docker" else {*_LOOPBACKS}
    hosts = {host for host, _ in target.hosts}
    if hosts - allowed - {*_LOOPBACKS, DOCKER_HOST_NAME, ""}:
        return None  # another server
    if read != read.rstrip():
        return driver_url.faults(read)[0]
    said = [
        _wrong_password(target, known),
        _literal("user", target.user, env_keys.USER, known),
        _literal("database", target.database, env_keys.DATABASE, known),
        *(f"has host `{host}` instead of `${{{env_keys.HOST}}}`" for host in sorted(hosts - allowed) if host),
    ]
    return next((driver_url.Fault("part", one) for one in said if one), None)


def _wrong_password(target: driver_url.Target, known: Mapping[str, str]) -> str | None:
    user, password, *_ = _STAND_INS
    if target.password is None:
        return None if target.user is None else f"has no `:${{{env_keys.PASSWORD}}}` after the user"
    if (target.user, target.password) == (password, user):
        return "has user and password swapped"
    right = {password, unquote(known.get(env_keys.PASSWORD, ""))}
    judged = password in target.password or env_keys.USER in known  # or nothing is known yet
    return f"has a password instead of `${{{env_keys.PASSWORD}}}`" if judged and target.password not in right else None


def _literal(what: str, value: str | None, variable: str, known: Mapping[str, str]) -> str | None:
    """Say that a part is not what `.env` has for it; None where it is, or nobody knows."""
    stand_in, right = STAND_INS[variable], known.get(variable)
    if not value or value == stand_in or (stand_in not in value and (right is None or value == unquote(right))):
        return None
    shown = value.replace(stand_in, f"${{{variable}}}")
    secret = STAND_INS[env_keys.PASSWORD] in value or "@" in value
    return f"has {f'another {what}' if secret else f'{what} `{visible(shown)}`'} instead of `${{{variable}}}`"


def _mended(text: str) -> str:
    """Return the five variables, and the parameters that a connection string has behind them."""
    from planodev.plano import driver_url

    kept = "".join(text.strip().partition("?")[1:])
    question = CONNECTION_STRING + kept
    return CONNECTION_STRING if "$" in kept or driver_url.faults(with_stand_ins(question)) else question


def wanted_string(text: str, port: int | None, known: Mapping[str, str], mode: str) -> str:
    """Return the connection string that a configuration should have, the same one where it may stay.

    Args:
        text: as the configuration writes it.
        port: of the database, None where it is not known.
        known: the environment of Plano as far as it is known.
        mode: `docker` or `native`.

    """
    if text == CONNECTION_STRING or is_placeholder(text):
        return CONNECTION_STRING
    if slip(text, known, mode):
        return _mended(text)
    literal = literal_port(text)
    return with_port(text) if literal and port and literal != port else text


def with_stand_ins(text: str) -> str:
    """Return a connection string with a stand-in for each DB_* variable, to see what the text around them does."""
    return substitute(text, STAND_INS, "native")


def foreign_target(
    text: str | None, ours: Connection | None, environment: Mapping[str, str], mode: str
) -> driver_url.Target | None:
    """Return the server that a connection string names where that is not this project's database; None where it is.

    A string with unset variables, or one that Plano's driver refuses, leads nowhere, which others tell.

    Args:
        text: as the configuration writes it, None where it has none.
        ours: this project's database, from where Plano will be; None where there is none yet.
        environment: what planoai is started with.
        mode: `docker` or `native`.

    """
    if text is None or names_ours(text) or any(not environment.get(name) for name in variables(text)):
        return None
    from planodev.plano import driver_url

    try:
        target = driver_url.parse(substitute(text, environment, mode))
    except driver_url.Refused:
        return None
    return None if ours and same_place(target, driver_url.parse(ours.url)) else target


_OF_SECRETS = r"(?i)pass|secret|token|key|credential"


def refuse_to_send(
    text: str, target: driver_url.Target, env: EnvFile, shell: Mapping[str, str], keys: Collection[str]
) -> None:
    """Refuse to hand what this shell has, or what `.env` has for others, to a server that a configuration names.

    A cloned repository has a configuration too. A server whose name the shell says itself, as in `${DATABASE_URL}`, may
    be sent what the shell says, and any may be sent a value that stands in `.env` under a name of its own.

    Args:
        text: the connection string as the configuration writes it.
        target: where it leads.
        env: the project's `.env`.
        shell: the environment.
        keys: the variables by which the configuration gets its providers' keys.

    Raises:
        BadInput: names the variables.
        VerificationFailed: the host has an `@`, so a part of a password is in it, which nobody may look up, or say.

    """
    from planodev.plano import driver_url

    if any("@" in host for host, _ in target.hosts):
        raise VerificationFailed.of(driver_url.of_code("at-sign").problem())
    names = set(variables(text))
    given = {name for name in env.written if name not in env.references}
    told = {name: shell[name] for name in names if shell.get(name)}
    told = {name: value for name, value in told.items() if name not in given or value != env.values.get(name)}
    # A secret is no name of a server: looking it up would send it, and say it.
    known = {value for name, value in told.items() if not re.search(_OF_SECRETS, name)}
    known |= {host for value in told.values() for host in _hosts(value)}
    leaked = names & env.from_shell
    if not all(host in known for host, _ in target.hosts):
        leaked |= {*told}
    leaked |= names & {*keys, *(key for provider in PROVIDERS for key in provider.keys)}
    if env.project_id:
        leaked |= names & {env_keys.PASSWORD}
    named = [f"`{visible(host)}`" for host, _ in target.hosts if host in text]  # others come from a variable's value
    if leaked:
        raise BadInput(
            "foreign-variables",
            f"{', '.join(sorted(leaked))} would be sent to {' or '.join(named) or 'another server'}",
            why="the configuration names that server, and it is not this project's: what the shell, the project's own "
            "database or a provider of models has is not for it unless you say so",
            fix=f"where that server is yours, write its values into a file, and name it: `--env-file FILE`; "
            f"or into `{env.path}`, under names of their own",
        )


def _hosts(value: str) -> tuple[str, ...]:
    from planodev.plano import driver_url

    try:
        return tuple(host for host, _ in driver_url.parse(value).hosts)
    except driver_url.Refused:
        return ()


def connection_to(target: driver_url.Target) -> Connection:
    """Return the connection that Plano's driver would try first."""
    host, port = target.hosts[0]
    user = target.user or "postgres"
    options = target.parameters.get("options", "")
    return Connection(user, target.password or "", host, port, target.database or user, options)


def variables(text: str) -> list[str]:
    """Return the variables that a connection string names, each once."""
    return list(dict.fromkeys(braced or bare for braced, bare in re.findall(_VARIABLE, text)))


def with_default(text: str) -> tuple[str, str] | None:
    """Return the first `${NAME:-x}` or its like, which Plano leaves as it is, and its NAME."""
    found = re.search(r"\$\{([A-Za-z_][A-Za-z0-9_]*)[^A-Za-z0-9_}][^}]*\}", text)
    return (f"`${{{found[1]}…}}`", found[1]) if found else None


def called(variable: str) -> str:
    """Return a variable's name for a message; after a `$` of a password comes the rest of it, and no such name."""
    return variable if re.fullmatch(r"[A-Z_][A-Z0-9_]*", variable) else "the name behind a `$`"


def substitute(text: str, values: Mapping[str, str], mode: str) -> str:
    """Return what Plano reads: an unset variable stays as it is natively, and becomes nothing in Docker.

    Args:
        text: the connection string as the configuration writes it.
        values: the environment that planoai is started with.
        mode: `docker` or `native`.

    """
    if mode == "docker":
        text = text.replace("localhost", DOCKER_HOST_NAME)

    room = _LONGEST

    def value(found: re.Match[str]) -> str:
        nonlocal room
        name = found[1] or found[2]
        given = values.get(name, "" if mode == "docker" else found[0])
        room -= len(given)
        return given if room >= 0 else found[0]

    return re.sub(_VARIABLE, value, text)


def same_place(one: driver_url.Target, other: driver_url.Target) -> bool:
    """Say whether two connection strings lead to the same database as the same role, from the same place."""

    def place(target: driver_url.Target) -> tuple[object, ...]:
        hosts = [(LOOPBACK if host in _LOOPBACKS else host, port) for host, port in target.hosts]
        return target.user, target.password, hosts, target.database

    return place(one) == place(other)
