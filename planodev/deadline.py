"""The deadline of a command, shared by everything that it waits for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

# Returns the seconds left to wait; called before each wait.
Limit = Callable[[], float]
# Seconds that are left even after the deadline: one more look at the server, to report what is wrong.
GRACE = 0.5


class Deadline:
    """The moment by which all that a command waits for has to be over.

    Args:
        seconds: from now, or from the last `restart`.

    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.restart()

    def restart(self) -> None:
        """Start again, after something that takes as long as it takes: a pull, a copy, a question to the user."""
        self._ends = time.monotonic() + self._seconds

    def left(self, most: float = math.inf) -> float:
        """Return the seconds that may still be waited, at most `most` of them."""
        return min(most, max(GRACE, self._ends - time.monotonic()))
