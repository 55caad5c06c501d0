"""Will it store? A configuration read as Plano will read it, and what keeps it from remembering conversations.

Plano says nothing of all this itself: planoai's validation passes it, and chats are answered without a history.
Sources: Plano 0.4.36 `crates/brightstaff/src/handlers/llm/mod.rs:295,557,762` (only POST /v1/responses on the model
listener is stored), `crates/hermesllm/src/clients/endpoints.rs:193-204` (who keeps the history itself), planoai 0.4.39
`config_generator.py` (what is validated, and what is not).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planodev.plano import access_keys, config_keys, planoai, providers, storage
from planodev.postgres.connection import CONNECTION_STRING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from planodev.plano.config_file import ConfigFile


# What Plano starts with all the same; whether it stores then, the proof says.
_ODD = frozenset(
    {
        "connection-string-fragment",
        "connection-string-slash",
        "connection-string-user-missing",
        "connection-string-database-missing",
        "connection-string-sslmode-prefer",
    }
)


@dataclass(frozen=True)
class Finding:
    """Something that keeps Plano from storing, or from starting.

    Args:
        code: stable, lower case, with hyphens.
        message: one sentence without a full stop.
        fix: what mends it.
        fatal: True where Plano would not start, or would never store.

    """

    code: str
    message: str
    fix: str
    fatal: bool = False


def findings(config: ConfigFile, environment: Mapping[str, str] | None, mode: str) -> list[Finding]:
    """Return everything that is wrong, each once; an empty list where Plano will store.

    Args:
        config: the configuration; its providers' keys are judged by `access_keys`.
        environment: what Plano is started with, for the connection string; None where that is not known yet.
        mode: `docker` or `native`.

    """
    content = config.content
    if content is None:
        return []
    name = config.path.name
    found = [
        *_shape(config, content, name),
        *_listeners(content, name),
        *_models(config, name),
        *_connection(config, environment, mode, name),
    ]
    return list(dict.fromkeys(found))


def _shape(config: ConfigFile, content: Mapping[str, Any], name: str) -> Iterator[Finding]:
    if config_keys.unknown(content):
        bad = config_keys.refused(config.text or "")
        if bad:
            where = f" in `{bad.inside}`" if bad.inside else ""
            text = f"planoai {planoai.CHECKED} refuses the key `{bad.key}`{where}: line {bad.line}, column {bad.column}"
            yield Finding("config-key-refused", text, f"remove or rename it in `{name}`", fatal=True)
    for key in ("version", "listeners"):
        if key not in content:
            yield Finding("config-key-missing", f"planoai refuses `{name}` without `{key}`", f"add `{key}`", fatal=True)
    version = content.get("version")
    if "version" in content and version not in config_keys.VERSIONS:
        text = f"planoai {planoai.CHECKED} does not know version `{version}`"
        yield Finding("config-version", text, f"write `version: v0.4.0` in `{name}`", fatal=True)
    if "llm_providers" in content and "model_providers" in content:
        text = "planoai takes `model_providers` or `llm_providers`, not both"
        yield Finding("two-provider-lists", text, f"move all of them to `model_providers` in `{name}`", fatal=True)


def _listeners(content: Mapping[str, Any], name: str) -> Iterator[Finding]:
    if not isinstance(content.get("listeners"), list):
        return  # the older form, which has a model listener of its own
    agents = {str(agent.get("id")): agent for agent in access_keys.entries(content, "agents")}
    listeners = access_keys.entries(content, "listeners")
    for listener in listeners:
        called = listener.get("name", "?")
        if "port" not in listener:
            text = f"the listener `{called}` has no port, and Plano would stop at its start"
            yield Finding("listener-without-port", text, f"give it a `port:` in `{name}`", fatal=True)
        if listener.get("type") != "agent":
            continue
        if not listener.get("agents"):
            text = f"the agent listener `{called}` names no agents, and Plano would stop at its start"
            yield Finding("listener-without-agents", text, f"give it `agents:` in `{name}`", fatal=True)
        for agent in access_keys.entries(listener, "agents"):
            number = str(agent.get("id"))
            if not agents.get(number, {}).get("url"):
                text = f"the agent `{number}` of the listener `{called}` has no URL"
                fix = f"add it to `agents:` at the top of `{name}`, such as `- {{id: {number}, url: http://localhost:10510}}`"
                yield Finding("agent-without-url", text, fix)
    kinds = [str(listener.get("type")) for listener in listeners]
    if kinds and "model" not in kinds:
        alone = " and ".join(sorted(set(kinds)))
        text = f"only POST /v1/responses on a model listener is stored, and `{name}` has {alone} listeners alone"
        fix = (
            "send what is to be remembered to port 12000, which Plano adds itself, "
            "or name it: `- {type: model, name: model_listener, port: 12000}` under `listeners:`"
        )
        yield Finding("no-model-listener", text, fix)


def _models(config: ConfigFile, name: str) -> Iterator[Finding]:
    models = config.models
    if models and not any(providers.stored_by_plano(model) for model in models):
        said = f"`{models[0]}` keeps the history itself, and Plano stores nothing for it"
        if len(models) > 1:
            named = ", ".join(f"`{model}`" for model in models)
            said = f"the providers of {named} keep the history themselves, and Plano stores nothing for them"
        yield Finding(
            "provider-keeps-history",
            said,
            f"name a model of another provider in `{name}`, such as anthropic/claude-sonnet-4-5; "
            f"or move `{name}` away, then `planodev up --model anthropic/claude-sonnet-4-5`",
        )


def _connection(config: ConfigFile, environment: Mapping[str, str] | None, mode: str, name: str) -> Iterator[Finding]:
    text = config.connection_string
    if text is None:
        return
    # What the five variables hold is planodev's own business; stand-ins show what the text around them does.
    values = {**storage.STAND_INS, **(environment or {})}
    unset = [variable for variable in storage.variables(text) if not values.get(variable)]
    for variable in unset if environment is not None else ():
        said = f"the connection string in `{name}` names ${variable}, which is not set where planoai starts"
        fix = f"put {variable}=… into `.env` and start Plano by `planodev run`, or use the five DB_* variables"
        yield Finding("connection-string-unset", said, fix, fatal=True)
    if unset or text == CONNECTION_STRING:
        return
    from planodev.plano import driver_url

    for remark in driver_url.remarks(storage.substitute(text, values, mode)):
        text = f"{remark.message} (connection_string in `{name}`)"
        yield Finding(remark.code, text, remark.fix, fatal=remark.code not in _ODD)
