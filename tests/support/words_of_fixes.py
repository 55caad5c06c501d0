"""Faults of configurations and connection strings, with the words of their fixes and what is there once followed."""

from __future__ import annotations

from tests.support.will_store import AGENT, GOOD, MODEL, STORAGE

WELL = "postgresql://u:p@h:5432/d"
# code, what is there, what the fix says, what is there once it was followed
STRINGS = [
    ("scheme", "postgresql+psycopg://u:p@h:5432/d", "postgresql://USER", WELL),
    ("leading-text", f'"{WELL}"', "without quotes", WELL),
    ("no-url", "host=h user=u", "as a URL", WELL),
    ("not-utf8", "postgresql://u%ff:p@h:5432/d", "UTF-8 form", "postgresql://u%C3%BF:p@h:5432/d"),
    ("ipv6", "postgresql://u:p@::1/d", "[::1]:5432", "postgresql://u:p@[::1]:5432/d"),
    ("parameter-cut", f"{WELL}?sslmode", "NAME=VALUE", f"{WELL}?sslmode=disable"),
    ("parameter-unknown", f"{WELL}?search_path=s", "search_path%3Ds", f"{WELL}?options=-c%20search_path%3Ds"),
    ("parameter-unknown", f"{WELL}?sslrootcert=c", "sslmode=disable", f"{WELL}?sslmode=disable"),
    ("parameter-unknown", f"{WELL}?a=b", "remove it", WELL),
    ("value", f"{WELL}?sslmode=verify-full", "sslmode=disable", f"{WELL}?sslmode=disable"),
    ("value", f"{WELL}?connect_timeout=x", "remove it", WELL),
    ("value", "postgresql://u:p@h:x/d", "a number", WELL),
    ("hosts", "postgresql://u:p@a:1,b:2,c:3/d?hostaddr=10.0.0.1", "one of each", f"{WELL}?hostaddr=10.0.0.1"),
    ("host", "postgresql://u:p@h h:5432/d", "write only", WELL),
    ("host-missing", "postgresql://u:p@/d", "127.0.0.1", "postgresql://u:p@127.0.0.1/d"),
    ("at-sign", "postgresql://u:p@p@h:5432/d", "`%40`", "postgresql://u:p%40p@h:5432/d"),
    ("fragment", f"{WELL}#x", "remove it", WELL),
    ("fragment", f"{WELL}#x", "`%23`", f"{WELL}%23x"),
    ("slash", f"{WELL}/x", "remove it", WELL),
    ("slash", f"{WELL}/x", "`%2F`", f"{WELL}%2Fx"),
    ("user-missing", "postgresql://h:5432/d", "USER:PASSWORD@", WELL),
    ("database-missing", "postgresql://u:p@h:5432", "/DATABASE", WELL),
    ("sslmode-require", f"{WELL}?sslmode=require", "sslmode=disable", f"{WELL}?sslmode=disable"),
    ("sslmode-prefer", f"{WELL}?sslmode=prefer", "sslmode=disable", f"{WELL}?sslmode=disable"),
    ("unsubstituted", "postgresql://u:p@h:5432/${NAME}", "set the variable", WELL),
    ("channel-binding", f"{WELL}?channel_binding=require", "remove it", WELL),
]
BOTH = "agents: [{id: one, url: 'http://x'}]\n"
# code, what is there, what the fix says, and what is written: (in place of, this)
CONFIGURATIONS = [
    (
        "listener-without-port",
        GOOD.replace(", port: 12000", ""),
        "add `port: 12000`",
        ("name: m", "name: m, port: 12000"),
    ),
    (
        "listener-without-agents",
        GOOD.replace(MODEL, MODEL + "  - {type: agent, name: a, port: 8000}\n") + BOTH,
        "give it `agents:`",
        ("port: 8000", "port: 8000, agents: [{id: one}]"),
    ),
    ("agent-without-url", GOOD.replace(MODEL, MODEL + AGENT), "`agents:`", (STORAGE, STORAGE + BOTH)),
    ("two-provider-lists", GOOD + "llm_providers: []\n", "`model_providers`", ("llm_providers: []\n", "")),
    ("no-model-listener", GOOD.replace(MODEL, AGENT) + BOTH, "type: model", (AGENT, MODEL + AGENT)),
    (
        "no-models",
        GOOD.replace("  - {model: anthropic/claude-sonnet-4-5}\n", "  []\n"),
        "add one",
        ("  []\n", "  - {model: anthropic/claude-sonnet-4-6, access_key: $ANTHROPIC_API_KEY, default: true}\n"),
    ),
    (
        "model-unknown",
        GOOD.replace("claude-sonnet-4-5", "claude-sonet-4-5"),
        "Write `model: anthropic/claude-sonnet-4-5`",
        ("sonet", "sonnet"),
    ),
    (
        "connection-string-default",
        GOOD.replace("${DB_NAME}", "${DB_NAME:-x}"),
        "write `${DB_NAME}`",
        ("${DB_NAME:-x}", "${DB_NAME}"),
    ),
]
