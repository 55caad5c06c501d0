"""Small JSON files of planodev's own, read so that a broken one counts as none, whatever is wrong with it."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, get_type_hints

from planodev.project import regular_file

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T", bound=NamedTuple)
_fields = cache(get_type_hints)


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
    """Return the named tuple that an object stands for, None where a value is missing or of another kind.

    Args:
        kind: a named tuple of texts and whole numbers; what else the object has is left out.
        found: the object.

    """
    if found is None:
        return None
    values = []
    for name, wanted in _fields(kind).items():
        value = found.get(name, kind._field_defaults.get(name, ...))  # `...` is never of the wanted kind
        if isinstance(value, bool) or not isinstance(value, wanted):
            return None
        if isinstance(value, str) and ("\0" in value or (not value.isascii() and _lone(value))):
            return None
        values.append(value)
    return kind._make(values)


def _lone(text: str) -> bool:
    """Say whether a text has half of a pair of surrogates, which no name of a file and no terminal takes."""
    return any("\ud800" <= character <= "\udfff" for character in text)
