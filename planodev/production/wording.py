"""The files that move a set-up to a hosted PostgreSQL, as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from planodev import production, rendering
from planodev.postgres import state_table

if TYPE_CHECKING:
    from collections.abc import Mapping

ENV_NAME = ".env.production"
_PGBOUNCER_PORT = "6432"
_MODEL_PORT = 12000
_TEXTS = ("conversation_states.sql", "PRODUCTION.md", production.COMPOSE)
_SIDECAR = (production.SIDECAR, "pgbouncer.Dockerfile")


def render(name: str, config: Mapping[str, Any], kept: Mapping[str, str], host: str | None) -> dict[str, str]:
    """Return the text of each file by its name; pure.

    Args:
        name: one of `production.names()`.
        config: of Plano's configuration: `file` (its name), `path` (seen from the files), `keys` (variables of
            providers' keys), `ports` (of the listeners, by type).
        kept: values for `.env.production` that are known already; they lead.
        host: the server's name, None where it is still to be filled in.

    """
    provider = production.load(name)
    server = host or f"{production.PLACEHOLDER}-host"
    user = _user(provider, server, kept.get("DB_USER", production.ROLE))
    kept = {**kept, "DB_USER": user}
    known = {
        "DB_USER": user,
        "DB_PASS": f"{production.PLACEHOLDER}-password",
        "DB_HOST": "127.0.0.1" if provider.sidecar else server,
        "DB_PORT": _PGBOUNCER_PORT if provider.sidecar else str(provider.port),
        "DB_NAME": provider.database,
        **dict.fromkeys(config["keys"], f"{production.PLACEHOLDER}-key"),
    }
    model_port = config["ports"].get("model", _MODEL_PORT)
    words = {
        "provider_name": name,
        "provider": provider,
        "role": production.ROLE,
        "host": server,
        "owner": provider.owner + ("." + _reference(user) if _pooled(provider, server) else ""),
        "database": kept.get("DB_NAME", provider.database),
        "create": state_table.CREATE,
        "image": production.PLANO_IMAGE,
        "config": config["file"],
        "config_path": config["path"],
        "verify_config": "" if config["path"] == "./config.yaml" else f" --config {config['path']}",
        "keys": config["keys"],
        "model_port": model_port,
        "ports": sorted({*config["ports"].values(), model_port}),
    }
    secret = ("DB_PASS", *config["keys"])
    blank = {**known, **dict.fromkeys(secret, "")} | ({} if provider.sidecar else {"DB_HOST": ""})
    files = {
        ENV_NAME: _environment(words, {**known, **{key: kept[key] for key in known if key in kept}}, kept),
        f"{ENV_NAME}.example": _environment(words, blank, None),
    }
    for file in (*_TEXTS, *(_SIDECAR if provider.sidecar else ())):
        files[file] = rendering.render(f"production/{file}.j2", **words)
    return files


def _pooled(provider: production.Provider, server: str) -> bool:
    return provider.pooler is not None and server.endswith(provider.pooler)


def _user(provider: production.Provider, server: str, user: str) -> str:
    """Return the user as this server wants it: with the project's reference behind at a pooler, alone elsewhere."""
    if provider.pooler is None or server.startswith(production.PLACEHOLDER):
        return user
    name, _, reference = user.partition(".")
    if not _pooled(provider, server):
        return name
    return user if reference else f"{production.PLACEHOLDER}-{name}.REF"


def _reference(user: str) -> str:
    return user.partition(".")[2]


def _environment(words: dict[str, Any], values: dict[str, str], kept: Mapping[str, str] | None) -> str:
    more = {key: value for key, value in (kept or {}).items() if key not in values}
    return rendering.render("production/env.production.j2", **words, values=values, more=more, example=kept is None)


def host_of(pgbouncer_ini: str) -> str | None:
    """Return the server that an earlier `pgbouncer.ini` names, None where it is still to be filled in."""
    found = re.search(r"(?m)^\* = host=(\S+)", pgbouncer_ini)
    return found[1] if found and not found[1].startswith(production.PLACEHOLDER) else None


def to_fill_in(files: Mapping[str, str]) -> list[str]:
    """Return what still has a placeholder, as `NAME in FILE`."""
    found = []
    for file, text in files.items():
        if file in (ENV_NAME, production.SIDECAR):
            found += [f"{key} in {file}" for key in re.findall(rf"(\w+)={production.PLACEHOLDER}", text)]
    return found
