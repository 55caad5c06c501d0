"""The project's `.env`: read as its readers do, edited without touching a line that is not ours.

Four programs read this file, and only `KEY=value` without quotes, blanks, `export` or an inline comment
means the same to planoai, python-dotenv, `docker --env-file` and `sh`. That is the dialect written here.
"""

from __future__ import annotations

import errno
import io
import re
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planodev.problems import BadInput, Command, Fix, Shell
from planodev.project import env_keys, private_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


_TO_UTF_8 = "(umask 077; iconv -f {0} -t UTF-8 {1} >{2} && mv {2} {1})"
_PLAIN = re.compile(r"[A-Za-z0-9._%+/=:@-]*")
_PROJECT = re.compile(r"(?<![^\r\n])# planodev project: ([0-9a-f]{16})\b")  # at the start of a line, however lines end
_PROJECT_LINE = "# planodev project: {} (links this directory to its database; keep this line)\n"
_DELETED_LINE = "# planodev project: {} (its database was deleted)"
_WHOLE_LINE = re.compile(_PROJECT.pattern + r"[^\r\n]*")


@dataclass(frozen=True)
class _Line:
    """A piece of the file as python-dotenv cuts it: blank lines before it belong to it."""

    text: str
    key: str | None
    value: str | None


@dataclass(frozen=True)
class EnvFile:
    """A `.env`, whole; immutable. `exists` is False where there is no file yet."""

    path: Path
    exists: bool
    lines: tuple[_Line, ...]

    @property
    def text(self) -> str:
        """Return the file's text, every foreign byte as it was."""
        return "".join(line.text for line in self.lines)

    @property
    def values(self) -> dict[str, str]:
        """Return the assignments as python-dotenv reads them, the last one of a key winning."""
        return {line.key: line.value for line in self.lines if line.key and line.value is not None}

    @property
    def missing(self) -> list[str]:
        """Return those of the five keys that have no value."""
        return [key for key in env_keys.ALL if not self.values.get(key)]

    @property
    def project_id(self) -> str | None:
        """Return the 16 hexadecimal digits that tie this checkout to its database."""
        return number_in(self.text)

    @property
    def deleted(self) -> bool:
        """Say whether the file says that the database was deleted, and not lost."""
        return self.project_id is not None and _DELETED_LINE.format(self.project_id) in self.text

    def without_database(self) -> EnvFile:
        """Return the file where it says that the database was deleted; `with_values` takes that back."""
        return self._with_project(_DELETED_LINE.format(self.project_id)) if self.project_id else self

    def _with_project(self, line: str) -> EnvFile:
        return replace(self, lines=_cut(_WHOLE_LINE.sub(line, self.text)))

    def with_values(self, wanted: Mapping[str, str], project_id: str | None = None) -> EnvFile:
        """Return the file with these assignments in the common dialect and everything else untouched.

        Args:
            wanted: values of `[A-Za-z0-9._%+/=:@-]`; others cannot be written so that all readers agree.
            project_id: written as a comment, where it is not there already; None leaves that as it is.

        """
        lines = list(self.lines)
        appended: list[str] = []
        current = self.project_id
        if project_id and self.deleted:
            lines = list(self._with_project(_PROJECT_LINE.format(project_id).rstrip("\n")).lines)
        elif project_id is None or current == project_id:
            pass
        elif current is None:
            appended.append(_PROJECT_LINE.format(project_id))
        else:
            lines = [replace(line, text=_PROJECT.sub(f"# planodev project: {project_id}", line.text)) for line in lines]
        for key, value in wanted.items():
            if not is_plain(value):
                raise ValueError(f"{key} cannot be written unquoted")
            places = [i for i, line in enumerate(lines) if line.key == key]
            if not places:
                appended.append(f"{key}={value}\n")
            for i in places:  # every one: an earlier `export` makes `docker --env-file` refuse the file
                lines[i] = _rewritten(lines[i].text, key, value)
        text = "".join(line.text for line in lines)
        if appended and text and not text.endswith(("\n", "\r")):
            text += "\n"
        text += "".join(appended)
        # planoai reads line by line and takes a line inside somebody's multi-line value for an assignment:
        # whatever it would misread is said again at the end, where it wins for every reader.
        misread = {key: value for key, value in wanted.items() if read_as_planoai(text).get(key) != value}
        if misread and not text.endswith(("\n", "\r")):
            text += "\n"
        text += "".join(f"{key}={value}\n" for key, value in misread.items())
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


def number_in(text: str) -> str | None:
    """Return the number of a project in the text of its `.env`, None where it has none."""
    found = _PROJECT.search(text)
    return found[1] if found else None


# Of `<(…)` and `|`, which end.
_OF_A_SHELL = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")


def load(path: Path) -> EnvFile:
    """Read a `.env`; a missing one is empty.

    Raises:
        BadInput: it is a directory, a link to nothing, unreadable, or not UTF-8.

    """
    if path.is_symlink() and not path.exists():
        raise BadInput(
            "env-file-broken-link",
            f"`{path}` is a link to `{path.readlink()}`, which does not exist",
            fix=Fix("create the file that it points to, or remove the link: ", Shell("rm {}", path)),
        )
    if path.is_dir():
        raise BadInput(
            "env-file-is-directory",
            f"`{path}` is a directory",
            why="Docker creates one when a missing file is mounted",
            fix=Fix("remove it: ", Shell("rmdir {}", path)) if path.name.startswith(".env") else "name a file",
        )
    if is_stream(path):
        raise BadInput("env-file-unreadable", f"`{path}` is a pipe or a device", fix="name a file, or put one there")
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return EnvFile(path, exists=False, lines=())
    except UnicodeDecodeError as error:
        raise BadInput(
            "env-file-not-utf8",
            f"`{path}` is not UTF-8",
            why=f"byte {error.start} is 0x{error.object[error.start]:02x}",
            fix=Fix(Shell(_TO_UTF_8, _charset(error.object), path, f"{path}.new")),
        ) from error
    except OSError as error:
        raise BadInput(
            "env-file-unreadable", f"`{path}` cannot be read", why=error.strerror, fix=Fix(Shell("chmod u+rw {}", path))
        ) from error
    return EnvFile(path, exists=True, lines=_cut(text))


def is_stream(path: Path) -> bool:
    """Say whether reading could wait for ever: a device, or a pipe that no shell has made."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode) and not str(path).startswith(_OF_A_SHELL)


def _charset(content: bytes) -> str:
    return "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "LATIN1"


def make_way(error: OSError, directory: Path) -> str:
    """Return what lets a file be written that could not be."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"make room on the disk of `{directory}`"
    return f"make `{directory}` writable for you"


def is_plain(value: str) -> bool:
    """Say whether a value means the same to every reader when it stands behind `KEY=` as it is."""
    return _PLAIN.fullmatch(value) is not None


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
    from dotenv.parser import parse_stream

    # python-dotenv drops byte order marks; as a line of their own they stay where they are.
    marks = text[: len(text) - len(text.lstrip("\ufeff"))]
    bindings = parse_stream(io.StringIO(text[len(marks) :], newline=""))
    lines = tuple(_Line(b.original.string, b.key, b.value) for b in bindings)
    return (_Line(marks, None, None), *lines) if marks else lines
