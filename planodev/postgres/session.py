"""Sessions in which no wait is endless: psycopg itself waits for an answer for ever, and the server may be frozen."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import psycopg
from psycopg import waiting

from planodev.background import NotDone, within
from planodev.postgres import limits, locks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator

# It would write to stderr, in the server's own words, what is raised and reported anyway.
logging.getLogger("psycopg").setLevel(logging.CRITICAL)
# What the server says of a session whose statement it carries out.
_WORKS = ("active", None)
# What a session waits for that another one's process has to give it, in which no limit of the server's is heeded.
_OTHERS = ("LWLock", "BufferPin", "Buffer", "IPC")
_CLIENT = "Client"  # the session waits for whom it serves
_MOMENT = 0.2  # seconds for an answer to come in, in doubt; and for a server that is told to give up to hear of it
_LOOK = 0.1  # seconds between two looks whether an operation has ended, or the user has interrupted it
_ACTIVITY = "SELECT pid, state, wait_event_type FROM pg_catalog.pg_stat_activity WHERE "
_END = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE application_name = %s"
_OF_PROCESS, _OF_PROGRAM = f"{_ACTIVITY}pid = %s", f"{_ACTIVITY}application_name = %s"


class Silence:
    """The silence of a statement or a program that may take long, and the doubt whether it goes on.

    After some silence somebody is asked for the cause of it. That is believed the second time only: what was waited for
    may have come while it was asked.
    """

    def __init__(self) -> None:
        self.heard()

    def heard(self) -> None:
        """Begin anew: something has come."""
        self._since, self._doubt = time.monotonic(), False
        self._next = self._since + limits.SILENCE

    @property
    def seconds(self) -> float:
        """How long nothing has come."""
        return time.monotonic() - self._since

    def cause(self, ask: Callable[[], str | None]) -> str | None:
        """Return the cause once two looks have found one; None where there is none, or none is known yet.

        Args:
            ask: looks; returns the cause, "" where it is not known, None where there is none.

        """
        if time.monotonic() <= self._next:
            return None
        doubted, why = self._doubt, ask()
        self._doubt = why is not None
        self._next = time.monotonic() + (_MOMENT if self._doubt else limits.SILENCE)
        return why if doubted else None


class Session(psycopg.Connection[Any]):
    """A session that ends where the server has nothing to say for it any more.

    A statement may take long, and the server ends it in the end. But after some silence a second session asks whether
    the server is at work on it at all: one that is frozen, or a network that has lost the answer, does not come back.

    Args:
        longest: seconds for one statement, whatever the server says.
        again: opens the second session, None where there is to be none.
        stopped: returns the server's processes that are stopped, as by SIGSTOP, None where that cannot be seen; itself
            None where nobody can look.

    """

    longest = limits.READING + limits.MARGIN
    again: Callable[[], Session] | None = None
    stopped: Callable[[], Collection[int] | None] | None = None
    _left = False

    def __init__(self, *arguments: Any, **more: Any) -> None:  # noqa: ANN401  as below
        """Begin; a Ctrl-C that had come before, and in whose handling this session is opened, does not end it."""
        super().__init__(*arguments, **more)
        # What a thread handles is its own: a session that was opened in a thread of `within`, and that the main thread
        # then uses while it handles an interruption from before, would be ended by that one. Nobody does so: whoever
        # opens one in such a thread does nothing more with it after an interruption than close it.
        self._before = sys.exc_info()[1]

    def wait(self, gen: Any, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401  psycopg's own types are private
        """Wait for an operation on the connection to end.

        Raises:
            psycopg.OperationalError: the time is over; the session is closed then.
            KeyboardInterrupt: at once; psycopg itself would wait for what the server says to a cancellation.

        """
        error = sys.exc_info()[1]
        if isinstance(error, KeyboardInterrupt) and error is not self._before:
            self._leave()  # it came between two waits, and a COPY is to be ended
        if self._left:
            raise KeyboardInterrupt
        more.setdefault("interval", _LOOK)
        try:
            return waiting.wait(self._watched(gen), self.pgconn.socket, *arguments, **more)
        except KeyboardInterrupt:
            self._leave()
            raise

    def _leave(self) -> None:
        """Tell the server to give up what it does, and close; it ends what it cannot tell anybody of in any case."""
        self._left = True
        try:
            with suppress(NotDone, psycopg.Error):
                within(_MOMENT, lambda: self.cancel_safe(timeout=_MOMENT))
        finally:
            self.close()

    def _watched(self, operation: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401
        """Carry an operation on, which is resumed each time that something has come, or nothing for a moment."""
        began, silence = time.monotonic(), Silence()
        try:
            wanted = next(operation)
            while True:
                ready = yield wanted
                if ready:
                    silence.heard()
                elif time.monotonic() - began > self.longest:
                    self._end(began, "")
                elif (why := silence.cause(self.idle_because)) is not None:
                    self._end(began, why)
                wanted = operation.send(ready)
        except StopIteration as end:
            return end.value

    def _end(self, began: float, why: str) -> NoReturn:
        self.close()
        raise psycopg.OperationalError(limits.silent(time.monotonic() - began) + (why and f": {why}"))

    def idle_because(self, program: str = "") -> str | None:
        """Say why the server is not at work for this session, or for a program, as another session tells.

        Args:
            program: the name under which the program has logged in.

        Returns:
            The cause, "" where it is not known; None where the server is at work, or cannot know it.

        """
        if self.again is None:
            return ""
        try:
            second = self.again()
            try:
                second.longest = limits.MARGIN
                asked = (_OF_PROGRAM, (program,)) if program else (_OF_PROCESS, (self.info.backend_pid,))
                rows = second.execute(*asked).fetchall()
            finally:
                second.close()
        except psycopg.Error:
            return ""
        if program and not rows:
            return "it has no session there"
        stopped = _looked_at(self.stopped) if self.stopped and rows else ()
        return next((why for row in rows if (why := _why_idle(stopped, *row)) is not None), None)

    def end_others(self, program: str) -> None:
        """End the sessions of a program of the same role, by the name under which it has logged in.

        Raises:
            psycopg.Error: the server does not do it.

        """
        assert self.again  # noqa: S101  whoever logs in sets it
        with self.again() as second:
            second.longest = limits.MARGIN
            second.execute(_END, (program,))


def _looked_at(stopped: Callable[[], Collection[int] | None]) -> Collection[int]:
    """Return the processes that are known to be stopped; the look, which is one at the engine, may take too long."""
    try:
        return within(limits.LOGIN, stopped) or ()
    except NotDone:
        return ()


def _why_idle(stopped: Collection[int], pid: int, state: str | None, waits: str | None) -> str | None:
    if pid in stopped:
        return f"server process {pid}, which handles this session, {locks.STOPPED}"
    if state not in _WORKS or waits == _CLIENT:
        return ""
    if stopped and waits in _OTHERS:
        another = f"another one, and server process {min(stopped)} {locks.STOPPED}"
        return f"server process {pid} waits for {another}"
    return None
