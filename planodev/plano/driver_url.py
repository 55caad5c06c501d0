"""How Plano's database driver reads a connection string, and where it misreads one.

The driver looks for the first `@`, then the next `/` or `?`, and decodes percent signs last; `urlsplit` differs in
each. It also reads key=value pairs, which planodev does not: they are to be written as a URL. Nothing that is said here
repeats what may be a piece of the password.
Sources: tokio-postgres 0.7.18, `src/config.rs` (grammar, parameters), `src/connect.rs` (hosts and ports),
`src/connect_tls.rs` and `src/connect_raw.rs` (TLS and channel binding under the `NoTls` that Plano passes).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from planodev.postgres.connection import is_host
from planodev.problems import Command, Fix, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planodev.problems import Level

_DEFAULT_PORT = "5432"
_SCHEME = re.compile("postgres(?:ql)?://")
_FOREIGN = re.compile(r"(?P<before>[\s\"'`]*)(?:jdbc:)?[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_PLACE = re.compile(r"(?P<hosts>[^/?]*)(?P<path>/[^?]*)?(?P<query>\?.*)?", re.DOTALL)
_PARAMETER = re.compile(r"(?P<name>[^=]*)=(?P<value>[^&]*)&?")
_TEXTS = ("user", "password", "host", "dbname", "options", "application_name")
_CHOICES = {
    "sslmode": ("disable", "prefer", "require"),
    "sslnegotiation": ("postgres", "direct"),
    "target_session_attrs": ("any", "read-write", "read-only"),
    "channel_binding": ("disable", "prefer", "require"),
    "load_balance_hosts": ("disable", "random"),
}
_SECONDS = ("connect_timeout", "tcp_user_timeout", "keepalives_idle", "keepalives_interval")
_NUMBERS = dict.fromkeys(_SECONDS, range(-(2**63), 2**63))
_NUMBERS |= {"keepalives": range(2**64), "keepalives_retries": range(2**32), "port": range(2**16)}

_URL = "`postgresql://USER:PASSWORD@HOST:PORT/DATABASE`"
_PLAINTEXT = "write `sslmode=disable`; if the server insists on TLS, run a TLS-terminating sidecar next to Plano"
_OPTION = "write `options=-c%20{0}%3D{1}`"
# What to write instead of parameters that other drivers accept; one that is not listed is to be removed.
_INSTEAD = {
    **dict.fromkeys(("sslmode", "ssl", "sslcert", "sslkey", "sslrootcert", "sslcrl", "gssencmode"), _PLAINTEXT),
    **dict.fromkeys(("search_path", "schema", "currentSchema"), _OPTION.format("search_path", "{}")),
    "statement_timeout": _OPTION.format("statement_timeout", "5000"),
    "pgbouncer": "remove it, and use the pooler's session mode, because Plano keeps prepared statements",
    "target_session_attrs": "write `target_session_attrs=read-write`",
    "port": "write a number after the host's colon; a password needs an `@` after it",
}
# Code, what is said after "the connection string", and the fix.
_FAULTS: dict[str, tuple[str, Fix | str]] = {
    "not-utf8": ("is not UTF-8 once decoded", "percent-encode the bytes of its UTF-8 form"),
    "line-break": ("ends with a line break", "write it in one line, in quotes"),
    "trailing-blank": ("ends with whitespace", "remove the whitespace at its end"),
    "leading-text": ("starts with whitespace or a quote", "start it with `postgresql://`, without quotes"),
    "scheme": ("does not start with `postgresql://`, in lower case and without a suffix", f"write {_URL}"),
    "no-url": ("is not a URL", f"write it as a URL: {_URL}"),
    "ipv6": ("has an IPv6 address without brackets, or text after them", "write it as `[::1]:5432`"),
    "parameter-cut": ("has a parameter without `=`", "write `NAME=VALUE`, and `&` between two"),
    "hosts": ("has different numbers of `host`, `hostaddr` and `port` entries", "give one of each for every host"),
    "unsubstituted": (
        "has a `${...}` that is not replaced, and the driver reads it literally",
        Fix("set the variable in `.env`, and start Plano with ", Command("run", "--", "planoai", "up")),
    ),
    "at-sign": (
        "has a second `@`, and the driver reads everything after the first as the host",
        "write each `@` of a name or password as `%40`",
    ),
    "fragment": ("has a `#`, which the driver reads as part of the value before it", "remove it, or write `%23`"),
    "slash": ("has a `/` after the database name, which becomes part of that name", "remove it, or write `%2F`"),
    "host-missing": ("has no host, so Plano exits at startup", "add the host, such as `127.0.0.1`"),
    "host": ("has an invalid host", "write only a host name or an address"),
    "user-missing": ("has no user, so the driver uses the system's or none", "start with `USER:PASSWORD@`"),
    "database-missing": ("has no database, so the server uses the user's name", "end with `/DATABASE`"),
    "sslmode-require": ("has `sslmode=require`, and Plano exits at startup: its driver has no TLS", _PLAINTEXT),
    "sslmode-prefer": ("has `sslmode=prefer`, which silently means plaintext: the driver has no TLS", _PLAINTEXT),
    "channel-binding": (
        "has `channel_binding=require`, and Plano exits at startup: its driver has no TLS",
        "remove it",
    ),
}
# Plano starts with these; whether it can store is left to the proof.
_ODD = ("fragment", "slash", "user-missing", "database-missing", "sslmode-prefer")


class Fault(NamedTuple):
    """What is wrong with a connection string, without the password and without the text.

    Args:
        code: of the problem, without `connection-string-`.
        says: what is said of the connection string.
        fix: what to do about it.

    """

    code: str
    says: str
    fix: Fix | str | None = None

    def problem(self, what: str = "the connection string") -> Problem:
        """Return the problem; `what` names the connection string."""
        level: Level = "warning" if self.code in _ODD else "error"
        return Problem(f"connection-string-{self.code}", f"{what} {self.says}", self.fix, level=level)


class Refused(ValueError):
    """The driver refuses the text; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.problem().message)
        self.fault = fault


