"""A PostgreSQL server as a process of this machine: start it, find it and stop it.

It listens on 127.0.0.1 and on no socket of the file system, and asks everybody for a password (SCRAM).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planodev import trace
from planodev.engines import LOOK, Output, PortTaken
from planodev.engines.embedded.directories import MEMBER, SUPERUSER, DataDirectory, Runner
from planodev.postgres import limits, scram
from planodev.postgres.connection import LOOPBACK
from planodev.problems import Command, Conflict, Fix, NotReady
from planodev.project import private_files, regular_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import psutil

    from planodev.engines.embedded.programs import Program

_POLL = 0.005  # seconds
_KILLED = 0.2  # seconds for a program to be gone that was killed
# Options of a superuser's session, so that nothing that a database's owner has set (`ALTER DATABASE … SET role`) or put
# in the place of a table runs with a superuser's rights. Source: PostgreSQL 16, `guc.h` (a client's options override
# those of the database), and the release notes of 16.4 on `restrict_nonsystem_relation_kind`.
_AS_SUPERUSER = (
    f"-c search_path=pg_catalog,pg_temp -c session_authorization={SUPERUSER} -c role=none "
    "-c restrict_nonsystem_relation_kind=view,foreign-table"
)
NO_LOGIN = 2  # the exit code of a `psql` that got no session
_ENDED = 124  # the exit code for a `psql` that timed out, as of timeout(1)
_LONGEST_LOG = 4_000_000  # bytes; a longer one is renamed at the next start
# Lines of postmaster.pid. Source: PostgreSQL 16, src/include/utils/pidfile.h.
_PID, _PORT, _LISTENS, _STATUS = 0, 3, 5, 7


@dataclass(frozen=True)
class Postmaster:
    """A server that runs; `ready` says whether it takes connections, `listens` whether it has got its port."""

    pid: int
    port: int
    listens: bool
    ready: bool


def postmaster(directory: DataDirectory) -> Postmaster | None:
    """Return the server that runs over this data, None where the process is gone or is another's.

    Raises:
        PermissionError: the data is another user's.

    """
    try:
        lines = regular_file.text(directory.data / "postmaster.pid").splitlines()
        pid = int(lines[_PID])
    except PermissionError:
        raise
    except (OSError, ValueError, IndexError):
        return None
    if not _is_server_of(pid, directory):
        return None
    lines += [""] * (_STATUS + 1 - len(lines))
    port = int(lines[_PORT]) if lines[_PORT].strip().isdigit() else 0
    return Postmaster(pid, port, bool(lines[_LISTENS].strip()), lines[_STATUS].strip() == "ready")


def _is_server_of(pid: int, directory: DataDirectory) -> bool:
    """Say whether a process is a postmaster over this data: numbers of processes are given out again."""
    return os.fsencode(str(directory.data)) in _command(pid)


def _command(pid: int) -> list[bytes]:
    if sys.platform == "linux":
        try:
            return [word for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") if word]
        except OSError:
            return []
    import psutil

    try:
        return [os.fsencode(word) for word in psutil.Process(pid).cmdline()]
    except psutil.Error:
        return []


def start(
    program: Program, directory: DataDirectory, runner: Runner, port: int, timeout: float
) -> subprocess.Popen[bytes]:
    """Start the server, and come back when it has its port; it goes on when this process and the terminal are gone.

    Raises:
        PortTaken: somebody else has the port.
        Conflict: processes of an old server still use the data.

    """
    _drop_foreign_pid_file(directory)
    if directory.log.exists() and directory.log.stat().st_size > _LONGEST_LOG:
        directory.log.replace(directory.log.with_suffix(".log.1"))
    deadline = time.monotonic() + timeout
    while True:
        handle = private_files.open_to_append(directory.log, directory.owner)
        before = os.fstat(handle).st_size
        command = [program.path("postgres"), "-D", str(directory.data), *options(port)]
        trace.note(f"run {' '.join(command)}")
        server = subprocess.Popen(command, **surroundings(runner), stdout=handle, stderr=handle)  # type: ignore[call-overload]
        os.close(handle)
        while server.poll() is None and time.monotonic() < deadline:
            now = postmaster(directory)
            if now and now.pid == server.pid and now.listens:
                return server  # type: ignore[no-any-return]
            time.sleep(_POLL)
        said = directory.log.read_bytes()[before:].decode(errors="replace")
        # Children of a killed server end a moment after it; until then a new one refuses to start.
        if server.poll() is not None and "pre-existing shared memory" in said and time.monotonic() < deadline:
            time.sleep(0.1)
            continue
        if "Address already in use" in said:
            raise PortTaken(f"port {port} was taken a moment ago")
        return server  # type: ignore[no-any-return]


def options(port: int) -> list[str]:
    """Return what its command line says: addresses, and what this machine has of shared memory."""
    settings = {"listen_addresses": LOOPBACK, "port": port, "unix_socket_directories": ""}
    if sys.platform == "linux":  # initdb chose for the machine as it was; "mmap" needs no /dev/shm
        there = os.access("/dev/shm", os.W_OK)  # noqa: S108  nothing is written there
        settings["dynamic_shared_memory_type"] = "posix" if there else "mmap"
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def surroundings(runner: Runner) -> dict[str, object]:  # as `**`, mypy cannot match it to an overload
    """Return the arguments of `Popen` for its programs: a session of their own, without this shell's variables."""
    kept = {name: os.environ[name] for name in ("PATH", "TZ", "HOME") if name in os.environ}
    return {
        "env": {**kept, "LC_ALL": "C"},
        "cwd": "/",
        "stdin": subprocess.DEVNULL,
        "start_new_session": True,
        **runner.arguments,
    }


