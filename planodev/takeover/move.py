"""Move a project's conversations from one engine to another: COPY out of one server, and into the other.

The old server is started once more where nobody can reach it, so no turn is stored there that would be lost. The record
names the old engine until every row has arrived: an interrupted move goes on where it was.
"""

from __future__ import annotations

import os
import select
import tempfile
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planodev.background import Job
from planodev.decide import decide, refuse_other_server, survey
from planodev.engines import NameTaken, PortTaken, Server, Streams, choice, port_choice, server_name
from planodev.postgres import admin, create_table, limits, proof, queries, state_table
from planodev.postgres.admin import AdminFailed
from planodev.postgres.connection import LOOPBACK, Connection
from planodev.problems import BadInput, Command, Conflict, Fix, Problem
from planodev.project import settings
from planodev.result import Outcome, counted
from planodev.steps import env_file, image, login, match_env
from planodev.takeover import leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planodev.database import Database
    from planodev.decide import Plan
    from planodev.look import Seen

SILENCE = 60.0  # seconds that the old server may take to send the next row
_OUT = f"COPY (SELECT {state_table.COLUMNS} FROM {{}}) TO STDOUT"
_IN = f"COPY incoming ({state_table.COLUMNS}) FROM STDIN"
_MERGE = f"""\
INSERT INTO {state_table.NAME} ({state_table.COLUMNS}) SELECT {state_table.COLUMNS} FROM incoming
ON CONFLICT (response_id) DO UPDATE SET input_items = EXCLUDED.input_items, created_at = EXCLUDED.created_at,
model = EXCLUDED.model, provider = EXCLUDED.provider, updated_at = EXCLUDED.updated_at"""
_ARRIVED = f"""\
SELECT count(*) FROM incoming i JOIN {state_table.NAME} t USING (response_id)
WHERE (t.input_items, t.created_at, t.model, t.provider) = (i.input_items, i.created_at, i.model, i.provider)"""
# Whether a database has rows, and the name of its table; then, a line each, everything else that a user has created
# there: relations, functions, further columns of the table; without what extensions own.
_CONTENTS = f"""\
{queries.NAME_TABLE}\\if :there
SELECT EXISTS (SELECT FROM :named);
\\else
SELECT false;
\\endif
\\echo :named
WITH ours AS (SELECT oid FROM pg_class WHERE oid = to_regclass(:'named')),
found AS (SELECT c.oid, c.relnamespace AS space, c.oid::regclass::text AS name FROM pg_class c
WHERE c.relkind IN ('r', 'p', 'm', 'f', 'v', 'S') AND c.oid IS DISTINCT FROM (SELECT oid FROM ours)
UNION ALL SELECT p.oid, p.pronamespace, p.oid::regprocedure::text FROM pg_proc p)
SELECT regexp_replace(name, '^public[.]', '') FROM found JOIN pg_namespace n ON n.oid = space
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = found.oid AND d.deptype IN ('e', 'i', 'a'))
UNION ALL SELECT 'column ' || quote_ident(a.attname) || ' of {state_table.NAME}' FROM pg_attribute a
WHERE a.attrelid = (SELECT oid FROM ours) AND a.attnum > 0 AND NOT a.attisdropped
AND a.attname <> ALL (string_to_array('{state_table.COLUMNS}', ', '))
ORDER BY 1;
"""


@dataclass(frozen=True)
class Move:
    """A move that was begun.

    Args:
        seen: the new side, with the credentials of the old one where `.env` has none.
        old: the old side; its server runs where nobody can reach it.
        tables: Plano's table, as SQL, of each database of the old side that has conversations.
        others: what else the old side has, which stays there.

    """

    seen: Seen
    old: Seen
    tables: dict[str, str]
    others: tuple[str, ...]

    def finish(self, new: Database) -> Database:
        """Copy every row into the new server, count them there, and remove the old data where it had nothing else.

        Raises:
            Conflict: they did not arrive whole.

        """
        import psycopg

        seen = new.seen
        seen.progress.begin("Moving the conversations")
        try:
            arrived = {name: _copy(self.old, new, name, table) for name, table in self.tables.items()}
        except (psycopg.Error, AdminFailed, OSError) as error:
            raise _failed(self.old, error) from error
        for side in (seen, self.old):
            side.deadline.restart()
        count = sum(arrived.values())
        names = ", ".join(f"`{name}`" for name in arrived)
        seen.progress.done(Outcome("moved", "conversations", counted(count) + (f" in {names}" if names else "")))
        kept = bool(self.others)
        leftovers.record(seen, seen, remains="" if kept else self.old.engine.info.name)
        leftovers.end(self.old)
        _say_what_became(self, seen)
        if not kept and self.old.observed.volume:
            self.old.engine.remove_storage(self.old.observed.volume)
            leftovers.record(seen, seen)
        seen.deadline.restart()
        proved = new.proved and new.proved._replace(conversations=arrived.get(seen.database, 0), estimated=False)
        return replace(new, proved=proved)


