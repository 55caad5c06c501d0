"""The project's `.env`: read as its readers do, edited without touching a line that is not ours.

Four programs read this file, and only `KEY=value` without quotes, blanks, `export` or an inline comment
means the same to planoai, python-dotenv, `docker --env-file` and `sh`. That is the dialect written here.
"""

from __future__ import annotations

import errno
import io
import re
import stat
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from planodev import shell_limits
from planodev.problems import BadInput, Command, Fix
from planodev.project import env_keys, env_kinds, private_files, regular_file
from planodev.project.references import Resolution, Unresolved

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = ".env"  # the only name that planoai reads
OF_A_DATABASE = (*env_keys.ALL, "DATABASE_URL")  # not read from `.env` where planodev has a file of its own


_PLAIN = r"[A-Za-z0-9._%+/=:@-]*"
# One piece of a plain file, with the blank lines before it: a comment, or an assignment of plain characters; or the
# blank lines at the end.
_PIECE = rf"\n*(?:#[^\r\n]*|([A-Za-z_][A-Za-z0-9_]*)=({_PLAIN}))(?:\n|\Z)|\n+"
# The line of the project, whatever the line ends. A file in place of `.env` adds its name: a copy of it does not count.
_PROJECT = r"(?<![^\r\n])# planodev project: ([0-9a-f]{16})\b(?: in ([A-Za-z0-9._-]+))?"
_PROJECT_LINE = "{} (links this directory to its database; keep this line)\n"
_DELETED = " (its database was deleted)"
_WHOLE_LINE = _PROJECT + r"[^\r\n]*"


class _Line(NamedTuple):
    """A piece of the file as python-dotenv cuts it: blank lines before it belong to it."""

    text: str
    key: str | None
    value: str | None

    def __repr__(self) -> str:
        """Return it without the value."""
        return f"_Line({self.key!r})"

    @property
    def quote(self) -> str:
        """Return the quote before the value, "" where there is none; in single ones nothing is resolved."""
        return self.text.partition("=")[2].lstrip()[:1] if self.value is not None else ""


