"""`planodev status`: the state of the database."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from planodev.background import Job
from planodev.look import Context, files, look
from planodev.postgres import queries
from planodev.problems import BadInput, NoEngine

if TYPE_CHECKING:
    from planodev.problems import Problem
    from planodev.result import Result


def status(context: Context) -> Result:
    """Return the state of the database; nothing is started, and an engine that is gone is an answer, not a failure.

    Raises:
        BadInput: the project's files cannot be read.

    """
    read = files(context)
    try:
        seen = look(context, read=read)
    except NoEngine as error:
        from planodev.commands import report

        return report.no_engine(context.project, read, error)
    inside = Job(lambda: queries.look_at(seen))
    from planodev.commands import report
    from planodev.gateway import running
    from planodev.steps import config, keys

    with suppress(BadInput):  # reported where it is judged
        seen.config.content  # noqa: B018  parses it while psql runs: both take about as long
    judged: list[Problem] = []
    if seen.config.text is not None:
        judged += config.all_problems_of(seen)
        judged += keys.problems_of_start(seen)
    evidence = inside()
    return report.status(seen, evidence, running.look(seen, evidence), judged)
