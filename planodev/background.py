"""A job that goes on while something else is loaded or waited for."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
# Seconds to clean up after a job that may never end: an interruption can leave the lock of a module that was being
# loaded, and whoever needs that module then waits for ever (seen on Python 3.10).
PATIENCE = 5.0


class Wait(Protocol[T_co]):
    """Waits for a job's result, for ever or for some seconds; None where it raised, or has not ended by then."""

    def __call__(self, seconds: float | None = None) -> T_co | None:
        """Wait."""


def begin(job: Callable[[], T]) -> Wait[T]:
    """Start a job in the background.

    Returns:
        A function that waits for it. Only for what is done again, for real and with its errors reported, where it
        did not work.

    """
    found: list[T] = []

    def run() -> None:
        with suppress(Exception):
            found.append(job())

    thread = threading.Thread(target=run, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # as many threads as this user may have
        return lambda _=None: None

    def wait(seconds: float | None = None) -> T | None:
        thread.join(seconds)
        return found[0] if found else None

    return wait


class NotDone(TimeoutError):
    """A job has taken longer than it was given, whatever limits it has of its own."""


def within(seconds: float, job: Callable[[], T]) -> T:
    """Do a job that may be left unfinished.

    Args:
        seconds: how long to wait for it.
        job: goes on in the background where it takes longer, and ends with the process at the latest.

    Raises:
        NotDone: it takes longer; else whatever the job raises.

    """
    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(job())
        except BaseException as error:  # noqa: BLE001  raised again below
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise NotDone(f"not done within {seconds:g} seconds")
    return found[0]
