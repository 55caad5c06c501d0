"""`planodev production`."""

from __future__ import annotations

from typing import Any

import click

from planodev import production
from planodev.cli import common
from planodev.commands.production import production as write


@click.command("production", short_help="Write what moves this set-up to a hosted PostgreSQL.")
@click.argument("provider", type=click.Choice(production.names()), metavar="PROVIDER")
@click.option("--output", metavar="DIR", help="Where to write.  [default: the project]")
@click.option("--host", metavar="NAME", help="The server's host name; can be filled in later.")
@click.option("--config", metavar="FILE", help="Plano's configuration.  [default: config.yaml or plano_config.yaml]")
@click.option("--generate-password", is_flag=True, help="Make a strong DB_PASS; else it is left to be filled in.")
@click.option("--force", is_flag=True, help="Write over files that are there; values in .env.production stay.")
@common.as_json
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401
    common.run(ctx, options, write)


# Not a docstring, since it names the files that are there.
command.help = f"""Write an environment file, SQL for an owner, a Compose file and PRODUCTION.md with the five steps.

PROVIDER is one of {", ".join(production.names())}. No server is contacted; `planodev verify --env-file .env.production`
proves the result.
"""
