"""`planodev conversations`: what Plano remembers, as a list and one by one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from planodev import executables
from planodev.conversations import heads, store, times
from planodev.conversations.access import place, session
from planodev.pasting import quoted
from planodev.problems import BadInput, Command, Fix, PlanodevError, Problem
from planodev.result import Result, Verbatim, counted, number
from planodev.visible import in_json, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from planodev.conversations.heads import Head, Outline
    from planodev.conversations.store import Row
    from planodev.look import Context

LAST = "last"
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
        file = _page(context, opened, found.heads, short)
    data = {
        "conversations": [_described(head, short) for head in found.heads],
        "looked_at": found.looked_at,
        "complete": found.looked_at < store.MOST_LOOKED_AT,
        "file": str(file) if file else None,
    }
    if file:
        return Result("conversations", data, [f"Wrote `{file}`"], _short_of(found, options["limit"]))
    return Result("conversations", data, _lines(found, short, options), _short_of(found, options["limit"]))


def _lines(found: heads.Found, short: Mapping[str, str], options: Mapping[str, Any]) -> list[Any]:
    from planodev.conversations import terminal

    looked = f"searched the newest {number(found.looked_at, 'turn')}"
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
    text = f"only the newest {found.looked_at} stored turns were searched"
    return [Problem("list-cut", text, Fix("remove turns that later ones continue: ", Command(*_PRUNE)))]


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
        row = store.row_of(opened, number_of(opened, context.options["id"]))
        file = None
        if context.options.get("html") or context.options.get("open_page"):
            file = _page(context, opened, (heads.Head(store.outlined(opened, row.response_id)),), None)
    if file:
        return Result("conversations show", vars(row), [f"Wrote `{file}`"])
    entries = transcript.entries(row.input_items)
    if context.options.get("markdown"):
        from planodev.conversations import markdown

        return Result("conversations show", vars(row), [Verbatim(markdown.document(row, entries).rstrip("\n"))])
    from planodev.conversations import terminal

    return Result("conversations show", vars(row), [*terminal.chat(row, entries), *_goes_on(row, context)])


def number_of(opened: Any, text: str) -> str:  # noqa: ANN401
    """Return the id that a text means, `last` for the newest conversation's; raises `BadInput` where there is none."""
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
    # Escaped for the terminal as JSON does it, so that the pasted text means the same.
    words = quoted(in_json(json.dumps(body, ensure_ascii=False)))
    return [
        "To continue:",
        f"  curl http://localhost:{_port(context)}/v1/responses -H 'Content-Type: application/json' \\",
        f"    -d {words}",
    ]


def _port(context: Context) -> int:
    from planodev.look import files
    from planodev.plano import rules

    return rules.model_port(files(context).config)


