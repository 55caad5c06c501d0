"""`planodev verify`."""

from __future__ import annotations

from typing import Any

import click

from planodev.cli import shared
from planodev.commands.verify import verify
from planodev.project import defaults


@shared.command("verify")
@shared.config()
@click.option(
    "--env-file",
    metavar="FILE",
    shell_complete=shared.paths("file"),
    help="Verify the server that this file names, from this machine.",
)
@click.option("--through-plano", is_flag=True, help="Send two short turns through the running Plano, and remove them.")
@click.option("--model", "of_model", metavar="PROVIDER/MODEL", help="Ask this model, with --through-plano.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    help=f"How long to wait, with --env-file.  [default: {defaults.HOSTED_TIMEOUT:g}]",
)
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    """Verify, from where Plano will run, that it can store conversations.

    Changes nothing: the conversation that it stores is rolled back. `--env-file .env.production` verifies the server
    named there instead, as Plano would reach it. `--through-plano` costs two requests to the model's provider.
    """
    if options["timeout"] and not options["env_file"]:
        raise click.UsageError("--timeout requires --env-file", ctx)
    if options["of_model"] and not options["through_plano"]:
        raise click.UsageError("--model requires --through-plano", ctx)
    if options["through_plano"] and options["env_file"]:
        raise click.UsageError(
            "--through-plano and --env-file cannot be used together: the Plano of this machine has another database",
            ctx,
        )
    return shared.run(ctx, options, verify)
