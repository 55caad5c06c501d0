"""The project's Plano configuration: which file it is, and what it says about storing conversations."""

from __future__ import annotations

import errno
import json
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from planodev import masking
from planodev.plano import yaml_of_plano, yaml_places
from planodev.problems import BadInput, Command, Fix, Shell
from planodev.project import env_keys, regular_file, settings
from planodev.project.env_kinds import is_stream
from planodev.project.identity import CONFIG_NAMES

if TYPE_CHECKING:
    from pathlib import Path

    from planodev.plano.access_keys import AccessKey
    from planodev.plano.yaml_places import Place

    KeyPath = tuple[str | int, ...]  # such as ("listeners", 0, "port")

_LARGEST = 250_000  # characters of a file: ruamel.yaml reads some 50,000 in a second
_MOST = 1_000_000  # characters and nodes, with every alias written out
_DEEPEST = 500  # nested brackets
_TOO_MUCH = "its aliases expand to too much text"
_LIST = "a key in it is a list or a mapping"
_HUGE = "a number in it is larger than Plano can hold"  # and Python can't write it in decimal, beyond 4300 digits
# Accepted by planoai 0.4.39; source: `data/plano_config_schema.yaml`.
VERSIONS = ("v0.1", "v0.1.0", "0.1-beta", "0.2.0", "v0.3.0", "v0.4.0")
# Top-level keys; first those that hardly any other program has.
_OF_PLANO = (
    *("model_providers", "llm_providers", "prompt_targets", "prompt_guards", "state_storage", "model_aliases"),
    *("routing_preferences", "model_metrics_sources"),
)
KEYS = frozenset(
    {*_OF_PLANO, "version", "agents", "filters", "listeners", "endpoints", "overrides", "prompt_caching"}
    | {"system_prompt", "ratelimits", "tracing", "mode", "routing"}
)
# Other programs with a config.yaml, and keys of which one is enough to recognise it.
_OTHER_TOOLS = {
    "LiteLLM": ("model_list", "litellm_settings", "router_settings", "general_settings"),
    "Hugo": ("baseURL", "baseurl", "languageCode", "theme", "taxonomies"),
    "a training run": ("learning_rate", "batch_size", "epochs", "num_epochs", "optimizer", "dataset", "trainer"),
}
_MARKS = r"(?m)^\ufeff|#.*$|^(?:---|\.\.\.)(?=\s|$)"  # no content: byte order mark, comments, document marks
_NOTHING = ("", "null", "~", "{}")
_OWN_NAME = "plano.yaml"  # for Plano's configuration beside another program's config.yaml
_VERSION = r"v\d.*|0\.\d.*"  # as Plano counts; other programs say 2 or 3.8


class ConfigChange(NamedTuple):
    """What becomes of a configuration: `verb` as in `Outcome`; `text` is None where nothing has to be written."""

    verb: str
    detail: str = ""
    text: str | None = None

    def __repr__(self) -> str:
        """Return it without the text, which may hold a password."""
        return f"ConfigChange({self.verb!r}, {self.detail!r})"


UNCHANGED = ConfigChange("unchanged")


