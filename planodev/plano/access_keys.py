"""Keys of model providers: which ones a configuration names, and where planoai looks for them.

Source: planoai 0.4.39 `utils.py:195-252` (which entries are keys, how `.env` is read) and `main.py:455-485` (a `.env`
beside the configuration is the only place that is looked into; what is nowhere there ends the start).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from planodev.pasting import quoted
from planodev.plano.entries import entries, numbered
from planodev.project import env_file, regular_file
from planodev.project.references import keeper_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from planodev.project.env_file import EnvFile

    KeyPath = tuple[str | int, ...]

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_MEANT = r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:KEY|TOKEN|BEDROCK|SECRET)"  # of a variable's name, and not of a key itself
_BREAKING = r"[@%*{\[&`].*|.*:|[-?:] .*"  # YAML reads these as anything but the text
_PLACEHOLDER = (
    r"(?i)<.*>|y|n|yes|no|none|null|true|false|\$.*|\.{3}|x{3,}|todo|tbd|placeholder|change[-_ ]?me"
    r"|(sk-)?(your|my|replace|insert|enter|put)[-_ ].*|sk-(\.{3}|x{3,}).*|[a-z_]*api[-_]?key([-_]here)?"
)

SHORTEST = 4  # characters; anything shorter is no key, but an answer to another question


@dataclass(frozen=True)
class AccessKey:
    """One key as the configuration writes it.

    Args:
        name: the variable it names, "" where the configuration has the key itself.
        braces: whether it is `${NAME}`, which Plano does not take here.
        meant: the variable that was probably meant by another form, such as `NAME` or `$$NAME`; "" for none.
        paths: where the configuration has it, each as `("model_providers", 0, "access_key")`.
        lines: of them, from 1, as far as they are known.

    """

    name: str
    braces: bool = False
    meant: str = ""
    paths: tuple[KeyPath, ...] = field(default=(), compare=False)
    lines: tuple[int, ...] = field(default=(), compare=False)


class Places(NamedTuple):
    """Where planoai looks for provider keys, and how messages name that.

    Args:
        beside: the `.env` beside the configuration, which need not exist: the only file that planoai looks into.
        text: what that file says, None where there is none.
        ours: the project's own `.env`, into which keys are saved.
        shell: the environment that planoai starts with.
        config: the configuration.
        option: what `up` needs to see that configuration, such as `("--config", "other.yaml")`.

    """

    beside: Path
    text: str | None
    ours: Path
    shell: Mapping[str, str]
    config: Path
    option: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return it without the environment, which holds keys."""
        return f"Places({self.beside!r}, {self.ours!r}, {self.config!r})"

    @property
    def there(self) -> bool:
        """Say whether there is a file that planoai looks into."""
        return self.text is not None

    def in_shell(self, name: str) -> bool:
        """Say whether the shell has a key, and no placeholder or reference."""
        value = self.shell.get(name, "")
        return bool(value) and not is_placeholder(value) and not reference_in(value)

    @property
    def saved(self) -> bool:
        """Say whether planoai finds what planodev saves."""
        return not self.there or self.beside.resolve() == self.ours.resolve()

    @property
    def target(self) -> Path:
        """Return the file to write a key into: the one that planoai looks into."""
        return self.ours if self.saved else self.beside

    @property
    def file(self) -> str:
        """Return that file, quoted for a shell."""
        path = self.target
        return ".env" if path == Path.cwd() / ".env" else quoted(path)


def places(  # noqa: PLR0913  each is a source of keys
    config: Path,
    env: EnvFile,
    keys_env: EnvFile | None,
    shell: Mapping[str, str],
    option: tuple[str, ...] = (),
    *,
    will_be: bool = False,
) -> Places:
    """Return where planoai will look once it is started by `planodev run`.

    Args:
        config: the configuration.
        env: the file with the database's address.
        keys_env: the project's `.env`, None where that cannot be used.
        shell: the environment that `run` is called in.
        option: what `up` needs to see that configuration.
        will_be: whether the project's `.env` is about to be created, where it is not there yet.

    Raises:
        OSError: the `.env` beside a configuration in another directory cannot be read.

    """
    beside, ours = config.parent / ".env", env.path.with_name(env_file.NAME)
    text = _text(beside, [file for file in (env, keys_env) if file])
    if text is None:  # without a `.env` planoai uses its environment, which `run` fills
        shell = {**shell, **{name: value for name, value in env.values.items() if value}}
        text = "" if will_be and beside == ours else None
    return Places(beside, text, ours, shell, config, option)


