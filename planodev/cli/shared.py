"""What the commands share on the command line: `-C`, `-q` and `--json`, options in groups, words to choose from."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from planodev import masking
from planodev.problems import BadInput, Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from click.shell_completion import CompletionItem

    from planodev.cli.console import Console
    from planodev.look import Context
    from planodev.project.search import Found
    from planodev.result import Result


def _tell_console(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:  # noqa: ANN401
    """Note an option's value; one that was not given leaves what was given before the command."""
    if isinstance(value, str) and masking.is_address(value):  # else each fix would repeat it
        raise click.BadParameter("an address is not a directory", ctx, parameter)
    if value not in (None, False):
        setattr(ctx.obj, str(parameter.name), value)


_shared = partial(click.Option, expose_value=False, is_eager=True, callback=_tell_console)


def shared_options() -> list[click.Parameter]:
    """Return the options that stand before a command or behind it."""
    return [
        _shared(
            ["-C", "directory"],
            metavar="DIR",
            help="Run in this directory.",
            type=click.Path(),
            shell_complete=paths("dir"),
        ),
        _shared(["-q", "--quiet"], is_flag=True, help="Print only the result, warnings and errors."),
        _shared(["-v", "--verbose"], is_flag=True, help="Print what is asked of the engine and the database."),
    ]


def json_option() -> click.Parameter:
    """Return `--json`, for what has a result."""
    return _shared(["--json"], is_flag=True, help="Print one JSON object, also on failure.")


class Option(click.Option):
    """An option that stands under a title in its command's help."""

    def __init__(self, *arguments: Any, group: str, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **settings)
        self.group = group


class Command(click.Command):
    """A command with the shared options, whose help shows its options in groups.

    Args:
        has_json: whether it has `--json`: false where the output is another program's, or has a format of its own.

    """

    def __init__(self, *arguments: Any, has_json: bool = True, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **settings)
        self.has_json = has_json
        self.params += [*([json_option()] if has_json else []), *shared_options()]

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Run it, once the console knows what was typed."""
        if ctx.obj.json and not self.has_json:
            raise click.UsageError(f"`{self.name}` has no --json", ctx)
        ctx.obj.typed = _typed(ctx)
        ctx.obj.command = " ".join(ctx.command_path.split()[1:])
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group under its title, those without one as `Options`; arguments are told in the text above."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record and isinstance(parameter, click.Option):
                groups.setdefault(getattr(parameter, "group", "Options"), []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


class Group(Command, click.Group):
    """A command with commands of its own; each stands below it as `planodev GROUP COMMAND`."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Run it, or the command that was named; whichever it is returns the exit code."""
        found = super().invoke(ctx)
        return next((code for code in found if code is not None), 0) if isinstance(found, list) else found

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


command: Callable[..., Callable[[Callable[..., Any]], Command]] = partial(click.command, cls=Command)
group: Callable[..., Callable[[Callable[..., Any]], Group]] = partial(click.group, cls=Group)


def subcommand(of: Command, name: str, **settings: Any) -> Callable[[Callable[..., Any]], Command]:  # noqa: ANN401
    """Return what makes a function a command of a group."""
    assert isinstance(of, Group)  # noqa: S101

    def made(function: Callable[..., Any]) -> Command:
        one = command(name, **settings)(function)
        of.add_command(one)
        return one

    return made


def refuse_before(ctx: click.Context) -> None:
    """Refuse a group's own options before one of its commands, which has its own.

    Raises:
        click.UsageError: there are some.

    """
    if before := next(iter(_typed(ctx)), None):
        raise click.UsageError(f"{before} belongs after `{ctx.invoked_subcommand}`, if that has it", ctx)


def choice(allowed: tuple[str, ...]) -> dict[str, Any]:
    """Return the metavar and completion of an option with a fixed set of values; `settings.Sources` validates them."""
    return {"metavar": "|".join(allowed), "shell_complete": words(lambda: allowed)}


def words(allowed: Callable[[], Iterable[str]]) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return the shell completion for an option with a fixed set of values."""
    return lambda _ctx, _parameter, begun: [word for word in allowed() if word.startswith(begun)]


def paths(kind: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return the shell completion for paths; `kind` is `file` or `dir`."""

    def complete(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(begun, type=kind)]

    return complete


