"""Supabase."""

from __future__ import annotations

from planodev.production import Fact, Provider

_DOCS = "https://supabase.com/docs/guides"

PROVIDER = Provider(
    title="Supabase",
    endpoint="db.abcdefghijklmnopqrst.supabase.co",
    port=5432,
    owner="postgres",
    first_database="postgres",
    database="postgres",
    sidecar=True,
    plaintext=Fact(
        "Accepted by default, over the Internet; `Enforce SSL on incoming connections` in the database settings refuses"
        " it.",
        f"{_DOCS}/platform/ssl-enforcement",
    ),
    poolers=Fact(
        "The direct connection and the session pooler (port 5432) keep prepared statements. The transaction pooler"
        " (port 6543) does not support them.",
        f"{_DOCS}/database/connecting-to-postgres",
    ),
    network=Fact(
        "The direct host `db.REF.supabase.co` has an IPv6 address only, without the IPv4 add-on. From an IPv4 network"
        " take the session pooler, `aws-0-REGION.pooler.supabase.com`, where each user is written with the project's"
        " reference: `plano_prod.REF`.",
        f"{_DOCS}/database/connecting-to-postgres",
    ),
    password=Fact(
        "The database password: set when the project was made, and again in the database settings.",
        f"{_DOCS}/database/managing-passwords",
    ),
    idle=Fact(
        "`idle_session_timeout` of the server ends sessions that are silent for longer, where it is not 0;"
        " `conversation_states.sql` sets 0 for the role `plano_prod`.",
        "https://www.postgresql.org/docs/current/runtime-config-client.html",
    ),
    ca=(
        "Download the certificate under SSL Configuration in the database settings, and save it here as"
        " `server-ca.pem`."
    ),
    ca_source=f"{_DOCS}/database/psql",
    checked="2026-11-22",
    shares_public=True,
    pooler=".pooler.supabase.com",
)
