"""A misspelt model is told, with the one that was meant; a model that no list has is none for that."""

from __future__ import annotations

import os

import pytest

from planodev.plano import known_models, models, providers

MISSPELT = [
    ("anthropic/claude-sonet-4-6", "claude-sonnet-4-6"),
    ("anthropic/cladue-opus-4-8", "claude-opus-4-8"),
    ("anthropic/claude-sonnet-4.6", "claude-sonnet-4-6"),
    ("anthropic/claude-4-sonnet", "claude-sonnet-4"),
    ("anthropic/Claude-Haiku-4-5", "claude-haiku-4-5"),
    ("openai/gpt4o", "gpt-4o"),
    ("openai/gpt-40", "gpt-4o"),
    ("openai/gpt-4o-mni", "gpt-4o-mini"),
    ("openai/gtp-4.1-mini", "gpt-4.1-mini"),
    ("gemini/gemini-2.5-flsh", "gemini-2.5-flash"),
    ("mistral/mistral-large-lates", "mistral-large-latest"),
    ("deepseek/deepseek-v4-flsh", "deepseek-v4-flash"),
    ("xai/grok4.3", "grok-4.3"),
]
FINE = [
    *("anthropic/claude-sonnet-4-7", "anthropic/claude-sonnet-4-6", "openai/gpt-4", "openai/gpt-6", "openai/o5"),
    *("openai/gpt-4o-audio-preview", "openai/*", "gemini/gemini-2.5-ultra", "mistral/mistral-tiny-9999"),
    *("together_ai/openai/gpt-oss-20b", "groq/lama-3", "openrouter/anthropic/claude-sonet-4-6", "ollama/lama3.1"),
    *("plano/Plano-Orchestrator", "nobody/claude-sonet-4-6", "openai/", "openai"),
]


def model(name, **more):
    return models.of({"model_providers": [{"model": name, **more}]})[0]


@pytest.mark.parametrize(("name", "meant"), MISSPELT)
def test_the_one_that_was_meant(name, meant):
    assert known_models.meant(model(name), None) == meant


@pytest.mark.parametrize("name", FINE)
def test_nothing_is_said_of_one_that_may_be_there(name):
    assert known_models.meant(model(name), None) is None


def test_the_address_says_whose_it_is():
    there, other = "https://api.openai.com/v1", "http://localhost:8000/v1"
    form = {"provider_interface": "mistral"}
    assert known_models.meant(model("openai-chat/gpt4o", base_url=there, **form), None) == "gpt-4o"
    assert known_models.meant(model("openai-chat/gpt4o", base_url=other, **form), None) is None
    assert known_models.meant(model("openai/gpt4o", base_url=there), None) == "gpt-4o"
    assert known_models.meant(model("openai/gpt4o", base_url=other), None) is None


def test_every_model_that_planodev_chooses_is_known():
    for provider in providers.PROVIDERS:
        assert known_models.meant(model(f"{provider.name}/{provider.model or 'x'}"), None) is None


def test_no_known_model_is_taken_for_another():
    lines = [line for line in known_models._own().splitlines() if "/" in line and not line.startswith("#")]
    assert len(lines) > 300
    assert [line for line in lines if known_models.meant(model(line), None)] == []


def test_what_planoai_brings_leads(tmp_path):
    packages = tmp_path / "lib/python3.12/site-packages/planoai/data"
    packages.mkdir(parents=True)
    text = "providers:\n  x-ai:\n  - x-ai/grok-9-house\n  openai:\n  - openai/gpt4o\n"
    (packages / "provider_models.yaml").write_text(text)
    (tmp_path / "bin").mkdir()
    for name, text in (("python3", ""), ("planoai", f"#!{tmp_path}/bin/python3\n")):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}/bin{os.pathsep}/usr/bin"}
    assert known_models.meant(model("xai/grok-9-huose"), environment) == "grok-9-house"
    assert known_models.meant(model("openai/gpt4o"), environment) is None
    assert known_models.meant(model("openai/gpt4o"), {"PATH": "/usr/bin"}) == "gpt-4o"


@pytest.mark.parametrize(("typed", "meant"), [("antropic/claude-x", "anthropic/claude-x"), ("claude/c", "anthropic/c")])
def test_a_provider_that_was_meant(typed, meant):
    with pytest.raises(ValueError, match=f"did you mean `{meant}`"):
        providers.check_model(typed)
