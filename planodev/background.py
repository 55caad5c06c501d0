"""Background jobs: what runs while modules are loaded, or while something else is waited for."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
# Seconds to wait for a job before cleaning up after it. It may never end: an interruption can leave a module's import
# lock held, and the next import of that module then blocks forever (seen on Python 3.10).
PATIENCE = 5.0


class Job(Generic[T]):
    """A job in the background, started at once; a call waits for its result and returns it, None where the job failed.

    Only for what is done again, for real and with its errors reported, where it did not work.
    """

    def __init__(self, job: Callable[[], T]) -> None:
        self._found: list[T] = []
        self._thread = threading.Thread(target=self._run, args=(job,), daemon=True)
        with suppress(RuntimeError):  # the user has reached the limit of threads
            self._thread.start()

    def _run(self, job: Callable[[], T]) -> None:
        with suppress(Exception):
            self._found.append(job())

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def __call__(self, seconds: float | None = None) -> T | None:
        """Wait for the result, for ever or for some seconds; None where there is none by then."""
        if self.runs:
            self._thread.join(seconds)
        return self._found[0] if self._found else None


class NotDone(TimeoutError):
    """A job did not end within its time limit."""


def watched(job: Callable[[], object], every: float, watch: Callable[[], None]) -> None:
    """Run a job for as long as it takes, and look at it meanwhile.

    Args:
        job: goes on in the background where what `watch` raises ends the wait, and ends with the process.
        every: seconds between two looks.
        watch: looks.

    Raises:
        BaseException: what the job or `watch` raises.

    """

    def wait(thread: threading.Thread) -> None:
        while thread.is_alive():
            thread.join(every)
            if thread.is_alive():
                watch()

    _in_a_thread(job, wait)


def within(seconds: float, job: Callable[[], T]) -> T:
    """Run a job with a time limit.

    Args:
        seconds: how long to wait for it.
        job: goes on in the background where it takes longer, and ends with the process at the latest.

    Raises:
        NotDone: it takes longer; else whatever the job raises.

    """
    found = _in_a_thread(job, lambda thread: thread.join(seconds))
    if not found:
        raise NotDone(f"not done within {seconds:g} seconds")
    return found[0]


def _in_a_thread(job: Callable[[], T], wait: Callable[[threading.Thread], None]) -> list[T]:
    """Run a job in a thread, for as long as `wait` waits for it.

    Returns:
        Its result, nothing where it has none yet.

    Raises:
        BaseException: what the job or `wait` raises.

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
    wait(thread)
    if failed:
        raise failed[0]
    return found
