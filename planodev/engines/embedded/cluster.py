"""A data directory of PostgreSQL: made, given Plano's role and database, made durable, removed.

Nothing of a new one waits for the disk before the last: one that was interrupted was never ready, and is created again.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from planodev import executables, trace
from planodev.background import Job
from planodev.engines import Late
from planodev.engines.embedded import directories, members, process, programs
from planodev.engines.embedded.directories import SUPERUSER, DataDirectory, Runner
from planodev.engines.embedded.process import options, surroundings
from planodev.postgres import scram
from planodev.problems import BadInput, Command, Fix, NotReady
from planodev.project import private_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from planodev.deadline import Limit
    from planodev.engines import Server
    from planodev.engines.embedded.programs import Program
    from planodev.project.identity import Project

_REMOVED = ".removed-"
_TRIES = 20  # tries, 0.05 seconds apart, while another process still writes or creates something
_LITTLE = 300_000  # kB; new data alone is 55 MB


def make_directory(project: Project, directory: DataDirectory) -> None:
    """Make the directory, private to whoever runs the server.

    Raises:
        BadInput: it cannot be written, or that user would not reach it.

    """
    if directory.path.exists():  # left behind by a process that was killed before it wrote the labels
        remove(directory)
    runner = directories.runner(project, None)
    try:
        # Root's server runs as another user, who has to reach the data.
        private_files.make_directory(directory.path.parent, 0o700 if os.geteuid() else 0o711)
        private_files.set_mode(directory.path.parent, remove=0o022)
        if os.geteuid() == 0:
            _open_ways(directory.path.parent, runner.name)
        owner = (runner.uid, runner.gid) if os.geteuid() == 0 else None
        private_files.make_directory_for(directory.path, owner)
    except OSError as error:
        raise BadInput(
            "data-directory-unwritable",
            f"`{directory.path.parent}` cannot be written",
            why=error.strerror,
            fix="give your user access to it, or set XDG_DATA_HOME to a directory of yours",
        ) from error


def _open_ways(directory: Path, name: str) -> None:
    """Let the user who runs the server enter the directories above the data that planodev created."""
    for part in (directory, directory.parent):
        private_files.set_mode(part, add=0o711)
    # A directory that was just created, perhaps by another planodev, is private until it has its mode.
    for _ in range(_TRIES):
        if programs.reachable(directory):
            return
        time.sleep(0.05)
    raise BadInput(
        "data-directory-unreachable",
        f"{name}, the user that Postgres would run as, may not enter `{directory}`",
        why="PostgreSQL refuses to run as root, so planodev runs it as another user",
        fix="`unset XDG_DATA_HOME`, or name a directory there that every user may enter",
    )


def reached(program: Program) -> Program:
    """Return the programs where whoever runs the server can reach them."""
    return programs.placed(program, directories.root()) if os.geteuid() == 0 else program


def remove(directory: DataDirectory) -> None:
    """Remove a directory; from the first moment on it counts as gone, whatever ends this in the middle."""
    process.end_everything(directory)
    aside = directory.path.with_name(f"{_REMOVED}{directory.path.name}-{secrets.token_hex(4)}")
    with suppress(FileNotFoundError):
        directory.path.rename(aside)
    for left in directory.path.parent.glob(f"{_REMOVED}*"):
        for _ in range(_TRIES):  # child processes of an ended initdb may still write a file
            shutil.rmtree(left, ignore_errors=True)
            if not left.exists():
                break
            time.sleep(0.05)


def init(program: Program, directory: DataDirectory, runner: Runner, password: str, limit: Limit) -> None:
    """Make an empty database cluster; what was written is not durable before `sync` has ended.

    Args:
        program: PostgreSQL.
        directory: where; there is no `data` in it yet.
        runner: who.
        password: of the superuser.
        limit: gives the seconds that it may take.

    Raises:
        NotReady: initdb failed, with its own words.
        Late: it did not end in time.

    """
    directory.write("pgpass", f"*:*:*:{SUPERUSER}:{password}\n")
    directory.write("initdb-password", f"{scram.verifier(password)}\n")
    command = [*_with_a_name(runner), program.path("initdb"), f"--pgdata={directory.data}", f"--username={SUPERUSER}"]
    command += ["--no-sync", f"--pwfile={directory.path / 'initdb-password'}", "--auth=scram-sha-256"]
    # Every system has the C locale: a server with another one does not start where that locale is missing.
    command += ["--encoding=UTF8", "--no-locale", "--no-instructions"]
    trace.note(f"run {' '.join(command)}")
    try:
        done = _run(command, "initdb", runner, limit())
    finally:
        (directory.path / "initdb-password").unlink(missing_ok=True)
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        why = next(
            (line for line in said if "error" in line or "FATAL" in line), said[-1] if said else "it printed nothing"
        )
        fix = _free(runner, directory)
        if any("could not look up effective user ID" in line or line.startswith("unshare:") for line in said):
            why = f"its `initdb` needs a name for {runner.name}, which this system does not have: {why}"
            fix = Fix(f"give {runner.name} a name in `/etc/passwd`; or ", Command("up", "--engine", "docker"))
        raise NotReady("data-not-made", "PostgreSQL could not create its data directory", why=why, fix=fix)


def _run(
    command: list[str], name: str, runner: Runner, seconds: float, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run the program of PostgreSQL that is called `name`; it and all that it has started are killed at the limit.

    Raises:
        Late: it takes longer, as on a disk that does not answer.

    """
    files = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    started = subprocess.Popen(command, **surroundings(runner) | files)  # type: ignore[call-overload]
    try:
        out, said = started.communicate(given, timeout=seconds)
    except BaseException as error:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        raise late(name) from None
    return subprocess.CompletedProcess(command, started.returncode, out, said)


