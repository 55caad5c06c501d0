"""`planodev down`."""

from __future__ import annotations

from typing import Any

import click

from planodev.cli import shared
from planodev.commands.down import down


@shared.command("down")
@click.option("--keep-data", is_flag=True, help="Keep the data without asking.")
@click.option("--delete-data", is_flag=True, help="Delete container, volume and every conversation; asks first.")
@click.option("--with-plano", is_flag=True, help="Stop this project's Plano first.")
@click.option("--yes", is_flag=True, help="Delete without asking; required where there is no terminal.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    """Stop this project's Postgres.

    The data is kept unless `--delete-data` is given and confirmed. `.env` and config.yaml are never removed.
    """
    if options["keep_data"] and options["delete_data"]:
        raise click.UsageError("--keep-data and --delete-data cannot be used together", ctx)
    return shared.run(ctx, options, down)
