"""Which models Plano stores: by the path that a request for them is sent to, as seen with the real Plano."""

from __future__ import annotations

import pytest

from planodev.plano import config_file, judge, models
from planodev.plano.config_edit import with_stored_models
from tests.support.stored_models import AFTER

# entry, path, stored
ROWS = [
    ({"model": "openai/gpt-4o"}, "/v1/responses", False),
    ({"model": "xai/grok-4.3"}, "/v1/responses", False),
    ({"model": "vercel/x", "base_url": "https://ai-gateway.vercel.sh/v1"}, "/v1/responses", False),
    ({"model": "openai/x", "base_url": "http://h"}, "/v1/responses", False),
    ({"model": "openai/x", "base_url": "http://h/"}, "/v1/responses", False),
    ({"model": "openai/x", "base_url": "http://h/v1"}, "/v1/responses", False),
    ({"model": "openai/x", "base_url": "http://h:8000/v1/"}, "/v1/responses", False),
    ({"model": "openai/x", "base_url": "http://h/api/v1"}, "/api/v1/responses", True),
    ({"model": "xai/x", "base_url": "http://h/api/v1/"}, "/api/v1/responses", True),
    ({"model": "vercel/x", "base_url": "http://h/api/v1"}, "/api/v1/responses", True),
    ({"model": "openai/*"}, "/v1/responses", False),
    ({"model": "local/x", "base_url": "http://h", "provider_interface": "openai"}, "/v1/responses", False),
    ({"model": "local/x", "base_url": "http://h/v1", "provider_interface": "vercel"}, "/v1/responses", False),
    ({"model": "local/x", "base_url": "http://h/api/v1", "provider_interface": "openai"}, "/api/v1/responses", True),
    ({"model": "local/x", "base_url": "http://h/v1", "provider_interface": "mistral"}, "/v1/chat/completions", True),
    ({"model": "local/x", "base_url": "http://h", "provider_interface": "deepseek"}, "/v1/chat/completions", True),
    (
        {"model": "local/x", "base_url": "http://h", "provider_interface": "gemini"},
        "/v1beta/openai/chat/completions",
        True,
    ),
    ({"model": "perplexity/sonar", "base_url": "http://h", "provider_interface": "openai"}, "/responses", True),
    ({"model": "chatgpt/gpt-5.4"}, "/backend-api/codex/responses", True),
    ({"model": "groq/x"}, "/openai/v1/responses", False),
    ({"model": "groq/x", "base_url": "https://api.groq.com/openai/v1"}, "/openai/v1/v1/responses", False),
    ({"model": "local/x", "base_url": "http://h", "provider_interface": "groq"}, "/openai/v1/responses", False),
    *(
        ({"model": f"{name}/x"}, "/v1/chat/completions", True)
        for name in ("anthropic", "mistral", "deepseek", "together_ai", "moonshotai", "digitalocean", "xiaomi")
    ),
    ({"model": "ollama/x", "base_url": "http://localhost:11434"}, "/v1/chat/completions", True),
    ({"model": "openrouter/x", "base_url": "https://openrouter.ai/api/v1"}, "/api/v1/chat/completions", True),
    ({"model": "edenai/x", "base_url": "https://api.edenai.run/v3"}, "/v3/chat/completions", True),
    ({"model": "gemini/x"}, "/v1beta/openai/chat/completions", True),
    ({"model": "zhipu/x"}, "/api/paas/v4/chat/completions", True),
    ({"model": "qwen/x", "base_url": "https://h"}, "/compatible-mode/v1/chat/completions", True),
    (
        {"model": "azure_openai/x", "base_url": "https://h"},
        "/openai/deployments/x/chat/completions?api-version=2025-01-01-preview",
        True,
    ),
    ({"model": "amazon_bedrock/x", "base_url": "https://h"}, "/model/x/converse", True),
]


@pytest.mark.parametrize(("entry", "path", "stored"), ROWS)
def test_the_path_at_the_provider_decides_what_is_stored(entry, path, stored):
    (model,) = models.of({"model_providers": [entry]})
    assert (models.upstream_path(model), model.stored) == (path, stored)


@pytest.mark.parametrize("entry", [entry for entry, _, stored in ROWS if not stored and "*" not in entry["model"]])
def test_what_is_not_stored_is_so_in_the_form_of_chat_completions(entry):
    (model,) = models.of({"model_providers": [entry]})
    (after,) = models.of({"model_providers": [{**entry, **model.chat_form}]})
    assert (after.stored, after.model_id) == (True, model.model_id)
    assert after.prefix not in ("openai", "xai", "groq", "vercel")


def test_a_wildcard_and_chatgpt_have_no_other_form():
    entries = [{"model": "openai/*"}, {"model": "chatgpt/x", "base_url": "http://h/v1"}]
    assert [model.chat_form for model in models.of({"model_providers": entries})] == [None, None]


HEAD = "version: v0.4.0\nlisteners: [{type: model, name: m, port: 12000}]\nmodel_providers:\n"
STORAGE = 'state_storage: {type: postgres, connection_string: "postgresql://u:p@h:1/d"}\n'
OPENAI, XAI, GROQ = "  - {model: openai/gpt-4o%s}\n", "  - {model: xai/g%s}\n", "  - {model: groq/l%s}\n"
CLAUDE, GEMINI = "  - {model: anthropic/c%s}\n", "  - {model: gemini/g%s}\n"
WILDCARD = "  - {model: xai/*}\n"
XAI_CHAT = "  - {model: xai-chat/g, base_url: 'https://api.x.ai/v1', provider_interface: mistral}\n"
ROUTER = '  - {model: plano/r, base_url: "http://localhost:1"%s}\n'
DEFAULT = ", default: true"
PREFER = "routing_preferences: [{name: a, description: b, models: [%s]}]\n"


