"""What stands at a path that may lead through a directory which this user may not enter; there it counts as not there.

`pathlib` raises a PermissionError for such a path before Python 3.14.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def is_file(path: Path | str) -> bool:
    """Say whether a file is there, or a link to one."""
    return os.path.isfile(path)  # noqa: PTH113  never raises


def is_dir(path: Path | str) -> bool:
    """Say whether a directory is there, or a link to one."""
    return os.path.isdir(path)  # noqa: PTH112  never raises


def exists(path: Path | str) -> bool:
    """Say whether anything is there, and no link to nothing."""
    return os.path.exists(path)  # noqa: PTH110  never raises
