"""What is said about a connection string that Plano's driver refuses or misreads, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass

_PLAINTEXT = "write `sslmode=disable`; for a server that insists on TLS put a TLS-terminating sidecar beside Plano"
_OPTION = "write `options=-c%20{0}%3D{1}`, or `options='-c {0}={1}'` among key=value pairs"
# What to write for this driver instead of what others take.
FIXES = {
    **dict.fromkeys(("sslmode", "ssl", "sslcert", "sslkey", "sslrootcert", "sslcrl", "gssencmode"), _PLAINTEXT),
    **dict.fromkeys(("search_path", "schema", "currentSchema"), _OPTION.format("search_path", "SCHEMA")),
    "statement_timeout": _OPTION.format("statement_timeout", "5000"),
    "pgbouncer": "remove it, and use a pooler in session mode, since Plano keeps prepared statements",
    "target_session_attrs": "write `target_session_attrs=read-write`",
    "port": "write a number after the host's colon; a password needs an `@` behind it",
}
_ENCODE = "write each `{0}` of a name or password as `{1}`"
# Everything that is said in the same words each time: code, message, fix.
_SAID = {
    "not-utf8": ("a part of it is not UTF-8 once decoded", "percent-encode the bytes of its UTF-8 form"),
    "leading-text": ("a blank or a quote stands before the scheme", "begin with `postgresql://`, without quotes"),
    "scheme": ("its scheme is not `postgresql://`, in lower case and without a suffix", "begin with `postgresql://`"),
    "no-url": (
        "it is neither a URL nor a list of key=value pairs",
        "write `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`",
    ),
    "ipv6": ("an IPv6 address is not in brackets, or text follows them", "write it as `[::1]:5432`"),
    "parameter-cut": ("a parameter behind the `?` has no `=`", "write `NAME=VALUE`, and `&` between two"),
    "hosts": ("the number of `host`, `hostaddr` or `port` entries differs", "give one of each for every host"),
    "unsubstituted": (
        "a `${...}` in it is not replaced, so the driver takes it as it stands",
        "put the variable into `.env`, and start Plano by `planodev run`; planoai itself does not take it from there",
    ),
    "at-sign": (
        "there is an `@` behind the first one, and the driver takes all behind the first for the host",
        _ENCODE.format("@", "%40"),
    ),
    "fragment": ("a `#` starts no fragment, it becomes part of the value before it", "remove it, or write `%23`"),
    "slash": ("a `/` behind the database name becomes part of that name", "remove it, or write `%2F`"),
    "host-missing": ("it names no host, so Plano dies at start", "write the host, such as `127.0.0.1`"),
    "user-missing": ("it names no user, so the driver takes the system's or none", "write `USER:PASSWORD@` first"),
    "database-missing": ("it names no database, so the server takes the user's name", "write `/DATABASE` last"),
    "sslmode-require": ("`sslmode=require` ends Plano at start, its driver has no TLS", _PLAINTEXT),
    "sslmode-prefer": ("`sslmode=prefer` goes plaintext in silence, the driver has no TLS", _PLAINTEXT),
    "channel-binding": ("`channel_binding=require` ends Plano at start, its driver has no TLS", "remove it"),
}


@dataclass(frozen=True)
class Remark:
    """What is wrong with a connection string: a stable code, one sentence, and what to do about it."""

    code: str
    message: str
    fix: str


class Refused(ValueError):
    """The driver refuses the text; `remark` says why, without the password and without the text."""

    def __init__(self, reason: Remark) -> None:
        super().__init__(reason.message)
        self.remark = reason


def remark(code: str) -> Remark:
    """Return what is always said in the same words.

    Raises:
        KeyError: nothing is said under that code.

    """
    return Remark(f"connection-string-{code}", *_SAID[code])
