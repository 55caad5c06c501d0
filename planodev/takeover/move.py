"""Bring a project's conversations from one engine to another: copied, counted, and removed there only at the end.

What moves is Plano's table, out of every database that has one. Until the proof has passed on the new side the record
says that the data is on the old one, so whatever ends a move in the middle, the next `up` goes on where it was.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from planodev import work as works
from planodev.checks.inside import stored
from planodev.engines import AdminFailed, choice
from planodev.postgres import proof, state_table
from planodev.problems import BadInput, Command, Conflict, Fix, NoEngine, Problem
from planodev.project import records, settings
from planodev.result import Outcome, counted
from planodev.steps import access, follow, server
from planodev.takeover.move_out import COLUMNS, Move, copy_out, told, way

if TYPE_CHECKING:
    from planodev.engines import Engine
    from planodev.work import Work

_IN = f"COPY incoming ({COLUMNS}) FROM STDIN"
_MERGE = f"""\
INSERT INTO {state_table.NAME} ({COLUMNS}) SELECT {COLUMNS} FROM incoming
ON CONFLICT (response_id) DO UPDATE SET input_items = EXCLUDED.input_items, created_at = EXCLUDED.created_at,
model = EXCLUDED.model, provider = EXCLUDED.provider, updated_at = EXCLUDED.updated_at"""
_ARRIVED = f"SELECT count(*) FROM incoming JOIN {state_table.NAME} USING (response_id)"


def begin(work: Work) -> Bring | None:
    """Ask, copy the rows out of the old engine, and stop its server.

    Returns:
        The step that puts them into the new server; None where there is nothing to bring, and in a dry run.

    Raises:
        BadInput: the user did not agree, or could not be asked.
        Conflict: the rows could not be copied.

    """
    engine = _open(work, _source(work))
    old = works.prepare(work.project, {}, work.environment, work.progress, engine)
    if old.observed.volume is None:
        return None  # it was deleted there by hand: nothing is left to bring
    for side in (old, work):
        if not side.engine.info.local:
            raise Conflict(
                "move-needs-local-engine",
                "the conversations cannot be brought along",
                why=f"the engine at `{side.engine.info.endpoint}` is on another machine",
                fix=Fix(Command("up", "--engine", _source(work)), " stays where the data is"),
            )
    _confirm(work, old)
    if work.dry_run:
        return None
    work.progress.begin("Copying the conversations")
    # The old server as `up` leaves it: running, with a login that works.
    server.StartPostgres().run(old)
    access.LogIn().run(old)
    if old.ahead and old.ahead.made():
        old.ahead.proof()
    move = Move(old, records.path_of(work.project_id).with_suffix(".moving"))
    with suppress(FileNotFoundError):
        shutil.rmtree(move.directory)
    move.directory.mkdir(mode=0o700, parents=True)
    _note(work, old, moving_to=work.engine.info.name)
    with ExitStack() as sessions:
        # Nobody can store a turn between the copy and the stop: it would be lost on the way.
        copy_out(move, sessions)
        old.engine.stop(old.have(), work.settings.timeout.value)
    old.engine.close()
    wanted = work.wanted  # `.env` may be gone: then these are what it has had
    work.wanted = replace(
        wanted,
        user=wanted.user or old.user,
        password=wanted.password or old.password,
        database=wanted.database or old.database,
    )
    work.progress.done(Outcome("copied", "conversations", counted(move.count)))
    where = choice.title(_source(work))
    work.progress.note(
        f"they stay in {where} until the proof has passed: should this fail, `planodev up` goes on there"
    )
    return Bring(move)


def _confirm(work: Work, old: Work) -> None:
    names = choice.title(_source(work)), choice.title(work.engine.info.name)
    place = f"the {old.engine.wording.data} `{old.observed.volume and old.observed.volume.name}`"
    what = counted(_count(old))
    if work.dry_run or work.options.get("yes"):
        work.progress.note(f"{what} in {place} would move from {names[0]} to {names[1]}" if work.dry_run else
                           f"{what} in {place} move from {names[0]} to {names[1]}")  # fmt: skip
        return
    answer = work.progress.confirm(f"Bring {what} from {names[0]} ({place}) to {names[1]}?")
    if not answer:
        raise BadInput(
            "move-not-confirmed",
            f"nothing was changed: this project's data is in {names[0]}",
            why=f"{what} in {place} would move to {names[1]}"
            + ("" if answer is False else ", and there is no terminal to ask at"),
            fix=Fix(
                *(Command("up", "--engine", work.engine.info.name, "--yes"), " brings them along; "),
                *(Command("up", "--engine", _source(work)), " stays"),
            ),
        )


def _source(work: Work) -> str:
    return work.engine_choice.data_elsewhere if work.engine_choice else ""


def _count(old: Work) -> int | None:
    have = old.observed.container
    if have is None or have.state != "running":
        return None
    try:
        return sum(stored(old, have).values())
    except AdminFailed:
        return None


class Bring:
    """Put the rows into the new server's table, and count them there."""

    title = "Bringing the conversations along"

    def __init__(self, move: Move) -> None:
        self._move = move

    def run(self, work: Work) -> Outcome:
        import psycopg

        try:
            for name, (file, count) in self._move.rows.items():
                if name != work.database:
                    _make_database(work, name)
                with closing(proof.login(way(work, name), 10)) as session:
                    session.execute(f"CREATE TEMP TABLE incoming (LIKE {state_table.NAME}) ON COMMIT DROP")
                    with file.open("rb") as source, session.cursor().copy(_IN) as rows:
                        while piece := source.read(1 << 20):
                            rows.write(piece)
                    session.execute(_MERGE)
                    arrived = session.execute(_ARRIVED).fetchone()[0]
                    if arrived != count:
                        raise _failed(self._move, f"{arrived} of {count} rows of `{name}` arrived")
                    session.commit()
        except (psycopg.Error, AdminFailed, OSError) as error:
            raise _failed(self._move, told(error)) from error
        names = ", ".join(f"`{name}`" for name, (_, count) in self._move.rows.items() if count)
        return Outcome("brought", "conversations", counted(self._move.count) + (f" in {names}" if names else ""))

    def finish(self, work: Work) -> None:
        """Let the new side count as the project's data, and remove the old one where it had nothing else."""
        old, others = self._move.old, self._move.others
        shutil.rmtree(self._move.directory, ignore_errors=True)
        volume, data = old.observed.volume, old.engine.wording.data
        if volume is None:
            return
        if others:
            text = f"the {data} `{volume.name}` is kept, stopped: beside the conversations it has {', '.join(others)}"
            work.progress.notice(Problem("old-data-kept", text))
            return
        _note(work, work, remains=old.engine.info.name)
        _remove(old)
        work.progress.note(f"the {data} `{volume.name}` was removed: all that it had is here now")


