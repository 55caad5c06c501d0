"""Text of others, made safe to show: what would steer a terminal or reorder a line is written out instead.

What users, models and servers say ends up on terminals and pages. Letters of every script stay as they are.
"""

from __future__ import annotations

import re

# C0 and C1 controls except line feed and tab, Unicode's direction marks, invisible letters and tags, line separators,
# and surrogates, which UTF-8 cannot encode. Sources: ECMA-48, section 5.3; Unicode 15, UAX #9 section 2; TR #36.
STEERING = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def has_steering(text: str) -> bool:
    """Say whether a text has such a character; of printable ASCII, as nearly all is, that is known without a search."""
    plain = text.isascii() and text.replace("\n", "").replace("\t", "").isprintable()
    return not plain and re.search(STEERING, text) is not None


def visible(text: str) -> str:
    r"""Return a text in which each character that would steer the terminal stands as its escape, such as `\x1b`."""
    text = text.replace("\r\n", "\n")
    return re.sub(STEERING, _escape, text) if has_steering(text) else text


def one_line(text: str) -> str:
    r"""Return the same for what has to stay on its line: a line end stands as `\n`, and a tab as a blank."""
    return visible(text).replace("\n", "\\n").replace("\t", " ")


def in_json(text: str) -> str:
    r"""Return JSON that means the same, with each such character as `\uXXXX`; they stand in strings alone."""
    return re.sub(STEERING, _escape_json, text) if has_steering(text) else text


def line(text: str, columns: int) -> str:
    """Return a text on one line that is at most so many columns wide on a terminal, where wide letters take two."""
    from rich.cells import cell_len, set_cell_size

    one = visible(re.sub(r"\s+", " ", text[: 16 * columns]).strip())
    return one if cell_len(one) <= columns else set_cell_size(one, columns - 1).rstrip() + "…"


def size(count: float) -> str:
    """Return a number of bytes for people, such as `12 kB`."""
    for unit in ("B", "kB", "MB"):
        if count < 999.5 or unit == "MB":  # noqa: PLR2004
            break
        count /= 1000
    return f"{count:.1f} {unit}" if unit == "MB" else f"{count:.0f} {unit}"


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"  # noqa: PLR2004


def _escape_json(found: re.Match[str]) -> str:
    number = ord(found[0])
    if number < 0x20:  # noqa: PLR2004  outside strings only: inside, JSON has escaped it already
        return found[0]
    if number < 0x10000:  # noqa: PLR2004
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"