def told(tmp_path, *entries, more=""):
    path = tmp_path / "config.yaml"
    path.write_text(HEAD + "".join(entries) + STORAGE + more)
    return judge.judge_config(config_file.load(path), None, "native")


@pytest.mark.parametrize(
    ("entries", "more", "codes"),
    [
        ([OPENAI % DEFAULT], "", ["provider-keeps-history"]),
        ([OPENAI % DEFAULT, XAI % ""], "", ["provider-keeps-history"]),
        ([OPENAI % DEFAULT, ROUTER % ""], "", ["provider-keeps-history"]),
        ([ROUTER % ""], "", ["no-models"]),
        ([OPENAI % DEFAULT, CLAUDE % ""], "", ["default-not-stored"]),
        ([OPENAI % "", CLAUDE % DEFAULT], "", []),
        ([OPENAI % "", CLAUDE % ""], "", ["default-not-stored"]),  # the first one stands for it
        ([WILDCARD, CLAUDE % DEFAULT, XAI_CHAT], "", ["wildcard-not-stored"]),
        ([WILDCARD, CLAUDE % DEFAULT], "", []),
        ([GROQ % DEFAULT], "", ["groq-unanswered!"]),
        ([GROQ % ""], "", ["groq-unanswered!"]),
        ([GROQ % DEFAULT, CLAUDE % ""], "", ["groq-unanswered!"]),
        ([GROQ % "", CLAUDE % DEFAULT], "", ["groq-unanswered"]),
        ([GROQ % "", OPENAI % DEFAULT], "", ["groq-unanswered", "provider-keeps-history"]),
        ([OPENAI % "", CLAUDE % DEFAULT], PREFER % "openai/gpt-4o, anthropic/c", ["preferences-mixed"]),
        ([OPENAI % "", CLAUDE % DEFAULT], PREFER % "gpt-4o", ["preferences-mixed"]),
        ([OPENAI % DEFAULT, CLAUDE % ""], PREFER % "c", ["default-not-stored", "preferences-mixed"]),
        ([OPENAI % "", CLAUDE % DEFAULT, GEMINI % ""], PREFER % "anthropic/c, gemini/g", []),
        ([OPENAI % DEFAULT, XAI % ""], PREFER % "openai/gpt-4o, xai/g", ["provider-keeps-history"]),
        (
            [OPENAI % ", routing_preferences: [{name: a, description: b}]", CLAUDE % DEFAULT],
            "",
            ["preferences-mixed"],
        ),
    ],
)
def test_which_clients_find_nothing_is_told(tmp_path, entries, more, codes):
    found = told(tmp_path, *entries, more=more)
    assert [f"{one.code}{'!' if one.fatal else ''}" for one in found] == codes, found
    assert all(
        "--store-all --yes`" in str(one.fix) for one in found if one.code not in ("no-models", "wildcard-not-stored")
    )


def test_the_default_that_is_not_stored_names_one_that_is_and_the_exact_lines(tmp_path):
    (found,) = told(tmp_path, OPENAI % DEFAULT, CLAUDE % "")
    assert "`openai/gpt-4o` (line 4)" in found.message
    for part in ("`anthropic/c`", "`model: openai-chat/gpt-4o`", "`base_url: https://api.openai.com/v1`", "line 4"):
        assert part in str(found.fix)


BEFORE = """\
version: v0.4.0   # mine
listeners: [ {type: model, name: m, port: 12000} ]
model_providers:
  # the one that all use
  - model: openai/gpt-4o   # today
    access_key: $OPENAI_API_KEY
    default: true
  - {"model": "xai/grok-4.3", "access_key": $XAI_API_KEY}
  - base_url: http://localhost:8080/v1
    model: 'local/llama'
    provider_interface: openai
  - model: anthropic/c
  - model: groq/l
    base_url: https://api.groq.com
model_aliases:
  fast: {target: "openai/gpt-4o"}
  slow: {target: gpt-4o}
routing_preferences:
  - {name: a, description: openai/gpt-4o, models: [openai/gpt-4o, anthropic/c, xai/grok-4.3]}
model_metrics_sources:
  - {type: cost, provider: models.dev, model_aliases: {openai/gpt-4o: openai/gpt-4o}}
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_storing_all_changes_those_models_and_what_names_them_and_nothing_else(end, mark):
    before, after = (mark + text.replace("\n", end) for text in (BEFORE, AFTER))
    assert with_stored_models(before) == after
    assert with_stored_models(after) == after


def test_an_anchor_of_a_model_stays_and_what_stands_for_it_follows():
    text = "model_providers:\n  - {model: &big %s}\nmodel_aliases:\n  smart: {target: *big}\n"
    form = 'openai-chat/gpt-4o, base_url: "https://api.openai.com/v1", provider_interface: "mistral"'
    assert with_stored_models(text % "openai/gpt-4o") == text % form


def test_a_file_whose_models_are_all_stored_or_have_no_other_form_stays_as_it_is():
    text = "model_providers:\n  - model: openai/*\n  - model: anthropic/c\n  - model: chatgpt/x\n"
    assert with_stored_models(text) == text
