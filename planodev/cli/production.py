"""`planodev production`."""

from __future__ import annotations

from typing import Any

import click

from planodev import production
from planodev.cli import options as shared
from planodev.commands.production import production as write


@shared.command("production")
@click.argument("provider", type=click.Choice(production.names()), metavar="PROVIDER")
@click.option(
    "--output", metavar="DIR", shell_complete=shared.paths("dir"), help="Where to write.  [default: the project]"
)
@click.option("--host", metavar="NAME", help="The server's host name; can be filled in later.")
@shared.config()
@click.option("--generate-password", is_flag=True, help="Generate a strong DB_PASS instead of leaving it to fill in.")
@click.option("--direct", is_flag=True, help="Without PgBouncer: Plano restarts with the database (self-hosted).")
@click.option("--force", is_flag=True, help="Overwrite edited files; values that are filled in are kept.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    if options["direct"] and options["provider"] != "self-hosted":
        raise click.UsageError(f"--direct does not apply with {options['provider']}", ctx)
    return shared.run(ctx, options, write)


# Not a docstring, since it names the files that are there.
command.help = f"""Generate the files of a production set-up: an environment file, SQL for an owner, Plano and PgBouncer
for Compose, and PRODUCTION.md with the five steps.

PROVIDER is one of {", ".join(production.names())}. Run it again to update them. No server is contacted; `planodev
verify --env-file .env.production` verifies the result.
"""
