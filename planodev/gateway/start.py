"""Start and stop this project's Plano by planoai, and wait until it answers and is connected to the database.

planoai says "Plano is running!" as soon as Envoy answers `/healthz`, over a dead brightstaff too. Sources: planoai
0.4.39 `native_runner.py:244-270`, `core.py:66-119`.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from planodev import executables
from planodev.gateway import client, ended, not_started, running
from planodev.gateway import found as places
from planodev.plano import planoai, storage
from planodev.problems import Command, Conflict, Fix, NotReady, Problem
from planodev.project import settings
from planodev.project.log_masking import masked, secrets
from planodev.result import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planodev.gateway.found import Found
    from planodev.gateway.running import Running
    from planodev.look import Seen
    from planodev.plano.config_file import ConfigFile

# The variable with a hash of what Plano was started with; a process's environment can be read in both modes.
STAMP = "PLANODEV_STARTED_WITH"
_STOP_LIMIT = 40.0  # seconds; planoai gives each of two programs 10, and docker 10
_POLL = {"native": 0.05, "docker": 0.3}  # seconds; a look into a container takes longer
_LINES = 200  # of planoai's output that are kept; what an engine says of a pull has a line for each layer
_WIDTH = "500"  # columns for planoai's output, so that it does not wrap the cause
_FIRST = r"\b(brightstaff|envoy) exited unexpectedly"  # planoai then ends the other, which says nothing of that
_ADVICE = re.compile(r"^Run '|^Please |^(https?|URL)\b|Check logs")  # planoai's lines after the cause


def stamp(config: ConfigFile, variables: Mapping[str, str]) -> str:
    """Return a hash of the configuration and of the values of its variables, to tell whether a Plano uses them."""
    names = {key.name for key in config.keys} | set(storage.variables(config.connection_string or ""))
    told = "\0".join((config.text or "", *(f"{name}={variables.get(name)}" for name in sorted(names))))
    return hashlib.sha256(told.encode(errors="surrogateescape")).hexdigest()[:32]


def program(seen: Seen) -> str:
    """Return planoai's path.

    Raises:
        NotReady: it is not installed.

    """
    found = executables.find("planoai", seen.environment)
    if found is None:
        why = "planoai, a separate package, starts Plano"
        raise NotReady("planoai-missing", "planoai is not on the PATH", why=why, fix=Fix(planoai.installing()))
    return found


def refuse(seen: Seen, plano: Running) -> None:
    """Raise what keeps a Plano of this project from being started, before anything is touched.

    Raises:
        NotReady: planoai is not installed.
        Conflict: the Plano of this machine is another project's, or something else has a port.

    """
    program(seen)
    if plano.state == "other-project" and plano.found:
        raise Conflict.of(running.another(plano.found))
    problem = None if plano.runs else running.taken(seen)
    if problem:
        raise Conflict.of(problem)


def reason(plano: Running, wanted: str) -> str | None:
    """Return why a Plano has to be started again, None where it can be left alone; pure.

    Args:
        plano: one that runs.
        wanted: the stamp of the configuration of now.

    """
    found = plano.found
    if found is None or plano.state != "connected":
        return {
            "without-memory": "it has lost its connection to this database",
            "without-variables": "it was started without `planodev run`",
        }.get(plano.state, plano.why or "it has died")
    known = found.variables.get(STAMP)
    return "it runs an older configuration" if known and known != wanted else None


def stop(seen: Seen, found: Found, limit: float = _STOP_LIMIT) -> None:
    """Stop a Plano of this project.

    Raises:
        NotReady: planoai is not installed, or it still runs in the end.

    """
    seen.progress.begin("Stopping Plano")
    arguments = ("down", *(("--docker",) if found.mode == "docker" else ()))
    said = _run(seen, arguments, dict(seen.environment), limit)
    seen.deadline.restart()
    left = running.look(seen.again() if found.mode == "docker" else seen)
    if left.runs:
        fix = f"`{(left.found or found).end}` ends it by force"
        raise NotReady("plano-not-stopped", f"Plano still runs ({found.where})", why=said.why, fix=fix)
    seen.progress.done(Outcome("stopped", "plano", found.where))


def start(seen: Seen, arguments: Sequence[str], environment: Mapping[str, str], limit: float) -> Running:
    """Start Plano, and wait until it answers and has its connection to the database.

    Args:
        seen: the project.
        arguments: of planoai, such as `("up", "--docker")`.
        environment: all that it gets.
        limit: seconds for all of it.

    Raises:
        NotReady: it has died, with the cause out of its own log, or is not ready in time.

    """
    seen.progress.begin("Starting Plano")
    ends = time.monotonic() + limit
    said = _run(seen, arguments, dict(environment), limit)
    plano = _wait(seen, ends, once=said.code != 0)
    if plano.state != "connected" or said.code != 0 or client.silence(plano.port):
        raise NotReady.of(_not_ready(seen, plano, said, environment, limit))
    return plano


def _wait(seen: Seen, ends: float, *, once: bool) -> Running:
    while True:
        seen.deadline.restart()  # Plano has a time of its own
        plano = running.look(seen.again() if seen.mode == "docker" else seen)
        works = plano.state == "connected" and client.silence(plano.port, 1.0) is None
        if works or once or plano.state in ("died", "not-running") or time.monotonic() > ends:
            return plano
        time.sleep(_POLL[seen.mode])


class Said(NamedTuple):
    """What planoai has said, without secrets: its exit code, None where it did not end in time, and its lines."""

    code: int | None
    lines: tuple[str, ...]

    @property
    def last(self) -> str:
        """The last line but for advice, "" where it has said nothing."""
        lines = [line for line in self.lines if not _ADVICE.search(line)] or [*self.lines]
        return lines[-1] if lines else ""

    @property
    def why(self) -> str:
        """Its end, for people."""
        if self.code is None:
            return f"planoai did not end in time{f'; it said: {self.last}' if self.last else ''}"
        return f"planoai ended with exit code {self.code}{f': {self.last}' if self.last else ''}"


def _not_ready(seen: Seen, plano: Running, said: Said, environment: Mapping[str, str], limit: float) -> Problem:
    told = running.problem(plano, seen.config)
    if plano.state in ("died", "not-running") and said.code is not None:
        return _not_started(seen, plano, said, environment)
    missing = places.missing(seen.environment) if seen.mode == "native" and plano.state == "not-running" else []
    if missing:
        return not_started.late(missing, limit, settings.LONGEST)
    if told and plano.state == "port-taken":
        return told
    why = (told and told.why) or client.silence(plano.port) or said.why
    again = Fix(Command("doctor"), " checks all of it")
    if limit < settings.LONGEST:
        longer = Command("up", "--with-plano", "--plano-timeout", f"{min(limit * 2, settings.LONGEST):g}")
        again = Fix(longer, " waits longer; ", *again.parts)
    return Problem("plano-not-ready", f"Plano is not ready after {limit:g} seconds", again, why, "error")


def _not_started(seen: Seen, plano: Running, said: Said, environment: Mapping[str, str]) -> Problem:
    """Return the problem of a planoai that ended without a Plano that runs."""
    left = plano.found or (places.native(seen.environment) if seen.mode == "native" else None)
    if left is None:
        problem = not_started.problem(said.lines, environment)
        if problem:
            return problem
        shows = Command("run", "--", "planoai", *arguments_of(seen), "--verbose")
        fix = Fix(shows, " shows what it does; once it starts there, ", planoai.STARTS_PLANO)
        return Problem("plano-not-started", "planoai has not started Plano", fix, said.why, "error")
    first = re.search(_FIRST, "\n".join(said.lines))
    left = left.as_ended_first(first[1]) if first and left.mode == "native" else left
    why = running.cause(seen, left, last=True) or plano.why or said.why
    fix = ended.mended(left, why, seen.config.path.name)
    return Problem("plano-died", "Plano was started, and has died", fix, why, "error")


def arguments_of(seen: Seen) -> tuple[str, ...]:
    """Return planoai's arguments that start Plano as this project has it."""
    file, docker = seen.settings.config.value, seen.mode == "docker"
    return ("up", *([file] if file else []), *(["--docker"] if docker else []))


def _run(seen: Seen, arguments: Sequence[str], environment: dict[str, str], limit: float) -> Said:
    """Run planoai with its output on our stderr, without secrets; returns how that ended, and what it has said."""
    said: deque[str] = deque(maxlen=_LINES)
    hidden = secrets(seen)
    with subprocess.Popen(
        [program(seen), *arguments],
        cwd=seen.project.path,
        env={**environment, "PWD": str(seen.project.path), "COLUMNS": _WIDTH},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=os.name == "posix",
    ) as process:

        def listen() -> None:
            assert process.stdout  # noqa: S101  it is a pipe
            for raw in process.stdout:
                for line in masked(raw.decode(errors="replace").rstrip().rpartition("\r")[2], hidden):
                    if line.strip():
                        said.append(line.strip())
                        seen.progress.note(f"planoai: {line.strip()}")

        # Waits for the process, not for the end of the pipe, which the daemons that planoai starts may keep open.
        reader = threading.Thread(target=listen, daemon=True)
        reader.start()
        try:
            code = process.wait(limit)
        except BaseException as error:
            _end(process)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            code = None
        reader.join(1.0)
    return Said(code, tuple(said))


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