@dataclass(frozen=True)
class ConfigFile:
    """A file's text, None where there is none yet; `content` parses it when it is first asked for."""

    path: Path
    text: str | None = field(repr=False)  # which may hold a password
    # What stands in the file of one that is still to be written.
    before: ConfigFile | None = field(default=None, repr=False)

    @property
    def as_it_stands(self) -> ConfigFile:
        """Return the file that a reader finds now, whose lines are named; this one where nothing stands there yet."""
        return self.before if self.before and not self.before.blank else self

    @cached_property
    def _parsed(self) -> tuple[Any, dict[str, Any] | None]:
        """The document as ruamel.yaml has taken it apart, which says where things stand, and what it holds."""
        return (None, None) if self.text is None else _parse(self.path, self.text)

    @property
    def content(self) -> dict[str, Any] | None:
        """Return the parsed file; raises `BadInput` with line and column where it is not a YAML mapping."""
        return self._parsed[1]

    @property
    def keys(self) -> list[AccessKey]:
        """Return the keys that planoai will look for, each once."""
        from planodev.plano import access_keys

        found = access_keys.named_in(self.content or {})
        return [replace(key, lines=tuple(line for path in key.paths if (line := self.line(*path)))) for key in found]

    @property
    def blank(self) -> bool:
        """Say whether it is there and holds nothing, or comments alone; `planoai init` writes such a file."""
        return self.text is not None and re.sub(_MARKS, "", self.text).strip() in _NOTHING

    @property
    def connection_string(self) -> str | None:
        """Return the connection string as it is written, None where conversations are not stored in postgres."""
        storage = (self.content or {}).get("state_storage")
        return self.written_string if isinstance(storage, dict) and storage.get("type") == "postgres" else None

    @property
    def written_string(self) -> str | None:
        """Return the connection string as it is written, also where the type is still another one."""
        storage = (self.content or {}).get("state_storage")
        written = storage.get("connection_string") if isinstance(storage, dict) else None
        return str(written) if written and not isinstance(written, (dict, list)) else None

    @property
    def literal_port(self) -> int | None:
        """Return the port that its connection string has beside `${DB_HOST}`; the text need not be parsed for it."""
        found = re.search(rf"(?m)^[^#\n]*@\$\{{?{env_keys.HOST}\}}?:(\d{{1,5}})/", self.text or "")
        return int(found[1]) if found and 0 < int(found[1]) < 65536 else None  # noqa: PLR2004

    @cached_property
    def options(self) -> str:
        """Return the `options` parameter of its connection string, such as `-c search_path=app`, decoded."""
        if "options" not in (self.text or ""):
            return ""  # so for nearly every file, which need not be parsed then
        from planodev.plano import driver_url, storage

        try:
            return storage.connection_to(driver_url.parse(storage.with_stand_ins(self.connection_string or ""))).options
        except driver_url.Refused:
            return ""

    @property
    def lacks(self) -> str | None:
        """Say what the file lacks for storing in postgres, None when nothing."""
        lacks = _lacks(self.content or {})
        return f"`{self.path.name}` has {lacks}" if lacks else None

    def line(self, *path: str | int) -> int | None:
        """Return the line, from 1, where a key or an entry stands, or the nearest part of its path that is written."""
        place = self._place(*path)
        return place.first if place else None

    def _place(self, *path: str | int) -> Place | None:
        found = self.as_it_stands._along(path)  # noqa: SLF001  another one of this class
        return found[-1] if found else None

    def _along(self, path: tuple[str | int, ...]) -> list[Place]:
        """Return the places of the parts of a path, as far as they are written in this text."""
        root = self._parsed[0]
        return [] if root is None else [*yaml_places.along(root, self.text or "", path)]

    def has(self, *path: str | int) -> bool:
        """Say whether a key or an entry stands there itself, and does not come by an alias or by `<<`."""
        stands = self.as_it_stands
        return stands._parsed[0] is not None and len(stands._along(path)) == len(path)  # noqa: SLF001

    def at(self, *path: str | int) -> str:
        """Return where something stands for a message, such as " (line 3)"; "" where that is not known."""
        line = self.line(*path)
        return f" (line {line})" if line else ""

    def where(self, *path: str | int) -> str:
        """Return where something stands for a fix, such as "line 3 of `config.yaml`"."""
        line = self.line(*path)
        return f"line {line} of `{self.path.name}`" if line else f"`{self.path.name}`"

    def without(self, *path: str | int, said: str = "") -> str:
        """Return the fix that removes a key with all that it holds, or an entry of a list, which is written.

        A mapping of nothing else goes with its last key, since an empty one is refused.

        Args:
            path: of the key or the entry.
            said: how the key is called, by default its name.

        """
        root = self.as_it_stands._parsed[0]  # noqa: SLF001
        if not self.has(*path):
            return f"in {self.where(*path)} write the keys that it needs in place of the alias, without `{path[-1]}`"
        while len(path) > 1 and isinstance(path[-1], str) and yaml_places.alone(root, path):
            path, said = path[:-1], ""
        entry = "the listener" if path[:1] == ("listeners",) and len(path) == 2 else "the entry"  # noqa: PLR2004
        what = f"{entry} in" if type(path[-1]) is int else f"`{said or path[-1]}` from"
        return f"remove {what} {self._place(*path)} of `{self.path.name}`"


def _lacks(content: dict[str, Any]) -> str | None:
    if "state_storage" not in content:
        return "no `state_storage`"
    storage = content["state_storage"]
    if not isinstance(storage, dict):
        return "a `state_storage` that is not a mapping of keys" if storage else "an empty `state_storage`"
    if "type" not in storage:
        return "`state_storage` without `type`"
    if storage["type"] != "postgres":
        return f"`state_storage` of type `{masking.value(str(storage['type']))}`"
    written = storage.get("connection_string")
    if isinstance(written, (dict, list)) and written:
        return "a `connection_string` that is not a text"
    return None if written else "`state_storage` without `connection_string`"


