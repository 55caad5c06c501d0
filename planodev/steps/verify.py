"""Prove, from where Plano will run, that it can store a conversation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planodev import address
from planodev.decide import refuse_other_server
from planodev.plano import judge, storage
from planodev.postgres import admin, locked_catalogue, processes, proof, queries
from planodev.postgres.admin import AdminFailed
from planodev.postgres.connection import DOCKER_HOST_NAME, LOOPBACK
from planodev.postgres.sql import identifier
from planodev.problems import Fix, Problem, VerificationFailed
from planodev.project import credentials
from planodev.project.identity import CONFIG_NAMES
from planodev.result import Outcome
from planodev.steps import config, match_env
from planodev.steps.server import proof_beside_plano

if TYPE_CHECKING:
    from planodev.database import Database
    from planodev.look import Seen
    from planodev.postgres.connection import Connection

# How a proof fails where a container does not reach the port.
_OUT_OF_REACH = ("connection-refused", "unreachable", "name-not-found")
TITLE = "Verifying that Plano can store"


def verify(database: Database) -> Database:
    """Run Plano's own statements, over the address, the user and the password that Plano will use; rolled back.

    Raises:
        VerificationFailed: Plano could not store, with the true cause.

    """
    seen, connection = database.seen, database.connection()
    seen.progress.begin(TITLE)
    evidence = database.proved or _evidence(database)
    if _demote(database, evidence):
        evidence = _evidence(replace(database, prepared=None))
    problem = proof.judge(processes.with_holder(evidence, seen), connection, ours=True, hand=seen.by_hand)
    if problem:
        raise VerificationFailed.of(_explained(database, problem))
    refuse_config(seen, connection)
    place = "from this machine" if seen.mode == "native" else "from Plano's network"
    seen.progress.done(Outcome("verified", "storage", f"wrote and read a test conversation {place}"))
    return replace(database, proved=evidence)


def _demote(database: Database, evidence: proof.Evidence) -> bool:
    """Remove superuser rights from Plano's role, where the server has another superuser; returns whether it had them.

    Without a container round it, the server's superuser may run programs as whoever runs the server.
    """
    seen = database.seen
    if seen.engine.traits.containers or seen.user == seen.superuser or not (evidence.facts or {}).get("superuser"):
        return False
    sql = f"ALTER ROLE {identifier(seen.user)} NOSUPERUSER;"
    try:
        admin.run_as_superuser(seen.engine, database.server, sql, superuser=seen.superuser, database="postgres")
    except AdminFailed as error:
        fix = match_env.way_in(seen, database.server, str(error))
        raise VerificationFailed(
            "role-not-demoted", f"`{seen.user}` is a superuser", why=str(error), fix=fix
        ) from error
    text = f"the role `{seen.user}` was a superuser of the embedded server, and is no longer one"
    seen.progress.notice(Problem("role-demoted", text))
    return True


def _evidence(database: Database) -> proof.Evidence:
    """Run the whole proof from where Plano will run, or wait for the one that is on its way."""
    if database.seen.mode == "native" and database.seen.engine.info.local:
        return proof.run_here(database.connection(), database.seen.deadline.share(proof.PATIENCE))
    prepared = database.prepared.proof() if database.prepared else None
    return prepared or proof_beside_plano(database)


def _explained(database: Database, problem: Problem) -> Problem:
    """Return a problem with what the engine knows of it, where the server itself answers."""
    seen = database.seen
    if locked := locked_catalogue.explained(problem, seen, database.server):
        return locked
    if problem.code not in _OUT_OF_REACH or seen.mode != "docker":
        return problem
    inside = queries.look_at(seen)
    if inside and inside.facts is None and proof.is_late(inside):
        fix = (problem.fix or "") + locked_catalogue.to_look(seen.engine, database.server)
        return replace(problem, why=proof.silence(inside), fix=fix)
    from planodev.engines.docker import unreachable

    return unreachable.explain(seen.engine, problem, database.port)


def refuse_config(seen: Seen, connection: Connection) -> None:
    """Raise `VerificationFailed` where Plano's configuration does not use this database, or Plano refuses it."""
    _refuse_unusable(seen, connection)
    foreign = storage.foreign_target(
        seen.config.connection_string, connection, config.environment_with(seen, connection), seen.mode
    )
    if foreign:
        raise VerificationFailed.of(judge.other_database(seen.config, foreign, seen.config_option))


