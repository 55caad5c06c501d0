"""Prove, from where Plano will run, that it can store a conversation."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.plano import environment, judge, storage
from planodev.postgres import connection, proof
from planodev.problems import Conflict, Problem, VerificationFailed
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
        verdict = proof.verdict(evidence, work.connection())
        if not verdict.proved:
            raise failed(verdict, work.connection())
        work.proved = evidence
        refuse_config(work)
        return Outcome("proved", "storing", f"a conversation was stored, read back and rolled back {place}")


def refuse_config(work: Work) -> None:
    """Raise `VerificationFailed` where Plano's configuration does not use this database, or Plano refuses it."""
    _refuse_unusable(work)
    named = _named(work)
    if named:
        raise other_database(work, named)


def _refuse_unusable(work: Work) -> None:
    name = work.config.path.name
    fatal = [finding for finding in judge.findings(work.config, given(work), work.mode) if finding.fatal]
    errors = [
        VerificationFailed(finding.code, f"Plano would not start with `{name}`", why=finding.message, fix=finding.fix)
        for finding in fatal
    ]
    if work.config.lacks and not any(error.code == "config-key-refused" for error in errors):
        errors.append(
            VerificationFailed(
                "config-without-storage",
                f"Plano would not use the database: `{name}` does not say so",
                why=work.config.lacks,
                fix=f"`planodev up{option(work)} --yes` adds what is missing to it, and nothing else",
            )
        )
    for error in errors[1:]:
        work.progress.notice(Problem(error.code, error.why or error.message, error.fix))
    if errors:
        raise errors[0]


def option(work: Work) -> str:
    """Return what `up` needs to make or to see this configuration, such as ` --config other.yaml`."""
    path = work.config.path
    if path.parent == work.project.path and path.name in CONFIG_NAMES:
        return ""
    return f" --config {shlex.quote(os.path.relpath(path, work.project.path))}"


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
        error = other_database(work, named)
        raise Conflict(error.code, error.message, why=error.why, fix=error.fix)


def other_database(work: Work, named: Target) -> VerificationFailed:
    """Return the error for a configuration whose connection string leads to another database."""
    name = work.config.path.name
    return VerificationFailed(
        "other-database",
        f"Plano would not use this project's database: `{name}` names another one",
        why=f"its connection_string is {named.masked}",
        fix=f"`planodev verify` proves that one; for this project's own remove the connection_string line "
        f"from `{name}`, then `planodev up{option(work)} --yes`",
    )


def failed(verdict: proof.Verdict, way: Connection) -> VerificationFailed:
    """Return the error for a proof that did not pass."""
    fix = f"`{verdict.fix}`" if verdict.fix.startswith("planodev") else verdict.fix
    whom = f"{way.user} at {way.host}:{way.port}"
    return VerificationFailed(verdict.code, f"Plano could not store as {whom}", why=verdict.why, fix=fix)


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
    for finding in judge.findings(work.config, given(work), work.mode):
        if not finding.fatal:  # the rest is what the proof fails with
            work.progress.notice(Problem(finding.code, finding.message, finding.fix))
    work.progress.begin(Prove.title)
    if work.wanted.foreign_host:
        return _elsewhere(work, work.connection(host=work.wanted.foreign_host))
    named = _named(work)
    if named:
        return _elsewhere(work, storage.way(named))
    have = work.observed.container
    if have is None or have.state != "running":
        server = work.engine.wording.server
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
    verdict = proof.verdict(evidence, way)
    if not verdict.proved:
        if verdict.fix == "planodev up":  # which does not act on servers of others
            where = work.env.path if work.wanted.foreign_host else work.config.path
            verdict = replace(
                verdict, fix=f"that server is not planodev's: check its address and password in `{where}`"
            )
        raise failed(verdict, way)
    _refuse_unusable(work)
    place = "from a container beside Plano's" if beside else "from this machine"
    what = f"a conversation was stored at {way.host}, read back and rolled back {place}"
    work.progress.done(Outcome("proved", "storing", what))
    work.elsewhere = way
    return evidence
