"""Small JSON files of planodev's own, read so that a broken one counts as none, whatever is wrong with it."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypeVar

from planodev.project import regular_file

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")
_KINDS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "int | None": (int, type(None))}


def read(path: Path) -> dict[str, Any] | None:
    """Return the object that a file holds, None where there is none.

    Raises:
        PermissionError: it is another user's.

    """
    try:
        found = json.loads(regular_file.read(path))
    except PermissionError:
        raise
    except (OSError, RecursionError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def of(kind: type[T], found: dict[str, Any] | None) -> T | None:
    """Return the dataclass that an object stands for, None where a value is missing or of another kind.

    Args:
        kind: a dataclass of texts and whole numbers; what else the object has is left out.
        found: the object.

    """
    if found is None:
        return None
    values = {}
    for field in fields(kind):  # type: ignore[arg-type]
        value = found.get(field.name, field.default)
        if value is MISSING or isinstance(value, bool) or not isinstance(value, _KINDS[str(field.type)]):
            return None
        if isinstance(value, str) and ("\0" in value or (not value.isascii() and _lone(value))):
            return None
        values[field.name] = value
    return kind(**values)


def _lone(text: str) -> bool:
    """Say whether a text has half of a pair of surrogates, which no name of a file and no terminal takes."""
    return any("\ud800" <= character <= "\udfff" for character in text)
