"""`planodev down`: stop the project's database, and delete its data only where that was asked for and confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.commands import report
from planodev.look import Context, forget, look
from planodev.postgres import queries
from planodev.postgres.admin import AdminFailed
from planodev.problems import BadInput, Command, Fix
from planodev.project import lock, settings
from planodev.result import Outcome, Result, counted

if TYPE_CHECKING:
    from planodev.look import Seen


def down(context: Context) -> Result:
    """Stop the project's database; delete its data only where that was asked for and confirmed.

    Args:
        context: with the options `delete_data`, `keep_data` and `yes`.

    Raises:
        PlanodevError: it could not, or the deletion was not confirmed; nothing was stopped then.

    """
    with lock.hold(context.project, settings.DEFAULT_TIMEOUT):
        seen = look(context, lenient=True)
        try:
            turns, others = _held(seen)
            held = counted(turns) + (f" and {others} other table{'' if others == 1 else 's'}" if others else "")
            delete = _deletes(seen, held)
            stopped = _stop(seen)
            if delete:
                _delete(seen, held)
            return report.down(seen, stopped=stopped, deleted=delete, count=turns)
        finally:
            seen.engine.close()


def _held(seen: Seen) -> tuple[int | None, int]:
    """Count what a deletion would take, in every database: stored turns, and tables that are not Plano's."""
    have = seen.observed.container
    if have is None or have.state != "running":
        return None, 0
    try:
        stored = sum(queries.stored(seen.engine, have, seen.superuser).values())
        return stored, queries.other_tables(seen.engine, have, seen.superuser)
    except AdminFailed:
        return None, 0


def _deletes(seen: Seen, held: str) -> bool:
    """Return whether the data is to be deleted.

    Raises:
        BadInput: that was asked for, and not confirmed.

    """
    options, volume = seen.context.options, seen.observed.volume
    if options.get("delete_data"):
        if volume or seen.observed.container:
            _confirm(seen, held)
            return True
        return False
    if options.get("keep_data") or not volume:
        return False
    question = f"Delete {held} in the {seen.engine.wording.data} `{volume.name}` as well?"
    return bool(seen.progress.confirm(question))


def _confirm(seen: Seen, held: str) -> None:
    volume, wording = seen.observed.volume, seen.engine.wording
    what = f"{held} in the {wording.data} `{volume.name}`" if volume else f"the {wording.server}; it has no data"
    says = f"this deletes {what}; `.env` and `{seen.config.path.name}` stay"
    if seen.context.options.get("yes"):
        seen.progress.note(says)
        return
    answer = seen.progress.confirm(f"{says}. Delete it for ever?")
    if answer is None:
        raise BadInput(
            "not-confirmed",
            f"nothing was deleted: {what} would be gone for ever",
            why="there is no terminal to ask at",
            fix=Fix(Command("down", "--delete-data", "--yes")),
        )
    if not answer:
        fix = Fix(Command("down", "--keep-data"), " stops it and keeps the data")
        raise BadInput("not-confirmed", "nothing was deleted", fix=fix)


def _stop(seen: Seen) -> bool:
    have = seen.observed.container
    if have is None or have.state in ("exited", "created", "dead"):
        return False
    seen.progress.begin("Stopping Postgres")
    seen.engine.stop(have, settings.DEFAULT_TIMEOUT)
    seen.progress.done(Outcome("stopped", have.name))
    return True


def _delete(seen: Seen, held: str) -> None:
    have, volume = seen.observed.container, seen.observed.volume
    seen.progress.begin("Deleting the data")
    if have:
        seen.engine.remove_server(have)
    if volume:
        seen.engine.remove_storage(volume)
        forget(seen)
    name = volume.name if volume else have.name if have else ""
    seen.progress.done(Outcome("deleted", name, held))
