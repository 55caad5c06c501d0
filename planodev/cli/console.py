"""Everything that is printed: the result on stdout, all else on stderr."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from planodev import __version__, executables, trace
from planodev.problems import Command, Fix
from planodev.result import Outcome, Result, Verbatim, envelope
from planodev.visible import in_json, one_line, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planodev.problems import PlanodevError, Problem

# Options of the typed `up` that are repeated where a fix or `Next:` names `planodev up`.
REPEATED = (
    *("--engine", "--port", "--name", "--image", "--plano", "--config", "--dotenv", "--template", "--model"),
    "--with-plano",
)
# Those that a project keeps once `up` has ended well.
_KEPT = ("--engine", "--port", "--name", "--image", "--plano", "--template", "--model")
_TABLE, _TEXT = 250, 100  # columns of output that is not a terminal's; no line of ours is longer on one either
_CHOICE = " [y/N]: y"


class Console:
    """The `Progress` that prints; the only renderer of results and errors.

    Text of files, servers and engines is printed here alone, and never as it is: what would steer the terminal stands
    as its escape, and what is to stay on its line does.

    The command line tells it what was typed: `-q`, `--json`, `-C`, the command, and the command's own options by flag.
    """

    def __init__(self) -> None:
        self.quiet = self.verbose = False
        self.json = False
        self.directory: str | None = None  # of `-C`, or the one above in which the project was found
        self.command = "planodev"
        self.typed: dict[str, tuple[str, ...]] | None = None  # None until the command begins
        self.notices: list[Problem] = []
        self._kept: tuple[str, ...] = ()  # options that the project has taken over
        dumb = os.environ.get("TERM") == "dumb"
        self._live = sys.stderr.isatty() and not dumb
        self._color = False if dumb or os.environ.get("NO_COLOR") else None
        self._in_line = False
        self._bar: Any = None
        self._layers: dict[str, Any] = {}

    @property
    def verbose(self) -> bool:
        """Whether what is asked of the engine and the database is printed; a property of the process."""
        return trace.write is not None

    @verbose.setter
    def verbose(self, wanted: bool) -> None:
        first = wanted and not self.verbose
        trace.write = self._trace if wanted else None
        if first:
            self._trace(_versions())

    def _trace(self, text: str) -> None:
        self._clear()
        click.echo(click.style(f"  » {one_line(text)}", dim=True), err=True, color=self._color)

    def begin(self, title: str) -> None:
        if self._live and not self.quiet:
            click.echo(f"\r\033[K· {one_line(title)} …", err=True, nl=False)

    def done(self, outcome: Outcome) -> None:
        self._end_bar()
        detail = f", {outcome.detail}" if outcome.detail else ""
        mark, color = ("✓", "green") if outcome.reached else ("-", "yellow")
        self._line(mark, color, f"{outcome.subject}: {outcome.verb}{detail}")

    def note(self, text: str | Fix) -> None:
        self.end_line()
        lines = text.split("\n") if isinstance(text, str) else [self._text(text)]
        self._marked("→", "cyan", "\n  ".join(map(one_line, lines)))

    def notice(self, notice: Problem) -> None:
        if notice not in self.notices:
            self.notices.append(notice)

    def before(self, notice: Problem) -> None:
        if self.json:  # one object, at the end
            self.notice(notice)
            return
        self._clear()
        self._warn([notice])

    def found(self, where: Problem) -> None:
        """Report the project that was found above: a line on stderr, or with `--json` a warning."""
        (self.notice if self.json else lambda said: self.note(said.message))(where)

    def transfer(self, layer: str, status: str, current: int, total: int) -> None:
        if self.quiet:
            return
        if not self._live:
            if layer not in self._layers or status != "Downloading":
                self._layers.setdefault(layer, None)
                click.echo(f"  {one_line(layer)} {one_line(status).lower()} ({total / 1e6:.1f} MB)", err=True)
            return
        if self._bar is None:
            self._bar = _bar()
            click.echo("\r\033[K", err=True, nl=False)
            self._bar.start()
        if layer not in self._layers:
            self._layers[layer] = self._bar.add_task(one_line(layer), total=total)
        self._bar.update(self._layers[layer], completed=current, total=total)

    def confirm(self, question: str, *, default: bool = False) -> bool | None:
        if not self._asks():
            return None
        return click.confirm(_asked(one_line(question)), default=default, err=True)

    def ask_secret(self, question: str) -> str | None:
        if not self._asks():
            return None
        return str(click.prompt(one_line(question), default="", show_default=False, hide_input=True, err=True))

    def _asks(self) -> bool:
        if not (sys.stdin.isatty() and sys.stderr.isatty()) or self.json:
            return False
        self._end_bar()
        self._clear()
        return True

    def finish(self, result: Result) -> None:
        """Print a result: one JSON object, or lines, of which the last says what to type next."""
        self.end_line()
        self._clear()  # what began last may have had nothing to do
        if result.command == "up" and result.error is None and "--dry-run" not in (self.typed or {}):
            self._kept = _KEPT
        notices = self._all(result.notices)
        if self.json:
            self._json(result._replace(notices=notices).as_json())
            return
        self._warn(notices)
        summary = [result.headline] if self.quiet and result.headline else result.summary
        for line in summary:
            if isinstance(line, (str, Fix, Command)):
                click.echo(self._text(line), color=self._color)
            elif isinstance(line, Verbatim):
                click.echo(visible(line.text), color=self._color)
            else:
                self._print(line)

    def _print(self, shape: Any) -> None:  # noqa: ANN401
        """Print a rich renderable; without a terminal a table is not cut to a width."""
        from rich.console import Console as RichConsole
        from rich.table import Table

        terminal = sys.stdout.isatty()
        width = None if terminal else _TABLE if isinstance(shape, Table) else _TEXT
        plain: dict[str, Any] = {"no_color": self._color is False, "highlight": False, "markup": False, "emoji": False}
        console = RichConsole(file=sys.stdout, width=width, **plain)
        with console.capture() as captured:
            console.print(shape)
        for line in captured.get().splitlines():
            click.echo(line if terminal else line.rstrip(), color=True if terminal else self._color)

    def fail(self, error: PlanodevError) -> None:
        """Print an error: what, why, and the fix."""
        self._end_bar()
        self.end_line()
        if self.json:
            self._json(envelope(self.command, data={}, notices=self.notices, error=error.as_json()))
            return
        self._clear()
        self._warn(self.notices)
        mark = click.style("✗", fg="red")
        click.echo(f"{mark} {one_line(error.message)} [{error.code}]", err=True, color=self._color)
        if error.why:
            first, *more = error.why.split("\n")
            for line in (f"  why: {one_line(first)}", *(f"       {one_line(line)}" for line in more)):
                click.echo(line, err=True)
        if error.fix:
            self._fix(error.fix)

    def trace(self, text: str) -> None:
        """Print a traceback."""
        self._end_bar()
        self._clear()
        click.echo(visible(text), err=True, nl=False)

    def say(self, line: str) -> None:
        """Print lines of a result."""
        self._clear()
        click.echo(visible(line), color=self._color)

    def write(self, text: str) -> None:
        """Print a piece of an answer, as it comes."""
        self._clear()
        self._in_line = not text.endswith("\n")
        click.echo(visible(text), nl=False, color=self._color)
        sys.stdout.flush()

    def end_line(self) -> None:
        """Begin a new line where a piece has ended in the middle of one."""
        if self._in_line:
            click.echo()
        self._in_line = False

    def warn(self) -> None:
        """Print the warnings so far, for a command without a result of its own."""
        self._clear()
        self._warn(self.notices)
        self.notices.clear()  # `fail` would show them once more

    def _all(self, more: Sequence[Problem]) -> list[Problem]:
        return [*self.notices, *(notice for notice in more if notice not in self.notices)]

    def _warn(self, notices: list[Problem]) -> None:
        for notice in notices:
            mark = click.style("!", fg="yellow")
            click.echo(f"{mark} {one_line(notice.message)} [{notice.code}]", err=True, color=self._color)
            if notice.fix:
                self._fix(notice.fix)

    def _fix(self, fix: Fix | str) -> None:
        click.echo(f"  fix: {self._text(fix)}", err=True)

    def _text(self, line: str | Fix | Command) -> str:
        """Return a line as text; only here a command becomes one."""
        if isinstance(line, Command):
            return f"Next: `{self._command(line)}`"
        fix = Fix(line) if isinstance(line, str) else line
        return fix.render(lambda command: f"`{self._command(command)}`")

    def _command(self, command: Command) -> str:
        """Return a command line that means this project and server: with `-C` and `--env-file` as they were typed.

        For `up`, other options that were typed go with it, too, as long as the project does not have them.
        """
        directory = command.directory or self.directory
        words = [_program(), *(("-C", directory) if directory else ()), command.name, *command.arguments]
        if command.directory:
            return command.join(words)
        if command.name == "conversations" == self.command.split(" ")[0]:
            words += (self.typed or {}).get("--env-file", ())
        if command.name == self.command == "up" and "--help" not in command.arguments:
            words += self._typed_beside(command.arguments)
        return command.join(words)

    def _typed_beside(self, arguments: tuple[str, ...]) -> list[str]:
        # These three are for an existing configuration, to which `--model` and `--template` do not apply.
        omitted = ("--model", "--template") if {"--save-keys", "--yes", "--with-plano"} & set(arguments) else ()
        typed = self.typed or {}
        again = (typed.get(flag, ()) for flag in REPEATED if flag not in (*arguments, *omitted, *self._kept))
        return [word for words in again for word in words]

    def _line(self, mark: str, color: str, text: str) -> None:
        self._marked(mark, color, one_line(text))

    def _marked(self, mark: str, color: str, text: str) -> None:
        if self.quiet:
            return
        self._clear()
        click.echo(f"{click.style(mark, fg=color)} {text}", err=True, color=self._color)

    def _clear(self) -> None:
        if self._live and not self.quiet:
            click.echo("\r\033[K", err=True, nl=False)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            self._layers = {}

    def _json(self, value: dict[str, Any]) -> None:
        click.echo(in_json(json.dumps(value, indent=2, ensure_ascii=False, default=self._text)))


def _versions() -> str:
    """Return the versions for a bug report."""
    import platform

    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return f"planodev {__version__}, Python {platform.python_version()}, {system}"


def _asked(question: str) -> str:
    """Return a question as it is typed; what it says before stands on lines of its own where it is long."""
    text = question[:1].upper() + question[1:]
    if len(text) + len(_CHOICE) <= _TEXT:
        return text
    import textwrap

    says, _, asks = text.rpartition(". ")
    fill = textwrap.TextWrapper(_TEXT - len(_CHOICE), break_long_words=False, break_on_hyphens=False)
    return "\n".join([*fill.wrap(says and f"{says}."), *fill.wrap(asks)])


def _program() -> str:
    """Return the program name for command lines: the path that was typed where planodev is not on the PATH."""
    called = sys.argv[0]
    by_path = os.path.basename(called) == "planodev" and not executables.find("planodev")  # noqa: PTH119  as typed
    return called if by_path else "planodev"


def _bar() -> Any:  # noqa: ANN401
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("  {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, console=RichConsole(stderr=True), transient=True)
