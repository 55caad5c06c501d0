"""`planodev snapshot`: keep a copy of the conversations, and bring it back, all of it or nothing."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from planodev import tables
from planodev.background import NotDone, within
from planodev.commands.confirm import confirm
from planodev.commands.psql import running, variables_of
from planodev.commands.reset import own
from planodev.conversations import access, times
from planodev.engines import Streams
from planodev.look import files_to_stop, look
from planodev.postgres import limits, state_table
from planodev.problems import Command, Fix, NoEngine, PlanodevError
from planodev.project import defaults, lock, snapshots
from planodev.result import Outcome, Result, counted
from planodev.tables import Column
from planodev.visible import size, visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from planodev.conversations.access import Place
    from planodev.look import Context, Seen
    from planodev.project.snapshots import Snapshot

_COLUMN = rb'(?:[a-z_][a-z0-9_]*|"(?:[^"]|"")+")'
_COPY = re.compile(rb"COPY (?:\S+\.)?conversation_states \((%b(?:, %b)*)\) FROM stdin;\n" % (_COLUMN, _COLUMN))
# Whether `pg_dump --table` writes all rows: it leaves out those of partitions, of inheriting tables, and of a view.
_IS_PLAIN = (
    "SELECT relkind = 'r' AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid) "
    f"FROM pg_class AS c WHERE c.oid = to_regclass('{state_table.NAME}')"
)
_LINE = 300  # characters of a program's own error


def save(context: Context) -> Result:
    """Write the project's conversations into a new snapshot.

    Args:
        context: with the option `snapshot`, its name.

    Raises:
        PlanodevError: it could not be written; nothing is left of it then.

    """
    with _work(context) as (at, seen):
        file = snapshots.fresh(seen.project_id, context.options.get("snapshot"))
        context.progress.begin("Writing the snapshot")
        partial = file.with_suffix(".partial")
        try:
            rows, version = _dump(at, seen, partial)
            known = snapshots.Snapshot(
                file.stem, int(time.time()), at.connections[0].database, rows, partial.stat().st_size, version
            )
            snapshots.note(file, known)
            partial.replace(file)
        except OSError as error:
            raise _failed("written", error.strerror or str(error), f"free disk space for `{file.parent}`") from error
        finally:
            for rest in (partial, *([] if file.exists() else [file.with_suffix(".json")])):
                rest.unlink(missing_ok=True)
        context.progress.done(Outcome("written", f"snapshot {file.stem}", f"{counted(rows)}, {size(known.bytes)}"))
    line = Fix(f"Saved {counted(rows)} in `{file}`; ", Command("snapshot", "restore", file.stem), " restores them")
    return Result("snapshot save", {"snapshot": known._asdict(), "file": str(file)}, [line])


def _dump(at: Place, seen: Seen, target: Path) -> tuple[int, str]:
    """Dump the table by the server's own pg_dump, in one consistent snapshot; returns rows and server version."""
    import psycopg

    with access.session(at) as opened, _private(target) as file, tempfile.TemporaryFile() as errors:
        opened.rollback()
        opened.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        limits.bound(opened, statement=limits.ALL)
        moment = opened.execute("SELECT pg_export_snapshot()").fetchone()[0]
        rows = opened.execute(f"SELECT count(*) FROM {state_table.NAME}").fetchone()[0]
        if opened.execute(_IS_PLAIN).fetchone() == (False,):
            fix = Fix(Command("conversations", "export", "FILE"), " writes its rows")
            raise _failed("written", f"`{state_table.NAME}` is not one plain table, as `pg_dump` needs it", fix)
        version = opened.execute("SELECT current_setting('server_version')").fetchone()[0].split(" ")[0]
        command = ["pg_dump", "-Fc", "--no-owner", "--no-privileges", f"--table={state_table.NAME}"]
        command += [f"--snapshot={moment}", f"--lock-wait-timeout={limits.LOCK * 1000:.0f}"]
        _run(at, seen, _Watch(command, Streams(None, file, errors), "written", opened))
        file.flush()
        os.fsync(file.fileno())
    return rows, version