def _refuse_unsayable(flag: str, text: str) -> None:
    """Refuse a search for what no stored text can contain, such as a NUL, which PostgreSQL rejects."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadInput("usage", f"`{flag}` is not text", why="it is not UTF-8", fix=f"write another `{flag}`")


def followed(context: Context, *, as_json: bool) -> Iterator[str]:
    """Yield a line for each turn as it is stored, without end.

    Args:
        context: with the option `env_file`.
        as_json: an object for each, with the keys of a conversation, instead of words.

    Raises:
        PlanodevError: the database does not answer at the beginning.

    """
    from planodev.conversations import follow, terminal

    for row, short in follow.turns(place(context)):
        words = json.dumps(_turn(row, short), ensure_ascii=False) if as_json else terminal.turn(row, short)
        yield in_json(words) if as_json else words


def _turn(row: Outline, short: str) -> dict[str, Any]:
    known = _described(heads.Head(row), {row.id: short})
    return {name: value for name, value in known.items() if not name.startswith("branch")} | {
        "last_message": line(row.closing, 400)
    }


def pruned(context: Context) -> Result:
    """Delete turns: old ones, those that others go on from, or whole conversations.

    Args:
        context: with one of the options `older_than`, `superseded` and `ids`, and `dry_run`, `yes`, `env_file`.

    Raises:
        PlanodevError: it was not confirmed, or could not be done.

    """
    from planodev.commands.confirm import confirm
    from planodev.conversations import prune
    from planodev.result import Outcome
    from planodev.visible import size

    options, at = context.options, place(context)
    before = times.since("--older-than", options["older_than"]) if options.get("older_than") else None
    context.progress.begin("Finding the turns to delete")
    with prune.find(at, before=before, superseded=options["superseded"], numbers=options["ids"]) as doomed:
        whole = number(doomed.conversations, "whole conversation")
        what = f"{counted(doomed.rows)}, {whole} among them, {size(doomed.bytes)}"
        data = {
            "rows": doomed.rows,
            "conversations": doomed.conversations,
            "bytes": doomed.bytes,
            "deleted_rows": 0,
        }
        if context.dry_run or not doomed.rows:
            return Result("conversations prune", data, [f"Would delete {what}" if doomed.rows else "Nothing to delete"])
        kind = ["--older-than", options["older_than"]] if before is not None else ["--superseded"]
        again = Command("conversations", "prune", *(options["ids"] or kind))
        confirm(context, f"this deletes {what}", again)
        title = "Deleting turns"
        context.progress.begin(title)
        data["deleted_rows"] = prune.delete(
            at, doomed, lambda gone: context.progress.begin(f"{title}, {gone} of {doomed.rows}")
        )
        context.progress.done(Outcome("deleted", "turns", f"{data['deleted_rows']} of {doomed.rows}"))
    return Result("conversations prune", data, [f"Deleted {what}"])


def exported(context: Context) -> Result:
    """Write every row into a file of JSON lines.

    Args:
        context: with the options `file`, `force` and `env_file`.

    Raises:
        PlanodevError: the file exists, or cannot be written.

    """
    from pathlib import Path

    from planodev.conversations import transfer

    file = Path(context.options["file"])
    count = transfer.write(place(context), file, force=context.options["force"])
    return Result("conversations export", {"file": str(file), "rows": count}, [f"Wrote {counted(count)} to `{file}`"])


def imported(context: Context) -> Result:
    """Put the rows of a file of JSON lines into the project's own database, all or none.

    Args:
        context: with the options `file` and `force`.

    Raises:
        PlanodevError: a line is no row, or a row of the same id differs; nothing was changed then.

    """
    from pathlib import Path

    from planodev.commands.reset import own
    from planodev.conversations import transfer

    file = Path(context.options["file"])
    with transfer.opened_twice(file) as source:
        count = transfer.check(source)
        found = transfer.read(own(context, "conversations import"), source, force=context.options["force"])
    data = {"file": str(file), "rows": count, **vars(found)}
    words = f"{counted(found.added)} added, {found.replaced} replaced, {found.same} there already"
    return Result("conversations import", data, [f"Imported `{file}`: {words}"])


def _page(context: Context, opened: Any, found: tuple[Head, ...], short: Mapping[str, str] | None) -> Path | None:  # noqa: ANN401
    """Write these conversations as a page where that was asked for, and open it in the browser; returns its file."""
    options = context.options
    if not (options.get("html") or options.get("open_page")):
        return None
    from pathlib import Path

    from planodev.conversations import page, transcript
    from planodev.project import notes
    from planodev.project.private_files import make_directory, write_atomically

    rows = [(head, store.row_of(opened, head.row.id)) for head in found]
    short = short or store.short_ids(opened, [head.row.id for head in found])
    whole = [(head, short[head.row.id], row, transcript.entries(row.input_items)) for head, row in rows]
    file = Path(options["html"]) if options.get("html") else notes.page(context.project.path)
    text = page.page(f"Conversations of {context.project.path.name}", whole)
    try:
        if not options.get("html"):
            make_directory(file.parent)
        write_atomically(file, text.encode(), 0o600)
    except OSError as error:
        why, fix = error.strerror or str(error), "free space there, or name another file"
        raise PlanodevError("file-failed", f"`{file}` could not be written", why=why, fix=fix) from error
    if options.get("open_page"):
        import webbrowser

        with executables.absolute_path():
            opened = webbrowser.open(file.resolve().as_uri())
        if not opened:
            fix = f"open `{file.resolve()}` yourself"
            context.progress.notice(Problem("browser-missing", "cannot open a browser", fix))
    return file
