"""What Plano does not start with: what planoai refuses, and what it accepts and Envoy or brightstaff refuse.

planoai's own validation says more of its own part (`validation.py`); these are the faults that real files have, each
with its line and what to write there. Sources: planoai 0.4.39 `config_generator.py`, `utils.py:74-154` and `data/`;
Plano 0.4.36 `crates/brightstaff/src/main.rs:101-400`, `crates/common/src/llm_providers.rs:100-170` and
`configuration.rs`; Envoy 1.37.0 with what planoai renders.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from planodev import masking, urls
from planodev.plano import models, planoai, schema
from planodev.plano.config_file import KEYS, VERSIONS
from planodev.plano.entries import entries, numbered
from planodev.plano.planoai import MODEL_PORT, PARTS, PROMPT_PORT
from planodev.plano.providers import BY_NAME, CHAT_INTERFACE, FALLBACK, PROVIDERS, probable_provider
from planodev.plano.yaml_of_plano import is_readable
from planodev.postgres.connection import LOOPBACK
from planodev.problems import BadInput, Command, Fix, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from typing import TypeGuard

    from planodev.plano.config_file import ConfigFile, KeyPath
    from planodev.plano.models import Model
    from planodev.plano.providers import Provider
    from planodev.problems import Level

_AGENT_PORT = 8000
_MODEL_LISTENER = f"{{type: model, name: model_listener, port: {MODEL_PORT}}}"
# Names of clusters in planoai's template of Envoy's configuration.
_CLUSTERS = {provider.name for provider in PROVIDERS if provider.base_url is None} - {"chatgpt"}
_CLUSTERS |= {"plano", "arch_internal", "bright_staff", "arch_prompt_gateway_listener", "arch_listener_llm"}
_CLUSTERS |= {"mistral_7b_instruct"}
# The provider of a model that is written without one, by the beginning of its name.
_FAMILIES = {"claude": "anthropic", "gpt-": "openai", "o1": "openai", "o3": "openai", "o4": "openai"}
_FAMILIES |= {"gemini": "gemini", "mistral": "mistral", "deepseek": "deepseek", "grok": "xai", "kimi": "moonshotai"}
_FAMILIES |= {"glm": "zhipu", "mimo": "xiaomi"}
_LISTS = ("model_providers", "llm_providers", "agents", "filters", "prompt_targets", "routing_preferences")
_MAPPINGS = ("endpoints", "model_aliases", "overrides", "routing", "tracing")
_KINDS = ("model", "prompt", "agent")
_OLDER = ("egress_traffic", "ingress_traffic")  # the listeners of the older form, a mapping
_LONGEST = 60  # characters of a value in a message
_OF_SECRETS = re.compile(r"(?:access|api)_key|headers|secret|passw|credential|connection_string", re.IGNORECASE)
# Keys whose values nobody else may see, and others that resemble them.
SECRET = re.compile(r"key|token|secret|passw|auth|credential|connection_string|header", re.IGNORECASE)
_DURATION = r"[0-9]+(\.[0-9]{1,9})?s"
_LONGEST_DURATION = 9_223_372_036  # seconds, which Envoy counts in 64 bits of nanoseconds; this one is too long
_U32 = 0xFFFF_FFFF


def _is_duration(value: object) -> bool:
    """Say whether Envoy takes a duration, which stands in YAML without quotes; an empty one is its default."""
    text = value.strip() if isinstance(value, str) else str(value)
    return not text or (bool(re.fullmatch(_DURATION, text)) and float(text[:-1]) < _LONGEST_DURATION)


def _is_time_to_connect(value: object) -> bool:
    return _is_duration(value) and (not str(value).strip() or float(str(value).strip()[:-1]) > 0)


_SECONDS = (_is_duration, "a duration such as `30s`, at most 292 years", "30s", "Envoy")
_SECONDS_TO_CONNECT = (_is_time_to_connect, "a duration such as `5s`, more than 0", "5s", "Envoy")


def problems(config: ConfigFile, content: Mapping[str, Any], database_port: int | None) -> Iterator[Problem]:
    """Yield what keeps Plano from starting; all are errors, but for what only keeps an agent from answering.

    Args:
        config: the configuration.
        content: what it holds.
        database_port: on this machine, None where it is not known or elsewhere.

    """
    found = [problem for rule in _RULES for problem in rule(config, content)]
    found += _ports(config, content, database_port)
    yield from found
    if not any(problem.fatal for problem in found):  # most of them are of the schema, and say more
        yield from _by_schema(config, content)


def _by_schema(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what planoai's schema refuses, but for unknown keys, which another planoai may know."""
    for fault in schema.faults(content):
        path = fault.path
        if path[:1] == ("state_storage",) and config.lacks:
            continue  # which tells of it
        name = f"`{shown(path[-1])}`" if path and isinstance(path[-1], str) else "an entry"
        if len(path) > 1 and isinstance(path[-1], int):
            name = f"an entry of `{shown(path[-2])}`"
        said = f"{name}{config.at(*path)}"
        if fault.missing:
            example = _EXAMPLES.get(fault.missing, "…")
            to = name if name.startswith("`") else "the entry"
            fix = f"add `{fault.missing}: {example}` to {to} in {config.where(*path)}"
            yield _error("config-key-missing", f"{said} has no `{fault.missing}`, and planoai refuses it", fix)
        elif fault.wants:
            message = f"{said} is {_told(path, fault.value)}, and planoai expects {fault.wants}"
            written = f"`{shown(path[-1])}: {fault.example}`" if isinstance(path[-1], str) else f"`{fault.example}`"
            fix = f"write {written} in {config.where(*path)}"
            if not fault.example or _is_secret(path):
                fix = f"{config.without(*path)}, or write {fault.wants} there"
            yield _error("config-value", message, fix)


# What may be written for a key that planoai requires.
_EXAMPLES = {
    "api_key": "$POSTHOG_API_KEY",
    "description": "what it does",
    "endpoint": "localhost:8000",
    "jailbreak": "{on_exception: {message: 'No.'}}",
    "key": "x-user-id",
    "limit": "{tokens: 100000, unit: hour}",
    "max_switch_spend_pct": "20",
    "message": "'No.'",
    "model": FALLBACK,
    "name": "my_name",
    "on_exception": "{message: 'No.'}",
    "path": "/",
    "prefer": "none",
    "provider": "models.dev",
    "query": "model_latency_seconds",
    "selector": "{key: x-user-id, value: '1'}",
    "tokens": "100000",
    "type": "str",
    "unit": "hour",
    "url": "http://localhost:9090",
    "value": "'1'",
}


