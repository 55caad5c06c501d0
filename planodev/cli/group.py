"""`planodev` itself: the options before a command, and the commands by name."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from planodev import __version__
from planodev.cli import common

COMMANDS = {
    "up": "Start Postgres, write .env and config.yaml, prove that Plano can store",
    "down": "Stop Postgres; its data stays unless the deletion is asked for",
    "status": "Say what is there; starts nothing",
    "verify": "Prove again that Plano can store; changes nothing",
    "run": "Run a command, such as planoai up, with the database in its environment",
    "env": "Print the database's variables for a shell or a program",
    "doctor": "Look at everything that can be wrong; changes nothing",
    "production": "Write what moves this set-up to a hosted PostgreSQL",
}


# What others call them.
_OTHERS = {"start": "up", "stop": "down", "ps": "status", "exec": "run"}


class _Late(click.Group):
    """A group that imports a command only when it runs: `--help` needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            import difflib

            close = _OTHERS.get(cmd_name) or next(iter(difflib.get_close_matches(cmd_name, COMMANDS)), None)
            meant = f", did you mean `{close}`?" if close else ""
            raise click.UsageError(f"No such command '{cmd_name}'{meant}", ctx)
        command = importlib.import_module(f"planodev.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Late,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="A first day: `planodev up`. The end of it: `planodev down --keep-data`.",
)
@click.option("-C", "directory", type=click.Path(), default=".", help="The project, instead of here.")
@click.option("-q", "--quiet", is_flag=True, help="Print only the result, warnings and errors.")
@click.version_option(__version__, prog_name="planodev")
@click.pass_context
def planodev(ctx: click.Context, directory: str, quiet: bool) -> None:  # noqa: FBT001
    """From a fresh checkout to a Plano that remembers conversations.

    Plano keeps multi-turn conversations in one PostgreSQL table. planodev starts that
    database, writes .env and config.yaml for it, and proves that Plano can store.
    """
    console = ctx.obj
    console.quiet = quiet
    if not directory:
        common.refuse_empty("-C")
    console.directory = None if Path(directory) == Path() else directory
    ctx.obj = (Path(directory), console)
