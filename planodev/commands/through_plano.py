"""`planodev verify --through-plano`: the whole promise, tried on the Plano that runs."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from planodev.commands import ask
from planodev.conversations import access, store
from planodev.gateway import client, running
from planodev.plano import planoai
from planodev.problems import Command, CredentialsRefused, Fix, PlanodevError, Problem, VerificationFailed
from planodev.result import Outcome

if TYPE_CHECKING:
    from planodev.gateway.client import Answer
    from planodev.look import Context, Seen
    from planodev.plano.models import Model

_TURNS = ("Answer with one word: ready?", "And once more?")


def prove(context: Context, seen: Seen) -> dict[str, Any]:
    """Send two short turns through the running Plano, and see both in the table, the second holding the first.

    Args:
        context: with the option `of_model`.
        seen: the project.

    Returns:
        `through_plano` of `--json`.

    Raises:
        VerificationFailed: Plano does not run as it should, or has not stored what it answered.
        PlanodevError: it did not answer.

    """
    plano = running.look(seen)
    problem = running.problem(plano, seen.config)
    if plano.state != "connected":
        start = Fix(planoai.STARTS_PLANO)
        idle = Problem("plano-not-running", "Plano is not running", start, f"nothing listens on port {plano.port}")
        raise VerificationFailed.of(problem or idle)
    model = ask.chosen(seen.config, context.options.get("of_model"))
    context.progress.note(f"sending two short requests through Plano to {model.name}; they are charged like any other")
    context.progress.begin("Verifying through Plano")
    answers: list[Answer] = []
    began = time.monotonic()
    try:
        rows = [_turn(context, seen, model, text, answers) for text in _TURNS]
        items = [row.input_items for row in rows]
        if items[1][: len(items[0])] != items[0]:
            why = "the second turn in the table does not begin with the first one"
            raise VerificationFailed("history-lost", "Plano stores, but does not remember", why=why, fix=_doctor())
    finally:
        removed = _remove(context, [answer.id for answer in answers if answer.id])
    seconds = round(time.monotonic() - began, 2)
    context.progress.done(Outcome("verified", "through plano", f"two turns of {model.name} in {seconds:.1f} s"))
    ids = [answer.id for answer in answers]
    return {"model": model.name, "seconds": seconds, "response_ids": ids, "removed": removed}


def _doctor() -> Fix:
    return Fix(Command("doctor"), " checks Plano")


def _turn(context: Context, seen: Seen, model: Model, text: str, answers: list[Answer]) -> store.Row:
    """Send one turn, which goes on from the last one, and return its row."""
    previous = answers[-1].id if answers else None
    answers.append(client.Answer())
    plano = running.look(seen)
    question = ask.question_of(seen.config, plano, model, text, previous)
    with ask.interruption_told(context, answers[-1], kept=ask.keeps(plano, seen, model)):
        ask.turn(context, seen, question, answers[-1], lambda _: None)
        stored = ask.look_up(context, seen, answers[-1], model)
    if stored.row is None:
        fix = ask.not_stored(context, stored, model).fix
        raise VerificationFailed("turn-not-stored", "Plano answered, and stored nothing", why=stored.why, fix=fix)
    return stored.row


def _remove(context: Context, ids: list[str]) -> bool:
    """Remove the rows again; where the role may not delete, they are named instead."""
    if not ids:
        return True
    at = access.place(replace(context, options={}))
    try:
        with access.session(at, writes=True) as opened:
            opened.execute(f"DELETE FROM {store.TABLE} WHERE response_id = ANY(%s)", (ids,))
            opened.commit()
    except PlanodevError as error:
        text = f"the turns of this verification stay in the table: {', '.join(ids)}"
        owner = "as the table's owner: " if isinstance(error, CredentialsRefused) else "once the database answers: "
        fix = Fix(owner, Command("conversations", "prune", *ids))
        context.progress.notice(Problem("verification-kept", text, fix, error.why))
        return False
    return True
