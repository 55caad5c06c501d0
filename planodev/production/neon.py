"""Neon."""

from __future__ import annotations

from planodev.production import Fact, Provider

_DOCS = "https://neon.com/docs"

PROVIDER = Provider(
    title="Neon",
    endpoint="ep-cool-darkness-123456.eu-central-1.aws.neon.tech",
    port=5432,
    owner="neondb_owner",
    first_database="neondb",
    database="neondb",
    sidecar=True,
    plaintext=Fact("Always refused; no setting rules it.", f"{_DOCS}/connect/connect-securely"),
    poolers=Fact(
        "The direct host keeps prepared statements. The host with `-pooler` is PgBouncer in transaction mode, which"
        " keeps those of the protocol, but loses what a session sets: take the direct one.",
        f"{_DOCS}/connect/connection-pooling",
    ),
    network=Fact("The host is reached over the Internet.", f"{_DOCS}/connect/connect-securely"),
    password=Fact(
        "In the connection string behind Connect on the project's dashboard.", f"{_DOCS}/connect/connect-securely"
    ),
    idle=Fact(
        "A compute that is idle for 5 minutes is suspended by default, and that ends Plano's only connection. Scale to"
        " zero has to be switched off for the compute, which takes a paid plan.",
        f"{_DOCS}/introduction/scale-to-zero",
    ),
    # Its certificates come from Let's Encrypt, whose root ISRG Root X1 is in the system's own bundle.
    ca="cp /etc/ssl/certs/ca-certificates.crt server-ca.pem",
    ca_source=f"{_DOCS}/connect/connect-securely",
    checked="2026-11-22",
    plain_password=True,
)
