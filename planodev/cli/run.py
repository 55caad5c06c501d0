"""`planodev run`."""

from __future__ import annotations

from typing import Any

import click

from planodev.cli import shared
from planodev.cli.become import become
from planodev.commands import run_and_env
from planodev.project import settings


@shared.command("run", has_json=False, context_settings={"allow_interspersed_args": False})
@click.option("--plano", **shared.choice(settings.PLANO), help="Where the command runs.  [default: as it needs]")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARGUMENTS]...")
@click.pass_context
def command(ctx: click.Context, /, command: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401
    """Run a command with DB_*, DATABASE_URL and the provider keys of .env in its environment.

    `planodev run -- planoai up --docker` checks what planoai would stumble over, then starts Plano. Every other
    command gets an address that works on this machine. The exit code is the command's own.
    """
    launch = run_and_env.run(shared.context(ctx, options), command)
    ctx.obj.warn()
    return become(launch)
