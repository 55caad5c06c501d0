"""Being an ordinary user for a moment: root may open everything, and most people are not root."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import pytest

NOBODY = 65534  # on every Linux; any number that is not root's would do


@pytest.fixture
def open_place():
    """Return a directory that any user may enter, as those of `tmp_path` are not."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def as_ordinary_user():
    """Return what has the system treat this process as an ordinary user's, within a `with`, where it is root's."""

    @contextlib.contextmanager
    def ordinary():
        if os.geteuid():
            yield
            return
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    return ordinary
