"""Shared by both clients of the engine: refused requests, and the end of a command in a container."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Either client: `quick.QuickClient` or `sdk.Client`.
Api: TypeAlias = Any
# Seconds for an engine to report a command's exit code after its output has ended.
NOTED = 5.0
FORBIDDEN, NOT_FOUND, CONFLICT = 403, 404, 409
PODMAN = "Podman"


class Refused(Exception):
    """The engine answered with an error; both clients raise it.

    Args:
        status: that of HTTP.
        text: what the engine says.
        request: method and path of what it refuses. Shown where something between forbids it, which never says what.

    """

    def __init__(self, status: int, text: str, request: str = "") -> None:
        # While a container is being removed dockerd answers 500 or 409 with one of these texts, and 404 a moment later.
        half_gone = re.search("RWLayer of container .* unexpectedly nil|which is dead or marked for removal", text)
        # For a name that another container has Podman answers 500, dockerd 409.
        name_taken = "container name" in text and "already in use" in text
        self.status = NOT_FOUND if half_gone else CONFLICT if name_taken else status
        self.forbidden = status == FORBIDDEN
        self.text = f"{status} {request}: {text}" if self.forbidden and request else text
        super().__init__(self.text)
        self.whole = self.text if self.forbidden else f"{status} {text}"


def ended(look: Callable[[], Mapping[str, Any]], patience: float) -> int | None:
    """Return the exit code of a command whose output has ended; `look` inspects it.

    The engine can note a command's end a moment after its output has ended. None where it still runs `patience` seconds
    later: then the output has ended for another reason.
    """
    ends = time.monotonic() + patience
    while True:
        found = look()
        if found.get("ExitCode") is not None and not found.get("Running"):
            return int(found["ExitCode"])
        if time.monotonic() > ends:
            return None
        time.sleep(0.01)
