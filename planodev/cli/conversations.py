"""`planodev conversations`."""

from __future__ import annotations

from typing import Any

import click

from planodev.cli import options as shared
from planodev.commands import conversations as work

_env_file = click.option(
    "--env-file",
    metavar="FILE",
    shell_complete=shared.paths("file"),
    help="Ask the server that this file names, and change nothing there.",
)


@shared.group("conversations", invoke_without_command=True)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most.")
@click.option("--model", "of_model", metavar="TEXT", help="Only of models with this in their name.")
@click.option("--since", metavar="TIME", help="Only newer ones: 30m, 2h, 7d, 2026-11-27.")
@click.option("--grep", metavar="TEXT", help="Only those in which this is said.")
@_env_file
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int | None:  # noqa: ANN401
    """List the conversations that Plano has stored, newest first.

    A conversation is a stored turn that no other goes on from; where two share their beginning, one is shown as a
    branch of the other.
    """
    if ctx.invoked_subcommand:
        shared.refuse_before(ctx)
        return None
    return shared.run(ctx, options, work.listed)


@shared.subcommand(command, "show")
@click.argument("id", metavar="ID|last")
@click.option("--markdown", is_flag=True, help="Print it as Markdown, for a bug report.")
@_env_file
@click.pass_context
def show(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    """Show one conversation as a chat, and how to go on with it.

    ID is the beginning of one, as the list shows it; `last` is the newest. `--json` prints the row as it stands.
    """
    return shared.run(ctx, options, work.show)
