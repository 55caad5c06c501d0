"""Prove, from where Plano will run, that it can store a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev import env_file
from planodev.errors import VerificationFailed
from planodev.plano import proof
from planodev.result import Outcome
from planodev.steps import access

if TYPE_CHECKING:
    from planodev.work import Work


class Prove:
    """Plano's own statements, over the address, the user and the password that Plano will use; rolled back."""

    title = "Proving that Plano can store"

    def run(self, work: Work) -> Outcome:
        place = "from this machine" if work.mode == "native" else "from a container beside Plano's"
        if work.dry_run:
            return Outcome("would be run", "proof", place)
        evidence = work.proved or access.evidence_of(work)
        verdict = proof.verdict(evidence, work.connection())
        if not verdict.proved:
            raise failed(verdict, f"{work.user} at {work.connection().host}:{work.port}")
        work.proved = evidence
        if work.config.lacks:
            raise VerificationFailed(
                "config-without-storage",
                f"the database is ready, but Plano would not use it: `{work.config.path.name}` lacks its storage",
                why=work.config.lacks,
                fix=f"add the block shown above to `{work.config.path.name}`, then `planodev up`",
            )
        return Outcome("proved", "a conversation was stored, read back and rolled back", place)


def failed(verdict: proof.Verdict, whom: str) -> VerificationFailed:
    """Return the error for a proof that did not pass."""
    fix = f"`{verdict.fix}`" if verdict.fix.startswith("planodev") else verdict.fix
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
    have = work.observed.container
    if have is None or have.state != "running":
        state = f"the container `{have.name}` is {have.state}" if have else "this project has no container"
        raise VerificationFailed("not-running", "Postgres is not running", why=state, fix="`planodev up`")
    work.container, work.volume = have, work.observed.volume
    work.password, work.port = work.wanted.password, work.wanted.port or 0
    work.progress.begin(Prove.title)
    work.progress.done(Prove().run(work))
    assert work.proved  # noqa: S101  Prove raises otherwise
    return work.proved
