"""`planodev doctor`: a fixed list of checks, run at the same time; nothing is changed."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from planodev import unexpected
from planodev.doctor import database, engine, files, plano
from planodev.doctor.subject import Subject
from planodev.problems import NoEngine, PlanodevError, VerificationFailed
from planodev.result import Check, Result, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from planodev.look import Context
    from planodev.problems import Fix

# In the order in which they are shown: a check depends on those above it.
CHECKS: dict[str, Callable[[Subject], Check]] = {
    "engine": engine.answers,
    "socket": engine.may_be_used,
    "disk": engine.has_room,
    "port": engine.port,
    "container": engine.container,
    "volume": engine.volume,
    "addresses": engine.addresses,
    "login": database.login,
    "table": database.table,
    "proof": database.storing,
    "env-file": files.env_file,
    "config": files.config,
    "keys": files.keys,
    "planoai": plano.installed,
    "plano": plano.running,
}
_TELLERS = {"not-running": "container", "data-in-use": "volume"}  # code → the check that reports it
LIMIT = 8.0  # seconds for all checks together


def examine(context: Context, *, limit: float = LIMIT) -> Result:
    """Run every check, all at the same time, and none for longer than the limit.

    Args:
        context: the run.
        limit: seconds; a check that has not ended by then has failed, and says so.

    """
    subject = Subject(context)
    found: dict[str, Check] = {}
    threads = [
        threading.Thread(target=_run, args=(name, check, subject, found), daemon=True) for name, check in CHECKS.items()
    ]
    ends = time.monotonic() + limit
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
    subject.close()
    said, why = f"timed out after {limit:g} seconds", "the engine, or what it reads, does not answer"
    fix = "`docker version` and `docker ps` show whether the engine answers; restart it if not"
    late = {name: Check(name, "failed", said, why, fix) for name in CHECKS if name not in found}
    return _result([{**found, **late}[name] for name in CHECKS])


def _run(name: str, check: Callable[[Subject], Check], subject: Subject, found: dict[str, Check]) -> None:
    try:
        found[name] = check(subject)
    except PlanodevError as error:
        teller = _teller(error)
        if teller in (name, None):
            found[name] = Check(name, "failed", error.message, error.why, error.fix)
        else:
            found[name] = Check.skipped(name, teller)
    except Exception as error:  # noqa: BLE001  a broken check must not hide the others
        problem = unexpected.explain(error, unexpected.secrets_at(subject.project.path, subject.environment)).problem
        found[name] = Check(name, "failed", problem.message, problem.why, problem.fix)


def _teller(error: PlanodevError) -> str | None:
    """Return the check that reports an error which several checks met, so that one cause is reported once."""
    if isinstance(error, NoEngine):
        return "engine"
    if error.code in _TELLERS:
        return _TELLERS[error.code]
    if error.code.startswith(("env-", "bad-db-")):
        return "env-file"
    return "config" if error.code.startswith(("bad-config-file", "config-")) else None


def _result(checks: list[Check]) -> Result:
    states = [check.state for check in checks]
    count = {state: states.count(state) for state in ("ok", "warning", "failed", "skipped")}
    said = f"{count['ok']} ok, {number(count['warning'], 'warning')}, {count['failed']} failed"
    said += f", {count['skipped']} skipped" if count["skipped"] else ""
    error = None
    if count["failed"]:
        first = next(check for check in checks if check.state == "failed")
        error = VerificationFailed("checks-failed", said, why=f"{first.name}: {first.message}", fix=first.fix)
    data = {"checks": [check.as_json() for check in checks], **count}
    lines = [line for check in checks for line in _lines(check)]
    return Result("doctor", data, [*lines, "", said], error=error)


def _lines(check: Check) -> list[str | Fix]:
    mark, indent = {"ok": "✓", "warning": "!", "failed": "✗", "skipped": "-"}[check.state], " " * 13
    lines: list[str | Fix] = [f"{mark} {check.name:<11}{check.message}"]
    lines += [indent + line for line in f"why: {check.why}".splitlines()] if check.why else []
    lines += [f"{indent}fix: " + check.fix] if check.fix else []
    for other in check.others:
        lines += [f"{indent}also: {other.message}", *([f"{indent}fix: " + other.fix] if other.fix else [])]
    return lines
