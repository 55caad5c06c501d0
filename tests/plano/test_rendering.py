"""Templates: nothing undefined renders as nothing, and what comes out is a configuration that keeps state."""

import re

import jinja2
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from planodev import rendering
from planodev.plano import config_file, providers
from planodev.postgres.connection import CONNECTION_STRING

TEMPLATES = rendering.config_templates()
MODELS = ["anthropic/claude-sonnet-4-5", "ollama/llama3.1:8b", "openai/gpt-4o"]


def rendered(template, models=MODELS):
    entries = [providers.entry(model) for model in models]
    text = rendering.render(f"config/{template}.yaml.j2", providers=entries, connection_string=CONNECTION_STRING)
    return text, YAML(typ="safe", pure=True).load(text)


def test_the_documented_templates_are_there():
    assert {"support-agent", "responses"} <= set(TEMPLATES)


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("left_out", ["providers", "connection_string"])
def test_an_undefined_variable_is_an_error(template, left_out):
    values = {"providers": [providers.entry(MODELS[0])], "connection_string": CONNECTION_STRING}
    del values[left_out]
    with pytest.raises(jinja2.UndefinedError, match=left_out):
        rendering.render(f"config/{template}.yaml.j2", **values)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_keeps_conversations_in_postgres_and_listens_where_state_is_used(template):
    text, content = rendered(template)
    assert content["version"] == "v0.4.0"
    assert content["state_storage"] == {"type": "postgres", "connection_string": CONNECTION_STRING}
    assert [x["port"] for x in content["listeners"] if x["type"] == "model"] == [12000]
    assert all({"type", "name", "port"} <= set(listener) for listener in content["listeners"])
    assert text.endswith("\n")


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_names_the_models_with_keys_as_planoai_takes_them(template):
    _, content = rendered(template)
    assert content["model_providers"] == [
        {"model": MODELS[0], "access_key": "$ANTHROPIC_API_KEY", "default": True},
        {"model": MODELS[1], "base_url": "http://localhost:11434"},
        {
            "model": "openai-chat/gpt-4o",
            "access_key": "$OPENAI_API_KEY",
            "base_url": "https://api.openai.com/v1",
            "provider_interface": "mistral",
        },
    ]


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_says_what_the_form_costs_where_it_costs_something(template):
    assert "The price: `reasoning`" in rendered(template, ["openai/gpt-4o"])[0]
    assert "The price" not in rendered(template, ["groq/x", "anthropic/y"])[0]


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_agent_that_a_listener_names_has_an_address(template):
    _, content = rendered(template)
    known = {agent["id"] for agent in content.get("agents", []) if agent["url"]}
    assert {agent["id"] for listener in content["listeners"] for agent in listener.get("agents", [])} <= known


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_is_rendered_lacks_nothing_by_planodevs_own_check(tmp_path, template):
    path = tmp_path / "config.yaml"
    path.write_text(rendered(template)[0])
    assert config_file.load(path).lacks is None


def accepted(model):
    try:
        return providers.check_model(model) == model
    except ValueError:
        return False


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a machine that has other work, too
@given(
    st.sampled_from(sorted(providers.BY_NAME)),
    st.from_regex(re.compile(r"[\w.:/@+#' \"-]{1,12}", re.ASCII), fullmatch=True),
)
@example("ollama", "llama3.1:")
def test_every_model_that_is_accepted_comes_back_from_the_yaml_as_it_was(provider, name):
    assume(accepted(f"{provider}/{name}"))
    _, content = rendered("responses", [f"{provider}/{name}"])
    prefix = f"{provider}-chat" if providers.BY_NAME[provider].chat_url else provider
    assert content["model_providers"][0]["model"] == f"{prefix}/{name}"
