"""`planodev snapshot`."""

from __future__ import annotations

from typing import Any

import click

from planodev.cli import shared
from planodev.commands import snapshot as work

_yes = click.option("--yes", is_flag=True, help="Do it without asking; required where there is no terminal.")


@shared.group("snapshot")
def command() -> None:
    """Save the conversations, and bring them back.

    A snapshot is a dump of Plano's table, in your own data directory. `down --delete-data` keeps it, and a snapshot
    of one engine can be restored on the other.
    """


@shared.subcommand(command, "save", short_help="Save every stored conversation")
@click.argument("snapshot", metavar="[NAME]", required=False)
@click.pass_context
def save(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    """Save every stored conversation as NAME, by default the time of now."""
    return shared.run(ctx, options, work.save)


@shared.subcommand(command, "list", short_help="List the snapshots, newest first")
@click.pass_context
def listed(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    """List the snapshots, newest first: name, time, database, rows, size."""
    return shared.run(ctx, options, work.listed)


@shared.subcommand(command, "restore", short_help="Replace every stored conversation with a snapshot")
@click.argument("snapshot", metavar="[NAME]", required=False)
@_yes
@click.pass_context
def restore(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    """Replace every stored conversation with those of NAME, or of the newest snapshot; asks first.

    All or nothing, in one transaction: a running Plano keeps its connection.
    """
    return shared.run(ctx, options, work.restore)


@shared.subcommand(command, "delete", short_help="Delete a snapshot")
@click.argument("snapshot", metavar="NAME")
@_yes
@click.pass_context
def delete(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    """Delete a snapshot; asks first."""
    return shared.run(ctx, options, work.delete)
