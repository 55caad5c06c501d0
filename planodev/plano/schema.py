"""planoai's own schema of a configuration, for where planoai cannot be asked: kinds of values, and the known keys.

`schema.json` is that of planoai 0.4.39, `data/plano_config_schema.yaml`, without its descriptions. Its few words are
read here; a library for all of JSON Schema would take longer to load than planoai takes to answer.
"""

from __future__ import annotations

import json
import re
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planodev.plano.config_file import KeyPath

_KINDS = {"string": "a text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}
_KINDS |= {"array": "a list", "object": "a mapping of keys"}
_TYPES: dict[str, tuple[type, ...]] = {"string": (str,), "array": (list,), "object": (dict,), "boolean": (bool,)}
_TYPES["number"] = (int, float)
# Words for `true` and `false` where they are written as a text or a number.
_YES, _NO = ("true", "yes", "on", "1", "y"), ("false", "no", "off", "0", "n")


class Fault(NamedTuple):
    """What the schema refuses.

    Args:
        path: of the value, or of the mapping that lacks a key or has an unknown one.
        value: that is there.
        wants: what is wanted there, for people; "" for a key.
        example: what may be written, as YAML; "" where nobody can say.
        missing: the key that has to be there, "" for none.
        unknown: the key that nobody knows, None for none.

    """

    path: KeyPath
    value: Any
    wants: str = ""
    example: str = ""
    missing: str = ""
    unknown: Any = None


@cache
def load() -> dict[str, Any]:
    """Return the schema."""
    loaded: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return loaded


def faults(content: Any) -> list[Fault]:  # noqa: ANN401  any part of a YAML file
    """Return what planoai's schema refuses in a parsed configuration."""
    return list(_faults(load(), content, ()))


def known_keys(path: KeyPath) -> list[str]:
    """Return the keys that a mapping may have at a place of a configuration; nothing where any is taken."""
    parts = [load()]
    for step in path:
        parts = [inner for part in parts for inner in _inside(part, step)]
    return sorted({name for part in parts for one in _branches(part) for name in one.get("properties", {})})


def wanted(path: KeyPath, example: str = "") -> tuple[Callable[[Any], bool], str, str]:
    """Return what planoai's schema says of the values at one place: a check, what is expected, and an example.

    Args:
        path: of the value; of a list, any of its entries.
        example: what may be written, by default the first of the choices, or the lowest that is accepted.

    """
    parts = [load()]
    for step in path:
        parts = [inner for part in parts for inner in _inside(part, step)]
    part = parts[0]
    choices, low = part.get("enum"), part.get("minimum")
    wants = _listed(choices) if choices else f"{_KINDS[part['type']]}{_between(part)}"
    first = example or (choices[0] if choices else "" if low is None else f"{low:g}")
    return lambda value: next(_faults(part, value, path), None) is None, wants, first


def _listed(choices: list[str]) -> str:
    return " or ".join([", ".join(choices[:-1])] * bool(choices[1:]) + [choices[-1]])


def _between(part: dict[str, Any]) -> str:
    low, high = part.get("minimum"), part.get("maximum")
    return "" if low is None else f" from {low:g}" if high is None else f" from {low:g} to {high:g}"


def _branches(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [part, *part.get("oneOf", [])]


def _inside(part: dict[str, Any], step: str | int) -> Iterator[dict[str, Any]]:
    for one in _branches(part):
        if isinstance(step, int):
            found = [one.get("items")]
        else:
            matching = [inner for word, inner in one.get("patternProperties", {}).items() if re.search(word, step)]
            found = [one.get("properties", {}).get(step), *matching]
        yield from (inner for inner in found if isinstance(inner, dict))


def _faults(part: dict[str, Any], value: Any, path: KeyPath) -> Iterator[Fault]:  # noqa: ANN401
    for several in ("oneOf", "anyOf"):
        if several in part:
            tried = [list(_faults(one, value, path)) for one in part[several]]
            if all(tried):
                yield from _nearest(part[several], tried, value, path)
            return
    kind = part.get("type")
    if kind and not _is(value, kind):
        yield Fault(path, value, _KINDS[kind], _written(value, kind, part))
    elif kind == "array":
        if len(value) < part.get("minItems", 0):
            yield Fault(path, value, "at least one entry")
        for at, entry in enumerate(value):
            yield from _faults(part.get("items", {}), entry, (*path, at))
    elif kind == "object":
        yield from _in_mapping(part, value, path)
    else:
        yield from _limits(part, value, path)


def _limits(part: dict[str, Any], value: Any, path: KeyPath) -> Iterator[Fault]:  # noqa: ANN401
    """Yield a scalar that is none of the choices, or outside of the limits."""
    choices = part.get("enum") or ([part["const"]] if "const" in part else None)
    if choices and value not in choices:
        yield Fault(path, value, _listed(choices), _closest(value, choices))
    low, high = part.get("minimum"), part.get("maximum")
    if low is not None and not low <= value <= (value if high is None else high):
        yield Fault(path, value, f"{_KINDS[part['type']]}{_between(part)}", f"{low if value < low else high:g}")


def _in_mapping(part: dict[str, Any], value: dict[Any, Any], path: KeyPath) -> Iterator[Fault]:
    properties, patterns = part.get("properties", {}), part.get("patternProperties", {})
    others = part.get("additionalProperties")
    for rule in part.get("allOf", ()):  # `if` a value is so, `then` a key has to be there
        wanted = rule["if"]["properties"]
        if all(value.get(key) == one["const"] for key, one in wanted.items()):
            yield from (Fault(path, value, missing=key) for key in rule["then"]["required"] if key not in value)
    yield from (Fault(path, value, missing=key) for key in part.get("required", ()) if key not in value)
    for key, inner in value.items():
        matching = [one for word, one in patterns.items() if isinstance(key, str) and re.search(word, key)]
        if isinstance(properties.get(key), dict):
            yield from _faults(properties[key], inner, (*path, key))
        elif matching:
            yield from _faults(matching[0], inner, (*path, key))
        elif others is False or key in properties:
            yield Fault(path, value, unknown=key)
        elif isinstance(others, dict):
            yield from _faults(others, inner, (*path, key))


def _nearest(parts: list[dict[str, Any]], tried: list[list[Fault]], value: Any, path: KeyPath) -> list[Fault]:  # noqa: ANN401
    """Return what is wrong by the alternative that was probably meant: the one that says least, or of this kind."""
    fits = [at for at, part in enumerate(parts) if _is(value, part.get("type", ""))]
    if not fits:
        kinds = list(dict.fromkeys(_KINDS[part["type"]] for part in parts))
        return [Fault(path, value, " or ".join(kinds), _written(value, parts[0]["type"], parts[0]))]
    named = [
        at
        for at in fits
        for key, one in parts[at].get("properties", {}).items()
        if isinstance(value, dict) and "const" in one and value.get(key) == one["const"]
    ]
    return min((tried[at] for at in named or fits), key=len)


def _closest(value: Any, choices: list[str]) -> str:  # noqa: ANN401
    from difflib import get_close_matches

    return [*get_close_matches(str(value).lower(), choices, n=1), *choices][0]


def _is(value: Any, kind: str) -> bool:  # noqa: ANN401
    if kind == "integer":
        return (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, float) and value.is_integer()
        )
    is_truth = isinstance(value, bool) and kind != "boolean"
    return not is_truth and isinstance(value, _TYPES.get(kind, ()))


def _written(value: Any, kind: str, part: dict[str, Any]) -> str:  # noqa: ANN401
    """Return the same in the kind that is wanted, as YAML; "" where that cannot be told."""
    text = "" if value is None or isinstance(value, (dict, list)) else str(value).strip().lower()
    if kind == "boolean":
        return "true" if text in _YES else "false" if text in _NO else ""
    if kind in ("integer", "number"):
        found = re.fullmatch(r"\d{1,9}(?:\.\d+)?", text)
        low = part.get("minimum")
        return (
            found[0].partition(".")[0] if found and kind == "integer" else text if found else f"{low:g}" if low else ""
        )
    if kind == "string" and "enum" in part:
        return str(part["enum"][0])
    if kind == "string" and isinstance(value, (bool, int, float, date)) and text:
        return json.dumps(str(value))
    return ""
