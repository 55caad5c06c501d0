"""`planodev verify`."""

from __future__ import annotations

from typing import Any

import click

from planodev.cli import options as shared
from planodev.commands import workflows


@shared.command("verify")
@shared.config()
@click.option(
    "--env-file",
    metavar="FILE",
    shell_complete=shared.paths("file"),
    help="Verify the server that this file names, from this machine.",
)
@click.option("--timeout", metavar="SECONDS", help="How long to wait, with --env-file.  [default: 10]")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    """Verify, from where Plano will run, that it can store conversations.

    Changes nothing: the conversation that it stores is rolled back. `--env-file .env.production` verifies the server
    named there instead, as Plano would reach it.
    """
    if options["timeout"] and not options["env_file"]:
        raise click.UsageError("--timeout requires --env-file", ctx)
    return shared.run(ctx, lambda place, variables, console: workflows.verify(place, options, variables, console))