def _text(path: Path, files: Iterable[EnvFile]) -> str | None:
    """Return the text of a file, which is read where it is none of those that were; None where it is not there."""
    for file in files:
        if file.path == path and file.exists:
            return file.text
    return regular_file.text(path) if path.is_file() else None


def named_in(content: Mapping[str, Any]) -> list[AccessKey]:
    """Return the keys that planoai looks for in a parsed configuration, each once, in their order."""
    found: dict[AccessKey, tuple[KeyPath, ...]] = {}
    for path, text in _written(content):
        found[_key(text)] = (*found.get(_key(text), ()), path)
    return [replace(key, paths=paths) for key, paths in found.items()]


def is_placeholder(value: str) -> bool:
    """Say whether a value only holds the place of one, such as `<your key>` or `changeme`."""
    return re.fullmatch(_PLACEHOLDER, value.strip()) is not None


def is_name(text: str) -> bool:
    """Say whether this can be the name of a variable."""
    return re.fullmatch(_NAME, text) is not None


def reference_in(value: str) -> str | None:
    """Return whose reference a value is, quoted or not, which planoai sends as it stands; None for one that is none."""
    value = value.strip("\"'")
    keeper = keeper_of(value)
    if keeper:
        return f"of {keeper.name}"
    return "to another variable" if re.search(rf"^\${_NAME}|\$\{{", value) else None


def why_not(value: str) -> str | None:
    """Return why a value cannot be saved as a key, without showing it; None where it can."""
    if is_placeholder(value):
        return "it is only a placeholder"
    reference = reference_in(value)
    if reference:
        return f"it is a reference {reference}"
    if len(value) < SHORTEST:
        return f"it has fewer than {SHORTEST} characters"
    if breaks_yaml(value):
        return "it begins or ends with a character that is special in YAML, into which Plano inserts it unquoted"
    if not env_file.is_plain(value):
        return "not every reader of `.env` would read it alike: it has a space, a quote or another unusual character"
    return None


def breaks_yaml(value: str) -> bool:
    """Say whether a key that stands unquoted in Plano's rendered configuration keeps brightstaff from reading it."""
    return re.fullmatch(_BREAKING, value) is not None


def can_be_saved(value: str) -> bool:
    """Say whether every reader of `.env` reads a value alike when it is written as it is."""
    return why_not(value) is None


def models_of(content: Mapping[str, Any], key: AccessKey) -> list[str]:
    """Return the models of a parsed configuration that are reached with a key, as it writes them."""
    found = entries(content, "model_providers") or entries(content, "llm_providers")
    return [str(one.get("model")) for one in found if one.get("access_key") and _key(str(one["access_key"])) == key]


def _key(text: str) -> AccessKey:
    braces = re.fullmatch(r"\$\{(.*)\}", text)
    name = braces[1] if braces else text.removeprefix("$")
    if text.startswith("$") and re.fullmatch(_NAME, name):
        return AccessKey(name, braces=bool(braces))
    word = text.strip(" $")
    return AccessKey("", meant=word if re.fullmatch(_MEANT, word) else "")


def _written(content: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    named = "model_providers" if entries(content, "model_providers") else "llm_providers"
    for at, entry in numbered(content, named):
        if entry.get("access_key"):
            yield (named, at, "access_key"), str(entry["access_key"])
    for at, target in numbered(content, "prompt_targets"):
        endpoint = target.get("endpoint")
        headers = endpoint.get("http_headers") if isinstance(endpoint, dict) else None
        for name, value in headers.items() if isinstance(headers, dict) else ():
            if str(name).lower() == "authorization" and value:
                text = str(value).split(" ")[1 if " " in str(value) else 0]
                yield ("prompt_targets", at, "endpoint", "http_headers", name), text
