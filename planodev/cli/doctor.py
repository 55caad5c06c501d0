"""`planodev doctor`."""

from __future__ import annotations

import click

from planodev import doctor
from planodev.cli import shared


@shared.command("doctor")
@click.pass_context
def command(ctx: click.Context) -> int:
    """Diagnose problems with the engine, the database, the files and Plano, each with its cause and fix.

    Changes nothing, and ends within ten seconds whatever is broken. Exit code 7 if a check fails.
    """
    return shared.run(ctx, {}, doctor.examine)
