"""The project's Plano configuration: which file it is, and what it says about storing conversations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from planodev.plano import access_keys
from planodev.problems import BadInput
from planodev.project.env_file import is_stream
from planodev.project.identity import CONFIG_NAMES

if TYPE_CHECKING:
    from pathlib import Path


_LIST = "a key in it is a list or a mapping"


@dataclass(frozen=True)
class ConfigFile:
    """A file's text, None where there is none yet; `content` parses it when it is first asked for."""

    path: Path
    text: str | None

    @cached_property
    def content(self) -> dict[str, Any] | None:
        """Return the parsed file; raises `BadInput` with line and column where it is not a YAML mapping."""
        return None if self.text is None else _parse(self.path, self.text)

    @property
    def keys(self) -> list[access_keys.AccessKey]:
        """Return the keys that planoai will look for, each once."""
        return access_keys.named_in(self.content or {})

    @property
    def models(self) -> list[str]:
        """Return the models that it names, `PROVIDER/MODEL` each."""
        content = self.content or {}
        found = access_keys.entries(content, "model_providers") or access_keys.entries(content, "llm_providers")
        return [str(entry["model"]) for entry in found if "model" in entry]

    @property
    def connection_string(self) -> str | None:
        """Return the connection string as it is written, None where conversations are not stored in postgres."""
        storage = (self.content or {}).get("state_storage")
        return self.written_string if isinstance(storage, dict) and storage.get("type") == "postgres" else None

    @property
    def written_string(self) -> str | None:
        """Return the connection string as it is written, also where the type is still another one."""
        storage = (self.content or {}).get("state_storage")
        return str(storage.get("connection_string") or "") or None if isinstance(storage, dict) else None

    @cached_property
    def options(self) -> str:
        """Return the `options` parameter of its connection string, such as `-c search_path=app`, decoded."""
        if "options" not in (self.text or ""):
            return ""  # as nearly every file, and then it need not be parsed yet
        from planodev.plano import driver_url, storage

        try:
            return storage.way(driver_url.parse(storage.with_stand_ins(self.connection_string or ""))).options
        except driver_url.Refused:
            return ""

    @property
    def lacks(self) -> str | None:
        """Say what the file lacks for storing in postgres, None when nothing."""
        storage = (self.content or {}).get("state_storage")
        if not isinstance(storage, dict):
            return f"`{self.path.name}` has no `state_storage`"
        if storage.get("type") != "postgres":
            return f"`{self.path.name}` has `state_storage` of type `{storage.get('type')}`"
        if not storage.get("connection_string"):
            return f"`{self.path.name}` has `state_storage` without `connection_string`"
        return None

    def line_of(self, key: str) -> str:
        """Return where a key of the top level stands, such as " (line 3)"; "" where it is not at a line's start."""
        found = re.search(rf"^[\"']?{re.escape(key)}[\"']?\s*:", self.text or "", re.MULTILINE)
        return f" (line {(self.text or '').count(chr(10), 0, found.start()) + 1})" if found else ""


def find(directory: Path, chosen: str) -> Path:
    """Return the file that planoai would take: the chosen one, else config.yaml, else plano_config.yaml.

    Source: planoai 0.4.39 `utils.py`, `find_config_file`.

    Raises:
        BadInput: the chosen file's directory does not exist.

    """
    if chosen:
        path = directory / chosen
        if not path.parent.is_dir():
            fix = f"`mkdir -p {path.parent}`, or another `--config`"
            raise BadInput("no-config-directory", f"there is no directory `{path.parent}`", fix=fix)
        return path
    candidates = [directory / name for name in CONFIG_NAMES]
    return next((path for path in candidates if path.exists() or path.is_symlink()), candidates[0])


def load(path: Path) -> ConfigFile:
    """Read the file.

    Raises:
        BadInput: it is a directory, a link to nothing, unreadable, or not UTF-8.

    """
    if path.is_symlink() and not path.exists():
        raise _bad(path, f"it is a link to `{path.readlink()}`, which does not exist", f"`rm {path}`")
    if path.is_dir():
        raise _bad(path, "it is a directory; Docker creates one when a missing file is mounted", f"`rmdir {path}`")
    if is_stream(path):
        raise _bad(path, "it is a pipe or a device", "name a file")
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return ConfigFile(path, None)
    except UnicodeDecodeError as error:
        raise _bad(path, f"it is not UTF-8 (byte {error.start})", "save it as UTF-8") from error
    except OSError as error:
        raise _bad(path, error.strerror or "it cannot be read", f"`chmod u+r {path}`") from error
    return ConfigFile(path, text)


def _parse(path: Path, text: str) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = (mark.line, mark.column) if mark else _place(text, getattr(error, "position", None))
        where = f"line {place[0] + 1}, column {place[1] + 1}: " if place else ""
        # A duplicate key is shown with its values, of which one may be a secret.
        why = where + (getattr(error, "problem", None) or str(error).splitlines()[0]).partition(" with value ")[0]
        raise _bad(path, why, f"mend `{path}`; planodev leaves it as it is") from error
    except (TypeError, RecursionError) as error:
        why = _LIST if isinstance(error, TypeError) else "it is nested too deeply"
        raise _bad(path, why, f"mend `{path}`; planodev leaves it as it is") from error
    odd = _odd(content, (), set())
    if odd:
        raise _bad(path, odd, f"mend `{path}`; planodev leaves it as it is")
    if not isinstance(content, dict):
        raise _bad(path, "it holds no mapping of keys", f"mend `{path}`, or move it away to have one written")
    return content


def _odd(content: object, within: tuple[int, ...], fine: set[int]) -> str | None:
    """Say what YAML takes and nobody could use: a key that is a list, an alias for what it is itself a part of.

    Args:
        content: a part of what was read.
        within: what it is a part of, by `id`.
        fine: what was looked at already; aliases can name one thing very often. It is added to.

    """
    parts = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    if not parts or id(content) in fine:
        return None
    if isinstance(content, dict) and any(isinstance(key, (tuple, list, dict)) for key in content):
        return _LIST
    if id(content) in within:
        return "an alias in it stands for what it is itself a part of"
    odd = next((odd for part in parts if (odd := _odd(part, (*within, id(content)), fine))), None)
    fine.add(id(content))
    return odd


def _place(text: str, position: int | None) -> tuple[int, int] | None:
    """Return line and column, from 0, of a character that YAML does not take."""
    if position is None:
        return None
    before = text[:position]
    return before.count("\n"), len(before) - before.rfind("\n") - 1


def _bad(path: Path, why: str, fix: str) -> BadInput:
    return BadInput("bad-config-file", f"`{path}` cannot be used", why=why, fix=fix)
