"""`planodev verify`."""

from __future__ import annotations

from typing import Any

import click

from planodev.cli import common
from planodev.commands.verify import verify


@click.command("verify", short_help="Prove again that Plano can store.")
@click.option("--config", metavar="FILE", help="Plano's configuration.  [default: config.yaml or plano_config.yaml]")
@click.option("--env-file", metavar="FILE", help="Prove what this file says instead, from this machine.")
@click.option("--timeout", metavar="SECONDS", help="How long that may take.  [default: 10]")
@common.as_json
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401
    """Prove, from where Plano will run, that it can store; nothing is changed, the stored row is rolled back.

    With `--env-file .env.production` it is the server named there, in the way that Plano would take.
    """
    if options["timeout"] and not options["env_file"]:
        raise click.UsageError("--timeout goes with --env-file", ctx)
    common.run(ctx, options, verify)
