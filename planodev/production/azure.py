"""Azure Database for PostgreSQL, flexible server."""

from __future__ import annotations

from planodev.production import Fact, Provider

_DOCS = "https://learn.microsoft.com/en-us/azure/postgresql"

PROVIDER = Provider(
    title="Azure Database for PostgreSQL, flexible server",
    endpoint="shop.postgres.database.azure.com",
    port=5432,
    owner="ADMIN",
    first_database="postgres",
    database="plano",
    sidecar=True,
    plaintext=Fact(
        "Refused by default; the server parameter `require_secure_transport` rules it.",
        f"{_DOCS}/security/security-tls-how-to-connect",
    ),
    poolers=Fact(
        "Port 5432 keeps prepared statements. The built-in PgBouncer on port 6432 loses them, as long as"
        " `pgbouncer.max_prepared_statements` is 0 and its pool mode is transaction, the defaults.",
        f"{_DOCS}/connectivity/concepts-pgbouncer",
    ),
    network=Fact(
        "With public access the firewall of the server has to let in the machine that Plano runs on; with private"
        " access the name resolves inside the virtual network only.",
        f"{_DOCS}/network/concepts-networking-public",
    ),
    password=Fact(
        "The administrator's: set when the server was made, and again by Reset password on its page.",
        f"{_DOCS}/security/security-manage-database-users",
    ),
    idle=Fact(
        "`idle_session_timeout` among the server parameters ends sessions that are silent for longer, if it is not 0;"
        " `conversation_states.sql` sets 0 for the role `plano_prod`.",
        "https://www.postgresql.org/docs/current/runtime-config-client.html",
    ),
    # DigiCert Global Root G2 and Microsoft RSA Root Certificate Authority 2017 are in the system's own bundle.
    ca="cp /etc/ssl/certs/ca-certificates.crt server-ca.pem",
    ca_source=f"{_DOCS}/security/security-tls-how-to-connect",
    checked="2026-11-22",
)
