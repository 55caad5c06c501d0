"""A job that goes on while something else is loaded or waited for."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def begin(job: Callable[[], T]) -> Callable[[], T | None]:
    """Start a job in the background.

    Returns:
        A function that waits for the job's result; None where the job raised. Only for what is done again, for
        real and with its errors told, where it did not work.

    """
    found: list[T] = []

    def run() -> None:
        with suppress(Exception):
            found.append(job())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def wait() -> T | None:
        thread.join()
        return found[0] if found else None

    return wait
