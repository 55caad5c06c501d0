"""`planodev verify`: prove again that Plano can store; nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.commands import report
from planodev.look import look

if TYPE_CHECKING:
    from planodev.look import Context
    from planodev.result import Result


def verify(context: Context) -> Result:
    """Prove again that Plano can store.

    Args:
        context: with the options `config`, `through_plano` and `of_model`; with `env_file` it is about that file and
            its server, with `timeout` seconds for the proof.

    Raises:
        PlanodevError: it cannot, with the true cause.

    """
    if context.options.get("env_file"):
        from planodev.production import verify as hosted

        seen = hosted.prove(context.project, context.options, context.environment, context.progress)
        return report.verify_elsewhere(seen)
    from planodev.gateway import running
    from planodev.steps import keys
    from planodev.steps.verify import verify_project

    found = look(context)
    try:
        verified = verify_project(found)
        through = None
        if context.options.get("through_plano"):
            from planodev.commands import through_plano

            through = through_plano.prove(context, verified.seen)
        for problem in keys.problems_of_start(verified.seen):
            context.progress.notice(problem)
        return report.verify(verified, running.look(verified.seen, verified.evidence), through)
    finally:
        found.engine.close()
