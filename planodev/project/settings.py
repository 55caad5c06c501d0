"""The settings of a run, each with its source.

Order: option, `PLANODEV_*` variable, `planodev.toml`, what the project already has, default. Not click's `envvar` and
`default_map`: they end with the options, and all commands obey these settings, also those that have no such option;
`down` works and `doctor` reports where one of them is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from planodev.problems import BadInput, Command, Fix
from planodev.project import defaults, env_file, regular_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

T = TypeVar("T")
PREFIX = "PLANODEV_"
FILE_NAME = "planodev.toml"
AUTO = "auto"
ENGINES = (AUTO, "docker", "embedded")
PLANO = ("docker", "native")
PULL = ("missing", "always", "never")
LONGEST = 3600  # seconds: the largest value of an option for a wait


@dataclass(frozen=True)
class Setting(Generic[T]):
    """A value and its source: `--port`, `PLANODEV_PORT`, `planodev.toml`, `.env`, a label, or `default`."""

    value: T
    source: str

    @property
    def asked(self) -> bool:
        """Say whether the user asked for this value in this run, so that it may not be replaced by another."""
        return self.source.startswith(("--", PREFIX)) or self.source == FILE_NAME


class Settings(NamedTuple):
    """All settings; `look` lays under them what the project already has (name, port, image)."""

    engine: Setting[str]
    plano: Setting[str]
    port: Setting[int]
    name: Setting[str]
    image: Setting[str]
    pull: Setting[str]
    template: Setting[str]
    model: Setting[tuple[str, ...]]
    config: Setting[str]
    dotenv: Setting[str]
    timeout: Setting[float]

    def as_json(self) -> dict[str, dict[str, Any]]:
        """Return `{name: {value, source}}`."""
        return {
            name: {"value": list(s.value) if isinstance(s.value, tuple) else s.value, "source": s.source}
            for name, s in self._asdict().items()
        }


class File:
    """A project's `planodev.toml`, read once in a run, when the first setting is needed."""

    def __init__(self) -> None:
        self._values: dict[Path, dict[str, Any]] = {}

    def values(self, directory: Path) -> dict[str, Any]:
        """Return what it says, by setting; nothing where there is none.

        Raises:
            BadInput: it cannot be read, is not TOML, or has an unknown key.

        """
        if directory not in self._values:
            self._values[directory] = _read_file(directory / FILE_NAME)
        return self._values[directory]


class Sources:
    """Where one run's settings come from.

    Args:
        options: what was typed, by name; None or an empty tuple for an option that was not given.
        environment: the process's environment.
        directory: the project, None to leave its file out.
        file: `planodev.toml` there.

    """

    def __init__(
        self,
        options: Mapping[str, Any],
        environment: Mapping[str, str],
        directory: Path | None,
        file: File | None = None,
    ) -> None:
        self._options = options
        self._environment = environment
        self._directory = directory
        self._toml = file or File()

    @cached_property
    def settings(self) -> Settings:
        """Every setting.

        Raises:
            BadInput: a value cannot be right, or the file has an unknown key; names the source.

        """
        return Settings(**{name: self.one(name) for name in _KNOWN})

    def one(self, name: str) -> Setting[Any]:
        """Return one setting, whatever is wrong with the values of others; raises as `settings` does."""
        default, check = _KNOWN[name]
        variable, word = PREFIX + name.upper(), name.replace("_", "-")
        if self._options.get(name) not in (None, ()):
            raw, source = self._options[name], f"--{word}"
        elif self._environment.get(variable):
            raw, source = self._environment[variable], variable
        elif name in self._file:
            raw, source = self._file[name], FILE_NAME
        else:
            return Setting(default, "default")
        try:
            return Setting(check(raw), source)
        except ValueError as error:
            message = f"invalid {word}{_typed(raw, source)}: {error}"
            raise BadInput(f"bad-{word}", message, why=f"from {source}", fix=_fix(name, source)) from None

    @property
    def _file(self) -> Mapping[str, Any]:
        return self._toml.values(self._directory) if self._directory else {}

    def dotenv(self) -> str | None:
        """Return the name of the file that was asked for in place of `.env`, None where nobody has.

        Raises:
            BadInput: no such file can be used.

        """
        try:
            found = self.one("dotenv")
        except BadInput as error:
            if error.code == "bad-dotenv":
                raise
            return None  # an error in planodev.toml, reported by whoever needs its settings
        return found.value if found.asked else None


def _typed(raw: Any, source: str) -> str:  # noqa: ANN401
    """Return a value as the message has it: of a variable or a file nothing, which may be a secret in a wrong place."""
    if not source.startswith("--"):
        return ""
    from planodev import masking

    return f" `{masking.value(', '.join(raw) if isinstance(raw, (list, tuple)) else str(raw))}`"


def _fix(name: str, source: str) -> Fix | str:
    if source.startswith(PREFIX):
        return f"`unset {source}`, or give it another value"
    if source == FILE_NAME:
        return f"change `{name}` in `{FILE_NAME}`"
    return Fix(Command("up", "--help"), f" shows what `{source}` accepts")