def _make_database(work: Work, name: str) -> None:
    superuser = (work.volume.superuser if work.volume else work.superuser) or work.user
    work.engine.admin(work.have(), follow.make_database(name, work.user), user=superuser, database="postgres")
    work.engine.admin(work.have(), access.GUARDED, user=work.user, database=name)


def _failed(move: Move, why: str) -> Conflict:
    return Conflict(
        "move-failed",
        "the conversations did not arrive whole",
        why=why,
        fix=Fix("nothing is lost: ", Command("up", "--engine", move.old.engine.info.name), " goes on where they are"),
    )


def _remove(old: Work) -> None:
    have, volume = old.observed.container, old.observed.volume
    if have:
        old.engine.remove_container(have)
    if volume:
        old.engine.remove_volume(volume)


def mend(work: Work) -> None:
    """End what a killed move has left: a server of the new side, or data of the old one."""
    record = records.find(work.project, work.env.project_id)
    if record is None or work.dry_run or not (record.moving_to or record.remains):
        return
    shutil.rmtree(records.path_of(record.project).with_suffix(".moving"), ignore_errors=True)
    name = record.moving_to or record.remains
    if name == work.engine.info.name:
        return  # the same move again
    try:
        old = works.prepare(work.project, {}, work.environment, work.progress, _open(work, name))
    except NoEngine:
        return
    have = old.observed.container
    if record.remains:
        _remove(old)
    elif have:  # at once: one that still makes its data would not hear; the data stays, whatever it has
        old.engine.remove_container(have)


def _open(work: Work, name: str) -> Engine:
    limit = max(work.settings.timeout.value, settings.LEAST_ENGINE_LIMIT)
    return choice.open_engine(name, work.environment, work.project, work.env.project_id, limit)


def _note(work: Work, at: Work, *, moving_to: str = "", remains: str = "") -> None:
    volume = at.volume or at.observed.volume
    path, inode, place = str(work.project.path), work.project.inode, volume.name if volume else ""
    records.write(
        records.Record(work.project_id, path, inode, at.engine.info.name, place, moving_to=moving_to, remains=remains)
    )
