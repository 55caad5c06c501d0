"""What every command needs from the command line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from planodev.cli.console import Console
    from planodev.result import Result

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, also on failure.")


def run(ctx: click.Context, work: Callable[[Path, dict[str, str], Console], Result]) -> None:
    """Do a command's work and print its result.

    Raises:
        click.exceptions.Exit: the result itself says that something is wrong.

    """
    directory, console = ctx.obj
    result = work(directory, dict(os.environ), console)
    console.finish(result)
    if result.error:
        raise click.exceptions.Exit(result.error.exit_code)


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Drop what is only for the console."""
    return {name: value for name, value in options.items() if name != "as_json"}
