"""`planodev reset`: empty the table in place, so that a running Plano keeps its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.commands.confirm import confirm
from planodev.conversations import access
from planodev.postgres import state_table
from planodev.problems import Command, Conflict, Fix
from planodev.project import defaults, lock, notes
from planodev.result import Outcome, Result, counted

if TYPE_CHECKING:
    from planodev.conversations.access import Place
    from planodev.look import Context


def reset(context: Context) -> Result:
    """Delete every stored conversation of the project's own database.

    Args:
        context: with the option `yes`.

    Raises:
        PlanodevError: it was not confirmed, or could not be done; nothing was deleted then.

    """
    with lock.hold(context.project, defaults.TIMEOUT):
        at = own(context, "reset")
        with access.session(at) as opened:
            count, estimated = state_table.read_count(opened.execute(state_table.COUNT).fetchone()[0])
        held = counted(count, estimated=estimated)
        says = f"this deletes {held} in database `{at.connections[0].database}`; Plano needs no restart"
        confirm(context, says, Command("reset"))
        context.progress.begin("Emptying the table")
        with access.session(at, writes=True) as opened:
            opened.execute(f"LOCK TABLE {state_table.NAME}")
            count = opened.execute(f"SELECT count(*) FROM {state_table.NAME}").fetchone()[0]
            opened.execute(f"TRUNCATE {state_table.NAME}")
            opened.commit()
        notes.remove_page(context.project.path)
        context.progress.done(Outcome("emptied", state_table.NAME, counted(count)))
    return Result("reset", {"deleted_rows": count}, [f"Deleted {counted(count)}; Plano needs no restart"])


def own(context: Context, command: str) -> Place:
    """Return the project's own database.

    Raises:
        Conflict: it is one that planodev does not run, where this command does nothing.

    """
    at = access.place(context)
    if not at.ours:
        connection = at.connections[0]
        raise Conflict(
            "foreign-server",
            f"`planodev {command}` is for a database that planodev runs",
            why=f"`{at.file.name}` names {connection.host}:{connection.port}",
            fix=Fix(Command("psql"), " opens it"),
        )
    return at
