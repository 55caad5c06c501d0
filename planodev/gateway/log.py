"""What Plano's logs say: why one of its programs has ended, and what became of a turn after its answer.

All words of them that planodev knows are here. Seen with Plano 0.4.36 and Envoy 1.37; sources: Plano 0.4.36
`config/supervisord.conf` (what its container logs when one of its programs ends) and
`crates/brightstaff/src/state/response_state_processor.rs`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from planodev.gateway import found as places
from planodev.plano import planoai
from planodev.project import regular_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planodev.engines import Engine
    from planodev.gateway.found import Found

_END = 65_536  # bytes of a file
_LINES = 200  # of a container
_LAST = 10  # lines in which the cause is looked for
# In the log of Plano's container: a start, the part whose end has stopped the others, and the lines of supervisord.
_STARTED, _STOPPED = "supervisord started with pid", "received SIGTERM"
_ENDED = r"(?m)^(\[\w+\] )?(?:Process exited|Config generation failed), shutting down"
_OF_SUPERVISORD = r"\d{4}-\d\d-\d\d [\d:,]+ (?:INFO|WARN|CRIT) "
# Lines that say why a program ended: an error that Rust's `main` returns, a panic, the levels of brightstaff and Envoy,
# and what the container's shell says of a killed program.
_FATAL = (
    r"^Error: |panicked at|\]\[(error|critical)\]|^\[critical\]|\b(ERROR|CRITICAL|FATAL)\b"
    r"|^(Killed|Aborted|Bus error|Segmentation fault)\b"
)
# Before the words of a line: colours, time and level.
_NOISE = r"\x1b\[[0-9;]*m|^\[[^\]]*\](\[[a-z]+\])?\s*|^\d{4}-\d\d-\d\d[T ][\d:.,]+Z?\s*"
_OF_ENVOY = r"^error `(.*)` initializing config .*"  # round its own words
# What becomes of a turn. The end of a streamed answer is missed where it came in pieces: brightstaff looks into each
# piece alone, and stores nothing then.
_STORED, _END_MISSED = "Stored conversation state", "No response_id captured"
_OF_A_TURN = rf"{_STORED}|{_END_MISSED}|cannot store conversation state|Failed to store conversation state"


class NotStored(NamedTuple):
    """Why a turn was not stored: the line that says it, and whether that is since the end of its stream was missed."""

    line: str
    end_missed: bool


def cause(texts: Sequence[str], *, last: bool = False) -> str | None:
    """Return the line that says why a program has ended; None where none does. It may hold secrets.

    Args:
        texts: what each program has written that has ended, as `of_ended` returns it.
        last: whether the last line will do, where only one has ended, and by itself.

    """
    for text in texts:
        lines = [line for line in text.splitlines() if line.strip()][-_LAST:]
        fatal = [at for at, line in enumerate(lines) if re.search(_FATAL, line)]
        if fatal:
            # Rust writes the message of a panic below the line that says where it happened.
            more = 2 if "panicked at" in lines[fatal[-1]] else 1
            return _plain(" ".join(lines[fatal[-1] : fatal[-1] + more]))
        if lines and last and len(texts) == 1:
            return _plain(lines[-1])
    return None


def of_ended(found: Found, environment: Mapping[str, str], engine: Engine) -> list[str]:
    """Return the end of what each of its programs has written that has ended by itself, brightstaff's first."""
    if found.mode == "docker":
        text = _of_container(engine.logs(planoai.CONTAINER, _LINES).text)
        return [text] if text else []
    return [regular_file.tail(places.log_file(environment, name), _END) for name in found.ended]


def _of_container(text: str) -> str:
    """Return the log, since the last start, of the first program to end; "" where the container was stopped."""
    text = text.rpartition(_STARTED)[2]
    ended = re.search(_ENDED, text)
    if ended is None or _STOPPED in text[: ended.start()]:
        return ""
    part = ended[1] or "\0"
    lines = text[: ended.start()].splitlines()
    own = [line for line in lines if line.startswith(part) or not (line[:1] == "[" or re.match(_OF_SUPERVISORD, line))]
    return "\n".join([ended[0], *(line.removeprefix(part) for line in own)])


def not_stored(found: Found, environment: Mapping[str, str], engine: Engine) -> NotStored | None:
    """Return why a running brightstaff has not stored the last turn; None where it has, or does not say."""
    if found.mode == "docker":
        text = engine.logs(planoai.CONTAINER, _LINES).text
    else:
        text = regular_file.tail(places.log_file(environment, "brightstaff"), _END)
    line = next((line for line in reversed(text.splitlines()) if re.search(_OF_A_TURN, line)), _STORED)
    return None if _STORED in line else NotStored(_plain(line), _END_MISSED in line)


def _plain(line: str) -> str:
    own = line.removeprefix("[brightstaff] ")  # as a container has it
    return re.sub(_OF_ENVOY, r"\1", re.sub(_NOISE, "", own))
