"""Markdown of others for the terminal and the page: nothing in it leads anywhere, is decoded, or gets lost.

A message is laid out only where all that it says is seen then; else it is shown as it was written.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_COLUMNS = 16  # of a table, at most, to be readable on a terminal
_LANGUAGE = r"[\w+#.-]*"


@cache
def reader() -> MarkdownIt:
    """Return the parser: without HTML, links and pictures, and without what decodes marks that were written out.

    An entity such as `&#x202e;` is one of those, and so is `%E2%80%AE` in an address between `<` and `>`.
    """
    from markdown_it import MarkdownIt

    found = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
    return found.disable(["image", "link", "autolink", "reference", "entity"])


def tokens(text: str) -> list[Token] | None:
    """Return what a text consists of; None where a layout would leave some of it out.

    Such as deeply nested blocks, cells beyond a table's columns, and words behind a fence.
    """
    found = reader().parse(text)
    seen = sum(_letters(token.content) + _letters(token.info) for token in found)
    shown = any(token.content.strip() for token in found)
    fences = all(re.fullmatch(_LANGUAGE, token.info.strip()) for token in found if token.type == "fence")
    return found if shown and fences and seen == _letters(text) and _widest(found) <= _COLUMNS else None


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _widest(found: list[Token]) -> int:
    widest = columns = 0
    for token in found:
        columns = 0 if token.type == "table_open" else columns + (token.type == "th_open")
        widest = max(widest, columns)
    return widest
