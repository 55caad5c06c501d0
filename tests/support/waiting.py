"""Waiting for what a test can see."""

from __future__ import annotations

import time


def until(holds, what, seconds=30):
    """Wait until something holds, looking often."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} seconds: {what}"
        time.sleep(0.01)
