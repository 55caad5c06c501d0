"""Amazon RDS for PostgreSQL, and Aurora PostgreSQL."""

from __future__ import annotations

from planodev.production import Fact, Provider

_GUIDE = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide"

PROVIDER = Provider(
    title="Amazon RDS for PostgreSQL or Aurora PostgreSQL",
    endpoint="shop.c9akciq32.eu-central-1.rds.amazonaws.com",
    port=5432,
    owner="postgres",
    first_database="postgres",
    database="plano",
    sidecar=True,
    plaintext=Fact(
        "Refused by default from PostgreSQL 15 on; `rds.force_ssl` in the parameter group rules it. Aurora refuses it"
        " by default from PostgreSQL 17 on.",
        f"{_GUIDE}/PostgreSQL.Concepts.General.SSL.html",
    ),
    poolers=Fact(
        "The endpoint keeps prepared statements. RDS Proxy pins a session that prepares statements, which undoes the"
        " pooling: it gains nothing here.",
        f"{_GUIDE}/rds-proxy-pinning.html",
    ),
    network=Fact(
        "The endpoint resolves to an address inside the VPC unless the instance is publicly accessible; the security"
        " group has to let in the machine that Plano runs on. For Aurora take the cluster (writer) endpoint.",
        f"{_GUIDE}/USER_ConnectToPostgreSQLInstance.html",
    ),
    password=Fact(
        "The master user's: set when the instance was made, or in Secrets Manager where RDS manages it.",
        f"{_GUIDE}/rds-secrets-manager.html",
    ),
    idle=Fact(
        "`idle_session_timeout` in the parameter group ends sessions that are silent for longer, where it is not 0;"
        " `conversation_states.sql` sets 0 for the role `plano_prod`.",
        "https://www.postgresql.org/docs/current/runtime-config-client.html",
    ),
    ca="curl -fsSo server-ca.pem https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem",
    ca_source=f"{_GUIDE}/UsingWithRDS.SSL.html",
    checked="2026-11-22",
)
