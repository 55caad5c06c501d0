"""The files for Kubernetes, as text: one `kubectl apply -k`, whose resources may become ready in any order.

What each rests on is said in ADR 20 and in the rendered PRODUCTION.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev import rendering
from planodev.production import FOLDER, KUSTOMIZATION, SIDECAR, compose

if TYPE_CHECKING:
    from planodev.production.setup import Setup

# Both are Debian 13; the first has sh, psql and a user 998.
_PGBOUNCER_IMAGE = "ghcr.io/cloudnative-pg/pgbouncer:1.25.2"
_POSTGRES_IMAGE = "ghcr.io/cloudnative-pg/postgresql:16-standard-trixie"
# Its own manifest, which needs no Helm.
_OPERATOR = "https://raw.githubusercontent.com/cloudnative-pg/cloudnative-pg/release-1.30/releases/cnpg-1.30.1.yaml"
# Its plugin for backups, and what that needs; each with its version.
_PLUGIN = ("v0.14.0", "https://github.com/cloudnative-pg/plugin-barman-cloud/releases/download/v0.14.0/manifest.yaml")
_CERT_MANAGER = ("v1.21.2", "https://github.com/cert-manager/cert-manager/releases/download/v1.21.2/cert-manager.yaml")
_ALWAYS = {
    KUSTOMIZATION: KUSTOMIZATION,
    "namespace.yaml": "namespace.yaml",
    "login.yaml": "login.yaml",
    "plano.yaml": "plano.yaml",
    "network.yaml": "network.yaml",
    f"{FOLDER}/{KUSTOMIZATION}": "pgbouncer.kustomization.yaml",
    "proof/kustomization.yaml": "proof.kustomization.yaml",
    "proof/job.yaml": "job.yaml",
    "PRODUCTION.md": "PRODUCTION.md",
}
_CLUSTER = {
    "database.yaml": "database.yaml",
    "prune.yaml": "prune.yaml",
    "backup/kustomization.yaml": "backup.kustomization.yaml",
    "backup/backup.yaml": "backup.yaml",
    "backup/.env.backup": "env.backup",
    "recovery/kustomization.yaml": "recovery.kustomization.yaml",
}


def render(setup: Setup) -> dict[str, str]:
    """Return the text of each file by its path; pure."""
    words = {
        **compose.words_of(setup),
        "pgbouncer_image": _PGBOUNCER_IMAGE,
        "postgres_image": _POSTGRES_IMAGE,
        "operator": _OPERATOR,
        "plugin": _PLUGIN,
        "cert_manager": _CERT_MANAGER,
    }
    files = compose.environment(setup, words)
    for path, template in {**_ALWAYS, **(_CLUSTER if setup.cluster else {})}.items():
        files[path] = rendering.render(f"production/kubernetes/{template}.j2", **words)
    files["conversation_states.sql"] = rendering.render("production/conversation_states.sql.j2", **words)
    for name in (SIDECAR, compose.HBA):
        files[f"{FOLDER}/{name}"] = rendering.render(f"production/{name}.j2", **words)
    files["plano_config.yaml"] = rendering.render("production/config_copy.j2", text=setup.deployed, **words)
    return files
