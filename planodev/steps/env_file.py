"""Write the five DB_* values into `.env`, or planodev's own file, and keep git from taking it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planodev.plano import environment
from planodev.postgres import connection
from planodev.problems import Command, Conflict, Fix, Problem
from planodev.project import env_file, env_keys, env_kinds, git, private_files, regular_file
from planodev.result import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from planodev.database import Database
    from planodev.look import Context, Seen
    from planodev.postgres.connection import Connection
    from planodev.problems import PlanodevError
    from planodev.progress import Progress


@dataclass(frozen=True)
class EnvChange:
    """What becomes of `.env`: `verb` is `created`, `updated` or `unchanged`, `detail` what of it."""

    new: env_file.EnvFile
    verb: str
    detail: str = ""


def change(seen: Seen, where: Connection, password_is: str) -> EnvChange:
    """Return what has to be written: user, password and database stay, host and port follow the server."""
    values = _values(seen, where)
    new = seen.env.with_values(values, seen.project_id)
    read = env_file.read_as_planoai(seen.env.text)
    changed = [key for key, value in values.items() if read.get(key) != value and key not in seen.env.references]
    loose = seen.env.mode is not None and seen.env.mode != private_files.MODE
    if new.text == seen.env.text and not loose:
        return EnvChange(new, "unchanged")
    if not seen.env.exists:
        return EnvChange(new, "created", f"{env_keys.PASSWORD} {password_is}")
    if env_keys.PASSWORD in changed and seen.credentials.password is None:
        changed[changed.index(env_keys.PASSWORD)] = f"{env_keys.PASSWORD} {password_is}"
    return EnvChange(new, "updated", ", ".join(changed) or ("mode 0600" if loose else "the project's id"))


def write(seen: Seen, database: Database) -> Seen:
    """Write `.env` where it has to change.

    Raises:
        BadInput: the directory or the file cannot be written.

    """
    name = seen.env.path.name
    seen.progress.begin(f"Writing {name}")
    found = change(seen, database.connection(), database.password_is)
    if found.verb != "unchanged":
        found.new.write()
        seen = seen.with_env_files()
    _replace_others(seen)
    seen.progress.done(Outcome(found.verb, name, found.detail))
    return seen


def _replace_others(seen: Seen) -> None:
    """Remove the mark from any other file that is marked as used in place of `.env`."""
    for path in seen.project.path.iterdir():
        if path != seen.env.path and env_file.can_be_named(path.name) and env_file.is_marked(path):
            env_file.load(path).without_mark().write()


def own_instead(context: Context, error: PlanodevError) -> Context | None:
    """Ask whether planodev is to have a file of its own, where `.env` cannot or should not be written.

    Args:
        context: the run of `up`.
        error: why `.env` is not taken.

    Returns:
        The run with that file in place of `.env`; None where nobody wants it, or nobody can be asked.

    """
    if error.code not in env_kinds.LEFT_ALONE or context.options.get("yes"):
        return None
    name = env_kinds.own_name(context.project.env_path)
    question = f"{error.message}. Leave it as it is, and keep Plano's values in `{name}`?"
    if not context.progress.confirm(question, default=True):
        return None
    options = {**context.options, "dotenv": name}
    # The time in which somebody thinks is not the command's.
    began = time.monotonic()
    return replace(context, project=context.project._replace(dotenv=name), options=options, began=began)


def refuse_rewriting(seen: Seen, port: int) -> None:
    """Refuse to continue where a line of `.env` with a reference would have to be changed.

    Args:
        seen: the project.
        port: of the database.

    Raises:
        Conflict: such a line leads elsewhere than Plano has to go.

    """
    right = {env_keys.HOST: seen.credentials.plano == seen.mode, env_keys.PORT: seen.credentials.port == port}
    wanted = {env_keys.HOST: connection.host_of(seen.mode), env_keys.PORT: str(port)}
    for key, written in seen.env.references.items():
        if right.get(key, True):
            continue
        found = seen.env.values[key]
        raise Conflict(
            "env-line-refers",
            f"{key} in `{seen.env.path}` is `{written}`, which is {found} here, and has to be {wanted[key]}",
            why="planodev never rewrites a line that refers to another value",
            fix=Fix(
                f"change what it refers to, or write {key}={wanted[key]} there; or ",
                *(Command("up", "--dotenv", env_kinds.own_name(seen.env.path)), " leaves the file as it is"),
            ),
        )


def _values(seen: Seen, where: Connection) -> dict[str, str]:
    old = seen.env.values.get(env_keys.PASSWORD, "")
    kept = connection.is_encoded(old) and seen.credentials.password == where.password
    return {**environment.variables(where), **({env_keys.PASSWORD: old} if kept else {})}


def ignore(directory: Path, names: Sequence[str], progress: Progress) -> None:
    """Add files with secrets to .gitignore in a repository that does not ignore them; say where that has no effect.

    Args:
        directory: the project.
        names: of files in it.
        progress: takes messages.

    """
    progress.begin("Checking .gitignore")
    found, missing = ignoring(directory, names, progress)
    if found.verb != "unchanged":
        path = directory / ".gitignore"
        try:
            old = regular_file.read(path) if path.exists() else b""
            lines = (b"" if not old or old.endswith(b"\n") else b"\n") + "".join(
                f"{name}\n" for name in missing
            ).encode()
            private_files.write_atomically(path, old + lines, path.stat().st_mode & 0o777 if old else 0o644)
        except OSError as error:
            fix = f"{env_file.make_way(error, directory)}, or add the line `{missing[0]}` to it"
            progress.notice(Problem("gitignore-unwritable", f"`{path}` cannot be written: {error.strerror}", fix))
        for name in missing:
            problem = git.problem(directory, name, git.ask(directory, name))
            if problem:
                progress.notice(problem)
    progress.done(found)


def ignoring(directory: Path, names: Sequence[str], progress: Progress) -> tuple[Outcome, list[str]]:
    """Return what has to become of .gitignore, and the lines that it lacks; tell what no line there changes."""
    answers = {name: git.ask(directory, name) for name in names}
    path = directory / ".gitignore"
    takes_lines = not path.is_symlink() and not path.is_dir()
    told = {
        name: answer
        for name, answer in answers.items()
        if answer.state != "visible" or not takes_lines or git.is_outside(name)
    }
    for name, answer in told.items():
        problem = git.problem(directory, name, answer)
        if problem:
            progress.notice(problem)
    missing = [name for name in answers if name not in told]
    if not missing:
        states = {answer.state for answer in told.values()}
        tracked = [name for name, answer in told.items() if answer.state == "tracked"]
        detail = "no git repository" if states == {"none"} else ""
        return Outcome("unchanged", ".gitignore", f"`{tracked[0]}` is tracked" if tracked else detail), []
    verb = "updated" if path.exists() and path.stat().st_size > 0 else "created"
    return Outcome(verb, ".gitignore", ", ".join(f"`{name}`" for name in missing) + " added"), missing
