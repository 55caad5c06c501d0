"""What the modules of the Docker engine share: names in the engine, and how it says no."""

from __future__ import annotations

from planodev.engines import Wording

LABEL = "dev.planodev."
WITNESS_LABEL = f"{LABEL}witness"
READY_MARK = "planodev-ready"
INSIDE_PORT = 5432
# The throw-away container that looks into a volume or fills it: one at a time, so that what a killed run has left
# is found by its name, and removed before the next one begins.
READER = "planodev-look-into-{}"
NOT_FOUND, CONFLICT = 404, 409
WORDING = Wording(
    server="container",
    data="volume",
    log="docker logs {name}",
    console="docker exec -it {name} psql -U {user}",
    other_major="`planodev up --image postgres:{major}` starts the data as it is",
    damaged="docker run --rm -v {volume}:/from:ro {image} tar -cC /from . > damaged.tar",
    alone="docker stop {name} && echo 'ALTER ROLE \"{user}\" LOGIN' | docker run --rm -i --volumes-from {name} "
    "-u postgres {image} postgres --single -D /var/lib/postgresql/data postgres",
)


class Refused(Exception):
    """The engine answered with a client error; both lanes raise it. `status` is that of HTTP."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        # Of a container that is being removed at this moment dockerd says 500 and this; a moment later it says 404.
        half_gone = "RWLayer of container" in text and "unexpectedly nil" in text
        self.status = NOT_FOUND if half_gone else status
        self.text = text


class NotToldToGo(Exception):
    """What a command was placed for has not happened in time, so it was not started."""
