"""Model providers: whose key decides, and which models a template takes."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planodev.plano import providers


@pytest.mark.parametrize(
    ("env", "shell", "provider", "why"),
    [
        ({}, {}, "openai", "no provider key"),
        ({"ANTHROPIC_API_KEY": "k"}, {}, "anthropic", "ANTHROPIC_API_KEY is in .env"),
        ({}, {"GROQ_API_KEY": "k"}, "groq", "GROQ_API_KEY is in the shell"),
        ({"GROQ_API_KEY": "k"}, {"ANTHROPIC_API_KEY": "k"}, "groq", ".env"),  # `.env` before the shell
        ({"OPENAI_API_KEY": "k"}, {"MISTRAL_API_KEY": "k"}, "mistral", "the shell"),  # a provider that is stored first
        ({"OPENAI_API_KEY": "k"}, {}, "openai", "OPENAI_API_KEY is in .env"),
        ({"ANTHROPIC_API_KEY": ""}, {"GEMINI_API_KEY": "k"}, "gemini", "the shell"),
        ({"XIAOMI": "k", "PATH": "/bin"}, {}, "openai", "no provider key"),
    ],
)
def test_the_keys_that_are_there_decide(env, shell, provider, why):
    model, reason = providers.choose([(".env", env), ("the shell", shell)])
    assert model.partition("/")[0] == provider
    assert why in reason
    assert providers.check_model(model) == model


def test_every_key_alone_leads_to_its_own_provider_or_to_none():
    for name, provider in providers.BY_NAME.items():
        if provider.key and provider.model:
            assert providers.choose([("", {provider.key: "k"})])[0] == f"{name}/{provider.model}"


@pytest.mark.parametrize(
    "model", ["openai/gpt-4o", "ollama/llama3.1:8b", "together_ai/meta-llama/Llama-3", "groq/a@b+c"]
)
def test_a_model_of_a_known_provider_is_taken_as_it_is(model):
    assert providers.check_model(model) == model


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("gpt-4o", "PROVIDER/MODEL"),
        ("openai/", "PROVIDER/MODEL"),
        ("/gpt-4o", "PROVIDER/MODEL"),
        ("OpenAI/gpt-4o", "PROVIDER/MODEL"),
        ("openai/a b", "PROVIDER/MODEL"),
        ("openai/a\n", "PROVIDER/MODEL"),
        ("openai/*", "PROVIDER/MODEL"),
        ("nosuch/x", "knows no provider `nosuch`; it knows anthropic"),
        ("azure_openai/gpt", "base_url"),
        ("amazon_bedrock/claude", "base_url"),
    ],
)
def test_a_model_that_will_not_do_says_why(model, said):
    with pytest.raises(ValueError) as caught:
        providers.check_model(model)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("model", "stored"),
    [
        ("openai/gpt-4o", False),
        ("xai/g", False),
        ("chatgpt/x", False),
        ("vercel/x", False),
        ("anthropic/c", True),
        ("ollama/x", True),
    ],
)
def test_providers_that_keep_the_history_themselves_are_known(model, stored):
    assert providers.stored_by_plano(model) is stored


@given(st.text(max_size=30))
def test_no_text_makes_the_check_fail_in_another_way(text):
    with suppress(ValueError):
        assert providers.check_model(text) == text
