"""Processes of planodev's own servers that are stopped, as by SIGSTOP: they are at work, as PostgreSQL sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.postgres import admin
from planodev.problems import NoEngine

if TYPE_CHECKING:
    from planodev.look import Seen

_SECONDS = 2.5  # the answer comes at once, or is not needed any more
# The state of a process stands behind its name, in brackets: proc_pid_stat(5). Other systems have no such file.
_STOPPED = """\
SELECT pid FROM pg_stat_activity
WHERE substring(pg_read_file('/proc/' || pid || '/stat', 0, 400, true) from '.*[)] (.)') IN ('T', 't');
"""


def stopped(seen: Seen) -> frozenset[int]:
    """Return the numbers of the server's processes that are stopped; none where that cannot be seen."""
    server = seen.observed.container
    if server is None:
        return frozenset()
    try:
        said = admin.run_as_superuser(
            seen.engine, server, _STOPPED, superuser=seen.superuser, database="postgres", most=_SECONDS
        )
    except (admin.AdminFailed, NoEngine):
        return frozenset()
    return frozenset(map(int, said.split()))
