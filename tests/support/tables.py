"""The tables that Plano cannot use, `tests/postgres/tables.toml`."""

from __future__ import annotations

from pathlib import Path

from tests.support.toml import tomllib

# By the code of the problem: the SQL that makes the table so.
SPOILED: dict[str, str] = tomllib.loads((Path(__file__).parents[1] / "postgres/tables.toml").read_text())