def port(raw: Any) -> int:  # noqa: ANN401
    """Check a TCP port.

    Raises:
        ValueError: it is not a whole number from 1 to 65535.

    """
    text = str(raw).strip()
    if isinstance(raw, bool) or not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:  # noqa: PLR2004
        raise ValueError("must be 1–65535")
    return int(text)


def _choice(*allowed: str) -> Callable[[Any], str]:
    def check(raw: Any) -> str:  # noqa: ANN401
        if raw not in allowed:
            raise ValueError(f"must be {', '.join(allowed[:-1])} or {allowed[-1]}")
        return str(raw)

    return check


def _name(raw: Any) -> str:  # noqa: ANN401
    # Docker's rule for container names, and at most the 63 bytes of a DNS label.
    if not isinstance(raw, str) or not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,62}", raw):
        raise ValueError("must be 2–63 letters, digits, `_`, `.` or `-`, and start with a letter or digit")
    return raw


# A registry's host, a path, a tag, a digest; source: https://github.com/distribution/reference.
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_TAG, _DIGEST = r"(?::\w[\w.-]{0,127})?", r"(?:@[a-z0-9+._-]+:[0-9a-fA-F]{32,})?"
_REFERENCE = rf"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?{_PART}(?:/{_PART})*{_TAG}{_DIGEST}"
_LONGEST = 255


def _image(raw: Any) -> str:  # noqa: ANN401
    if not isinstance(raw, str) or len(raw) > _LONGEST or not re.fullmatch(_REFERENCE, raw, re.ASCII):
        raise ValueError(f"must be an image reference, such as `{defaults.IMAGE}` or `mirror.example/{defaults.IMAGE}`")
    return raw


def _template(raw: Any) -> str:  # noqa: ANN401
    from planodev import rendering

    return _choice(*rendering.config_templates())(raw)


def _models(raw: Any) -> tuple[str, ...]:  # noqa: ANN401
    from planodev.plano import providers

    items = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(items, (list, tuple)):
        raise ValueError("must be a list of PROVIDER/MODEL")  # noqa: TRY004
    models = tuple(dict.fromkeys(providers.check_model(str(item).strip()) for item in items))
    names = [model.partition("/")[2] for model in models]
    if len(set(names)) < len(names):
        raise ValueError("planoai refuses models of the same name from two providers")
    return models


def _text(raw: Any) -> str:  # noqa: ANN401
    from planodev import masking

    if not isinstance(raw, str) or "\0" in raw or masking.is_address(raw):
        raise ValueError("must be a path")
    return raw


def _dotenv(raw: Any) -> str:  # noqa: ANN401
    if not isinstance(raw, str) or not env_file.can_be_named(raw):
        raise ValueError("must be `.env`, or a name in the project's directory such as `.env.plano`, and no example's")
    return raw


def _seconds(raw: Any) -> float:  # noqa: ANN401
    try:
        seconds = 0 if isinstance(raw, bool) else float(raw)
    except (TypeError, ValueError):
        seconds = 0
    if not 0 < seconds <= LONGEST:
        raise ValueError(f"must be more than 0 and at most {LONGEST} seconds")
    return seconds


_KNOWN: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "engine": (defaults.ENGINE, _choice(*ENGINES)),
    "plano": (defaults.PLANO, _choice(*PLANO)),
    "port": (defaults.PORT, port),
    "name": (defaults.NAME, _name),
    "image": (defaults.IMAGE, _image),
    "pull": (defaults.PULL, _choice(*PULL)),
    "template": (defaults.TEMPLATE, _template),
    "model": ((), _models),
    "config": ("", _text),
    "dotenv": (env_file.NAME, _dotenv),
    "timeout": (defaults.TIMEOUT, _seconds),
}


_READABLE = f"make `{FILE_NAME}` a file that you may read, or move it away"


def _without_names(error: Exception) -> str:
    """Return a parser's message without the file's own words, as of a line that is none of settings."""
    from planodev import masking

    return re.sub(r"(?<=[(, ])('|\").{2,}?\1(?=[,) ]|$)", masking.HIDDEN, str(error))


def _read_file(path: Path) -> dict[str, Any]:
    try:
        content = regular_file.read(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadInput("bad-settings-file", f"`{path}` cannot be read", why=error.strerror, fix=_READABLE) from error
    from planodev.project import toml_file

    try:
        values = toml_file.parse(content.decode())
    except (ValueError, RecursionError) as error:
        why, fix = _without_names(error), f"correct `{path}`"
        raise BadInput("bad-settings-file", f"`{path}` is not TOML", why=why, fix=fix) from None
    unknown = sorted(set(values) - set(_KNOWN))
    if unknown:
        raise BadInput(
            "bad-settings-file",
            # What has more than letters is no misspelt key, and may be a secret.
            f"`{unknown[0] if re.fullmatch('[A-Za-z_-]+', unknown[0]) else '***'}` in `{path}` is not a setting",
            why=f"settings are {', '.join(_KNOWN)}",
            fix=f"remove the line from `{path}`",
        )
    return values
