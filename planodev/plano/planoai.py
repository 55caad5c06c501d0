"""planoai's command line: which Plano a command will start, and with which files.

Source: planoai 0.4.39 `main.py:308-360` (the options of `up`), `utils.py:255-266` (which configuration) and
`main.py:465-475` (which `.env`).
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, NamedTuple

from planodev import executables, installation, paths
from planodev.problems import Command, Fix
from planodev.project.identity import CONFIG_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
# The interpreter in a script's first lines: `#!/path/python`, or `exec`, as pip writes for long paths, and wrappers do.
_INTERPRETER = re.compile(rb"(?:^#! ?|exec[ '\"]+)(/[^\n\"']*?python[0-9.]*)(?=[\s\"'])")
_FROM_PATH = re.compile(rb"#! ?/usr/bin/env (python[0-9.]*)\s")
_WITH_VALUE = frozenset({"--path", "--tracing-port", "--listener-port"})


def installing() -> Shell:
    """Return the command that installs planoai, a package of its own."""
    return installation.beside("planoai")


def renewing(environment: Mapping[str, str], *, anew: bool = False) -> Shell:
    """Return the command that brings the newest planoai to where the one on the PATH is, by what has installed it.

    Args:
        environment: with the PATH.
        anew: whether it is installed again although its version stays, since it is broken.

    """
    program = executables.find("planoai", environment)
    if program is None:
        return installing()
    python = interpreter(environment)
    place = Path(program).resolve().parent
    if python and not paths.is_file(place.parent / "pyvenv.cfg"):  # a script of the system's Python or of a user's
        place = python.parent
    beside = next((one for name in ("python", "python3", "python.exe") if paths.exists(one := place / name)), python)
    return installation.renewing("planoai", place.parent, str(beside or "python3"), anew=anew)


def interpreter(environment: Mapping[str, str]) -> Path | None:
    """Return the Python that the planoai on the PATH runs in, None where there is none or that cannot be seen."""
    program = executables.find("planoai", environment)
    if program is None:
        return None
    beside = Path(program).resolve().with_name("python.exe")
    if paths.is_file(beside):  # as on Windows
        return beside
    try:
        with Path(program).open("rb") as file:
            start = file.read(2048)
    except OSError:
        return None
    named = _FROM_PATH.match(start)
    if named:
        found = executables.find(named[1].decode(), environment)
        return Path(found) if found else None
    written = _INTERPRETER.search(start)
    path = Path(written[1].decode(errors="replace")) if written else None
    return path if path and paths.is_file(path) else None


# What starts Plano with this project's database.
STARTS_PLANO = Command("up", "--with-plano")


def brings_up(fix: Fix | str) -> bool:
    """Say whether a fix has an `up` in it, as `up --with-plano` names for its own mistakes."""
    return isinstance(fix, Fix) and any(isinstance(part, Command) and part.name == "up" for part in fix.parts)


def then_start(fix: Fix | str) -> Fix:
    """Return what has to be done first, with the command that starts Plano after it."""
    fix = Fix(fix) if isinstance(fix, str) else fix
    return fix + Fix("; then " if brings_up(fix) else ", then ", STARTS_PLANO)


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
