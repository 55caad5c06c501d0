"""`planodev logs`: what the server has written, without secrets."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.commands.psql import running
from planodev.look import look
from planodev.problems import Command, Fix, NotReady
from planodev.project.log_masking import masked, secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planodev.look import Context

_POLL = 0.5  # seconds


def logs(context: Context) -> Iterator[str]:
    """Yield the end of the server's log, and with `follow` what comes, without end.

    Args:
        context: with the options `lines` and `follow`.

    Raises:
        NotReady: there is no server; with `follow` also one that does not run.

    """
    seen = look(replace(context, options={}), lenient=True)
    try:
        have = seen.observed.container
        if have is None or context.options.get("follow"):
            have = running(seen)
        hidden = secrets(seen)
        text, mark = seen.engine.logs(have.id, context.options["lines"])
        yield from masked(text, hidden)
        while context.options.get("follow"):
            seen.deadline.restart()
            text, mark = seen.engine.logs(have.id, since=mark)
            yield from masked(text, hidden)
            state = None if text else seen.engine.state(have.id)
            if not text and (state is None or state.status not in ("running", "restarting")):
                raise NotReady("server-ended", "Postgres has stopped", fix=Fix(Command("up")))
            time.sleep(_POLL)
    finally:
        seen.engine.close()
