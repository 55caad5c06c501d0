"""Ask before something is deleted or replaced, the same way in every command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.problems import BadInput, Command, Fix

if TYPE_CHECKING:
    from planodev.look import Context


def confirm(context: Context, says: str, command: Command) -> None:
    """Say what a command will do, and have that confirmed.

    Args:
        context: with the option `yes`, which stands for an answer.
        says: what it will do, such as `this deletes 3 rows`.
        command: what was typed; with `--yes` it does it where there is no terminal.

    Raises:
        BadInput: the answer was no, or there is nobody to ask.

    """
    if context.options.get("yes"):
        context.progress.note(says)
        return
    answer = context.progress.confirm(f"{says}. Continue?")
    if answer is None:
        fix = Fix(Command(command.name, *command.arguments, "--yes"))
        why = f"no terminal to ask on; {says}"
        raise BadInput("not-confirmed", "nothing was changed", why=why, fix=fix)
    if not answer:
        raise BadInput("not-confirmed", "nothing was changed")
