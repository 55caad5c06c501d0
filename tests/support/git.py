"""git, whoever the user is: the tests have a name of their own."""

from __future__ import annotations

import subprocess

from tests.support.requirements import require


def git(directory, *arguments) -> str:
    """Run git in a directory, and return what it says; a test on a machine without it is skipped, and fails in CI."""
    require("git")
    own = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always")
    command = ["git", *own, "-C", str(directory), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
