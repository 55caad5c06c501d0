"""planoai's command line: which Plano a command will start, and with which files.

Source: planoai 0.4.39 `main.py:308-360` (the options of `up`), `utils.py:255-266` (which configuration) and
`main.py:465-475` (which `.env`).
"""

from __future__ import annotations

import shlex
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, NamedTuple

from planodev import installation
from planodev.project.identity import CONFIG_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planodev.problems import Shell

# The version of planoai that this package was checked with.
CHECKED = "0.4.39"
# One Plano per machine: its container's name, or the file of a native one in the user's home; source: planoai 0.4.39,
# `consts.py`.
CONTAINER = "plano"
PID_FILE = ".plano/run/plano.pid"
# The default ports of Plano's listeners, and the ports of its own parts; source: `data/envoy.template.yaml`, and Plano
# 0.4.36 `crates/brightstaff/src/main.rs` for brightstaff's.
MODEL_PORT, PROMPT_PORT = 12000, 10000
PARTS = {9901: "Envoy's admin page", 10001: "its prompt gateway", 11000: "its outbound calls"}
METRICS_PORT = (
    9092  # without it brightstaff goes on; source: Plano 0.4.36 `crates/brightstaff/src/metrics/mod.rs:65-100`
)
PARTS |= {12001: "its model gateway", 9091: "brightstaff", METRICS_PORT: "brightstaff's metrics"}
# What `planoai up --docker` publishes beside the listeners; source: planoai 0.4.39 `docker_cli.py:74-82`.
PUBLISHED = {12001: PARTS[12001], 19901: PARTS[9901]}
_PROGRAMS = ("planoai", "planoai.exe")
_WITH_VALUE = frozenset({"--path", "--tracing-port", "--listener-port"})


def installing() -> Shell:
    """Return the command that installs planoai, a package of its own."""
    return installation.beside("planoai")


class Start(NamedTuple):
    """A `planoai up`, as planoai itself will understand it.

    Args:
        mode: `docker` or `native`.
        config: the configuration that it will take, which need not exist.
        env_path: the only `.env` that it will look into.

    """

    mode: str
    config: Path
    env_path: Path


def start(command: Sequence[str], directory: Path) -> Start | None:
    """Read a command; None where it does not start Plano, as far as can be seen.

    Args:
        command: program and arguments; planoai may stand behind `uv run`, or inside `sh -c '…'`.
        directory: where it will run.

    """
    for words in (list(command), _inner(command)):
        places = [i for i, word in enumerate(words) if PurePath(word.replace("\\", "/")).name in _PROGRAMS]
        rest = words[places[-1] + 1 :] if places else []
        if next((word for word in rest if not word.startswith("-")), None) == "up":
            return _read(rest[rest.index("up") + 1 :], directory)
    return None


def _inner(command: Sequence[str]) -> list[str]:
    """Return the words inside the arguments, for a shell's `-c`."""
    try:
        return [word for argument in command for word in shlex.split(argument)]
    except ValueError:
        return []


def _read(arguments: Sequence[str], directory: Path) -> Start:
    file: str | None = None
    path = "."
    mode = "native"
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if name in _WITH_VALUE:
            value = value if equals else next(words, "")
            path = value if name == "--path" else path
        elif word == "--docker":
            mode = "docker"
        elif not word.startswith("-") and file is None:
            file = word
    if file:
        chosen = directory / file
        return Start(mode, chosen, chosen.parent / ".env")
    places = [directory / path / name for name in CONFIG_NAMES]
    return Start(mode, next((place for place in places if place.exists()), places[-1]), directory / path / ".env")
