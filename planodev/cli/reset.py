"""`planodev reset`."""

from __future__ import annotations

from typing import Any

import click

from planodev.cli import shared
from planodev.commands.reset import reset


@shared.command("reset")
@click.option("--yes", is_flag=True, help="Do it without asking; required where there is no terminal.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    """Delete every stored conversation; asks first.

    The table is emptied in place, so a running Plano keeps its connection. Snapshots are kept.
    """
    return shared.run(ctx, options, reset)
