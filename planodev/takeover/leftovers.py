"""Leftovers of moves between engines: old data, and servers of interrupted moves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.engines import choice
from planodev.look import look
from planodev.postgres import queries
from planodev.postgres.admin import AdminFailed
from planodev.problems import Command, Fix, PlanodevError, Problem
from planodev.project import defaults
from planodev.project.records import Record
from planodev.steps.server import stop_and_remove

if TYPE_CHECKING:
    from planodev.engines import Volume
    from planodev.look import Seen


def side(seen: Seen, name: str, *, lenient: bool = False) -> Seen:
    """Return the project as another engine has it; `lenient` is as for `look`.

    Raises:
        NoEngine: that one does not answer.

    """
    known = seen.context.records.find(seen.project, seen.env.project_id)
    engine = choice.open_engine(name, seen.environment, seen.project, known.place if known else "", seen.deadline.left)
    context = replace(seen.context, options={})
    return look(context, engine, read=seen, deadline=seen.deadline, lenient=lenient)


def end(other: Seen) -> None:
    """End and remove a server; the data is kept."""
    if other.observed.container:
        stop_and_remove(other.engine, other.observed.container, defaults.STOP_LIMIT)


def record(seen: Seen, at: Seen, *, moving_to: str = "", remains: str = "") -> None:
    """Record in which engine the project's data is, and what is left to do about another one."""
    volume = at.observed.volume
    where = (str(seen.project.path), seen.project.inode, at.engine.info.name, volume.name if volume else "")
    seen.context.records.write(Record(seen.project_id, *where, moving_to, remains, at.user, at.database))


def remove(seen: Seen) -> None:
    """Remove what an interrupted move has left in another engine: data that has arrived here, or a new server.

    Conversations that had arrived there already are kept, which is said.
    """
    known = seen.context.records.find(seen.project, seen.env.project_id) if seen.move_unfinished else None
    name = (known.remains or known.moving_to) if known else ""
    if not known or name in ("", seen.engine.info.name):
        return
    try:
        other = side(seen, name)
    except PlanodevError:  # it does not answer: the record stays for the next `up`
        return
    volume = other.observed.volume
    worthless = bool(known.remains) or not _may_have_rows(other)
    if other.observed.container:  # not `stop`: one that is still creating its data ignores that
        other.engine.remove_server(other.observed.container)
    if volume and (worthless or not _was_ready(other, volume)):
        other.engine.remove_storage(volume)
    elif volume:
        text = f"an interrupted move has left conversations in the {other.engine.wording.data} `{volume.name}` as well"
        fix = Fix(Command("down", "--delete-data"), " deletes them with all others of this project")
        seen.progress.notice(Problem("move-left-data", text, fix))
    other.engine.close()
    record(seen, seen)


def _was_ready(other: Seen, volume: Volume) -> bool:
    """Say whether data may hold something; without an image to look by it may."""
    return other.engine.image(volume.image) is None or other.engine.storage(volume, volume.image).initialised


def _may_have_rows(other: Seen) -> bool:
    have = other.observed.container
    if have is None or have.state != "running":
        return True
    try:
        found = queries.contents(other.engine, have, other.superuser).values()
    except AdminFailed:
        return True
    return any(one.turns.rows or one.others for one in found)


def copies(seen: Seen) -> list[Seen]:
    """Return this project in every other engine that has a server or data of it.

    An engine that does not answer, and is known to have some, is reported.
    """
    known = seen.context.records.find(seen.project, seen.env.project_id)
    found = []
    for name in choice.others(seen.engine.info.name):
        try:
            other = side(seen, name, lenient=True)
        except PlanodevError as error:
            if known and name in (known.engine, known.remains, known.moving_to):
                text = f"what this project has in {choice.title(name)} remains: {error.message}"
                fix = Fix(Command("down", "--delete-data"), " again once that engine answers")
                seen.progress.notice(Problem("copy-remains", text, fix))
            continue
        if other.observed.container or other.observed.volume:
            found.append(other)
        else:
            other.engine.close()
    return found


def adopted(seen: Seen) -> str:
    """Return the name of the container whose data was copied into this project's volume, "" where it is gone."""
    volume = seen.observed.volume
    if not volume or not volume.adopts:
        return ""
    from planodev.engines.docker import adopt

    found = adopt.find(seen.engine, volume.adopts)
    return found.name if found else ""
