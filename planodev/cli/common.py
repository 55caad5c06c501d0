"""What every command needs from the command line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NoReturn

import click

from planodev.problems import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from planodev.look import Context
    from planodev.result import Result

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, also on failure.")


def refuse_empty(option: str) -> NoReturn:
    """Raise `BadInput`: without a name something else than was meant would be taken."""
    why, fix = "it may come from a variable that is not set", f"write a name behind `{option}`, or leave it out"
    raise BadInput("usage", f"`{option}` is empty", why=why, fix=fix)


def run(ctx: click.Context, options: dict[str, Any], command: Callable[[Context], Result]) -> None:
    """Do a command's work and print its result.

    Raises:
        click.exceptions.Exit: the result itself says that something is wrong.

    """
    from planodev.look import Context
    from planodev.project import identity

    directory, console = ctx.obj
    result = command(Context(identity.at(directory), given(options), dict(os.environ), console))
    console.finish(result)
    if result.error:
        raise click.exceptions.Exit(result.error.exit_code)


def repeat(ctx: click.Context, options: dict[str, Any]) -> None:
    """Have the commands that are named as a fix repeat what was typed, where `up` takes it: each means it this way."""
    import shlex

    typed: dict[str, str] = {}
    for name in ("engine", "plano", "port", "name", "image", "template", "model", "config"):
        value = options.get(name) or ()
        values = (value,) if isinstance(value, str) else value
        typed[f"--{name}"] = "".join(f" --{name} {shlex.quote(one)}" for one in values)
    ctx.obj[1].typed = {flag: text for flag, text in typed.items() if text}


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Drop what is only for the console.

    Raises:
        BadInput: a file or a directory was given, and is empty, as a variable is that nobody has set.

    """
    for name in ("env_file", "config", "output"):
        if options.get(name) == "":
            refuse_empty(f"--{name.replace('_', '-')}")
    return {name: value for name, value in options.items() if name != "as_json"}
