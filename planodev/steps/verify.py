"""Prove, from where Plano will run, that it can store a conversation."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from planodev.plano import environment, judge, storage
from planodev.postgres import connection, proof
from planodev.problems import Conflict, Fix, VerificationFailed
from planodev.project.identity import CONFIG_NAMES
from planodev.result import Outcome
from planodev.steps import access

if TYPE_CHECKING:
    from planodev.plano.driver_url import Target
    from planodev.postgres.connection import Connection
    from planodev.work import Work


class Prove:
    """Plano's own statements, over the address, the user and the password that Plano will use; rolled back."""

    title = "Proving that Plano can store"

    def run(self, work: Work) -> Outcome:
        place = "from this machine" if work.mode == "native" else "from a container beside Plano's"
        if work.dry_run:
            return Outcome("would be run", "proof", place)
        if work.proved and work.mode == "docker":
            place = "from the database's own container, on Plano's bridge"
        evidence = work.proved or access.evidence_of(work)
        problem = proof.judge(evidence, work.connection())
        if problem:
            raise VerificationFailed.of(problem)
        work.proved = evidence
        refuse_config(work)
        return Outcome("proved", "storing", f"a conversation was stored, read back and rolled back {place}")


def refuse_config(work: Work) -> None:
    """Raise `VerificationFailed` where Plano's configuration does not use this database, or Plano refuses it."""
    _refuse_unusable(work)
    named = _named(work)
    if named:
        raise VerificationFailed.of(judge.other_database(work.config, named, words(work)))


def _refuse_unusable(work: Work) -> None:
    fatal = [one for one in judge.judge_config(work.config, given(work), work.mode, words(work)) if one.fatal]
    for problem in fatal[1:]:
        work.progress.notice(problem)
    if fatal:
        raise VerificationFailed.of(fatal[0])


def words(work: Work) -> tuple[str, ...]:
    """Return what `up` needs to make or to see this configuration, such as `("--config", "other.yaml")`."""
    path = work.config.path
    if path.parent == work.project.path and path.name in CONFIG_NAMES:
        return ()
    return ("--config", os.path.relpath(path, work.project.path))


def option(work: Work) -> str:
    """Return the same as text."""
    return "".join(f" {shlex.quote(word)}" for word in words(work))


def given(work: Work) -> dict[str, str]:
    """Return the environment that `planodev run` would start Plano with."""
    if work.password is None:
        return {**work.env.values, **work.environment}
    return {**work.environment, **environment.of(work.connection(), work.env, work.config, work.environment)}


def _named(work: Work) -> Target | None:
    return storage.named(work.config.connection_string, work.connection(), given(work), work.mode)


def refuse_other_database(work: Work) -> None:
    """Refuse, before anything is touched, where the configuration names a database that planodev does not run.

    Raises:
        Conflict: it does; `verify` proves that one.
        BadInput: the configuration cannot be read.

    """
    wanted, text, ours = work.wanted, work.config.written_string, None
    if wanted.user and wanted.password and wanted.port and wanted.database:
        host = connection.host_of(work.mode)
        ours = connection.Connection(wanted.user, wanted.password, host, wanted.port, wanted.database)
    given = environment.variables(ours) if ours else {}
    named = storage.named(text, ours, {**work.env.values, **work.environment, **given}, work.mode)
    if named:
        raise Conflict.of(judge.other_database(work.config, named, words(work)))


def alone(work: Work) -> proof.Evidence:
    """Run the proof with what `.env` says, changing nothing.

    Raises:
        VerificationFailed: Plano could not store, with the true cause.

    """
    missing = work.env.missing
    if missing:
        # A configuration with a database of its own needs none of them.
        named = storage.named(work.config.connection_string, None, given(work), work.mode)
        if named:
            work.progress.begin(Prove.title)
            return _elsewhere(work, storage.way(named))
        raise VerificationFailed(
            "env-file-incomplete",
            f"`.env` lacks {', '.join(missing)}",
            why="Plano would be started without them" if work.env.exists else "there is no `.env` yet",
            fix="`planodev up`",
        )
    if work.config.text is None:
        raise VerificationFailed(
            "config-missing",
            "Plano has no configuration",
            why=f"there is no `{work.config.path if option(work) else work.config.path.with_name(CONFIG_NAMES[0])}`",
            fix=f"`planodev up{option(work)}`",
        )
    work.password, work.port = work.wanted.password, work.wanted.port or 0
    for problem in judge.judge_config(work.config, given(work), work.mode):
        if not problem.fatal:  # the rest is what the proof fails with
            work.progress.notice(problem)
    work.progress.begin(Prove.title)
    if work.wanted.foreign_host:
        return _elsewhere(work, work.connection(host=work.wanted.foreign_host))
    named = _named(work)
    if named:
        return _elsewhere(work, storage.way(named))
    have = work.observed.container
    if have is None or have.state != "running":
        server = work.engine.terms.server
        state = f"the {server} `{have.name}` is {have.state}" if have else f"this project has no {server}"
        raise VerificationFailed("not-running", "Postgres is not running", why=state, fix="`planodev up`")
    work.container, work.volume = have, work.observed.volume
    work.progress.done(Prove().run(work))
    assert work.proved  # noqa: S101  Prove raises otherwise
    return work.proved


def _elsewhere(work: Work, way: Connection) -> proof.Evidence:
    """Prove a server that is not ours: from beside Plano where only that knows the name, else from this machine."""
    # The loopback of a Plano in Docker is its container's own.
    beside = work.mode == "docker" and way.host in (connection.DOCKER_HOST_NAME, connection.LOOPBACK, "::1")
    evidence = access.beside_plano(work, way) if beside else proof.run_here(way, access.PROOF_TIMEOUT)
    # Which `up` does not act on.
    where = work.env.path if work.wanted.foreign_host else work.config.path
    problem = proof.judge(evidence, way, Fix(f"planodev does not run that server: check its address in `{where}`"))
    if problem:
        raise VerificationFailed.of(problem)
    _refuse_unusable(work)
    place = "from a container beside Plano's" if beside else "from this machine"
    what = f"a conversation was stored at {way.host}, read back and rolled back {place}"
    work.progress.done(Outcome("proved", "storing", what))
    work.elsewhere = way
    return evidence
