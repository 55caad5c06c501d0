"""`planodev` itself: the commands by name, and the one place where errors end, with an exit code for each kind."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from planodev import __version__
from planodev.cli import shared
from planodev.cli.console import Console
from planodev.problems import BadInput, Command, Fix, Interrupted, PlanodevError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "up": "Start Postgres, set up .env and config.yaml, verify that Plano can store",
    "down": "Stop Postgres; the data is kept unless you ask to delete it",
    "status": "Show the database's status",
    "ask": "Ask the running Plano, and see whether the turn was stored",
    "conversations": "List, show, follow and prune what Plano remembers",
    "psql": "Open the database with psql",
    "logs": "Show the server's log",
    "snapshot": "Save the conversations, and bring them back",
    "reset": "Delete every stored conversation, and keep the database",
    "keys": "List the provider keys that Plano needs, and set them without echo",
    "verify": "Verify that Plano can store conversations",
    "run": "Run a command, such as planoai up, with the database in its environment",
    "env": "Print the database's variables",
    "doctor": "Diagnose problems",
    "list": "List every project of this machine that has a database",
    "forget": "Delete the databases of projects whose directory is gone",
    "production": "Generate files for a hosted PostgreSQL",
}
# What other tools call them.
_OTHERS = {
    "start": "up",
    "stop": "down",
    "ps": "status",
    "exec": "run",
    "check": "doctor",
    "log": "logs",
}
_TO_FINISH = ("up", "down")  # an interrupted one may have left work for the next
_COMPLETE = "_PLANODEV_COMPLETE"


def main(arguments: list[str] | None = None, console: Console | None = None) -> int:
    """Run the command line and return the exit code; only `run` may end the process, as it becomes its command.

    Args:
        arguments: without the program's name; default what was typed.
        console: where to print; default a new one.

    """
    console = console or Console()
    code = 0
    try:
        try:
            code = _run(sys.argv[1:] if arguments is None else arguments, console)
        except PlanodevError as error:
            code = error.exit_code
            console.fail(error)
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = code or 128 + 13  # as the shell counts a program that SIGPIPE has ended
    except OSError as error:  # a full disk behind a redirection
        os.write(2, f"✗ the output could not be written: {error.strerror} [disk-full]\n".encode())
        code = code or 1
    return code


def _run(arguments: list[str], console: Console) -> int:
    """Run a command and return its exit code; what goes wrong leaves as a `PlanodevError` or a pipe that closed."""
    try:
        if os.environ.get(_COMPLETE):
            from click.shell_completion import shell_complete

            return shell_complete(planodev, {"obj": console}, "planodev", _COMPLETE, os.environ[_COMPLETE])
        # Not `planodev.main`: it exits by itself, with code 1 for a closed pipe.
        with planodev.make_context("planodev", list(arguments), obj=console) as ctx:
            return int(planodev.invoke(ctx) or 0)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.UsageError as error:
        if console.command != "run":  # the words after `run` belong to the command that it starts
            _look_for_json(arguments, console)
        raise _usage(error, arguments) from error
    except (KeyboardInterrupt, EOFError, click.Abort) as error:
        raise Interrupted("interrupted", "interrupted", fix=_to_finish(console)) from error
    except (PlanodevError, BrokenPipeError):
        raise
    except Exception as error:
        raise _unexpected(error, arguments, console) from error


def _to_finish(console: Console) -> Fix | None:
    """Return the command that finishes an interrupted one, where that had begun and may have left something."""
    if console.typed is None or console.command not in _TO_FINISH:
        return None
    typed = (word for words in console.typed.values() for word in words)
    return Fix("run ", Command(console.command, *typed), " again to finish")


def _look_for_json(arguments: list[str], console: Console) -> None:
    """Note `--json` also where it follows an invalid argument, at which click stopped parsing."""
    settings = {"ignore_unknown_options": True, "allow_extra_args": True, "resilient_parsing": True}
    looking = click.Command(None, params=[shared.json_option()], context_settings=settings)
    looking.make_context("planodev", list(arguments), obj=console)


def _usage(error: click.UsageError, arguments: list[str]) -> BadInput:
    from planodev import masking

    names = error.ctx.command_path.split()[1:] if error.ctx else []
    text = error.format_message()
    for word in filter(masking.is_address, arguments):  # click repeats a word as it is, or as Python writes it
        for written in (word, repr(word)[1:-1]):
            text = text.replace(written, masking.value(word))
    message = " ".join(text.split()).rstrip(".")
    return BadInput("usage", message, fix=Fix(Command(*names, "--help")))


def _unexpected(error: Exception, arguments: list[str], console: Console) -> PlanodevError:
    """Return the error for an unexpected exception; with PLANODEV_DEBUG the traceback is printed as well."""
    from planodev import unexpected

    secrets = unexpected.secrets_at(Path(console.directory or "."), os.environ, arguments)
    if os.environ.get("PLANODEV_DEBUG"):
        console.trace(unexpected.trace(error, secrets))
    return unexpected.explain(error, secrets)


class _Late(click.Group):
    """A group that imports a command only when it runs: neither `--help` nor a completion of names needs one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:  # during shell completion
                return None
            import difflib

            close = _OTHERS.get(cmd_name) or next(iter(difflib.get_close_matches(cmd_name, COMMANDS)), None)
            meant = f". Did you mean `{close}`?" if close else ""
            raise click.UsageError(f"No such command '{cmd_name}'{meant}", ctx)
        command = importlib.import_module(f"planodev.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=_Late,
    params=[*shared.shared_options(), shared.json_option()],
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    epilog="Start with `planodev up`. End the day with `planodev down --keep-data`.",
)
@click.version_option(__version__, prog_name="planodev")
@click.pass_context
def planodev(ctx: click.Context) -> None:
    """From a fresh checkout to a Plano that remembers conversations.

    Plano keeps multi-turn conversations in one PostgreSQL table. planodev starts that
    database, writes .env and config.yaml for it, and verifies that Plano can store.
    """
    if ctx.invoked_subcommand:
        ctx.obj.command = ctx.invoked_subcommand
        return
    if ctx.obj.json:
        raise click.UsageError("Missing command", ctx)
    click.echo(ctx.get_help(), err=True)
    raise click.exceptions.Exit(BadInput.exit_code)
