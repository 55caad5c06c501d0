"""Configurations that Plano does not start with, each with its finding and its fix, and those that it starts with."""

from __future__ import annotations

from pathlib import Path

from planodev.plano import config_file, judge

BAD = Path(__file__).parents[1] / "plano/bad"
PORT = 5432
BASE = """\
version: v0.4.0
listeners:
  - {type: model, name: m, port: 12000}
model_providers:
  - {model: anthropic/c, access_key: $K, default: true}
state_storage: {type: postgres, connection_string: "postgresql://u:p@h:1/d"}
"""
AGENTS = "agents: [{id: x, url: 'http://localhost:1'}]\n"
AGENT = "  - {type: agent, name: a, port: 8000, router: plano_orchestrator_v1, agents: [{id: x, description: d}]}\n"
WITH_AGENT = BASE.replace("  - {type", AGENT + "  - {type") + AGENTS
PREFERENCE = "routing_preferences:\n  - {name: a, description: d, models: [c]}\n"


def judged(text, tmp_path, port=PORT):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return judge.judge_config(config_file.load(path), None, "native", port=port)


def with_model(entry):
    return BASE.replace("state_storage", f"  - {{{entry}}}\nstate_storage")


# text, code, what the message says, what the fix says
KINDS = [
    (BASE.replace("v0.4.0", "0.4"), "config-version", "`0.4` (line 1)", "`version: v0.4.0` in line 1"),
    (BASE.replace("version: v0.4.0\n", "version:\n"), "config-key-missing", "empty `version` (line 1)", "line 1"),
    (BASE.replace("listeners:\n  -", "agents: []\nx:\n  -"), "config-key-missing", "no `listeners`", "type: model"),
    (BASE.replace("  - {model: anthropic/c, access_key: $K, default: true}\n", ""), "config-value", "empty", "line 4"),
    (BASE + "agents: {id: x}\n", "config-value", "a mapping of keys, and planoai expects a list", "line 7"),
    (BASE + "model_aliases: [a]\n", "config-value", "is a list", "line 7"),
    (BASE.replace("12000", "'12000'"), "config-value", "`port` (line 3)", "`port: 12000` in line 3"),
    (BASE.replace("12000", "70000"), "config-value", "`70000`", "`port: 12000` in line 3"),
    (BASE.replace("12000", "-1"), "config-value", "`-1`", "line 3"),
    (BASE.replace("12000", "12000, timeout: '30'"), "config-value", "`timeout`", "`timeout: 30s` in line 3"),
    (BASE.replace("12000", "12000, timeout: 500ms"), "config-value", "`500ms`", "30s"),
    (BASE.replace("12000", "12000, address: localhost"), "config-value", "`localhost`", "0.0.0.0"),
    (BASE.replace("type: model", "type: llm"), "config-value", "`llm`", "`type: model` in line 3"),
    (BASE.replace("default: true", "default: 'yes'"), "config-value", "`yes`", "`default: true` in line 5"),
    (BASE + "overrides: {upstream_connect_timeout: '5'}\n", "config-value", "`5`", "line 7"),
    (BASE + "endpoints: {e: {endpoint: h, connect_timeout: '5'}}\n", "config-value", "`5`", "line 7"),
    (BASE + "tracing: {random_sampling: 150}\n", "config-value", "`150`", "100"),
    (
        BASE + "tracing: {random_sampling: 1, opentracing_grpc_endpoint: 'http://c'}\n",
        "config-value",
        "http://c",
        "http://localhost:4317",
    ),
    (BASE.replace("12000", "12000, max_retries: -1"), "config-value", "`-1`", "`max_retries: 3` in line 3"),
    (BASE.replace("12000", "12000, address: '::'"), "config-value", "`::`", "0.0.0.0"),
    (BASE.replace("listeners:\n", "listeners:\n  - model\n"), "config-value", "(line 3)", "mapping of keys"),
    (with_model("model: 5"), "config-value", "`5`", "in line 6"),
    (with_model("access_key: $L"), "config-key-missing", "no `model`", "to the entry in line 6"),
    (with_model("model: openai/g, access_key: "), "config-value", "is empty", "`access_key: $OPENAI_API_KEY`"),
    (
        with_model("model: my/x, base_url: 'http://h', provider_interface: anthropic"),
        "config-value",
        "`anthropic`",
        "`provider_interface: mistral` in line 6",
    ),
    (BASE + "agents: [{id: x}]\n", "config-key-missing", "no `url`", "`url: http://localhost:10510`"),
    (BASE + "agents: [{id: x, url: 'http://h:99999'}]\n", "config-value", "99999", "line 7"),
    (BASE + "endpoints: {e: {endpoint: 'http://localhost:8000'}}\n", "config-value", "http://", "localhost:8000"),
    (
        BASE + "tracing: {opentracing_grpc_endpoint: 'https://c:4317'}\n",
        "config-value",
        "https",
        "http://localhost:4317",
    ),
    (BASE + "model_aliases: {f: c}\n", "config-key-missing", "no `target`", "`f: {target: c}` in line 7"),
    (BASE.replace("12000", "12000, input_filters: [gard]"), "filter-unknown", "`gard`", "under `filters:`"),
    (
        BASE.replace("12000", "12000, output_filters: [gard]") + "filters: [{id: guard, url: 'http://localhost:1'}]\n",
        "filter-unknown",
        "`gard`",
        "`guard` in line 3",
    ),
    (BASE + "overrides: {use_agent_orchestrator: true}\n", "orchestrator-endpoint", "there are 0", "line 7"),
    (BASE + PREFERENCE + PREFERENCE.partition("\n")[2], "preference-duplicate", "(line 8)", "line 9"),
    (BASE + PREFERENCE.replace("[c]", "[]"), "config-value", "names no models", "in line 8"),
    (BASE + PREFERENCE.replace(", models: [c]", ""), "config-key-missing", "no `models`", "line 8"),
    (
        with_model("model: mistral/*, routing_preferences: [{name: a, description: d}]").replace("v0.4.0", "v0.3.0"),
        "wildcard-preference",
        "`mistral/*`",
        "line 6",
    ),
    (BASE.replace("name: m, ", ""), "listener-incomplete", "a listener (line 3) has no `name`", "line 3"),
    (BASE.replace("type: model, ", ""), "listener-incomplete", "no `type`", "`type: model`"),
    (BASE.replace("  - {type", "  - {type: model, name: n, port: 12002}\n  - {type", 1), "two-model-listeners", "", ""),
    (BASE.replace("12000", "10000"), "port-of-plano", "the prompt listener's", "`port: 12000` in line 3"),
    (BASE.replace("12000", "9901"), "port-of-plano", "admin", "`port: 12000`"),
    (BASE.replace("12000", "5432"), "port-of-database", "the database's", "up --port 5433`"),
    (BASE.replace("  - {type", AGENT.replace("8000", "12000") + "  - {type") + AGENTS, "port-twice", "`a`", "line 4"),
    (
        BASE.replace("  - {type", AGENT + AGENT.replace("name: a", "name: b") + "  - {type") + AGENTS,
        "port-twice",
        "",
        "8001",
    ),
    (BASE.replace("  - {type", "  - {type: prompt, name: p, port: 12000}\n  - {type"), "port-twice", "", ""),
    *(
        (WITH_AGENT.replace(AGENT, 2 * AGENT.replace("name: a", f"name: {name}")), "port-twice", "", "`port: 8001`")
        for name in ("''", "'~'", "'null'")  # which Envoy takes for no name, so that neither is the other
    ),
    (BASE.replace("12000", "12000, agents: [{id: x, description: d}]") + AGENTS, "port-twice", "`agents`", "agent"),
    (with_model("model: gpt-4o"), "model-without-provider", "(line 6)", "`model: openai/gpt-4o` in line 6"),
    (with_model("model: openai:gpt-4o"), "model-without-provider", "(line 6)", "`model: openai/gpt-4o` in line 6"),
    (with_model("model: mine"), "model-without-provider", "`mine`", "PROVIDER/mine"),
    (with_model("model: google/gemini-x"), "provider-unknown", "`google`", "`model: gemini/gemini-x` in line 6"),
    (with_model("model: antropic/x"), "provider-unknown", "`antropic`", "anthropic/x"),
    (with_model("model: local/x, base_url: 'http://h'"), "provider-unknown", "`local`", "provider_interface: mistral"),
    (with_model("model: ollama/x"), "base-url-missing", "planoai", "`base_url: http://localhost:11434`"),
    (with_model("model: openrouter/x"), "base-url-missing", "Envoy", "`base_url: https://openrouter.ai/api/v1`"),
    (with_model("model: edenai/*"), "base-url-missing", "Envoy", "`base_url: https://api.edenai.run/v3`"),
    (with_model("model: azure_openai/x"), "base-url-missing", "planoai", "https://HOST/PATH"),
    (with_model("model: mistral/x, base_url: 'localhost:1'"), "base-url-invalid", "", "`base_url: http://localhost:1`"),
    (with_model("model: mistral/x, base_url: 'ftp://h/p'"), "base-url-invalid", "", "`base_url: https://h/p`"),
    (with_model("model: mistral/x, base_url: 'https:///v1'"), "base-url-invalid", "", "`base_url: https://HOST/v1`"),
    (with_model("model: mistral/x, base_url: 'http://'"), "base-url-invalid", "", "line 6"),
    *(
        (with_model(f"model: mistral/x, base_url: '{url}'"), "base-url-invalid", "invalid host or port", "1–65535")
        for url in ("http://h:99999", "http://h:port", "http://[::1", "http://[")
    ),
    (with_model("model: mistral/x, base_url: $BASE_URL"), "base-url-invalid", "a variable", "the address itself"),
    (with_model("model: vllm/x, base_url: 'http://h'"), "provider-unknown", "`vllm`", "add `provider_interface"),
    (
        with_model("model: vllm/x, provider_interface: openai"),
        "provider-unknown",
        "",
        "add `base_url: http://HOST:PORT",
    ),
    (with_model("model: /gpt-4o"), "model-without-provider", "`/gpt-4o`", "`model: openai/gpt-4o`"),
    (with_model("model: ''"), "model-without-provider", "(line 6)", "`model: anthropic/"),
    (with_model("model: mistral/x, base_url: 5"), "config-value", "`5`", "line 6"),
    (with_model("model: mistral/x, passthrough_auth: 'yes'"), "config-value", "`yes`", "`passthrough_auth: true`"),
    (with_model("model: mistral/x, headers: {x-a: 5}"), "config-value", "headers", "line 6"),
    (BASE.replace("name: m", "name: 5"), "config-value", "`name`", "line 3"),
    (BASE.replace("12000", "0o27340"), "config-value", "`0o27340`", "`port: 12000`"),
    (BASE + "filters: [{id: x, url: 'http://h:1', type: grpc}]\n", "config-value", "`grpc`", "`type: http`"),
    (BASE + "endpoints: {e: {endpoint: 'true'}}\n", "config-value", "the host `true`", "another name of that host"),
    (with_model("model: ollama/x, base_url: 'http://null:1'"), "base-url-invalid", "`null`", "in line 6"),
    (with_model("model: ollama/x, base_url: 'http://h:1', http_host: 'a: b'"), "config-value", "`a: b`", "line 6"),
    (BASE + "overrides: {upstream_connect_timeout: 0s}\n", "config-value", "`0s`", "5s"),
    (BASE + "system_prompt: 5\n", "config-value", "`5`", '`system_prompt: "5"` in line 7'),
    (BASE + "routing: {session_max_entries: 10001}\n", "config-value", "`10001`", "`session_max_entries: 10000`"),
    (BASE + "prompt_caching: {enabled: 'yes'}\n", "config-value", "`yes`", "`enabled: true` in line 7"),
    (
        BASE + "prompt_targets: [{name: a, description: b, endpoint: {path: /}}]\n",
        "config-key-missing",
        "`endpoint` (line 7) has no `name`",
        "add `name: my_name` to `endpoint` in line 7",
    ),
    (BASE + "endpoints: {e: {endpoint: h, protocol: ftp}}\n", "config-value", "`ftp`", "`protocol: http`"),
    (BASE + PREFERENCE.replace("[c]", "anthropic/c"), "config-value", "a list", "line 8"),
    (
        BASE + PREFERENCE.replace("[c]", "[c], selection_policy: {prefer: best}"),
        "config-value",
        "`best`",
        "`prefer: none`",
    ),
    (with_model("model: mistral/x, provider_interface: openai"), "interface-not-allowed", "mistral", "line 6"),
    (with_model("model: anthropic/c"), "model-duplicate", "(line 6)", "line 6"),
    (with_model("model: gemini/c"), "model-duplicate", "(line 5)", "line 6"),
    (with_model("model: gemini/d, name: anthropic/c"), "model-duplicate", "", ""),
    (
        with_model("model: gemini/d, name: x").replace(
            "state_storage", "  - {model: gemini/e, name: x}\nstate_storage"
        ),
        "model-duplicate",
        "(line 7)",
        "give the one in line 7 of `config.yaml` another `name:`",
    ),
    (
        with_model("<<: *a, model: gemini/d").replace("- {model: anthropic", "- &a {model: anthropic"),
        "two-defaults",
        "(line 6)",
        "add `default: false` to the entry in line 6",
    ),
    (with_model("model: gemini/d, default: true"), "two-defaults", "(line 6)", "from line 6"),
    (BASE.replace("anthropic/c", "anthropic/*"), "wildcard-default", "(line 5)", "line 5"),
    (BASE + "model_aliases: {f: {target: claude}}\n", "alias-unknown-model", "`claude`", "line 7"),
    (BASE + "agents: [{id: x, url: 'http://h'}, {id: x, url: 'http://i'}]\n", "agent-duplicate", "`x`", "line 7"),
    (BASE + "agents: [{id: openai, url: 'http://h'}]\n", "agent-name-taken", "`openai`", "`openai_agent`"),
    (BASE + "endpoints: {plano: {endpoint: 'h:80'}}\n", "agent-name-taken", "`plano`", "line 7"),
    (
        BASE + "prompt_targets: [{name: a, description: b, endpoint: {name: n, path: /}}]\n",
        "endpoint-unknown",
        "`n`",
        "",
    ),
    (BASE + "routing: {session_cache: {type: redis}}\n", "session-cache-url", "(line 7)", "`type: memory` in line 7"),
    (BASE + "routing: {routing_budget: {max_switch_spend_pct: 5}}\n", "metrics-source-missing", "cost", "models.dev"),
    (
        BASE + "routing_preferences: [{name: a, description: b, models: [anthropic/d]}]\n",
        "preference-unknown-model",
        "`anthropic/d`",
        "`anthropic/c` in line 7",
    ),
    (
        BASE + "routing_preferences: [{name: a, description: b, models: [c], selection_policy: {prefer: fastest}}]\n",
        "metrics-source-missing",
        "latency",
        "`prefer: none`",
    ),
    *(
        (BASE + f"model_metrics_sources: [{{type: {kind}, provider: {by}}}]\n", "config-value", f"`{wrong}`", fix)
        for kind, by, wrong, fix in (
            ("latency", "digitalocean", "latency", "`type: cost` in line 7"),
            ("speed", "prometheus", "speed", "`type: latency` in line 7"),
            ("speed", "models.dev", "speed", "`type: cost` in line 7"),
            ("cost", "openai", "openai", "`provider: models.dev` in line 7"),
        )
    ),
    (
        BASE + "model_metrics_sources: [{type: cost, provider: models.dev}, {type: cost, provider: digitalocean}]\n",
        "metrics-source-twice",
        "2",
        "line 7",
    ),
]
PROMPT = "  - {type: prompt, name: p, port: 10000}\n"


