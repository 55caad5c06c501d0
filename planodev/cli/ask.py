"""`planodev ask`."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from planodev.cli import shared
from planodev.commands import ask as work
from planodev.problems import BadInput


@shared.command("ask")
@click.option("--new", is_flag=True, help="Start a new conversation.")
@click.option(
    "--continue", "continue_from", metavar="ID|last", help="Continue from this turn.  [default: the last ask here]"
)
@click.option("--model", "of_model", metavar="PROVIDER/MODEL", help="Ask this model.  [default: the configuration's]")
@click.option("--no-stream", is_flag=True, help="Have the answer in one piece.")
@click.argument("text", metavar="TEXT|-")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    """Ask the running Plano, and say whether the turn was stored.

    The answer is printed as it arrives, and below it one line: the model, the seconds, and the turn as it is in the
    table. The next `ask` in this project continues from it. With `-` the question is read from standard input.
    """
    if options["new"] and options["continue_from"]:
        raise click.UsageError("--new and --continue cannot be used together", ctx)
    options["text"] = _question(options["text"])
    console = ctx.obj
    context = shared.context(ctx, options)
    result = work.ask(context, (lambda _: None) if console.json else console.write)
    console.finish(result)
    return 0


def _question(typed: str) -> str:
    raw = sys.stdin.buffer.read() if typed == "-" else os.fsencode(typed)
    text = raw.decode(errors="replace").rstrip("\n")  # an argument, too, may contain bytes that are not UTF-8
    if not text.strip():
        raise BadInput("usage", "there is no question", fix="write it after `ask`, in quotes")
    if "\0" in text:
        why = "PostgreSQL stores none, so Plano would answer and forget the turn"
        raise BadInput("usage", "the question has a NUL character", why=why, fix="leave it out")
    return text
