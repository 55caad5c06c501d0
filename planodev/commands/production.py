"""`planodev production`: write what moves the set-up to a hosted PostgreSQL; no server is contacted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.commands import report
from planodev.production import files

if TYPE_CHECKING:
    from planodev.look import Context
    from planodev.result import Result


def production(context: Context) -> Result:
    """Write the files for a provider.

    Args:
        context: with the options `provider`, `output`, `host`, `config`, `generate_password` and `force`.

    Raises:
        PlanodevError: a file is there already, or cannot be written.

    """
    return report.production(files.write(context.project, context.options, context.environment, context.progress))
