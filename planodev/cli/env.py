"""`planodev env`."""

from __future__ import annotations

import sys
from typing import Any

import click

from planodev import quoting
from planodev.cli import options as shared
from planodev.commands import handover
from planodev.project import settings
from planodev.visible import visible


@shared.command("env", has_json=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(quoting.FORMATS)),
    default="dotenv",
    show_default=True,
    help="Output format.",
)
@click.option("--plano", **shared.choice(settings.PLANO), help="Where DB_HOST is used.  [default: as set up]")
@click.pass_context
def command(ctx: click.Context, /, form: str, **options: Any) -> None:  # noqa: ANN401
    """Print DB_*, DATABASE_URL and the provider keys of .env, including the password.

    \b
    sh, bash, zsh   eval "$(planodev env --format shell)"
    fish            planodev env --format fish | source
    PowerShell      planodev env --format powershell | Out-String | Invoke-Expression
    GitHub Actions  planodev env --format github | sh
    """  # noqa: D301  click's mark for lines that stay as they are
    values = handover.env(shared.context(ctx, options))
    ctx.obj.warn()
    text = quoting.FORMATS[form](values)
    # A program gets every value as it is: `color` keeps click from taking escapes out.
    click.echo(visible(text) if sys.stdout.isatty() else text, nl=False, color=True)
