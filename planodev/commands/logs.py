"""`planodev logs`: what the server has written, without secrets."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.commands.psql import running
from planodev.look import look
from planodev.postgres.connection import encode_password
from planodev.problems import Command, Fix, NotReady
from planodev.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planodev.look import Context, Seen

_POLL = 0.5  # seconds
_SHORTEST = 6  # characters of a secret: hiding less would hide words


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
        secrets = _secrets(seen)
        text, mark = seen.engine.logs(have, context.options["lines"])
        yield from masked(text, secrets)
        while context.options.get("follow"):
            seen.deadline.restart()
            text, mark = seen.engine.logs(have, since=mark)
            yield from masked(text, secrets)
            state = None if text else seen.engine.state(have.id)
            if not text and (state is None or state.status not in ("running", "restarting")):
                raise NotReady("server-ended", "Postgres has stopped", fix=Fix(Command("up")))
            time.sleep(_POLL)
    finally:
        seen.engine.close()


def _secrets(seen: Seen) -> list[str]:
    """Return what must not be shown: the password in both its forms, and the provider keys; the longest first."""
    values = [value for name, value in seen.env.values.items() if name.endswith("_KEY") or name == "DB_PASS"]
    password = seen.credentials.password or ""
    found = {*values, password, encode_password(password)}
    return sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True)


def masked(text: str, secrets: list[str]) -> Iterator[str]:
    """Yield the lines of a text, safe to show, with `***` for each secret."""
    for line in text.splitlines():
        shown = line
        for secret in secrets:
            shown = shown.replace(secret, "***")
        yield visible(shown)
