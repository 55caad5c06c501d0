"""One conversation as Markdown for a bug report: every message in a fence, so that none of it is anything but text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planodev.conversations import times
from planodev.conversations.terminal import models
from planodev.visible import visible

if TYPE_CHECKING:
    from planodev.conversations.store import Row
    from planodev.conversations.transcript import Entry

_TITLES = {"call": "calls", "result": "tool's output", "reasoning": "reasoning", "attachment": "attachment"}


def document(row: Row, entries: list[Entry]) -> str:
    """Return the document; it ends with a line feed."""
    about = [
        f"# Conversation `{_code(row.response_id)}`",
        f"- stored: {times.shown(row.created_at)}",
        f"- model: {_plain(models(row.model, row.provider))}",
        f"- items: {len(row.input_items) if isinstance(row.input_items, list) else 'not a list'}",
    ]
    return "\n".join(about) + "\n" + "".join(_section(entry) for entry in entries)


def _section(entry: Entry) -> str:
    title = f"{_plain(entry.role)}{f' {_TITLES[entry.kind]}' if entry.kind in _TITLES else ''}"
    name = f" `{_code(entry.name)}`" if entry.name else ""
    body = fenced(entry.text)
    if entry.role in ("system", "developer"):
        body = f"<details><summary>{len(entry.text):,} characters</summary>\n\n{body}\n</details>\n"
    return f"\n## {title}{name}\n\n{body}"


def fenced(text: str) -> str:
    """Return a text in a fence that nothing in it closes."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.rstrip(chr(10))}\n{fence}\n"


def _code(text: str) -> str:
    return visible(text).replace("`", "'").replace("\n", " ")


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|!@])", r"\\\1", visible(text).replace("\n", " "))