@contextmanager
def moving(seen: Seen) -> Iterator[Move | None]:
    """Ask, and start the old server where nobody can reach it; remove first what an interrupted move has left.

    Yields:
        The move, None where nothing is to be moved.

    Raises:
        PlanodevError: the new server could not be created; the old one is left as it is.
        BadInput: the user did not agree, or could not be asked.
        Conflict: the old server does not start.

    """
    if not seen.moves:
        leftovers.remove(seen)
    old = _old_side(seen) if seen.moves else None
    if old is None:
        yield None
        return
    pull = planned(seen, old).pull
    _confirm(seen, old)
    old.deadline.restart()
    if pull:
        seen = _with_image(seen, old)
    leftovers.record(seen, old, moving_to=seen.engine.info.name)
    try:
        seen.progress.begin("Starting the old server for the move")
        password = _start_alone(old)
        old = old.again()
        tables, others = _contents(old)
        where = choice.title(old.engine.info.name)
        seen.progress.note(
            f"the data stays in {where} until every row is copied; if this is interrupted, run `up` again"
        )
        seen.deadline.restart()
        known = seen.credentials  # `.env` may be lost: its values were the old server's
        user, database = known.user or old.user, known.database or old.database
        known = known._replace(user=user, password=known.password or password, database=database)
        yield Move(replace(seen, credentials=known), old, tables, others)
    finally:
        with suppress(Exception):  # the next `up` replaces what is left
            leftovers.end(old.again())
        old.engine.close()


def announce(seen: Seen) -> Plan:
    """Say what a move would bring, in a dry run, and return what would be done about the new server."""
    old = _old_side(seen)
    if old is not None:
        here = choice.title(seen.engine.info.name)
        seen.progress.note(f"{_what(old)} would move from {choice.title(old.engine.info.name)} to {here}")
    return planned(seen, old)


def planned(seen: Seen, old: Seen | None = None) -> Plan:
    """Return what is to be done about the new server, whether or not the old one has been ended already.

    Raises:
        PlanodevError: it could not be created, or `.env` not be written for it.

    """
    plan = decide(seen, survey(seen, old.observed.container if old else None))
    env_file.refuse_rewriting(seen, plan.desired.port)
    return plan


def _with_image(seen: Seen, old: Seen) -> Seen:
    """Pull the image while the old server still runs; what is in it may be refused."""
    image.pull(seen)
    seen.deadline.restart()
    planned(seen, old)
    return replace(seen, settings=seen.settings._replace(pull=settings.Setting("missing", "default")))


def _old_side(seen: Seen) -> Seen | None:
    """Return the side that has the data; None where it was deleted there by hand, and nothing is left to move."""
    name = seen.engine_choice.data_elsewhere if seen.engine_choice else ""
    old = leftovers.side(seen, name)
    if old.observed.volume is None:
        return None
    refuse_other_server(old)
    for side in (old, seen):
        if not side.engine.info.local:
            raise Conflict(
                "move-needs-local-engine",
                "the conversations cannot be moved",
                why=f"the engine at `{side.engine.info.endpoint}` is on another machine",
                fix=Fix(Command("up", "--engine", name), " keeps the data there"),
            )
    return old


def _confirm(seen: Seen, old: Seen) -> None:
    source, here, what = choice.title(old.engine.info.name), choice.title(seen.engine.info.name), _what(old)
    if seen.context.options.get("yes"):
        seen.progress.note(f"moving {what} from {source} to {here}")
        return
    answer = seen.progress.confirm(f"Move {what} from {source} to {here}?")
    if not answer:
        raise BadInput(
            "move-not-confirmed",
            f"nothing was changed: this project's data is in {source}",
            why=f"{what} would move to {here}" + ("" if answer is False else ", and there is no terminal to ask on"),
            fix=Fix(
                *(Command("up", "--engine", seen.engine.info.name, "--yes"), " moves them; "),
                *(Command("up", "--engine", old.engine.info.name), " keeps them there"),
            ),
        )


def _what(old: Seen) -> str:
    have, volume, count, estimated = old.observed.container, old.observed.volume, None, False
    if have and have.state == "running":
        with suppress(AdminFailed):
            turns = [found.turns for found in queries.contents(old.engine, have, old.superuser).values()]
            count, estimated = sum(one.rows for one in turns), any(one.estimated for one in turns)
    return f"{counted(count, estimated=estimated)} in the {old.engine.wording.data} `{volume and volume.name}`"


