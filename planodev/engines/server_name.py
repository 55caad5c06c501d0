"""Which name the server gets: the wanted one, or one with the project's name in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.problems import Command, Conflict, Fix

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from planodev.project.settings import Setting


def choose(wanted: Setting[str], slug: str, project_id: str, taken: Mapping[str, str]) -> str:
    """Return the container's name: the wanted one, else one with the project's name in it.

    Raises:
        Conflict: the name was asked for, and another container has it.

    """
    if wanted.value not in taken:
        return wanted.value
    longer = other(wanted.value, slug, project_id, taken)
    if wanted.asked:
        raise Conflict(
            "name-taken",
            f"the name `{wanted.value}` is taken",
            why=taken[wanted.value],
            fix=Fix(Command("up", "--name", longer), f" (the taken name is from {wanted.source})"),
        )
    return longer


def other(wanted: str, slug: str, project_id: str, taken: Collection[str]) -> str:
    """Return a name with the project's own in it, and with its id where somebody has that one as well."""
    longer = f"{wanted}-{slug}"
    return longer if longer not in taken else f"{longer}-{project_id[:6]}"
