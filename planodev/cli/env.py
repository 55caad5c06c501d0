"""`planodev env`."""

from __future__ import annotations

import os
from typing import Any

import click

from planodev import quoting
from planodev.commands import handover


@click.command("env", short_help="Print the database's variables.")
@click.option(
    "--format", "form", type=click.Choice(list(quoting.FORMATS)), default="dotenv", show_default=True, help="For whom."
)
@click.option("--plano", metavar="docker|native", help="Whose DB_HOST to print.  [default: the project's]")
@click.pass_context
def command(ctx: click.Context, /, form: str, **options: Any) -> None:  # noqa: ANN401
    """Print DB_*, DATABASE_URL and the provider keys of .env, the password among them.

    \b
    sh, bash, zsh   eval "$(planodev env --format shell)"
    fish            planodev env --format fish | source
    PowerShell      planodev env --format powershell | Out-String | Invoke-Expression
    """  # noqa: D301  click's mark for lines that stay as they are
    directory, console = ctx.obj
    values = handover.env(directory, options, dict(os.environ), console)
    console.warn()
    click.echo(quoting.FORMATS[form](values), nl=False)
