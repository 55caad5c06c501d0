"""Turns written into the table as Plano writes them: its own statement, and items in the forms that it stores."""

from __future__ import annotations

import json
import uuid

from planodev.postgres import proof

ASKED, ANSWERED = "anthropic/claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
# Each kind of item that a row can have: as clients send them, and as Plano writes an answer.
EVERY_KIND = [
    {"role": "system", "content": "You are the support agent of a shop. " + "Be kind and brief. " * 20},
    {"role": "user", "content": "What is this, and is it in stock?"},
    {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "Here it is:"},
            {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"},
            {"type": "input_image", "image_url": "https://shop.example/shoe.png"},
            {"type": "input_file", "filename": "order.pdf", "file_data": f"data:application/pdf;base64,{PIXEL}"},
            {"type": "input_audio", "input_audio": {"data": PIXEL, "format": "mp3"}},
        ],
    },
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "It looks like a shoe."}]},
    {"type": "function_call", "call_id": "c1", "name": "stock", "arguments": '{"item": "shoe", "size": 43}'},
    {"type": "function_call_output", "call_id": "c1", "output": '{"left": 3}'},
    {"type": "custom_tool_call", "call_id": "c2", "name": "shell", "input": "ls -l"},
    {"type": "custom_tool_call_output", "call_id": "c2", "output": "total 0"},
    {"type": "item_reference", "id": "msg_17"},
    {
        "role": "assistant",
        "content": [{"type": "output_text", "text": 'Called function: price with arguments: {"item": "shoe"}'}],
    },
    {"role": "assistant", "content": [{"type": "input_text", "text": "An answer of a Plano before 0.4.27."}]},
    {
        "role": "assistant",
        "content": [{"type": "output_text", "text": "# In stock\n\n- **3** left\n\n```python\nprint(43)\n```\n"}],
    },
]


def said(text, role="user"):
    kind = "output_text" if role == "assistant" else "input_text"
    return {"role": role, "content": text if role == "user" else [{"type": kind, "text": text}]}


class Plano:
    """Stores turns over a session, in autocommit, one second after another."""

    def __init__(self, session, start=1_790_000_000):
        self.session = session
        self.now = start
        self.items = {}

    def turn(self, text, *, after=None, **row):
        """Store a question and its answer behind an earlier turn's history; returns the row's id."""
        asked = text if isinstance(text, list) else [said(text)]
        history = [*self.items.get(after, []), *asked, said(f"Answer to: {text}", "assistant")]
        return self.put(history, **row)

    def put(self, items, *, number=None, model=ASKED, provider=ANSWERED, at=None):
        """Store a row with these items."""
        number = number or f"resp_{uuid.uuid4().hex}"
        self.now += 1
        statement = proof._PUT
        for place in ("$1", "$2", "$3", "$4", "$5"):
            statement = statement.replace(place, "%s", 1)
        self.session.execute(statement, (number, json.dumps(items), self.now if at is None else at, model, provider))
        self.items[number] = items
        return number