def find(directory: Path, chosen: str) -> Path:
    """Return the file that planoai would take: the chosen one, else config.yaml, else plano_config.yaml.

    Source: planoai 0.4.39 `utils.py`, `find_config_file`.

    Raises:
        BadInput: the chosen file's directory does not exist.

    """
    if chosen:
        path = directory / chosen
        if not path.parent.is_dir():
            fix = Fix(Shell("mkdir -p {}", path.parent), ", or another `--config`")
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
        raise _bad(path, f"it is a link to `{path.readlink()}`, which does not exist", Fix(Shell("rm {}", path)))
    if path.is_dir():
        raise _bad(
            path, "it is a directory; Docker creates one when a missing file is mounted", Fix(Shell("rmdir {}", path))
        )
    if is_stream(path):
        raise _bad(path, "it is a pipe or a device", "name a file")
    try:
        text = regular_file.read(path).decode()
    except FileNotFoundError:
        return ConfigFile(path, None)
    except UnicodeDecodeError as error:
        raise _bad(path, f"it is not UTF-8 (byte {error.start})", "save it as UTF-8") from error
    except OSError as error:
        fix = Fix(Shell("chmod u+r {}", path)) if error.errno in (errno.EACCES, errno.EPERM) else "name a file"
        raise _bad(path, error.strerror or "it cannot be read", fix) from error
    return ConfigFile(path, text)


def _parse(path: Path, text: str) -> tuple[Any, dict[str, Any]]:
    import ruamel.yaml
    import ruamel.yaml.error

    if len(text) > _LARGEST:
        size = f"it has {len(text):,} characters, and no configuration of Plano is larger than {_LARGEST:,}"
        raise _bad(path, size, f"move `{path}` away, or name another one with `--config`")
    if ConfigFile(path, text).blank:
        raise BadInput(
            "config-empty",
            f"`{path}` is empty, and Plano does not start with it",
            why="`planoai init` writes such a file where no template is chosen",
            fix=Fix(Command("up", *_named(path), "--yes"), " fills it from a template"),
        )
    try:
        root, content = _load(text)
    except ruamel.yaml.error.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = (mark.line, mark.column) if mark else _place(text, getattr(error, "position", None))
        where = f"line {place[0] + 1}, column {place[1] + 1}: " if place else ""
        why = where + _said(getattr(error, "problem", None) or str(error).splitlines()[0])
        raise _bad(path, why, _repair(path, why, place)) from error
    except _OF_RUAMEL as error:
        # A key is no scalar, a `!!timestamp` is none, a number is too long, `%YAML 1.3` stands at the top.
        whys = {TypeError: _LIST, RecursionError: "it is nested too deeply", _TooMuch: _TOO_MUCH}
        why = whys.get(type(error), "a value in it does not fit its type")
        raise _bad(path, why, f"correct `{path}`; planodev does not change it") from error
    odd = _odd(content, (), set())
    if odd:
        raise _bad(path, odd, f"correct `{path}`; planodev does not change it")
    if not isinstance(content, dict):
        raise _bad(path, "it is not a mapping of keys", f"correct `{path}`, or move it away to have one written")
    tool = _other_tool(content)
    if tool:
        raise BadInput(
            "config-of-another-tool",
            f"`{path}` is the configuration of {tool}, not of Plano",
            why="it has none of Plano's keys; planodev does not change it",
            fix=_for_plano(path),
        )
    return root, content


def _said(problem: str) -> str:
    """Return ruamel.yaml's words without what it repeats of the file, which may be secret, but a duplicate key.

    A password that begins with `*`, `&` or `!`, and that nobody has put in quotes, is an alias, an anchor or a tag.
    """
    key = re.match(r"found duplicate key \"(.*?)\" with value ", problem, re.DOTALL)
    if key:
        return f'found duplicate key "{masking.value(key[1])}"'
    return re.sub(
        r"(?s)((?:undefined alias|tag handle|for the tag|timestamp from) ).+", rf"\1{masking.HIDDEN}", problem
    )


def _for_plano(path: Path) -> Fix:
    """Return the fix for a configuration of another program: the one of Plano that is beside it, or a new one."""
    other = path.with_name(CONFIG_NAMES[-1])
    if other != path and other.is_file():
        return Fix(Command("up", "--config", other.name), f" uses the one beside it, and {for_all(other.name)}")
    return Fix(Command("up", "--config", _OWN_NAME), f" writes one for Plano beside it, and {for_all(_OWN_NAME)}")


