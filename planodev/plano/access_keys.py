"""Keys of model providers: which ones a configuration names, and what planoai makes of them.

Source: planoai 0.4.39 `utils.py:195-252` (which entries are keys, how `.env` is read) and `main.py:455-485` (a `.env`
beside the configuration is the only place that is looked into; what is nowhere there ends the start).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from planodev import env_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACEHOLDER = re.compile(
    r"<.*>|\$.*|\.{3}|x{3,}|todo|tbd|placeholder|change[-_ ]?me"
    r"|(sk-)?(your|my|replace|insert|enter|put)[-_ ].*|sk-(\.{3}|x{3,}).*|[a-z_]*api[-_]?key([-_]here)?",
    re.IGNORECASE,
)


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
    """Why planoai would not start with a key, or start with a wrong one: a code, and the words."""

    code: str
    message: str
    fix: str
    key: str = field(default="", compare=False)


def named_in(content: Mapping[str, Any]) -> list[AccessKey]:
    """Return the keys that planoai looks for in a parsed configuration, each once, in their order."""
    return list(dict.fromkeys(_key(text) for text in _written(content)))


def is_placeholder(value: str) -> bool:
    """Say whether a value only holds the place of one, such as `<your key>` or `changeme`."""
    return _PLACEHOLDER.fullmatch(value.strip()) is not None


def can_be_saved(value: str) -> bool:
    """Say whether every reader of `.env` reads a value alike when it is written as it is."""
    return bool(value) and env_file.is_plain(value) and not is_placeholder(value)


def fault(key: AccessKey, beside: str | None, shell: Mapping[str, str], config: str, file: str) -> Fault | None:
    """Say what planoai will stumble over, None where it gets the key.

    Args:
        key: as the configuration writes it.
        beside: the text of the `.env` beside the configuration, None where there is none.
        shell: the environment that planoai starts with.
        config: the configuration's name, for the words.
        file: the `.env`'s path, quoted for a shell, for the words.

    """
    name = key.name
    if not name:
        text = f"an access_key in `{config}` is written as itself, and planoai takes it for a variable's name"
        return Fault("access-key-literal", text, f"move it into `{file}` as NAME=…, and write `access_key: $NAME`")
    if key.braces:
        text = f"planoai does not find `${{{name}}}`: an access_key takes no braces"
        return Fault("access-key-braces", text, f"write `access_key: ${name}` in `{config}`", name)
    value = (shell if beside is None else env_file.read_as_planoai(beside)).get(name)
    here = bool(shell.get(name)) and not is_placeholder(shell[name])
    if value is None or not value or is_placeholder(value):
        return _without(name, value, here=here, alone=beside is not None, file=file)
    return None if beside is None else _misread(name, value, file)


def _without(name: str, value: str | None, *, here: bool, alone: bool, file: str) -> Fault:
    fix = "`planodev up --save-keys`" if here else f"`planodev up` at a terminal asks for it; or `{file}`: {name}=…"
    place = "`.env`" if alone else "the shell"
    if value is None:
        where = "is in the shell only" if here else "is nowhere"
        looked = "planoai reads it from `.env` alone" if alone else "planoai takes it from the shell"
        return Fault("key-not-in-env-file", f"{name} {where}, and {looked}: it would not start", fix, name)
    if not value:
        hidden = ", and hides the one in the shell" if here and alone else ""
        return Fault("key-empty", f"{name} is empty in {place}{hidden}: Plano would start without it", fix, name)
    text = f"{name} in {place} only holds the place of a key, and Plano would send it"
    return Fault("key-placeholder", text, fix, name)


def _misread(name: str, value: str, file: str) -> Fault | None:
    if value[0] in "\"'":
        text = f"{name} in `.env` is quoted, and planoai takes the quotes for a part of it"
        return Fault("key-quoted", text, f"write {name}=… without quotes in `{file}`", name)
    if re.search(r"\s#", value):
        text = f"{name} in `.env` has a comment behind it, and planoai takes that for a part of it"
        return Fault("key-with-comment", text, f"put the comment on a line of its own in `{file}`", name)
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
