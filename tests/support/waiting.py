"""Waiting for what a test can see, often looked at and for a limited time: nothing else in the tests may sleep."""

from __future__ import annotations

import contextlib
import threading
import time

PAUSE = 0.02  # seconds between two looks


def until(holds, what, seconds=30.0):
    """Wait until something holds, and return what it returns.

    Args:
        holds: a function that returns something true then.
        what: what is waited for, for the message of the failure; or a function that returns it.
        seconds: how long.

    """
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, f"not within {seconds} seconds: {what() if callable(what) else what}"
        time.sleep(PAUSE)  # noqa: TID251  the one place
    return found


def without_error(job, error, seconds=30.0):
    """Call a function until it raises no such error, and return what it returns."""
    end = time.monotonic() + seconds
    while True:
        try:
            return job()
        except error:
            if time.monotonic() > end:
                raise
        time.sleep(PAUSE)  # noqa: TID251  the other one


@contextlib.contextmanager
def at_most(seconds, beside=20.0):
    """Fail where the block takes longer than planodev's own limit, with what a busy machine adds.

    What would go on without that limit goes on for a minute at least, mostly for ever, so the addition hides nothing.

    Args:
        seconds: the limit.
        beside: for starting Python, and for the processor while others have it.

    """
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took < seconds + beside, f"{took:.1f} seconds, where the limit is {seconds}"


def line_of(running, seconds=60):
    """Return the next line that a process prints; fails where none comes."""
    lines = []
    reading = threading.Thread(target=lambda: lines.append(running.stdout.readline()), daemon=True)
    reading.start()
    reading.join(seconds)
    assert lines, f"nothing was printed within {seconds} seconds"
    return lines[0]
