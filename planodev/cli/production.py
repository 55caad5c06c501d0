"""`planodev production`."""

from __future__ import annotations

from typing import Any

import click

from planodev import production
from planodev.cli import options as shared
from planodev.commands import workflows


@shared.command("production")
@click.argument("provider", type=click.Choice(production.names()), metavar="PROVIDER")
@click.option(
    "--output", metavar="DIR", shell_complete=shared.paths("dir"), help="Where to write.  [default: the project]"
)
@click.option("--host", metavar="NAME", help="The server's host name; can be filled in later.")
@shared.config()
@click.option("--generate-password", is_flag=True, help="Generate a strong DB_PASS instead of leaving it to fill in.")
@click.option("--force", is_flag=True, help="Overwrite existing files; values in .env.production are kept.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    return shared.run(ctx, lambda place, variables, console: workflows.production(place, options, variables, console))


# Not a docstring, since it names the files that are there.
command.help = f"""Generate an environment file, SQL for an owner, a Compose file and PRODUCTION.md with the five steps.

PROVIDER is one of {", ".join(production.names())}. No server is contacted; `planodev verify --env-file .env.production`
verifies the result.
"""
