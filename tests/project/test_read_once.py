"""How often each command opens the project's files: once, and again only what planodev itself has written."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support.git import git

pytestmark = pytest.mark.each_engine(slow="docker")

ROOT = Path(__file__).parents[2]
FILES = (".env", "config.yaml", "planodev.toml", "record", ".gitignore")
KEY = "sk-ant-0123456789"
# In this order, in the root of a repository: a command, and how often it opens each of FILES.
TABLE = [
    # `.env` is read where the address was written, and once more where the key was.
    ("up --save-keys", (2, 1, 1, 0, 1)),
    ("up", (1, 1, 1, 1, 0)),
    ("up --dry-run", (1, 1, 1, 1, 0)),
    ("status", (1, 1, 1, 1, 0)),
    ("verify", (1, 1, 1, 1, 0)),
    ("doctor", (1, 1, 1, 1, 0)),
    ("env", (1, 1, 1, 1, 0)),
    ("keys", (1, 1, 1, 1, 0)),
    ("run -- true", (1, 1, 1, 1, 0)),
    ("run -- planoai up", (1, 1, 1, 1, 0)),
    ("conversations", (1, 1, 1, 1, 0)),
    ("snapshot save one", (1, 1, 1, 1, 0)),
    ("snapshot list", (1, 1, 1, 1, 0)),
    ("reset --yes", (1, 1, 1, 1, 0)),
    ("down", (1, 1, 1, 1, 0)),
    ("up", (1, 1, 1, 1, 0)),
    ("down --delete-data --yes", (1, 1, 1, 1, 0)),
]


def opened(project, report, *arguments):
    """Run a command; returns how often it has opened each of the files to read it."""
    report.write_text("")
    command = [sys.executable, "-m", "tests.support.opened", str(report), "-C", str(project.path), *arguments]
    environment = {**project.environment, "ANTHROPIC_API_KEY": KEY, "PATH": f"{project.base}:/usr/bin:/bin"}
    streams = {"capture_output": True, "stdin": subprocess.DEVNULL, "text": True}
    done = subprocess.run(command, cwd=ROOT, env=environment, timeout=180, check=False, **streams)
    assert done.returncode == 0, done.stdout + done.stderr
    paths = [Path(line) for line in report.read_text().splitlines()]
    state = Path(project.environment["XDG_STATE_HOME"]) / "planodev/projects"
    found = Counter(
        "record" if path.parent == state else path.name for path in paths if path.parent in (state, project.path)
    )
    return tuple(found[name] for name in FILES)


def test_each_file_is_read_once(project, base):
    git(project.path, "init", "-q")
    project.write(".gitignore", "build/\n").write("planodev.toml", "timeout = 60\n")
    stand_in = base / "planoai"
    stand_in.write_text("#!/bin/sh\n")
    stand_in.chmod(0o755)
    found = [(command, opened(project, base / "opened", *command.split())) for command, _ in TABLE]
    assert found == TABLE


def test_which_project_a_directory_is_in_is_asked_of_env_first(project, base):
    """Not in a repository's root there may be a project above: `.env` says that there is one here, before the lock."""
    project("up", "--model", "anthropic/claude-sonnet-4-5")
    assert opened(project, base / "opened", "status") == (2, 1, 0, 1, 0)
    assert opened(project, base / "opened", "up") == (2, 1, 0, 1, 0)
