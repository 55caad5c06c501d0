"""Create, start or replace the server as it was decided, without ever touching what is not ours; the data is kept."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from planodev import look
from planodev.database import Database, Prepared
from planodev.engines import ENDED, NameTaken, PortTaken, VolumeTaken, port_choice, server_name
from planodev.postgres import create_table, proof
from planodev.postgres.connection import host_of
from planodev.problems import Command, Conflict, Fix
from planodev.project import defaults, env_keys
from planodev.result import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from planodev.decide import Plan, Survey
    from planodev.engines import Container, Engine
    from planodev.look import Seen
    from planodev.problems import Problem

# Attempts with another name or port, as another program can take either between the look and the start.
ATTEMPTS = 10
_LISTED, _PAUSE = 2.0, 0.05  # seconds for a container to be listed after its name was reserved, and between two looks


def bring_up(seen: Seen, plan: Plan, facts: Survey) -> Database:
    """Create, start, replace or leave the server.

    Raises:
        Conflict: a name or a port that was asked for was taken meanwhile.

    """
    progress, desired = seen.progress, plan.desired
    progress.begin("Starting Postgres")
    for note in explain(seen, plan):
        progress.note(note)
    if plan.discard:
        seen = _discard(seen)
    action, port, problems, prepared, fresh = plan.action, desired.port, plan.problems, None, False
    if action == "start":
        action = _start(seen, desired.port)
    if action == "replace" and seen.observed.container:
        stop_and_remove(seen.engine, seen.observed.container, seen.deadline.left(defaults.STOP_LIMIT))
    if action in ("create", "replace"):
        port, problems = _create(seen, plan, facts)
    if action != "unchanged":
        fresh, seen = seen.observed.volume is None, _seen_again(seen)
        if fresh:
            prepared = prepare(_database(seen, port, plan))
    marked = bool(seen.observed.volume and facts.storage.marked and not plan.discard and not fresh)
    running = action == "unchanged"
    database = replace(_database(seen, port, plan), prepared=prepared, marked=marked, found_running=running)
    verb = {"start": "started", "create": "created", "replace": "replaced"}.get(action, "unchanged")
    progress.done(Outcome(verb, database.server.name, f"on port {port}"))
    for problem in problems:  # an interrupted start has no port of its own yet
        progress.notice(problem)
    return database


def explain(seen: Seen, plan: Plan) -> list[str]:
    """Return why the server is not left as it is."""
    server, data, volume = seen.engine.wording.server, seen.engine.wording.data, seen.observed.volume
    have = seen.observed.container
    before = seen.credentials.plano or (have.plano if have else "")
    notes = []
    if before and before != seen.mode:
        what = f"{env_keys.HOST} becomes `{host_of(seen.mode)}`, and a running Plano has to be started again"
        notes.append(f"switching from `--plano {before}` to `--plano {seen.mode}`: {what}")
    if plan.discard and volume:
        notes.append(f"{data} `{volume.name}` {plan.discard}; recreating it")
    if plan.action == "replace":
        notes += [f"replacing the {server}, the data is kept: {reason}" for reason in plan.reasons]
    elif plan.action == "create" and plan.reasons and not seen.context.options.get("adopt"):
        notes.append(f"recreating the {server}: {plan.reasons[0]}")
    elif plan.action == "create" and not plan.discard and not seen.moves and seen.lost_data:
        notes.append("this project had a database, and its data is gone from the engine; creating an empty one")
    return notes


def _discard(seen: Seen) -> Seen:
    """Remove data without conversations, never ready or emptied: its server would refuse every login."""
    if seen.observed.container:
        seen.engine.remove_server(seen.observed.container)
    if seen.observed.volume:
        seen.engine.remove_storage(seen.observed.volume)
    return seen.again()


def stop_and_remove(
    engine: Engine, container: Container, seconds: float, *, once_stopped: Callable[[], object] | None = None
) -> None:
    """Stop a server that runs, and remove it; its data is kept.

    Args:
        engine: the open engine.
        container: the server's.
        seconds: for it to stop.
        once_stopped: called where it had to be stopped, before it is removed.

    """
    state = engine.state(container.id)  # it may have been started since it was looked at
    if state and state.status not in ENDED:
        engine.stop(container._replace(state=state.status), seconds)
        if once_stopped:
            once_stopped()
    engine.remove_server(container)


def _start(seen: Seen, port: int) -> str:
    """Start the server; returns what is to be done after that: `replace` where its port was lost."""
    try:
        seen.engine.start(seen.server)
    except PortTaken:
        text = f"replacing the {seen.engine.wording.server}, the data is kept: port {port} was lost to another"
        seen.progress.note(text)
        return "replace"
    return "start"


def _create(seen: Seen, plan: Plan, facts: Survey) -> tuple[int, tuple[Problem, ...]]:
    """Create the server, by another name or at another port where another was a moment faster.

    Returns:
        The port, and what the user has to know.

    Raises:
        Conflict: a name or a port that was asked for was taken meanwhile, or none stayed free.

    """
    port, problems, name, reason = plan.desired.port, plan.problems, plan.desired.name, ""
    lost_names: dict[str, str] = {}
    for _ in range(ATTEMPTS):
        server = plan.server(seen, name=name, port=port, volume=volume_name(seen, name))
        try:
            seen.engine.create(server)
        except NameTaken as taken:
            reason = str(taken)
            seen = seen.again() if isinstance(taken, VolumeTaken) else _again_with(seen, name)
            late = seen.observed.container
            if late and late.name == name:  # an interrupted `up` has asked for it; it may have been started since
                stop_and_remove(seen.engine, late, seen.deadline.left(defaults.STOP_LIMIT))
                seen = seen.again()
                continue
            lost_names[name] = reason
            others = {**lost_names, **seen.observed.taken}
            name = server_name.choose(seen.settings.name, seen.project.slug, seen.project_id, others)
        except PortTaken as taken:
            reason = str(taken)
            port, problems = port_choice.choose_again(seen.settings.port, port, facts.port_holder)
        else:
            return port, problems
    raise Conflict(
        "port-taken",
        "every name and port that was tried was taken before the server could use it",
        why=f"of {ATTEMPTS} attempts the last one: {reason}",
        fix=Fix(Command("up"), " again"),
    )


def _again_with(seen: Seen, name: str) -> Seen:
    """Look again once the engine lists who has a name, which Docker 28 reserves some time before."""
    ends = time.monotonic() + seen.deadline.left(_LISTED)
    while seen.engine.state(name) is None and time.monotonic() < ends:
        time.sleep(_PAUSE)
    return seen.again()


def volume_name(seen: Seen, name: str) -> str:
    """Return the name of the project's volume, or of the one that goes with a server of this name."""
    if seen.observed.volume:
        return seen.observed.volume.name
    wanted = f"{name}-data"
    return wanted if wanted not in seen.observed.taken else f"{wanted}-{seen.project_id}"


def _seen_again(seen: Seen) -> Seen:
    seen = seen.again()
    if not seen.moves:  # until the data is moved, the record names the old engine
        look.remember(seen)
    return seen


def _database(seen: Seen, port: int, plan: Plan) -> Database:
    return Database(seen, seen.server, port, plan.password, plan.password_is)


def prepare(database: Database) -> Prepared:
    """Put table and proof in place, to run once somebody has logged in."""
    seen = database.seen
    return Prepared(
        lambda go: create_table.create(seen.engine, database.server, user=seen.user, database=seen.database, go=go),
        (lambda go: proof_beside_plano(database, go)) if seen.mode == "docker" else None,
        2 * seen.settings.timeout.value,  # longer than a login is waited for
    )


def proof_beside_plano(database: Database, go: Any = None) -> proof.Evidence:  # noqa: ANN401
    """Run the proof from a container beside Plano's."""
    seen = database.seen
    seconds = seen.deadline.share(proof.PATIENCE)
    where = proof.beside_plano(seen.settings.image.value, seconds)
    return proof.run_by_psql(seen.engine, where, database.connection(), seconds, go)
