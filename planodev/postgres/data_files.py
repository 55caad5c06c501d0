"""The files of a data directory, by their names."""

from __future__ import annotations

# PostgreSQL numbers the files of its own catalogues below this, all others from here on (`FirstNormalObjectId`).
_FIRST_OWN = 16384


def is_of_user(name: str) -> bool:
    """Say whether a file in the directory of a database is that of a table, or an index, that somebody has created."""
    return name.isdigit() and int(name) >= _FIRST_OWN
