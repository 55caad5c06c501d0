"""Checks of the database: whether Plano can log in, and store there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.postgres import limits, locked_catalogue, processes, proof, state_table
from planodev.postgres.by_hand import ByHand
from planodev.problems import Fix
from planodev.project import credentials, env_keys
from planodev.result import Check, counted

if TYPE_CHECKING:
    from planodev.doctor.subject import Subject
    from planodev.problems import Problem


def login(subject: Subject) -> Check:
    """Whether a login with the role, the password and the database of `.env` succeeds."""
    evidence, connection = subject.evidence(), subject.connection()
    if evidence.facts:
        version = evidence.facts["server_version"].split()[0]
        return Check("login", "ok", f"as {connection.user} into {connection.database}, PostgreSQL {version}")
    fix = _elsewhere(subject)
    problem = proof.judge(evidence, connection, fix, ours=fix is None)
    assert problem  # noqa: S101  without facts nothing was proved
    if fix is None:
        from planodev.engines.docker import unreachable

        seen = subject.seen()
        have = seen.observed.container
        if have and (locked := locked_catalogue.explained(problem, seen, have)):
            return Check("login", "failed", locked.message, locked.why, locked.fix)
        known = unreachable.from_around(problem, seen.engine)
        if known is not problem:  # `proof` checks Plano's own route
            return Check("login", "warning", known.message, known.why, known.fix)
    return Check("login", "failed", problem.message, problem.why, problem.fix)


def table(subject: Subject) -> Check:
    """Whether Plano's table is there, and as Plano needs it."""
    facts = subject.evidence().facts
    if facts is None:
        return Check.skipped("table", "login")
    fix = _elsewhere(subject)
    problem = state_table.judge(facts, fix, ours=fix is None, hand=subject.seen().by_hand if fix is None else ByHand())
    if problem:
        return Check("table", "failed", problem.message, problem.why, problem.fix)
    evidence = subject.evidence()
    count = evidence.conversations
    held = "" if count is None else f" with {counted(count, estimated=evidence.estimated)}"
    return Check("table", "ok", f"{state_table.NAME}{held}")


def storing(subject: Subject) -> Check:
    """Whether Plano's own statements store a conversation, over the address that Plano has where that is possible."""
    connection, evidence, place = subject.connection(), subject.evidence(), "from this machine"
    run = subject.seen()
    have = run.observed.container
    if run.mode == "docker" and have and have.state == "running" and not run.credentials.foreign_host:
        # The database's container is on the same network as Plano's, and takes the same route.
        where = proof.inside(run.engine, have, limits.LOGIN)
        evidence, place = proof.run_by_psql(run.engine, where, connection, limits.LOGIN), "from Plano's network"
    fix = _elsewhere(subject)
    if fix is None:
        evidence = processes.with_holder(evidence, run)
    problem = proof.judge(evidence, connection, fix, ours=fix is None, hand=run.by_hand)
    teller = _teller(subject, problem) if problem else None
    if teller:
        return Check.skipped("proof", teller)
    if problem:
        return Check("proof", "failed", problem.message, problem.why, problem.fix)
    return Check("proof", "ok", f"verified (wrote and read a test conversation {place})")


def _teller(subject: Subject, problem: Problem) -> str | None:
    """Return the check above that tells the same, None where there is none."""
    facts, ours = subject.evidence().facts, _elsewhere(subject) is None
    if facts is None:
        login = proof.judge(subject.evidence(), subject.connection(), ours=ours)
        return "login" if login and login.code == problem.code else None
    table = state_table.judge(facts, ours=ours)
    return "table" if table and table.code == problem.code else None


def _elsewhere(subject: Subject) -> Fix | None:
    """Return the fix for a server that planodev does not run, which `up` leaves alone; None for the project's own."""
    if subject.foreign_target():
        return Fix(f"check the connection_string in `{subject.config().path.name}`")
    if credentials.read(subject.env()).foreign_host:
        return Fix(
            f"planodev does not run that server: check {env_keys.HOST} and the like in `{subject.project.env_path}`"
        )
    return None
