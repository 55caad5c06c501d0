"""Bring a project's conversations from one engine to another: copied, counted, and removed there only at the end.

What moves is Plano's table, out of every database that has one. Until the proof has passed on the new side the record
says that the data is on the old one, so whatever ends a move in the middle, the next `up` goes on where it was.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planodev.decide import decide, survey
from planodev.engines import choice
from planodev.look import look
from planodev.postgres import admin, proof, queries, state_table, table
from planodev.postgres.admin import AdminFailed
from planodev.problems import BadInput, Command, Conflict, Fix, NoEngine, Problem
from planodev.project import records, settings
from planodev.result import Outcome, counted
from planodev.steps import follow, login
from planodev.steps import server as servers
from planodev.takeover.move_out import COLUMNS, Copy, connection, copy_out, told

if TYPE_CHECKING:
    from pathlib import Path

    from planodev.database import Database
    from planodev.engines import Engine
    from planodev.look import Seen

_IN = f"COPY incoming ({COLUMNS}) FROM STDIN"
_MERGE = f"""\
INSERT INTO {state_table.NAME} ({COLUMNS}) SELECT {COLUMNS} FROM incoming
ON CONFLICT (response_id) DO UPDATE SET input_items = EXCLUDED.input_items, created_at = EXCLUDED.created_at,
model = EXCLUDED.model, provider = EXCLUDED.provider, updated_at = EXCLUDED.updated_at"""
_ARRIVED = f"SELECT count(*) FROM incoming JOIN {state_table.NAME} USING (response_id)"


@dataclass(frozen=True)
class Move:
    """A move that was begun: the new side, the old one, stopped, and its rows.

    Args:
        seen: the new side, with the credentials of the old one where `.env` has none.
        old: the old side.
        directory: of the copied rows.
        copy: the rows.

    """

    seen: Seen
    old: Seen
    directory: Path
    copy: Copy

    def bring(self, new: Database) -> None:
        """Put the rows into the new server's tables, and count them there.

        Raises:
            Conflict: they did not arrive whole.

        """
        import psycopg

        seen = new.seen
        seen.progress.begin("Bringing the conversations along")
        try:
            for name, (file, count) in self.copy.rows.items():
                if name != seen.database:
                    _make_database(new, name)
                arrived = _bring_rows(new, name, file)
                if arrived != count:
                    raise self._failed(f"{arrived} of {count} rows of `{name}` arrived")
        except (psycopg.Error, AdminFailed, OSError) as error:
            raise self._failed(told(error)) from error
        names = ", ".join(f"`{name}`" for name, (_, count) in self.copy.rows.items() if count)
        detail = counted(self.copy.count) + (f" in {names}" if names else "")
        seen.progress.done(Outcome("brought", "conversations", detail))

    def finish(self, new: Database) -> None:
        """Let the new side count as the project's data, and remove the old one where it had nothing else."""
        seen, volume, data = new.seen, self.old.observed.volume, self.old.engine.wording.data
        shutil.rmtree(self.directory, ignore_errors=True)
        if volume is None:
            return
        if self.copy.others:
            others = ", ".join(self.copy.others)
            text = f"the {data} `{volume.name}` is kept, stopped: beside the conversations it has {others}"
            seen.progress.notice(Problem("old-data-kept", text))
        else:
            _note(seen, seen, remains=self.old.engine.info.name)
            _remove(self.old)
            seen.progress.note(f"the {data} `{volume.name}` was removed: all that it had is here now")

    def _failed(self, why: str) -> Conflict:
        return Conflict(
            "move-failed",
            "the conversations did not arrive whole",
            why=why,
            fix=Fix(
                *("nothing is lost: ", Command("up", "--engine", self.old.engine.info.name)),
                " goes on where they are",
            ),
        )


def begin(seen: Seen) -> Move | None:
    """Ask, copy the rows out of the engine that has them, and stop its server; complete what is left of an older move.

    Raises:
        BadInput: the user did not agree, or could not be asked.
        Conflict: the rows could not be copied.

    """
    if not seen.moves:
        complete(seen)
        return None
    old = _old_side(seen)
    if old is None:
        return None
    _confirm(seen, old)
    seen.deadline.restart()
    seen.progress.begin("Copying the conversations")
    # The old server as `up` leaves it: running, with a login that works.
    facts = survey(old)
    database = login.log_in(servers.bring_up(old, decide(old, facts), facts))
    if database.prepared and database.prepared.made():
        database.prepared.proof()
    directory = records.path_of(seen.project_id).with_suffix(".moving")
    with suppress(FileNotFoundError):
        shutil.rmtree(directory)
    directory.mkdir(mode=0o700, parents=True)
    _note(seen, database.seen, moving_to=seen.engine.info.name)
    with ExitStack() as sessions:
        # Nobody can store a turn between the copy and the stop: it would be lost on the way.
        copy = copy_out(database, directory, sessions)
        old.engine.stop(database.server, settings.STOP_LIMIT)
    old.engine.close()
    seen.deadline.restart()
    seen.progress.done(Outcome("copied", "conversations", counted(copy.count)))
    where = choice.title(_source(seen))
    seen.progress.note(
        f"they stay in {where} until the verification has passed; should it fail, the next `up` goes on there"
    )
    wanted = seen.credentials  # `.env` may be gone: then these are what it has had
    wanted = replace(
        wanted,
        user=wanted.user or old.user,
        password=wanted.password or database.password,
        database=wanted.database or old.database,
    )
    return Move(replace(seen, credentials=wanted), database.seen, directory, copy)