@dataclass(frozen=True, repr=False)
class Target:
    """What the driver would connect to.

    Args:
        user: role name, None for that of the system's user.
        password: raw; bytes that are not UTF-8 are kept as `surrogateescape` does.
        hosts: (host, TCP port), at least one: `hostaddr` where given, a path for a unix socket, "" for no host.
        database: database name, None for the user's name.
        parameters: all others by name, decoded, in order.

    """

    user: str | None
    password: str | None = field(repr=False)
    hosts: tuple[tuple[str, int], ...]
    database: str | None
    parameters: dict[str, str]

    def __repr__(self) -> str:
        """Show no more than `masked`, since hosts and database hold pieces of a misread password."""
        return f"Target({self.masked!r})"

    @property
    def masked(self) -> str:
        """The connection string for people: without the password, and without what a second `@` made of it."""
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        place = f"{hosts}/{self.database or ''}".rpartition("@")[2]
        # Without a password the name may be a token.
        who = f"{self.user}:***" if self.user and self.password is not None else "***"
        return f"postgresql://{who}@{place}"


def parse(text: str) -> Target:
    """Read a connection string as the driver does.

    Raises:
        Refused: it is no URL, or the driver stops before it looks for a server.

    """
    credentials, place = _split(text)
    try:
        return _target(credentials, place)
    except Refused as refused:
        if "@" in place:  # the refused part may be a piece of the password
            raise _refused("at-sign") from None
        raise refused from None


def problems(text: str) -> list[Problem]:
    """Return `faults` as problems."""
    return [fault.problem() for fault in faults(text)]


def faults(text: str) -> list[Fault]:
    """Return why a connection string is refused, or else all that is misread in silence or fatal for Plano at start."""
    end = text[len(text.rstrip()) :]
    if end:  # the driver takes it as part of the last value
        code = "line-break" if "\n" in end or "\r" in end else "trailing-blank"
        return [of_code(code)]
    try:
        target, place = parse(text), _split(text)[1]
    except Refused as refused:
        return [refused.fault]
    found = {
        "unsubstituted": "${" in text,
        "at-sign": "@" in place,
        "fragment": "#" in place,
        "slash": place.partition("?")[0].count("/") > 1,
        "host-missing": not all(host for host, _ in target.hosts),
        "host": "@" not in place and "${" not in text and not all(is_host(host) for host, _ in target.hosts if host),
        "user-missing": not target.user,
        "database-missing": not target.database,
        "sslmode-require": target.parameters.get("sslmode") == "require",
        "sslmode-prefer": target.parameters.get("sslmode") == "prefer",
        "channel-binding": target.parameters.get("channel_binding") == "require",
    }
    return [of_code(code) for code, is_so in found.items() if is_so]


def of_code(code: str) -> Fault:
    """Return the fault of a code, without what is in the connection string."""
    return Fault(code, *_FAULTS[code])


def _refused(code: str) -> Refused:
    return Refused(of_code(code))


def _split(text: str) -> tuple[str | None, str]:
    """Return the credentials, None where there are none, and what follows them."""
    scheme, foreign = _SCHEME.match(text), _FOREIGN.match(text)
    if not scheme:
        raise _refused("no-url" if not foreign else "leading-text" if foreign["before"] else "scheme")
    before, at, after = text[scheme.end() :].partition("@")
    return (before, after) if at else (None, before)


