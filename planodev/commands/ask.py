"""`planodev ask`: one turn through the running Plano, and whether it was stored, as the table has it."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planodev.commands.conversations import number_of
from planodev.conversations import access, store
from planodev.gateway import client, running
from planodev.look import look
from planodev.plano import models
from planodev.problems import BadInput, Command, Conflict, Fix, Interrupted, NotReady, PlanodevError, Problem
from planodev.project import notes
from planodev.project.secrets import masked, secrets
from planodev.result import Result
from planodev.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planodev.gateway.client import Answer, Question
    from planodev.gateway.running import Running
    from planodev.look import Context, Seen
    from planodev.plano.config_file import ConfigFile
    from planodev.plano.models import Model

STORING = 5.0  # seconds for Plano to store a turn, which it does after it has answered
_POLL = 0.05


@dataclass(frozen=True)
class Stored:
    """What the table has of a turn: its row, or why there is none."""

    row: store.Row | None
    why: str | None = None

    @property
    def turn(self) -> int | None:
        """The number of answers in its conversation, this one included."""
        if self.row is None:
            return None
        items = self.row.input_items if isinstance(self.row.input_items, list) else []
        return sum(1 for item in items if isinstance(item, dict) and item.get("role") == "assistant")

    def said(self, answer: Answer) -> str:
        """Return it for people."""
        return f"stored as {visible(answer.id)} (turn {self.turn})"


def ask(context: Context, tell: Callable[[str], None]) -> Result:
    """Ask the running Plano, and say whether it has stored the turn.

    Args:
        context: with the options `text`, `new`, `continue_from` and `of_model`.
        tell: gets the pieces of the answer as they come.

    Raises:
        PlanodevError: no Plano of this project runs, or it gives no whole answer.

    """
    seen = look(replace(context, options={}))
    try:
        plano = running.look(seen)
        refuse(plano, seen.config)
        model = chosen(seen.config, context.options.get("of_model"))
        previous = _previous(context, seen, model)
        question = question_of(seen.config, plano, model, context.options["text"], previous)
        began, answer = time.monotonic(), client.Answer()
        with interruption_told(context, answer):
            turn(context, seen, question, answer, tell)
            seconds = time.monotonic() - began
            stored = look_up(context, seen, answer, model)
        if answer.id and (stored.row or not model.stored):  # a turn that is not stored cannot be continued
            notes.write(notes.ASKED, seen.project_id, answer.id)
    finally:
        seen.engine.close()
    data = {
        "answer": answer.text,
        "response_id": answer.id,
        "previous_response_id": previous,
        "model": answer.model or model.name,
        "seconds": round(seconds, 2),
        "stored": stored.row is not None,
        "turn": stored.turn,
        "why": stored.why,
    }
    context.progress.note(f"{model.name}, {seconds:.1f} s{f', {stored.said(answer)}' if stored.row else ''}")
    return Result("ask", data, [], [] if stored.row else [not_stored(stored, model)])


def refuse(plano: Running, config: ConfigFile) -> None:
    """Raise the error for a Plano that cannot be asked.

    Raises:
        Conflict: another project's Plano runs, or something that is none.
        NotReady: none runs, or it has died.

    """
    if plano.state in ("without-memory", "connected"):
        return
    problem = running.problem(plano, config)
    start = Fix(Command("up", "--with-plano"))
    if problem is None:
        raise NotReady(
            "plano-not-running", "Plano is not running", why=f"nothing listens on port {plano.port}", fix=start
        )
    if plano.state in ("other-project", "port-taken"):
        raise Conflict.of(problem)
    raise NotReady.of(replace(problem, fix=start))


def chosen(config: ConfigFile, asked: str | None) -> Model:
    """Return the model to ask: the one that was named, else the configuration's default one.

    Raises:
        BadInput: the configuration names no such model, or none at all.

    """
    every = [model for model in models.of(config.content or {}) if not model.router and not model.wildcard]
    if asked:
        found = next((model for model in every if asked in (model.name, model.number)), None)
        if found:
            return found
        names = ", ".join(f"`{model.name}`" for model in every) or "none"
        why, fix = f"it has {names}", "leave `--model` out, or name one of these"
        raise BadInput("model-not-configured", f"`{config.path.name}` has no model `{asked}`", why=why, fix=fix)
    default = next((model for model in every if model.default), every[0] if every else None)
    if default is None:
        add = Fix("add one to `model_providers`; ", Command("up"), " says what is missing")
        raise BadInput("model-not-configured", f"`{config.path.name}` names no model to ask", fix=add)
    return default


def question_of(config: ConfigFile, plano: Running, model: Model, text: str, previous: str | None) -> Question:
    """Return what is asked of a model, with the name of its provider's key."""
    key, at = model.path
    written = str((config.content or {})[key][at].get("access_key") or "")
    name = written.strip("${}") if written.startswith("$") else None
    return client.Question(plano.port, model.name, text, previous, name)