def _run(at: Place, seen: Seen, watch: _Watch) -> None:
    """Run one of the server's own programs.

    Raises:
        PlanodevError: it failed, or nothing has come of it for too long; it is ended then.

    """
    seen.deadline.restart()  # a question may have been answered since the look
    variables, streams = {**variables_of(at.connections[0]), "PGAPPNAME": watch.name}, watch.streams
    try:
        code = seen.engine.program(running(seen), watch.command, variables).run(streams._replace(watch=watch))
    except BaseException:
        watch.end()
        raise
    if code:
        streams.errors.seek(0)
        said = visible(" ".join(streams.errors.read().decode(errors="replace").split()))[:_LINE]
        raise _failed(
            watch.done,
            said,
            f"free disk space for `{snapshots.directory(seen.project_id)}`" if "space" in said else None,
        )


class _Watch:
    """Looks whether a program that may take long goes on: by what has come of it, and by what the server says.

    Args:
        command: its words.
        streams: what it reads and writes.
        done: what it does to a snapshot, for the error.
        session: with the server that it logs in to, of the same role; None where it needs no server.

    """

    def __init__(self, command: list[str], streams: Streams, done: str, session: Any = None) -> None:  # noqa: ANN401
        self.command, self.streams, self.done, self._session = command, streams, done, session
        self.name = f"planodev-{secrets.token_hex(4)}"  # under which it logs in
        from planodev.postgres.session import Silence

        self._size, self._silence = 0, Silence()

    def __call__(self) -> None:
        """Look.

        Raises:
            PlanodevError: it does not go on.

        """
        size = sum(os.fstat(file.fileno()).st_size for file in (self.streams.target, self.streams.errors))
        if size != self._size:
            self._size = size
            self._silence.heard()
        if self._silence.seconds > (limits.READING if self._session else limits.STATEMENT):
            self._fail("")
        if self._session:
            why = self._silence.cause(lambda: self._session.idle_because(self.name))
            if why is not None:
                self._fail(why or "the server does not answer, or is not at work for it")

    def _fail(self, why: str) -> NoReturn:
        nothing = f"`{self.command[0]}` wrote nothing for {self._silence.seconds:.0f} seconds"
        raise _failed(self.done, f"{nothing}{why and f': {why}'}", "run this again")

    def end(self) -> None:
        """End its session, so that nothing of it goes on in a container; a server that is silent is not waited for."""
        import psycopg

        if self._session:
            with suppress(NotDone, psycopg.Error):
                within(limits.MARGIN / 2, lambda: self._session.end_others(self.name))


def listed(context: Context) -> Result:
    """List the project's snapshots, whether or not its database is there."""
    number = _number(context)
    found = snapshots.every(number)
    lines: list[Any] = [_table(found)] if found else []
    nothing = Fix("No snapshot yet; ", Command("snapshot", "save"), " creates one")
    data = {"directory": str(snapshots.directory(number)), "snapshots": [one._asdict() for one in found]}
    return Result("snapshot list", data, lines or [nothing])


def _table(found: list[Snapshot]) -> Any:  # noqa: ANN401  rich is loaded late
    columns = [Column("NAME"), Column("CREATED"), Column("DATABASE", shrinks=True)]
    columns += [Column("TURNS", right=True), Column("SIZE", right=True)]
    rows = [
        [
            one.name,
            times.shown(one.created_at),
            visible(one.database),
            "-" if one.rows is None else str(one.rows),
            size(one.bytes),
        ]
        for one in found
    ]
    return tables.table(columns, rows)


def _replaces(before: int, chosen: Snapshot) -> str:
    those = "those" if chosen.rows is None else f"the {chosen.rows}"
    return f"this replaces {counted(before)} with {those} of the snapshot {_named(chosen)}"


def _named(one: Snapshot) -> str:
    return f"`{one.name}` of {times.shown(one.created_at)}"


