"""Where planodev keeps what belongs to the user: state, data and cache, as the system has them."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from planodev.problems import BadInput

_NAME = "planodev"


def state() -> Path:
    """Return the directory for records and locks; see `_absolute`."""
    return _absolute("state", "XDG_STATE_HOME", ".local/state")


def data() -> Path:
    """Return the directory for databases and snapshots; see `_absolute`."""
    return _absolute("data", "XDG_DATA_HOME", ".local/share")


def cache() -> Path:
    """Return the directory for what can be made again; see `_absolute`."""
    return _absolute("cache", "XDG_CACHE_HOME", ".cache")


def _absolute(kind: str, variable: str, usual: str) -> Path:
    """Return a directory that is the same wherever planodev is called.

    Args:
        kind: what platformdirs calls it.
        variable: names another one in its place.
        usual: where it is below the home directory, by the XDG Base Directory Specification.

    Raises:
        BadInput: it would be below the current directory, as with a HOME that is not set for a user without a name.

    """
    named = os.environ.get(variable, "").strip() or os.path.join(os.environ.get("HOME", ""), usual)  # noqa: PTH118
    if sys.platform == "linux" and os.path.isabs(named):  # noqa: PTH117
        return Path(named, _NAME)  # as platformdirs has it, which takes 5 ms to import
    import platformdirs

    with suppress(RuntimeError):  # raised by newer platformdirs; older ones return `~/…`
        path: Path = getattr(platformdirs, f"user_{kind}_path")(_NAME)
        if path.is_absolute():
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