def announce(seen: Seen) -> None:
    """Say what a move would bring, in a dry run."""
    old = _old_side(seen)
    if old is not None:
        seen.progress.note(f"{_what(old)} would move from {choice.title(_source(seen))} to {_here(seen)}")


def _old_side(seen: Seen) -> Seen | None:
    """Return the side that has the data; None where it was deleted there by hand, and nothing is left to bring."""
    old = look(replace(seen.context, options={}), _open(seen, _source(seen)), deadline=seen.deadline)
    if old.observed.volume is None:
        return None
    for side in (old, seen):
        if not side.engine.info.local:
            raise Conflict(
                "move-needs-local-engine",
                "the conversations cannot be brought along",
                why=f"the engine at `{side.engine.info.endpoint}` is on another machine",
                fix=Fix(Command("up", "--engine", _source(seen)), " stays where the data is"),
            )
    return old


def _confirm(seen: Seen, old: Seen) -> None:
    source, what = choice.title(_source(seen)), _what(old)
    if seen.context.options.get("yes"):
        seen.progress.note(f"{what} move from {source} to {_here(seen)}")
        return
    answer = seen.progress.confirm(f"Bring {what} from {source} to {_here(seen)}?")
    if not answer:
        raise BadInput(
            "move-not-confirmed",
            f"nothing was changed: this project's data is in {source}",
            why=f"{what} would move to {_here(seen)}"
            + ("" if answer is False else ", and there is no terminal to ask at"),
            fix=Fix(
                *(Command("up", "--engine", seen.engine.info.name, "--yes"), " brings them along; "),
                *(Command("up", "--engine", _source(seen)), " stays"),
            ),
        )


def _what(old: Seen) -> str:
    have, volume, count, estimated = old.observed.container, old.observed.volume, None, False
    if have and have.state == "running":
        with suppress(AdminFailed):
            turns = [found.turns for found in queries.held(old.engine, have, old.superuser).values()]
            count, estimated = sum(one.rows for one in turns), any(one.estimated for one in turns)
    return f"{counted(count, estimated=estimated)} in the {old.engine.wording.data} `{volume and volume.name}`"


def _here(seen: Seen) -> str:
    return choice.title(seen.engine.info.name)


def _source(seen: Seen) -> str:
    return seen.engine_choice.data_elsewhere if seen.engine_choice else ""


def _bring_rows(new: Database, name: str, file: Path) -> int:
    """Put a file's rows into the table of one database, all or none; returns how many are there then."""
    with closing(proof.login(connection(new, name), 10)) as session:
        session.execute(f"CREATE TEMP TABLE incoming (LIKE {state_table.NAME}) ON COMMIT DROP")
        with file.open("rb") as source, session.cursor().copy(_IN) as rows:
            while piece := source.read(1 << 20):
                rows.write(piece)
        session.execute(_MERGE)
        arrived = int(session.execute(_ARRIVED).fetchone()[0])
        session.commit()
    return arrived


def _make_database(new: Database, name: str) -> None:
    seen = new.seen
    sql = follow.make_database(name, seen.user)
    admin.run(seen.engine, new.server, sql, user=seen.superuser, database="postgres")
    admin.run(seen.engine, new.server, table.GUARDED, user=seen.user, database=name)


def _remove(old: Seen) -> None:
    have, volume = old.observed.container, old.observed.volume
    if have:
        old.engine.remove_server(have)
    if volume:
        old.engine.remove_storage(volume)


def complete(seen: Seen) -> None:
    """Complete what a killed move has left: a server of the new side, or data of the old one."""
    if not seen.move_unfinished:
        return
    record = records.find(seen.project, seen.env.project_id)
    if record is None or not (record.moving_to or record.remains):
        return
    shutil.rmtree(records.path_of(record.project).with_suffix(".moving"), ignore_errors=True)
    name = record.moving_to or record.remains
    if name == seen.engine.info.name:
        return  # the same move again
    try:
        old = look(replace(seen.context, options={}), _open(seen, name), deadline=seen.deadline)
    except NoEngine:
        return
    have = old.observed.container
    if record.remains:
        _remove(old)
    elif have:  # at once: one that still makes its data would not hear; the data stays, whatever it has
        old.engine.remove_server(have)


def _open(seen: Seen, name: str) -> Engine:
    return choice.open_engine(name, seen.environment, seen.project, seen.env.project_id, seen.deadline.left)


def _note(seen: Seen, at: Seen, *, moving_to: str = "", remains: str = "") -> None:
    volume = at.observed.volume
    path, inode, place = str(seen.project.path), seen.project.inode, volume.name if volume else ""
    records.write(
        records.Record(seen.project_id, path, inode, at.engine.info.name, place, moving_to=moving_to, remains=remains)
    )
