"""`up --store-all` on any configuration: it changes what its diff shows, and what was accepted still is."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from planodev.plano import config_file, judge, models
from planodev.plano.config_edit import NotEditable, diff, with_stored_models

HEAD = "version: v0.4.0\nlisteners:\n  - {type: model, name: m, port: 12000}\n"
STORAGE = "state_storage:\n  type: postgres  # kept\n  connection_string: 'postgresql://u:p@h:1/d'\n"
# The keys of an entry beside `model` and `access_key`.
KINDS = [
    ("openai/gpt-4o", {}),
    ("openai/gpt-4.1", {"base_url": "https://api.openai.com/v1"}),
    ("openai/local", {"base_url": "http://localhost:8000/api/v1"}),
    ("openai/*", {}),
    ("xai/grok-4.3", {"name": "grok"}),
    ("groq/llama-3.3-70b-versatile", {"base_url": "https://api.groq.com"}),
    ("groq/l2", {}),
    ("vercel/anthropic/c3", {"base_url": "https://ai-gateway.vercel.sh/v1"}),
    ("house/llama", {"base_url": "http://localhost:8080", "provider_interface": "openai"}),
    ("house/qwen", {"base_url": "http://localhost:8080/v1", "provider_interface": "groq"}),
    ("house/kept", {"base_url": "http://localhost:8080/v1", "provider_interface": "mistral"}),
    ("anthropic/claude-sonnet-4-6", {}),
    ("mistral/mistral-large-latest", {}),
    ("openrouter/x/y", {"base_url": "https://openrouter.ai/api/v1"}),
]
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
QUOTES = st.sampled_from(["", "'", '"'])


@st.composite
def entries(draw):
    """Return one entry in any form: a block or a flow mapping, quoted or not, its keys in any order, with comments."""
    name, more = draw(st.sampled_from(KINDS))
    pairs = {"model": name, **more}
    if draw(st.booleans()):
        pairs["access_key"] = "$SOME_KEY"
    order = draw(st.permutations(list(pairs)))
    key, value = draw(QUOTES), draw(QUOTES)
    value = value or ("'" if "*" in name else "")
    written = [f"{key}{one}{key}: {value}{pairs[one]}{value}" for one in order]
    if draw(st.booleans()):
        return name, [f"{{{', '.join(written)}}}"]
    return name, [line + draw(st.sampled_from(["", "  # openai/gpt-4o", " "])) for line in written]


@st.composite
def configurations(draw):
    """Return the text of a configuration with these entries, and with what names them."""
    drawn = draw(st.lists(entries(), min_size=1, max_size=5, unique_by=lambda one: one[0].rpartition("/")[2]))
    indent = draw(st.sampled_from(["", "  ", "    "]))
    lines = [draw(st.sampled_from(["model_providers:", "'model_providers':", "llm_providers:  # mine"]))]
    for _, entry in drawn:
        lines += [f"{indent}- {entry[0]}", *(f"{indent}  {line}" for line in entry[1:])]
        lines += draw(st.sampled_from([[], ["", "# between"]]))
    names = [name for name, _ in drawn if "*" not in name]
    if names and draw(st.booleans()):
        targets = draw(st.lists(st.sampled_from([*names, *(name.partition("/")[2] for name in names)]), max_size=3))
        lines += (
            ["model_aliases:", *(f"  a{at}: {{target: {name}}}" for at, name in enumerate(targets))] if targets else []
        )
    if names and draw(st.booleans()):
        listed = ", ".join(draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)))
        lines += ["routing_preferences:", f"  - {{name: a, description: openai/gpt-4o, models: [{listed}]}}"]
    parts = [STORAGE, "\n".join(lines) + "\n"]
    text = HEAD + "".join(draw(st.permutations(parts)))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


def load(text):
    return YAML(typ="safe", pure=True).load(text)


def judged(text, path):
    path.write_bytes(text.encode())
    return {one.code for one in judge.judge_config(config_file.load(path), None, "native", port=1) if one.fatal}


PROVIDERS = "version: v0.4.0\nlisteners:\n  - {type: model, name: m, port: 12000}\nmodel_providers:\n"


def test_a_preference_keeps_the_name_of_an_entry_and_an_alias_gets_the_new_form(tmp_path):
    text = (
        f"{PROVIDERS}  - {{name: openai/o, model: openai/o, default: true}}\n{STORAGE}"
        "model_aliases: {a: {target: openai/o}}\n"
        "routing_preferences: [{name: c, description: d, models: [openai/o]}]\n"
    )
    after = load(with_stored_models(text))
    assert after["routing_preferences"][0]["models"] == ["openai/o"]
    assert after["model_aliases"]["a"]["target"] == "openai-chat/o"
    assert judged(with_stored_models(text), tmp_path / "config.yaml") == set()


def local(*entries):
    """Return a configuration with models of servers on this machine: port and interface of each."""
    lines = (
        f"  - {{model: a{at}/m{at}, base_url: 'http://localhost:{port}/v1', provider_interface: {interface}}}\n"
        for at, (port, interface) in enumerate(entries)
    )
    return f"{PROVIDERS}{''.join(lines)}{STORAGE}"


def test_two_ports_of_one_host_get_an_interface_each_as_plano_would_ask_one_of_them_for_both(tmp_path):
    after = with_stored_models(local((8001, "openai"), (8002, "mistral"), (8003, "openai"), (8001, "openai")))
    found = models.of(load(after))
    assert [model.interface for model in found] == ["deepseek", "mistral", "xiaomi", "deepseek"]
    assert [*models.merged(found)] == []
    assert judged(after, tmp_path / "config.yaml") == set()


def test_more_ports_of_one_host_than_interfaces_are_refused():
    text = local((8001, "openai"), (8002, "openai"), (8003, "openai"), (8004, "openai"))
    with pytest.raises(NotEditable, match="`a0/m0` and `a3/m3` would both go to one server") as refused:
        with_stored_models(text)
    assert "another host name" in refused.value.fix
    mended = with_stored_models(text.replace("localhost:8004", "127.0.0.1:8004"))
    assert load(mended)["model_providers"][3]["provider_interface"] == "mistral"


@pytest.mark.parametrize("path", ["", "/", "/openai", "/openai/", "/openai/v1"])
def test_groq_gets_the_path_of_its_chat_completions(path):
    text = f"{PROVIDERS}  - {{model: groq/m, base_url: 'https://api.groq.com{path}'}}\n{STORAGE}"
    (model,) = models.of(load(with_stored_models(text)))
    assert models.upstream_path(model) == "/openai/v1/chat/completions"


@settings(max_examples=100, deadline=None, suppress_health_check=CHECKS)
@given(configurations())
def test_it_changes_what_its_diff_shows_and_nothing_else(tmp_path, text):
    try:
        after = with_stored_models(text)
    except NotEditable:
        return
    # What is in no line of the diff is there as it was, byte for byte.
    shown = [line for line in diff(text, after, "c")[2:] if line[0] in "+-"]
    gone, come = ([line[1:] for line in shown if line[0] == sign] for sign in "-+")
    kept = [line for line in text.splitlines() if line not in gone]
    assert [line for line in after.splitlines() if line not in come] == [line for line in kept if line not in come]
    old, new = load(text), load(after)
    key = "model_providers" if "model_providers" in old else "llm_providers"
    renamed = {}
    for was, model in zip(old[key], models.of(old), strict=True):
        form = {} if model.stored or not model.chat_form else model.chat_form
        renamed |= {model.name: form["model"]} if form else {}
        was.update(form)
    for alias in old.get("model_aliases", {}).values():
        alias["target"] = renamed.get(alias["target"], alias["target"])
    for preference in old.get("routing_preferences", ()):
        preference["models"] = [renamed.get(name, name) for name in preference["models"]]
    assert new == old
    assert list(new) == list(load(text))
    assert all(model.stored or model.wildcard for model in models.of(new))
    assert with_stored_models(after) == after
    # What a client asks for goes on to be a model's name.
    assert {model.model_id for model in models.of(load(text))} == {model.model_id for model in models.of(new)}


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=CHECKS)
@given(configurations())
def test_what_is_accepted_is_accepted_after_it(tmp_path, text):
    after = with_stored_models(text)
    before = judged(text, tmp_path / "config.yaml")
    assert judged(after, tmp_path / "config.yaml") <= before - {"groq-unanswered"}


@settings(max_examples=25, deadline=None, suppress_health_check=CHECKS)
@given(configurations())
def test_what_planoai_and_envoy_accept_they_accept_after_it(refused, tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode())
    assume(refused(path) is None)
    path.write_bytes(with_stored_models(text).encode())
    assert refused(path) is None
