"""The errors that a user can meet: each has a code, what, why, and a command that mends it.

They are raised anywhere and printed in one place, `planodev.cli.boundary`.
"""

from __future__ import annotations


class PlanodevError(Exception):
    """A failure that planodev can explain.

    Args:
        code: stable, lower case, with hyphens; scripts may depend on it.
        message: what happened, one sentence without a full stop.
        why: the cause, as far as it is known.
        fix: what mends it, a command where there is one.

    """

    exit_code = 1

    def __init__(self, code: str, message: str, *, why: str | None = None, fix: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.why = why
        self.fix = fix

    def as_json(self) -> dict[str, str | None]:
        """Return the `error` object of `--json`."""
        return {"code": self.code, "message": self.message, "why": self.why, "fix": self.fix}


class BadInput(PlanodevError):
    """An option, a variable or a file says something that cannot be right."""

    exit_code = 2


class NoEngine(PlanodevError):
    """No engine that can run Postgres answers."""

    exit_code = 3


class Conflict(PlanodevError):
    """A port, a name or data belongs to somebody else, or to another version."""

    exit_code = 4


class CredentialsRefused(PlanodevError):
    """The server does not accept the user or the password."""

    exit_code = 5


class NotReady(PlanodevError):
    """The server did not accept a login in time."""

    exit_code = 6


class VerificationFailed(PlanodevError):
    """Plano would not be able to store conversations."""

    exit_code = 7


class CommandNotStarted(PlanodevError):
    """`run` could not start the command; 127 where it was not found, 126 otherwise, as shells say it."""

    exit_code = 127


class Interrupted(PlanodevError):
    """The user pressed Ctrl-C, or the process was told to stop."""

    exit_code = 130
