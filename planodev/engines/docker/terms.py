"""What the modules of the Docker engine share: names in the engine, and how it says no."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from planodev.engines import Wording

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LABEL = "dev.planodev."
WITNESS_LABEL = f"{LABEL}witness"
READY_MARK = "planodev-ready"
INSIDE_PORT = 5432
# The throw-away container that looks into a volume or fills it: one at a time, so that what a killed run has left
# is found by its name, and removed before the next one begins.
READER = "planodev-look-into-{}"
# Seconds that an engine may take to note a command's end.
NOTED = 5.0
FORBIDDEN, NOT_FOUND, CONFLICT = 403, 404, 409
PODMAN = "Podman"
WORDING = Wording(
    server="container",
    data="volume",
    log="docker logs {name}",
    console="docker exec -it {name} psql -U {user}",
    other_major="{{up --image postgres:{major}}} starts the data as it is",
    damaged="docker run --rm -v {volume}:/from:ro {image} tar -cC /from . > damaged.tar",
    alone="docker stop {name} && echo 'ALTER ROLE \"{user}\" LOGIN' | docker run --rm -i --volumes-from {name} "
    "-u postgres {image} postgres --single -D /var/lib/postgresql/data postgres",
)


class Refused(Exception):
    """The engine answered with an error; both lanes raise it.

    Args:
        status: that of HTTP.
        text: what the engine says.
        request: method and path of what it refuses. Shown where something between forbids it, which never says what.

    """

    def __init__(self, status: int, text: str, request: str = "") -> None:
        # Of a container that is being removed at this moment dockerd says 500 and this; a moment later it says 404.
        half_gone = "RWLayer of container" in text and "unexpectedly nil" in text
        # Podman says 500 of a name that another container has, where dockerd says 409.
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


class NotToldToGo(Exception):
    """What a command was placed for has not happened in time, so it was not started."""
