"""`planodev doctor`."""

from __future__ import annotations

from typing import Any

import click

from planodev import doctor
from planodev.cli import common


@click.command("doctor", short_help="Look at everything that can be wrong.")
@common.as_json
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401
    """Look at the engine, the database, the files and Plano; say of each whether it is ok, why not, and the fix.

    Changes nothing, and ends within ten seconds whatever is broken. Exit code 7 where a check has failed.
    """
    common.run(ctx, options, doctor.examine)
