"""Replace planodev's process by a command: signals, terminal and exit code are the command's own."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from typing import TYPE_CHECKING

from planodev import executables
from planodev.plano import planoai
from planodev.problems import CommandNotStarted, Fix, Shell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planodev.commands.run_and_env import Launch


def become(launch: Launch) -> int:
    """Replace this process by the command, so that signals, terminal and exit code are its own.

    It returns on Windows alone: there exec starts a second process, and the shell comes back before that has ended.

    Raises:
        CommandNotStarted: it is not there, or cannot be run.

    """
    os.chdir(launch.directory)
    environment = {**launch.environment, "PWD": str(launch.directory)}
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        program = _program(launch)
        if os.name == "nt":
            import subprocess

            return subprocess.run([program, *launch.command[1:]], env=environment, check=False).returncode
        with _signals_as_a_shell_has_them():
            os.execve(program, launch.command, environment)  # noqa: S606  the user's own command
    except (OSError, ValueError) as error:  # ValueError: its name is empty
        missing = isinstance(error, (FileNotFoundError, ValueError))
        fix: Fix | str = "check its name, and your PATH"
        if missing and launch.command[0] == "planoai":
            fix = Fix(planoai.installing())
        elif isinstance(error, PermissionError) and os.path.isfile(launch.command[0]):  # noqa: PTH113  as typed
            fix = Fix(Shell("chmod +x {}", launch.command[0]))
        problem = CommandNotStarted(
            "command-not-started",
            f"`{launch.command[0]}` could not be started",
            why=getattr(error, "strerror", None),
            fix=fix,
        )
        problem.exit_code = 127 if missing else 126
        raise problem from error


@contextlib.contextmanager
def _signals_as_a_shell_has_them() -> Iterator[None]:
    """Handle what Python ignores as a shell does: the command would go on ignoring it. Undone where none starts."""
    numbers = [getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name)]
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _program(launch: Launch) -> str:
    """Return the program to start: a path as it was typed, a name from the PATH alone, never from the project.

    Raises:
        FileNotFoundError: the PATH has none of this name.

    """
    name = launch.command[0]
    if os.path.basename(name) != name:  # noqa: PTH119  as typed
        return name
    found = executables.find(name, launch.environment)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return found