def _is_secret(path: KeyPath) -> bool:
    """Say whether a value may be secret, by the names of the keys above it."""
    return any(_OF_SECRETS.search(str(step)) for step in path)


def _told(path: KeyPath, value: object) -> str:
    """Return a value for a message: what it is where it may be secret, or holds more."""
    return "of another type" if _is_secret(path) and value and not isinstance(value, (dict, list)) else _kind(value)


def _error(code: str, message: str, fix: Fix | str) -> Problem:
    """Return a problem with which Plano does not start, or does not store."""
    return Problem(code, message, fix, level="error")


def shown(value: object) -> str:
    """Return a value of a file for a message: in one line, without passwords of URLs, and not endlessly."""
    line = "".join(character if character.isprintable() else " " for character in str(value))
    text = masking.value(line)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def closest(word: str, known: list[str]) -> str | None:
    """Return the known word that was probably meant."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, known, n=1, cutoff=0.6)), None)


def _shape(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    name = config.path.name
    for key, wanted in (("version", VERSIONS[-1]), ("listeners", f"[{_MODEL_LISTENER}]")):
        if content.get(key) is None:
            has = f"an empty `{key}`{config.at(key)}" if key in content else f"no `{key}`"
            place = f"in {config.where(key)}" if key in content else f"at the top of `{name}`"
            message = f"`{name}` has {has}, and planoai refuses it"
            typo = closest(key, [str(one) for one in content if one not in KEYS]) if key not in content else None
            if typo:
                fix = f"write `{key}` in {config.where(typo)}"
                yield _error("config-key-missing", f"{message}; `{shown(typo)}`{config.at(typo)} is unknown", fix)
                continue
            yield _error("config-key-missing", message, f"write `{key}: {wanted}` {place}")
    version = content.get("version")
    if version is not None and version not in VERSIONS:
        message = f"planoai {planoai.CHECKED} does not know version `{shown(version)}`{config.at('version')}"
        yield _error("config-version", message, f"write `version: {VERSIONS[-1]}` in {config.where('version')}")
    if "llm_providers" in content and "model_providers" in content:
        message = f"`{name}` has both `model_providers` and `llm_providers`, and planoai refuses that"
        fix = f"move all of them to `model_providers`{config.at('llm_providers')}"
        yield _error("two-provider-lists", message, fix)
    for key in (*_LISTS, *_MAPPINGS):
        if key in content and not isinstance(content[key], list if key in _LISTS else dict):
            kind = "a list" if key in _LISTS else "a mapping of keys"
            message = f"`{key}`{config.at(key)} is {_kind(content[key])}, and planoai expects {kind}"
            yield _error("config-value", message, f"{config.without(key)}, or write {kind} there")


# Lists of mappings, and the keys that planoai requires in each entry; those of listeners are checked by `_listeners`.
_REQUIRED: dict[str, dict[str, str]] = {
    "listeners": {},
    "model_providers": {"model": FALLBACK},
    "llm_providers": {"model": FALLBACK},
    "agents": {"id": "my_agent", "url": "http://localhost:10510"},
    "filters": {"id": "my_filter", "url": "http://localhost:10500"},
    "prompt_targets": {"name": "my_target", "description": "what it does"},
    "routing_preferences": {"name": "my_task", "description": "what it is", "models": f"[{FALLBACK}]"},
}


def _entries(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield entries of lists that are no mappings, or lack a key."""
    for key, required in _REQUIRED.items():
        for at, entry in enumerate(_list(content.get(key))):
            where, said = config.where(key, at), f"an entry of `{key}`{config.at(key, at)}"
            if not isinstance(entry, dict):
                message = f"{said} is {_kind(entry)}, and planoai expects a mapping of keys"
                fix = f"{config.without(key, at)}, or write a mapping of keys there"
                yield _error("config-value", message, fix)
                continue
            for name in [name for name in required if name not in entry]:
                fix = f"add `{name}: {required[name]}` to the entry in {where}"
                yield _error("config-key-missing", f"{said} has no `{name}`, and planoai refuses it", fix)
    for name in ("model_aliases", "endpoints"):
        named = content.get(name)
        for key in [key for key in named if not isinstance(key, str)] if isinstance(named, dict) else ():
            message = f"`{shown(key)}` in `{name}`{config.at(name, key)} is not a text, and planoai refuses it"
            yield _error("config-value", message, f"put `{shown(key)}` in quotes in {config.where(name, key)}")
    yield from _unnamed_endpoints(config, content)
    aliases = content.get("model_aliases")
    for alias, entry in aliases.items() if isinstance(aliases, dict) else ():
        if isinstance(alias, str) and (not isinstance(entry, dict) or not isinstance(entry.get("target"), str)):
            target = entry if isinstance(entry, str) else next((one.name for one in models.of(content)), FALLBACK)
            message = f"the alias `{shown(alias)}`{config.at('model_aliases', alias)} has no `target`"
            fix = f"write `{shown(alias)}: {{target: {shown(target)}}}` in {config.where('model_aliases', alias)}"
            yield _error("config-key-missing", f"{message}, and planoai refuses it", fix)


