"""The mappings in a list of a configuration; what is not one is Plano's schema's business."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def numbered(content: Mapping[str, Any], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the mappings in the list of this name, each with its place in the list; none where that is no list."""
    found = content.get(name)
    for at, entry in enumerate(found) if isinstance(found, list) else ():
        if isinstance(entry, dict):
            yield at, entry


def entries(content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the same without their places."""
    return [entry for _, entry in numbered(content, name)]
