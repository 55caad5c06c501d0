"""Containers that the engine is still creating or removing, as what a killed planodev has asked for may be."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from planodev.engines.docker.client import CONFLICT, NOT_FOUND, Refused

if TYPE_CHECKING:
    from planodev.engines.docker.client import Api

LIMIT, PAUSE = 5.0, 0.05  # seconds for the engine to end what it has begun, and between two requests


def remove(api: Api, container: str, *, v: bool = False) -> None:
    """Remove a container by force, and wait for its end where the engine is removing it already.

    Args:
        api: the engine.
        container: its id or name; one that is not there is no error.
        v: whether its anonymous volumes go with it.

    Raises:
        Refused: it was not removed.

    """
    end = time.monotonic() + LIMIT
    while going := _ask_to_remove(api, container, v=v):
        if time.monotonic() > end:
            raise going
        time.sleep(PAUSE)


def _ask_to_remove(api: Api, container: str, *, v: bool) -> Refused | None:
    """Ask once; returns what the engine says where it is removing the container already, None where that is gone.

    Raises:
        Refused: for any other reason.

    """
    try:
        api.remove_container(container, force=True, v=v)
    except Refused as error:
        if error.status == CONFLICT:  # dockerd: "removal of container … is already in progress"
            return error
        if error.status != NOT_FOUND:
            raise
    return None


def create_in_place(api: Api, name: str, config: dict[str, Any]) -> str:
    """Create a container under a name that is planodev's alone, in place of one that a killed planodev has left there.

    The engine may still be creating that one, whose name is taken before it can be removed; or removing it.

    Returns:
        The id of the new container.

    Raises:
        Refused: the name did not get free, or the engine refuses the container.

    """
    end = time.monotonic() + LIMIT
    while True:
        try:
            return str(api.make_container(config, name))
        except Refused as error:
            if error.status != CONFLICT or time.monotonic() > end:
                raise
        _ask_to_remove(api, name, v=True)
        time.sleep(PAUSE)
