"""What holds where nobody says otherwise: the defaults of all settings, and how long anything is waited for."""

from __future__ import annotations

ENGINE = "auto"
PLANO = "docker"
PORT = 5432
NAME = "plano-postgres"
MAJOR = 16
IMAGE = f"postgres:{MAJOR}"
PULL = "missing"
TEMPLATE = "support-agent"
# Of a new database; they are no settings, and `.env` leads.
USER = "plano"
DATABASE = "plano"

# Of the files for Kubernetes: the namespace, pods of Plano, instances of PostgreSQL, and the storage of each.
NAMESPACE = "plano"
REPLICAS = 3
INSTANCES = 3
STORAGE = "10Gi"

# Seconds for Postgres to start, where `--timeout` does not say how many; for Plano, where `--plano-timeout` does not:
# planoai itself waits for 60, and for 120 in Docker; and for a hosted PostgreSQL.
TIMEOUT = 60.0
PLANO_TIMEOUT = 120.0
HOSTED_TIMEOUT = 10.0
# Seconds that no option changes. For everything that a command without `--timeout` waits for.
LIMIT = 12.0
# At least so many for an engine, whatever `--timeout` is: else a busy one would count as hanging.
LEAST_ENGINE_LIMIT = 5.0
# For Postgres to shut down; it loses nothing when it is killed after that.
STOP_LIMIT = 8.0
