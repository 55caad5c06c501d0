"""The role that planodev logs in as to act as Plano's role: a member of it without other rights.

Acting in a role as the superuser, by SET ROLE, would let whatever that role has defined (a view in the table's place, a
default, a policy) take the superuser's rights back with RESET ROLE. A member can only go back to itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planodev.engines.embedded.directories import MEMBER
from planodev.postgres import scram
from planodev.project import regular_file

if TYPE_CHECKING:
    from planodev.engines.embedded.directories import DataDirectory


def first(directory: DataDirectory, role: str) -> str:
    """Return the SQL for a new database, for PostgreSQL's single-user mode: a statement ends with an empty line."""
    return f'CREATE ROLE "{MEMBER}" LOGIN PASSWORD \'{_password(directory)}\' IN ROLE "{role}";\n\n'


def grant(directory: DataDirectory, role: str) -> str:
    """Return the SQL that makes the role where it is missing, gives it its password, and makes it a member."""
    return f"""\
SET log_statement = 'none';
SELECT 'CREATE ROLE "{MEMBER}"' WHERE pg_catalog.to_regrole('"{MEMBER}"') IS NULL \\gexec
ALTER ROLE "{MEMBER}" LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB PASSWORD '{_password(directory)}';
GRANT "{role}" TO "{MEMBER}";
"""


def _password(directory: DataDirectory) -> str:
    """Return the verifier of the role's password, which is made and noted where libpq looks for it where there is none.

    One that is there stays: another planodev may be entering with it at this moment.
    """
    noted = regular_file.text(directory.pgpass)
    found = re.search(rf"(?m)^\*:\*:\*:{re.escape(MEMBER)}:([\w-]+)$", noted)
    if found:
        return scram.verifier(found[1])
    import secrets  # loads OpenSSL, which takes 5 milliseconds

    password = secrets.token_urlsafe(24)
    directory.write("pgpass", f"{noted}*:*:*:{MEMBER}:{password}\n")
    return scram.verifier(password)
