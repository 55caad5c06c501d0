"""What planoai accepts, and brightstaff or Envoy end with or never answer: names, and what the machine must have.

Sources: planoai 0.4.39 `config_generator.py:120-175,600-650` and `data/envoy.template.yaml:289-395,998-1030`, which
pastes names into YAML as they are; Plano 0.4.36 `crates/brightstaff/src/main.rs`, `crates/common/src/llm_providers.rs`;
Envoy 1.37.0, `source/common/protobuf/yaml_utility.cc`, which reads a scalar as a number, a boolean, or else a text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planodev import paths, urls
from planodev.plano import models, storage
from planodev.plano.config_file import VERSIONS
from planodev.plano.entries import entries, numbered
from planodev.plano.rules import level_of_unopened, listeners_of, name_for_envoy, shown
from planodev.plano.yaml_of_plano import is_readable
from planodev.problems import Fix, Problem, Shell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from planodev.plano.config_file import ConfigFile, KeyPath

# Envoy's listeners in planoai's template; a listener with agents gets one by its own name.
_LISTENERS = ("ingress_traffic", "egress_traffic", "outbound_api_traffic")
_CHATGPT_LOGIN = Path(".plano/chatgpt/auth.json")  # in the home; source: planoai 0.4.39 `chatgpt_auth.py`
_REDIS = ("redis", "rediss", "valkey", "valkeys", "unix", "redis+unix", "valkey+unix")


def problems(
    config: ConfigFile, content: Mapping[str, Any], environment: Mapping[str, str] | None, mode: str
) -> Iterator[Problem]:
    """Yield what ends Plano at its start although planoai accepts it; a warning where only a login is missing.

    Args:
        config: the configuration.
        content: what it holds.
        environment: what Plano is started with, None where that is not known yet.
        mode: `docker` or `native`.

    """
    yield from _listener_names(config, content)
    yield from _cluster_names(config, content)
    yield from _hosts(config, content)
    yield from _model_names(config, content)
    yield from _preferences_by_name(config, content)
    yield from _redis_url(config, content, environment)
    yield from _certificates(config, content, mode)
    yield from _login(config, content)
    if content.get("prompt_guards") == {}:
        message = f"`prompt_guards`{config.at('prompt_guards')} has no `input_guards`, and Plano exits at startup"
        fix = config.without("prompt_guards")
        yield _error("config-key-missing", message, fix)


def _error(code: str, message: str, fix: Fix | str) -> Problem:
    return Problem(code, message, fix, level="error")


def _plain(text: str, kind: str) -> str:
    """Return a name like another one that every reader takes for a text."""
    word = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")
    return word if re.match(r"[A-Za-z]", word) and is_readable(word) else f"{kind}_{word}".strip("_")


def _listener_names(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield names of agent listeners that Envoy cannot read, that it has itself, or that are there twice."""
    first: dict[str, tuple[KeyPath, Mapping[str, Any]]] = {}
    for path, listener, kind in listeners_of(content):
        written = name_for_envoy(listener)
        if not listener.get("agents") or kind != "agent" or not written:
            continue  # Envoy gets no other names
        place: KeyPath = (*path, "name")
        name = str(listener["name"])
        said = f"listener `{shown(name)}`{config.at(*place)}"
        fix = f"write `name: {_free(_plain(name, 'agents'), first)}` in {config.where(*place)}"
        if not is_readable(written) or re.search(r'["\\]', name):
            message = f"the name of {said} is not a plain word, and Envoy does not read it as a string"
            yield _error("name-unreadable", message, fix)
        elif written in first:
            at, opened = first[written]
            message = f"{said} has the same name as another{config.at(*at)}, and Envoy opens only one"
            level = level_of_unopened(listener, opened)
            fix = fix if level == "error" else config.without(*path)  # by another name it would have the same port
            yield Problem("listener-duplicate", message, fix, level=level)
        elif written in _LISTENERS:
            yield _error("listener-name-taken", f"{said} uses a name that Plano reserves, so it never opens", fix)
        first.setdefault(written, (place, listener))


def _free(name: str, taken: Mapping[str, object]) -> str:
    """Return a name that nobody has, as like as possible."""
    numbered = (f"{name}_{number}" for number in range(2, 1000))
    return name if name not in (*taken, *_LISTENERS) else next(one for one in numbered if one not in taken)


