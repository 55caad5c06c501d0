"""Start here: which steps each command runs, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planodev import work
from planodev.background import begin
from planodev.checks.inside import look as look_inside
from planodev.postgres import proof
from planodev.problems import NoEngine
from planodev.project import credentials, identity, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from planodev.progress import Progress
    from planodev.result import Result
    from planodev.work import Step


def steps_of_up() -> tuple[Step, ...]:
    """Return what `up` does; each step looks first, and says created, updated or unchanged."""
    from planodev.steps import access, config, env_file, image, keys, server, verify

    return (
        image.GetImage(),  #               the image is here, and its PostgreSQL fits Plano and the data
        server.StartPostgres(),  #      volume and container are as wanted; the server begins to start
        env_file.WriteEnvironment(),  # while it does: `.env` has the five values
        env_file.IgnoreEnvironment(),  # … git does not take it
        config.WriteConfig(),  #           … Plano has a configuration
        keys.SaveKeys(),  #                … with keys that planoai will find
        access.LogIn(),  #                 a real login succeeds, the database follows `.env`
        access.MakeTable(),  #             Plano's table is there
        verify.Prove(),  #                  and Plano can store in it, from where it will run
    )


def up(directory: Path, options: Mapping[str, Any], environment_: Mapping[str, str], progress: Progress) -> Result:
    """Take a project to a database that Plano can store in, and prove it.

    Args:
        directory: the project.
        options: what was typed, by name; None for what was not.
        environment_: the process's environment.
        progress: who is told.

    Raises:
        PlanodevError: it could not; the exit code says what kind.

    """
    here = identity.at(directory)
    from planodev.steps import fit

    run = work.prepare(here, options, environment_, progress, patient=True)
    try:
        fit.refuse(run)
        early = _prove_early(run)
        if not early:
            _begin_ahead(run)
        # The engine takes its time for either: everything else is loaded meanwhile.
        from planodev.commands import report
        from planodev.project import lock
        from planodev.steps import plano_running
        from planodev.steps.verify import refuse_other_database
        from planodev.takeover import adopt

        steps = steps_of_up()
        with lock.hold(here, settings.DEFAULT_TIMEOUT):
            # Errors before anything is touched: somebody else's server, a file that can't be parsed.
            credentials.refuse_foreign(run.env, run.wanted)
            refuse_other_database(run)
            identity.check_writable(here)
            run.proved, moving = early() if early else None, None
            adopting = options.get("adopt") or (not run.proved and adopt.interrupted(run))
            if adopting and adopt.take_over(run):
                run.proved = None
                if run.dry_run:
                    return report.up(run)
            if not run.proved:
                # What was seen before the lock was ours may be another planodev's work in the middle.
                chosen = run.chosen
                run = work.prepare(here, options, environment_, progress, run.engine)
                run.chosen = chosen
                fit.refuse(run)
                adopt.refuse_beside(run)
                moving = fit.begin_move(run)
                steps = (*steps[:-1], moving, steps[-1]) if moving else steps  # between the table and the proof
            for step in steps:
                progress.begin(step.title)
                progress.done(step.run(run))
            if moving:
                moving.finish(run)
            work.remember(run)
            older = plano_running.older_than(run)
            if older:
                progress.notice(older)
            return report.up(run)
    finally:
        run.engine.close()


def _prove_early(run: work.Work) -> Callable[[], proof.Evidence | None] | None:
    """Where everything looks as wanted, begin to prove at once; when that passes, no step has anything left to do.

    Returns:
        A function that waits for the proof, and gives its evidence where it passed; None where nothing was begun.

    """
    have, volume, asked = run.observed.container, run.observed.volume, run.settings
    if have is None or volume is None or have.state != "running" or run.wanted.password is None:
        return None
    if run.chosen and (run.chosen.data_in or run.chosen.unfinished):
        return None  # a move is to be made, or ended
    same = (have.name, have.image, have.port) == (asked.name.value, asked.image.value, asked.port.value)
    if not same or asked.pull.value == "always" or run.wanted.plano != run.mode or have.plano != run.mode:
        return None
    run.container, run.volume, run.password, run.port = have, volume, run.wanted.password, asked.port.value
    run.password_is = "kept"  # noqa: S105
    way = run.connection()

    def prove() -> proof.Evidence | None:
        # The database's own container is on the same bridge as Plano's, and goes the same way round.
        # The embedded engine's own program starts in less time than psycopg is loaded, and goes the same way.
        here = run.mode == "native" and run.engine.info.name != "embedded"
        evidence = proof.run_here(way, _EARLY) if here else run.engine.prove_from_inside(have, way, _EARLY)
        return None if proof.judge(evidence, way) else evidence

    return begin(prove)


# Seconds for a proof that should take milliseconds; where it does not, the steps find out why.
_EARLY = 5.0


def _begin_ahead(run: work.Work) -> None:
    """Begin what the engine takes long for, as early as can be: it costs next to nothing then."""
    image_ = run.settings.image.value
    moves = run.chosen is not None and run.chosen.data_in  # which has to be agreed to first
    if not run.dry_run and not moves and run.engine.image_id(image_):
        run.engine.begin_ahead(image_, run.mode, run.settings.timeout.value + 60)


def down(directory: Path, options: Mapping[str, Any], environment_: Mapping[str, str], progress: Progress) -> Result:
    """Stop the project's database; delete its data only where that was asked for and confirmed.

    Args:
        directory: the project.
        options: `delete_data`, `keep_data`, `yes`.
        environment_: the process's environment.
        progress: who is told, and asked.

    Raises:
        PlanodevError: it could not, or the deletion was not confirmed.

    """
    here = identity.at(directory)
    from planodev.project import lock

    with lock.hold(here, settings.DEFAULT_TIMEOUT):
        run = work.prepare(here, {}, environment_, progress, lenient=True)
        try:
            from planodev.commands import report
            from planodev.steps.stop import stop

            done = stop(run, options)
            return report.down(run, stopped=done.stopped, deleted=done.deleted, count=done.turns)
        finally:
            run.engine.close()


def status(directory: Path, environment_: Mapping[str, str], progress: Progress) -> Result:
    """Say what is there now; nothing is started, and an engine that is gone is an answer, not a failure.

    Args:
        directory: the project.
        environment_: the process's environment.
        progress: who is told.

    Raises:
        BadInput: the project's files cannot be read.

    """
    here = identity.at(directory)
    try:
        run = work.prepare(here, {}, environment_, progress)
    except NoEngine as error:
        from planodev.commands import report

        return report.no_engine(here, environment_, error)
    inside = begin(lambda: look_inside(run))

    from planodev.commands import report

    return report.status(run, inside())


def verify(directory: Path, options: Mapping[str, Any], environment_: Mapping[str, str], progress: Progress) -> Result:
    """Prove again that Plano can store; nothing is changed.

    Args:
        directory: the project.
        options: `config`; with `env_file` it is about that file and its server, with `timeout` seconds for the proof.
        environment_: the process's environment.
        progress: who is told.

    Raises:
        PlanodevError: it cannot, with the true cause.

    """
    here = identity.at(directory)

    from planodev.commands import report

    if options.get("env_file"):
        from planodev.production import verify as hosted

        return report.verify_elsewhere(hosted.prove(here, options, environment_, progress))
    from planodev.steps import verify

    run = work.prepare(here, options, environment_, progress)
    try:
        return report.verify(run, verify.alone(run))
    finally:
        run.engine.close()


def production(directory: Path, options: Mapping[str, Any], variables: Mapping[str, str], progress: Progress) -> Result:
    """Write what moves the set-up to a hosted PostgreSQL; no server is contacted.

    Args:
        directory: the project.
        options: `provider`, `output`, `host`, `config`, `generate_password`, `force`.
        variables: the process's environment.
        progress: who is told.

    Raises:
        PlanodevError: a file is there already, or cannot be written.

    """
    from planodev.commands import report
    from planodev.production import files

    return report.production(files.write(identity.at(directory), options, variables, progress))
