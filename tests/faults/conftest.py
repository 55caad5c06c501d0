from __future__ import annotations

import pytest

from tests.support.following import Follower


@pytest.fixture
def follower(tmp_path, monkeypatch, capsys, request):
    """Return what makes projects, each with a home and an engine of its own."""
    made = []

    def make():
        made.append(None)
        base = tmp_path / f"n{len(made)}"
        return Follower(base / "shop", base / "home", monkeypatch, capsys, request.addfinalizer)

    return make