def restore(context: Context) -> Result:
    """Replace every stored conversation by those of a snapshot, in one transaction.

    Args:
        context: with the options `snapshot`, by default the newest, and `yes`.

    Raises:
        PlanodevError: it was not confirmed, or did not arrive whole; nothing was changed then.

    """
    with _work(context) as (at, seen):
        chosen = snapshots.find(seen.project_id, context.options.get("snapshot"))
        file = snapshots.dump(seen.project_id, chosen.name)
        with access.session(at) as opened:
            before = opened.execute(f"SELECT count(*) FROM {state_table.NAME}").fetchone()[0]
        confirm(context, _replaces(before, chosen), Command("snapshot", "restore", chosen.name))
        context.progress.begin("Restoring the snapshot")
        try:
            with tempfile.TemporaryFile(dir=file.parent) as script, tempfile.TemporaryFile() as errors:
                with file.open("rb") as source:
                    command = ["pg_restore", "--data-only", "-f", "-"]
                    _run(at, seen, _Watch(command, Streams(source, script, errors), "read"))
                script.seek(0)
                rows = _replace(at, chosen, script)
        except OSError as error:
            raise _failed("read", error.strerror or str(error), f"free disk space for `{file.parent}`") from error
        context.progress.done(Outcome("restored", chosen.name, counted(rows)))
    data = {"snapshot": chosen._asdict(), "rows": rows, "replaced_rows": before}
    return Result("snapshot restore", data, [f"Restored {counted(rows)}; Plano needs no restart"])


def _replace(at: Place, chosen: Snapshot, script: BinaryIO) -> int:
    """Put the rows of a script into the table, in place of all that it has; returns how many."""
    columns = next((found[1].decode() for line in script if (found := _COPY.fullmatch(line))), None)
    if columns is None:
        raise _failed("read", f"`{chosen.name}` is not a dump of `{state_table.NAME}`", None)
    with access.session(at, writes=True) as opened:
        limits.bound(opened, statement=limits.ALL)
        opened.execute(f"TRUNCATE {state_table.NAME}")
        with opened.cursor().copy(f"COPY {state_table.NAME} ({columns}) FROM STDIN") as rows:
            for line in script:
                if line == b"\\.\n":
                    break
                rows.write(line)
        count = int(opened.execute(f"SELECT count(*) FROM {state_table.NAME}").fetchone()[0])
        if chosen.rows not in (None, count):
            raise _failed("read", f"{count} of {chosen.rows} rows arrived", None)
        opened.commit()
    return count


def delete(context: Context) -> Result:
    """Remove a snapshot.

    Args:
        context: with the options `snapshot` and `yes`.

    Raises:
        BadInput: there is none of this name, or it was not confirmed.

    """
    number = _number(context)
    chosen = snapshots.find(number, context.options["snapshot"])
    held = "its conversations" if chosen.rows is None else counted(chosen.rows)
    says = f"this deletes the snapshot {_named(chosen)}, with {held}"
    confirm(context, says, Command("snapshot", "delete", chosen.name))
    snapshots.remove(number, chosen.name)
    return Result("snapshot delete", {"snapshot": chosen._asdict()}, [f"Deleted the snapshot `{chosen.name}`"])


@contextmanager
def _work(context: Context) -> Iterator[tuple[Place, Seen]]:
    """Hold the project, whose own database runs."""
    with lock.hold(context.project, defaults.TIMEOUT):
        at = own(context, "snapshot")
        seen = at.look()
        try:
            running(seen)
            yield at, seen
        finally:
            seen.engine.close()


def _number(context: Context) -> str:
    """Return the project's id; snapshots are files, and an engine is asked only where no record has it.

    Raises:
        PlanodevError: no engine answers, and nothing else has the number.

    """
    context = replace(context, options={})
    read = files_to_stop(context)
    written = read.env.project_id
    known = context.records.find(context.project, written)
    if known:
        return known.project
    try:
        seen = look(context, read=read, lenient=True)
    except NoEngine:
        if written is None or context.records.is_of_another(context.project, written):
            raise
        return written
    seen.engine.close()
    return seen.project_id


@contextmanager
def _private(file: Path) -> Iterator[BinaryIO]:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with os.fdopen(handle, "wb") as target:
        yield target


def _failed(done: str, why: str, fix: Fix | str | None) -> PlanodevError:
    text = f"the snapshot could not be {done}; nothing was changed"
    return PlanodevError(
        "snapshot-failed", text, why=why, fix=fix or Fix(Command("snapshot", "list"), " lists the others")
    )
