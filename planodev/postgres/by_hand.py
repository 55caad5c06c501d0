"""SQL that a person runs to end a problem: on the project's own server as a command to paste."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from planodev.postgres import sql
from planodev.problems import Command, Fix, Shell

if TYPE_CHECKING:
    from collections.abc import Mapping

# A database's owner may have put functions and tables of his own on the search path, see `admin.SYSTEM_ALONE`.
_SYSTEM_ALONE = "SET search_path = pg_catalog"


class ByHand(NamedTuple):
    """How SQL is run on the project's own server.

    Args:
        superuser: the shell's line for a `psql` as its superuser, without what is to be run; "" where nobody knows it.

    """

    superuser: str = ""

    def run(self, statements: str, *, may: bool) -> Fix:
        """Return the command that runs statements, separated by semicolons, in one transaction.

        Args:
            statements: as the superuser runs them, each name has its schema.
            may: whether Plano's role may do that, which `planodev psql` logs in as.

        """
        if may:
            return Fix(Command("psql", "-c", statements))
        if not self.superuser:
            return Fix(f"as a superuser: `{statements}`")
        line = self.superuser.replace("{", "{{").replace("}", "}}")
        return Fix(Shell(f"{line} -c {{}} -c {{}}", _SYSTEM_ALONE, statements))


UNKNOWN = ByHand()  # where no command is shown, or the server is not asked


def settled(facts: Mapping[str, Any], setting: str, value: str) -> str:
    """Return the SQL that gives every session of a database a setting, whatever the server and Plano's role have.

    A setting of the database counts before those of the server's files and command line, and one of the role before
    that, so the role's own go. Source: PostgreSQL 16, section 20.1, and `guc.h`, `GucSource`.

    Args:
        facts: the object of `state_table.FACTS`.
        setting: its name, one of `ROLE_SETTINGS`.
        value: as SQL.

    """
    database, user = sql.identifier(facts["database"]), sql.identifier(facts["user"])
    own = [in_database for name, in_database in facts.get("role_settings") or [] if name == setting]
    resets = [f"ALTER ROLE {user}{f' IN DATABASE {database}' if one else ''} RESET {setting};" for one in own]
    return " ".join([f"ALTER DATABASE {database} SET {setting} = {value};", *resets])
