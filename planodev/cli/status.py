"""`planodev status`."""

from __future__ import annotations

from typing import Any

import click

from planodev.cli import common
from planodev.commands.status import status


@click.command("status", short_help="Say what is there.")
@common.as_json
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401
    """Say what is there: the server, its address, the table, the stored conversations. Starts nothing."""
    common.run(ctx, options, status)