def _unnamed_endpoints(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield endpoints without an address."""
    endpoints = content.get("endpoints")
    for name, entry in endpoints.items() if isinstance(endpoints, dict) else ():
        # planoai's schema leaves names with a blank or a dash alone, and its code does not.
        if isinstance(name, str) and not (isinstance(entry, dict) and {"endpoint", "port"} & {*entry}):
            message = f"`{shown(name)}` in `endpoints`{config.at('endpoints', name)} has no `endpoint`"
            fix = f"write `{shown(name)}: {{endpoint: localhost:8000}}` in {config.where('endpoints', name)}"
            yield _error("config-key-missing", f"{message}, and planoai refuses it", fix)


def _kind(value: object) -> str:
    names = {type(None): "empty", dict: "a mapping of keys", list: "a list"}
    return names.get(type(value), f"`{shown(value)}`")


def _values(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield values of a type or range that is not accepted there."""
    for path, fits, wants, example, who in _wanted(content):
        value: Any = content
        here = True
        for step in path:
            here = here and (
                step in value if isinstance(value, dict) else isinstance(value, list) and step in range(len(value))
            )
            value = value[step] if here else {}
        if here and not fits(value):
            message = f"`{path[-1]}`{config.at(*path)} is {_told(path, value)}, and {who} expects {wants}"
            yield _error("config-value", message, f"write `{path[-1]}: {example}` in {config.where(*path)}")


def _wanted(content: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Callable[[Any], bool], str, str, str]]:
    """Yield the checked values: the path, the check, what is expected, an example, and who refuses others."""
    for path, entry, kind in listeners_of(content):
        yield (*path, "port"), is_port, "a whole number from 1 to 65535", str(_usual_port(kind)), "Plano"
        yield (*path, "timeout"), *_SECONDS
        yield (*path, "name"), lambda value: isinstance(value, str), "a text", "my_listener", "planoai"
        if kind == "model":  # of others nobody reads it
            yield (*path, "max_retries"), _is_count, _COUNT, "3", "Envoy"
        if not entry.get("agents"):  # planoai ignores it where there are agents
            yield (*path, "address"), _is_address, "an IP address", "0.0.0.0", "Envoy"  # noqa: S104  an example
        if path[-1] != "egress_traffic" and isinstance(path[-1], int):
            yield (*path, "type"), lambda value: value in _KINDS, "model, prompt or agent", "model", "planoai"
    for key in models.LISTS:
        for at, entry in enumerate(content[key]) if isinstance(content.get(key), list) else ():
            yield from _wanted_of_model((key, at), entry if isinstance(entry, dict) else {})
    for key in ("agents", "filters"):
        for at, _ in enumerate(entries(content, key)):
            yield (key, at, "url"), _has_valid_port, "a URL", "http://localhost:10510", "planoai"
    yield ("overrides", "upstream_connect_timeout"), *_SECONDS_TO_CONNECT
    yield from _wanted_of_parts(content)
    yield from _wanted_of_figures(content)
    percent = ("tracing", "random_sampling")
    yield percent, lambda value: _is_number(value) and 0 <= value <= 100, "a number from 0 to 100", "100", "Envoy"  # noqa: PLR2004
    if _sampled(content):
        yield _COLLECTOR, _has_port, "a URL with a port", "http://localhost:4317", "Envoy"
    else:
        yield _COLLECTOR, _is_collector, "http:// with a host and nothing after it", "http://localhost:4317", "planoai"


def _wanted_of_parts(content: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Callable[[Any], bool], str, str, str]]:
    for name in content.get("endpoints") or () if isinstance(content.get("endpoints"), dict) else ():
        yield ("endpoints", name, "connect_timeout"), *_SECONDS_TO_CONNECT
        yield ("endpoints", name, "protocol"), *schema.wanted(("endpoints", "name", "protocol")), "planoai"
        yield (
            ("endpoints", name, "endpoint"),
            _is_host,
            "a host with a port, without http://",
            "localhost:8000",
            "planoai",
        )
    for at, source in enumerate(entries(content, "model_metrics_sources")):
        by_kind = {"cost": ("models.dev", "digitalocean"), "latency": ("prometheus",)}
        # A provider that is known says which type was meant.
        meant = next((kind for kind, known in by_kind.items() if source.get("provider") in known), None)
        kinds = (meant,) if meant else tuple(by_kind)
        yield ("model_metrics_sources", at, "type"), kinds.__contains__, " or ".join(kinds), kinds[0], "planoai"
        known = by_kind.get(str(source.get("type")), ())
        if known and not meant:
            provider = ("model_metrics_sources", at, "provider")
            yield provider, known.__contains__, " or ".join(known), known[0], "planoai"
    for at, _ in enumerate(entries(content, "filters")):
        yield ("filters", at, "type"), *schema.wanted(("filters", at, "type"), "http"), "planoai"
    for at, _ in enumerate(entries(content, "prompt_targets")):
        method = ("prompt_targets", at, "endpoint", "http_method")
        yield method, *schema.wanted(method, "POST"), "planoai"
    for at, _ in enumerate(entries(content, "routing_preferences")):
        path = ("routing_preferences", at, "models")
        yield path, lambda value: isinstance(value, (list, type(None))), "a list", f"[{FALLBACK}]", "planoai"
        prefer = ("routing_preferences", at, "selection_policy", "prefer")
        yield prefer, *schema.wanted(prefer, "none"), "planoai"


def _wanted_of_figures(content: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Callable[[Any], bool], str, str, str]]:
    """Yield the numbers and words of routing, limits and overrides."""
    for path, _, _ in listeners_of(content):
        for key in ("input_filters", "output_filters"):
            yield (*path, key), lambda value: isinstance(value, list), "a list", "[]", "planoai"
    for path in (("mode",), ("routing", "session_cache", "type")):
        yield path, *schema.wanted(path), "planoai"
    for key, example in (("session_ttl_seconds", "3600"), ("session_max_entries", "10000")):
        fits, wants, written = schema.wanted(("routing", key), example)
        yield ("routing", key), fits, wants, written, "planoai"
        yield ("routing", key), _is_no_round_float, wants, written, "brightstaff"
    threshold = ("overrides", "prompt_target_intent_matching_threshold")
    yield threshold, *schema.wanted(threshold, "0.6"), "planoai"
    for at, _ in enumerate(entries(content, "ratelimits")):
        yield ("ratelimits", at, "limit", "tokens"), _is_u32, _COUNT, "100000", "brightstaff"
        units = ("second", "minute", "hour", "day")
        yield ("ratelimits", at, "limit", "unit"), units.__contains__, ", ".join(units), "hour", "brightstaff"
    length = ("overrides", "orchestrator_model_context_length")
    yield length, lambda value: _is_number(value) and value >= 0, "a whole number from 0", "8192", "brightstaff"
    from_one = f"a whole number from 1 to {_U32}"
    yield ("prompt_caching", "min_prefix_tokens"), lambda n: n != 0 and _is_u32(n), from_one, "1024", "brightstaff"


_COLLECTOR = ("tracing", "opentracing_grpc_endpoint")


