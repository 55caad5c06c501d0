"""`planodev conversations`."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from planodev.cli import shared
from planodev.commands import conversations as work

_OF_THE_LIST = ("limit", "of_model", "since", "grep", "html", "open_page")
_env_file = click.option(
    "--env-file",
    metavar="FILE",
    shell_complete=shared.paths("file"),
    help="Ask the server that this file names, and change nothing there.",
)


def _page(function: Any) -> Any:  # noqa: ANN401
    """Add the options of the page."""
    html = click.option(
        "--html", metavar="FILE", shell_complete=shared.paths("file"), help="Write FILE, one page for the browser."
    )
    opened = click.option("--open", "open_page", is_flag=True, help="Open that page in the browser.")
    return html(opened(function))


@shared.group("conversations", invoke_without_command=True)
@click.option("--limit", metavar="N", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most N.")
@click.option("--model", "of_model", metavar="TEXT", help="Only those of a model whose name contains TEXT.")
@click.option("--since", metavar="TIME", help="Only newer ones: 30m, 2h, 7d, 2026-11-27.")
@click.option("--grep", metavar="TEXT", help="Only those that contain TEXT.")
@click.option("--follow", is_flag=True, help="Print a line for each turn as it is stored, until Ctrl-C.")
@_page
@_env_file
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int | None:  # noqa: ANN401
    """List the conversations that Plano has stored, newest first.

    A conversation is a stored turn that no later one continues. Where two share their beginning, one is shown as a
    branch of the other.
    """
    if ctx.invoked_subcommand:
        shared.refuse_before(ctx)
        return None
    if not options.pop("follow"):
        return shared.run(ctx, options, work.listed)
    typed = (name for name in _OF_THE_LIST if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE)
    if any(typed):
        raise click.UsageError("--follow shows every turn; it accepts only --env-file and --json", ctx)
    lines = work.followed(shared.context(ctx, options), as_json=ctx.obj.json)
    return shared.until_interrupted(lambda: [ctx.obj.say(line) for line in lines], ends=True)


@shared.subcommand(command, "show", short_help="Show one conversation as a chat")
@click.argument("id", metavar="ID|last")
@click.option("--markdown", is_flag=True, help="Print it as Markdown, for a bug report.")
@_page
@_env_file
@click.pass_context
def show(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    """Show one conversation as a chat, and how to continue it.

    ID is that of the list, or its beginning; `last` is the newest. `--json` prints the row as it is stored.
    """
    return shared.run(ctx, options, work.show)


@shared.subcommand(command, "prune", short_help="Delete old or superseded turns, or conversations by id")
@click.option("--older-than", metavar="TIME", help="Turns older than that: 30d, 2w, 2026-11-27.")
@click.option("--superseded", is_flag=True, help="Turns that a later one continues; no conversation is lost.")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted, and change nothing.")
@click.option("--yes", is_flag=True, help="Delete without asking; required where there is no terminal.")
@click.option(
    "--env-file",
    metavar="FILE",
    shell_complete=shared.paths("file"),
    help="Prune on the server that this file names, as a role that may delete.",
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.pass_context
def prune(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    """Delete old turns, superseded ones, or the conversations of these ids; shows them, and asks first.

    An ID stands for its conversation: its turn, those that continue it, and those that lead to these alone.
    """
    if sum(bool(options[name]) for name in ("older_than", "superseded", "ids")) != 1:
        raise click.UsageError("give exactly one of --older-than, --superseded and ID", ctx)
    return shared.run(ctx, options, work.pruned)


_file = click.argument("file", metavar="FILE", shell_complete=shared.paths("file"))


@shared.subcommand(command, "export", short_help="Write every stored turn to a file")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@_env_file
@_file
@click.pass_context
def export(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    """Write every stored turn to FILE as JSON lines, as fixtures for tests."""
    return shared.run(ctx, options, work.exported)


@shared.subcommand(command, "import", short_help="Store the turns of such a file")
@click.option("--force", is_flag=True, help="Replace stored turns that differ.")
@_file
@click.pass_context
def import_(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    """Store the turns of FILE, all or none. Turns that are stored already stay as they are."""
    return shared.run(ctx, options, work.imported)
