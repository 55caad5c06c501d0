"""Prove, from where Plano will run, that it can store a conversation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planodev import env_file
from planodev.errors import VerificationFailed
from planodev.plano import config_file, proof
from planodev.result import Outcome
from planodev.steps import access

if TYPE_CHECKING:
    from planodev.connection import Connection
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
    """Raise `VerificationFailed` where Plano's configuration does not use this database."""
    name = work.config.path.name
    if work.config.lacks:
        raise VerificationFailed(
            "config-without-storage",
            f"the database is ready, but Plano would not use it: `{name}` does not say so",
            why=work.config.lacks,
            fix=f"put this into `{name}`, then `planodev up`:\n{config_file.STORAGE_BLOCK}",
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
    missing = [key for key in env_file.KEYS if not work.env.values.get(key)]
    if missing:
        raise VerificationFailed(
            "env-file-incomplete",
            f"`.env` lacks {', '.join(missing)}",
            why="Plano would be started without them" if work.env.exists else "there is no `.env` yet",
            fix="`planodev up`",
        )
    if work.config.text is None:
        raise VerificationFailed(
            "config-missing", "Plano has no configuration", why=f"there is no `{work.config.path}`", fix="`planodev up`"
        )
    work.progress.begin(Prove.title)
    if work.wanted.foreign_host:
        return _abroad(work, work.wanted.foreign_host)
    have = work.observed.container
    if have is None or have.state != "running":
        state = f"the container `{have.name}` is {have.state}" if have else "this project has no container"
        raise VerificationFailed("not-running", "Postgres is not running", why=state, fix="`planodev up`")
    work.container, work.volume = have, work.observed.volume
    work.password, work.port = work.wanted.password, work.wanted.port or 0
    work.progress.done(Prove().run(work))
    assert work.proved  # noqa: S101  Prove raises otherwise
    return work.proved


def _abroad(work: Work, host: str) -> proof.Evidence:
    """Prove a server that is not ours, from this machine."""
    work.password, work.port = work.wanted.password, work.wanted.port or 0
    way = work.connection(host=host)
    evidence = proof.run_here(way, access.PROOF_TIMEOUT)
    verdict = proof.verdict(evidence, way)
    if not verdict.proved:
        if verdict.fix == "planodev up":  # which does not act on servers of others
            verdict = replace(
                verdict, fix=f"that server is not planodev's: check DB_HOST and its like in `{work.env.path}`"
            )
        raise failed(verdict, way)
    refuse_config(work)
    outcome = Outcome(
        "proved", "storing", f"a conversation was stored at {host}, read back and rolled back from this machine"
    )
    work.progress.done(outcome)
    return evidence
