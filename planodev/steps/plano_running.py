"""A Plano that is already running: since when, and whether Postgres was restarted since.

Plano holds one connection for life. After a restart of Postgres every query fails, and chats are answered without a
history. Sources: Plano 0.4.36 `crates/brightstaff/src/state/postgresql.rs`; planoai 0.4.39 `consts.py` (one container
called `plano`, one PID file), `native_runner.py:225-240` (what the file holds).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from planodev.plano import planoai
from planodev.problems import Command, Fix, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.database import Database
    from planodev.look import Seen
    from planodev.postgres.proof import Evidence

SLACK = 2.0  # seconds between two clocks: a file's time and the server's own


@dataclass(frozen=True)
class Running:
    """A Plano on this machine; `started` is in seconds since 1970."""

    where: str
    started: float
    stop: str

    def outlived(self, server_started: float) -> bool:
        """Say whether Postgres was started later, at that time in seconds since 1970."""
        return self.started + SLACK < server_started

    @property
    def restart(self) -> Fix:
        """What stops it and starts it again."""
        docker = ("--docker",) if self.stop.endswith("--docker") else ()
        return Fix(f"`{self.stop}`, then ", Command("run", "--", "planoai", "up", *docker))

    def notice(self) -> Problem:
        """Return what to say of one that outlived its database."""
        text = (
            f"Postgres was restarted after Plano started ({self.where}): "
            "Plano lost its only connection, and answers without history"
        )
        return Problem("plano-outlived-postgres", text, self.restart)


def find(seen: Seen) -> list[Running]:
    """Return what runs: natively by its PID file, in Docker by its container's name."""
    found = [_native(seen.environment)]
    # The names that the look has found save a question where there is none, as on most days.
    state = seen.engine.state(planoai.CONTAINER) if planoai.CONTAINER in seen.observed.taken else None
    started = state.started if state else None
    found.append(Running(f"container `{planoai.CONTAINER}`", started, "planoai down --docker") if started else None)
    return [running for running in found if running]


def older_than(seen: Seen, proved: Evidence) -> Problem | None:
    """Return a warning where a Plano runs that was started before the Postgres that was proved in this run."""
    if proved.facts is None:
        return None
    server_started = float(proved.facts["server_started"])
    return next((one.notice() for one in find(seen) if one.outlived(server_started)), None)


def _native(environment: Mapping[str, str]) -> Running | None:
    home = environment.get("HOME")
    file = (Path(home) if home else Path.home()) / planoai.PID_FILE
    try:
        pid = int(json.loads(file.read_text())["brightstaff_pid"])
        os.kill(pid, 0)
        return Running(f"process {pid}", file.stat().st_mtime, "planoai down")
    except PermissionError:  # alive, and somebody else's
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def warn(database: Database) -> None:
    """Warn of a Plano that was started before the Postgres that was just proved."""
    older = older_than(database.seen, database.proved) if database.proved else None
    if older:
        database.seen.progress.notice(older)
