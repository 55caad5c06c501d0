"""Conversations as one HTML page that needs nothing else, loads nothing, and runs nothing but its own script."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from planodev import rendering
from planodev.conversations import layout, terminal, times
from planodev.visible import size, visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planodev.conversations.heads import Head
    from planodev.conversations.store import Row
    from planodev.conversations.transcript import Entry

# A text of more characters is shown as it is: laying it out as markdown would take too long.
_LONGEST = 50_000


def page(title: str, conversations: Iterable[tuple[Head, str, Row, list[Entry]]]) -> str:
    """Return the page.

    Args:
        title: what the page is of.
        conversations: each with its short id, its row and what was said.

    """
    style, script = (_source(f"conversations/page.{kind}") for kind in ("css", "js"))
    found = [_described(head, short, row, entries) for head, short, row, entries in conversations]
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    return rendering.render(
        "conversations/page.html.j2",
        title=visible(title),
        policy=policy,
        style=style,
        script=script,
        conversations=found,
    )


def _source(name: str) -> Any:  # noqa: ANN401
    from markupsafe import Markup

    return Markup((rendering.directory() / name).read_text(encoding="utf-8"))  # noqa: S704  planodev's own file


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _described(head: Head, short: str, row: Row, entries: list[Entry]) -> dict[str, Any]:
    return {
        "id": visible(row.response_id),
        "short": visible(short),
        "when": times.shown(row.created_at),
        "turns": head.row.turns,
        "size": size(head.row.stored),
        "model": terminal.models(row.model, row.provider),
        "opening": terminal.opening(head.row),
        "branch": visible(head.branch_of) if head.branch_of else "",
        "entries": [
            {
                "role": entry.role,
                "kind": entry.kind,
                "name": entry.name,
                "text": entry.text,
                "html": _html(entry.text) if entry.kind == "text" and len(entry.text) <= _LONGEST else "",
                "folded": entry.role in ("system", "developer"),
            }
            for entry in entries
        ],
    }


def _html(text: str) -> Any:  # noqa: ANN401
    """Return a text's markdown as HTML, "" where that would lose some of it."""
    from markupsafe import Markup

    reader, tokens = layout.reader(), layout.tokens(text)
    if tokens is None:
        return ""
    return Markup(reader.renderer.render(tokens, reader.options, {}))  # noqa: S704  markdown-it has escaped it
