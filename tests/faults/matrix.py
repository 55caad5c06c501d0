"""The fault matrix as data: the rows of `matrix.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.support.toml import tomllib

MATRIX_TEST = "faults/test_faults.py::test_a_fault_is_repaired_or_explained_and_no_row_is_lost"


@dataclass(frozen=True)
class Fault:
    """One row.

    Args:
        group: the kind, as the document has it.
        name: of the injury, and of the row.
        fault: what happens, for readers.
        promise: what `up` does about it, for readers.
        code: the exit code of that `up`.
        error: the code of its error, where it has one.
        options: of that `up`; `{…}` are words of the injury.
        said: what one line of `up` has, all of it.
        dry: what one line of `up --dry-run` has before; None where a dry run makes no sense.
        dry_code: the exit code of that.
        rows: `kept`; `elsewhere`, in the database that was used before; `gone`, removed by the fault itself.
        broken: the volume's files are the same, byte for byte, afterwards.
        restless: the container starts over and over, so its state is no evidence.
        after: options of the `up` that ends the row, when what had to be taken back was taken back.
        test: the test that holds the row, where that is another one; from `tests/`.

    """

    group: str
    name: str
    fault: str
    promise: str
    code: int | str = 0
    error: str = ""
    options: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    dry: tuple[str, ...] | None = None
    dry_code: int = 0
    rows: str = "kept"
    broken: bool = False
    restless: bool = False
    after: tuple[str, ...] = ()
    test: str = MATRIX_TEST


def _row(group: str, **keys: object) -> Fault:
    return Fault(group, **{key: tuple(value) if isinstance(value, list) else value for key, value in keys.items()})


_GROUPS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
MATRIX = tuple(_row(group, **row) for group, rows in _GROUPS.items() for row in rows)


def tables() -> str:
    """Return the matrix as `docs/reliability.md` has it, between its markers."""
    parts = []
    for group in _GROUPS:
        lines = [f"### {group}", "", "| fault | what the next `planodev up` does | exit |", "|---|---|---|"]
        for row in MATRIX:
            if row.group == group:
                error = f", `{row.error}`" if row.error else ""
                lines.append(f"| {row.fault} | {row.promise} | {row.code}{error} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)
