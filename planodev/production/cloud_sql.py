"""Google Cloud SQL for PostgreSQL."""

from __future__ import annotations

from planodev.production import Fact, Provider

_DOCS = "https://cloud.google.com/sql/docs/postgres"

PROVIDER = Provider(
    title="Google Cloud SQL for PostgreSQL",
    endpoint="10.20.0.3",
    port=5432,
    owner="postgres",
    first_database="postgres",
    database="plano",
    sidecar=False,
    plaintext=Fact(
        "Accepted by default; the SSL mode of the instance rules it, and `ALLOW_UNENCRYPTED_AND_ENCRYPTED` is the value"
        " that Plano needs.",
        f"{_DOCS}/configure-ssl-instance",
    ),
    poolers=Fact(
        "The instance keeps prepared statements. Managed connection pooling in transaction mode is not for Plano.",
        f"{_DOCS}/managed-connection-pooling",
    ),
    network=Fact(
        "Take the private address and a machine in the same VPC, since nothing is encrypted on the way. From elsewhere"
        " the Cloud SQL Auth Proxy encrypts, and DB_HOST is then 127.0.0.1.",
        f"{_DOCS}/connect-overview",
    ),
    password=Fact(
        "That of the user `postgres`: set when the instance was made, and again on the page Users of the instance.",
        f"{_DOCS}/create-manage-users",
    ),
    idle=Fact(
        "`idle_session_timeout` among the database flags ends sessions that are silent for longer, where it is not 0;"
        " `conversation_states.sql` sets 0 for the role `plano_prod`.",
        "https://www.postgresql.org/docs/current/runtime-config-client.html",
    ),
    checked="2026-11-22",
)
