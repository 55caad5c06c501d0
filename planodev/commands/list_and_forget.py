"""`planodev list` and `forget`: every project of this machine, and the end of those whose directory is gone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planodev import masking, tables
from planodev.conversations import times
from planodev.deadline import Deadline
from planodev.engines import choice
from planodev.problems import BadInput, Command, Fix, PlanodevError, Problem
from planodev.project import defaults, lock, notes, snapshots
from planodev.project.identity import CONFIG_NAMES, Project
from planodev.project.records import Record, Records, still_there
from planodev.result import Outcome, Result, number
from planodev.tables import Column
from planodev.visible import line, size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planodev.deadline import Limit
    from planodev.engines import Engine
    from planodev.engines.inventory import ListedDatabase
    from planodev.progress import Progress

UNKNOWN = "unknown"  # the state of a server whose engine does not answer
_DIRECTORY = 80  # columns


@dataclass(frozen=True)
class Known:
    """A project that has, or had, a database; the keys of one in `--json`.

    Args:
        directory: where it is, or was when it was last seen.
        gone: whether another project, or nothing, is there now.
        recorded: whether `up` has run there on this machine as this user. Of another project the directory may well be
            there, for another machine, container or user that has the same engine.
        project: its id.
        engine: `docker` or `embedded`.
        data: the volume or the data directory, None where neither is left.
        state: of its server, such as `running`; `unknown` where the engine does not answer, None without a server.
        bytes: of the data on the disk, None where nobody says.
        last_used: when the server ended, in seconds since 1970; None where it runs, or nobody knows.

    """

    directory: str
    gone: bool
    recorded: bool
    project: str
    engine: str
    data: str | None
    state: str | None
    bytes: int | None
    last_used: int | None

    @property
    def left_over(self) -> bool:
        """Whether nobody can have a use for it any more."""
        return self.gone and self.recorded


def listed(environment: Mapping[str, str]) -> Result:
    """Return every project of this machine, those that run first; nothing is changed."""
    found, silent = _everything(environment, Records())
    data = {"projects": [asdict(known) for known, _ in found]}
    unknown = {known.engine for known, _ in found if known.state == UNKNOWN}
    notices = [_not_asked(name, silent[name]) for name in sorted(unknown)]
    if not found:
        return Result("list", data, ["No project of this machine has a database"], notices)
    lines: list[Any] = [_table([known for known, _ in found])]
    gone = sum(known.left_over for known, _ in found)
    if gone:
        which = f"The directory of {number(gone, 'project')} is gone; "
        lines.append(Fix(which, Command("forget"), " deletes the data"))
    unseen = sum(known.gone and not known.recorded for known, _ in found)
    if unseen:
        which = f"{number(unseen, 'project')} may be of another machine or user of this engine; "
        lines.append(Fix(which, Command("forget", "DIRECTORY"), " deletes the data of one"))
    return Result("list", data, lines, notices)


def forget(environment: Mapping[str, str], progress: Progress, *, named: Sequence[str], yes: bool) -> Result:
    """Delete the databases of projects whose directory is gone, and what planodev remembers of them; asks first.

    Args:
        environment: for DOCKER_HOST and its like.
        progress: takes messages and questions.
        named: their directories; none for all that are gone and of this machine.
        yes: do not ask.

    Raises:
        PlanodevError: it was not confirmed, a directory is still there or unknown, or an engine refused.

    """
    recorded = Records()
    found, silent = _everything(environment, recorded)
    going = _going(found, named)
    for known, _ in going:
        if known.state == UNKNOWN:
            raise silent[known.engine]
    if going:
        _confirm([known for known, _ in going], named, progress, yes=yes)
    kept = [name for known, _ in going for name in snapshots.kept(known.project)]
    for known, held in going:
        progress.begin(f"Deleting {known.data or known.project}")
        _delete(known, held, recorded, environment)
        progress.done(Outcome("deleted", known.data or known.directory, known.directory))
    lock.sweep(Path(known.directory) for known, _ in found if not known.gone)
    data = {"forgotten": [asdict(known) for known, _ in going], "snapshots": kept}
    if not going:
        return Result("forget", data, ["Nothing to forget: no directory of a project of this machine is gone"])
    also = [f"{number(len(kept), 'snapshot')} kept in `{snapshots.root()}`"] if kept else []
    return Result("forget", data, [f"Forgot {number(len(going), 'project')}", *also])


def _everything(
    environment: Mapping[str, str], records: Records
) -> tuple[list[tuple[Known, ListedDatabase | None]], dict[str, PlanodevError]]:
    """Return every project with its database, and for each engine that did not answer, by name, its error."""
    held, silent = choice.databases(environment, Deadline(defaults.LIMIT).left)
    found: list[tuple[Known, ListedDatabase | None]] = []
    recorded = {record.project: record for record in records.every() if record.engine}
    found += [(_known(one, recorded.get(one.owner.project_id)), one) for one in held]
    seen = {one.owner.project_id for one in held}
    for record in recorded.values():
        if record.project not in seen:
            gone = not still_there(record.owner)
            state = UNKNOWN if record.engine in silent else None
            place = record.place if state else None
            known = Known(
                record.path,
                gone,
                recorded=True,
                project=record.project,
                engine=record.engine,
                data=place,
                state=state,
                bytes=None,
                last_used=None,
            )
            found.append((known, None))
    return sorted(found, key=lambda one: (one[0].state != "running", one[0].gone, one[0].directory)), silent


def _known(held: ListedDatabase, record: Record | None) -> Known:
    # The record has the directory in which `up` last ran; the labels have the one in which the project was created.
    places = [record.owner] if record else []
    places.append(held.owner)
    there = next((place for place in places if still_there(place)), None)
    used = None if held.stopped_at is None else int(held.stopped_at)
    directory, project_id = (there or places[0]).path, held.owner.project_id
    state = held.state or None
    return Known(
        directory,
        gone=there is None,
        recorded=record is not None,
        project=project_id,
        engine=held.engine,
        data=held.place or None,
        state=state,
        bytes=held.bytes,
        last_used=used,
    )


def _not_asked(name: str, silent: PlanodevError) -> Problem:
    return Problem("engine-not-asked", f"cannot ask {choice.title(name)}: {silent.message}", silent.fix)


def _table(found: list[Known]) -> Any:  # noqa: ANN401  rich is loaded late
    columns = [Column("DIRECTORY", shrinks=True), *map(Column, ("ENGINE", "STATE"))]
    columns += [Column("SIZE", right=True), Column("LAST USED")]
    rows = []
    for known in found:
        mark = "(gone) " if known.left_over else "(not here) " if known.gone else ""
        where = mark + line(known.directory, _DIRECTORY)
        state = known.state or ("stopped" if known.data else "no data")
        state = "stopped" if state == "exited" else state
        used = "now" if state == "running" else times.minute(known.last_used) if known.last_used else "-"
        rows.append([where, known.engine, state, "-" if known.bytes is None else size(known.bytes), used])
    return tables.table(columns, rows)


def _going(
    found: list[tuple[Known, ListedDatabase | None]], named: Sequence[str]
) -> list[tuple[Known, ListedDatabase | None]]:
    if not named:
        return [one for one in found if one[0].left_over]
    going = []
    for name in named:
        here = [one for one in found if one[0].directory in (name, str(Path(name).absolute()))]
        if not here:
            fix = Fix(Command("list"), " shows those that planodev knows")
            raise BadInput("project-unknown", f"no project was in `{masking.value(name)}`", fix=fix)
        there = next((known for known, _ in here if not known.gone), None)
        if there:
            fix = Fix(Command("down", "--delete-data").within(Path(there.directory)))
            why = "`forget` is for projects whose directory is gone"
            raise BadInput("project-still-there", f"`{there.directory}` is still there", why=why, fix=fix)
        going += here
    return going


def _confirm(going: list[Known], named: Sequence[str], progress: Progress, *, yes: bool) -> None:
    what = "; ".join(f"`{one.data or 'a record'}`{_sized(one)} of `{one.directory}`" for one in going)
    says = f"this deletes every stored conversation in {what}"
    if yes:
        progress.note(says)
        return
    moved = "`planodev up` in its new place finds a project that you moved"
    if not all(one.recorded for one in going):
        moved = "another machine or user of the same engine may still have the directory"
    answer = progress.confirm(f"{says}; {moved}. Delete it permanently?")
    if answer:
        return
    why = None if answer is False else f"no terminal to ask on; {says}"
    fix = Fix(Command("forget", *named, "--yes"))  # deletes only the named ones
    raise BadInput("not-confirmed", "nothing was deleted", why=why, fix=fix)


def _sized(known: Known) -> str:
    return f" ({size(known.bytes)})" if known.bytes is not None else ""


def _delete(known: Known, held: ListedDatabase | None, records: Records, environment: Mapping[str, str]) -> None:
    """Delete a project's database, by its id and its place: what stands in its directory now is not looked at."""
    if held:
        project, deadline = Project(Path(held.owner.path), held.owner.inode), Deadline(defaults.LIMIT)
        with lock.hold(project, defaults.LIMIT):
            engine = _open(held, project, environment, deadline.left)
            try:
                _remove(engine, project, held, deadline)
            finally:
                engine.close()
            lock.discard(project)
    records.remove(known.project)
    directory = Path(known.directory)
    notes.remove(known.project, directory, [directory / name for name in CONFIG_NAMES])


def _open(held: ListedDatabase, project: Project, environment: Mapping[str, str], limit: Limit) -> Engine:
    return choice.open_engine(held.engine, environment, project, held.place or "", limit)


def _remove(engine: Engine, project: Project, held: ListedDatabase, deadline: Deadline) -> None:
    from planodev.steps.server import stop_and_remove

    observed = engine.observe(project, held.owner.project_id)
    have, volume = observed.container, observed.volume
    if have and have.owner.project_id == held.owner.project_id:
        # The deadline starts again as for `down --delete-data`.
        seconds = deadline.left(defaults.STOP_LIMIT)
        stop_and_remove(engine, have, seconds, once_stopped=deadline.restart)
    if volume and volume.name == held.place:
        engine.remove_storage(volume)
