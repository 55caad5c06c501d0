"""Conversations for a terminal, as what rich prints: a table of many, a chat of one, a line for each turn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from planodev import tables
from planodev.conversations import layout, times
from planodev.result import Verbatim
from planodev.tables import Column
from planodev.visible import line, size, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from planodev.conversations.heads import Head, Outline
    from planodev.conversations.store import Row
    from planodev.conversations.transcript import Entry

OPENING = 60  # columns
_MODEL, _ID = 48, 40
# A text of more characters is printed as it is: laying it out as markdown would take too long.
_LONGEST = 20_000
_MARKS = {"call": "→", "result": "←"}
_TITLES = {"user": "bold cyan", "assistant": "bold green", "tool": "bold magenta"}


def models(model: str, provider: str) -> str:
    """Return the model that was asked for, and where another one has answered that, too."""
    asked, answered = line(model, _MODEL), line(provider, _MODEL)
    same = answered == asked or "/" not in answered or answered.split("/", 1)[1] == asked.split("/", 1)[-1]
    return asked if same else f"{asked} → {answered}"


def table(heads: tuple[Head, ...], short: Mapping[str, str]) -> Any:  # noqa: ANN401  rich is loaded late
    """Return the table of a list."""
    has_branches = any(head.branch_of for head in heads)
    columns = [
        Column("WHEN"),
        Column("ID"),
        Column("TURNS", right=True),
        Column("SIZE", right=True),
        Column("MODEL", shrinks=True),
        *([Column("BRANCH OF", shrinks=True)] if has_branches else []),
        Column("FIRST MESSAGE", shrinks=True),
    ]
    rows = []
    for head in heads:
        row = head.row
        branch = f"{line(short[head.branch_of], _ID)}, turn {head.branch_turn}" if head.branch_of else ""
        rows.append(
            [
                times.minute(row.created_at),
                line(short[row.id], _ID),
                str(row.turns),
                size(row.stored),
                models(row.model, row.provider),
                *([branch] if has_branches else []),
                opening(row),
            ]
        )
    return tables.table(columns, rows)


def opening(row: Outline) -> str:
    """Return the beginning of the first message, or what stands there instead."""
    if row.keys is None:
        return "(its items are not a list)"
    return line(row.opening, OPENING) or ("(no message of a user)" if row.keys else "(no items)")


def turn(row: Outline, short: str) -> str:
    """Return the line for a turn that was stored just now."""
    return (
        f"{times.shown(row.created_at)}  {line(short, _ID)}  turn {row.turns}  "
        f"{models(row.model, row.provider)}  {line(row.closing, OPENING) or opening(row)}"
    )


def chat(row: Row, entries: list[Entry]) -> Iterator[Any]:
    """Yield one conversation, role by role, in pieces that the console prints one after another."""
    from rich.text import Text

    about = f"{visible(row.response_id)}, {times.shown(row.created_at)}, {models(row.model, row.provider)}"
    yield Text(about, style="dim")
    last = None
    for entry in entries:
        if entry.role != last:
            yield ""
            yield Text(entry.role, style=_TITLES.get(entry.role, "bold yellow"))
            last = entry.role
        yield from _piece(entry)
    yield ""


def _piece(entry: Entry) -> Iterator[Any]:
    from rich.padding import Padding
    from rich.text import Text

    indent = (0, 0, 0, 2)
    if entry.role in ("system", "developer") and len(entry.text) > OPENING:
        rest = f"  ({len(entry.text):,} characters, folded; --json and --markdown have all)"
        yield Padding(Text.assemble(line(entry.text, OPENING), (rest, "dim")), indent)
    elif len(entry.text) > _LONGEST:
        title = f"{_MARKS[entry.kind]} {entry.name}\n" if entry.kind in _MARKS else ""
        yield Verbatim(f"{title}{entry.text}")
    elif entry.kind == "text":
        yield Padding(_markdown(entry.text), indent)
    elif entry.kind == "call":
        yield Padding(
            Text.assemble(("→ ", "yellow"), (entry.name, "bold"), (f"({_arguments(entry.text)})", "")), indent
        )
    elif entry.kind == "result":
        yield Padding(Text.assemble(("← ", "yellow"), _pretty(entry.text)), indent)
    else:
        yield Padding(Text(entry.text, style="dim italic" if entry.kind == "reasoning" else "dim"), indent)


def _markdown(text: str) -> Any:  # noqa: ANN401
    """Return a text laid out as markdown, its lines as they were typed; where that would lose some of it, as it is."""
    from rich.markdown import Markdown
    from rich.text import Text

    tokens = layout.tokens(text)
    if tokens is None:
        return Text(text)
    for piece in (piece for token in tokens for piece in token.children or ()):
        if piece.type == "softbreak":
            piece.type = "hardbreak"
    found = Markdown("", code_theme="ansi_dark", hyperlinks=False)
    found.markup, found.parsed = text, tokens
    return found


def _arguments(text: str) -> str:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(found, dict):
        return text
    return visible(", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in found.items()))


def _pretty(text: str) -> str:
    try:
        return visible(json.dumps(json.loads(text), indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        return text
