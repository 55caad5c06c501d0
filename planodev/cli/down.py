"""`planodev down`."""

from __future__ import annotations

from typing import Any

import click

from planodev.cli import common
from planodev.commands.down import down


@click.command("down", short_help="Stop Postgres; the data stays.")
@click.option("--keep-data", is_flag=True, help="Stop it, keep the data, ask nothing.")
@click.option("--delete-data", is_flag=True, help="Delete container, volume and every conversation; asks first.")
@click.option("--yes", is_flag=True, help="Delete without asking; needed where there is no terminal.")
@common.as_json
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401
    """Stop this project's Postgres.

    The data is kept unless `--delete-data` is given and confirmed. `.env` and config.yaml are never removed.
    """
    if options["keep_data"] and options["delete_data"]:
        raise click.UsageError("--keep-data and --delete-data exclude each other", ctx)
    common.run(ctx, options, down)
