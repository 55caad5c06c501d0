"""The deadline of a command, shared by everything that it waits for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from planodev.progress import Progress

T = TypeVar("T")
# Returns the seconds left to wait; called before each wait.
Limit = Callable[[], float]
# Seconds after the deadline for one more look at the server, to report what is wrong; and for a wait after these: what
# comes then has to be there already, so that many waits one after another add nothing.
GRACE, AFTER = 0.5, 0.05


class Deadline:
    """The moment by which all that a command waits for has to be over.

    Args:
        seconds: from when the command began, or from the last `restart`.
        began: that moment, by `time.monotonic`; now where it is left out.

    """

    def __init__(self, seconds: float, began: float | None = None) -> None:
        self.seconds = seconds
        self._ends = (time.monotonic() if began is None else began) + seconds

    def restart(self) -> None:
        """Start again, after something that takes as long as it takes: a pull, a copy, a question to the user."""
        self._ends = time.monotonic() + self.seconds

    def left(self, most: float = math.inf) -> float:
        """Return the seconds that may still be waited, at most `most` of them."""
        left = self._ends - time.monotonic()
        return min(most, left if left > GRACE else max(AFTER, min(GRACE, left + GRACE)))

    def share(self, most: float) -> float:
        """Return the seconds for a wait that is over well before the deadline: the rest is for finding out why."""
        return min(most, max(self.left(GRACE), self.left() / 2))


class Asking:
    """What takes messages and questions: the time in which a user thinks about one is not the command's.

    Args:
        progress: takes them.
        deadline: starts again after each answer.

    """

    def __init__(self, progress: Progress, deadline: Deadline) -> None:
        self._progress = progress
        self._deadline = deadline

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Return what takes messages."""
        return getattr(self._progress, name)

    def confirm(self, question: str, *, default: bool = False) -> bool | None:
        """Ask; None where there is nobody to ask."""
        return self._answered(self._progress.confirm(question, default=default))

    def ask_secret(self, question: str) -> str | None:
        """Ask for what is not shown; None where there is nobody to ask."""
        return self._answered(self._progress.ask_secret(question))

    def _answered(self, answer: T) -> T:
        if answer is not None:
            self._deadline.restart()
        return answer
