"""What `planoai up` would stumble over, looked at before it starts: it would say little, or nothing at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.plano import access_keys, judge, storage
from planodev.problems import BadInput, Command, Fix, Problem, VerificationFailed
from planodev.steps import fit, plano_running, verify

if TYPE_CHECKING:
    from planodev.work import Work

MODE_OPTION = {"docker": "planoai up --docker", "native": "planoai up"}


def look(work: Work) -> None:
    """Prove that the Plano which is about to start will store; nothing is changed.

    Args:
        work: with the configuration that planoai will take, and the mode that it will have.

    Raises:
        VerificationFailed: it would not start, or would not store; with the true cause.

    """
    work.password, work.port = work.wanted.password, work.wanted.port or 0
    if not work.wanted.foreign_host:
        _refuse_docker(work)
        _refuse_out_of_reach(work)
    if work.wanted.plano and work.wanted.plano != work.mode and not _names_another(work):
        host, option = work.connection().host, MODE_OPTION[work.wanted.plano]
        text = f"DB_HOST in `.env` is for `{option}`; this command gets {host} instead"
        fix = Fix(Command("up", "--plano", work.mode), " changes `.env`")
        work.progress.notice(Problem("host-for-other-mode", text, fix))
    verify.alone(work)
    problems = judge.judge_keys(work.config.keys, _places(work))
    error = problems.pop(0) if problems and problems[0].fatal else None
    for problem in problems:
        work.progress.notice(problem)
    if error:
        raise VerificationFailed.of(error)
    older = plano_running.older_than(work)
    if older:
        work.progress.notice(older)


def _names_another(work: Work) -> bool:
    ours = work.connection() if work.password is not None else None
    return storage.named(work.config.connection_string, ours, verify.given(work), work.mode) is not None


def _refuse_docker(work: Work) -> None:
    """Say it where Plano in Docker would not reach this engine; here it is planoai's own option that asks for it."""
    try:
        fit.refuse(work)
    except BadInput as error:
        fix = Fix(
            Command("run", "--", "planoai", "up"), ", without `--docker`; or ", Command("up", "--engine", "docker")
        )
        raise VerificationFailed.of(replace(error.problem, fix=fix)) from error


def _refuse_out_of_reach(work: Work) -> None:
    """Refuse a Plano in Docker that would find nobody at `host.docker.internal`, which depends on the engine."""
    have = work.observed.container
    if have is None or work.mode != "docker" or have.plano == "docker":
        return
    if set(work.engine.addresses(work.mode, have.image)) <= set(have.addresses):
        return
    raise VerificationFailed(
        "wrong-mode",
        "Plano in Docker cannot reach this database",
        why=f"it listens on {', '.join(have.addresses)} only, as `--plano native` asked",
        fix=Fix(Command("up", "--plano", "docker"), ", or ", Command("run", "--", "planoai", "up")),
    )


def _places(work: Work) -> access_keys.Places:
    return access_keys.places(work.config.path, work.env, verify.given(work), verify.words(work))
