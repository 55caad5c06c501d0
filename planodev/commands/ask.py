"""`planodev ask`: one turn through the running Plano, and whether it was stored, as the table has it."""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planodev.commands.conversations import number_of
from planodev.conversations import access, store
from planodev.gateway import client, running
from planodev.look import look
from planodev.plano import models, planoai
from planodev.problems import BadInput, Command, Conflict, Fix, Interrupted, NotReady, PlanodevError, Problem
from planodev.project import notes
from planodev.project.log_masking import masked, secrets
from planodev.result import Result
from planodev.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planodev.gateway.client import Answer, Question
    from planodev.gateway.log import NotStored
    from planodev.gateway.running import Running
    from planodev.look import Context, Seen
    from planodev.plano.config_file import ConfigFile
    from planodev.plano.models import Model

STORING = 5.0  # seconds for Plano to store a turn, which it does after it has answered
_POLL = 0.05
_IN_ONE_PIECE = 1_048_576  # bytes that Plano passes on of an answer without a stream
_SHORT = 300  # characters of a question that a fix repeats


@dataclass(frozen=True)
class Stored:
    """What the table has of a turn.

    Args:
        row: None where it is not there.
        why: why not.
        end_missed: whether Plano did not see the end of its stream.
        size: of the answer, in bytes.

    """

    row: store.Row | None
    why: str | None = None
    end_missed: bool = False
    size: int = 0

    @property
    def turn(self) -> int | None:
        """The number of answers in its conversation, this one included."""
        if self.row is None:
            return None
        items = self.row.input_items if isinstance(self.row.input_items, list) else []
        return sum(1 for item in items if isinstance(item, dict) and item.get("role") == "assistant")

    def line(self, answer: Answer, model: Model, seconds: float) -> str:
        """Return it for people: who has answered, which routing may have chosen, and what the table has."""
        # The table has a model with its provider, an answer without; it is the one asked for where that ends alike.
        alone = model.name if model.name.endswith(f"/{answer.model}") else answer.model
        said = [self.row.provider if self.row else alone or model.name, f"{seconds:.1f} s"]
        said += [f"stored as {answer.id} (turn {self.turn})"] if self.row else []
        said += ["sent again after a 409"] if answer.again else []
        return visible(", ".join(said))


def ask(context: Context, tell: Callable[[str], None]) -> Result:
    """Ask the running Plano, and say whether it has stored the turn.

    Args:
        context: with the options `text`, `new`, `continue_from`, `of_model` and `no_stream`.
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
        question = replace(question, stream=not context.options.get("no_stream"))
        began, answer = time.monotonic(), client.Answer()

        def goes_on() -> None:
            notes.write(notes.ASKED, seen.project_id, answer.id)

        with interruption_told(context, answer, kept=keeps(plano, seen, model), stored=goes_on):
            turn(context, seen, question, answer, tell)
            seconds = time.monotonic() - began
            stored = look_up(context, seen, answer, model)
        if answer.id and (stored.row or not model.stored):  # a turn that is not stored cannot be continued
            goes_on()
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
        "sent_again": answer.again,
    }
    context.progress.note(stored.line(answer, model, seconds))
    return Result("ask", data, [], [] if stored.row else [not_stored(context, stored, model)])


def refuse(plano: Running, config: ConfigFile) -> None:
    """Raise the error for a Plano that cannot be asked.

    Raises:
        Conflict: another project's Plano runs, or something that is none.
        NotReady: none runs, or it has died.

    """
    if plano.state in ("without-memory", "connected"):
        return
    problem = running.problem(plano, config)
    start = Fix(planoai.STARTS_PLANO)
    if problem is None:
        raise NotReady(
            "plano-not-running", "Plano is not running", why=f"nothing listens on port {plano.port}", fix=start
        )
    if plano.state in ("other-project", "port-taken"):
        raise Conflict.of(problem)
    raise NotReady.of(problem)


def chosen(config: ConfigFile, asked: str | None) -> Model:
    """Return the model to ask: the one that was named, else the configuration's default one.

    Raises:
        BadInput: the configuration names no such model, or none at all.

    """
    every = [model for model in models.of(config.content or {}) if not model.router and not model.wildcard]
    if asked:
        found = next((model for model in every if asked in (model.name, model.model_id, model.known_as)), None)
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
            answer.again = True
            with suppress(PlanodevError):
                _row(context, question.previous or "", STORING)
            _again(context, question, answer, tell)
    except PlanodevError as error:
        why = " ".join(masked(error.why or "", secrets(seen)))
        raise type(error)(error.code, error.message, why=why or None, fix=error.fix) from error


@contextmanager
def interruption_told(
    context: Context, answer: Answer, *, kept: bool, stored: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Have a Ctrl-C say whether the turn was stored.

    Plano notices that nobody listens when it sends the next piece, and stores a turn whose end is in that.

    Args:
        context: the run.
        answer: what has come.
        kept: whether Plano stores such a turn.
        stored: called where the turn is in the table.

    Raises:
        Interrupted: by Ctrl-C.

    """
    try:
        yield
    except KeyboardInterrupt as error:
        row = None
        with suppress(PlanodevError):
            row = _row(context, answer.id, 1.0) if answer.id else None
        if row:
            stored()
            raise Interrupted("interrupted", f"interrupted; the turn is stored as {visible(answer.id)}") from error
        if not (kept and answer.begun):
            raise Interrupted("interrupted", "interrupted; the turn is not stored") from error
        why = "Plano still stores it where the end is in the next piece of the provider's answer"
        if answer.complete:
            why = "Plano stores a turn after its answer, unless it misses the end of the stream"
        look = ("conversations", "show", answer.id) if answer.id else ("conversations",)
        raise Interrupted(
            "interrupted",
            "interrupted; the turn is not stored yet",
            why=why,
            fix=Fix(Command(*look), " says later whether it was stored"),
        ) from error


