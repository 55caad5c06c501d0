"""How Plano's database driver reads a connection string, and where it misreads one.

The driver looks for the first `@`, then the next `/` or `?`, and decodes percent signs last; `urlsplit` differs in
each. Nothing that is said here repeats what may be a piece of the password.
Sources: tokio-postgres 0.7.18, `src/config.rs` (both grammars, the parameters), `src/connect.rs` (hosts and ports),
`src/connect_tls.rs` and `src/connect_raw.rs` (TLS and channel binding under the `NoTls` that Plano passes).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import unquote

from planodev.plano.driver_remarks import FIXES, Refused, Remark, remark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Refused", "Remark", "Target", "parse", "remarks"]

_SCHEME = re.compile("postgres(?:ql)?://")
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
_DEFAULT_PORT = "5432"

_FOREIGN = re.compile(r"(?P<before>[\s\"'`]*)(?:jdbc:)?[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_PLACE = re.compile(r"(?P<hosts>[^/?]*)(?P<path>/[^?]*)?(?P<query>\?.*)?", re.DOTALL)
_PARAMETER = re.compile(r"(?P<name>[^=]*)=(?P<value>[^&]*)&?")
# The blanks of Rust's `char::is_whitespace`; Python's `\s` has four more.
_BLANK = "[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
_PAIR = re.compile(
    rf"(?s){_BLANK}*(?P<name>(?:(?!{_BLANK})[^=])+){_BLANK}*={_BLANK}*"
    rf"(?:'(?P<quoted>(?:[^'\\]|\\.)*)'|(?!')(?P<plain>(?:(?!{_BLANK})[^\\]|\\.)+\\?))"
)
_NO_MORE_PAIRS = re.compile(rf"{_BLANK}*(?:=|\Z)")


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
        return f"postgresql://{self.user or ''}:***@{place}"


def parse(text: str) -> Target:
    """Read a connection string, a URL or key=value pairs, as the driver does.

    Raises:
        Refused: the driver stops before it looks for a server.

    """
    credentials, place = _split(text)
    if place is None:
        return _target(_pairs(text))
    try:
        return _target(_settings(place), *_user_and_password(credentials))
    except Refused:
        if "@" in place:  # what was refused may be a piece of the password
            raise Refused(remark("at-sign")) from None
        raise


def remarks(text: str) -> list[Remark]:
    """Say why a connection string is refused, or else all that is misread in silence or fatal for Plano at start."""
    try:
        target = parse(text)
    except Refused as refused:
        return [refused.remark]
    place = _split(text)[1] or ""
    found = {
        "unsubstituted": "${" in text,
        "at-sign": "@" in place,
        "fragment": "#" in place,
        "slash": place.partition("?")[0].count("/") > 1,
        "host-missing": not all(host for host, _ in target.hosts),
        "user-missing": not target.user,
        "database-missing": not target.database,
        "sslmode-require": target.parameters.get("sslmode") == "require",
        "sslmode-prefer": target.parameters.get("sslmode") == "prefer",
        "channel-binding": target.parameters.get("channel_binding") == "require",
    }
    return [remark(code) for code, is_so in found.items() if is_so]


def _split(text: str) -> tuple[str | None, str | None]:
    """Return the credentials of a URL and what follows them; (None, None) for a text that is read as pairs."""
    scheme = _SCHEME.match(text)
    if not scheme:
        return None, None
    before, at, after = text[scheme.end() :].partition("@")
    return (before, after) if at else (None, before)


def _user_and_password(credentials: str | None) -> tuple[str | None, str | None]:
    if credentials is None:
        return None, None
    user, colon, password = credentials.partition(":")
    return _decoded(user), unquote(password, errors="surrogateescape") if colon else None


def _settings(place: str) -> Iterator[tuple[str, str]]:
    """Yield what stands behind the credentials of a URL, as the driver meets it."""
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
            raise Refused(remark("parameter-cut"))
        name = _decoded(parameter["name"])
        yield name, (_decoded_host if name == "host" else _decoded)(parameter["value"])
        at = parameter.end()


def _host_and_port(chunk: str) -> tuple[str, str]:
    host, colon, port = chunk.partition(":")
    if chunk.startswith("["):
        host, bracket, rest = chunk[1:].partition("]")
        _, colon, port = rest.partition(":")
        if not bracket or (rest and not rest.startswith(":")):
            raise Refused(remark("ipv6"))
    elif ":" in port and re.fullmatch("[0-9A-Fa-f:.]+", chunk):
        raise Refused(remark("ipv6"))
    return host, port if colon else ""


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield key=value pairs; like the driver, stop in silence where a `=` has no key."""
    foreign = _FOREIGN.match(text)
    if foreign:
        raise Refused(remark("leading-text" if foreign["before"] else "scheme"))
    at = 0
    while not _NO_MORE_PAIRS.match(text, at):
        pair = _PAIR.match(text, at)
        if pair is None:
            raise Refused(remark("no-url"))
        value = re.sub(r"\\(.?)", r"\1", pair["plain"] or pair["quoted"] or "", flags=re.DOTALL)
        for part in value.split(",") if pair["name"] == "host" else (value,):
            yield pair["name"], part
        at = pair.end()


