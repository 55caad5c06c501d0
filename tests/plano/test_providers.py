"""Model providers: whose key decides, and which models a template takes."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planodev.plano import providers


@pytest.mark.parametrize(
    ("env", "shell", "provider", "why"),
    [
        ({}, {}, "anthropic", "no provider key"),
        ({"ANTHROPIC_API_KEY": "k"}, {}, "anthropic", "by ANTHROPIC_API_KEY"),
        ({}, {"GROQ_API_KEY": "k"}, "groq", "by GROQ_API_KEY"),
        ({"GROQ_API_KEY": "k"}, {"ANTHROPIC_API_KEY": "k"}, "groq", "by GROQ_API_KEY"),  # `.env` before the shell
        (
            {"OPENAI_API_KEY": "k"},
            {"MISTRAL_API_KEY": "k"},
            "mistral",
            "by MISTRAL_API_KEY",
        ),  # one that loses nothing first
        ({"OPENAI_API_KEY": "k"}, {}, "openai", "by OPENAI_API_KEY"),
        ({"ANTHROPIC_API_KEY": ""}, {"GEMINI_API_KEY": "k"}, "gemini", "by GEMINI_API_KEY"),
        ({"ANTHROPIC_API_KEY": "<your key>"}, {"GEMINI_API_KEY": "k"}, "gemini", "by GEMINI_API_KEY"),
        ({}, {"GOOGLE_API_KEY": "k"}, "gemini", "by GOOGLE_API_KEY"),
        ({}, {"GROK_API_KEY": "k"}, "xai", "GROK_API_KEY"),
        ({}, {"MOONSHOT_API_KEY": "k"}, "moonshotai", "MOONSHOT_API_KEY"),
        ({}, {"DIGITALOCEAN_API_KEY": "k"}, "digitalocean", "DIGITALOCEAN_API_KEY"),
        ({"XIAOMI": "k", "PATH": "/bin"}, {}, "anthropic", "no provider key"),
        ({}, {"AZURE_OPENAI_API_KEY": "k"}, "anthropic", "AZURE_OPENAI_API_KEY needs a base_url"),
    ],
)
def test_the_keys_that_are_there_decide(env, shell, provider, why):
    model, reason = providers.choose([(".env", env), ("the shell", shell)])
    assert model.partition("/")[0] == provider
    assert why in reason
    assert providers.check_model(model) == model


def test_every_key_of_a_provider_leads_to_it_and_is_the_one_that_is_written():
    for provider in providers.OFFERED:
        for key in provider.keys:
            model, _ = providers.choose([("", {key: "k-1"})])
            assert model == f"{provider.name}/{provider.model}"
            assert providers.entry(model, [("", {key: "k-1"})]).key == key


def test_without_a_key_there_is_a_model_that_is_stored_as_it_is():
    assert providers.entry(providers.FALLBACK).model == providers.FALLBACK


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


@given(st.text(max_size=30))
def test_no_text_makes_the_check_fail_in_another_way(text):
    with suppress(ValueError):
        assert providers.check_model(text) == text
