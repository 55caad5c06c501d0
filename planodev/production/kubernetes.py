"""The files for Kubernetes, as text: one `kubectl apply -k`, whose resources may become ready in any order.

What each rests on is said in ADR 20 and in the rendered PRODUCTION.md.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from planodev import rendering
from planodev.plano import config_edit
from planodev.postgres.connection import CONNECTION_STRING
from planodev.production import SIDECAR, compose

if TYPE_CHECKING:
    from planodev.production.setup import Setup

# Both are Debian 13; the first has sh, psql and a user 998.
_PGBOUNCER_IMAGE = "ghcr.io/cloudnative-pg/pgbouncer:1.25.2"
_POSTGRES_IMAGE = "ghcr.io/cloudnative-pg/postgresql:16-standard-trixie"
_ALWAYS = {
    "kustomization.yaml": "kustomization.yaml",
    "namespace.yaml": "namespace.yaml",
    "login.yaml": "login.yaml",
    "plano.yaml": "plano.yaml",
    "network.yaml": "network.yaml",
    "pgbouncer/kustomization.yaml": "pgbouncer.kustomization.yaml",
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
}


def render(setup: Setup) -> dict[str, str]:
    """Return the text of each file by its path; pure."""
    words = {
        **compose.words_of(setup),
        "pgbouncer_image": _PGBOUNCER_IMAGE,
        "postgres_image": _POSTGRES_IMAGE,
        "back": os.path.relpath(setup.config.path.parent, setup.directory),
    }
    files = compose.environment(setup, words)
    for path, template in {**_ALWAYS, **(_CLUSTER if setup.cluster else {})}.items():
        files[path] = rendering.render(f"production/kubernetes/{template}.j2", **words)
    files["conversation_states.sql"] = rendering.render("production/conversation_states.sql.j2", **words)
    for name in (SIDECAR, compose.HBA):
        files[f"pgbouncer/{name}"] = rendering.render(f"production/{name}.j2", **words)
    text = setup.config.text or ""
    if setup.config.content and not setup.config.connection_string:
        text = config_edit.with_storage(text, CONNECTION_STRING)
    files["plano_config.yaml"] = rendering.render("production/config_copy.j2", text=text, **words)
    return files
