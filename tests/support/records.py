"""planodev's own record of where a project's data is, as it lies on the disk."""

from __future__ import annotations

import json
from pathlib import Path

KEYS = {"project", "path", "inode", "engine", "place", "moving_to", "remains", "user", "database"}
ENGINES = ("", "docker", "embedded")


def of(project):
    """Return the records of a project's directory, each seen to be whole."""
    directory = Path(project.environment["XDG_STATE_HOME"]) / "planodev/projects"
    found = [json.loads(file.read_text()) for file in directory.glob("*.json")] if directory.is_dir() else []
    for record in found:
        assert set(record) == KEYS
        assert {record["engine"], record["moving_to"], record["remains"]} <= set(ENGINES)
    return [record for record in found if record["path"] == str(project.path)]


def hold(project):
    """See that the one record of a project that is up says where its data is, and that nothing is left to do."""
    (record,) = of(project)
    status = project.status()
    assert (record["engine"], record["place"]) == (status["engine"]["name"], status["volume"])
    assert (record["moving_to"], record["remains"]) == ("", "")