def for_all(name: str) -> str:
    """Return how a configuration is chosen for every command, and not for the one with `--config` alone."""
    written = json.dumps(name, ensure_ascii=False)
    return f"the line `config = {written}` in `{settings.FILE_NAME}` has every command read it"


def _repair(path: Path, why: str, place: tuple[int, int] | None) -> str:
    """Return the fix for a text that is not YAML, or uses YAML that planodev does not accept."""
    line = f"line {place[0] + 1} of `{path.name}`" if place else f"`{path.name}`"
    whats = {
        "duplicate key": f"remove one of the two; planoai would take {line}",
        "another document": f"remove everything from {line} on: planoai reads one document",
        "'\\t'": f"replace the tab with spaces in {line}",
    }
    return next((what for sign, what in whats.items() if sign in why), f"correct {line}; planodev does not change it")


# What ruamel.yaml's scanner and constructors raise beside its own errors.
_OF_RUAMEL = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class _TooMuch(ValueError):
    """The aliases of a YAML text expand to more than a person can have written."""


def _load(text: str) -> tuple[Any, Any]:
    """Return a YAML text's document and what it holds, once it is known that aliases do not make gigabytes of it."""
    opened = text.count("[") + text.count("{")
    if opened > _DEEPEST and max(accumulate((one in "[{") - (one in "]}") for one in text)) > _DEEPEST:
        raise RecursionError  # ruamel.yaml raises it too, but after ten seconds
    yaml = yaml_of_plano.reader()
    root = yaml.compose(text)
    if root is None:
        return None, None
    if _written_out(root, {}) > _MOST:
        raise _TooMuch(_TOO_MUCH)
    return root, yaml.constructor.construct_document(root)


def _written_out(node: Any, known: dict[int, int]) -> int:  # noqa: ANN401
    """Return how many characters and nodes there are with every alias written out.

    Args:
        node: a part of the document.
        known: the same of each part that was counted, by `id`; one that is not yet is a part of itself. It is added to.

    """
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = 1
    if node.id == "scalar":
        known[id(node)] += len(node.value)
    else:
        parts = [part for pair in node.value for part in pair] if node.id == "mapping" else node.value
        known[id(node)] += sum(_written_out(part, known) for part in parts)
    return known[id(node)]


def _named(path: Path) -> tuple[str, ...]:
    return () if path.name in CONFIG_NAMES else ("--config", str(path))


def _other_tool(content: dict[str, Any]) -> str | None:
    """Return whose configuration this is, None where it may be Plano's."""
    version = str(content.get("version"))
    if not content or any(key in content for key in _OF_PLANO) or version in VERSIONS:
        return None
    maybe = "listeners" in content or "agents" in content or re.fullmatch(_VERSION, version)
    if maybe and all(key in KEYS for key in content):
        return None
    tools = (tool for tool, keys in _OTHER_TOOLS.items() if any(key in content for key in keys))
    return next(tools, "another program")


def _is_huge(content: object) -> bool:
    return isinstance(content, int) and abs(content) >= 1 << 64


def _odd(content: object, within: tuple[int, ...], fine: set[int]) -> str | None:
    """Return what YAML allows and Plano cannot use: a list as a key, a huge number, an alias that contains itself.

    Args:
        content: a part of what was read.
        within: what it is a part of, by `id`.
        fine: what was looked at already; aliases can name one thing very often. It is added to.

    """
    parts = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    if _is_huge(content):
        return _HUGE
    if not parts or id(content) in fine:
        return None
    if isinstance(content, dict) and any(isinstance(key, (tuple, list, dict)) for key in content):
        return _LIST
    if isinstance(content, dict) and any(map(_is_huge, content)):
        return _HUGE
    if id(content) in within:
        return "an alias in it refers to itself"
    odd = next((odd for part in parts if (odd := _odd(part, (*within, id(content)), fine))), None)
    fine.add(id(content))
    return odd


def _place(text: str, position: int | None) -> tuple[int, int] | None:
    """Return line and column, from 0, of a character that YAML does not allow."""
    if position is None:
        return None
    before = text[:position]
    return before.count("\n"), len(before) - before.rfind("\n") - 1


def _bad(path: Path, why: str, fix: Fix | str) -> BadInput:
    return BadInput("bad-config-file", f"`{path}` cannot be used", why=why, fix=fix)
