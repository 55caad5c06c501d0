"""`planodev keys`."""

from __future__ import annotations

from typing import Any

import click

from planodev.cli import shared
from planodev.commands import keys as work


@shared.group("keys", invoke_without_command=True)
@shared.config()
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int | None:  # noqa: ANN401
    """List the provider keys that Plano's configuration needs, and where each is; never a value.

    `keys set` writes them into .env, where planoai looks for them.
    """
    if ctx.invoked_subcommand:
        shared.refuse_before(ctx)
        return None
    return shared.run(ctx, options, work.listed)


@shared.subcommand(command, "set", short_help="Write keys into .env")
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=click.UNPROCESSED)
@shared.config()
@click.option("--from-environment", is_flag=True, help="Take the values from the environment.")
@click.pass_context
def set_(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    """Write keys into .env: asks for each without echo, or reads one line for each from a pipe.

    \b
    Examples:
      planodev keys set OPENAI_API_KEY
      pass show openai | planodev keys set OPENAI_API_KEY
    """  # noqa: D301  click's mark: do not rewrap these lines
    return shared.run(ctx, options, work.save)
