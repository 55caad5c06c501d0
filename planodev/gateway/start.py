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
from typing import TYPE_CHECKING

from planodev import executables
from planodev.gateway import client, running
from planodev.gateway import found as places
from planodev.plano import storage
from planodev.problems import Command, Conflict, Fix, NotReady, Problem
from planodev.project import settings
from planodev.project.secrets import masked, secrets
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
_LINES = 20  # of planoai's output that are kept
_WIDTH = "500"  # columns for planoai's output, so that it does not wrap the cause
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
        raise NotReady("planoai-missing", "planoai is not on the PATH", why=why, fix="`pip install planoai`")
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
    code, last = _run(seen, arguments, dict(seen.environment), limit)
    seen.deadline.restart()
    left = running.look(seen.again() if found.mode == "docker" else seen)
    if left.runs:
        fix = f"`{(left.found or found).end}` ends it by force"
        raise NotReady("plano-not-stopped", f"Plano still runs ({found.where})", why=_why(code, last), fix=fix)
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
    code, last = _run(seen, arguments, dict(environment), limit)
    plano = _wait(seen, ends, once=code != 0)
    if plano.state != "connected" or code != 0 or client.silence(plano.port):
        raise NotReady.of(_not_ready(seen, plano, code, last, limit))
    return plano


def _wait(seen: Seen, ends: float, *, once: bool) -> Running:
    while True:
        seen.deadline.restart()  # Plano has a time of its own
        plano = running.look(seen.again() if seen.mode == "docker" else seen)
        works = plano.state == "connected" and client.silence(plano.port, 1.0) is None
        if works or once or plano.state in ("died", "not-running") or time.monotonic() > ends:
            return plano
        time.sleep(_POLL[seen.mode])


def _not_ready(seen: Seen, plano: Running, code: int | None, last: str, limit: float) -> Problem:
    told = running.problem(plano, seen.config)
    again = Fix(Command("up", "--with-plano"), " tries again; ", Command("doctor"), " checks all of it")
    if plano.state in ("died", "not-running"):
        left = places.native(seen.environment) if seen.mode == "native" else None
        why = plano.why or (running.cause(seen, left, ended=True) if left else None) or _why(code, last)
        text = "Plano was started, and has died" if plano.state == "died" or left else "planoai has not started Plano"
        return Problem("plano-died", text, again, why, "error")
    if told and plano.state == "port-taken":
        return told
    why = (told and told.why) or client.silence(plano.port) or _why(code, last)
    again = Fix(Command("doctor"), " checks all of it")
    if limit < settings.LONGEST:
        longer = Command("up", "--with-plano", "--plano-timeout", f"{min(limit * 2, settings.LONGEST):g}")
        again = Fix(longer, " waits longer; ", *again.parts)
    return Problem("plano-not-ready", f"Plano is not ready after {limit:g} seconds", again, why, "error")


def _why(code: int | None, last: str) -> str:
    if code is None:
        return f"planoai did not end in time{f'; it said: {last}' if last else ''}"
    return f"planoai ended with exit code {code}{f': {last}' if last else ''}"


def _run(seen: Seen, arguments: Sequence[str], environment: dict[str, str], limit: float) -> tuple[int | None, str]:
    """Run planoai with its output on our stderr, without secrets; returns its exit code, None where it took too long.

    With it comes the last line that it has said, but for advice.
    """
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
                for line in masked(raw.decode(errors="replace").rstrip(), hidden):
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
    lines = [line for line in said if not _ADVICE.search(line)] or [*said]
    return code, lines[-1] if lines else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
