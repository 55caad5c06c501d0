"""What `planoai up` would stumble over, looked at before it starts: it would say little, or nothing at all."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from planodev.decide import refuse_unreachable
from planodev.plano import access_keys, storage
from planodev.problems import BadInput, Problem, VerificationFailed
from planodev.steps import plano_running, verify

if TYPE_CHECKING:
    from planodev.engines import Container
    from planodev.look import Seen

MODE_OPTION = {"docker": "planoai up --docker", "native": "planoai up"}


def check(seen: Seen) -> None:
    """Prove that the Plano which is about to start will store; nothing is changed.

    Args:
        seen: with the configuration that planoai will take, and the mode that it will have.

    Raises:
        VerificationFailed: it would not start, or would not store; with the true cause.

    """
    have = seen.observed.container
    if not seen.wanted.foreign_host:
        _refuse_docker(seen)
    if have and not seen.wanted.foreign_host and _out_of_reach(seen, have):
        raise VerificationFailed(
            "wrong-mode",
            "a Plano in Docker would not reach this database",
            why=f"it listens on {', '.join(have.addresses)} alone, as it was asked to by `--plano native`",
            fix="`planodev up --plano docker`, or start Plano by `planodev run -- planoai up`",
        )
    if seen.wanted.plano and seen.wanted.plano != seen.mode and not _names_another(seen):
        host = seen.connection().host
        text = f"DB_HOST in `.env` is for `{MODE_OPTION[seen.wanted.plano]}`; this command gets {host} instead"
        seen.progress.notice(
            Problem("host-for-other-mode", text, f"`planodev up --plano {seen.mode}` makes that stick")
        )
    found = verify.verify_alone(seen)
    faults = _faults(seen)
    for fault in faults[1:] if faults and faults[0].fatal else faults:
        seen.progress.notice(Problem(fault.code, fault.message, fault.fix))
    if faults and faults[0].fatal:
        first = faults[0]
        text = f"planoai would not get {first.key or 'a key'}"
        raise VerificationFailed(first.code, text, why=first.message, fix=first.fix)
    older = plano_running.older_than(seen, found.evidence) if found.ours else None
    if older:
        seen.progress.notice(older)


def _names_another(seen: Seen) -> bool:
    ours = None if seen.env.missing else seen.connection()
    return storage.named(seen.config.connection_string, ours, verify.given(seen, ours), seen.mode) is not None


def _refuse_docker(seen: Seen) -> None:
    """Say it where Plano in Docker would not reach this engine; here it is planoai's own option that asks for it."""
    try:
        refuse_unreachable(seen)
    except BadInput as error:
        raise VerificationFailed(
            error.code,
            error.message,
            why="it listens on 127.0.0.1 alone, and a container has one of its own",
            fix="`planodev run -- planoai up`, without `--docker`; or `planodev up --engine docker`",
        ) from error


def _out_of_reach(seen: Seen, have: Container) -> bool:
    """Say whether a Plano in Docker would find nobody at `host.docker.internal`, which depends on the engine."""
    if seen.mode != "docker" or have.plano == "docker":
        return False
    return not set(seen.engine.addresses(seen.mode, have.image)) <= set(have.addresses)


def _faults(seen: Seen) -> list[access_keys.Fault]:
    way = None if seen.env.missing else seen.connection()
    option = "".join(f" {word}" for word in map(shlex.quote, seen.config_option))
    places = access_keys.places(seen.config.path, seen.env, verify.given(seen, way), option)
    return access_keys.faults(seen.config.keys, places)
