"""`planodev status`."""

from __future__ import annotations

import click

from planodev.cli import options as shared
from planodev.commands import workflows


@shared.command("status")
@click.pass_context
def command(ctx: click.Context) -> int:
    """Show the database's status: server, address, table, stored conversations. Changes nothing."""
    return shared.run(ctx, workflows.status)
