"""A row's items as a chat: messages by role, tool calls, and images and files by type and size.

Plano stores the whole history in every row, as the items of the Responses API that were sent and answered. Source:
Plano 0.4.36, `crates/hermesllm/src/apis/openai_responses.rs`, and rows that it wrote.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from planodev.visible import size, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["text", "call", "result", "attachment", "reasoning", "other"]
# How Plano writes a model's tool call into the answer that it stores.
_CALLED = re.compile(r"Called function: (\S+) with arguments: (.*)", re.DOTALL)
_DATA = re.compile(r"data:([^;,]*)(;[^,]*)?,")
_CALLS = ("function_call", "custom_tool_call", "mcp_call", "tool_call")
_RESULTS = ("function_call_output", "custom_tool_call_output")
_LONGEST_ADDRESS = 80


@dataclass(frozen=True)
class Entry:
    """One piece of a conversation, safe to show.

    Args:
        role: who it is from: `user`, `assistant`, `system`, `developer`, `tool`.
        kind: what it is.
        text: what was said; arguments of a call, the output of a tool.
        name: of the tool.

    """

    role: str
    kind: Kind
    text: str
    name: str = ""


def entries(items: object) -> list[Entry]:
    """Return the pieces of a conversation in their order; whatever is no list of items is shown as it stands."""
    if not isinstance(items, list):
        return [Entry("unknown", "other", visible(_json(items)))]
    return [
        Entry(visible(one.role), one.kind, visible(one.text), visible(one.name))
        for item in items
        for one in _of_item(item)
    ]


def _of_item(item: object) -> Iterator[Entry]:
    if not isinstance(item, dict):
        yield Entry("unknown", "other", _json(item))
        return
    kind = str(item.get("type") or "message")
    if kind in _CALLS:
        yield Entry("assistant", "call", _words(item.get("arguments", item.get("input"))), str(item.get("name") or "?"))
    elif kind in _RESULTS:
        yield from _content("tool", item.get("output"), "result")
    elif kind == "reasoning":
        summary = item.get("summary") or item.get("content") or []
        parts = summary if isinstance(summary, list) else [summary]
        text = "\n".join(str(part.get("text", "")) if isinstance(part, dict) else str(part) for part in parts)
        yield Entry("assistant", "reasoning", text or "(not shown by the provider)")
    elif kind == "item_reference":
        yield Entry("user", "attachment", f"[reference to {_short(item.get('id'))}]")
    elif kind == "message" and "role" in item:
        yield from _content(str(item["role"]), item.get("content"), "text")
    else:
        yield Entry("assistant" if kind.endswith("_call") else "unknown", "other", _json(item))


def _content(role: str, content: object, kind: Kind) -> Iterator[Entry]:
    parts: list[Any] = content if isinstance(content, list) else [content]
    for part in parts:
        text = part.get("text", part.get("refusal")) if isinstance(part, dict) else part
        if isinstance(part, dict) and not isinstance(text, str):
            yield Entry(role, "attachment", _attachment(part))
            continue
        called = _CALLED.fullmatch(text) if role == "assistant" and isinstance(text, str) else None
        if called:
            yield Entry(role, "call", called[2], called[1])
        elif text is not None:
            yield Entry(role, kind, _words(text))


def _attachment(part: dict[str, Any]) -> str:
    kind = str(part.get("type") or "part").removeprefix("input_").removeprefix("output_")
    for name, value in (("image", part.get("image_url")), ("file", part.get("file_data"))):
        inner: object = value.get("url") if isinstance(value, dict) else value
        if kind.startswith(name) and isinstance(inner, str):
            named = f"{_short(part['filename'])}, " if part.get("filename") else ""
            return f"[{named}{_source(inner, name)}]"
    audio = part.get("input_audio", part)
    if kind == "audio" and isinstance(audio, dict) and isinstance(audio.get("data"), str):
        return f"[audio/{_short(audio.get('format') or '?')}, {size(_bytes(audio['data']))}]"
    known = part.get("filename") or part.get("file_url") or part.get("file_id") or part.get("image_file")
    return f"[{kind} {_short(known)}]" if known else _json(part)


def _source(address: str, kind: str) -> str:
    """Return what an address says of what is there: its type and size where it holds the bytes themselves."""
    found = _DATA.match(address)
    if found:
        return f"{_short(found[1] or kind)}, {size(_bytes(address[found.end() :]))}"
    return f"{kind} {_short(address)}" if "://" in address[:16] else f"{kind}, {size(_bytes(address))}"


def _bytes(base64: str) -> int:
    return len(base64) * 3 // 4 - base64[-2:].count("=")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST_ADDRESS else text[: _LONGEST_ADDRESS - 1] + "…"


def _words(value: object) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
