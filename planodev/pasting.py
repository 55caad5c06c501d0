"""Quote words for a command line to paste into the shell of this system."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

from planodev.visible import STEERING, has_steering, visible

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOWS = os.name == "nt"  # where the shell is PowerShell
_PROGRAM_OF_ZSH = re.compile("(^|:)=")
_PLAIN = r"[A-Za-z0-9@%+=:,./_\\-]+"
# Commands of POSIX shells that fixes name, and the same in PowerShell.
_OTHERWISE = (
    (r"`unset (\w+)`", r"`Remove-Item Env:\1`"),
    (r"`export (\w+)=([^`]*)`", r"`$env:\1 = '\2'`"),
)


def posix(text: str) -> str:
    """Return a word, or the value of an `export`, for sh, bash and zsh.

    `shlex.quote` leaves a `=` as it is, with which zsh looks for a program where it begins a word, a value or what
    follows a colon.

    """
    return f"'{text}'" if _PROGRAM_OF_ZSH.search(text) and shlex.quote(text) == text else shlex.quote(text)


def quoted(word: object, *, windows: bool | None = None) -> str:
    r"""Return a word as it is typed: by `posix`, and as `$'…'` where it holds what would steer the terminal.

    Args:
        word: a file name or the like.
        windows: whether it is for PowerShell, which doubles its quotes, and takes four typographic ones for them;
            default whether this is Windows.

    """
    text = str(word)
    if WINDOWS if windows is None else windows:
        text = visible(text).replace("\n", "")  # no file name on Windows contains such a character
        return text if re.fullmatch(_PLAIN, text) else "'" + re.sub("(['\u2018-\u201b])", r"\1\1", text) + "'"
    if "\n" not in text and not has_steering(text):
        return posix(text)
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return "$'" + re.sub(STEERING, _bytes, escaped) + "'"


def joined(words: Iterable[object]) -> str:
    """Return a command line; PowerShell takes a quoted first word for a text, unless there is an `&` before it."""
    line = " ".join(quoted(word) for word in words)
    return f"& {line}" if WINDOWS and line.startswith("'") else line


def for_this_shell(text: str, *, windows: bool | None = None) -> str:
    """Return a fix with the commands in it quoted for the shell of this system."""
    if WINDOWS if windows is None else windows:
        for pattern, instead in _OTHERWISE:
            text = re.sub(pattern, instead, text)
    return text


def _bytes(found: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(found[0]))
