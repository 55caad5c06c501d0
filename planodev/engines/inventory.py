"""Every database that planodev has made on this machine, of whatever project: for `planodev list` and `forget`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from planodev.problems import NoEngine, PlanodevError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.deadline import Limit
    from planodev.project.identity import Owner


@dataclass(frozen=True)
class Held:
    """A database that an engine has.

    Args:
        owner: the project that it was made for.
        engine: `docker` or `embedded`.
        place: the volume or the data directory; "" for a server without one.
        state: of its server, such as `running`; "" where there is none.
        bytes: on the disk; None where the engine does not say.
        stopped_at: when its server ended, in seconds since 1970; None where it runs, or nobody knows.

    """

    owner: Owner
    engine: str
    place: str
    state: str
    bytes: int | None
    stopped_at: float | None


def everything(environment: Mapping[str, str], limit: Limit) -> tuple[list[Held], PlanodevError | None]:
    """Return what both engines have, and why Docker could not be asked where that is so.

    Args:
        environment: for DOCKER_HOST and its like.
        limit: gives the seconds that may still be waited for an engine.

    """
    from planodev.engines.docker import engine as docker
    from planodev.engines.docker import inventory as of_docker
    from planodev.engines.docker.client import Refused
    from planodev.engines.embedded import inventory as of_embedded

    found = of_embedded.databases()
    try:
        engine = docker.connect(environment, limit)
        return found + of_docker.databases(engine.api), None
    except NoEngine as error:
        return found, error
    except Refused as error:  # a machine's lists are refused by what stands between, such as a proxy
        from planodev.engines import failures

        return found, failures.refused(error.text, forbidden=error.forbidden)
