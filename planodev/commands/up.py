"""`planodev up`: from a project to a database in which Plano can store, and the proof of it.

The story, in its order, with the place of each part:

1. Look at the files and the engine once (`look`); where nothing seems to be missing, begin the proof (`fast`).
2. Refuse what is wrong whatever is to be done (`decide.refuse`). A dry run says the rest, and ends (`dry_run`).
3. Settle what the configuration will be, without writing it (`steps.config`).
4. Take over data from a container created by hand, or from another engine (`takeover`).
5. Decide about the server, its name, port and password (`decide`); pull the image (`steps.image`); create, start,
   replace or leave the server (`steps.server`).
6. Write `.env`, `.gitignore` and the configuration, and save provider keys (`steps.env_file`, `config`, `keys`).
7. Log in, create the table, verify that Plano can store (`steps.login`, `table`, `verify`).
8. Start Plano where that was asked for (`commands.plano`), and report (`report`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.look import Context, look, remember
from planodev.problems import BadInput, Conflict, Shell
from planodev.project import lock
from planodev.result import Outcome

if TYPE_CHECKING:
    from planodev.database import Database
    from planodev.look import Seen
    from planodev.result import Result
    from planodev.takeover.move import Move


def up(context: Context) -> Result:
    """Take a project to a database that Plano can store in, and verify it.

    Raises:
        PlanodevError: it could not; the exit code says what kind.

    """
    with lock.hold(context.project, context.sources.settings.timeout.value):
        seen, proof_on_its_way = _look(context), None
        try:
            from planodev import fast

            proof_on_its_way = None if context.dry_run else fast.already_proved(seen)
            from planodev.decide import refuse

            refuse(seen)  # errors that do not depend on the plan
            if context.options.get("with_plano"):
                from planodev.commands import plano

                plano.refuse(seen)
            if context.dry_run:
                from planodev.commands import dry_run

                return dry_run.planned(seen)
            from planodev.steps import config

            seen = config.settle(seen)
            if proof_on_its_way is None:
                fast.prepare_probe(seen)
            from planodev.commands import report  # noqa: F401  loaded while the engine works
            from planodev.plano import judge, providers  # noqa: F401
            from planodev.steps import env_file, keys, verify  # noqa: F401

            database = proof_on_its_way() if proof_on_its_way else None
            return finish(_unchanged(seen, database), database) if database else bring_up(seen)
        except Exception:
            if proof_on_its_way:
                proof_on_its_way()  # wait: nothing may run outside the lock
            raise
        finally:
            seen.engine.close()


def _look(context: Context) -> Seen:
    """Look; where planodev may not write `.env`, ask once whether to use a separate file."""
    try:
        return look(context, patient=True)
    except (BadInput, Conflict) as error:
        from planodev.steps import env_file

        own = env_file.own_instead(context, error)
        if own is None:
            raise
        return look(own, patient=True)


def _unchanged(seen: Seen, database: Database) -> Seen:
    """Report image and server as unchanged, for a database that was verified before any other step."""
    seen.progress.done(Outcome("unchanged", seen.settings.image.value))
    seen.progress.done(Outcome("unchanged", database.server.name, f"on port {database.port}"))
    return seen


def bring_up(seen: Seen) -> Result:
    """Adopt or move data from elsewhere, start the server, write the project's files, and verify."""
    from planodev.engines import Late
    from planodev.steps import not_in_time
    from planodev.takeover import adopt, move

    adopted, kept = adopt.take_over(seen)
    seen = replace(adopted, config=seen.config, config_change=seen.config_change)
    try:
        with move.moving(seen) as moving:
            result = create_or_start(moving.seen if moving else seen, moving)
    except Late as what:
        raise not_in_time.error(seen, what) from what
    if kept:  # only after the proof: before it, the old container may hold the only copy
        remove = Shell("docker rm -v {}", kept)
        seen.progress.note(f"once you have checked that its data is here, {remove} removes the old container")
    return result


def create_or_start(seen: Seen, moving: Move | None) -> Result:
    """Bring the server to what was decided, with the image pulled where that is needed, and finish."""
    from planodev.decide import decide, survey
    from planodev.steps import config, env_file, image, server

    facts = survey(seen)
    plan = decide(seen, facts)
    env_file.refuse_rewriting(seen, plan.desired.port)
    if plan.pull:
        image.pull(seen)
        seen.deadline.restart()
        facts = survey(seen)
        plan = decide(seen, facts)
    else:
        seen.progress.done(Outcome("unchanged", seen.settings.image.value))
    if plan.desired.port != seen.settings.port.value:  # the configuration may name a port
        seen = config.settle(seen, plan.desired.port)
    database = server.bring_up(seen, plan, facts)
    return finish(database.seen, database, moving)


def finish(seen: Seen, database: Database, moving: Move | None = None) -> Result:
    """Write the project's files while the server starts, then log in, create the table and verify."""
    from planodev.commands import report
    from planodev.gateway import running
    from planodev.postgres import state_table
    from planodev.project import git
    from planodev.steps import config, env_file, keys, login, table, verify

    seen = env_file.write(seen, database)
    env_file.ignore(seen.project.path, git.names_of(seen.env.path), seen.progress)
    seen = config.write(seen)
    config.say_which(seen)
    seen, todo = keys.save(seen)
    database = database.of(seen)
    if database.proved:
        seen.progress.done(Outcome("unchanged", f"login as {seen.user}"))
        seen.progress.done(Outcome("unchanged", state_table.NAME))
    else:
        database = login.log_in(database)
        table.make(database)
    database = verify.verify(database)
    if moving:
        database = moving.finish(database)
    remember(database.seen)
    if database.seen.context.options.get("with_plano"):
        from planodev.commands import plano

        return report.up(database, plano.bring_up(database), todo)
    return report.up(database, running.look(database.seen, database.proved), todo)
