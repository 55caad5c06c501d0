"""TOML, by the standard library where it has it (Python 3.11) and by `tomli` before."""

from __future__ import annotations

import sys
from typing import Any


def parse(text: str) -> dict[str, Any]:
    """Return the values of a TOML document.

    Raises:
        ValueError: it is not TOML.

    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)
