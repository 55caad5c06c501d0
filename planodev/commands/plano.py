"""Plano with the database: `up --with-plano` and `down --with-plano`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.gateway import client, running, start
from planodev.plano import planoai
from planodev.problems import BadInput, Command, Fix, VerificationFailed
from planodev.project import defaults, settings
from planodev.result import Outcome

if TYPE_CHECKING:
    from planodev.database import Database
    from planodev.gateway.running import Running
    from planodev.look import Seen

_MODE = {"docker": "it is to run in Docker", "native": "it is to run natively"}


def refuse(seen: Seen) -> None:
    """Raise what keeps this project's Plano from being started, before anything is touched.

    Raises:
        BadInput: the option for the time cannot be used, or a Plano that has to be restarted was not to be.
        NotReady: planoai is not installed.
        Conflict: the Plano of this machine is another project's, or something else has a port.

    """
    timeout(seen)
    plano = running.look(seen)
    start.refuse(seen, plano)
    # Asked before anything is touched: a server for the other mode has other addresses, and this Plano loses it.
    if _in_other_mode(seen, plano):
        _agree(seen, plano, _MODE[seen.mode])


def timeout(seen: Seen) -> float:
    """Return the seconds that Plano gets to be ready.

    Raises:
        BadInput: the option is no number from 1 to 3600.

    """
    text = seen.context.options.get("plano_timeout")
    if text is None:
        return defaults.PLANO_TIMEOUT
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= settings.LONGEST:
        fix = Fix(Command("up", "--with-plano", "--plano-timeout", f"{defaults.PLANO_TIMEOUT:g}"))
        raise BadInput("usage", f"invalid time for Plano `{text}`: must be 1–{settings.LONGEST} seconds", fix=fix)
    return seconds


def bring_up(database: Database) -> Running:
    """Start this project's Plano, or restart one that is not connected to the database; one that is stays as it is.

    Raises:
        Conflict: the Plano of this machine is another project's, or something else has a port.
        NotReady: planoai is not installed, Plano has died, or is not ready in time.
        VerificationFailed: a provider's key is missing.
        BadInput: one that runs was not to be started again.

    """
    from planodev.steps import keys

    database.seen.deadline.restart()
    seen = database.seen.again() if database.seen.engine.traits.containers else database.seen
    plano = running.look(seen, database.proved)
    start.refuse(seen, plano)
    error = next((problem for problem in keys.problems_of_start(seen) if problem.fatal), None)
    environment = given(database)
    verb = "started"
    if plano.runs and plano.found:
        moves = _in_other_mode(seen, plano)
        why = _MODE[seen.mode] if moves else start.reason(plano, environment[start.STAMP]) or client.silence(plano.port)
        if why is None:
            if error:
                seen.progress.notice(error)
            seen.progress.done(Outcome("unchanged", "plano", at(plano)))
            return plano
        if not moves:  # `refuse` has asked for that already
            _agree(seen, plano, why)
        verb = f"restarted, since {why}"
        start.stop(seen, plano.found)
    if error:
        if error.fix and not planoai.brings_up(error.fix):
            error = replace(error, fix=planoai.then_start(error.fix))
        raise VerificationFailed.of(error)
    plano = start.start(seen, start.arguments_of(seen), environment, timeout(seen))
    seen.progress.done(Outcome(verb, "plano", at(plano)))
    return plano


def given(database: Database) -> dict[str, str]:
    """Return the environment that Plano is started with: what `run` gives, and a stamp of it."""
    from planodev.steps import config

    values = config.environment_with(database.seen, database.connection())
    return {**values, start.STAMP: start.stamp(database.seen.config, values)}


def at(plano: Running) -> str:
    """Return where Plano answers, for people."""
    return f"at http://localhost:{plano.port}, connected to this database"


def _in_other_mode(seen: Seen, plano: Running) -> bool:
    return plano.runs and plano.found is not None and plano.found.mode != seen.mode


def _agree(seen: Seen, plano: Running, why: str) -> None:
    """Have a restart confirmed; of one that has died there is nothing left to ask for."""
    says = f"Plano ({plano.found.where if plano.found else ''}) will be restarted: {why}"
    if plano.state == "died" or seen.context.options.get("yes") or seen.context.dry_run:
        seen.progress.note(says)
        return
    answer = seen.progress.confirm(f"{says}. Continue?", default=True)
    if not answer:
        reason = "no terminal to ask on" if answer is None else None
        mode = ("--plano", seen.mode) if _in_other_mode(seen, plano) else ()
        fix = Fix(Command("up", "--with-plano", *mode, "--yes"))
        raise BadInput("not-confirmed", f"Plano was not restarted, although {why}", why=reason, fix=fix)


def bring_down(seen: Seen, plano: Running) -> bool:
    """Stop this project's Plano before its database; returns whether one was stopped.

    Raises:
        NotReady: planoai is not installed, or it still runs in the end.

    """
    if plano.state == "other-project" and plano.found:
        seen.progress.notice(running.another(plano.found))
    if not plano.runs or plano.found is None:
        return False
    start.stop(seen, plano.found)
    return True
