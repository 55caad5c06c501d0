"""A PostgreSQL of one's own."""

from __future__ import annotations

from planodev.production import Fact, Provider

_DOCS = "https://www.postgresql.org/docs/current"

PROVIDER = Provider(
    title="a PostgreSQL of your own",
    endpoint="db.internal",
    port=5432,
    owner="postgres",
    first_database="postgres",
    database="plano",
    sidecar=False,
    plaintext=Fact(
        "Accepted where `pg_hba.conf` has a line that begins with `host` or `hostnossl` for the role; `hostssl` alone"
        " refuses it. Only for a network that is private from end to end.",
        f"{_DOCS}/auth-pg-hba-conf.html",
    ),
    poolers=Fact(
        "PgBouncer in session mode keeps prepared statements. In transaction mode it loses them, before 1.21 and"
        " wherever `max_prepared_statements` is 0.",
        "https://www.pgbouncer.org/features.html",
    ),
    network=Fact(
        "`listen_addresses` has to name the address that Plano reaches, and `pg_hba.conf` the one that it comes from.",
        f"{_DOCS}/runtime-config-connection.html",
    ),
    password=Fact(
        "On the server the owner needs none: `sudo -u postgres psql` enters over the socket.", f"{_DOCS}/auth-peer.html"
    ),
    idle=Fact(
        "`idle_session_timeout` in `postgresql.conf` ends sessions that are silent for longer, where it is not 0;"
        " `conversation_states.sql` sets 0 for the role `plano_prod`.",
        "https://www.postgresql.org/docs/current/runtime-config-client.html",
    ),
    checked="2026-11-22",
)
