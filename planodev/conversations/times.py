"""Points in time as people type and read them: `2h`, `30d`, `2026-11-27`."""

from __future__ import annotations

import re
import time
from datetime import datetime

from planodev import masking
from planodev.problems import BadInput
from planodev.visible import visible

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_AGO = re.compile(r"(\d{1,9})([smhdw])")


def since(option: str, text: str) -> int:
    """Return the seconds since 1970 that a text means: so long ago, or a date with or without a time.

    Args:
        option: that it was typed for, for the error.
        text: such as `90m`, `2h`, `30d`, `2w`, or `2026-11-27` and `2026-11-27T09:00` in this machine's zone.

    Raises:
        BadInput: it is neither.

    """
    found = _AGO.fullmatch(text.strip())
    if found:
        return max(0, int(time.time()) - int(found[1]) * _UNITS[found[2]])
    try:
        return max(0, int(datetime.fromisoformat(text.strip()).timestamp()))
    except (ValueError, OverflowError, OSError):
        fix = f"write it like `{option} 2h`, `30m`, `7d`, `2w` or `2026-11-27`"
        raise BadInput("bad-time", f"invalid time `{visible(masking.value(text))}` for `{option}`", fix=fix) from None


def shown(seconds: int) -> str:
    """Return a time in this machine's zone; one that no calendar has stays a number."""
    try:
        return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def minute(seconds: int) -> str:
    """Return the same without the seconds."""
    return re.sub(r"(:\d\d):\d\d$", r"\1", shown(seconds))
