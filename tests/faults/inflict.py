"""How a row of the matrix is inflicted: by the function of its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults import inflict_on_engine, inflict_on_project

if TYPE_CHECKING:
    from collections.abc import Callable


def by(name: str) -> Callable[..., object]:
    """Return the function that inflicts a row."""
    return getattr(inflict_on_project, name, None) or getattr(inflict_on_engine, name)
