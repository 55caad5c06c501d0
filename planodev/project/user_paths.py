"""Where planodev keeps what belongs to the user: state, data and cache, as the system has them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from planodev.problems import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def state() -> Path:
    """Return the directory for records and locks; see `_absolute`."""
    from platformdirs import user_state_path

    return _absolute(user_state_path, "XDG_STATE_HOME")


def data() -> Path:
    """Return the directory for databases and snapshots; see `_absolute`."""
    from platformdirs import user_data_path

    return _absolute(user_data_path, "XDG_DATA_HOME")


def cache() -> Path:
    """Return the directory for what can be made again; see `_absolute`."""
    from platformdirs import user_cache_path

    return _absolute(user_cache_path, "XDG_CACHE_HOME")


def _absolute(find: Callable[[str], Path], variable: str) -> Path:
    """Return a directory that is the same wherever planodev is called.

    Args:
        find: returns the directory of a program's name; one of platformdirs.
        variable: names another one in its place.

    Raises:
        BadInput: it would be below the current directory, as with a HOME that is not set for a user without a name.

    """
    with suppress(RuntimeError):  # by newer platformdirs, where older ones return what begins with `~`
        if (path := find("planodev")).is_absolute():
            return path
    raise BadInput(
        "no-home",
        "the user's home directory is not known",
        why="HOME is not set, or is no absolute path, and the system has none for this user",
        fix=f"`export HOME=/path/to/it`, or {variable}",
    )


def short_name(path: Path) -> str:
    """Return 16 hexadecimal digits that stand for a path in the name of a file."""
    import hashlib

    return hashlib.sha256(str(path).encode()).hexdigest()[:16]
