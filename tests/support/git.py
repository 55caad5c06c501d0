"""git, whoever the user is: the tests have a name of their own, and no settings but those of the repository."""

from __future__ import annotations

import os
import subprocess

from tests.support.requirements import require


def git(directory, *arguments) -> str:
    """Run git in a directory, and return what it says; a test on a machine without it is skipped, and fails in CI."""
    require("git")
    own = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always")
    command = ["git", *own, "-C", str(directory), *map(str, arguments)]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
