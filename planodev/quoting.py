"""Variables as text that a shell or a program reads back unchanged, whatever they hold."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

from planodev.pasting import posix
from planodev.project import env_file, env_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def dotenv(values: Mapping[str, str]) -> str:
    """Return lines for python-dotenv and its like; quoted only where a value needs it."""
    return _lines(f"{name}={_dotenv(value)}" for name, value in values.items())


def shell(values: Mapping[str, str]) -> str:
    """Return `export` lines for sh, bash and zsh."""
    return _lines(f"export {name}={posix(value)}" for name, value in values.items())


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


def github(values: Mapping[str, str]) -> str:
    """Return sh lines for a step of GitHub Actions: they mask what is secret, then set all for the steps that follow.

    Source: https://docs.github.com/actions/using-workflows/workflow-commands-for-github-actions: `add-mask`, and
    `GITHUB_ENV` with a line for each variable, or a delimiter for one of several lines. The text of a command is
    percent-decoded.
    """
    secret = [value for name, value in values.items() if value and name not in env_keys.PUBLIC]
    masks = (f"printf '::add-mask::%s\\n' {posix(_command_data(value))}" for value in dict.fromkeys(secret))
    lines = (f"""printf '%s\\n' {posix(_env_line(name, value))} >> "$GITHUB_ENV\"""" for name, value in values.items())
    return _lines([*masks, *lines])


FORMATS: dict[str, Callable[[Mapping[str, str]], str]] = {
    "dotenv": dotenv,
    "shell": shell,
    "fish": fish,
    "powershell": powershell,
    "github": github,
    "json": as_json,
}


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _command_data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _env_line(name: str, value: str) -> str:
    if "\n" not in value and "\r" not in value:
        return f"{name}={value}"
    end = f"end-{os.urandom(8).hex()}"
    return f"{name}<<{end}\n{value}\n{end}"


def _dotenv(value: str) -> str:
    return value if env_file.is_plain(value) else _escaped(value)


def _escaped(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
