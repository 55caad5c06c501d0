"""Prove, from where Plano will run, that it can store a conversation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planodev.decide import names_another_database
from planodev.plano import environment, judge, storage
from planodev.postgres import connection, proof
from planodev.problems import Command, Fix, Problem, VerificationFailed
from planodev.project.identity import CONFIG_NAMES
from planodev.result import Outcome
from planodev.steps.server import proof_beside_plano

if TYPE_CHECKING:
    from planodev.database import Database
    from planodev.look import Seen
    from planodev.postgres.connection import Connection

TITLE = "Verifying that Plano can store"


def verify(database: Database) -> Database:
    """Run Plano's own statements, over the address, the user and the password that Plano will use; rolled back.

    Raises:
        VerificationFailed: Plano could not store, with the true cause.

    """
    seen, way = database.seen, database.connection()
    seen.progress.begin(TITLE)
    evidence = database.proved or _evidence(database)
    verdict = proof.verdict(evidence, way)
    if not verdict.proved:
        raise failed(verdict, way)
    refuse_config(seen, way)
    place = "from this machine" if seen.mode == "native" else "from Plano's network"
    seen.progress.done(Outcome("verified", "storage", f"wrote and read a test conversation {place}"))
    return replace(database, proved=evidence)


def _evidence(database: Database) -> proof.Evidence:
    """Run the whole proof from where Plano will run, or wait for the one that is on its way."""
    if database.seen.mode == "native" and database.seen.engine.info.local:
        return proof.run_here(database.connection(), proof.PATIENCE)
    prepared = database.prepared.proof() if database.prepared else None
    return prepared or proof_beside_plano(database)


def given(seen: Seen, way: Connection | None) -> dict[str, str]:
    """Return the environment that `planodev run` would start Plano with."""
    if way is None:
        return {**seen.env.values, **seen.environment}
    return {**seen.environment, **environment.of(way, seen.env, seen.config, seen.environment)}


def refuse_config(seen: Seen, way: Connection) -> None:
    """Raise `VerificationFailed` where Plano's configuration does not use this database, or Plano refuses it."""
    _refuse_unusable(seen, way)
    named = storage.named(seen.config.connection_string, way, given(seen, way), seen.mode)
    if named:
        raise VerificationFailed.of(names_another_database(seen, named))


def _refuse_unusable(seen: Seen, way: Connection | None) -> None:
    name = seen.config.path.name
    fatal = [finding for finding in judge.findings(seen.config, given(seen, way), seen.mode) if finding.fatal]
    errors = [
        VerificationFailed(finding.code, f"Plano would not start with `{name}`", why=finding.message, fix=finding.fix)
        for finding in fatal
    ]
    if seen.config.lacks and not any(error.code == "config-key-refused" for error in errors):
        errors.append(
            VerificationFailed(
                "config-without-storage",
                f"Plano would not use the database: `{name}` does not say so",
                why=seen.config.lacks,
                fix=Fix(Command("up", *seen.config_option, "--yes"), " adds what is missing to it, and nothing else"),
            )
        )
    for error in errors[1:]:
        seen.progress.notice(Problem(error.code, error.why or error.message, error.fix))
    if errors:
        raise errors[0]


def failed(verdict: proof.Verdict, way: Connection) -> VerificationFailed:
    """Return the error for a proof that did not pass."""
    fix = f"`{verdict.fix}`" if verdict.fix.startswith("planodev") else verdict.fix
    whom = f"{way.user} at {way.host}:{way.port}"
    return VerificationFailed(verdict.code, f"Plano could not store as {whom}", why=verdict.why, fix=fix)


@dataclass(frozen=True)
class Verified:
    """A proof that passed without `up`: where, and what was found."""

    seen: Seen
    way: Connection
    evidence: proof.Evidence
    ours: bool = True


def verify_alone(seen: Seen) -> Verified:
    """Run the proof with what `.env` says, changing nothing.

    Raises:
        VerificationFailed: Plano could not store, with the true cause.

    """
    missing = seen.env.missing
    if missing:
        # A configuration with a database of its own needs none of them.
        named = storage.named(seen.config.connection_string, None, given(seen, None), seen.mode)
        if named:
            seen.progress.begin(TITLE)
            return _elsewhere(seen, storage.way(named), None)
        raise VerificationFailed(
            "env-file-incomplete",
            f"`.env` lacks {', '.join(missing)}",
            why="Plano would be started without them" if seen.env.exists else "there is no `.env` yet",
            fix=Fix(Command("up")),
        )
    if seen.config.text is None:
        there = seen.config.path if seen.config_option else seen.config.path.with_name(CONFIG_NAMES[0])
        fix = Fix(Command("up", *seen.config_option))
        raise VerificationFailed("config-missing", "Plano has no configuration", why=f"there is no `{there}`", fix=fix)
    way = seen.connection()
    for finding in judge.findings(seen.config, given(seen, way), seen.mode):
        if not finding.fatal:  # the rest is what the proof fails with
            seen.progress.notice(Problem(finding.code, finding.message, finding.fix))
    seen.progress.begin(TITLE)
    if seen.wanted.foreign_host:
        return _elsewhere(seen, seen.connection(host=seen.wanted.foreign_host), way)
    named = storage.named(seen.config.connection_string, way, given(seen, way), seen.mode)
    if named:
        return _elsewhere(seen, storage.way(named), way)
    database = running(seen)
    proved = verify(database).proved
    assert proved  # noqa: S101  `verify` raises otherwise
    return Verified(seen, way, proved)


def running(seen: Seen) -> Database:
    """Return the project's database as `.env` has it.

    Raises:
        VerificationFailed: it does not run.

    """
    from planodev.database import Database

    have = seen.observed.container
    if have is None or have.state != "running":
        server = seen.engine.wording.server
        state = f"the {server} `{have.name}` is {have.state}" if have else f"this project has no {server}"
        raise VerificationFailed("not-running", "Postgres is not running", why=state, fix=Fix(Command("up")))
    return Database(seen, have, seen.wanted.port or 0, seen.wanted.password or "", "kept")


def _elsewhere(seen: Seen, way: Connection, ours: Connection | None) -> Verified:
    """Prove a server that is not ours: from beside Plano where only that knows the name, else from this machine."""
    # The loopback of a Plano in Docker is its container's own.
    beside = seen.mode == "docker" and way.host in (connection.DOCKER_HOST_NAME, connection.LOOPBACK, "::1")
    image = seen.settings.image.value
    if beside:
        evidence = seen.engine.prove_beside_plano(way, image, proof.PATIENCE, None)
    else:
        evidence = proof.run_here(way, proof.PATIENCE)
    verdict = proof.verdict(evidence, way)
    if not verdict.proved:
        if verdict.fix == "planodev up":  # which does not act on servers of others
            where = seen.env.path if seen.wanted.foreign_host else seen.config.path
            verdict = replace(
                verdict, fix=f"that server is not planodev's: check its address and password in `{where}`"
            )
        raise failed(verdict, way)
    _refuse_unusable(seen, ours)
    place = "from Plano's network" if beside else "from this machine"
    done = Outcome("verified", "storage", f"wrote and read a test conversation at {way.host} {place}")
    seen.progress.done(done)
    return Verified(seen, way, evidence, ours=False)
