"""Mask secrets in output: in URLs by their syntax, elsewhere by the values in the project's files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

HIDDEN = "***"
SHORTEST = 4  # characters; shorter parts of a secret are not hidden
# Everything between the scheme and the last `@`: a password that is not encoded may contain an `@` and a `/`.
_USERINFO = r"(?m)([A-Za-z][A-Za-z0-9+.-]*://)(?!\$\{?\w+\}?(?::\$\{?\w+\}?)?@[^@]*$)[^\s'\"`<>]*@"
# The same in a text that is nothing but such a value: there a password may also contain a blank and a quote.
_USERINFO_OF_VALUE = _USERINFO.replace(r"[^\s'\"`<>]*@", r"(?s:.*)@")
_LOGIN_OF_VALUE = r"(?s)[^\s:/@]+:(?!//).*@"  # before a host, where there is no scheme
_NO_PORT_OF_VALUE = r"(://[^\s/?#@:\[\]]*:)(?!\d*(?:[/?#,]|$))(?!\$)[^/?#]+"  # in the place of a port
# A port is digits alone: what else stands in its place may be a password whose host was forgotten.
_ADDRESS = r"(?i)[a-z+]+://(\*\*\*@)?([\w.-]*|\[[0-9a-f:.]*\]?)(:\d*)?(/[\w./-]*)?"
_ASSIGNMENT = r"(?i)\b((?:\w*passw(?:or)?d|\w*secret|\w*token|\w*(?:api|access)[_-]?key)\s*=\s*)"
_PARAMETER = rf"{_ASSIGNMENT}('[^']*'?|[^\s&'\"`]+)"
# The parameters of a URL. A value is shown where it can hold no secret: a variable, or a word of the drivers' own.
_QUERY = r"(://[^\s'\"`<>?]*)\?([^\s'\"`<>]*)"
_HARMLESS = (
    r"(?:sslmode|sslnegotiation|gssencmode|target_session_attrs|channel_binding|load_balance_hosts|\w*timeout"
    r"|keepalives\w*)=[\w.-]{0,12}|api-version=\d{4}-\d\d-\d\d(?:-preview)?|[\w-]+=\$\{?\w+\}?"
)
# `NAME=value` and `"name": value`, also inside a flow mapping.
_ASSIGNED = r"""([\w-]+)["']?[ \t]*[:=][ \t]*("[^"\n]*"|'[^'\n]*'|[^\s,{}\[\]][^\n]*)"""
_SENSITIVE = r"(?i)pass|secret|token|key|credential|auth|DATABASE_URL|DSN|CONN"


def urls(text: str) -> str:
    """Return a text without passwords in its URLs and parameters; variables in their place stay."""
    text = re.sub(_PARAMETER, rf"\1{HIDDEN}", re.sub(_USERINFO, rf"\1{HIDDEN}@", text))
    return re.sub(_QUERY, lambda found: f"{found[1]}?{'&'.join(map(_parameter, found[2].split('&')))}", text)


def _parameter(pair: str) -> str:
    """Return a parameter of a URL without what may be secret in it."""
    hidden = pair.endswith(f"={HIDDEN}") and re.match(_ASSIGNMENT, pair)
    return pair if hidden or re.fullmatch(_HARMLESS, pair) else HIDDEN


def value(text: str) -> str:
    """Return a text that is one value of a file, such as a name or an address, without what may be secret in it."""
    text = re.sub(_USERINFO_OF_VALUE, rf"\1{HIDDEN}@", text)
    text = text if "://" in text else re.sub(_LOGIN_OF_VALUE, f"{HIDDEN}@", text)
    text = re.sub(_NO_PORT_OF_VALUE, rf"\1{HIDDEN}", text)
    # In quotes a password may contain a blank, another quote, and what looks like the next parameter.
    return urls(re.sub(rf"(?s){_ASSIGNMENT}'.*", rf"\1{HIDDEN}", text))


def is_address(word: str) -> bool:
    """Say whether a word that was typed or set is an address, in place of a path or a name, and may have a password."""
    return "://" in word or re.match(r"(?s)(?://)?[^\s:/\\@]+:[^/\\]*@", word) is not None


def address(url: str) -> str:
    """Return an address for a message: as it is where its form cannot contain a secret, else `***`."""
    shown = urls(url)
    return shown if shown.startswith(("unix://", "npipe://")) or re.fullmatch(_ADDRESS, shown) else HIDDEN


def parts_of(text: str, secrets: Iterable[str]) -> str:
    """Return a foreign text, such as the message of an exception, without any part of a secret."""
    hidden = [False] * len(text)
    for secret in secrets:
        for at in range(len(secret) - SHORTEST + 1):
            piece = secret[at : at + SHORTEST]
            found = text.find(piece)
            while found >= 0:
                hidden[found : found + SHORTEST] = [True] * SHORTEST
                found = text.find(piece, found + 1)
    shown = [" " if is_hidden else "" for is_hidden in hidden]
    out: list[str] = []
    for character, is_hidden in zip(text, shown, strict=True):
        if not is_hidden:
            out.append(character)
        elif out[-1:] != [HIDDEN]:
            out.append(HIDDEN)
    return urls("".join(out))


def secrets_in(values: Mapping[str, str]) -> Iterator[str]:
    """Yield what is secret among variables, in every form in which it may be met: as it is, and decoded."""
    for name, value in values.items():
        if re.search(_SENSITIVE, name) or "@" in value:
            yield from _forms(value)


def secrets_of(text: str) -> Iterator[str]:
    """Yield what may be secret in the text of a file: values behind names of secrets, and what stands before an `@`."""
    for found in re.finditer(_ASSIGNED, text):
        yield from secrets_in({found[1]: found[2].strip().strip("\"'")})


def _forms(value: str) -> Iterator[str]:
    before = re.sub(r"^[A-Za-z][\w+.-]*://", "", value)
    user, _, password = before.rpartition("@")[0].partition(":")
    secret = (password or user) if "@" in before else before
    for form in (secret, unquote(secret), unquote(secret, errors="surrogateescape")):
        if form and not form.startswith("$"):
            yield form
