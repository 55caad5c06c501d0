"""Addresses in a configuration that mean something else in Plano's container than on the machine itself.

What is at `localhost` there is the container: planoai rewrites it in `up --docker` alone (planoai 0.4.39, `main.py`).
A listener at 127.0.0.1 is reached by nobody outside of it. What is deployed gets a copy of the configuration.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from planodev.plano.config_edit import KEY as STORAGE
from planodev.postgres.connection import DOCKER_HOST_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planodev.plano.config_file import ConfigFile

_LISTENS = "address"  # the one key that says where Plano listens, not what it calls
_LOOPBACK = re.compile(r"localhost|127(?:\.\d+){3}|::1|\[::1\]", re.IGNORECASE)
_EVERYWHERE = "0.0.0.0"  # noqa: S104  inside a container
_LOCAL = re.compile(
    r"((?:\w[\w+.-]*://)?(?:[^\s/@]*@)?)(?:localhost\.?|127(?:\.\d+){3}|0\.0\.0\.0|\[::1?\])((?::\d+)?(?:[/?#].*)?)",
    re.IGNORECASE,
)


def local(config: ConfigFile) -> list[str]:
    """Return the addresses in a configuration that mean the machine itself, each once."""
    return list(dict.fromkeys(node.value for node, listens in _nodes(config) if not listens))


def unreachable(config: ConfigFile) -> list[str]:
    """Return the addresses of listeners that nothing outside of Plano's container would reach, each once."""
    return list(dict.fromkeys(node.value for node, listens in _nodes(config) if listens))


def reachable(config: ConfigFile, *, machine: bool) -> str:
    """Return a configuration's text with addresses as a container needs them, and all else as it is.

    Args:
        config: the configuration.
        machine: whether the machine itself has a name there, so that what runs on it is reached.

    """
    text = _text(config)
    changes = {}
    for node, listens in _nodes(config):
        if listens or machine:
            there = _EVERYWHERE if listens else _LOCAL.sub(rf"\g<1>{DOCKER_HOST_NAME}\g<2>", node.value)
            changes[node.start_mark.index] = (node.end_mark.index, node.value, there)  # an alias is its anchor again
    for start, (end, value, there) in sorted(changes.items(), reverse=True):
        written = text[start:end]
        # Where an escape or a line end in quotes spells it otherwise, the value is written anew.
        put = written.replace(value, there) if value in written else json.dumps(there)
        text = text[:start] + put + text[end:]
    return text


def _text(config: ConfigFile) -> str:
    return (config.text or "").removeprefix("\ufeff")


def _nodes(config: ConfigFile) -> Iterator[tuple[Any, bool]]:
    """Yield the values that are such addresses, and of each whether Plano listens there."""
    if config.content is None:
        return
    from ruamel.yaml import YAML

    for key, value in YAML(typ="safe", pure=True).compose(_text(config)).value:
        if key.value != STORAGE:
            yield from _scalars(value, key.value)


def _scalars(node: Any, key: str) -> Iterator[tuple[Any, bool]]:  # noqa: ANN401  ruamel.yaml has no types
    if node.id == "mapping":
        for name, value in node.value:
            yield from _scalars(value, str(name.value))
    elif node.id == "sequence":
        for value in node.value:
            yield from _scalars(value, key)
    elif (_LOOPBACK if key == _LISTENS else _LOCAL).fullmatch(node.value):
        yield node, key == _LISTENS
