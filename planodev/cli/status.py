"""`planodev status`."""

from __future__ import annotations

import click

from planodev.cli import shared
from planodev.commands.status import status


@shared.command("status")
@click.pass_context
def command(ctx: click.Context) -> int:
    """Show the database's status: server, address, table, stored conversations. Changes nothing."""
    return shared.run(ctx, {}, status)
