"""`planodev psql`."""

from __future__ import annotations

from typing import Any

import click

from planodev.cli import shared
from planodev.cli.become import become
from planodev.commands import psql as work

_OWN = ("-C", "--env-file")  # all others are psql's, also `-q`, and `-h` unless it comes first


class _PassesOn(shared.Command):
    """A command whose own options end where another program's begin."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **settings)
        self.params = [one for one in self.params if not {"-q", "-v"} & {*one.opts}]  # psql has them, too

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the options that are planodev's, and leave the rest as it stands."""
        at = 0
        while at < len(args) and (args[at] in (*_OWN, "-h", "--help") or args[at].startswith("--env-file=")):
            at += 2 if args[at] in _OWN else 1
        rest = args[at + 1 :] if args[at : at + 1] == ["--"] else args[at:]  # as before the command of `run`
        return super().parse_args(ctx, [*args[:at], "--", *rest])


@click.command("psql", cls=_PassesOn, has_json=False)
@click.option(
    "--env-file",
    metavar="FILE",
    shell_complete=shared.paths("file"),
    help="Open the server that this file names, read-only.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGUMENTS]...")
@click.pass_context
def command(ctx: click.Context, /, arguments: tuple[str, ...], env_file: str | None) -> int:
    """Open the database with the server's own psql, as Plano's role.

    Everything behind -C and --env-file goes to psql: `planodev psql -c 'TABLE conversation_states'`. With Docker, the
    file of `-f` is one in the container; `-f -` reads what is piped in. The exit code is psql's own.
    """
    found = work.psql(shared.context(ctx, {"env_file": env_file}), arguments)
    ctx.obj.warn()
    return found if isinstance(found, int) else become(found)
