"""What can be wrong: one type for errors, warnings and the findings of `doctor`, and the fix as a structure.

A `Problem` is judged in one place, and shown by every command that meets it. One that stops a command is carried by a
`PlanodevError`, which is raised anywhere and printed in one place, `planodev.cli.main`.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from planodev.pasting import for_this_shell, joined, quoted
from planodev.visible import one_line, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Level = Literal["error", "warning"]


@dataclass(frozen=True, init=False)
class Command:
    """A planodev command to type, such as `Command("up", "--port", "5433")`.

    The console adds `-C` and, for `up`, the options that were typed, so that it does what its reader means.
    """

    name: str
    arguments: tuple[str, ...] = ()
    directory: str | None = None  # another project's; None for the project that the error is about
    starter: str = "{}"  # another program's command that starts it, as `{}` or `'{}'` in its line

    def __init__(self, name: str, *arguments: object) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "arguments", tuple(str(argument) for argument in arguments))

    def within(self, directory: object) -> Command:
        """Return it for the project in another directory."""
        other = Command(self.name, *self.arguments)
        object.__setattr__(other, "directory", str(directory))
        return other

    def started_by(self, starter: str) -> Command:
        """Return it as an argument of another program's command, such as `op run -- {}`."""
        other = self.within(self.directory) if self.directory else Command(self.name, *self.arguments)
        object.__setattr__(other, "starter", starter)
        return other

    def join(self, words: Iterable[str]) -> str:
        """Return the line to type for its words."""
        line = joined(words)
        return self.starter.replace("'{}'", quoted(line)).replace("{}", line)

    def __str__(self) -> str:
        """Return it as it is typed in the project's directory, in backticks."""
        within = ("-C", self.directory) if self.directory else ()
        return f"`{self.join(('planodev', *within, self.name, *self.arguments))}`"


@dataclass(frozen=True, init=False)
class Shell:
    """A line for the shell to paste, such as `Shell("chmod u+r {}", path)`: what stands for `{}` is quoted."""

    template: str
    words: tuple[str, ...]

    def __init__(self, template: str, *words: object) -> None:
        object.__setattr__(self, "template", template)
        object.__setattr__(self, "words", tuple(str(word) for word in words))

    def __str__(self) -> str:
        """Return it as it is typed, in backticks."""
        return f"`{self.template.format(*map(quoted, self.words))}`"


class Lines(NamedTuple):
    """Lines to paste as they are, below the text before them."""

    text: str

    def __str__(self) -> str:
        """Return them, from the next line on."""
        return "\n" + visible(self.text)


Part: TypeAlias = "str | Command | Shell | Lines"


@dataclass(frozen=True, init=False)
class Fix:
    """What to do about a problem: text, and in it the planodev commands and whatever else is to be pasted."""

    parts: tuple[Part, ...]

    def __init__(self, *parts: Part) -> None:
        object.__setattr__(self, "parts", parts)

    @classmethod
    def template(cls, text: str) -> Fix:
        """Return the fix that a text in a data file describes: `{up --port 5433}` stands for that command."""
        pieces = re.split(r"\{([^{}]*)\}", text)  # alternates text and command
        parts = [Command(*shlex.split(piece)) if at % 2 else piece for at, piece in enumerate(pieces)]
        return cls(*(part for part in parts if part))

    def __add__(self, more: Fix | str) -> Fix:
        """Return both, as text and text are joined."""
        return Fix(*self.parts, *(more.parts if isinstance(more, Fix) else (more,)))

    def __radd__(self, text: str) -> Fix:
        """Return it appended to a text."""
        return Fix(text, *self.parts)

    def render(self, show: Callable[[Command], str] = str) -> str:
        """Return the text, safe to print, with each planodev command as `show` gives it."""
        return "".join(
            show(part)
            if isinstance(part, Command)
            else for_this_shell(one_line(part))
            if isinstance(part, str)
            else str(part)
            for part in self.parts
        )

    def __str__(self) -> str:
        """Return the text, with each command as it is typed in the project's directory."""
        return self.render()


LONGEST = 20_000  # characters of a message, and of a cause, which may be the end of a log


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text) - LONGEST:,} more characters)"


@dataclass(frozen=True)
class Problem:
    """Something that is wrong.

    Args:
        code: stable, lower case, with hyphens; scripts may depend on it.
        message: what is wrong, one sentence without a full stop.
        fix: what to do about it.
        why: the cause, as far as it is known.
        level: `error` where Plano would not start, or would not store; `warning` otherwise.

    """

    code: str
    message: str
    fix: Fix | str | None = None
    why: str | None = None
    level: Level = "warning"

    def __post_init__(self) -> None:
        """Cut what a server or an engine says without end: it would take minutes to print."""
        object.__setattr__(self, "message", _cut(self.message))
        object.__setattr__(self, "why", self.why and _cut(self.why))

    @property
    def fatal(self) -> bool:
        """Say whether Plano would not start, or would not store."""
        return self.level == "error"

    def as_json(self) -> dict[str, Fix | str | None]:
        """Return an entry of `warnings` of `--json`, where an error that does not stop the command stands too.

        The console renders its `Fix`.
        """
        return {"code": self.code, "message": self.message, "fix": self.fix or None}


class PlanodevError(Exception):
    """A problem that stops the command; its class gives the exit code."""

    exit_code = 1

    def __init__(self, code: str, message: str, *, why: str | None = None, fix: Fix | str | None = None) -> None:
        super().__init__(message)
        self.problem = Problem(code, message, fix, why, level="error")

    @classmethod
    def of(cls, problem: Problem) -> PlanodevError:
        """Return the error of this class that carries a problem."""
        return cls(problem.code, problem.message, why=problem.why, fix=problem.fix)

    @property
    def code(self) -> str:
        """The problem's code."""
        return self.problem.code

    @property
    def message(self) -> str:
        """The problem's message."""
        return self.problem.message

    @property
    def why(self) -> str | None:
        """The problem's cause."""
        return self.problem.why

    @property
    def fix(self) -> Fix | str | None:
        """What to do about the problem."""
        return self.problem.fix

    def as_json(self) -> dict[str, Fix | str | None]:
        """Return the `error` object of `--json`, with a `Fix` for the console to render."""
        return {"code": self.code, "message": self.message, "why": self.why, "fix": self.fix or None}


class BadInput(PlanodevError):
    """An option, a variable or a file has an invalid value."""

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
    """The user pressed Ctrl-C, or the process received a signal to end."""

    exit_code = 130
