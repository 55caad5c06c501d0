"""Whether Plano gets into the database, and can store there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.postgres import proof, state_table
from planodev.project import credentials
from planodev.result import Check

if TYPE_CHECKING:
    from planodev.doctor.subject import Subject


def login(subject: Subject) -> Check:
    """Whether the role, the password and the database of `.env` get in."""
    evidence, way = subject.evidence(), subject.way()
    if evidence.facts:
        version = evidence.facts["server_version"].split()[0]
        return Check("login", "ok", f"as {way.user} into {way.database}, PostgreSQL {version}")
    verdict = proof.verdict(evidence, way)
    return Check("login", "failed", f"not as {way.user} into {way.database}", verdict.why, _fix(subject))


def table(subject: Subject) -> Check:
    """Whether Plano's table is there, and as Plano needs it."""
    facts = subject.evidence().facts
    if facts is None:
        return Check("table", "failed", "unknown, since nobody got in", fix=_fix(subject))
    fault = state_table.judge(facts)
    if fault:
        fix = f"`{fault.fix}`" if fault.fix.startswith("planodev") else fault.fix
        return Check("table", "failed", fault.code, fault.why, fix)
    count = subject.evidence().conversations
    return Check("table", "ok", f"{state_table.NAME} with {count} stored conversation turn{'' if count == 1 else 's'}")


def storing(subject: Subject) -> Check:
    """Whether Plano's own statements store a conversation, over the address that Plano has where that can be had."""
    way, evidence, place = subject.way(), subject.evidence(), "from this machine"
    run = subject.seen()
    have = run.observed.container
    if run.mode == "docker" and have and have.state == "running" and not run.wanted.foreign_host:
        # Its own container is on the same bridge as Plano's, and goes the same way round.
        evidence, place = run.engine.prove_from_inside(have, way, 5), "from Plano's bridge"
    verdict = proof.verdict(evidence, way)
    if verdict.proved:
        return Check("proof", "ok", f"a conversation was stored, read back and rolled back {place}")
    fix = _fix(subject) if verdict.fix.startswith("planodev") else verdict.fix
    return Check("proof", "failed", f"Plano could not store as {way.user} at {way.host}:{way.port}", verdict.why, fix)


def _fix(subject: Subject) -> str:
    """Return what mends a login; `up` does not act on servers of others."""
    if subject.named():
        return f"check the connection_string in `{subject.config().path.name}`"
    if credentials.read(subject.env()).foreign_host:
        return f"that server is not planodev's: check DB_HOST and its like in `{subject.project.env_path}`"
    return "`planodev up`"