def _start_alone(old: Seen) -> str | None:
    """Start the old server where nobody can reach it; returns the password that it was created with, where known.

    Raises:
        Conflict: it does not start.

    """
    have, volume = old.observed.container, old.observed.volume
    assert volume  # noqa: S101  else nothing is moved
    password = old.engine.kept_password(have) if have else None
    made_with = have.image if have else volume.image
    if old.engine.image(made_with) is None:
        label = settings.Setting(made_with, "the volume's label")
        image.pull(replace(old, settings=old.settings._replace(image=label)))
    if have:
        leftovers.end(old)
    server = Server(
        name=have.name if have else _free_name(old),
        volume=volume.name,
        image=made_with,
        port=port_choice.unused(),
        addresses=(),
        owner=old.owner,
        superuser=volume.superuser,
        database=volume.database,
        plano=old.mode,
        password=password or "",
    )
    try:
        old.engine.create(server)
        login.wait_inside(old.again())
    except (AdminFailed, NameTaken, PortTaken) as error:
        raise _failed(old, error) from error
    return password


def _free_name(old: Seen) -> str:
    """Return a name for a server that is gone; whoever has asked for another one has asked it of the new server."""
    wanted = settings.Setting(old.settings.name.value, "default")
    return server_name.choose(wanted, old.project.slug, old.project_id, old.observed.taken)


def _contents(old: Seen) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return Plano's table of each database that has conversations, and what else is in any database."""
    tables, others = dict[str, str](), list[str]()
    try:
        for name in _ask(old, queries.DATABASES, "postgres"):
            has_rows, *more = _ask(old, _CONTENTS, name)
            others += more[1:]  # after the table's name, which is empty if there is none
            if has_rows == "t":
                tables[name] = more[0]
    except AdminFailed as error:
        raise _failed(old, error) from error
    return tables, tuple(others)


def _ask(old: Seen, sql: str, database: str) -> list[str]:
    server = old.server
    return admin.run_as_superuser(old.engine, server, sql, superuser=old.superuser, database=database).splitlines()


def _copy(old: Seen, new: Database, name: str, table_name: str) -> int:
    """Copy the rows of one database, all or none; returns how many."""
    seen, count = new.seen, 0
    for side in (seen, old):  # each copy takes as long as it takes
        side.deadline.restart()
    if name != seen.database:
        create = match_env.make_database(name, seen.user)
        admin.run_as_superuser(seen.engine, new.server, create, superuser=seen.superuser, database="postgres")
        admin.run(seen.engine, new.server, create_table.GUARDED, user=seen.user, database=name)
    connection = Connection(seen.user, new.password, LOOPBACK, new.port, name, own=True)
    with closing(proof.login(connection, proof.PATIENCE)) as session:
        session.longest = limits.ALL
        session.execute(f"CREATE TEMP TABLE incoming (LIKE {state_table.NAME}) ON COMMIT DROP")
        with session.cursor().copy(_IN) as rows:
            for piece in _rows(old, name, table_name):
                rows.write(piece)
                count += piece.count(b"\n")  # a line feed within a row is written as `\n`
        session.execute(_MERGE)
        (arrived,) = session.execute(_ARRIVED).fetchone()
        if arrived != count:
            raise OSError(f"{arrived} of {count} rows of `{name}` arrived")
        session.commit()
    return count


def _rows(old: Seen, name: str, table_name: str) -> Iterator[bytes]:
    """Yield the rows of one database's table as COPY writes them, in pieces of any size.

    Raises:
        OSError: there are more, and the server does not send them.

    """
    server = old.server
    reading, writing = os.pipe()
    variables = {"PGUSER": old.superuser, "PGDATABASE": name, "PGCLIENTENCODING": "UTF8", "PGAPPNAME": "planodev"}
    # Timestamps in a form that every server reads alike, whatever the settings of this database are.
    variables["PGOPTIONS"] = f"{admin.SYSTEM_ALONE} -c datestyle=ISO -c timezone=UTC"
    with os.fdopen(reading, "rb", buffering=0) as source, tempfile.TemporaryFile() as errors:

        def write() -> int:
            with os.fdopen(writing, "wb") as target:
                command = ["psql", "-Xq", "-v", "VERBOSITY=terse", "-c", _OUT.format(table_name)]
                return old.engine.program(server, command, variables).run(Streams(None, target, errors))

        ended = Job(write)
        while True:
            if not select.select([source], [], [], SILENCE)[0]:
                raise OSError(f"the old server sent nothing for {SILENCE:g} seconds")
            piece = source.read(1 << 20)
            if not piece:
                break
            yield piece
        if ended() != 0:
            errors.seek(0)
            raise OSError(errors.read().decode(errors="replace").strip() or "the old server's psql failed")


def _say_what_became(move: Move, seen: Seen) -> None:
    volume, data = move.old.observed.volume, move.old.engine.wording.data
    if volume and move.others:
        others = ", ".join(move.others)
        text = f"the {data} `{volume.name}` is kept, stopped: it also holds {others}"
        seen.progress.notice(Problem("old-data-kept", text))
    elif volume:
        seen.progress.note(f"removing the {data} `{volume.name}`: everything in it was moved")


def _failed(old: Seen, error: Exception) -> Conflict:
    return Conflict(
        "move-failed",
        "the conversations were not moved",
        why=proof.said(error),
        fix=Fix("nothing is lost: ", Command("up", "--engine", old.engine.info.name), " continues with them there"),
    )
