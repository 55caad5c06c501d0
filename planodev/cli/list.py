"""`planodev list`."""

from __future__ import annotations

import os

import click

from planodev.cli import shared
from planodev.commands import list_and_forget


@shared.command("list")
@click.pass_context
def command(ctx: click.Context, /) -> int:
    """List every project of this machine: directory, engine, state, size, last use.

    Docker and the embedded engine are asked; of one that does not answer, planodev's own records are shown.
    """
    ctx.obj.finish(list_and_forget.listed(dict(os.environ)))
    return 0
