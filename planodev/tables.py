"""Tables for the terminal; a column that identifies a row is never cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Column(NamedTuple):
    """A column; one that `shrinks` is cut with an ellipsis where the terminal is too narrow."""

    title: str
    right: bool = False
    shrinks: bool = False


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Any:  # noqa: ANN401  rich is loaded late
    """Return what the console prints as a table."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, column in enumerate(columns):
        widest = max(cell_len(text) for text in (column.title, *(row[place] for row in rows)))
        made.add_column(
            column.title,
            no_wrap=not column.shrinks,  # rich shrinks those that may wrap first; no text here does
            header_style="bold",
            overflow="ellipsis",
            justify="right" if column.right else "left",
            min_width=None if column.shrinks else widest,
        )
    for row in rows:
        made.add_row(*(Text(text, no_wrap=True, overflow="ellipsis") for text in row))
    return made
