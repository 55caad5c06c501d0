"""Errors for unexpected exceptions: limits of the machine by name, everything else as a bug."""

from __future__ import annotations

import errno
import os
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

from planodev import masking, shell_limits
from planodev.problems import Command, Fix, PlanodevError, Shell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FILES = (errno.EMFILE, errno.ENFILE)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_FORKING = (errno.EAGAIN, errno.EPROCLIM if hasattr(errno, "EPROCLIM") else errno.EAGAIN)
_READ = 1_000_000  # bytes of a file in which secrets are looked for


def explain(error: BaseException, secrets: Iterable[str] = ()) -> PlanodevError:
    """Return the error to end with.

    Args:
        error: what was raised.
        secrets: of the project, see `secrets_at`; no part of them is shown.

    """
    found = _limit(error) or (_of_file(error) if isinstance(error, OSError) else None)
    if found:
        return found
    text = masking.parts_of(" ".join(str(error).split()), secrets) or type(error).__name__
    if type(error).__module__.startswith(("docker", "planodev.engines.docker")):
        from planodev.engines import failures

        return failures.refused(text, forbidden=getattr(error, "forbidden", False))
    return PlanodevError(
        "unexpected", f"planodev itself failed: {type(error).__name__}", why=text, fix="PLANODEV_DEBUG=1 shows where"
    )


def _limit(error: BaseException) -> PlanodevError | None:
    """Return the error for an exhausted resource of the machine, such as disk space or memory."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, ImportError) and os.strerror(errno.EMFILE) in str(error):  # ImportError has no errno
        number = errno.EMFILE
    if isinstance(error, MemoryError) or number == errno.ENOMEM:
        fix = "end other programs, or raise this shell's limit: `ulimit -v unlimited`"
        return PlanodevError("out-of-memory", "out of memory", why="the system refused to give more", fix=fix)
    if number in _FORKING or (isinstance(error, RuntimeError) and "new thread" in str(error)):
        why = "this user, or this container, has reached its limit of processes and threads"
        fix = "`ulimit -u` shows the limit; end other programs, or raise it (`--pids-limit` of a container)"
        return PlanodevError("no-threads", "the system refuses to start more processes", why=why, fix=fix)
    if number in _FILES:
        fix = f"{shell_limits.raising(errno.EMFILE)}; then run the command again"
        why = "this shell allows too few open files, or the system's limit is reached"
        return PlanodevError("too-many-open-files", "too many files are open", why=why, fix=fix)
    if isinstance(error, ImportError):
        fix = "reinstall planodev, with `--force-reinstall`"
        return PlanodevError("not-loaded", "a part of planodev could not be loaded", why=str(error), fix=fix)
    if isinstance(error, RecursionError):
        unnested = Fix(
            "look for brackets or blocks in the project's files that are never closed; for a stored turn, ",
            *(Command("conversations", "export", "FILE"), " writes it out"),
        )
        return PlanodevError("nested-too-deeply", "something is nested too deeply to be read", why=None, fix=unnested)
    return None


def _of_file(error: OSError) -> PlanodevError | None:
    """Return the error for a file or a directory that this user may not use."""
    why, name = error.strerror, error.filename
    if error.errno in _FULL:
        where = f"`{_shown(name)}` could not be written" if name is not None else "the output could not be written"
        fix = "free space where it is written" if name is None else "free space on its disk, then run the command again"
        raised = shell_limits.raising(error.errno)
        if raised:
            fix = f"{raised}; then run the command again"
        return PlanodevError("disk-full", where, why=why, fix=fix)
    if name is None:
        return None
    if error.errno in _FORBIDDEN:
        look = Fix(Shell("ls -ld {}", _shown(name)), " shows whose it is; make it yours, or run planodev as its owner")
        return PlanodevError("file-forbidden", f"no permission to use `{_shown(name)}`", why=why, fix=look)
    away = Fix("move it away, then run the command again: ", Shell("mv {0} {0}.old", _shown(name)))
    return PlanodevError("file-unusable", f"`{_shown(name)}` cannot be used", why=why, fix=away)


def _shown(name: object) -> str:
    return os.fsdecode(name) if isinstance(name, (bytes, str)) else str(name)


def trace(error: BaseException, secrets: Iterable[str]) -> str:
    """Return Python's traceback; the messages in it are foreign text, and no part of a secret is in them."""
    known = list(secrets)
    lines = []
    for line in traceback.TracebackException.from_exception(error).format():
        # Lines of code hold no secret. A message begins in the first column, and may have several lines.
        of_code = line.startswith(("  File ", "Traceback "))
        lines.append(line if of_code else masking.parts_of(line, known))
    return "".join(lines)


def secrets_at(directory: Path, environment: Mapping[str, str], files: Iterable[str] = ()) -> list[str]:
    """Return what is secret in a project's files and in the environment, as far as they can be read.

    Args:
        directory: the project, or one within it.
        environment: the process's.
        files: more of them, as they were typed.

    """
    from planodev.project.identity import dotenv_of

    found = list(masking.secrets_in(environment))
    known = (".env", "config.yaml", "plano_config.yaml", ".env.production")
    paths = [directory / name for name in files]
    with suppress(OSError):
        directory = directory.resolve()
    paths += [at / name for at in (directory, *directory.parents) for name in (*known, dotenv_of(at))]
    for path in paths:
        with suppress(OSError, ValueError):
            if path.is_file():
                with path.open("rb") as file:
                    found += masking.secrets_of(file.read(_READ).decode(errors="replace"))
    return found
