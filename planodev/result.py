"""What a command hands back: a frozen result that one renderer prints as text or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planodev.problems import Command, Fix, PlanodevError, Problem

SCHEMA_VERSION = 1


class Outcome(NamedTuple):
    """What one step did.

    Args:
        verb: a past participle such as `created`, or `unchanged`.
        subject: what it did that to.
        detail: what else there is to say.
        reached: whether all is as it should be now: not where nothing was done, or would be done only.

    """

    verb: str
    subject: str
    detail: str = ""
    reached: bool = True


class Verbatim(NamedTuple):
    """Text of others for stdout: its lines and blanks stay as they are, but for what would steer the terminal."""

    text: str


class Check(NamedTuple):
    """One thing that `doctor` looked at.

    Args:
        name: of the check.
        state: `ok`, `warning`, `failed`, or `skipped` where another check tells why it could not be made.
        message: what was found, the worst first.
        why: its cause.
        fix: what to do about it.
        others: whatever else was found there, each with its own fix.

    """

    name: str
    state: str
    message: str
    why: str | None = None
    fix: Fix | str | None = None
    others: tuple[Problem, ...] = ()

    @classmethod
    def skipped(cls, name: str, teller: str) -> Check:
        """Return a check that could not be made, for what another one tells."""
        return cls(name, "skipped", f"skipped: see `{teller}`")

    def as_json(self) -> dict[str, Any]:
        """Return one entry of `checks` of `doctor --json`, with a `Fix` for the console to render."""
        return {**self._asdict(), "fix": self.fix or None, "others": [other.as_json() for other in self.others]}


class Result(NamedTuple):
    """The end of a command.

    Args:
        command: its name, such as `up`.
        data: what `--json` shows; its keys never depend on options.
        summary: what is printed on stdout: lines, of which a `Command` is what to type next, ready to be pasted;
            `Verbatim` text; and what rich lays out.
        notices: the warnings, each once.
        error: what makes the command fail although it has a result.
        headline: the one line that `-q` prints in place of the summary, "" where that is printed whole.

    """

    command: str
    data: dict[str, Any]
    summary: Sequence[str | Fix | Command | Any] = ()
    notices: Sequence[Problem] = ()
    error: PlanodevError | None = None
    headline: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the envelope of `--json`."""
        error = self.error.as_json() if self.error else None
        return envelope(self.command, data=self.data, notices=self.notices, error=error)


def envelope(
    command: str,
    *,
    data: dict[str, Any],
    notices: Sequence[Problem],
    error: dict[str, Fix | str | None] | None = None,
) -> dict[str, Any]:
    """Return the one object that `--json` prints, for success and failure alike."""
    return {
        "schema_version": SCHEMA_VERSION,
        "command": command,
        "ok": error is None,
        "data": data,
        "warnings": [notice.as_json() for notice in notices],
        "error": error,
    }


def number(count: int, noun: str) -> str:
    """Return a number of things, such as `1 row` or `2 rows`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def counted(count: int | None, *, estimated: bool = False, why: str = "Postgres is not running") -> str:
    """Return the number of conversations in words; each stored turn is one row.

    Args:
        count: None where they were not counted.
        estimated: whether PostgreSQL has only estimated them.
        why: the reason for which they were not counted.

    """
    if count is None:
        return f"every stored conversation turn (not counted, since {why})"
    return f"{'about ' if estimated else ''}{number(count, 'stored conversation turn')}"
