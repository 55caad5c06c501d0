"""Variables as text that a shell or a program reads back unchanged, whatever they hold."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

from planodev.project import env_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def dotenv(values: Mapping[str, str]) -> str:
    """Return lines for python-dotenv and its like; quoted only where a value needs it."""
    return _lines(f"{name}={_dotenv(value)}" for name, value in values.items())


def shell(values: Mapping[str, str]) -> str:
    """Return `export` lines for sh, bash and zsh."""
    return _lines(f"export {name}={shlex.quote(value)}" for name, value in values.items())


def fish(values: Mapping[str, str]) -> str:
    """Return `set -gx` lines; within its single quotes fish knows two escapes."""
    return _lines(f"set -gx {name} {_escaped(value)}" for name, value in values.items())


def powershell(values: Mapping[str, str]) -> str:
    """Return `$env:` lines; PowerShell takes four typographic quotes for the plain one, and all are doubled."""
    doubled = {name: re.sub("(['\u2018-\u201b])", r"\1\1", value) for name, value in values.items()}
    return _lines(f"$env:{name} = '{value}'" for name, value in doubled.items())


def as_json(values: Mapping[str, str]) -> str:
    """Return one JSON object."""
    return json.dumps(dict(values), indent=2, ensure_ascii=False) + "\n"


FORMATS: dict[str, Callable[[Mapping[str, str]], str]] = {
    "dotenv": dotenv,
    "shell": shell,
    "fish": fish,
    "powershell": powershell,
    "json": as_json,
}


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _dotenv(value: str) -> str:
    return value if env_file.is_plain(value) else _escaped(value)


def _escaped(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
