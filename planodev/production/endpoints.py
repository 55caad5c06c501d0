"""Addresses in a configuration that mean something else in Plano's container than on the machine itself.

Only what Plano connects to, or listens at, is an address: the same words in a description or a prompt are not.
What is at `localhost` there is the container: planoai rewrites it in `up --docker` alone (planoai 0.4.39, `main.py`).
A listener at 127.0.0.1 is reached by nobody outside of it. What is deployed gets a copy of the configuration.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from planodev.plano import rules
from planodev.postgres.connection import DOCKER_HOST_NAME
from planodev.problems import Problem
from planodev.production import PGBOUNCER_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planodev.plano.config_file import ConfigFile

# The keys whose value is an address; `*` is each entry of a list. Source: planoai 0.4.39, `plano_config_schema.yaml`.
_CALLED = frozenset(
    {
        ("agents", "*", "url"),
        ("filters", "*", "url"),
        ("model_providers", "*", "base_url"),
        ("llm_providers", "*", "base_url"),
        ("endpoints", "*", "endpoint"),
        ("model_metrics_sources", "*", "url"),
        ("routing", "session_cache", "url"),
        ("tracing", "opentracing_grpc_endpoint"),
        ("tracing", "exporters", "*", "url"),
    }
)
_LISTENS = ("listeners", "*", "address")
_MERGED = "<<"  # the key of YAML that takes in another mapping
_LOOPBACK = re.compile(r"localhost|127(?:\.\d+){3}|::1|\[::1\]", re.IGNORECASE)
_EVERYWHERE = "0.0.0.0"  # noqa: S104  inside a container
_LOCAL = re.compile(
    r"((?:\w[\w+.-]*://)?(?:[^\s/@]*@)?)(?:localhost\.?|127(?:\.\d+){3}|0\.0\.0\.0|\[::1?\])"
    r"((?::(?:\d+|\$\{?\w+\}?))?(?:[/?#].*)?)",
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


def port_of_pgbouncer(config: ConfigFile) -> Problem | None:
    """Return the problem of a listener on the port of PgBouncer, with which Plano shares a network; else None."""
    content = config.content or {}
    for path, listener, kind in rules.listeners_of(content):
        if listener.get("port") != PGBOUNCER_PORT:
            continue
        where = (*path, "port")
        said = f"port {PGBOUNCER_PORT} of listener `{rules.shown(listener.get('name', '?'))}`{config.at(*where)}"
        free = rules.free_port(content, kind, {PGBOUNCER_PORT})
        return Problem(
            "port-of-pgbouncer",
            f"{said} is PgBouncer's, and one of the two would not start",
            f"write `port: {free}` in {config.where(*where)}",
            "Plano and its PgBouncer share a network",
            level="error",
        )
    return None


def _text(config: ConfigFile) -> str:
    return (config.text or "").removeprefix("\ufeff")


def _nodes(config: ConfigFile) -> Iterator[tuple[Any, bool]]:
    """Yield the values that are such addresses, and of each whether Plano listens there."""
    if not config.content:
        return
    from ruamel.yaml import YAML

    yield from _scalars(YAML(typ="safe", pure=True).compose(_text(config)), ())


def _scalars(node: Any, path: tuple[str, ...]) -> Iterator[tuple[Any, bool]]:  # noqa: ANN401  ruamel.yaml has no types
    if node.id == "mapping":
        for name, value in node.value:
            yield from _merged(value, path) if name.value == _MERGED else _scalars(value, (*path, str(name.value)))
    elif node.id == "sequence":
        for value in node.value:
            yield from _scalars(value, (*path, "*"))
    elif _is(path, _LISTENS):
        if _LOOPBACK.fullmatch(node.value):
            yield node, True
    elif any(_is(path, known) for known in _CALLED) and _LOCAL.fullmatch(node.value):
        yield node, False


def _merged(node: Any, path: tuple[str, ...]) -> Iterator[tuple[Any, bool]]:  # noqa: ANN401
    for mapping in node.value if node.id == "sequence" else [node]:
        yield from _scalars(mapping, path)


def _is(path: tuple[str, ...], known: tuple[str, ...]) -> bool:
    """Say whether a path is a known one; an entry of a list, or of a mapping of names, stands for `*`."""
    return len(path) == len(known) and all(there in ("*", here) for here, there in zip(path, known, strict=True))