def _wanted_of_model(
    path: KeyPath, entry: Mapping[str, Any]
) -> Iterator[tuple[KeyPath, Callable[[Any], bool], str, str, str]]:
    provider = BY_NAME.get(str(entry.get("model")).partition("/")[0])
    key = f"${next(iter(provider.keys), 'API_KEY')}" if provider else "$API_KEY"
    for name, example in (("default", "true"), ("passthrough_auth", "true"), ("model", FALLBACK)):
        yield (*path, name), *schema.wanted((*path, name), example), "planoai"
    yield (*path, "access_key"), lambda value: bool(value) and isinstance(value, str), "a text", key, "planoai"
    for name, example in (("base_url", "https://HOST/v1"), ("name", "my_model"), ("http_host", "HOST")):
        yield (*path, name), *schema.wanted((*path, name), example), "planoai"
    yield (*path, "headers"), _is_headers, "names with a text each", "{X-Name: 'value'}", "planoai"
    if provider is None:  # known ones have their own, and planoai refuses another
        interface = (*path, "provider_interface")
        yield interface, *schema.wanted(interface, CHAT_INTERFACE), "planoai"


def _is_headers(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_no_round_float(value: object) -> bool:
    """Say whether a number is not written as `60.0`, which planoai's schema takes for a whole one."""
    return not (isinstance(value, float) and value.is_integer())


_COUNT = f"a whole number from 0 to {_U32}"


def _is_count(value: object) -> bool:
    """Say whether Envoy takes a number, also one written as `3.0`."""
    return _is_u32(int(value) if isinstance(value, float) and value.is_integer() else value)


def _is_u32(value: object) -> bool:
    return _is_number(value) and 0 <= value <= _U32


def _has_valid_port(value: object) -> bool:
    return isinstance(value, str) and urls.read(value).port_is_valid


def _is_host(value: object) -> bool:
    _, colon, port = str(value).partition(":")
    number = port.partition(":")[0].strip()
    host = str(value).partition(":")[0].strip()
    return (
        bool(host) and isinstance(value, str) and (not colon or (number.isdigit() and _starts_with_port(int(number))))
    )


def _is_collector(value: object) -> bool:
    url = urls.read(value)
    return not value or "$" in str(value) or (url.scheme == "http" and url.path in ("", "/"))


def is_port(value: object) -> TypeGuard[int]:
    """Say whether a value of a configuration is a number that a port can have."""
    return _is_number(value) and 1 <= value <= urls.LAST_PORT


def _starts_with_port(number: int) -> bool:
    """Say whether Envoy starts with a port of another server; with 0 it does, although nobody listens there."""
    return 0 <= number <= urls.LAST_PORT


def _is_address(value: object) -> bool:
    try:
        text = str(
            value
        ).strip()  # it stands in planoai's rendered YAML without quotes, which a colon at its end breaks
        return bool(ip_address(text)) and not text.endswith(":")
    except ValueError:
        return False


def _has_port(value: object) -> bool:
    """Say whether Envoy finds host and port where planoai's template cuts them out; variables are not known here."""
    text = str(value)
    host, _, port = text.replace("http://", "").partition(":")
    port = port.rpartition(":")[2].rstrip("/")
    cut = bool(host) and "/" not in port and is_readable(host) and bool(re.fullmatch("[0-9]{1,5}", port))
    return "$" in text or (_is_collector(text) and cut and _starts_with_port(int(port)))


def _sampled(content: Mapping[str, Any]) -> bool:
    tracing = content.get("tracing")
    sampling = tracing.get("random_sampling") if isinstance(tracing, dict) else None
    return _is_number(sampling) and sampling > 0


def _usual_port(kind: str) -> int:
    return {"agent": _AGENT_PORT, "prompt": PROMPT_PORT}.get(kind, MODEL_PORT)


def listeners_of(content: Mapping[str, Any]) -> list[tuple[KeyPath, Mapping[str, Any], str]]:
    """Return each listener that is written: where, what it holds, and its type; the older form has two, by name."""
    found = content.get("listeners")
    if isinstance(found, dict):
        kinds = {"egress_traffic": "model", "ingress_traffic": "prompt"}
        there = {name: found.get(name) for name in kinds}
        return [(("listeners", n), entry, kinds[n]) for n, entry in there.items() if isinstance(entry, dict) and entry]
    if not isinstance(found, list):
        return []
    listed = [(at, entry) for at, entry in enumerate(found) if isinstance(entry, dict)]
    return [(("listeners", at), entry, str(entry.get("type"))) for at, entry in listed]


def ports_of(config: ConfigFile) -> list[int]:
    """Return the ports of all listeners, each once; that of the model listener, which planoai may add, comes first."""
    try:
        found = listeners_of(config.content or {})
    except BadInput:  # reported where it is judged
        found = []
    numbers = [(kind, entry.get("port")) for _, entry, kind in found]
    model = next((port for kind, port in numbers if kind == "model" and is_port(port)), MODEL_PORT)
    return list(dict.fromkeys([model, *(port for _, port in numbers if is_port(port))]))


def model_port(config: ConfigFile) -> int:
    """Return the port of the listener whose conversations are stored."""
    return ports_of(config)[0]


def level_of_unopened(listener: Mapping[str, Any], opened: Mapping[str, Any]) -> Level:
    """Return how bad it is that a listener never opens: planoai ends a Plano of which one port does not answer.

    Source: planoai 0.4.39 `native_runner.py:240-275`.

    Args:
        listener: it.
        opened: the one that opens in its place.

    """
    return "warning" if listener.get("port") == opened.get("port") else "error"


def _second(listeners: list[tuple[KeyPath, Mapping[str, Any], str]]) -> list[tuple[KeyPath, Mapping[str, Any]]]:
    """Return the model listeners but for the first one: planoai takes no second."""
    return [(path, listener) for path, listener, kind in listeners if kind == "model"][1:]


def _called(config: ConfigFile, path: KeyPath, entry: Mapping[str, Any]) -> str:
    name = entry.get("name")
    return f"listener `{shown(name)}`{config.at(*path)}" if name else f"a listener{config.at(*path)}"


def _listeners(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    if not isinstance(content.get("listeners"), list):
        yield from _older_listeners(config, content)
        return
    agents = {str(agent.get("id")): agent for agent in entries(content, "agents")}
    listeners, name = listeners_of(content), config.path.name
    for path, listener, kind in listeners:
        for key, example in (("type", "model"), ("name", "model_listener"), ("port", _usual_port(kind))):
            if key not in listener:
                what = "has no port, and Plano exits at startup"
                code = "listener-without-port" if key == "port" else "listener-incomplete"
                what = what if key == "port" else f"has no `{key}`, and planoai refuses it"
                fix = f"add `{key}: {example}` to the listener in {config.where(*path)}"
                yield _error(code, f"{_called(config, path, listener)} {what}", fix)
        if kind == "agent":
            yield from _agents_of(config, path, listener, agents)
    for path, listener in _second(listeners):
        message = f"{_called(config, path, listener)} is a second model listener, and planoai refuses that"
        yield _error("two-model-listeners", message, config.without(*path))
    prompts = [one for one in listeners if one[2] == "prompt"]
    for path, listener, _ in prompts[1:]:
        message = f"{_called(config, path, listener)} is a second prompt listener, and Plano opens only one"
        level = level_of_unopened(listener, prompts[0][1])
        yield Problem("two-prompt-listeners", message, config.without(*path), level=level)
    kinds = sorted({kind for _, _, kind in listeners if kind in ("agent", "prompt")})
    if kinds and not any(kind == "model" for _, _, kind in listeners):
        message = (
            f"`{name}` has only {' and '.join(kinds)} listeners{config.at('listeners')}; "
            "Plano stores only POST /v1/responses on a model listener"
        )
        fix = (
            "send what Plano should remember to port 12000, which it opens by itself; "
            f"or name that one: `- {_MODEL_LISTENER}` under `listeners:`"
        )
        yield Problem("no-model-listener", message, fix)


def _older_listeners(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what the older form, a mapping, does not know, and that it lacks models; its listener is built in."""
    found = content.get("listeners")
    if isinstance(found, dict) and not any(content.get(key) for key in models.LISTS):
        message = f"`listeners`{config.at('listeners')} without dashes need a model, and planoai refuses them without"
        entry = f"{{model: {FALLBACK}, access_key: $ANTHROPIC_API_KEY}}"
        yield _error("config-key-missing", message, f"add the line `model_providers: [{entry}]`")
    unknown = [str(key) for key in found if key not in _OLDER] if isinstance(found, dict) else []
    if unknown:
        where, known = config.where("listeners", unknown[0]), " and ".join(f"`{key}`" for key in _OLDER)
        message = f"`{shown(unknown[0])}` in `listeners`{config.at('listeners', unknown[0])} is unknown: as a mapping"
        fix = f"write a list in {where}: `listeners: [{_MODEL_LISTENER}]`"
        yield _error("config-value", f"{message} it accepts only {known}", fix)


_OF_AGENT = {"id": "my_agent", "description": "what it does"}


def _agents_of(
    config: ConfigFile, path: KeyPath, listener: Mapping[str, Any], agents: Mapping[str, Mapping[str, Any]]
) -> Iterator[Problem]:
    name = config.path.name
    if not listener.get("agents"):
        message = f"agent {_called(config, path, listener)} names no agents, and Plano exits at startup"
        yield _error("listener-without-agents", message, f"give it `agents:` in {config.where(*path)}")
    for at, agent in enumerate(_list(listener.get("agents"))):
        has = {key: value for key, value in agent.items() if value is not None} if isinstance(agent, dict) else {}
        lacks = [f"no `{key}`" for key in _OF_AGENT if key not in has]
        if lacks:
            entry = ", ".join(f"{key}: {shown(value)}" for key, value in {**_OF_AGENT, **has}.items())
            message = f"an agent of {_called(config, path, listener)} has {' and '.join(lacks)}, and planoai refuses it"
            fix = f"write it as `{{{entry}}}` in {config.where(*path, 'agents', at)}"
            yield _error("config-key-missing", message, fix)
    for agent in entries(listener, "agents"):
        number = str(agent.get("id"))
        listed = agents.get(number, {"url": None})
        if "url" in listed and not listed["url"]:  # an entry without `url` is reported by another rule
            entry = f"`- {{id: {shown(number)}, url: http://localhost:10510}}`"
            fix = f"add it to `agents:` at the top level of `{name}`, such as {entry}"
            message = f"agent `{shown(number)}` of {_called(config, path, listener)} has no URL"
            yield Problem("agent-without-url", message, fix)


def _models(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with one model, whatever the others are."""
    for model in models.of(content):
        entry = _entry(content, model)
        if not model.prefix:
            name = model.name.strip(" /")
            better = f"{_family(name)}/{shown(name)}" if name else FALLBACK
            before, colon, after = name.partition(":")  # as LangChain and pydantic-ai write it
            better = f"{before}/{shown(after)}" if colon and after and before in BY_NAME else better
            message = f"{_said(config, model)} has no provider before a slash, and planoai refuses it"
            fix = f"write `model: {better}` in {config.where(*model.path, 'model')}"
            yield _error("model-without-provider", message, fix)
            continue
        own = BY_NAME.get(model.prefix)
        if own and entry.get("provider_interface") is not None:
            message = f"{_said(config, model)} has a `provider_interface`, and planoai accepts none but `{own.name}/`"
            fix = config.without(*model.path, "provider_interface")
            yield _error("interface-not-allowed", message, fix)
        # Of an interface that is named beside another prefix, planoai asks that there is a key, which may be empty.
        asked = own or (BY_NAME.get(str(model.interface)) if entry.get("base_url") == "" else None)
        if asked and asked.base_url is not None and not entry.get("base_url"):
            yield _no_url(config, entry, model, asked)
        if own is None and (entry.get("base_url") is None or entry.get("provider_interface") is None):
            yield _unknown(config, content, model)
        if model.wildcard and model.default:
            message = f"{_said(config, model)} is a wildcard, and planoai accepts none as the default"
            fix = config.without(*model.path, "default", said="default: true")
            yield _error("wildcard-default", message, fix)
        if model.base_url and (not _is_url(model.base_url) or re.search(r"//[^/]*\$[^/]*[A-Z]", model.base_url)):
            yield _bad_url(config, model)


def _no_url(config: ConfigFile, entry: Mapping[str, Any], model: Model, provider: Provider) -> Problem:
    by_planoai = provider.name in _ASKED_BY_PLANOAI and entry.get("base_url") is None
    who = "planoai refuses it" if by_planoai else "Envoy has no address for it"
    line, where = f"`base_url: {provider.base_url or 'https://HOST/PATH'}`", config.where(*model.path, "model")
    fix = f"add {line} to the entry in {where}"
    if "base_url" in entry:
        fix = f"write {line} in {config.where(*model.path, 'base_url')}"
    return _error("base-url-missing", f"{_said(config, model)} has no `base_url`, and {who}", fix)


def _bad_url(config: ConfigFile, model: Model) -> Problem:
    path, text = (*model.path, "base_url"), model.base_url
    where, wanted = config.where(*path), "has no http:// or https:// with a host"
    url = re.sub(r"^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//", "", text) or "HOST/PATH"
    url = f"HOST{url}" if url.startswith("/") else url
    scheme = "http" if url.startswith(("localhost", "127.")) else "https"
    line = f"base_url: {scheme}://{url}"
    fix = f"write `{line}` in {where}"
    if shown(line) != line:  # with a login or a key, which is typed already
        fix = f"have it begin with `{scheme}://` and a host in {where}"
    if "$" in text:
        wanted, fix = "names a variable, which planoai does not replace there", f"write the address itself in {where}"
    ends = "planoai refuses it"
    if "$" not in text and not _has_valid_port(model.base_url):
        wanted, ends = "has an invalid host or port", "Plano cannot use it"
        fix = f"write the server's host and port in {where}; a port must be 1–65535"
    if "$" in text and _is_url(model.base_url):  # it takes the host in lower case, before variables are replaced
        ends = "Envoy never finds that host"
    return _error("base-url-invalid", f"`base_url`{config.at(*path)} {wanted}, and {ends}", fix)


def _entry(content: Mapping[str, Any], model: Model) -> Mapping[str, Any]:
    """Return what the configuration says of a model."""
    entry: Mapping[str, Any] = content[model.path[0]][model.path[1]]
    return entry


def _said(config: ConfigFile, model: Model) -> str:
    return f"model `{shown(model.name)}`{config.at(*model.path, 'model')}"


_ASKED_BY_PLANOAI = ("azure_openai", "ollama", "qwen", "amazon_bedrock", "plano")


def _is_url(text: str) -> bool:
    url = urls.read(text)
    if "[" in text.partition("//")[2].partition("/")[0]:  # Python before 3.11 lets any text stand in brackets
        try:
            ip_address(url.host.partition("%")[0])
        except ValueError:
            return False
    return url.scheme in ("http", "https") and bool(url.host) and url.port_is_valid


def _family(name: str) -> str:
    """Return the provider that a model without one probably belongs to."""
    return next((provider for start, provider in _FAMILIES.items() if name.lower().startswith(start)), "PROVIDER")


def _unknown(config: ConfigFile, content: Mapping[str, Any], model: Model) -> Problem:
    entry = _entry(content, model)
    meant = probable_provider(model.prefix)
    where = config.where(*model.path, "model")
    needed = {"base_url": "http://HOST:PORT/v1", "provider_interface": CHAT_INTERFACE}
    missing = [f"`{key}: {value}`" for key, value in needed.items() if entry.get(key) is None]
    if meant and len(missing) == len(needed):
        fix = f"write `model: {meant}/{shown(model.model_id)}` in {where}"
    else:
        fix = f"for a server that speaks OpenAI's chat completions add {' and '.join(missing)} to the entry in {where}"
    needs = f"{_said(config, model)} needs a `base_url` and a `provider_interface`"
    message = f"Plano knows no provider `{shown(model.prefix)}`: {needs}"
    return _error("provider-unknown", message, fix)


def _names(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield duplicate models, a second default, and aliases of unknown models."""
    found = models.of(content)
    keys: dict[str, Model] = {}
    names: dict[str, Model] = {}
    for model in found:
        own = _entry(content, model).get("name")
        own = own if isinstance(own, str) else None
        twice = names.get(own) if own is not None else None
        known = [] if model.wildcard else [model.name, *([model.model_id] if model.model_id != model.name else [])]
        twice = twice or next((keys[key] for key in known if key in keys), None)
        if twice:
            where, first = config.where(*model.path), config.at(*twice.path)
            message = f"model `{shown(model.name)}`{config.at(*model.path)} has the same name as another{first}"
            fix = config.without(*model.path)
            if own is not None and not any(key in keys for key in known):  # another model
                fix = f"give the one in {where} another `name:`"
            yield _error("model-duplicate", f"{message}, and planoai refuses that", fix)
        keys |= dict.fromkeys(known, model)
        names[model.name if own is None else own] = model
    for model in [model for model in found if model.default][1:]:
        message = f"model `{shown(model.name)}`{config.at(*model.path)} is a second default, and Plano exits at startup"
        fix = config.without(*model.path, "default", said="default: true")
        if not config.has(*model.path, "default"):  # it is merged by `<<`
            fix = f"add `default: false` to the entry in {config.where(*model.path)}"
        yield _error("two-defaults", message, fix)
    aliases = content.get("model_aliases")
    for alias, entry in aliases.items() if isinstance(aliases, dict) else ():
        target = entry.get("target") if isinstance(entry, dict) else None
        if isinstance(target, str) and target not in keys:
            path = ("model_aliases", alias, "target")
            message = (
                f"the alias `{shown(alias)}`{config.at(*path)} is for `{shown(target)}`, which is not a model here"
            )
            better = closest(target, list(keys)) or next(iter(keys), FALLBACK)
            fix = f"write `target: {shown(better)}` in {config.where(*path)}"
            yield _error("alias-unknown-model", message, _added(config, found, target) or fix)


def _added(config: ConfigFile, found: list[Model], name: str) -> str | None:
    """Return the fix for a name that no entry has, where a wildcard has its provider."""
    prefix = name.partition("/")[0]
    here = next((model for model in found if model.wildcard and model.prefix == prefix), None)
    if here is None or prefix not in BY_NAME or prefix == name:
        return None
    entry = f"`- {{model: {shown(name)}, access_key: ${next(iter(BY_NAME[prefix].keys), 'API_KEY')}}}`"
    return f"add {entry} below `{here.path[0]}:` in {config.where(here.path[0])}"


def _agents(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield agents and filters with an id that another one has."""
    ids: dict[str, KeyPath] = {}
    for number, path, _ in _identified(content):
        if number in ids:
            first = config.at(*ids[number])
            message = f"`{shown(number)}`{config.at(*path)} has the same id as another{first}, and planoai refuses that"
            fix = f"{config.without(*path)}, or give it another `id:`"
            yield _error("agent-duplicate", message, fix)
        ids[number] = path


def _identified(content: Mapping[str, Any]) -> list[tuple[str, KeyPath, Mapping[str, Any]]]:
    """Return the agents and filters that have an id: the id, the path, and the entry."""
    found: list[tuple[str, KeyPath, Mapping[str, Any]]] = []
    for key in ("agents", "filters"):
        for at, entry in numbered(content, key):
            if isinstance(entry.get("id"), str):
                found.append((entry["id"], (key, at), entry))
    return found


def _endpoints_of(content: Mapping[str, Any]) -> dict[str, KeyPath]:
    """Return the names for which Envoy gets a cluster: of endpoints, and of agents and filters with a URL."""
    endpoints = content.get("endpoints")
    named: dict[str, KeyPath] = {}
    if isinstance(endpoints, dict):
        named = {str(name): ("endpoints", name) for name in endpoints}
    return named | {number: path for number, path, entry in _identified(content) if _is_url(str(entry.get("url")))}


def _endpoints(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield endpoints whose names are Plano's own, and prompt targets that name an unknown one."""
    known = _endpoints_of(content)
    taken = _CLUSTERS | ({"opentelemetry_collector"} if _sampled(content) else set())
    taken |= {f"{one.interface}_{urls.read(one.base_url).host}" for one in models.of(content) if _is_url(one.base_url)}
    for number in [number for number in known if number in taken]:
        path = known[number]
        message = f"`{shown(number)}`{config.at(*path)} is reserved by Plano, and Envoy refuses a second one"
        fix = f"call it `{number}_agent` in {config.where(*path)}, and wherever `{config.path.name}` names it"
        yield _error("agent-name-taken", message, fix)
    for at, target in enumerate(entries(content, "prompt_targets")):
        endpoint = target.get("endpoint")
        name = endpoint.get("name") if isinstance(endpoint, dict) else None
        if isinstance(name, str) and name and name not in known:
            place = config.at("prompt_targets", at, "endpoint", "name")
            entry = f'{shown(name)}: {{endpoint: "localhost:8000"}}'
            line = f"`{entry}` under `endpoints:`" if known else f"the line `endpoints: {{{entry}}}`"
            message = f"a prompt target names the endpoint `{shown(name)}`{place}, which does not exist"
            yield _error("endpoint-unknown", message, f"add {line} at the top level of `{config.path.name}`")


def _filters(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield filters that a listener names and nothing defines."""
    known = [str(one.get("id")) for key in ("agents", "filters") for one in entries(content, key)]
    named = (
        (path, listener, key, at, str(name))
        for path, listener, _ in listeners_of(content)
        for key in ("input_filters", "output_filters")
        for at, name in enumerate(_list(listener.get(key)))
    )
    for path, listener, key, at, name in named:
        if name in known:
            continue
        place: KeyPath = (*path, key, at)
        meant = closest(name, known)
        entry = f"`- {{id: {shown(name)}, url: http://localhost:10500}}` under `filters:`"
        fix = f"write `{meant}` in {config.where(*place)}" if meant else f"add {entry} in `{config.path.name}`"
        message = f"{_called(config, path, listener)} names the filter `{shown(name)}`{config.at(*place)}"
        yield _error("filter-unknown", f"{message}, which does not exist", fix)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _orchestrator(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield an agent orchestrator that has not exactly one endpoint."""
    overrides = content.get("overrides")
    if not isinstance(overrides, dict) or overrides.get("use_agent_orchestrator") is not True:
        return
    count = len(_endpoints_of(content))
    if count != 1:
        path = ("overrides", "use_agent_orchestrator")
        needs = "needs exactly one agent or endpoint, but there are"
        yield _error(
            "orchestrator-endpoint",
            f"`use_agent_orchestrator`{config.at(*path)} {needs} {count}",
            config.without(*path),
        )


def _session_cache(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a shared session cache without an address, with which brightstaff ends."""
    cache = _routing(content).get("session_cache")
    if isinstance(cache, dict) and cache.get("type") == "redis" and not cache.get("url"):
        path: KeyPath = ("routing", "session_cache", "type")
        message = f"the session cache{config.at(*path)} is redis without a `url`, and Plano exits at startup"
        fix = f"write `type: memory` in {config.where(*path)}, or add `url: redis://HOST:6379`"
        yield _error("session-cache-url", message, fix)


def _routing(content: Mapping[str, Any]) -> Mapping[str, Any]:
    written = content.get("routing")
    return written if isinstance(written, dict) else {}


def _metrics_sources(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield two metrics sources of one type, and what needs a type that is missing: brightstaff ends with either."""
    kinds = [str(source.get("type")) for source in entries(content, "model_metrics_sources")]
    for kind in sorted(kind for kind in set(kinds) if kinds.count(kind) > 1):
        at = max(at for at, other in enumerate(kinds) if other == kind)
        message = f"there are {kinds.count(kind)} metrics sources of type `{shown(kind)}`, and Plano exits at startup"
        fix = config.without("model_metrics_sources", at)
        yield _error("metrics-source-twice", message, fix)
    if "routing_budget" in _routing(content) and "cost" not in kinds:
        yield _no_source(config, ("routing", "routing_budget"), "`routing_budget`", "cost")
    for at, preference in enumerate(entries(content, "routing_preferences")):
        policy = preference.get("selection_policy")
        prefer = policy.get("prefer") if isinstance(policy, dict) else None
        source = {"cheapest": "cost", "fastest": "latency"}.get(str(prefer))
        if source and source not in kinds:
            path = ("routing_preferences", at, "selection_policy", "prefer")
            yield _no_source(config, path, f"`prefer: {prefer}`", source)


def _preferred_models(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield models of routing preferences that no provider has."""
    known = [name for model in models.of(content) for name in (_name_of(content, model), model.model_id)]
    for at, preference in enumerate(entries(content, "routing_preferences")):
        for i, name in enumerate(_list(preference.get("models"))):
            if isinstance(name, str) and name not in known:
                path = ("routing_preferences", at, "models", i)
                message = f"a routing preference names `{shown(name)}`{config.at(*path)}, which is not a model here"
                better = closest(name, known) or next(iter(known), FALLBACK)
                fix = _added(config, models.of(content), name) or f"write `{shown(better)}` in {config.where(*path)}"
                yield _error("preference-unknown-model", message, fix)


def _preferences(config: ConfigFile, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield routing preferences of one name, and those without models; the older form, below a model, of a wildcard."""
    first: dict[str, KeyPath] = {}
    for at, preference in enumerate(entries(content, "routing_preferences")):
        path: KeyPath = ("routing_preferences", at)
        name = str(preference.get("name"))
        if name in first:
            message = f"the routing preference `{shown(name)}`{config.at(*path)} has the same name as another"
            where = config.where(*path)
            message += f"{config.at(*first[name])}, and planoai refuses that"
            yield _error("preference-duplicate", message, f"give the one in {where} another `name:`")
        first.setdefault(name, path)
        if preference.get("models") in ([], None) and "models" in preference:
            message = (
                f"the routing preference `{shown(name)}`{config.at(*path)} names no models, and planoai refuses it"
            )
            yield _error("config-value", message, f"write `models: [{FALLBACK}]` in {config.where(*path, 'models')}")
    if str(content.get("version")) == VERSIONS[-1]:
        return
    for model in models.of(content):
        if model.wildcard and _entry(content, model).get("routing_preferences"):
            message = f"{_said(config, model)} is a wildcard, and planoai accepts no routing preference for one"
            yield _error("wildcard-preference", message, config.without(*model.path, "routing_preferences"))


def _name_of(content: Mapping[str, Any], model: Model) -> str:
    return str(_entry(content, model).get("name") or model.name)


def _no_source(config: ConfigFile, path: KeyPath, what: str, source: str) -> Problem:
    message = f"{what}{config.at(*path)} needs a metrics source of type `{source}`, and Plano exits at startup without"
    line = "`model_metrics_sources: [{type: cost, provider: models.dev}]`"
    fix = f"add the line {line}" if source == "cost" else f"write `prefer: none` in {config.where(*path)}"
    return _error("metrics-source-missing", message, fix)


_RULES = (
    *(_shape, _entries, _values, _listeners, _models, _names, _agents, _endpoints, _filters, _orchestrator),
    *(_session_cache, _metrics_sources, _preferences, _preferred_models),
)


_NO_NAME = ("", "null", "Null", "NULL", "~")  # which Envoy reads as none, and gives the listener one of its own


def name_for_envoy(listener: Mapping[str, Any]) -> str | None:
    """Return the name by which Envoy knows an agent listener, None where it gives it one of its own.

    Source: planoai 0.4.39 `data/envoy.template.yaml`, which replaces blanks.
    """
    name = listener.get("name")
    return name.replace(" ", "_") if isinstance(name, str) and name not in _NO_NAME else None


def _ports(config: ConfigFile, content: Mapping[str, Any], database_port: int | None) -> Iterator[Problem]:
    """Yield port conflicts: of a listener with a part of Plano, another listener or the database."""
    listeners = listeners_of(content)
    if any(kind not in _KINDS for _, _, kind in listeners) or _second(listeners):
        return  # reported by another rule; until it is corrected, nobody knows who has which port
    taken = ports_of_plano(content)
    own: dict[int, str] = {}
    kinds: set[str] = set()
    opened: set[tuple[object, str | None]] = set()
    for path, listener, kind in listeners:
        where = (*path, "port")
        port: Any = listener.get("port")
        if not isinstance(port, int) or (kind == "agent" and not listener.get("agents")):
            continue  # Envoy opens no port for an agent listener without agents
        own_name = name_for_envoy(listener) if kind == "agent" else None
        if own_name and (port, own_name) in opened:
            continue  # one listener for Envoy, reported as `listener-duplicate`
        opened.add((port, own_name))
        if kind == "prompt" and "prompt" in kinds:
            continue  # which never opens, reported as `two-prompt-listeners`
        kinds.add(kind)
        twice = kind != "agent" and bool(listener.get("agents"))
        if not twice and port not in {*taken, *own, database_port}:
            own[port] = shown(listener.get("name", "?"))
            continue
        called = f"port {port} of {_called(config, where, listener)}"
        free = free_port(content, kind, {database_port})
        fix = Fix(f"write `port: {free}` in {config.where(*where)}")
        if port in taken:
            yield _error("port-of-plano", f"{called} is {taken[port]}, and Envoy does not start", fix)
        elif port in own:
            yield _error(
                "port-twice", f"{called} is also that of listener `{own[port]}`, and Envoy does not start", fix
            )
        elif port == database_port:
            other = next(other for other in range(port + 1, 65536) if other not in {*taken, *own} and _unheld(other))
            fix += Fix(", or ", Command("up", "--port", other))
            yield _error("port-of-database", f"{called} is the database's, and Envoy does not start", fix)
        else:
            message = f"{called} is opened twice, since it names `agents`, and Envoy does not start"
            yield _error(
                "port-twice",
                message,
                f"write `type: agent` in {config.where(*path)}, or {config.without(*path, 'agents')}",
            )


def ports_of_plano(content: Mapping[str, Any]) -> dict[int, str]:
    """Return the ports that Plano takes by itself, and for what."""
    kinds = {kind for _, _, kind in listeners_of(content)}
    taken = {port: f"Plano's own ({part})" for port, part in PARTS.items()}
    for kind, usual in (("model", MODEL_PORT), ("prompt", PROMPT_PORT)):
        if kind not in kinds:
            taken[usual] = f"the {kind} listener's, which Plano opens by itself"
    return taken


def free_port(content: Mapping[str, Any], kind: str, others: Collection[int | None]) -> int:
    """Return a port for a listener that is nobody's: no listener's, Plano's or other's; the usual one if possible."""
    named = [listener.get("port") for _, listener, _ in listeners_of(content)]
    taken = {*ports_of_plano(content), *others, *filter(is_port, named)}
    free = (port for port in range(_usual_port(kind), 65536) if port not in taken)
    return next(port for port in free if port == MODEL_PORT or _unheld(port))  # a running Plano itself may hold it


def _unheld(port: int) -> bool:
    """Say whether no program of this machine listens at a port, so that a fix may name it."""
    from planodev.engines import port_holders

    return port_holders.holder(port, (LOOPBACK,)) is None
