"""`planodev logs`."""

from __future__ import annotations

from typing import Any

import click

from planodev.cli import shared
from planodev.commands import logs as work


@shared.command("logs", has_json=False)
@click.option("-f", "--follow", is_flag=True, help="Follow the log, until Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    metavar="N",
    type=click.IntRange(1, 1_000_000),
    default=100,
    show_default=True,
    help="The last N lines.",
)
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    """Show the server's log, without passwords and keys."""
    lines = work.logs(shared.context(ctx, options))
    return shared.until_interrupted(lambda: [ctx.obj.say(line) for line in lines], ends=options["follow"])
