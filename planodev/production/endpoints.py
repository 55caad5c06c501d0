"""Addresses in a configuration that mean something else in Plano's container than on the machine itself.

Only what Plano connects to, or listens at, is an address: the same words in a description or a prompt are not.
What is at `localhost` there is the container: planoai rewrites it in `up --docker` alone (planoai 0.4.39, `main.py`).
A listener at 127.0.0.1 is reached by nobody outside of it. What is deployed gets a copy of the configuration.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planodev.plano import rules
from planodev.postgres.connection import DOCKER_HOST_NAME
from planodev.problems import Problem
from planodev.production import PGBOUNCER_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planodev.plano.config_file import ConfigFile

# The keys whose value is an address; `*` is each entry of a list. Source: planoai 0.4.39, `plano_config_schema.yaml`.
_CALLING = frozenset(
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
_LISTENING = ("listeners", "*", "address")
_CALLED, _LISTENS = "called", "listens"
_MERGED = "<<"  # the key of YAML that takes in another mapping
_LOOPBACK = re.compile(r"localhost|127(?:\.\d+){3}|::1|\[::1\]", re.IGNORECASE)
_EVERYWHERE = "0.0.0.0"  # noqa: S104  inside a container
_LOCAL = re.compile(
    r"((?:\w[\w+.-]*://)?(?:[^\s/@]*@)?)(?:localhost\.?|127(?:\.\d+){3}|0\.0\.0\.0|\[::1?\])"
    r"((?::(?:\d+|\$\{?\w+\}?))?(?:[/?#].*)?)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Scalar:
    """A text of the configuration where it stands, or an alias of one: characters from `start` to `end`.

    Args:
        node: the text itself, where its anchor is.
        kind: `_CALLED` or `_LISTENS` where it is an address that needs another one in a container, else None.

    """

    start: int
    end: int
    node: Any
    alias: bool
    kind: str | None


@dataclass(frozen=True)
class Addresses:
    """The addresses of one configuration, which is taken apart once for all of them."""

    text: str
    scalars: tuple[_Scalar, ...]

    @property
    def local(self) -> list[str]:
        """The addresses that mean the machine itself, each once."""
        return self._of(_CALLED)

    @property
    def unreachable(self) -> list[str]:
        """The addresses of listeners that nothing outside of Plano's container would reach, each once."""
        return self._of(_LISTENS)

    def _of(self, kind: str) -> list[str]:
        return list(dict.fromkeys(one.node.value for one in self.scalars if one.kind == kind))

    def reachable(self, *, machine: bool) -> str:
        """Return the configuration's text with addresses as a container needs them, and all else as it is.

        An alias of an address that is a text of another kind, such as a description, is written out, and so keeps what
        it says.

        Args:
            machine: whether the machine itself has a name there, so that what runs on it is reached.

        """
        at_anchor: dict[int, str] = {}
        changes: list[tuple[int, int, str]] = []
        for one in self.scalars:
            there = _there(one, machine=machine)
            if not one.alias:
                at_anchor[id(one.node)] = there
                if there != one.node.value:
                    changes.append((one.start, one.end, _rewritten(self.text[one.start : one.end], one, there)))
            elif there != at_anchor.get(id(one.node), one.node.value):  # an anchor at a key stays as it is
                changes.append((one.start, one.end, json.dumps(there, ensure_ascii=False)))
        text = self.text
        for start, end, put in sorted(changes, reverse=True):
            text = text[:start] + put + text[end:]
        return text


def find(config: ConfigFile) -> Addresses:
    """Return the addresses of a configuration; none where it is not there."""
    text = (config.text or "").removeprefix("\ufeff")
    if not config.content:
        return Addresses(text, ())
    scalars: dict[tuple[int, bool], _Scalar] = {}
    for one in _scalars(_composed(text), ()):
        before = scalars.get((one.start, one.alias))  # a mapping with an alias is met again there
        scalars[one.start, one.alias] = before if before and before.kind else one
    return Addresses(text, tuple(scalars.values()))


def _there(one: _Scalar, *, machine: bool) -> str:
    """Return what a text has to be in a container."""
    value = str(one.node.value)
    if one.kind == _LISTENS:
        return _EVERYWHERE
    return _LOCAL.sub(rf"\g<1>{DOCKER_HOST_NAME}\g<2>", value) if one.kind and machine else value


def _rewritten(written: str, scalar: _Scalar, there: str) -> str:
    """Return a scalar as it is written, with another value; its anchor and its tag stay."""
    properties = re.match(r"(?:[&!]\S*\s+)*", written)
    kept = properties[0] if properties else ""
    body = written[len(kept) :]
    # Where an escape or a line end in quotes spells it otherwise, the value is written anew.
    value = scalar.node.value
    return kept + (body.replace(value, there, 1) if value in body else json.dumps(there, ensure_ascii=False))


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


def _composed(text: str) -> Any:  # noqa: ANN401  ruamel.yaml has no types
    """Return a document's nodes, in which an alias is one of its own: it has a place, and a `target`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.composer import Composer
    from ruamel.yaml.events import AliasEvent
    from ruamel.yaml.nodes import Node

    class Alias(Node):
        id = "alias"
        target: Any

    class WithAliases(Composer):
        def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401
            event = self.parser.peek_event()
            node = super().compose_node(parent, index)
            if not isinstance(event, AliasEvent):
                return node
            alias = Alias(node.tag, node.value, event.start_mark, event.end_mark)
            alias.target = node
            return alias

    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = WithAliases
    return yaml.compose(text)


def _scalars(node: Any, path: tuple[str, ...]) -> Iterator[_Scalar]:  # noqa: ANN401
    """Yield every text below a node, each as often as it is used."""
    target = node.target if node.id == "alias" else node
    if target.id == "mapping":
        for name, value in target.value:
            yield from _merged(value, path) if name.value == _MERGED else _scalars(value, (*path, str(name.value)))
    elif target.id == "sequence":
        for value in target.value:
            yield from _scalars(value, (*path, "*"))
    else:
        kind = _kind(path, str(target.value))
        yield _Scalar(node.start_mark.index, node.end_mark.index, target, node.id == "alias", kind)


def _kind(path: tuple[str, ...], value: str) -> str | None:
    if _is(path, _LISTENING):
        return _LISTENS if _LOOPBACK.fullmatch(value) else None
    return _CALLED if any(_is(path, known) for known in _CALLING) and _LOCAL.fullmatch(value) else None


def _merged(node: Any, path: tuple[str, ...]) -> Iterator[_Scalar]:  # noqa: ANN401
    target = node.target if node.id == "alias" else node
    for mapping in target.value if target.id == "sequence" else [node]:
        yield from _scalars(mapping, path)


def _is(path: tuple[str, ...], known: tuple[str, ...]) -> bool:
    """Say whether a path is a known one; an entry of a list, or of a mapping of names, stands for `*`."""
    return len(path) == len(known) and all(there in ("*", here) for here, there in zip(path, known, strict=True))
