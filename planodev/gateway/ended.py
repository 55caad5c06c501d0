"""What mends a Plano that has died: the same start again only where nothing else is known to be wrong.

Sources: Plano 0.4.36 `crates/brightstaff/src/main.rs:101-400` (what ends it at its start, each time in the same way),
Envoy 1.37.0 (what its last line says of a configuration or a port).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planodev.plano import planoai
from planodev.problems import Command, Fix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planodev.gateway.found import Found
    from planodev.problems import Problem

_PORT = (
    r"(?i)(?:cannot bind|bind for|binding|listen(?:er|ing)?\b).*?:(\d{2,5})\b.*(?:in use|allocated)"
    r"|os error 98|address (?:already )?in use"
)
_DATABASE = (
    r"(?i)postgres|error connecting to server|\bdb error\b|invalid connection string|password authentication"
    r"|connection refused|state storage"
)
# What Plano says of a configuration that it cannot use; it will say so again.
_CONFIGURATION = (
    r"(?i)config|yaml|\bproto\b|missing field|unknown (?:field|variant|cluster)|invalid (?:type|value|url)|duplicate"
    r"|required|must be|at most one|only one|is allowed|providers?\b|routing|session_cache|listener|alias|no such file"
)


def mended(found: Found, why: str | None, name: str, judged: Sequence[Problem] = ()) -> Fix:
    """Return the fix for a Plano that has died.

    Args:
        found: what is left of it.
        why: the line of its log that says it.
        name: of its configuration.
        judged: what is known to be wrong with that.

    """
    wrong = next((problem for problem in judged if problem.fatal and problem.fix), None)
    if wrong:
        return planoai.then_start(Fix(f"first fix `{name}`: ") + (wrong.fix or ""))
    if why and (port := re.search(_PORT, why)):
        which = f"port {port[1]}" if port[1] else "that port"
        return planoai.then_start(f"stop what else listens on {which}")
    if why and re.search(_DATABASE, why):
        return planoai.then_start(Fix(Command("verify"), " says why it cannot use the database"))
    if why and re.search(_CONFIGURATION, why):
        return planoai.then_start(f"correct in `{name}` what that line names (the lines before it are in {found.log})")
    return Fix(planoai.STARTS_PLANO, f" starts it again; should it end again, look into {found.log}")
