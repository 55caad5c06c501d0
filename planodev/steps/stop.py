"""Stop the project's database, and delete its data only where that was asked for and confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planodev.checks import inside
from planodev.engines import AdminFailed
from planodev.problems import BadInput
from planodev.project import settings
from planodev.result import Outcome, counted
from planodev.work import forget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.work import Work


@dataclass(frozen=True)
class Stopped:
    """What was done; `turns` is the number of stored turns in all databases, None where they were not counted."""

    stopped: bool = False
    deleted: bool = False
    turns: int | None = None


def stop(work: Work, options: Mapping[str, Any]) -> Stopped:
    """Stop it, and delete the data after a confirmation.

    Args:
        work: the run.
        options: `delete_data`, `keep_data`, `yes`.

    Raises:
        BadInput: the deletion was not confirmed; nothing was stopped then.

    """
    have, volume = work.observed.container, work.observed.volume
    if have is None and volume is None:
        return Stopped()
    delete = bool(options.get("delete_data"))
    turns, others = _held(work)
    more = f" and {others} other table{'' if others == 1 else 's'}" if others else ""
    if delete:
        _confirm(work, f"{counted(turns)}{more}", yes=bool(options.get("yes")))
    elif not options.get("keep_data") and volume:
        question = f"Delete {counted(turns)}{more} in the {work.engine.wording.data} `{volume.name}` as well?"
        delete = bool(work.progress.confirm(question))
    stopped = False
    if have and have.state not in ("exited", "created", "dead"):
        work.progress.begin("Stopping Postgres")
        work.engine.stop(have, settings.DEFAULT_TIMEOUT)
        work.progress.done(Outcome("stopped", have.name))
        stopped = True
    if delete:
        work.progress.begin("Deleting the data")
        if have:
            work.engine.remove_container(have)
        if volume:
            work.engine.remove_volume(volume)
            forget(work)
        name = volume.name if volume else have.name if have else ""
        work.progress.done(Outcome("deleted", name, f"{counted(turns)}{more}"))
    return Stopped(stopped=stopped, deleted=delete, turns=turns)


def _held(work: Work) -> tuple[int | None, int]:
    """Count what a deletion would take, in every database: stored turns, and tables that are not Plano's."""
    have = work.observed.container
    if have is None or have.state != "running":
        return None, 0
    try:
        return sum(inside.stored(work, have).values()), inside.other_tables(work, have)
    except AdminFailed:
        return None, 0


def _confirm(work: Work, held: str, *, yes: bool) -> None:
    volume = work.observed.volume
    what = (
        f"{held} in the {work.engine.wording.data} `{volume.name}`"
        if volume
        else f"the {work.engine.wording.server}; it has no data"
    )
    says = f"this deletes {what}; `.env` and `{work.config.path.name}` stay"
    if yes:
        work.progress.note(says)
        return
    answer = work.progress.confirm(f"{says}. Delete it for ever?")
    if answer is None:
        raise BadInput(
            "not-confirmed",
            f"nothing was deleted: {what} would be gone for ever",
            why="there is no terminal to ask at",
            fix="`planodev down --delete-data --yes`",
        )
    if not answer:
        raise BadInput(
            "not-confirmed", "nothing was deleted", fix="`planodev down --keep-data` stops it and keeps the data"
        )
