"""What `planoai up` would fail on, checked before it starts: its own messages say little, or nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.decide import ON_LOOPBACK, refuse_unreachable
from planodev.gateway import running
from planodev.plano import storage
from planodev.problems import BadInput, Command, Conflict, Fix, Problem, VerificationFailed
from planodev.project import env_keys
from planodev.steps import config, keys, verify

if TYPE_CHECKING:
    from planodev.look import Seen

MODE_OPTION = {"docker": "planoai up --docker", "native": "planoai up"}


def check(seen: Seen) -> None:
    """Prove that the Plano which is about to start will store; nothing is changed.

    Args:
        seen: with the configuration that planoai will take, and the mode that it will have.

    Raises:
        VerificationFailed: it would not start, or would not store; with the true cause.
        Conflict: another has a port that it needs, or another server runs over the project's data.

    """
    if not seen.credentials.foreign_host:
        _refuse_docker(seen)
        _refuse_out_of_reach(seen)
    if seen.credentials.plano and seen.credentials.plano != seen.mode and not _names_another(seen):
        host, option = seen.connection().host, MODE_OPTION[seen.credentials.plano]
        text = f"{env_keys.HOST} in `{seen.env.path.name}` is for `{option}`; this command gets {host} instead"
        fix = Fix(Command("up", "--plano", seen.mode), f" changes `{seen.env.path.name}`")
        if seen.mode == "native":
            from planodev.engines.docker import unreachable

            if not unreachable.reaches_native(seen.engine):  # `up` refuses it there
                fix = Fix(Command("run", "--", "planoai", "up", "--docker"))
        seen.progress.notice(Problem("host-for-other-mode", text, fix))
    found = verify.verify_project(seen)
    problems = keys.problems_of_start(seen)
    error = problems.pop(0) if problems and problems[0].fatal else None
    for problem in problems:
        seen.progress.notice(problem)
    if error:
        raise VerificationFailed.of(error)
    _refuse_taken(seen, running.look(seen, found.evidence if found.ours else None))


def _refuse_taken(seen: Seen, plano: running.Running) -> None:
    """Refuse a start where another has a port of Plano's; a Plano of the same mode has none: planoai ends it first."""
    found = plano.found
    if found and found.runs and found.mode == seen.mode:
        if plano.state == "other-project":
            seen.progress.notice(running.another(found))
        return
    if found and found.runs:
        raise Conflict.of(running.in_the_way(found, plano.port))
    problem = running.taken(seen)
    if problem:
        raise Conflict.of(problem)


def _names_another(seen: Seen) -> bool:
    ours = None if seen.env.missing else seen.connection()
    return (
        storage.foreign_target(seen.config.connection_string, ours, config.environment_now(seen), seen.mode) is not None
    )


def _refuse_docker(seen: Seen) -> None:
    """Say it where Plano in Docker would not reach this engine; here it is planoai's own option that asks for it."""
    try:
        refuse_unreachable(seen)
    except BadInput as error:
        fix = Fix(
            Command("run", "--", "planoai", "up"), ", without `--docker`; or ", Command("up", "--engine", "docker")
        )
        raise VerificationFailed.of(replace(error.problem, why=ON_LOOPBACK, fix=fix)) from error


def _refuse_out_of_reach(seen: Seen) -> None:
    """Refuse a Plano in Docker that would find nobody at `host.docker.internal`, which depends on the engine."""
    have = seen.observed.container
    if have is None or seen.mode != "docker" or have.plano == "docker":
        return
    if set(seen.engine.addresses(seen.mode, have.image)) <= set(have.addresses):
        return
    raise VerificationFailed(
        "wrong-mode",
        "Plano in Docker cannot reach this database",
        why=f"it listens on {', '.join(have.addresses)} only, as `--plano native` asked",
        fix=Fix(Command("up", "--plano", "docker"), ", or ", Command("run", "--", "planoai", "up")),
    )