def late(name: str) -> Late:
    """Return the error for a program of PostgreSQL that did not end in time."""
    return Late(f"PostgreSQL's `{name}` did not end in time")


def _with_a_name(runner: Runner) -> list[str]:
    """Return what starts `initdb`, and `postgres --single`: both end where the system has no name for the user.

    That is so in a container that was started with another `--user`. In a user namespace of its own the number is that
    of a user with a name; the files belong to the same user as without. Where Linux allows no such namespace, as in
    Docker's containers, `unshare` fails. Source: PostgreSQL 16, `src/common/username.c`; user_namespaces(7).
    """
    if sys.platform != "linux" or directories.has_name(runner.uid):
        return []
    import pwd

    unshare = executables.find("unshare")
    named = min((user.pw_uid for user in pwd.getpwall() if user.pw_uid), default=None)
    return [] if unshare is None or named is None else [unshare, "--user", f"--map-user={named}"]


def _free(runner: Runner, directory: DataDirectory) -> Fix:
    return Fix(f"free space and give {runner.name} access to `{directory.path}`, then ", Command("up"))


def make_database(program: Program, directory: DataDirectory, runner: Runner, server: Server, limit: Limit) -> None:
    """Make Plano's role and database, while no server runs yet.

    PostgreSQL's single-user mode takes a third of the time that a server and `psql` take, since it need not wait for
    the disk (`-F`), no more than initdb does.

    Raises:
        NotReady: it failed, with the program's own words.
        Late: it did not end within the limit.

    """
    command = [*_with_a_name(runner), program.path("postgres"), "--single", "-F", "-j", "-D", str(directory.data)]
    command += [*options(server.port), "-c", "log_checkpoints=off", "-c", "log_min_error_statement=panic", "postgres"]
    done = _run(command, "postgres", runner, limit(), _first(directory, server).encode())
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode or said:
        raise NotReady(
            "database-not-made",
            f"the role `{server.superuser}` and its database could not be created",
            why=said or f"exit code {done.returncode}",
            fix=_free(runner, directory),
        )


def _first(directory: DataDirectory, server: Server) -> str:
    """Return the SQL; in that mode a statement ends with an empty line."""
    password = scram.verifier(server.password)
    role = f"CREATE ROLE \"{server.superuser}\" LOGIN PASSWORD '{password}';\n\n"
    role += members.first(directory, server.superuser)
    if server.database == "postgres":
        return f'{role}ALTER DATABASE postgres OWNER TO "{server.superuser}";\n\n'
    return f'{role}CREATE DATABASE "{server.database}" OWNER "{server.superuser}" STRATEGY file_copy;\n\n'


def begin_sync(program: Program, directory: DataDirectory, runner: Runner, limit: Limit) -> Callable[[], bool | None]:
    """Begin to make a new data directory durable, which the server need not wait for.

    Returns:
        A function that waits until it is, within the limit, and says whether that worked; None where it goes on.

    """

    def one_by_one() -> bool:
        command = [program.path("initdb"), "--sync-only", f"--pgdata={directory.data}"]
        done = subprocess.run(command, **surroundings(runner), capture_output=True, check=False)  # type: ignore[call-overload]
        return bool(done.returncode == 0)

    def durable() -> bool | None:
        begun(limit())
        return None if begun.runs else bool(begun())

    begun = Job(lambda: (_all_may_be_written() and _whole_file_system(directory)) or one_by_one())
    return durable


def _whole_file_system(directory: DataDirectory) -> bool:
    """Write out the file system that holds the data: one request to the disk instead of a thousand."""
    program = executables.find("sync")
    if program is None:
        return False
    with suppress(OSError):
        return subprocess.run([program, "-f", str(directory.data)], capture_output=True, check=False).returncode == 0
    return False


def _all_may_be_written() -> bool:
    try:
        memory = Path("/proc/meminfo").read_text()
    except OSError:
        return False
    return sys.platform == "linux" and is_little(os.uname().release, memory)


def is_little(kernel: str, memory: str) -> bool:
    """Say whether what all programs have unwritten is soon written, and every error of that would be reported.

    Before Linux 5.8 `syncfs` did not report every error. Source: PostgreSQL 16, documentation of
    `recovery_init_sync_method`.

    Args:
        kernel: the release of Linux.
        memory: the text of `/proc/meminfo`.

    """
    version = tuple(map(int, re.findall(r"\d+", kernel)[:2]))
    waits = re.findall(r"^(?:Dirty|Writeback): +(\d+) kB$", memory, re.MULTILINE)
    return version >= (5, 8) and len(waits) == 2 and sum(map(int, waits)) < _LITTLE  # noqa: PLR2004  one of each name
