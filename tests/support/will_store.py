"""Configurations with which Plano would not store, each with its finding."""

from __future__ import annotations

from planodev.plano import config_file, judge
from planodev.postgres import connection

STORAGE = f'state_storage: {{type: postgres, connection_string: "{connection.CONNECTION_STRING}"}}\n'
MODEL = "  - {type: model, name: m, port: 12000}\n"
HEAD = "version: v0.4.0\n"
GOOD = f"{HEAD}listeners:\n{MODEL}model_providers:\n  - {{model: anthropic/claude-sonnet-4-5}}\n{STORAGE}"
AGENT = "  - {type: agent, name: a, port: 8000, router: plano_orchestrator_v1, agents: [{id: one, description: d}]}\n"
PROMPT = "  - {type: prompt, name: p, port: 10000}\n"


def found(tmp_path, text, environment=None, mode="docker"):
    (tmp_path / "config.yaml").write_text(text)
    return judge.judge_config(config_file.load(tmp_path / "config.yaml"), environment, mode)


def with_string(string, more=""):
    return GOOD.replace(f'"{connection.CONNECTION_STRING}"', f"'{string}'") + more


CASES = [
    # text, code, fatal, what message or fix has
    (GOOD.removeprefix(HEAD), "config-key-missing", True, "`version`"),
    (HEAD + STORAGE, "config-key-missing", True, "`listeners`"),
    (GOOD.replace("v0.4.0", "v9"), "config-version", True, "version `v9` (line 1)"),
    (GOOD.replace(STORAGE, ""), "config-without-storage", True, "has no `state_storage`"),
    (GOOD.replace("type: postgres", "type: memory"), "config-without-storage", True, "`memory` (line 6)"),
    (with_string(""), "config-without-storage", True, "`planodev up --yes`"),
    (with_string("host=h port=5432 user=u password=p dbname=d"), "connection-string-no-url", True, "as a URL"),
    (GOOD + "llm_providers: []\n", "two-provider-lists", True, "both `model_providers`"),
    (GOOD.replace(", port: 12000", ""), "listener-without-port", True, "listener `m`"),
    (GOOD.replace(MODEL, MODEL + "  - {type: agent, name: a, port: 8000}\n"), "listener-without-agents", True, "`a`"),
    (GOOD.replace(MODEL, MODEL + AGENT), "agent-without-url", False, "agent `one` of listener `a`"),
    (GOOD.replace(MODEL, MODEL + AGENT) + "agents: [{id: one}]\n", "config-key-missing", True, "`agents`"),
    (GOOD.replace(MODEL, MODEL + AGENT) + "agents: [{id: two, url: 'http://x'}]\n", "agent-without-url", False, "one"),
    (
        GOOD.replace(MODEL, AGENT) + "agents: [{id: one, url: 'http://x'}]\n",
        "no-model-listener",
        False,
        "only agent listeners",
    ),
    (GOOD.replace(MODEL, PROMPT), "no-model-listener", False, "only prompt listeners"),
    (GOOD.replace("anthropic/claude-sonnet-4-5", "openai/gpt-4o"), "provider-keeps-history", False, "openai/gpt-4o"),
    (GOOD.replace("anthropic/claude-sonnet-4-5", "xai/grok-4.3"), "provider-keeps-history", False, "api.x.ai/v1"),
    (GOOD.replace("anthropic/claude-sonnet-4-5", "groq/x"), "groq-unanswered", True, "model: groq-chat/x"),
    (with_string("postgresql://[USER]:$DB_PASSWORD@[HOST]:5432/postgres"), "connection-string-placeholder", True, ""),
    (with_string("postgresql://me:x@db.example.com:5432/d"), "connection-string-placeholder", True, "up --yes`"),
    (with_string("postgresql://user:password@host:5432/database"), "connection-string-placeholder", True, "up --yes`"),
    (with_string("postgresql://<user>:<password>@<host>/d"), "connection-string-placeholder", True, "up --yes`"),
    *(
        (with_string(f"postgresql://{who}@{place}/d"), "connection-string-placeholder", True, "up --yes`")
        for who, place in (
            *(
                ("{user}:{password}", "{host}:{port}"),
                ("{{user}}:x", "h:1"),
                ("%s:%s", "%s:%s"),
                ("u:p", "DB_HOST:5432"),
            ),
            *(("u:p", "...:5432"), ("u:p", "xxx.xxx.xxx.xxx:5432"), ("u:p", "HOSTNAME")),
        )
    ),
    (with_string("postgresql://${DB_USER:-plano}:p@h:1/d"), "connection-string-default", True, "write `${DB_USER}`"),
    (with_string("postgresql://u:p%ss@DBSERVER:5432/d#x"), "connection-string-fragment", False, "%23"),
    (with_string("postgresql://u:p@YOUR-HOST:5432/d"), "connection-string-placeholder", True, "up --yes`"),
    (with_string("postgresql://u:p@h:5432/d?sslmode=require"), "connection-string-sslmode-require", True, "disable"),
    (with_string("postgresql://u:p@h:5432/d?sslmode=prefer"), "connection-string-sslmode-prefer", False, "TLS"),
    (with_string("postgresql://u:p@ss@h:5432/d"), "connection-string-at-sign", True, "%40"),
    (with_string("postgresql://u:p@h:5432/d#x"), "connection-string-fragment", False, "%23"),
    (with_string("postgresql://u:p@h:5432/d/"), "connection-string-slash", False, "%2F"),
    (with_string(" postgresql://u:p@h:5432/d"), "connection-string-leading-text", True, "postgresql://"),
    (with_string("mysql://u:p@h:3306/d"), "connection-string-scheme", True, "postgresql://"),
    (with_string("postgresql+psycopg://u:p@h:5432/d"), "connection-string-scheme", True, "postgresql://"),
    (with_string("postgresql://u:p@::1:5432/d"), "connection-string-ipv6", True, "[::1]:5432"),
    (with_string("postgresql://u:p@h:5432/d?pgbouncer=true"), "connection-string-parameter-unknown", True, "session"),
    (with_string("postgresql://u:p@h:5432/d?schema=app"), "connection-string-parameter-unknown", True, "search_path"),
    (
        with_string("postgresql://u:p@h:5432/d?target_session_attrs=primary"),
        "connection-string-value",
        True,
        "read-write",
    ),
]