def _drop_foreign_pid_file(directory: DataDirectory) -> None:
    """Remove a `postmaster.pid` whose number now belongs to another program, which PostgreSQL takes for a server.

    Raises:
        Conflict: some process of the old server is still at the data.

    """
    file = directory.data / "postmaster.pid"
    try:
        pid = int(regular_file.text(file).splitlines()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError):
        return  # no file, or a dead process's, which PostgreSQL replaces itself
    if _is_server_of(pid, directory):
        return
    import psutil

    still = [one.pid for one in psutil.process_iter() if _works_in(one, directory)]
    if still:
        raise Conflict(
            "data-in-use",
            f"processes of an old server still use `{directory.data}`",
            why=f"processes {', '.join(map(str, still))}",
            fix=Fix(f"`kill {' '.join(map(str, still))}`, then ", Command("up")),
        )
    file.unlink()


def _works_in(process: psutil.Process, directory: DataDirectory) -> bool:
    with suppress(Exception):
        return process.cwd() == str(directory.data)
    return False


def wait_ready(directory: DataDirectory, server: subprocess.Popen[bytes], timeout: float) -> bool:
    """Wait until the server takes connections; False where it ended, or did not in time."""
    deadline = time.monotonic() + timeout
    while server.poll() is None and time.monotonic() < deadline:
        now = postmaster(directory)
        if now and now.ready:
            return True
        time.sleep(_POLL)
    return False


def stop(directory: DataDirectory, timeout: float, child: subprocess.Popen[bytes] | None) -> None:
    """Shut the server down: fast and clean; at once, and in the end by force, where that takes longer than `timeout`.

    Nothing that was committed is lost by either.

    Args:
        directory: its data.
        timeout: seconds for all of it.
        child: the server, where this process has started it.

    Raises:
        NotReady: it is still there after all that.

    """
    for kind, share in ((signal.SIGINT, 0.6), (signal.SIGQUIT, 0.2), (signal.SIGKILL, 0.2)):
        running = postmaster(directory)
        if running is None:
            return
        pid = running.pid
        _signal(pid, kind)
        deadline = time.monotonic() + share * timeout
        while time.monotonic() < deadline:
            if child:
                child.poll()  # else it remains as a zombie, which looks alive
            if not _command(pid):
                return
            time.sleep(_POLL)
    raise NotReady(
        "server-not-stopped",
        "Postgres does not stop",
        why=f"process {pid} is still there",
        fix=f"`kill -9 {pid}`; nothing that was committed is lost",
    )


def _signal(pid: int, kind: signal.Signals) -> None:
    """Send a signal to the postmaster, thawed if it was frozen; by force to its children as well."""
    import psutil

    everybody: list[psutil.Process] = []
    with suppress(psutil.Error):
        server = psutil.Process(pid)
        everybody = [server, *server.children(recursive=True)]
        server.send_signal(kind)
    for process in everybody:
        with suppress(psutil.Error):
            process.send_signal(signal.SIGKILL if kind == signal.SIGKILL else signal.SIGCONT)


def end_everything(directory: DataDirectory) -> None:
    """Kill whatever a killed planodev has left running over data that was never ready."""
    import psutil

    data = os.fsencode(str(directory.data))
    for process in psutil.process_iter(["pid", "name"]):
        if process.info["name"] in ("initdb", "postgres") and any(data in word for word in _command(process.pid)):
            with suppress(psutil.Error):
                process.kill()
                process.wait(10)


def local_connection(directory: DataDirectory, port: int, env: Mapping[str, str]) -> dict[str, str]:
    """Return libpq's variables of the connection that needs no password: as the superuser, or in the role PGUSER.

    Whatever a role has defined may undo `SET ROLE`. So it is a role without any rights of its own that takes it.
    """
    role = env.get("PGUSER", SUPERUSER)
    options = [env.get("PGOPTIONS", ""), _AS_SUPERUSER if role == SUPERUSER else f"-c role={role}"]
    return {
        **env,
        **scram.OURS,
        "PGHOST": LOOPBACK,
        "PGPORT": str(port),
        "PGUSER": SUPERUSER if role == SUPERUSER else MEMBER,
        "PGPASSFILE": str(directory.pgpass),
        "PGOPTIONS": " ".join(filter(None, options)),
        "PGSSLMODE": "disable",
        "PGGSSENCMODE": "disable",
        "PGAPPNAME": "planodev",
        "PGCLIENTENCODING": "UTF8",
    }


def attached(
    command: list[str], env: Mapping[str, str], files: Mapping[str, Any], watch: Callable[[], None] | None
) -> int:
    """Run a program to its end, however long it takes; returns its exit code.

    Args:
        command: the words.
        env: its environment.
        files: its input and output, as `Popen` takes them.
        watch: called every `LOOK` seconds; what it raises, and an interruption, end the program.

    """
    started = subprocess.Popen(command, env=env, **files)
    try:
        while watch and started.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                return started.wait(LOOK)
            watch()
        return started.wait()
    except BaseException:
        started.kill()
        with suppress(subprocess.TimeoutExpired):  # one that a disk holds ends once that answers
            started.wait(_KILLED)
        raise


def psql(program: Program, script: str, env: Mapping[str, str], seconds: float) -> Output:
    """Run a script by `psql` on this machine, with these variables and no others, for some seconds at most."""
    trace.psql(env, script)
    command = [program.path("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1"]
    try:
        done = subprocess.run(
            command, input=script.encode(), env=dict(env), cwd="/", capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        return Output(_ENDED, (error.stdout or b"").decode(errors="replace"), limits.silent(seconds))
    return Output(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
