"""Sessions in which no wait is endless: psycopg itself waits for an answer for ever, and the server may be frozen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NoReturn

import psycopg

from planodev.postgres import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

# What the server says of a session whose statement it carries out.
_WORKS = ("active", None)
_MOMENT = 0.2  # seconds for an answer to come in, in doubt
_STATE = "SELECT state FROM pg_catalog.pg_stat_activity WHERE pid = %s"


class Session(psycopg.Connection[Any]):
    """A session that ends where the server has nothing to say for it any more.

    A statement may take long, and the server ends it in the end. But after some silence a second session asks whether
    the server is at work on it at all: one that is frozen, or a network that has lost the answer, does not come back.

    Args:
        longest: seconds for one statement, whatever the server says.
        again: opens the second session, None where there is to be none.

    """

    longest = limits.READING + limits.MARGIN
    again: Callable[[], Session] | None = None

    def wait(self, gen: Any, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401  psycopg's own types are private
        """Wait for an operation on the connection to end.

        Raises:
            psycopg.OperationalError: the time is over; the session is closed then.

        """
        return super().wait(self._watched(gen), *arguments, **more)

    def _watched(self, operation: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401
        """Carry an operation on, which is resumed each time that something has come, or nothing for a moment."""
        began = heard = time.monotonic()
        doubted = False
        try:
            wanted = next(operation)
            while True:
                ready = yield wanted
                now = time.monotonic()
                if ready:
                    heard, doubted = now, False
                elif now - began > self.longest:
                    self._end(began)
                elif now - heard > limits.SILENCE:
                    works = self._is_at_work()
                    if doubted and not works:
                        self._end(began)
                    # The answer may have come while the other session asked.
                    doubted, heard = not works, time.monotonic() - (0 if works else limits.SILENCE - _MOMENT)
                wanted = operation.send(ready)
        except StopIteration as end:
            return end.value

    def _end(self, began: float) -> NoReturn:
        self.close()
        raise psycopg.OperationalError(limits.silent(time.monotonic() - began))

    def _is_at_work(self) -> bool:
        """Say whether the server, asked by another session, is at work for this one; yes where it cannot know it."""
        if self.again is None:
            return False
        try:
            second = self.again()
            try:
                second.longest = limits.MARGIN
                row = second.execute(_STATE, (self.info.backend_pid,)).fetchone()
            finally:
                second.close()
        except psycopg.Error:
            return False
        return row is None or row[0] in _WORKS
