"""`planodev up --dry-run`: what `up` would do; it looks, decides and prints, and nothing is changed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from planodev.commands import report
from planodev.database import Database
from planodev.engines import Container
from planodev.gateway import running
from planodev.plano import judge
from planodev.postgres import queries, state_table
from planodev.postgres.admin import AdminFailed
from planodev.project import git
from planodev.result import Outcome, Result
from planodev.steps import config, env_file, keys, login, match_env, server
from planodev.takeover import adopt, move

if TYPE_CHECKING:
    from planodev.decide import Plan
    from planodev.look import Seen
    from planodev.postgres.proof import Evidence

_WOULD = {
    "created": "would be created",
    "updated": "would be updated",
    "create": "would be created",
    "start": "would be started",
    "replace": "would be replaced",
}


def planned(seen: Seen) -> Result:
    """Print what each step of `up` would do, in its order; what `up` would refuse is refused here as well.

    Raises:
        PlanodevError: `up` would end with this.

    """
    settled = _configuration(seen)
    inside = queries.look_at(seen)
    foreign = adopt.wanted(seen)
    if foreign:
        _say(seen, "would be adopted", foreign.name, f"PostgreSQL {foreign.major}")
        return report.planned(seen, inside, running.look(seen, inside))
    plan = move.announce(seen) if seen.moves else move.planned(seen)
    _server(seen, plan)
    if plan.desired.port != seen.settings.port.value:  # the configuration may name a port
        settled = _configuration(settled, plan.desired.port)
    database = _database(seen, plan)
    _files(settled, database)
    _inside(database, inside, there=plan.action == "unchanged")
    return report.planned(seen, inside, running.look(seen, inside))


def _configuration(seen: Seen, port: int | None = None) -> Seen:
    """Judge the configuration as it would be; what the change would fix is reported as well.

    Args:
        seen: the project.
        port: of the database, where that is known better than by the settings.

    """
    if seen.config.text is None:
        config.look_before_first(seen, port)
        return config.judged(config.with_change(seen, config.from_template(seen)), port)
    change = config.proposed(seen, port)
    if change.text is None:
        return config.judged(seen, port)
    config.show(seen, change)
    for problem in config.fixed_by_edit(seen, port):
        seen.progress.notice(problem)
    return config.judged(config.with_change(seen, change), port)


def _server(seen: Seen, plan: Plan) -> None:
    if plan.pull:
        _say(seen, "would be pulled", plan.desired.image)
    for note in server.explain(seen, plan):
        seen.progress.note(note)
    for problem in plan.problems:
        seen.progress.notice(problem)
    _say(seen, _WOULD.get(plan.action, "unchanged"), plan.desired.name, f"on port {plan.desired.port}")


def _database(seen: Seen, plan: Plan) -> Database:
    spec = plan.server(seen, name=plan.desired.name, port=plan.desired.port, volume="")
    have = seen.observed.container or Container.planned("", spec)
    return Database(seen, have, plan.desired.port, plan.password, plan.password_is)


def _files(seen: Seen, database: Database) -> None:
    env = env_file.change(seen, database.connection(), database.password_is)
    _say(seen, _WOULD.get(env.verb, env.verb), seen.env.path.name, env.detail)
    ignored, _ = env_file.ignoring(seen.project.path, git.names_of(seen.env.path), seen.progress)
    _say(seen, _WOULD.get(ignored.verb, ignored.verb), ".gitignore", ignored.detail)
    change = seen.config_change
    _say(seen, _WOULD.get(change.verb, change.verb), seen.config.path.name, change.detail)
    places = keys.places_of(seen)
    missing = keys.problems_of(seen, places)
    saved = keys.would_save(seen, missing, places)
    keys.report(seen, missing, places, set(saved))
    if saved:
        _say(seen, "would be saved", "keys", f"{judge.key_names(saved)} in `.env`")
    else:
        seen.progress.done(keys.outcome(seen, missing))


def _inside(database: Database, inside: Evidence | None, *, there: bool) -> None:
    """Log in to a running server, which changes nothing, and report what `up` would update to match `.env`."""
    seen, subject, verb = database.seen, f"login as {database.seen.user}", "would be tried"
    if there:
        problem = login.attempt(database)
        verb = verb if problem else "unchanged"
        if problem and problem.code in login.FOLLOWS:
            with suppress(AdminFailed):  # `up` reports it, with a fix
                for note in match_env.differences(seen, database.server, problem):
                    seen.progress.note(f"would be done: {note}")
                verb = "would be updated"
    _say(seen, verb, subject)
    table = report.inside_of(inside)["table"]
    created = "would be created" if table else "would be created if missing"
    _say(seen, "unchanged" if table in ("ready", "wrong") else created, state_table.NAME)
    _say(seen, "would be run", "verification", "from this machine" if seen.mode == "native" else "from Plano's network")


def _say(seen: Seen, verb: str, subject: str, detail: str = "") -> None:
    seen.progress.done(Outcome(verb, subject, detail, reached=not verb.startswith("would ")))
