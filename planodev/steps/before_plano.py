"""What `planoai up` would stumble over, looked at before it starts: it would say little, or nothing at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.plano import access_keys, storage
from planodev.problems import BadInput, Problem, VerificationFailed
from planodev.steps import fit, plano_running, verify

if TYPE_CHECKING:
    from planodev.engines import Container
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
    have = work.observed.container
    if not work.wanted.foreign_host:
        _refuse_docker(work)
    if have and not work.wanted.foreign_host and _out_of_reach(work, have):
        raise VerificationFailed(
            "wrong-mode",
            "a Plano in Docker would not reach this database",
            why=f"it listens on {', '.join(have.addresses)} alone, as it was asked to by `--plano native`",
            fix="`planodev up --plano docker`, or start Plano by `planodev run -- planoai up`",
        )
    if work.wanted.plano and work.wanted.plano != work.mode and not _names_another(work):
        host = work.connection().host
        text = f"DB_HOST in `.env` is for `{MODE_OPTION[work.wanted.plano]}`; this command gets {host} instead"
        work.progress.notice(
            Problem("host-for-other-mode", text, f"`planodev up --plano {work.mode}` makes that stick")
        )
    verify.alone(work)
    faults = _faults(work)
    for fault in faults[1:] if faults and faults[0].fatal else faults:
        work.progress.notice(Problem(fault.code, fault.message, fault.fix))
    if faults and faults[0].fatal:
        first = faults[0]
        text = f"planoai would not get {first.key or 'a key'}"
        raise VerificationFailed(first.code, text, why=first.message, fix=first.fix)
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
        raise VerificationFailed(
            error.code,
            error.message,
            why="it listens on 127.0.0.1 alone, and a container has one of its own",
            fix="`planodev run -- planoai up`, without `--docker`; or `planodev up --engine docker`",
        ) from error


def _out_of_reach(work: Work, have: Container) -> bool:
    """Say whether a Plano in Docker would find nobody at `host.docker.internal`, which depends on the engine."""
    if work.mode != "docker" or have.plano == "docker":
        return False
    return not set(work.engine.addresses(work.mode, have.image)) <= set(have.addresses)


def _faults(work: Work) -> list[access_keys.Fault]:
    places = access_keys.places(work.config.path, work.env, verify.given(work), verify.option(work))
    return access_keys.faults(work.config.keys, places)
