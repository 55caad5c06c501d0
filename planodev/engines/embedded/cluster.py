"""A new data directory of PostgreSQL: made, given Plano's role and database, made durable.

None of it waits for the disk before the last: what was killed on the way was never ready, and is made anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from planodev.background import begin
from planodev.engines.embedded.directories import SUPERUSER, Place, Runner
from planodev.engines.embedded.process import options, surroundings
from planodev.problems import Command, Fix, NotReady

if TYPE_CHECKING:
    from collections.abc import Callable

    from planodev.engines import Server
    from planodev.engines.embedded.programs import Program

_LITTLE = 300_000  # kB; new data is 55 MB of it


def init(program: Program, place: Place, runner: Runner, password: str) -> None:
    """Make an empty database cluster; what was written is not durable before `sync` has ended.

    Args:
        program: PostgreSQL.
        place: where; there is no `data` in it yet.
        runner: who.
        password: of the superuser.

    Raises:
        NotReady: initdb failed, with its own words.

    """
    place.write("pgpass", f"*:*:*:{SUPERUSER}:{password}\n")
    place.write("initdb-password", f"{password}\n")
    command = [program.path("initdb"), f"--pgdata={place.data}", f"--username={SUPERUSER}", "--no-sync"]
    command += [f"--pwfile={place.path / 'initdb-password'}", "--auth=scram-sha-256"]
    # The C locale is in every system: one that a machine does not have, or loses, cannot stop the server.
    command += ["--encoding=UTF8", "--no-locale", "--no-instructions"]
    try:
        done = subprocess.run(command, **surroundings(runner), capture_output=True, check=False)  # type: ignore[call-overload]
    finally:
        (place.path / "initdb-password").unlink(missing_ok=True)
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise NotReady(
            "data-not-made",
            "PostgreSQL could not make its data directory",
            why=next((line for line in said if "error" in line or "FATAL" in line), said[-1] if said else "no word"),
            fix=Fix(f"make room and give {runner.name} access to `{place.path}`, then ", Command("up")),
        )


def make_database(program: Program, place: Place, runner: Runner, server: Server) -> None:
    """Make Plano's role and database, while no server runs yet.

    PostgreSQL's single-user mode takes a third of the time that a server and `psql` take, since it need not wait for
    the disk (`-F`), no more than initdb does.

    Raises:
        NotReady: with the program's own words; a statement is in no log, for the sake of the password.

    """
    command = [program.path("postgres"), "--single", "-F", "-j", "-D", str(place.data), *options(server.port)]
    command += ["-c", "log_checkpoints=off", "-c", "log_min_error_statement=panic", "postgres"]
    done = subprocess.run(
        command,
        **surroundings(runner) | {"stdin": None},  # type: ignore[call-overload]
        input=_first(server).encode(),
        capture_output=True,
        check=False,
    )
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode or said:
        raise NotReady(
            "database-not-made",
            f"the role `{server.superuser}` and its database could not be made",
            why=(said or f"exit code {done.returncode}").replace(server.password, "***"),
            fix=Fix(Command("up"), " tries again"),
        )


def _first(server: Server) -> str:
    """Return the SQL; in that mode a statement ends with an empty line."""
    password = server.password.replace("'", "''")
    role = f"CREATE ROLE \"{server.superuser}\" LOGIN PASSWORD '{password}';\n\n"
    if server.database == "postgres":
        return f'{role}ALTER DATABASE postgres OWNER TO "{server.superuser}";\n\n'
    return f'{role}CREATE DATABASE "{server.database}" OWNER "{server.superuser}" STRATEGY file_copy;\n\n'


def begin_sync(program: Program, place: Place, runner: Runner) -> Callable[[], bool | None]:
    """Begin to make a new data directory durable, which the server need not wait for.

    Returns:
        A function that waits until it is, and says whether that worked.

    """

    def one_by_one() -> bool:
        command = [program.path("initdb"), "--sync-only", f"--pgdata={place.data}"]
        done = subprocess.run(command, **surroundings(runner), capture_output=True, check=False)  # type: ignore[call-overload]
        return bool(done.returncode == 0)

    return begin(lambda: (_all_may_be_written() and _whole_file_system(place)) or one_by_one())


def _whole_file_system(place: Place) -> bool:
    """Write out the file system that holds the data: one request to the disk instead of a thousand."""
    with suppress(OSError):
        return subprocess.run(["sync", "-f", str(place.data)], capture_output=True, check=False).returncode == 0
    return False


def _all_may_be_written() -> bool:
    try:
        memory = Path("/proc/meminfo").read_text()
    except OSError:
        return False
    return sys.platform == "linux" and is_little(os.uname().release, memory)


def is_little(kernel: str, memory: str) -> bool:
    """Say whether what all programs have unwritten is soon written, and every error of that would be told.

    Before Linux 5.8 `syncfs` did not report every error. Source: PostgreSQL 16, documentation of
    `recovery_init_sync_method`.

    Args:
        kernel: the release of Linux.
        memory: the text of `/proc/meminfo`.

    """
    version = tuple(map(int, re.findall(r"\d+", kernel)[:2]))
    waits = re.findall(r"^(?:Dirty|Writeback): +(\d+) kB$", memory, re.MULTILINE)
    return version >= (5, 8) and len(waits) == 2 and sum(map(int, waits)) < _LITTLE  # noqa: PLR2004  there are two
