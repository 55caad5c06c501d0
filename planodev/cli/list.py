"""`planodev list`."""

from __future__ import annotations

import os

import click

from planodev.cli import options as shared
from planodev.commands import projects


@shared.command("list")
@click.pass_context
def command(ctx: click.Context, /) -> int:
    """List every project of this machine: directory, engine, state, size, last use.

    It asks Docker and the embedded engine, and looks at what planodev has noted about those that do not answer.
    """
    ctx.obj.finish(projects.listed(dict(os.environ)))
    return 0