def _target(settings: Iterable[tuple[str, str]], user: str | None = None, password: str | None = None) -> Target:
    single = {"user": user, "password": password, "dbname": None}
    several: dict[str, list[str]] = {"host": [], "hostaddr": [], "port": []}
    others: dict[str, str] = {}
    shy = False  # behind an unquoted password parameter a "name" may be the rest of the password
    for name, value in settings:
        _check(name, value, shy=shy)
        shy = shy or name == "password"
        if name in single:
            single[name] = value
        elif name in several:
            several[name] += [value] if name == "host" else value.split(",")
        else:
            others[name] = value
    names, addresses, ports = several.values()
    hosts = addresses or names
    if (names and len(names) != len(hosts)) or (hosts and len(ports) not in (0, 1, len(hosts))):
        raise Refused(remark("hosts"))
    hosts, numbers = hosts or [""], [int(port or _DEFAULT_PORT) for port in ports or [""]]
    where = tuple(zip(hosts, numbers * len(hosts), strict=False))  # one port serves all hosts
    return Target(single["user"], single["password"], where, single["dbname"], others)


def _check(name: str, value: str, *, shy: bool) -> None:
    if name in ("user", "password", "host", "dbname", "options", "application_name"):
        return
    fix = FIXES.get(name, "remove it")
    if name in _CHOICES:
        takes, fits = f"one of {', '.join(_CHOICES[name])}", value in _CHOICES[name]
    elif name in _NUMBERS:
        parts = [port or _DEFAULT_PORT for port in value.split(",")] if name == "port" else [value]
        takes = "a number below 65536" if name == "port" else "a whole number"
        fits = all(_is_number(part, _NUMBERS[name]) for part in parts)
    elif name == "hostaddr":
        takes, fits = "numeric addresses", all(map(_is_address, value.split(",")))
    else:
        shown = name in FIXES or (re.fullmatch(r"[A-Za-z_]+", name) and not shy)
        message = f"the driver does not know {f'the parameter `{name}`' if shown else 'one of the parameters'}"
        raise Refused(Remark("connection-string-parameter-unknown", message, fix))
    if not fits:
        value_remark = Remark("connection-string-value", f"`{name}` takes {takes}", fix)
        raise Refused(remark("unsubstituted") if "${" in value else value_remark)


def _is_number(text: str, allowed: range) -> bool:
    """Say whether Rust's integer parser takes it: a plus is fine, a minus only where negative numbers are."""
    number = re.fullmatch(r"([+-]?)0{0,99}([0-9]{1,20})", text)
    return number is not None and (number[1] != "-" or allowed.start < 0) and int(number[1] + number[2]) in allowed


def _is_address(text: str) -> bool:
    try:
        return "%" not in text and bool(ip_address(text))
    except ValueError:
        return False


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise Refused(remark("not-utf8")) from None


def _decoded_host(text: str) -> str:
    path = unquote(text, errors="surrogateescape")
    return path if path.startswith("/") else _decoded(text)
