"""Keys that planoai knows in a configuration, and where in the text one stands that it refuses.

planoai refuses a whole file for one unknown key, and says so without a line. The table holds every mapping that is
closed in its schema; source: planoai 0.4.39, `data/plano_config_schema.yaml`. A test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROVIDER = """access_key base_url default headers http_host model name passthrough_auth provider_interface
    routing_preferences"""
# By path; `[]` stands for each entry of a list, `*` for names of the user's own.
KNOWN: dict[str, frozenset[str]] = {
    path: frozenset(keys.split())
    for path, keys in {
        "": """agents endpoints filters listeners llm_providers mode model_aliases model_metrics_sources
            model_providers overrides prompt_caching prompt_guards prompt_targets ratelimits routing
            routing_preferences state_storage system_prompt tracing version""",
        "agents[]": "id url",
        "endpoints.*": "connect_timeout endpoint http_host prefix_affinity protocol",
        "filters[]": "id tool transport type url",
        "listeners": "egress_traffic ingress_traffic",
        "listeners.egress_traffic": "address message_format port timeout",
        "listeners.ingress_traffic": "address message_format port timeout",
        "listeners[]": "address agents input_filters max_retries name output_filters port router timeout type",
        "listeners[].agents[]": "default description id input_filters",
        "llm_providers[]": _PROVIDER,
        "model_aliases.*": "target",
        "model_metrics_sources[]": "model_aliases provider query refresh_interval type url",
        "model_providers[]": _PROVIDER,
        "prompt_caching": "enabled inject_cache_control min_prefix_tokens session_affinity session_ttl_seconds",
        "prompt_guards.input_guards": "jailbreak",
        "prompt_guards.input_guards.jailbreak": "on_exception",
        "prompt_guards.input_guards.jailbreak.on_exception": "message",
        "prompt_targets[]": """auto_llm_dispatch_on_response default description endpoint name parameters
            system_prompt""",
        "prompt_targets[].endpoint": "http_headers http_method name path",
        "prompt_targets[].parameters[]": """additionalProperties default description enum format in_path name
            required type""",
        "ratelimits[]": "limit model selector",
        "ratelimits[].limit": "tokens unit",
        "ratelimits[].selector": "key value",
        "routing": """llm_provider model route_on_user_only routing_budget session_cache session_max_entries
            session_ttl_seconds""",
        "routing.routing_budget": "cache_read_discount max_switch_spend_pct record_counterfactual replenish_on_rebind",
        "routing.session_cache": "tenant_header type url",
        "routing_preferences[]": "description models name selection_policy",
        "routing_preferences[].selection_policy": "prefer",
        "state_storage": "connection_string type",
        "tracing": "exporters opentracing_grpc_endpoint random_sampling span_attributes trace_arch_internal",
        "tracing.exporters[]": "api_key capture_messages distinct_id_header type url",
        "tracing.span_attributes": "header_prefixes static",
    }.items()
}
VERSIONS = frozenset({"v0.1", "v0.1.0", "0.1-beta", "0.2.0", "v0.3.0", "v0.4.0"})


@dataclass(frozen=True)
class Refused:
    """A key that planoai refuses; line and column count from 1."""

    key: str
    inside: str
    line: int
    column: int


def refused(text: str) -> Refused | None:
    """Return the first key that planoai refuses, None where it knows them all.

    Args:
        text: a YAML mapping that loads without an error.

    """
    from ruamel.yaml import YAML

    root = YAML(typ="safe", pure=True).compose(text.removeprefix("\ufeff"))
    return next(_walk(root, ""), None)


def unknown(content: Any, path: str = "") -> bool:  # noqa: ANN401
    """Say whether parsed content has a key that planoai refuses; quick, where nearly every file has none."""
    if isinstance(content, list):
        return any(unknown(item, f"{path}[]") for item in content)
    if not isinstance(content, dict):
        return False
    known = KNOWN.get(path)
    return any(
        (known is not None and name not in known) or unknown(value, _below(path, str(name)))
        for name, value in content.items()
    )


def _below(path: str, name: str) -> str:
    return f"{path}.*" if f"{path}.*" in KNOWN else f"{path}.{name}" if path else name


def _walk(node: Any, path: str) -> Iterator[Refused]:  # noqa: ANN401
    if node.id == "sequence":
        for item in node.value:
            yield from _walk(item, f"{path}[]")
    elif node.id == "mapping":
        known = KNOWN.get(path)
        for key, value in node.value:
            if known is not None and key.value not in known and key.value != "<<":
                yield Refused(key.value, path, key.start_mark.line + 1, key.start_mark.column + 1)
            yield from _walk(value, _below(path, str(key.value)))