# Plano's configuration, for the commands that look at it.
config = partial(
    click.option,
    "--config",
    metavar="FILE",
    shell_complete=paths("file"),
    help="Plano's configuration.  [default: config.yaml or plano_config.yaml]",
)


def _typed(ctx: click.Context) -> dict[str, tuple[str, ...]]:
    """Return the command's own options as they were typed, by flag."""
    found: dict[str, tuple[str, ...]] = {}
    for parameter in ctx.command.params:
        name = str(parameter.name)
        if name not in ctx.params or ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value, flag = ctx.params[name], parameter.opts[0]
        if isinstance(value, bool):
            found[flag] = (flag if value else parameter.secondary_opts[0],)
        elif isinstance(parameter, click.Option):
            values = value if isinstance(value, tuple) else (value,)
            found[flag] = tuple(word for one in values for word in (flag, str(one)))
    return found


def until_interrupted(work: Callable[[], object], *, ends: bool) -> int:
    """Run a job and return the exit code: 130 after a Ctrl-C where that is its ordinary end (`ends`)."""
    try:
        work()
    except KeyboardInterrupt:
        if not ends:
            raise
        return Interrupted.exit_code
    return 0


def refuse_empty(option: str) -> NoReturn:
    """Raise `BadInput` for an empty value, as of an unset variable: the default would be used instead."""
    why, fix = "it may come from a variable that is not set", f"write a name after `{option}`, or leave it out"
    raise BadInput("usage", f"`{option}` is empty", why=why, fix=fix)


def _check_path(option: str, given: Any) -> None:  # noqa: ANN401
    """Raise `BadInput` for a path that cannot be meant: nothing, or an address, which is not repeated."""
    if given == "":
        refuse_empty(option)
    if isinstance(given, str) and masking.is_address(given):
        why = "it is an address, which may have a password in it, and others see a command line"
        raise BadInput("usage", f"`{option}` is not a path", why=why, fix=f"name a file or a directory with `{option}`")


def context(ctx: click.Context, options: dict[str, Any]) -> Context:
    """Return the context of a command: the project in the directory of `-C`, else the one that contains this directory.

    Raises:
        BadInput: a file or a directory was given, and is empty, as a variable is that nobody has set, or an address; or
            a second database would be created in a project, and nobody has said so.

    """
    from planodev.look import Context
    from planodev.project import identity, search

    console = ctx.obj
    if console.directory == "":
        refuse_empty("-C")
    for name in (*_OF_THE_PROJECT, "dotenv", "file", "html"):
        _check_path(f"--{name.replace('_', '-')}" if name != "file" else "FILE", options.get(name))
    creates = "here" in options
    if options.pop("here", False):
        console.directory = console.directory or "."
    here = identity.at(Path(console.directory or "."))
    found = search.above(here.path)
    if found and console.directory:
        if not creates:
            console.notice(found.beside())
        found = None
    if found and creates and found.own_files and search.wants_second(found, console, yes=options["yes"]):
        console.directory, found = ".", None
    if found:
        _work_above(console, options, found)
        return _opened(Context(identity.at(found.path), options, dict(os.environ), console, here.path))
    return _opened(Context(here, options, dict(os.environ), console))


def _opened(context: Context) -> Context:
    """Remove temporary files of killed writes, and apply the setting `dotenv`."""
    from planodev.project import lock

    if not context.dry_run:
        lock.tidy(context.project)
    name = context.sources.dotenv()
    return replace(context, project=context.project._replace(dotenv=name)) if name else context


# Options whose file is looked up in the project; the paths of all others are relative to the user's own directory.
_OF_THE_PROJECT = ("env_file", "config", "output")


def _work_above(console: Console, options: dict[str, Any], found: Found) -> None:
    """Continue as if `-C` had named the project that was found; relative paths in options are rewritten for it."""
    console.directory = os.path.relpath(found.path, found.start)
    console.found(found.said())
    for name in _OF_THE_PROJECT:
        if options.get(name):
            options[name] = os.path.relpath(found.start / options[name], found.path)
            flag = f"--{name.replace('_', '-')}"
            console.typed = {**(console.typed or {}), flag: (flag, options[name])}


def run(ctx: click.Context, options: dict[str, Any], command: Callable[[Context], Result]) -> int:
    """Do a command's work, print its result, and return the exit code."""
    result = command(context(ctx, options))
    ctx.obj.finish(result)
    return result.error.exit_code if result.error else 0
