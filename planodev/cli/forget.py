"""`planodev forget`."""

from __future__ import annotations

import os

import click

from planodev.cli import shared
from planodev.commands import list_and_forget


@shared.command("forget")
@click.argument("directories", metavar="[DIRECTORY]...", nargs=-1)
@click.option("--yes", is_flag=True, help="Do it without asking; required where there is no terminal.")
@click.pass_context
def command(ctx: click.Context, /, directories: tuple[str, ...], *, yes: bool) -> int:
    """Delete the databases of projects whose directory is gone; asks first.

    Without DIRECTORY, those of all such projects of this machine. Snapshots are kept. `planodev list` shows what would
    be deleted.
    """
    ctx.obj.finish(list_and_forget.forget(dict(os.environ), ctx.obj, named=directories, yes=yes))
    return 0
