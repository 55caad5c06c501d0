"""A row's items as a chat: messages by role, tool calls, and images and files by type and size.

Plano stores the whole history in every row, as the items of the Responses API that were sent and answered. Sources:
Plano 0.4.36, `crates/hermesllm/src/apis/openai_responses.rs`, and rows that it wrote; for the kinds of items also the
reference of the Responses API.
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
# Keys of a tool call: those with the answer of a tool that runs at the provider, and those that a reader does not need.
_OUTCOMES = ("output", "outputs", "result", "results", "error")
_BOOKKEEPING = ("type", "id", "call_id", "status", "name", *_OUTCOMES)
# Keys of a part: those with its text, and those that name or hold a picture, a file or a sound.
_TEXTS = ("text", "refusal", "logs", "transcript")
_MEDIA = (("image", "image_url"), ("file", "file_data"), ("file", "file_url"), ("audio", "data"), ("image", "url"))
_NESTED = ("image_url", "image_file", "file", "input_audio", "audio")
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
    if kind == "message" and "role" in item:
        yield from _message(item)
    elif kind == "reasoning":
        yield Entry("assistant", "reasoning", _reasoning(item) or "(not shown by the provider)")
    elif kind == "item_reference":
        yield Entry("user", "attachment", f"[reference to {_short(item.get('id'))}]")
    elif kind.endswith("_output"):
        yield from _content("tool", next((item[name] for name in _OUTCOMES if name in item), None), "result")
    elif kind.endswith("_call") or kind == "mcp_approval_request":
        yield from _call(kind, item)
    else:
        yield Entry(str(item.get("role") or "unknown"), "other", _json(item))


def _message(item: dict[str, Any]) -> Iterator[Entry]:
    role = str(item["role"])
    found = list(_content(role, item.get("content"), "result" if role == "tool" else "text"))
    if isinstance(item.get("refusal"), str):
        found.append(Entry(role, "text", item["refusal"]))
    # The form of clients that use the API of chat completions.
    calls = item.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        tool = call.get("function", call.get("custom")) if isinstance(call, dict) else None
        found += _call("tool_call", tool) if isinstance(tool, dict) else [Entry(role, "other", _json(call))]
    yield from found or [Entry(role, "other", "(empty)")]


def _call(kind: str, item: dict[str, Any]) -> Iterator[Entry]:
    """Yield a call of a tool, and the outcome where the same item has it."""
    rest = {name: value for name, value in item.items() if name not in _BOOKKEEPING and value is not None}
    asked = next((rest[name] for name in ("arguments", "input") if name in rest), rest)
    yield Entry("assistant", "call", _words(asked), str(item.get("name") or kind.removesuffix("_call")))
    for outcome in (item[name] for name in _OUTCOMES if item.get(name) is not None):
        if kind == "image_generation_call" and isinstance(outcome, str):
            picture = _source(outcome, f"image/{_short(item.get('output_format') or 'png')}")
            yield Entry("tool", "attachment", f"[{picture}]")
        else:
            yield from _content("tool", outcome, "result")


def _reasoning(item: dict[str, Any]) -> str:
    summary = item.get("summary") or item.get("content") or []
    parts = summary if isinstance(summary, list) else [summary]
    return "\n".join(str(part.get("text", "")) if isinstance(part, dict) else str(part) for part in parts)


def _content(role: str, content: object, kind: Kind) -> Iterator[Entry]:
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, dict):
            yield from _part(role, part, kind)
        elif part not in (None, ""):
            yield from _said(role, _words(part), kind)


def _part(role: str, part: dict[str, Any], kind: Kind) -> Iterator[Entry]:
    attached = _attachment(part)
    if attached:
        yield Entry(role, "attachment", attached)
    text = next((part[name] for name in _TEXTS if isinstance(part.get(name), str)), None)
    if text:
        yield from _said(role, text, kind)
    elif text is None and not attached:
        yield Entry(role, "result" if kind == "result" else "other", _json(part))
    notes = part.get("annotations")
    cited = [_citation(note) for note in notes if isinstance(note, dict)] if isinstance(notes, list) else []
    yield from (Entry(role, "attachment", one) for one in dict.fromkeys(cited))


def _said(role: str, text: str, kind: Kind) -> Iterator[Entry]:
    called = _CALLED.fullmatch(text) if role == "assistant" else None
    yield Entry(role, "call", called[2], called[1]) if called else Entry(role, kind, text)


def _citation(note: dict[str, Any]) -> str:
    inner = note.get("url_citation")  # the form of chat completions
    note = {**note, **(inner if isinstance(inner, dict) else {})}
    named = (note.get(name) for name in ("title", "filename", "url", "file_id"))
    return f"[{_short(note.get('type') or 'source')}: {', '.join(_short(one) for one in named if one) or _json(note)}]"


def _attachment(part: dict[str, Any]) -> str | None:
    """Return what a part attaches, by its type and size, or its name; None where it is words alone."""
    kind = str(part.get("type") or "part").removeprefix("input_").removeprefix("output_")
    nested = (part[name] for name in _NESTED if isinstance(part.get(name), dict))
    part = {**part, **next(nested, {})}
    name = part.get("filename")
    for what, key in _MEDIA:
        if isinstance(part.get(key), str) and (key not in ("data", "url") or what in kind):
            sort = f"audio/{_short(part.get('format') or '?')}" if what == "audio" else what
            return f"[{f'{_short(name)}, ' if name else ''}{_source(part[key], sort)}]"
    known = name or part.get("file_id")
    return f"[{'file' if kind == 'part' else kind} {_short(known)}]" if known else None


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
    """Return a value as JSON, in which pictures and files stand by type and size here, too."""
    return json.dumps(_brief(value), ensure_ascii=False)


def _brief(value: object) -> object:
    if isinstance(value, dict):
        return {key: _brief(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_brief(one) for one in value]
    return f"[{_source(value, 'data')}]" if isinstance(value, str) and _DATA.match(value) else value
