"""Write the five DB_* values into `.env`, and keep git from taking the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planodev.plano import environment
from planodev.postgres.connection import is_encoded
from planodev.problems import Problem
from planodev.project import env_file, env_keys, git, private_files, regular_file
from planodev.result import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from planodev.database import Database
    from planodev.look import Seen
    from planodev.postgres.connection import Connection
    from planodev.progress import Progress


@dataclass(frozen=True)
class Change:
    """What becomes of `.env`: `verb` is `created`, `updated` or `unchanged`, `detail` what of it."""

    new: env_file.EnvFile
    verb: str
    detail: str = ""


def change(seen: Seen, connection: Connection, password_is: str) -> Change:
    """Return what has to be written: existing values lead, only what is missing or would be misread is changed."""
    values = _values(seen, connection)
    new = seen.env.with_values(values, seen.project_id)
    changed = [key for key, value in values.items() if env_file.read_as_planoai(seen.env.text).get(key) != value]
    loose = seen.env.mode is not None and seen.env.mode != private_files.MODE
    if new.text == seen.env.text and not loose:
        return Change(new, "unchanged")
    if not seen.env.exists:
        return Change(new, "created", f"{env_keys.PASSWORD} {password_is}")
    if env_keys.PASSWORD in changed and seen.credentials.password is None:
        changed[changed.index(env_keys.PASSWORD)] = f"{env_keys.PASSWORD} {password_is}"
    return Change(new, "updated", ", ".join(changed) or ("mode 0600" if loose else "the project's number"))


def write(seen: Seen, database: Database) -> Seen:
    """Write `.env` where it has to change.

    Raises:
        BadInput: the directory or the file cannot be written.

    """
    seen.progress.begin("Writing .env")
    found = change(seen, database.connection(), database.password_is)
    if found.verb != "unchanged":
        found.new.write()
        seen = replace(seen, env=env_file.load(seen.env.path))
    seen.progress.done(Outcome(found.verb, ".env", found.detail))
    return seen


def _values(seen: Seen, connection: Connection) -> dict[str, str]:
    old = seen.env.values.get(env_keys.PASSWORD, "")
    kept = is_encoded(old) and seen.credentials.password == connection.password
    return {**environment.variables(connection), **({env_keys.PASSWORD: old} if kept else {})}


def ignore(directory: Path, name: str, progress: Progress) -> None:
    """Add a file with secrets to .gitignore in a repository that does not ignore it; warn where it is tracked."""
    progress.begin("Looking after .gitignore")
    found = ignoring(directory, name, progress)
    if found.verb != "unchanged":
        path = directory / ".gitignore"
        old = regular_file.read(path) if path.exists() else b""
        line = (b"" if not old or old.endswith(b"\n") else b"\n") + f"{name}\n".encode()
        private_files.write_atomically(path.resolve(), old + line, path.stat().st_mode & 0o777 if old else 0o644)
    progress.done(found)


def ignoring(directory: Path, name: str, progress: Progress) -> Outcome:
    """Return what has to become of .gitignore."""
    state = git.state(directory, name)
    if state == "tracked":
        progress.notice(
            Problem(
                "env-file-tracked",
                f"`{name}` is tracked by git: the database password will be in the repository",
                f"`git rm --cached {name} && git commit -m 'Stop tracking {name}'`",
            )
        )
        return Outcome("unchanged", ".gitignore", f"`{name}` is tracked")
    if state != "visible":
        return Outcome("unchanged", ".gitignore", "no git repository" if state == "none" else "")
    path = directory / ".gitignore"
    there = path.exists() and path.stat().st_size > 0
    return Outcome("updated" if there else "created", ".gitignore", f"`{name}` added")
