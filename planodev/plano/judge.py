"""Will Plano start, and will it store? A configuration and its keys read as Plano will read them.

Plano says nothing of all this itself: planoai's validation passes most of it, and chats are answered without a history.
Sources: Plano 0.4.36 `crates/brightstaff/src/handlers/llm/mod.rs:295,557,762` (only POST /v1/responses on the model
listener is stored), `crates/hermesllm/src/clients/endpoints.rs:193-204` (who keeps the history itself), planoai 0.4.39
`config_generator.py` and `data/plano_config_schema.yaml` (what is validated, and what is not), `utils.py:195-252`
(which entries are keys, how `.env` is read), `main.py:455-485` (a key that is nowhere ends the start).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planodev.plano import planoai, providers, storage
from planodev.plano.access_keys import entries, is_placeholder
from planodev.postgres.connection import CONNECTION_STRING
from planodev.problems import Command, Fix, Problem
from planodev.project import env_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from planodev.plano.access_keys import AccessKey, Places
    from planodev.plano.config_file import ConfigFile
    from planodev.plano.driver_url import Target

VERSIONS = ("v0.1", "v0.1.0", "0.1-beta", "0.2.0", "v0.3.0", "v0.4.0")
# A model whose conversations Plano stores, for the fixes.
_STORED_MODEL = "anthropic/claude-sonnet-4-5"


def judge_config(
    config: ConfigFile, environment: Mapping[str, str] | None, mode: str, option: tuple[str, ...] = ()
) -> list[Problem]:
    """Return what keeps Plano from starting or storing, each once, errors first; nothing where there is no file.

    Keys that planoai might not know are not judged: planoai names them itself.

    Args:
        config: the configuration; its providers' keys are judged by `judge_keys`.
        environment: what Plano is started with, for the connection string; None where that is not known yet.
        mode: `docker` or `native`.
        option: what `up` needs to see this configuration, such as `("--config", "other.yaml")`.

    """
    content = config.content
    if content is None:
        return []
    name = config.path.name
    found = [
        *_shape(config, content, name),
        *_listeners(config, content, name),
        *_models(config, name),
        *_storage(config, option),
        *_connection_string(config, environment, mode, name),
    ]
    return sorted(dict.fromkeys(found), key=lambda problem: not problem.fatal)


def other_database(config: ConfigFile, target: Target, option: tuple[str, ...] = ()) -> Problem:
    """Return the problem of a configuration that leads to another database than the project's.

    Args:
        config: the configuration.
        target: what `storage.named` found.
        option: what `up` needs to see this configuration.

    """
    name = config.path.name
    fix = Fix(
        Command("verify"),
        f" checks that one; to use the project's own, remove the connection_string line from `{name}`, then ",
        Command("up", *option, "--yes"),
    )
    why = f"its connection_string is {target.masked}"
    return Problem("other-database", f"`{name}` names a database that planodev does not run", fix, why, level="error")


def _error(code: str, message: str, fix: Fix | str) -> Problem:
    return Problem(code, message, fix, level="error")


def _shape(config: ConfigFile, content: Mapping[str, Any], name: str) -> Iterator[Problem]:
    for key in ("version", "listeners"):
        if key not in content:
            yield _error("config-key-missing", f"`{name}` has no `{key}`, and planoai refuses it", f"add `{key}`")
    version = content.get("version")
    if "version" in content and version not in VERSIONS:
        message = f"planoai {planoai.CHECKED} does not know version `{version}`{config.line_of('version')}"
        yield _error("config-version", message, f"write `version: {VERSIONS[-1]}` in `{name}`")
    if "llm_providers" in content and "model_providers" in content:
        message = f"`{name}` has both `model_providers` and `llm_providers`, and planoai refuses that"
        fix = f"move all of them to `model_providers`{config.line_of('llm_providers')}"
        yield _error("two-provider-lists", message, fix)


def _listeners(config: ConfigFile, content: Mapping[str, Any], name: str) -> Iterator[Problem]:
    if not isinstance(content.get("listeners"), list):
        return  # the older form, which has a model listener of its own
    agents = {str(agent.get("id")): agent for agent in entries(content, "agents")}
    listeners = entries(content, "listeners")
    for listener in listeners:
        called = f"listener `{listener.get('name', '?')}`"
        if "port" not in listener:
            message = f"{called} has no port, and Plano exits at startup"
            yield _error("listener-without-port", message, f"give it a `port:` in `{name}`")
        if listener.get("type") != "agent":
            continue
        if not listener.get("agents"):
            message = f"agent {called} names no agents, and Plano exits at startup"
            yield _error("listener-without-agents", message, f"give it `agents:` in `{name}`")
        for agent in entries(listener, "agents"):
            number = str(agent.get("id"))
            if not agents.get(number, {}).get("url"):
                entry = f"`- {{id: {number}, url: http://localhost:10510}}`"
                fix = f"add it to `agents:` at the top level of `{name}`, such as {entry}"
                yield Problem("agent-without-url", f"agent `{number}` of {called} has no URL", fix)
    kinds = sorted({str(listener.get("type")) for listener in listeners})
    if kinds and "model" not in kinds:
        message = (
            f"`{name}` has only {' and '.join(kinds)} listeners{config.line_of('listeners')}; "
            "Plano stores only POST /v1/responses on a model listener"
        )
        fix = (
            "send what Plano should remember to port 12000, which it opens by itself; "
            "or name that one: `- {type: model, name: model_listener, port: 12000}` under `listeners:`"
        )
        yield Problem("no-model-listener", message, fix)


def _models(config: ConfigFile, name: str) -> Iterator[Problem]:
    models = config.models
    if models and not any(providers.stored_by_plano(model) for model in models):
        named = ", ".join(f"`{model}`" for model in models)
        those = "the provider of" if len(models) == 1 else "the providers of"
        keeps = "keeps" if len(models) == 1 else "keep"
        fix = Fix(
            f"add a model of another provider to `{name}`, such as {_STORED_MODEL}; or move `{name}` away, then ",
            Command("up", "--model", _STORED_MODEL),
        )
        message = f"{those} {named} {keeps} the history, and Plano stores nothing for it"
        yield Problem("provider-keeps-history", message, fix)


def _storage(config: ConfigFile, option: tuple[str, ...]) -> Iterator[Problem]:
    if config.lacks:
        fix = Fix(Command("up", *option, "--yes"), " adds what is missing, and nothing else")
        message = f"Plano would not use this database: {config.lacks}{config.line_of('state_storage')}"
        yield _error("config-without-storage", message, fix)


def _connection_string(
    config: ConfigFile, environment: Mapping[str, str] | None, mode: str, name: str
) -> Iterator[Problem]:
    text = config.connection_string
    if text is None:
        return
    # What the five variables hold is planodev's own business; stand-ins show what the text around them does.
    values = {**storage.STAND_INS, **(environment or {})}
    unset = [variable for variable in storage.variables(text) if not values.get(variable)]
    for variable in unset if environment is not None else ():
        message = f"the connection string in `{name}` names ${variable}, which is not set where planoai starts"
        fix = Fix(
            f"put {variable}=… into `.env` and start Plano with ",
            Command("run", "--", "planoai", "up"),
            ", or use the five DB_* variables",
        )
        yield _error("connection-string-unset", message, fix)
    if unset or text == CONNECTION_STRING:
        return
    from planodev.plano import driver_url

    yield from driver_url.problems(storage.substitute(text, values, mode))


@dataclass(frozen=True)
class KeyProblem(Problem):
    """What is wrong with one provider key.

    Args:
        key: the variable, "" where none is named.
        absent: whether a value is missing, so that one could be saved.

    """

    key: str = ""
    absent: bool = False


def judge_keys(keys: Iterable[AccessKey], places: Places) -> list[KeyProblem]:
    """Return what planoai will not get, or get wrong, of the keys that a configuration names; errors first."""
    text = places.text
    values = places.shell if text is None else env_file.read_as_planoai(text)
    found = [problem for key in keys if (problem := _key(key, values, places))]
    return sorted(found, key=lambda problem: not problem.fatal)


def _key(key: AccessKey, values: Mapping[str, str], places: Places) -> KeyProblem | None:
    name, config = key.name, places.config.name
    if not name:
        message = f"an access_key in `{config}` is a literal value, and planoai takes it for a variable's name"
        fix = f"move it to `{places.file}` as NAME=…, and write `access_key: $NAME`"
        return KeyProblem("access-key-literal", message, fix, level="error")
    if key.braces:
        message = f"an access_key in `{config}` is `${{{name}}}`, and planoai knows no braces there"
        return KeyProblem("access-key-braces", message, f"write `access_key: ${name}`", level="error", key=name)
    value = values.get(name)
    if value is None and values.get(f"export {name}"):
        message = f"{name} in `.env` starts with `export`, and planoai takes that for part of the name"
        fix = f"write {name}=… without `export` in `{places.file}`"
        return KeyProblem("key-exported", message, fix, level="error", key=name)
    if value is None or not value.strip("\"'") or is_placeholder(value):
        code, message = _absent(name, value and value.strip("\"'"), places)
        return KeyProblem(code, message, _save(name, places), level="error", key=name, absent=True)
    return _misread(name, value, places.file) if values is not places.shell else None


def _absent(name: str, value: str | None, places: Places) -> tuple[str, str]:
    place = "`.env`" if places.beside.is_file() else "the shell"
    if value:
        return "key-placeholder", f"{name} in {place} is a placeholder, and Plano would send it"
    in_shell = places.in_shell(name)
    if value is not None:
        hides = ", and overrides the one in the shell" if in_shell and places.beside.is_file() else ""
        return "key-empty", f"{name} is empty in {place}{hides}; Plano would start without it"
    if in_shell:
        return "key-not-in-env-file", f"{name} is in the shell only; planoai reads it from `.env`, and would not start"
    return "key-not-in-env-file", f"{name} is neither in `.env` nor in the shell; planoai would not start"


def _save(name: str, places: Places) -> Fix | str:
    """Return what puts a key where planoai reads it; a line of its own, even after a last line without an end."""
    if places.in_shell(name):
        if places.saved:
            return Fix(Command("up", *places.option, "--save-keys"))
        return f"`printf '\\n{name}=%s\\n' \"${name}\" >> {places.file}`"
    ask = f"printf '{name}: '; read -rs KEY; printf '\\n{name}=%s\\n' \"$KEY\" >> {places.file}"
    return f"`{ask}` reads it without showing it"


def _misread(name: str, value: str, file: str) -> KeyProblem | None:
    # Plano gets the right key of these two, since the value is pasted into YAML; nobody should rely on that.
    if value[0] in "\"'":
        message = f"{name} in `.env` is quoted, and planoai takes the quotes for part of it"
        return KeyProblem("key-quoted", message, f"write {name}=… without quotes in `{file}`", key=name)
    if re.search(r"\s#", value):
        message = f"{name} in `.env` has a comment after it, and planoai takes that for part of it"
        return KeyProblem("key-with-comment", message, f"put the comment on its own line in `{file}`", key=name)
    return None