def _refuse_unusable(seen: Seen, connection: Connection | None) -> None:
    known = config.environment_with(seen, connection)
    config.refuse(seen, judge.judge_config(seen.config, known, seen.mode, seen.config_option, _port(seen)))


def _port(seen: Seen) -> int | None:
    """Return the port of the project's own database as Plano gets it, None where `.env` names another one's."""
    return None if seen.credentials.foreign_host else seen.credentials.port


@dataclass(frozen=True)
class Verified:
    """A proof that passed without `up`: where, and what was found."""

    seen: Seen
    connection: Connection
    evidence: proof.Evidence
    ours: bool = True


def verify_project(seen: Seen) -> Verified:
    """Run the proof with what `.env` says.

    Nothing is changed, but that superuser's rights which an older planodev gave Plano's role are taken from it.

    Raises:
        VerificationFailed: Plano could not store, with the true cause.
        Conflict: another container has a server over the project's data.

    """
    missing = seen.env.missing
    if seen.config.text is not None:
        config.refuse(seen, config.problems_of(seen, _port(seen), config.environment_now(seen)))
    if missing:
        # A configuration that names another database does not need them.
        found = address.find(seen.env, seen.credentials, seen.config, seen.environment, mode=seen.mode)
        seen.progress.begin(TITLE)
        return _elsewhere(seen, found.connection, None)
    if seen.config.text is None:
        there = seen.config.path if seen.config_option else seen.config.path.with_name(CONFIG_NAMES[0])
        fix = credentials.completing(seen.env, seen.credentials, credentials.CONFIGURE, *seen.config_option)
        raise VerificationFailed("config-missing", "Plano has no configuration", why=f"there is no `{there}`", fix=fix)
    connection = seen.connection()
    seen.progress.begin(TITLE)
    if seen.credentials.foreign_host:
        return _elsewhere(seen, seen.connection(host=seen.credentials.foreign_host), connection)
    foreign = storage.foreign_target(
        seen.config.connection_string, connection, config.environment_with(seen, connection), seen.mode
    )
    if foreign:
        text, keys = seen.config.connection_string or "", [key.name for key in seen.config.keys]
        storage.refuse_to_send(text, foreign, seen.env, seen.environment, keys)
        return _elsewhere(seen, storage.connection_to(foreign), connection)
    refuse_other_server(seen)
    database = running(seen)
    proved = verify(database).proved
    assert proved  # noqa: S101  `verify` raises otherwise
    return Verified(seen, connection, proved)


def running(seen: Seen) -> Database:
    """Return the project's database as `.env` has it.

    Raises:
        VerificationFailed: it does not run.

    """
    from planodev.database import Database

    if problem := seen.not_listening:
        raise VerificationFailed.of(problem)
    have = seen.observed.container
    assert have  # noqa: S101  else it would not listen
    return Database(seen, have, seen.credentials.port or 0, seen.credentials.password or "", "kept")


def _elsewhere(seen: Seen, connection: Connection, ours: Connection | None) -> Verified:
    """Prove a server that is not ours: from beside Plano where only that knows the name, else from this machine."""
    # In Plano's container these hosts are others than on this machine.
    beside = seen.mode == "docker" and connection.host in (DOCKER_HOST_NAME, LOOPBACK, "::1")
    image = seen.settings.image.value
    seconds = seen.deadline.left(proof.PATIENCE)
    if beside:
        probe = proof.beside_plano(image, seconds)
        evidence = proof.run_by_psql(seen.engine, probe, connection, seconds)
    else:
        evidence = proof.run_here(connection, seconds)
    # Not `up`, which does not change another server.
    where = seen.env.path if seen.credentials.foreign_host else seen.config.path
    check = Fix(f"planodev does not run that server: check its address in `{where}`")
    problem = proof.judge(evidence, connection, check, ours=False)
    if problem:
        raise VerificationFailed.of(problem)
    _refuse_unusable(seen, ours)
    place = "from Plano's network" if beside else "from this machine"
    done = Outcome("verified", "storage", f"wrote and read a test conversation at {connection.host} {place}")
    seen.progress.done(done)
    return Verified(seen, connection, evidence, ours=False)