def _target(credentials: str | None, place: str) -> Target:
    user, colon, password = (credentials or "").partition(":")
    single: dict[str, str | None] = {
        "user": None if credentials is None else _decoded(user),
        "password": unquote(password, errors="surrogateescape") if colon else None,
        "dbname": None,
    }
    several: dict[str, list[str]] = {"host": [], "hostaddr": [], "port": []}
    others: dict[str, str] = {}
    hidden = False  # whether a parameter's name may be the rest of an unencoded password
    for name, value in _settings(place):
        _check(name, value, hidden=hidden)
        hidden = hidden or name == "password"
        if name in single:
            single[name] = value
        elif name in several:
            several[name] += [value] if name == "host" else value.split(",")
        else:
            others[name] = value
    return Target(single["user"], single["password"], _hosts(**several), single["dbname"], others)


def _hosts(host: list[str], hostaddr: list[str], port: list[str]) -> tuple[tuple[str, int], ...]:
    hosts = hostaddr or host
    if (host and len(host) != len(hosts)) or (hosts and len(port) not in (0, 1, len(hosts))):
        raise _refused("hosts")
    hosts, numbers = hosts or [""], [int(text or _DEFAULT_PORT) for text in port or [""]]
    return tuple(zip(hosts, numbers * len(hosts), strict=False))  # a single port is for all hosts


def _settings(place: str) -> Iterator[tuple[str, str]]:
    """Yield what stands after the credentials, as the driver meets it."""
    hosts, path, query = _PLACE.findall(place)[0]
    for chunk in hosts.split(",") if hosts else ():
        host, port = _host_and_port(chunk)
        yield "host", _decoded_host(host)
        yield "port", _decoded(port)
    if path[1:]:
        yield "dbname", _decoded(path[1:])
    at = 1
    while at < len(query):
        parameter = _PARAMETER.match(query, at)
        if parameter is None:
            raise _refused("parameter-cut")
        name = _decoded(parameter["name"])
        yield name, (_decoded_host if name == "host" else _decoded)(parameter["value"])
        at = parameter.end()


def _host_and_port(chunk: str) -> tuple[str, str]:
    host, colon, port = chunk.partition(":")
    if chunk.startswith("["):
        host, bracket, rest = chunk[1:].partition("]")
        _, colon, port = rest.partition(":")
        if not bracket or (rest and not rest.startswith(":")):
            raise _refused("ipv6")
    elif ":" in port and re.fullmatch("[0-9A-Fa-f:.]+", chunk):
        raise _refused("ipv6")
    return host, port if colon else ""


def _check(name: str, value: str, *, hidden: bool) -> None:
    """Raise `Refused` for a parameter or a value that the driver does not know; a `hidden` name is not repeated."""
    if name in _TEXTS:
        return
    if name in _CHOICES:
        accepts, fits = f"one of {', '.join(_CHOICES[name])}", value in _CHOICES[name]
    elif name in _NUMBERS:
        parts = [port or _DEFAULT_PORT for port in value.split(",")] if name == "port" else [value]
        accepts = "a number below 65536" if name == "port" else "a whole number"
        fits = all(_is_number(part, _NUMBERS[name]) for part in parts)
    elif name == "hostaddr":
        accepts, fits = "numeric addresses", all(map(_is_address, value.split(",")))
    else:
        shown = name in _INSTEAD or (re.fullmatch(r"[A-Za-z_]+", name) and not hidden)
        says = f"has an unknown parameter `{name}`" if shown else "has an unknown parameter"
        value = value if shown and re.fullmatch(r"\w{1,63}", value) else "SCHEMA"
        raise Refused(Fault("parameter-unknown", says, _INSTEAD.get(name, "remove it").replace("{}", value)))
    if not fits and "${" in value:
        raise _refused("unsubstituted")
    if not fits:
        raise Refused(Fault("value", f"has an invalid `{name}`: must be {accepts}", _INSTEAD.get(name, "remove it")))


def _is_number(text: str, allowed: range) -> bool:
    """Say whether Rust's integer parser accepts it: a plus is fine, a minus only where negative numbers are."""
    sign = "[+-]?" if allowed.start < 0 else "[+]?"
    return re.fullmatch(sign + "[0-9]{1,20}", text) is not None and int(text) in allowed


def _is_address(text: str) -> bool:
    try:
        return "%" not in text and bool(ip_address(text))
    except ValueError:
        return False


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise _refused("not-utf8") from None


def _decoded_host(text: str) -> str:
    path = unquote(text, errors="surrogateescape")
    return path if path.startswith("/") else _decoded(text)
