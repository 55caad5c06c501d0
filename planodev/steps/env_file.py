"""Write the five DB_* values into `.env`, and keep git from taking the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.plano import environment
from planodev.postgres import connection
from planodev.problems import Problem
from planodev.project import env_file, git
from planodev.result import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from planodev.progress import Progress
    from planodev.work import Work


class WriteEnvironment:
    """Existing values lead; only what is missing, or what its readers would misread, is written."""

    title = "Writing .env"

    def run(self, work: Work) -> Outcome:
        values = self._values(work)
        new = work.env.with_values(values, work.project_id)
        changed = [key for key, value in values.items() if env_file.read_as_planoai(work.env.text).get(key) != value]
        loose = work.env.mode is not None and work.env.mode != env_file.MODE
        if new.text == work.env.text and not loose:
            return Outcome("unchanged", ".env")
        verb = "updated" if work.env.exists else "created"
        detail = f"DB_PASS {work.password_is}"
        if verb == "updated":
            if "DB_PASS" in changed and work.wanted.password is None:
                changed[changed.index("DB_PASS")] = f"DB_PASS {work.password_is}"
            detail = ", ".join(changed) or ("mode 0600" if loose else "the project's number")
        if work.dry_run:
            return Outcome(f"would be {verb}", ".env", detail)
        new.write()
        work.env = env_file.load(work.env.path)
        return Outcome(verb, ".env", detail)

    def _values(self, work: Work) -> dict[str, str]:
        way = work.connection()
        old = work.env.values.get("DB_PASS", "")
        kept = connection.is_encoded(old) and work.wanted.password == way.password
        return {**environment.variables(way), **({"DB_PASS": old} if kept else {})}


class IgnoreEnvironment:
    """Add `.env` to .gitignore in a repository that does not ignore it; warn loudly where it is tracked."""

    title = "Looking after .gitignore"

    def run(self, work: Work) -> Outcome:
        return ignore(work.project.path, ".env", work.progress, dry_run=work.dry_run)


def ignore(directory: Path, name: str, progress: Progress, *, dry_run: bool = False) -> Outcome:
    """Keep git from taking a file with secrets."""
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
    if dry_run:
        return Outcome("would be updated", ".gitignore", f"`{name}` added")
    path = directory / ".gitignore"
    old = path.read_bytes() if path.exists() else b""
    line = (b"" if not old or old.endswith(b"\n") else b"\n") + f"{name}\n".encode()
    env_file.write_atomically(path.resolve(), old + line, path.stat().st_mode & 0o777 if old else 0o644)
    return Outcome("updated" if old else "created", ".gitignore", f"`{name}` added")