def _cluster_names(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield ids of agents and filters, and names of endpoints, that Envoy cannot read."""
    endpoints = content.get("endpoints")
    named: list[tuple[object, KeyPath]] = [
        (one.get("id"), (key, at))
        for key in ("agents", "filters")
        for at, one in numbered(content, key)
        if one.get("id") != "" and _host(str(one.get("url")))
    ]
    named += [(name, ("endpoints", name)) for name in endpoints] if isinstance(endpoints, dict) else []
    for name, path in named:
        if isinstance(name, str) and not is_readable(name):
            kind = {"agents": "agent", "filters": "filter"}.get(str(path[0]), "endpoint")
            message = f"`{shown(name)}`{config.at(*path)} is not a plain word, and Envoy does not read it as a string"
            better = _plain(name, kind)
            fix = f"call it `{better}` in {config.where(*path)}, and wherever `{config.path.name}` names it"
            yield _error("name-unreadable", message, fix)


def _hosts(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield hosts that Envoy does not read as a text, such as `true` or `a: b`, as they stand without quotes."""
    named: list[tuple[object, KeyPath]] = []
    for model in models.of(content):
        entry = content[model.path[0]][model.path[1]]
        named += [(_host(model.base_url), (*model.path, "base_url"))] if model.base_url else []
        named += [(entry.get("http_host"), (*model.path, "http_host"))] if model.base_url else []
    for key in ("agents", "filters"):
        named += [(_host(str(one.get("url"))), (key, at, "url")) for at, one in numbered(content, key)]
    endpoints = content.get("endpoints")
    for name, one in endpoints.items() if isinstance(endpoints, dict) else ():
        if isinstance(one, dict):
            named.append((str(one.get("endpoint", "h")).partition(":")[0], ("endpoints", name, "endpoint")))
            named.append((one.get("http_host"), ("endpoints", name, "http_host")))
    for host, path in named:
        if isinstance(host, str) and host and not is_readable(host):
            code = "base-url-invalid" if path[-1] == "base_url" else "config-value"
            message = (
                f"`{path[-1]}`{config.at(*path)} names the host `{shown(host)}`, which Envoy does not read as a name"
            )
            yield _error(code, message, f"write another name of that host, or its address, in {config.where(*path)}")


def _host(text: str) -> str:
    """Return the host of a URL, "" where there is none, or no scheme before it."""
    url = urls.read(text)
    return url.scheme and url.host


def _model_names(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield names of models that planoai adds itself, as brightstaff takes none twice."""
    found, overrides = models.of(content), content.get("overrides")
    overrides = overrides if isinstance(overrides, dict) else {}
    preferred = bool(entries(content, "routing_preferences")) or any(True for _ in _inline(content))
    ids = {model.model_id for model in found}

    def added(key: str) -> bool:
        wanted = str(overrides.get(key) or "Plano-Orchestrator")
        return (wanted.partition("/")[2] or wanted) not in ids

    own = {"plano/orchestrator": added("agent_orchestration_model")}
    own["plano-orchestrator"] = preferred and added("llm_routing_model")
    for model in [model for model in found if own.get(model.known_as)]:
        path = (*model.path, "name")
        message = f"`{model.known_as}`{config.at(*path)} is reserved for a model of Plano, and Plano exits at startup"
        yield _error("model-name-taken", message, config.without(*path))


def _inline(content: Mapping[str, Any]) -> Iterator[models.Model]:
    """Yield the models with routing preferences of the form up to v0.3.0, which planoai moves to the top level."""
    if str(content.get("version")) == VERSIONS[-1]:
        return
    top = {str(one.get("name")) for one in entries(content, "routing_preferences")}
    for model in models.of(content):
        entry = content[model.path[0]][model.path[1]]
        if any(one.get("name") and str(one["name"]) not in top for one in entries(entry, "routing_preferences")):
            yield model


def _preferences_by_name(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield models whose preferences planoai moves by the full name, while brightstaff knows them by `name`."""
    for model in [model for model in _inline(content) if model.known_as not in ("", model.name)]:
        path = (*model.path, "name")
        said = f"model `{shown(model.name)}`{config.at(*path)} is called `{shown(model.known_as)}`"
        message = f"{said}, and its `routing_preferences` no longer find it: Plano exits at startup"
        yield _error("preference-of-named-model", message, config.without(*path))


def _redis_url(
    config: ConfigFile, content: Mapping[str, Any], environment: Mapping[str, str] | None
) -> Iterator[Problem]:
    """Yield the address of a session cache that brightstaff cannot read; one that is missing is told by `rules`."""
    routing = content.get("routing")
    cache = routing.get("session_cache") if isinstance(routing, dict) else None
    url = cache.get("url") if isinstance(cache, dict) and cache.get("type") == "redis" else None
    if not url:
        return
    path: KeyPath = ("routing", "session_cache", "url")
    text = storage.substitute(str(url), environment or {}, "native")
    unset = [name for name in storage.variables(text) if environment is not None]
    if (unset or "$" not in text) and not _is_redis(text):
        what = (
            f"names {', '.join(f'${name}' for name in unset)}, which is not set"
            if unset
            else "is not a valid Redis URL"
        )
        message = f"the `url` of the redis session cache{config.at(*path)} {what}, and Plano exits at startup"
        yield _error("session-cache-url", message, f"write `url: redis://HOST:6379` in {config.where(*path)}")


def _is_redis(text: str) -> bool:
    url = urls.read(text)
    if url.scheme not in _REDIS or not url.port_is_valid or url.port == 0 or "$" in text:
        return False
    return "unix" in url.scheme or (bool(url.host) and re.fullmatch(r"(?:/\d*)?", url.path) is not None)


def _certificates(config: ConfigFile, content: Mapping[str, Any], mode: str) -> Iterator[Problem]:
    """Yield a file of certificates that is not on this machine, where Envoy runs on it."""
    overrides, path = content.get("overrides"), ("overrides", "upstream_tls_ca_path")
    file = overrides.get("upstream_tls_ca_path") if isinstance(overrides, dict) else None
    if mode == "native" and isinstance(file, str) and "$" not in file and not paths.is_file(file):
        message = f"there is no file `{shown(file)}`{config.at(*path)}, and Envoy does not start without it"
        yield _error("ca-file-missing", message, config.without(*path))


def _login(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    model = next((model for model in models.of(content) if model.interface == "chatgpt"), None)
    if model and not paths.exists(Path.home() / _CHATGPT_LOGIN):
        message = (
            f"model `{shown(model.name)}`{config.at(*model.path)} needs a login, and planoai does not start without one"
        )
        yield Problem("chatgpt-login", message, Fix(Shell("planoai chatgpt login"), " asks for it"))
