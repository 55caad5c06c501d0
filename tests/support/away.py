"""A machine on which nothing of the user is found, and no engine answers: for commands that run in this process."""

from __future__ import annotations

import io

# The variables that say where the user has files which planodev reads.
PLACES = ("HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "DOCKER_CONFIG")


def from_everything(monkeypatch, place, path="/nowhere"):
    """Have HOME and what else is read be below a directory, and neither engine nor terminal; `path` is the PATH."""
    for name in PLACES:
        monkeypatch.setenv(name, str(place / name.lower()))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}/nothing.sock")
    monkeypatch.setenv("PATH", path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    monkeypatch.delenv("PLANODEV_DEBUG", raising=False)
