"""What was asked for and the chosen engine cannot do: refused where Plano would be lost, said where nothing is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.problems import BadInput, Problem
from planodev.project.settings import Setting

if TYPE_CHECKING:
    from planodev.takeover.move import Bring
    from planodev.work import Work


def refuse(work: Work) -> None:
    """Settle the settings that are the engine's to decide.

    Raises:
        BadInput: Plano was to run where it would not reach this engine's database, or data was to be taken over.

    """
    decided = work.engine.decides()
    plano, asked = decided.get("plano"), work.settings.plano
    if plano and asked.value != plano[0]:
        raise BadInput(
            "plano-out-of-reach",
            f"a Plano in Docker would not reach the {work.engine.info.name} Postgres",
            why=f"it listens on 127.0.0.1 alone, and a container has one of its own (`docker` is from {asked.source})",
            fix="`planodev up --plano native` and `planodev run -- planoai up`; or `planodev up --engine docker`",
        )
    if "image" not in decided:
        return
    if work.options.get("adopt"):
        raise BadInput(
            "adopt-needs-docker",
            "only a container can be taken over, and the embedded engine has none",
            fix="`planodev up --adopt --engine docker`",
        )
    for name in ("image", "pull"):
        setting = getattr(work.settings, name)
        if setting.asked:
            text = f"`{setting.source}` changed nothing: the embedded engine has PostgreSQL {work.engine.info.version}"
            work.progress.notice(Problem("no-images", text, "`planodev up --engine docker` runs an image"))
    work.settings = replace(work.settings, image=Setting(*decided["image"]), pull=Setting("missing", "default"))


def begin_move(work: Work) -> Bring | None:
    """Begin to bring the conversations from another engine where that was asked for; end what is left of an older move.

    Returns:
        The step that brings them.

    """
    choice = work.engine_choice
    if not choice or not (choice.data_elsewhere or choice.move_unfinished):
        return None

    from planodev.takeover import move

    if choice.data_elsewhere:
        return move.begin(work)
    move.mend(work)
    return None
