"""Passwords as PostgreSQL keeps them: SCRAM verifiers, made here, so that no statement and no log has a password.

A verifier is salted at random and hashed 4,096 times (PBKDF2 with SHA-256), which is what PostgreSQL and libpq do.
Source: PostgreSQL 18, `src/common/scram-common.c`, `scram_build_secret`, and `SCRAM_SHA_256_DEFAULT_ITERATIONS`.
"""

from __future__ import annotations

# The first libpq that can be told to send a password by no other way.
_FIRST_LIBPQ = 160000
METHOD = "scram-sha-256"


def verifier(password: str) -> str:
    """Return what stands for a password in `CREATE ROLE … PASSWORD` and in what initdb reads."""
    from psycopg import pq

    # libpq wants a connection, and asks nothing of it: this one was never made.
    unconnected = pq.PGconn.connect_start(b"planodev")
    return unconnected.encrypt_password(password.encode(), b"", METHOD.encode()).decode()


def parameters() -> dict[str, str]:
    """Return the parameters with which psycopg's libpq logs in by SCRAM or not at all.

    Raises:
        psycopg.NotSupportedError: it is too old for that; the one that `psycopg[binary]` brings is not.

    """
    import psycopg

    if psycopg.pq.version() < _FIRST_LIBPQ:
        why = "would send the password by whatever method a server asks for: `pip install 'psycopg[binary]>=3.2'`"
        raise psycopg.NotSupportedError(f"this machine's libpq ({psycopg.pq.version()}) {why}")
    return {"require_auth": METHOD}


# The same for programs of any version: a libpq that does not know a variable ignores it.
VARIABLES = {"PGREQUIREAUTH": METHOD}
