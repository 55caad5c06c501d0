"""`planodev down`: stop the project's database, and delete its data only where that was asked for and confirmed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.background import NotDone, within
from planodev.commands import report
from planodev.engines import ENDED
from planodev.gateway import running
from planodev.look import Context, forget, look
from planodev.postgres import queries
from planodev.problems import BadInput, Command, Fix, NoEngine, Problem, Shell
from planodev.project import defaults, lock
from planodev.result import Outcome, Result, counted, number
from planodev.takeover import leftovers

if TYPE_CHECKING:
    from planodev.gateway.running import Running
    from planodev.look import Seen

COUNT = 3.0  # seconds to count what a deletion would delete


def down(context: Context) -> Result:
    """Stop the project's database; delete its data only where that was asked for and confirmed.

    Args:
        context: with the options `delete_data`, `keep_data`, `with_plano` and `yes`.

    Raises:
        PlanodevError: it could not, or the deletion was not confirmed; nothing was stopped then.

    """
    with lock.hold(context.project, defaults.LIMIT):
        seen = look(context, lenient=True)
        _tell_kind(seen)
        copies = leftovers.copies(seen) if context.options.get("delete_data") or seen.move_unfinished else []
        try:
            count, held = _held(seen)
            plano = running.look(seen)
            with_plano = bool(context.options.get("with_plano"))
            loss = None if with_plano else running.loses_memory(plano)
            if loss:
                seen.progress.before(loss)
            delete = _deletes(seen, held, copies)
            plano_stopped = with_plano and _stop_plano(seen, plano)
            stopped = [_stop(one) for one in (seen, *copies)]
            if unanswered := seen.observed.unanswered:
                _tell_unanswered(seen, unanswered)
            if delete:
                if any(stopped):
                    seen.deadline.restart()  # Postgres had the time to write; the engine has just answered
                _delete(seen, held, copies)
            if delete or not (seen.observed.container or seen.observed.volume):
                lock.discard(context.project)
            done = report.Stopped(plano, plano_stopped, any(stopped), held if delete else "", count)
            return report.down(seen, done)
        finally:
            for one in (seen, *copies):
                one.engine.close()


def _stop_plano(seen: Seen, plano: Running) -> bool:
    from planodev.commands.plano import bring_down

    stopped = bring_down(seen, plano)
    seen.deadline.restart()
    return stopped


def _tell_kind(seen: Seen) -> None:
    """Warn of a `.env` that cannot be used; other commands fail with it, `down` stops the server anyway."""
    if seen.unread and seen.unread.code.startswith("env-"):
        seen.progress.notice(replace(seen.unread, level="warning"))


def _held(seen: Seen) -> tuple[int | None, str]:
    """Count what a deletion would delete, in every database; returns the number of turns, and a description.

    A failed count never stops `down`.
    """
    have = seen.observed.container
    if have is None or have.state != "running":
        return None, counted(None)
    try:
        found = within(COUNT, lambda: queries.contents(seen.engine, have, seen.superuser)).values()
    except Exception as error:  # noqa: BLE001  see the docstring
        why = "Postgres does not answer" if isinstance(error, NotDone) else "cannot query Postgres"
        return None, counted(None, why=str(error) if isinstance(error, queries.Locked) else why)
    count, others = sum(one.turns.rows for one in found), sum(one.others for one in found)
    turns = counted(count, estimated=any(one.turns.estimated for one in found))
    return count, turns + (f" and {number(others, 'other table')}" if others else "")


def _deletes(seen: Seen, held: str, copies: list[Seen]) -> bool:
    """Return whether the data is to be deleted.

    Raises:
        BadInput: that was asked for, and not confirmed.

    """
    options, volume = seen.context.options, seen.observed.volume
    if seen.observed.unanswered:
        return False
    if options.get("delete_data"):
        if volume or seen.observed.container or copies:
            _confirm(seen, held, copies)
            return True
        return False
    if options.get("keep_data") or not volume:
        return False
    question = f"Delete {held} in the {seen.engine.wording.data} `{volume.name}` as well?"
    agreed = bool(seen.progress.confirm(question))
    if agreed and not copies:
        copies += leftovers.copies(seen)
    return agreed


def _confirm(seen: Seen, held: str, copies: list[Seen]) -> None:
    volume, wording = seen.observed.volume, seen.engine.wording
    what = f"{held} in the {wording.data} `{volume.name}`" if volume else f"the {wording.server}; it has no data"
    what += "".join(f", and what is left in {_place(copy)}" for copy in copies)
    says = f"this deletes {what}; `{seen.env.path.name}` and `{seen.config.path.name}` stay"
    if seen.context.options.get("yes"):
        seen.progress.note(says)
        return
    answer = seen.progress.confirm(f"{says}. Delete it permanently?")
    if answer is None:
        raise BadInput(
            "not-confirmed",
            f"nothing was deleted: {what} would be deleted permanently",
            why="no terminal to ask on",
            fix=Fix(Command("down", "--delete-data", "--yes")),
        )
    if not answer:
        fix = Fix(Command("down", "--keep-data"), " stops it and keeps the data")
        raise BadInput("not-confirmed", "nothing was deleted", fix=fix)


def _place(copy: Seen) -> str:
    volume, wording = copy.observed.volume, copy.engine.wording
    return f"the {wording.data} `{volume.name}`" if volume else f"a {wording.server} in {copy.engine.info.called}"


def _stop(seen: Seen) -> bool:
    have = seen.observed.container
    if have is None or have.state in ENDED:
        return False
    seen.progress.begin("Stopping Postgres")
    seen.engine.stop(have, seen.deadline.left(defaults.STOP_LIMIT))
    seen.progress.done(Outcome("stopped", have.name))
    return True


_ENDS_PLUGIN = " shows its name, `docker plugin disable --force NAME` ends it"


def _tell_unanswered(seen: Seen, question: str) -> None:
    """Warn that the engine did not list its volumes.

    Raises:
        NoEngine: the data was to be deleted.

    """
    text = f"the engine did not answer {question}, so planodev did not look for the data"
    if not seen.context.options.get("delete_data"):
        fix = Fix("a volume plugin that hangs is the usual cause: ", Shell("docker plugin ls"), _ENDS_PLUGIN)
        seen.progress.notice(Problem("volumes-unanswered", text, fix))
        return
    raise NoEngine(
        "volumes-unanswered",
        "nothing was deleted",
        why=f"{text}; Postgres is stopped",
        fix=Fix(
            Shell("docker volume ls"),
            " has to answer; a volume plugin that hangs is the usual cause: ",
            *(Shell("docker plugin ls"), _ENDS_PLUGIN, "; then "),
            Command("down", "--delete-data"),
        ),
    )


def _delete(seen: Seen, held: str, copies: list[Seen]) -> None:
    seen.progress.begin("Deleting the data")
    for one in (*copies, seen):
        have, volume = one.observed.container, one.observed.volume
        if have:
            one.engine.remove_server(have)
        if volume:
            one.engine.remove_storage(volume)
        if volume or have:
            name = volume.name if volume else have.name if have else ""
            one.progress.done(Outcome("deleted", name, held if one is seen else "a copy of the conversations"))
    forget(seen)
    adopted = leftovers.adopted(seen)
    if adopted:
        text = f"the container `{adopted}`, whose data was adopted, still has it"
        seen.progress.notice(Problem("copy-remains", text, Fix(Shell("docker rm -v {}", adopted))))
