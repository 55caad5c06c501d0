"""`planodev conversations`: what Plano remembers, as a list and one by one."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from planodev.conversations import heads, store, times
from planodev.conversations.access import place, session
from planodev.problems import BadInput, Command, Fix, Problem
from planodev.result import Result
from planodev.visible import in_json, line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.conversations.heads import Head
    from planodev.conversations.store import Row
    from planodev.look import Context

LAST = "last"
MODEL_LISTENER = 12000  # which Plano adds where a configuration has none
_PRUNE = ("conversations", "prune", "--superseded")
_NONE = "no conversation is stored"


def listed(context: Context) -> Result:
    """List the newest conversations.

    Args:
        context: with the options `limit`, `of_model`, `since`, `grep` and `env_file`.

    Raises:
        PlanodevError: the database does not answer, or an option cannot be right.

    """
    options = context.options
    since = times.since("--since", options["since"]) if options.get("since") else None
    model, grep = options.get("of_model") or "", options.get("grep") or ""
    for flag, text in (("--model", model), ("--grep", grep)):
        _refuse_unsayable(flag, text)
    with session(place(context)) as opened:
        rows = store.newest(opened, since=since, model=model, grep=grep)
        found = heads.newest(rows, options["limit"])
        short = store.short_ids(
            opened, [number for head in found.heads for number in (head.row.id, head.branch_of) if number]
        )
    data = {
        "conversations": [_described(head, short) for head in found.heads],
        "looked_at": found.looked_at,
        "complete": found.looked_at < store.MOST_LOOKED_AT,
    }
    return Result("conversations", data, _lines(found, short, options), _short_of(found, options["limit"]))


def _lines(found: heads.Found, short: Mapping[str, str], options: Mapping[str, Any]) -> list[Any]:
    from planodev.conversations import terminal

    looked = f"looked at the newest {found.looked_at} turn{'' if found.looked_at == 1 else 's'}"
    searched = any(options.get(name) for name in ("of_model", "grep", "since"))
    if not found.heads:
        nothing: Any = (
            f"No conversation matches; {looked}"
            if searched
            else Fix(
                "No conversation is stored yet. ", Command("doctor"), " says whether Plano will store the next one"
            )
        )
        return [nothing]
    more = [f"({looked})"] if options.get("grep") else []
    return [
        terminal.table(found.heads, short),
        *more,
        "",
        Command("conversations", "show", short[found.heads[0].row.id]),
    ]


def _short_of(found: heads.Found, limit: int) -> list[Problem]:
    if found.looked_at < store.MOST_LOOKED_AT or len(found.heads) >= limit:
        return []
    text = f"only the newest {found.looked_at} stored turns were looked at"
    return [Problem("list-cut", text, Fix("remove turns that others go on from: ", Command(*_PRUNE)))]


def _described(head: Head, short: Mapping[str, str]) -> dict[str, Any]:
    row = head.row
    return {
        "id": row.id,
        "short_id": short[row.id],
        "created_at": row.created_at,
        "turns": row.turns,
        "items": len(row.keys) if row.keys is not None else None,
        "bytes": row.stored,
        "model": row.model,
        "provider": row.provider,
        "first_message": line(row.opening, 400),
        "branch_of": head.branch_of,
        "branch_turn": head.branch_turn,
    }


def show(context: Context) -> Result:
    """Show one conversation.

    Args:
        context: with the options `id`, which may be `last`, `markdown` and `env_file`.

    Raises:
        BadInput: no row has this id, or nothing is stored.
        PlanodevError: the database does not answer.

    """
    from planodev.conversations import transcript

    at = place(context)
    with session(at) as opened:
        row = store.row_of(opened, _number(opened, context.options["id"]))
    entries = transcript.entries(row.input_items)
    if context.options.get("markdown"):
        from planodev.conversations import markdown

        return Result("conversations show", vars(row), [markdown.document(row, entries).rstrip("\n")])
    from planodev.conversations import terminal

    return Result("conversations show", vars(row), [*terminal.chat(row, entries), *_goes_on(row, context)])


def _number(opened: Any, text: str) -> str:  # noqa: ANN401
    if text != LAST:
        return store.resolve(opened, text)
    found = heads.newest(store.newest(opened), 1).heads
    if not found:
        fix = Fix(Command("doctor"), " says whether Plano will store the next one")
        raise BadInput("nothing-stored", _NONE, fix=fix)
    return found[0].row.id


def _goes_on(row: Row, context: Context) -> list[str]:
    """Return the command by which a client goes on from a row."""
    body = {"model": row.model, "previous_response_id": row.response_id, "input": "…"}
    # Escapes of JSON where a terminal would be steered, so that what is pasted still means the same.
    words = shlex.quote(in_json(json.dumps(body, ensure_ascii=False)))
    return [
        "To go on:",
        f"  curl http://localhost:{_port(context)}/v1/responses -H 'Content-Type: application/json' \\",
        f"    -d {words}",
    ]


def _port(context: Context) -> int:
    from planodev.look import files

    config = files(context).config
    if config.text is None or str(MODEL_LISTENER) in config.text:
        return MODEL_LISTENER
    try:
        found = (config.content or {}).get("listeners")
    except BadInput:
        return MODEL_LISTENER
    ports = (
        [one.get("port") for one in found or [] if isinstance(one, dict) and one.get("type") == "model"]
        if isinstance(found, list)
        else []
    )
    return next((port for port in ports if isinstance(port, int)), MODEL_LISTENER)


def _refuse_unsayable(flag: str, text: str) -> None:
    """Refuse what no stored text can contain, and PostgreSQL does not take."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadInput("usage", f"`{flag}` is no text", why="it is not UTF-8", fix=f"write another `{flag}`")
