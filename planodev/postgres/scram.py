"""Passwords as PostgreSQL keeps them: SCRAM verifiers, made here, so that no statement and no log has a password.

A verifier is salted at random and hashed 4,096 times (PBKDF2 with SHA-256), which is what PostgreSQL and libpq do.
Source: PostgreSQL 18, `src/common/scram-common.c`, `scram_build_secret`, and `SCRAM_SHA_256_DEFAULT_ITERATIONS`.
"""

from __future__ import annotations

from planodev import installation
from planodev.postgres.connection import is_loopback

# The first libpq with `require_auth`.
_FIRST_LIBPQ = 160000
METHOD = "scram-sha-256"


def verifier(password: str) -> str:
    """Return the SCRAM verifier of a password, which `CREATE ROLE … PASSWORD` and initdb accept in its place."""
    from psycopg import pq

    # libpq requires a connection here, but does not use it: this one is never established.
    unconnected = pq.PGconn.connect_start(b"planodev")
    return unconnected.encrypt_password(password.encode(), b"", METHOD.encode()).decode()


OURS = {"PGREQUIREAUTH": METHOD}  # for any version of libpq: older ones ignore it


def parameters(host: str, *, own: bool) -> dict[str, str]:
    """Return the parameters that tell psycopg's libpq how it may log in.

    Args:
        host: whom it logs in at. At this machine's loopback anybody with an account may listen where somebody else does
            not, so there no password goes in clear text.
        own: whether planodev runs that server, which is entered by SCRAM or not at all.

    Raises:
        psycopg.NotSupportedError: libpq is too old for that; the one that `psycopg[binary]` brings is not.

    """
    found = variables(host, own=own)
    if not found:
        return {}
    import psycopg

    if psycopg.pq.version() < _FIRST_LIBPQ:
        newer = installation.adding("psycopg[binary]>=3.2")
        why = f"would send the password by whatever method a server asks for: {newer} brings a newer one"
        raise psycopg.NotSupportedError(f"this machine's libpq ({psycopg.pq.version()}) {why}")
    return {"require_auth": found["PGREQUIREAUTH"]}


def variables(host: str, *, own: bool) -> dict[str, str]:
    """Return the same as libpq's variables."""
    if own:
        return OURS
    return {"PGREQUIREAUTH": "!password"} if is_loopback(host) and not host.startswith("/") else {}
