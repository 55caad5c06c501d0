"""Addresses of agents and models at `localhost`, which in Plano's container is the container itself.

planoai rewrites them in `up --docker` alone (planoai 0.4.39, `main.py`); what is deployed gets a copy of the
configuration.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from planodev.plano.config_edit import KEY as STORAGE
from planodev.postgres.connection import DOCKER_HOST_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planodev.plano.config_file import ConfigFile

_LISTENS = "address"  # the one key that says where Plano listens, not what it calls
_LOCAL = re.compile(r"((?:\w+://)?)(?:localhost|127(?:\.\d+){3}|0\.0\.0\.0|\[::1?\])((?::\d+)?(?:/.*)?)", re.IGNORECASE)


def local(config: ConfigFile) -> list[str]:
    """Return the addresses in a configuration that mean the machine itself, each once."""
    return list(dict.fromkeys(node.value for node in _nodes(config)))


def reachable(config: ConfigFile) -> str:
    """Return a configuration's text with the machine by the name that it has in a container, and all else as it is."""
    text = _text(config)
    for node in sorted(_nodes(config), key=lambda node: -node.start_mark.index):
        start, end = node.start_mark.index, node.end_mark.index
        changed = _LOCAL.sub(rf"\g<1>{DOCKER_HOST_NAME}\g<2>", node.value)
        text = text[:start] + text[start:end].replace(node.value, changed) + text[end:]
    return text


def _text(config: ConfigFile) -> str:
    return (config.text or "").removeprefix("\ufeff")


def _nodes(config: ConfigFile) -> Iterator[Any]:
    if config.content is None:
        return
    from ruamel.yaml import YAML

    for key, value in YAML(typ="safe", pure=True).compose(_text(config)).value:
        if key.value != STORAGE:
            yield from _scalars(value, key.value)


def _scalars(node: Any, key: str) -> Iterator[Any]:  # noqa: ANN401  ruamel.yaml has no types
    if node.id == "mapping":
        for name, value in node.value:
            yield from _scalars(value, str(name.value))
    elif node.id == "sequence":
        for value in node.value:
            yield from _scalars(value, key)
    elif key != _LISTENS and _LOCAL.fullmatch(node.value):
        yield node
