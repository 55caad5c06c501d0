"""`planodev env`."""

from __future__ import annotations

import os
import stat
import sys
from typing import Any, TextIO

import click

from planodev import quoting
from planodev.cli import shared
from planodev.commands import run_and_env
from planodev.problems import Problem
from planodev.project import env_keys, settings
from planodev.visible import visible


def readable_by_others(stream: TextIO) -> Problem | None:
    """Return a warning where stdout is a file that other users of this machine may read."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # stdout has no file descriptor
        return None
    if os.name != "posix" or not stat.S_ISREG(found.st_mode) or not found.st_mode & 0o077:
        return None
    mode = f"{stat.S_IMODE(found.st_mode):04o}"
    text = f"the password goes into a file that others can read (mode {mode}); run `umask 077` first"
    return Problem("output-open-to-others", text)


@shared.command("env", has_json=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(quoting.FORMATS)),
    default="dotenv",
    show_default=True,
    help="Output format.",
)
@click.option("--plano", **shared.choice(settings.PLANO), help=f"Where {env_keys.HOST} is used.  [default: as set up]")
@click.pass_context
def command(ctx: click.Context, /, form: str, **options: Any) -> None:  # noqa: ANN401
    """Print DB_*, DATABASE_URL and the provider keys of .env, including the password.

    \b
    sh, bash, zsh   eval "$(planodev env --plano native --format shell)"
    fish            planodev env --plano native --format fish | source
    PowerShell      planodev env --plano native --format powershell | Out-String | Invoke-Expression
    GitHub Actions  planodev env --format github | sh
    """  # noqa: D301  click's mark: do not rewrap these lines
    values = run_and_env.env(shared.context(ctx, options))
    open_to_others = readable_by_others(sys.stdout)
    if open_to_others:
        ctx.obj.notice(open_to_others)
    ctx.obj.warn()
    text = quoting.FORMATS[form](values)
    # A program gets every value as it is: `color` keeps click from removing escape sequences.
    click.echo(visible(text) if sys.stdout.isatty() else text, nl=False, color=True)
