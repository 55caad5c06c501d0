"""What the server says of itself, asked over its own socket, where no password is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.engines import AdminFailed
from planodev.plano import proof, state_table

if TYPE_CHECKING:
    from planodev.work import Work


def look(work: Work) -> proof.Evidence | None:
    """Return the table's facts and the number of rows as DB_USER sees them; None where it can't be asked."""
    have = work.observed.container
    if have is None or have.state != "running":
        return None
    try:
        return proof.read_psql(work.engine.admin(have, state_table.LOOK, user=work.user, database=work.database), "")
    except AdminFailed:
        return None