@dataclass(frozen=True)
class EnvFile:
    """A `.env`, whole; immutable.

    Args:
        path: where it is.
        exists: False where there is no file yet.
        lines: what it holds.
        shell: the environment, for what its lines refer to.
        beside: values of the `.env` that planoai reads, where this is another file; without the database's.

    """

    path: Path
    exists: bool
    lines: tuple[_Line, ...] = field(repr=False)
    shell: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    beside: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def text(self) -> str:
        """Return the file's text, every foreign byte as it was."""
        return "".join(line.text for line in self.lines)

    @property
    def written(self) -> dict[str, str]:
        """Return the assignments as they are written, read as python-dotenv does, the last one of a key winning."""
        return {line.key: line.value for line in self.lines if line.key and line.value is not None}

    @property
    def over_lines(self) -> dict[str, str]:
        """Return the assignments whose value goes over several lines, with its quotes."""
        pairs = ((line.key, line.text.partition("=")[2].strip()) for line in self.lines if line.value is not None)
        return {key: text for key, text in pairs if key and "\n" in text}

    @property
    def values(self) -> dict[str, str]:
        """Return the assignments with their references resolved; without those that are `unresolved`."""
        return {**self.beside, **self._resolved.values}

    @property
    def unresolved(self) -> dict[str, Unresolved]:
        """Return the keys with a reference that cannot be resolved, and why."""
        return self._resolved.errors

    @property
    def references(self) -> dict[str, str]:
        """Return the keys whose line refers to another value and is therefore never rewritten, as they are written."""
        return {key: self.written[key] for key in self._resolved.references}

    @property
    def from_shell(self) -> set[str]:
        """Return the keys that refer to variables of the shell, be it by another line."""
        return self._resolved.from_shell

    @cached_property
    def _resolved(self) -> Resolution:
        found = Resolution(self.shell, env_keys.ALL)
        for line in self.lines:
            if line.key and line.value is not None:
                # In double quotes docker compose takes `\\$` for `$$`; python-dotenv leaves it.
                value = line.value.replace(r"\$", "$$") if line.quote == '"' else line.value
                found.add(line.key, value, literal=line.quote == "'")
        return found

    @property
    def missing(self) -> list[str]:
        """Return those of the five keys that have no value."""
        return [key for key in env_keys.ALL if not self.values.get(key) and key not in self.unresolved]

    @property
    def lacks(self) -> str:
        """Return the message for a file that lacks some of the five keys."""
        return (
            f"`{self.path.name}` lacks {', '.join(self.missing)}" if self.exists else f"there is no `{self.path.name}`"
        )

    @property
    def to_add(self) -> str:
        """Return what a person does about a file that lacks some of the five keys."""
        return f"add {', '.join(f'{key}=…' for key in self.missing)} to `{self.path.name}`"

    @property
    def project_id(self) -> str | None:
        """Return the 16 hexadecimal digits that tie this checkout to its database."""
        return id_in(self.text)

    @property
    def deleted(self) -> bool:
        """Say whether the file says that the database was deleted, and not lost."""
        return self.project_id is not None and self._mark(self.project_id) + _DELETED in self.text

    def without_database(self) -> EnvFile:
        """Return the file where it says that the database was deleted; `with_values` takes that back."""
        return self._with_project(self._mark(self.project_id) + _DELETED) if self.project_id else self

    def _with_project(self, line: str) -> EnvFile:
        return replace(self, lines=_cut(re.sub(_WHOLE_LINE, line, self.text)))

    def with_values(
        self, wanted: Mapping[str, str], project_id: str | None = None, *, references: bool = False
    ) -> EnvFile:
        """Return the file with these assignments in the common dialect and everything else untouched.

        Args:
            wanted: values of `[A-Za-z0-9._%+/=:@-]`; others cannot be written so that all readers agree. A line that
                refers to another value stays, whatever is wanted.
            references: whether such a line is replaced all the same.
            project_id: written as a comment, where it is not there already; None leaves that as it is.

        """
        appended = [_PROJECT_LINE.format(self._mark(project_id))] if project_id and self.project_id is None else []
        lines = list(self._with_id(project_id).lines) if project_id else list(self.lines)
        kept = () if references else self.references
        for key, value in wanted.items():
            if not is_plain(value):
                raise ValueError(f"{key} cannot be written unquoted")
            if key in kept:
                continue
            places = [i for i, line in enumerate(lines) if line.key == key]
            if not places:
                appended.append(f"{key}={value}\n")
            for i in places:  # all of them: an earlier `export` makes `docker --env-file` refuse the file
                lines[i] = _rewritten(lines[i].text, key, value)
        text = "".join(line.text for line in lines)
        if appended and text and not text.endswith(("\n", "\r")):
            text += "\n"
        text += "".join(appended)
        # planoai reads line by line, and takes a line inside a multi-line value for an assignment: whatever it would
        # misread is repeated at the end, where it wins for every reader.
        read = read_as_planoai(text)
        misread = {key: value for key, value in wanted.items() if key not in kept and read.get(key) != value}
        if misread and not text.endswith(("\n", "\r")):
            text += "\n"
        text += "".join(f"{key}={value}\n" for key, value in misread.items())
        return replace(self, lines=_cut(text))

    def _with_id(self, project_id: str) -> EnvFile:
        """Return the file with this id in the place of another; what stands behind it stays."""
        if self.deleted:
            return self._with_project(_PROJECT_LINE.format(self._mark(project_id)).rstrip("\n"))
        return replace(self, lines=_cut(re.sub(_PROJECT, self._mark(project_id), self.text)))

    def _mark(self, project_id: str) -> str:
        own = "" if self.path.name == NAME else f" in {self.path.name}"
        return f"# planodev project: {project_id}{own}"

    def without_mark(self) -> EnvFile:
        """Return the file as one that no longer stands in place of `.env`; all else stays."""
        text = re.sub(_PROJECT, lambda found: f"# planodev project: {found[1]}", self.text)
        return replace(self, lines=_cut(text))

    def write(self) -> None:
        """Write atomically with mode 0600; under a kill either the old or the new file is there, whole.

        Raises:
            BadInput: the directory or the file cannot be written.

        """
        target = self.path.resolve()
        try:
            private_files.write_atomically(target, self.text.encode(), private_files.MODE)
        except OSError as error:
            raise BadInput(
                "env-file-unwritable",
                f"`{self.path}` cannot be written",
                why=error.strerror,
                fix=Fix(f"{make_way(error, target.parent)}, then run ", Command("up"), " again"),
            ) from error

    @property
    def mode(self) -> int | None:
        """Return the permission bits, None where there is no file."""
        return stat.S_IMODE(self.path.stat().st_mode) if self.exists else None


