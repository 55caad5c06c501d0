"""Keys of model providers: which ones a configuration names, and what planoai makes of them.

Source: planoai 0.4.39 `utils.py:195-252` (which entries are keys, how `.env` is read) and `main.py:455-485` (a `.env`
beside the configuration is the only place that is looked into; what is nowhere there ends the start).
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planodev.project import env_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from planodev.project.env_file import EnvFile

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACEHOLDER = re.compile(
    r"<.*>|y|n|yes|no|none|null|true|false|\$.*|\.{3}|x{3,}|todo|tbd|placeholder|change[-_ ]?me"
    r"|(sk-)?(your|my|replace|insert|enter|put)[-_ ].*|sk-(\.{3}|x{3,}).*|[a-z_]*api[-_]?key([-_]here)?",
    re.IGNORECASE,
)


SHORTEST = 4  # characters; what is shorter was an answer to some question, and no key


@dataclass(frozen=True)
class AccessKey:
    """One key as the configuration writes it.

    Args:
        name: the variable it names, "" where it is written as itself.
        braces: whether it is `${NAME}`, which Plano does not take here.

    """

    name: str
    braces: bool = False


@dataclass(frozen=True)
class Fault:
    """Why planoai would not start with a key, or with a wrong one.

    Args:
        code: stable, lower case, with hyphens.
        message: one sentence without a full stop.
        fix: what mends it.
        key: the variable, "" where none is named.
        fatal: False where Plano gets the key all the same.
        absent: True where a value is missing, so that one could be saved.

    """

    code: str
    message: str
    fix: str
    key: str = ""
    fatal: bool = True
    absent: bool = False


@dataclass(frozen=True)
class Places:
    """Where planoai looks for a key, and the words for it.

    Args:
        beside: the `.env` beside the configuration, which need not exist: the only file that planoai looks into.
        ours: the project's own `.env`, into which keys are saved.
        shell: the environment that planoai starts with.
        config: the configuration.
        option: what `up` needs to see that configuration, such as ` --config other.yaml`.

    """

    beside: Path
    ours: Path
    shell: Mapping[str, str] = field(repr=False)
    config: Path
    option: str = ""

    @property
    def text(self) -> str | None:
        """Return the text of the file that planoai looks into, None where there is none."""
        return self.beside.read_bytes().decode(errors="replace") if self.beside.is_file() else None

    @property
    def saved(self) -> bool:
        """Say whether planoai finds what planodev saves."""
        return not self.beside.is_file() or self.beside.resolve() == self.ours.resolve()

    @property
    def file(self) -> str:
        """Return the file to write a key into, quoted for a shell."""
        path = self.ours if self.saved else self.beside
        return ".env" if path == Path.cwd() / ".env" else shlex.quote(str(path))


def places(config: Path, env: EnvFile, shell: Mapping[str, str], option: str = "") -> Places:
    """Return where planoai will look once it is started by `planodev run`.

    Args:
        config: the configuration.
        env: the project's `.env`.
        shell: the environment that `run` is called in.
        option: what `up` needs to see that configuration.

    """
    beside = config.parent / ".env"
    if not beside.is_file():  # then it takes what `run` gives it
        shell = {**shell, **{name: value for name, value in env.values.items() if value}}
    return Places(beside, env.path, shell, config, option)


def named_in(content: Mapping[str, Any]) -> list[AccessKey]:
    """Return the keys that planoai looks for in a parsed configuration, each once, in their order."""
    return list(dict.fromkeys(_key(text) for text in _written(content)))


def is_placeholder(value: str) -> bool:
    """Say whether a value only holds the place of one, such as `<your key>` or `changeme`."""
    return _PLACEHOLDER.fullmatch(value.strip()) is not None


def can_be_saved(value: str) -> bool:
    """Say whether every reader of `.env` reads a value alike when it is written as it is."""
    return len(value) >= SHORTEST and env_file.is_plain(value) and not is_placeholder(value)


def faults(keys: Iterable[AccessKey], where: Places) -> list[Fault]:
    """Return what planoai will stumble over, the fatal ones first; nothing where it gets every key."""
    text = where.text
    values = where.shell if text is None else env_file.read_as_planoai(text)
    found = [fault for key in keys if (fault := _fault(key, values, where))]
    return sorted(found, key=lambda fault: not fault.fatal)


def _fault(key: AccessKey, values: Mapping[str, str], places: Places) -> Fault | None:
    name, config = key.name, places.config.name
    if not name:
        text = f"an access_key in `{config}` is written as itself, and planoai takes it for a variable's name"
        fix = f"move it into `{places.file}` as NAME=…, and write `access_key: $NAME`"
        return Fault("access-key-literal", text, fix)
    if key.braces:
        text = f"planoai does not find `${{{name}}}`: an access_key takes no braces"
        return Fault("access-key-braces", text, f"write `access_key: ${name}` in `{config}`", name)
    value = values.get(name)
    if value is None and values.get(f"export {name}"):
        text = f"{name} in `.env` has `export` before it, and planoai takes that for a part of the name"
        return Fault("key-exported", text, f"write {name}=… without `export` in `{places.file}`", name)
    if value is None or not value.strip("\"'") or is_placeholder(value):
        return _without(name, value and value.strip("\"'"), places)
    return _misread(name, value, places.file) if values is not places.shell else None


def _without(name: str, value: str | None, places: Places) -> Fault:
    here = bool(places.shell.get(name)) and not is_placeholder(places.shell[name])
    alone = places.beside.is_file()
    if here and places.saved:
        fix = f"`planodev up{places.option} --save-keys`"
    elif here:
        # A line of its own, also behind a last line that has no end.
        fix = f"`printf '\\n{name}=%s\\n' \"${name}\" >> {places.file}`"
    else:
        ask = f"printf '{name}: '; read -rs KEY; printf '\\n{name}=%s\\n' \"$KEY\" >> {places.file}"
        fix = f"`{ask}` reads it unseen"
    place = "`.env`" if alone else "the shell"
    if value is None and not here:
        text = f"{name} is neither in `.env` nor in the shell, and planoai would not start without it"
        return Fault("key-not-in-env-file", text, fix, name, absent=True)
    if value is None:
        text = f"{name} is in the shell only, and planoai reads it from `.env` alone: it would not start"
        return Fault("key-not-in-env-file", text, fix, name, absent=True)
    if not value:
        hidden = ", and hides the one in the shell" if here and alone else ""
        text = f"{name} is empty in {place}{hidden}: Plano would start without it"
        return Fault("key-empty", text, fix, name, absent=True)
    text = f"{name} in {place} only holds the place of a key, and Plano would send it"
    return Fault("key-placeholder", text, fix, name, absent=True)


def _misread(name: str, value: str, file: str) -> Fault | None:
    # Plano gets the right key of these two, since the value is pasted into YAML; nobody should rely on that.
    if value[0] in "\"'":
        text = f"{name} in `.env` is quoted, and planoai takes the quotes for a part of it"
        return Fault("key-quoted", text, f"write {name}=… without quotes in `{file}`", name, fatal=False)
    if re.search(r"\s#", value):
        text = f"{name} in `.env` has a comment behind it, and planoai takes that for a part of it"
        return Fault("key-with-comment", text, f"put the comment on a line of its own in `{file}`", name, fatal=False)
    return None


def _key(text: str) -> AccessKey:
    braces = re.fullmatch(r"\$\{(.*)\}", text)
    name = braces[1] if braces else text.removeprefix("$")
    return AccessKey(name, braces=bool(braces)) if text.startswith("$") and _NAME.fullmatch(name) else AccessKey("")


def _written(content: Mapping[str, Any]) -> Iterator[str]:
    for entry in entries(content, "model_providers") or entries(content, "llm_providers"):
        if entry.get("access_key"):
            yield str(entry["access_key"])
    for target in entries(content, "prompt_targets"):
        endpoint = target.get("endpoint")
        headers = endpoint.get("http_headers") if isinstance(endpoint, dict) else None
        for name, value in headers.items() if isinstance(headers, dict) else ():
            if str(name).lower() == "authorization" and value:
                yield str(value).split(" ")[1 if " " in str(value) else 0]


def entries(content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the mappings in a list of the configuration; what is not one is Plano's schema's business."""
    found = content.get(name)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