def named(name):
    """Return a configuration whose agent listener has a name."""
    return WITH_AGENT.replace("name: a,", f"name: {name},")


def called(number):
    """Return a configuration with an agent of an id."""
    return BASE + f"agents: [{{id: {number}, url: 'http://localhost:1'}}]\n"


KINDS += [
    (
        with_model("model: ollama/x, base_url: ''"),
        "base-url-missing",
        "Envoy",
        "`base_url: http://localhost:11434` in line",
    ),
    (with_model("model: azure_openai/x, base_url: ''"), "base-url-missing", "Envoy", "https://HOST/PATH"),
    (
        with_model("model: my/x, base_url: '', provider_interface: openrouter"),
        "base-url-missing",
        "Envoy",
        "https://openrouter.ai/api/v1",
    ),
    *(
        (named(name), "name-unreadable", "plain word", fix)
        for name, fix in (
            ("'8001'", "`name: agents_8001` in line 3"),
            ("'yes'", "agents_yes"),
            ("'{x}'", "`name: x`"),
            ("'*all'", "`name: all`"),
            ("'@a'", "`name: a`"),
            ("'%a'", "`name: a`"),
            ("'!x'", "`name: x`"),
            ("'&x'", "`name: x`"),
            ("'a:'", "`name: a`"),
            ('"a\\nb"', "`name: a_b`"),
        )
    ),
    *(
        (called(number), "name-unreadable", "plain word", fix)
        for number, fix in (
            ("'1'", "call it `agent_1` in line 7"),
            ("'true'", "agent_true"),
            ("'a: b'", "call it `a_b`"),
        )
    ),
    (BASE + "endpoints: {'8000': {endpoint: 'h:80'}}\n", "name-unreadable", "`8000`", "`endpoint_8000`"),
    (
        with_model("model: ollama/x, base_url: 'http://h:1'") + "agents: [{id: ollama_h, url: 'http://i'}]\n",
        "agent-name-taken",
        "`ollama_h`",
        "`ollama_h_agent`",
    ),
    (BASE + "endpoints: {e: {endpoint: 'h:99999'}}\n", "config-value", "`h:99999`", "localhost:8000"),
    (BASE + "endpoints: {e: {endpoint: ''}}\n", "config-value", "`endpoint`", "localhost:8000"),
    (BASE + "tracing: {opentracing_grpc_endpoint: 'http://['}\n", "config-value", "`http://[`", "localhost:4317"),
    (
        BASE + "tracing: {random_sampling: 5, opentracing_grpc_endpoint: 'http://h:99999'}\n",
        "config-value",
        "`http://h:99999`",
        "http://localhost:4317",
    ),
    (BASE.replace("12000", "12000, max_retries: 5000000000"), "config-value", "5000000000", "`max_retries: 3`"),
    (BASE.replace("12000", "12000, timeout: 999999999999999s"), "config-value", "`timeout`", "`timeout: 30s`"),
    (
        BASE + "tracing: {random_sampling: 5, opentracing_grpc_endpoint: 'http://h:99999'}\n",
        "config-value",
        "99999",
        "http://localhost:4317",
    ),
    (BASE.replace("12000", "12000, input_filters: "), "config-value", "a list", "`input_filters: []` in line 3"),
    (BASE.replace("12000", "12000, timeout: 9223372036s"), "config-value", "292 years", "`timeout: 30s` in line 3"),
    (called("mistral_7b_instruct"), "agent-name-taken", "`mistral_7b_instruct`", "`mistral_7b_instruct_agent`"),
    (BASE + "mode: chat\n", "config-value", "`chat`", "`mode: llm` in line 7"),
    (BASE + "routing: {session_cache: {type: Redis}}\n", "config-value", "`Redis`", "`type: memory` in line 7"),
    (BASE + "routing: {session_ttl_seconds: -1}\n", "config-value", "`-1`", "`session_ttl_seconds: 3600`"),
    (
        BASE + "overrides: {prompt_target_intent_matching_threshold: '0.6'}\n",
        "config-value",
        "a number",
        "`prompt_target_intent_matching_threshold: 0.6`",
    ),
    (BASE + "model_aliases: {4.1: {target: c}}\n", "config-value", "`4.1`", "put `4.1` in quotes in line 7"),
    (BASE + "model_aliases: {f: {target: }}\n", "config-key-missing", "no `target`", "`f: {target: anthropic/c}`"),
    (
        BASE.replace("listeners:", "listener:"),
        "config-key-missing",
        "`listener` (line 2)",
        "write `listeners` in line 2",
    ),
    (WITH_AGENT.replace(", description: d", ""), "config-key-missing", "no `description`", "in line 3"),
    (
        BASE.replace("listeners:\n  - {type: model, name: m, port: 12000}", "listeners: {type: model, port: 12000}"),
        "config-value",
        "`type`",
        "write a list in line 2",
    ),
]
KINDS += [
    (BASE + "routing: {session_ttl_seconds: 0}\n", "config-value", "`0`", "`session_ttl_seconds: 3600` in line 7"),
    (BASE + "routing: {session_max_entries: 1.5}\n", "config-value", "planoai expects", "line 7"),
    (BASE.replace("12000", "12000, timeout: 9223372036s"), "config-value", "292 years", "`timeout: 30s` in line 3"),
    (called("mistral_7b_instruct"), "agent-name-taken", "`mistral_7b_instruct`", "`mistral_7b_instruct_agent`"),
    (BASE + "mode: chat\n", "config-value", "llm or prompt", "`mode: llm` in line 7"),
]
# What planoai and `envoy --mode validate` accept: brightstaff ends, or Plano's listeners never open.
LATE = [
    (
        BASE + "routing: {session_ttl_seconds: 60.0}\n",
        "config-value",
        "brightstaff expects",
        "seconds: 3600` in line 7",
    ),
    (
        with_model("model: mistral/x, name: fast, routing_preferences: [{name: a, description: d}]").replace(
            "v0.4.0", "v0.3.0"
        ),
        "preference-of-named-model",
        "`fast`",
        "remove `name` from line 6",
    ),
    (BASE.replace("12000", "9092"), "port-of-plano", "metrics", "`port: 12000` in line 3"),
    (named("ingress_traffic"), "listener-name-taken", "`ingress_traffic`", "`name: ingress_traffic_2` in line 3"),
    (named("outbound_api_traffic"), "listener-name-taken", "", "line 3"),
    (
        WITH_AGENT.replace(
            AGENT, AGENT.replace("name: a", "name: a b") + AGENT.replace("8000", "8001").replace("name: a", "name: a_b")
        ),
        "listener-duplicate",
        "(line 3)",
        "`name: a_b_2` in line 4",
    ),
    (
        BASE.replace(
            "  - {type", PROMPT + PROMPT.replace("10000", "10500").replace("name: p", "name: q") + "  - {type"
        ),
        "two-prompt-listeners",
        "`q` (line 4)",
        "remove the listener in line 4",
    ),
    *(
        (
            BASE + f"routing: {{session_cache: {{type: redis, url: '{url}'}}}}\n",
            "session-cache-url",
            "not a valid",
            "redis://HOST:6379",
        )
        for url in ("localhost:6379", "http://h:1", "/tmp/redis.sock", "redis://h/name")
    ),
    *(
        (
            BASE + f"ratelimits: [{{model: c, selector: {{key: k, value: v}}, limit: {{{limit}}}}}]\n",
            "config-value",
            said,
            fix,
        )
        for limit, said, fix in (
            ("tokens: 5, unit: week", "`week`", "`unit: hour` in line 7"),
            ("tokens: -1, unit: hour", "`-1`", "`tokens: 100000` in line 7"),
            ("tokens: 5000000000, unit: hour", "`5000000000`", "line 7"),
        )
    ),
    (BASE + "overrides: {orchestrator_model_context_length: -1}\n", "config-value", "`-1`", "8192"),
    (BASE + "prompt_caching: {min_prefix_tokens: 5000000000}\n", "config-value", "brightstaff", "1024"),
    (BASE + "prompt_caching: {min_prefix_tokens: -1}\n", "config-value", "from 1 to", "1024"),
    (BASE + "prompt_guards: {}\n", "config-key-missing", "`input_guards`", "remove `prompt_guards` from line 7"),
    (BASE + "overrides: {upstream_tls_ca_path: /nowhere/ca.pem}\n", "ca-file-missing", "/nowhere", "from line 7"),
    (with_model("model: gemini/x, name: plano/orchestrator"), "model-name-taken", "plano/orchestrator", "line 6"),
    (
        with_model("model: gemini/x, name: plano-orchestrator") + PREFERENCE,
        "model-name-taken",
        "`plano-orchestrator`",
        "remove `name` from line 6",
    ),
    (
        with_model("model: ollama/x, base_url: 'http://${HOST}:1'"),
        "base-url-invalid",
        "never finds",
        "the address itself",
    ),
    # planoai asks for the key, when it starts.
    (with_model("model: mistral/x, access_key: ''"), "config-value", "`access_key`", "`access_key: $MISTRAL_API_KEY`"),
]
# Plano starts with these: planoai waits for the port of each listener, and another one has it.
UNOPENED = [
    (WITH_AGENT.replace(AGENT, AGENT + AGENT), "listener-duplicate", "remove the listener in line 4"),
    (
        WITH_AGENT.replace(AGENT, AGENT.replace("name: a", "name: a b") + AGENT.replace("name: a", "name: a_b")),
        "listener-duplicate",
        "remove the listener in line 4",
    ),
    (
        BASE.replace("  - {type", PROMPT + PROMPT.replace("name: p", "name: q") + "  - {type"),
        "two-prompt-listeners",
        "remove the listener in line 4",
    ),
]
FINE = [
    BASE,
    # Envoy starts with a port at which nobody can listen.
    with_model("model: mistral/x, base_url: 'http://h:0'"),
    BASE + "endpoints: {e: {endpoint: 'h:0'}}\n",
    BASE + "tracing: {random_sampling: 5, opentracing_grpc_endpoint: 'http://h:0'}\n",
    BASE.replace("  - {type", AGENT + "  - {type") + AGENTS,
    BASE.replace("  - {type", "  - {type: prompt, name: p, port: 10000}\n  - {type"),
    # A prompt listener elsewhere leaves 10000 to others.
    BASE.replace(
        "  - {type", "  - {type: prompt, name: p, port: 10500}\n" + AGENT.replace("8000", "10000") + "  - {type"
    )
    + AGENTS,
    BASE.replace("12000", "12000, timeout: 0.5s, address: 127.0.0.1"),
    BASE.replace("default: true", "default: yes").replace("12000", "3:20:00"),  # as YAML 1.1 has it
    "%YAML 1.2\n---\n" + BASE.replace("default: true", "default: on"),
    BASE.replace("listeners:\n  - {type: model, name: m, port: 12000}", "listeners: {egress_traffic: {port: 12345}}"),
    BASE.replace("listeners:\n  - {type: model, name: m, port: 12000}", "listeners: []"),
    with_model("model: openai-chat/x, base_url: 'https://api.openai.com/v1', provider_interface: mistral"),
    with_model("model: gemini/*") + "model_aliases: {f: {target: c}, g: {target: anthropic/c}}\n",
    with_model("model: mistral/*").replace("state_storage", "  - {model: mistral/*}\nstate_storage", 1),
    BASE + "agents: [{id: opentelemetry_collector, url: 'http://h:1'}]\n",
    BASE + "agents: [{id: a, url: 'http://h:1'}]\n"
    "prompt_targets: [{name: a, description: b, endpoint: {name: a, path: /}}, {name: b, description: c}]\n",
    BASE + "tracing: {random_sampling: 100, opentracing_grpc_endpoint: 'http://$HOST:4317'}\n",
    *(BASE + f"routing: {{session_cache: {{type: redis, url: '{url}'}}}}\n" for url in ("redis://h", "$REDIS_URL")),
    with_model("name: mistral/x, model: mistral/x, routing_preferences: [{name: a, description: d}]").replace(
        "v0.4.0", "v0.3.0"
    ),
    with_model("name: plano-orchestrator, model: mistral/x"),
    *(
        BASE.replace("  - {type", AGENT.replace("name: a", f"name: {name}") + "  - {type") + AGENTS
        for name in ("'my: agents'", "egress_traffic_llm", "'a #1'", '"it\'s"', "'- x'")
    ),
    WITH_AGENT.replace("description: d", "description: ''"),
    called("''"),
    *(named(name) for name in ("''", "'null'", "'~'")),
    BASE.replace("12000", "12000, timeout: 9223372035.9s"),
    BASE + "agents: [{id: a/b, url: 'http://h:1'}, {id: my helper, url: 'http://h:2'}]\n",
    BASE + "routing_preferences: [{name: a, description: b, models: [c, anthropic/c]}]\n",
]
# name: code where planodev itself tells it, and what the fix does: (what is there, what is written)
MENDED = {
    "agport-10000": ("port-of-plano", "port: 10000", "port: 8000"),
    "agport-12000": ("port-of-plano", "port: 12000", "port: 8000"),
    "agport-12001": ("port-of-plano", "port: 12001", "port: 8000"),
    "agport-9901": ("port-of-plano", "port: 9901", "port: 8000"),
    "alias-target": ("alias-unknown-model", "target: nothere", "target: anthropic/claude-sonnet-4-6"),
    "base-no-scheme": ("base-url-invalid", 'base_url: "localhost:11434"', "base_url: http://localhost:11434"),
    "default-string": ("config-value", 'default: "yes"', "default: true"),
    "dup-agent": ("agent-duplicate", "  - {id: a, url: http://localhost:2}\n", ""),
    "dup-model": ("model-duplicate", "  - {model: anthropic/claude-sonnet-4-6, access_key: $ANTHROPIC_API_KEY}\n", ""),
    "listener-bad-type": ("config-value", "type: llm", "type: model"),
    "listener-no-name": ("listener-incomplete", "{type: model, ", "{type: model, name: model_listener, "),
    "listener-no-type": ("listener-incomplete", "{name: m, ", "{type: model, name: m, "),
    "listeners-null": (
        "config-key-missing",
        "listeners:\n",
        "listeners: [{type: model, name: model_listener, port: 12000}]\n",
    ),
    "model-no-provider": (
        "model-without-provider",
        "model: claude-sonnet-4-6",
        "model: anthropic/claude-sonnet-4-6",
    ),
    "ollama-no-base": ("base-url-missing", "ollama/llama3.1,", "ollama/llama3.1, base_url: http://localhost:11434,"),
    "provider-no-model": ("config-key-missing", "{access_key", "{model: anthropic/claude-sonnet-4-6, access_key"),
    "port-10000": ("port-of-plano", "port: 10000", "port: 12000"),
    "port-10001": ("port-of-plano", "port: 10001", "port: 12000"),
    "port-11000": ("port-of-plano", "port: 11000", "port: 12000"),
    "port-5432": ("port-of-database", "port: 5432", "port: 12000"),
    "port-9091": ("port-of-plano", "port: 9091", "port: 12000"),
    "port-string": ("config-value", 'port: "abc"', "port: 12000"),
    "providers-null": ("config-value", "model_providers:\n", ""),
    "pt-endpoint": (
        "endpoint-unknown",
        "prompt_targets:",
        'endpoints: {nowhere: {endpoint: "localhost:8000"}}\nprompt_targets:',
    ),
    "agent-no-desc": ("config-key-missing", "{id: x}", "{id: x, description: what it does}"),
    "same-port-twice": ("port-twice", "name: a, port: 12000", "name: a, port: 8000"),
    "session-cache-redis-nourl": ("session-cache-url", "type: redis", "type: memory"),
    "bad-router": ("config-value", "router: nope", "router: plano_orchestrator_v1"),
    "two-defaults": ("two-defaults", "$MISTRAL_API_KEY, default: true", "$MISTRAL_API_KEY"),
    "two-model-listeners": ("two-model-listeners", "  - {type: model, name: m2, port: 12001}\n", ""),
    "unknown-provider": ("provider-unknown", "model: claude/", "model: anthropic/"),
    "version-number": ("config-version", "version: 0.4", "version: v0.4.0"),
}
# What starts.
STARTS = {"ok", "port-12000", "custom-openai", "openai-plus-plano-router"}


def mended(name):
    """Return a bad configuration as it is once its fix was followed."""
    _, old, new = MENDED[name]
    text = (BAD / f"{name}.yaml").read_text()
    assert text.count(old) == 1
    return text.replace(old, new)