def _tell(question: Question, answer: Answer, tell: Callable[[str], None]) -> None:
    for piece in client.ask(question, answer):
        tell(piece)


def _again(context: Context, question: Question, answer: Answer, tell: Callable[[str], None]) -> None:
    try:
        _tell(question, answer, tell)
    except client.TurnUnknown as error:
        raise Conflict(
            "turn-unknown",
            f"Plano does not know the turn `{question.previous}`",
            why="it is not in the table; the question was sent twice",
            fix=Fix(_anew(context), " starts a new conversation"),
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


def keeps(plano: Running, seen: Seen, model: Model) -> bool:
    """Say whether Plano stores a turn of this model."""
    return model.stored and seen.config.connection_string is not None and plano.state == "connected"


def look_up(context: Context, seen: Seen, answer: Answer, model: Model) -> Stored:
    """Return what the table has of a turn, and where it has nothing why."""
    plano = running.look(seen)
    patience = STORING if keeps(plano, seen, model) else 0.0
    try:
        row = _row(context, answer.id, patience) if answer.id else None
    except PlanodevError as error:
        return Stored(None, f"cannot query the database: {error.why or error.message}")
    if row:
        return Stored(row)
    told = running.not_stored(seen, plano.found) if patience and plano.found else None
    why = _why_not(seen, plano, answer, model, told)
    end_missed = told is not None and told.end_missed
    return Stored(None, why, end_missed=end_missed, size=len(answer.text.encode(errors="replace")))


def _why_not(seen: Seen, plano: Running, answer: Answer, model: Model, told: NotStored | None) -> str:
    """Return why a turn is not in the table; `told` is what the log of a Plano that should store it says."""
    if seen.config.connection_string is None:
        return f"`{seen.config.path.name}` has no `state_storage` in postgres"
    if not model.stored:
        return f"{model.prefix} keeps the history itself, and Plano keeps none"
    if plano.state != "connected":
        return "Plano has lost its connection to the database"
    if told and told.end_missed:
        return f"Plano missed the end of the stream, as it may of a long answer ({len(answer.text):,} characters)"
    said = f"Plano's log: {told.line}" if told else "Plano's log does not say why"
    return f"it is not in the table after {STORING:g} seconds; {said}"


def not_stored(context: Context, stored: Stored, model: Model) -> Problem:
    """Return what is said of a turn that is not in the table."""
    fix = Fix(planoai.STARTS_PLANO, " starts Plano again where it has lost its database")
    if not model.stored:
        fix = Fix(Command("up", "--store-all", "--with-plano"), " has Plano store it, and starts it again")
    elif stored.end_missed and stored.size > _IN_ONE_PIECE:
        fix = Fix("ask for a shorter answer: in one piece, by `--no-stream`, Plano passes on 1 MB at most")
    elif stored.end_missed and "text" in context.options:
        fix = Fix(_typed(context, "--no-stream"), " asks for it in one piece, which Plano stores up to 1 MB")
    return Problem("turn-not-stored", f"the turn was not stored: {stored.why}", fix)


def _previous(context: Context, seen: Seen, model: Model) -> str | None:
    """Return the id of the turn to go on from: the one that was named, else that of the last `ask` here.

    Raises:
        Conflict: the one that was named is in the table, and the provider of this model keeps a history of its own.

    """
    named = context.options.get("continue_from")
    if context.options.get("new"):
        return None
    if named:
        with access.session(access.place(replace(context, options={}))) as opened:
            number = number_of(opened, named)
        if not model.stored:
            raise _unknown_there(context, model, number)
        return number
    last = notes.read(notes.ASKED, seen.project_id)
    if last is None:
        return None
    row = None
    with nullcontext() if model.stored else suppress(PlanodevError):  # without it a turn that is not stored is asked
        row = _row(context, last, 0.0)
    if model.stored and not row:
        context.progress.note("the last turn is not in the table: this starts a new conversation")
        return None
    if row and not model.stored:
        context.progress.note(f"{_keeps(model)} the last turn: this starts a new conversation")
        return None
    return last


def _keeps(model: Model) -> str:
    return f"{model.prefix} keeps the history itself, and does not know"


def _unknown_there(context: Context, model: Model, number: str) -> Conflict:
    return Conflict(
        "turn-unknown",
        f"{_keeps(model)} the turn `{number}`",
        why="that one is Plano's, and in the table",
        fix=Fix(
            "name a model that Plano stores by `--model`; ",
            _anew(context),
            " starts a new conversation",
        ),
    )


def _typed(context: Context, *added: str) -> Command:
    """Return the `ask` that was typed, with another option; a long question is read from standard input again."""
    options = context.options
    text = options.get("text") or ""
    typed = [flag for flag in ("--new", "--no-stream") if options.get(flag[2:].replace("-", "_")) and flag not in added]
    for flag, name in (("--continue", "continue_from"), ("--model", "of_model")):
        typed += [flag, options[name]] if options.get(name) and flag not in added else []
    return Command("ask", *added, *typed, text if 0 < len(text) <= _SHORT else "-")


def _anew(context: Context) -> Command:
    """Return the command that asks the same in a new conversation."""
    return _typed(replace(context, options={**context.options, "new": False, "continue_from": None}), "--new")