def turn(context: Context, seen: Seen, question: Question, answer: Answer, tell: Callable[[str], None]) -> None:
    """Ask, and tell the answer as it comes; a turn that is not stored yet is waited for, and the question sent again.

    Raises:
        PlanodevError: with whatever the provider says, but no secret in it.

    """
    try:
        try:
            _tell(question, answer, tell)
        except client.TurnUnknown:
            # Plano stores a turn after it has answered: the next question may arrive before that.
            with suppress(PlanodevError):
                _row(context, question.previous or "", STORING)
            _again(question, answer, tell)
    except PlanodevError as error:
        why = " ".join(masked(error.why or "", secrets(seen)))
        raise type(error)(error.code, error.message, why=why or None, fix=error.fix) from error


@contextmanager
def interruption_told(context: Context, answer: Answer) -> Iterator[None]:
    """Have a Ctrl-C say whether the turn was stored.

    Raises:
        Interrupted: by Ctrl-C.

    """
    try:
        yield
    except KeyboardInterrupt as error:
        row = None
        with suppress(PlanodevError):
            row = _row(context, answer.id, 1.0) if answer.id else None
        state = f"stored as {visible(answer.id)}" if row else "not stored"
        raise Interrupted("interrupted", f"interrupted; the turn is {state}") from error


def _tell(question: Question, answer: Answer, tell: Callable[[str], None]) -> None:
    for piece in client.ask(question, answer):
        tell(piece)


def _again(question: Question, answer: Answer, tell: Callable[[str], None]) -> None:
    try:
        _tell(question, answer, tell)
    except client.TurnUnknown as error:
        raise Conflict(
            "turn-unknown",
            f"Plano does not know the turn `{question.previous}`",
            why="it is not in the table; the question was sent twice",
            fix=Fix(Command("ask", "--new", question.text), " starts a new conversation"),
        ) from error


def _row(context: Context, number: str, patience: float) -> store.Row | None:
    """Return a row as soon as it is in the table, None where it is not within so many seconds."""
    at = access.place(replace(context, options={}))
    ends = time.monotonic() + patience
    while True:
        with access.session(at) as opened:
            while True:
                found = opened.execute(f"SELECT FROM {store.TABLE} WHERE response_id = %s", (number,)).fetchone()
                if found is not None:
                    return store.row_of(opened, number)
                if time.monotonic() > ends:
                    return None
                opened.rollback()
                time.sleep(_POLL)


def look_up(context: Context, seen: Seen, answer: Answer, model: Model) -> Stored:
    """Return what the table has of a turn, and where it has nothing why."""
    kept = model.stored and seen.config.connection_string is not None
    plano = running.look(seen)
    patience = STORING if kept and plano.state == "connected" else 0.0
    try:
        row = _row(context, answer.id, patience) if answer.id else None
    except PlanodevError as error:
        return Stored(None, f"cannot query the database: {error.why or error.message}")
    if row:
        return Stored(row)
    if seen.config.connection_string is None:
        return Stored(None, f"`{seen.config.path.name}` has no `state_storage` in postgres")
    if not model.stored:
        return Stored(None, f"{model.prefix} keeps the history itself, and Plano keeps none")
    if plano.state != "connected":
        return Stored(None, "Plano has lost its connection to the database")
    return Stored(None, f"it is not in the table after {STORING:g} seconds; Plano's log says why")


def not_stored(stored: Stored, model: Model) -> Problem:
    """Return what is said of a turn that is not in the table."""
    fix = Fix(Command("up", "--with-plano"), " starts Plano again where it has lost its database")
    if not model.stored:
        fix = Fix(Command("up", "--store-all", "--with-plano"), " has Plano store it, and starts it again")
    return Problem("turn-not-stored", f"the turn was not stored: {stored.why}", fix)


def _previous(context: Context, seen: Seen, model: Model) -> str | None:
    """Return the id of the turn to go on from: the one that was named, else that of the last `ask` here."""
    named = context.options.get("continue_from")
    if context.options.get("new"):
        return None
    if named:
        with access.session(access.place(replace(context, options={}))) as opened:
            return number_of(opened, named)
    last = notes.read(notes.ASKED, seen.project_id)
    if last and model.stored and not _row(context, last, 0.0):
        context.progress.note("the last turn is not in the table: this starts a new conversation")
        return None
    return last
