"""The one place where errors end: printed for people or machines, with an exit code for each kind."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from planodev.cli.console import Console
from planodev.cli.group import planodev
from planodev.problems import BadInput, Interrupted, PlanodevError


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and end the process.

    Args:
        arguments: without the program's name; default what was typed.

    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  until the process ends
    arguments = sys.argv[1:] if arguments is None else arguments
    console = Console()
    code = 0
    try:
        code = _run(arguments, console)
    except (PlanodevError, click.exceptions.Exit) as error:
        code = error.exit_code
        if isinstance(error, PlanodevError):
            try:
                console.fail(_command(arguments), error)
            except OSError as unwritten:
                _say_unwritten(unwritten)
    except BrokenPipeError:
        code = _quiet_pipe()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = code or _quiet_pipe()
    except OSError as error:  # a full disk behind a redirection
        _say_unwritten(error)
        code = code or 1
    # Nothing is left to clean up, and tearing the interpreter down takes longer than some commands.
    os._exit(code)


def _say_unwritten(error: OSError) -> None:
    os.write(2, f"✗ the output could not be written: {error.strerror} [unexpected]\n".encode())


def _run(arguments: list[str], console: Console) -> int:
    """Run a command and return its exit code.

    Whatever goes wrong leaves as a `PlanodevError`, a pipe that closed, or click's exit.
    """
    # What follows `run` belongs to the command that it starts.
    console.json = "--json" in arguments and _command(arguments) != "run"
    try:
        code = planodev.main(arguments, prog_name="planodev", standalone_mode=False, obj=console)
        return code if isinstance(code, int) else 0  # what a command has left with
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        raise click.exceptions.Exit(BadInput.exit_code) from error
    except click.UsageError as error:
        context = error.ctx.command_path if error.ctx else "planodev"
        option = getattr(error, "option_name", "")
        early = option in ("-C", "-q", "--quiet") and " " in context
        fix = f"`planodev {option} …` goes before the command; `planodev --help`" if early else f"`{context} --help`"
        raise BadInput("usage", " ".join(error.format_message().split()).rstrip("."), fix=fix) from error
    except SystemExit as error:  # click's answer to a pipe that closed, and nothing else
        raise BrokenPipeError from error
    except (KeyboardInterrupt, click.Abort) as error:
        raise _interrupted(_command(arguments)) from error
    except (PlanodevError, BrokenPipeError, click.exceptions.Exit):
        raise
    except Exception as error:
        if os.environ.get("PLANODEV_DEBUG"):
            raise
        raise _unexpected(error) from error


def _unexpected(error: Exception) -> PlanodevError:
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT) and error.filename is None:
        fix = "make room where the output goes"
        return PlanodevError("unexpected", "the output could not be written", why=error.strerror, fix=fix)
    if type(error).__module__.startswith(("docker", "planodev.engines.docker")):
        from planodev.engines import failures

        return failures.refused(text)
    return PlanodevError(
        "unexpected", f"planodev itself failed: {type(error).__name__}", why=text, fix="PLANODEV_DEBUG=1 shows where"
    )


def _interrupted(command: str) -> Interrupted:
    left = "what was begun is mended by the next `planodev up`" if command == "up" else "nothing was lost"
    return Interrupted("interrupted", f"interrupted; {left}")


def _command(arguments: list[str]) -> str:
    skip = False
    for argument in arguments:
        if skip or argument.startswith("-"):
            skip = argument == "-C"
            continue
        return argument
    return "planodev"


def _quiet_pipe() -> int:
    """Leave as programs do whose reader went away, without Python's complaint at the end."""
    for stream in (sys.stdout, sys.stderr):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return 128 + 13  # as the shell counts a program that SIGPIPE has ended