def id_in(text: str) -> str | None:
    """Return the id of a project in the text of its `.env`, None where it has none."""
    found = re.search(_PROJECT, text)
    return found[1] if found else None


def load(
    path: Path,
    shell: Mapping[str, str] | None = None,
    beside: Mapping[str, str] | None = None,
    way: Fix | None = None,
) -> EnvFile:
    """Read a `.env`; a missing one is empty.

    Args:
        path: of the file.
        shell: the environment, for what its lines refer to.
        beside: values that count where this file has none.
        way: what mends one that cannot be read; None where it is the `.env` of `up`, which can take another.

    Raises:
        BadInput: it is of a kind that is not read; `env_kinds` says which.

    """
    more = (dict(shell or {}), dict(beside or {}))
    env_kinds.refuse_path(path, way)
    try:
        content = regular_file.read(path)
    except FileNotFoundError:
        return EnvFile(path, False, (), *more)  # noqa: FBT003
    except OSError as error:
        raise env_kinds.unreadable(path, error, way) from error
    env_kinds.refuse_content(path, content, way)
    return EnvFile(path, True, _cut(content.decode()), *more)  # noqa: FBT003


_OWN_NAME = r"\.env[A-Za-z0-9._-]*|[A-Za-z0-9_][A-Za-z0-9._-]*\.env"
_OF_ALL = r"(?i)\.envrc|.*[._-](?:example|sample|template|dist|defaults?)"
_LARGEST = 1 << 20  # bytes of a file that is searched for the project's line


def can_be_named(name: str) -> bool:
    """Say whether a file may be used as `.env`, by its name: not one that is committed, such as `.env.example`."""
    return re.fullmatch(_OWN_NAME, name) is not None and re.fullmatch(_OF_ALL, name) is None


def is_marked(path: Path) -> bool:
    """Say whether a file stands in place of `.env`, as its line with the project's id says."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return False
        found = re.search(_PROJECT, regular_file.text(path))
    except OSError:
        return False
    return found is not None and found[2] == path.name


def make_way(error: OSError, directory: Path) -> str:
    """Return the fix for a file that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"free space on the disk of `{directory}`"
    return shell_limits.raising(error.errno) or f"make `{directory}` writable for you"


def is_plain(value: str) -> bool:
    """Say whether a value means the same to every reader when it stands behind `KEY=` as it is."""
    return re.fullmatch(_PLAIN, value) is not None


def read_as_planoai(text: str) -> dict[str, str]:
    """Read as planoai 0.4.39 does (`planoai/utils.py:230-252`): by line, quotes and `export` being part of it."""
    pairs = (line.strip().split("=", 1) for line in io.StringIO(text, newline=None))
    return {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2 and not pair[0].startswith("#")}  # noqa: PLR2004


def _rewritten(old: str, key: str, value: str) -> _Line:
    blank = old[: len(old) - len(old.lstrip())]
    before = blank[: max(blank.rfind("\n"), blank.rfind("\r")) + 1]
    ending = "\n" if old.endswith(("\n", "\r")) else ""
    return _Line(f"{before}{key}={value}{ending}", key, value)


def _cut(text: str) -> tuple[_Line, ...]:
    """Cut a file as python-dotenv does, whose import takes longer than all else that is done with a plain file."""
    lines, at, pattern = [], 0, re.compile(_PIECE)
    while at < len(text):
        # Not `finditer`, which would try every position of a file that does not match.
        found = pattern.match(text, at)
        if not found:
            return _cut_by_dotenv(text)
        lines.append(_Line(found[0], found[1], found[2]))
        at = found.end()
    return tuple(lines)


def _cut_by_dotenv(text: str) -> tuple[_Line, ...]:
    from dotenv.parser import parse_stream

    # python-dotenv drops byte order marks; as a line of their own they stay where they are.
    marks = text[: len(text) - len(text.lstrip("\ufeff"))]
    bindings = parse_stream(io.StringIO(text[len(marks) :], newline=""))
    lines = tuple(_Line(b.original.string, b.key, b.value) for b in bindings)
    return (_Line(marks, None, None), *lines) if marks else lines
