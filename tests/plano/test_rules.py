"""What Plano does not start with: each kind, with its line and what to write there, and nothing where it starts.

The configurations of `tests/plano/bad` are here again, each mended as its fix says; `tests/plano/test_bad.py` asks the
real planoai and Envoy about them.
"""

from __future__ import annotations

import re

import pytest

from planodev.engines import port_holders
from planodev.plano import config_file, judge
from planodev.problems import BadInput
from tests.support.by_the_words import follow
from tests.support.rules import (
    AGENTS,
    BAD,
    BASE,
    FINE,
    KINDS,
    LATE,
    MENDED,
    PREFERENCE,
    STARTS,
    UNOPENED,
    judged,
    mended,
    with_model,
)


@pytest.fixture(autouse=True)
def _nobody_listens(monkeypatch):
    """Have fixes name the ports that they name where all are free."""
    monkeypatch.setattr(port_holders, "holder", lambda port, addresses: None)


@pytest.mark.parametrize(("text", "code", "said", "fix"), [*KINDS, *LATE])
def test_each_kind_is_told_once_with_its_line_and_a_fix(tmp_path, text, code, said, fix):
    found = judged(text, tmp_path)
    assert [(one.code, one.fatal) for one in found] == [(code, True)], found
    assert said in found[0].message
    assert fix in str(found[0].fix)


@pytest.mark.parametrize(("text", "code", "fix"), UNOPENED)
def test_a_listener_at_the_port_of_the_one_that_opens_is_a_warning(tmp_path, text, code, fix):
    (found,) = judged(text, tmp_path)
    assert (found.code, found.fatal) == (code, False)
    assert fix in str(found.fix)
    assert judged(follow(str(found.fix), found.message, text), tmp_path) == []


@pytest.mark.parametrize("text", FINE)
def test_nothing_is_told_of_what_starts(tmp_path, text):
    assert judged(text, tmp_path) == []


@pytest.mark.parametrize(
    "named", ["model_aliases: {f: {target: openai/gpt-4o}}\n", PREFERENCE.replace("[c]", "[openai/gpt-4o]")]
)
def test_a_name_that_only_a_wildcard_has_gets_an_entry_of_its_own(tmp_path, named):
    text = with_model("model: openai/*") + named
    (found,) = [one for one in judged(text, tmp_path) if one.fatal]
    entry = "- {model: openai/gpt-4o, access_key: $OPENAI_API_KEY}"
    assert f"add `{entry}` below `model_providers:` in line 4" in str(found.fix)
    mended = text.replace("state_storage", f"  {entry}\nstate_storage")
    assert [one for one in judged(mended, tmp_path) if one.fatal] == []


def test_the_ports_are_compared_with_the_database_s_own_alone(tmp_path):
    text = BASE.replace("12000", "5433")
    assert judged(text, tmp_path) == []
    assert judged(text, tmp_path, port=None) == []
    assert [one.code for one in judged(text, tmp_path, port=5433)] == ["port-of-database"]


@pytest.mark.parametrize("provider", ["openai", "groq", "gemini", "xai", "azure_openai", "vercel", "mine"])
def test_an_address_with_an_unmatched_bracket_is_told_of_every_provider(tmp_path, provider):
    entry = f"model: {provider}/x, base_url: 'http://[', access_key: $K"
    text = with_model(entry if provider != "mine" else entry + ", provider_interface: openai")
    assert "base-url-invalid" in [one.code for one in judged(text, tmp_path)]


def test_every_bad_configuration_is_in_one_of_the_tables():
    assert {path.stem for path in BAD.glob("*.yaml")} == {*MENDED, *STARTS}


@pytest.mark.parametrize("name", MENDED)
def test_a_bad_configuration_is_told_and_is_good_once_its_fix_was_followed(tmp_path, name):
    code, old, new = MENDED[name]
    found = [one for one in judged((BAD / f"{name}.yaml").read_text(), tmp_path) if one.fatal]
    assert [one.code for one in found] == [code]
    written = [part.strip(",}\n") for part in re.findall(r"[\w.]+: \S+", new)]
    assert not old or any(part in str(found[0].fix) for part in [*written, "remove"])
    assert [one for one in judged(mended(name), tmp_path) if one.fatal] == []


@pytest.mark.parametrize("name", sorted(STARTS))
def test_what_starts_has_no_error(tmp_path, name):
    found = judged((BAD / f"{name}.yaml").read_text(), tmp_path)
    kept = [] if name in ("ok", "port-12000") else ["provider-keeps-history"]
    assert [(one.code, one.fatal) for one in found] == [(code, False) for code in kept]


def test_what_a_file_says_stands_in_a_message_without_control_characters_and_shortened(tmp_path):
    (found,) = judged(BASE.replace("anthropic/c", '"\\e[31m' + "x" * 200 + '"'), tmp_path)
    assert "\x1b" not in found.message
    assert len(found.message) < 200


@pytest.mark.parametrize("wanted", ["5432", "12001"])
def test_a_port_that_a_fix_names_is_free(tmp_path, monkeypatch, wanted):
    held = {5433, 5434, 8000}
    monkeypatch.setattr(port_holders, "holder", lambda port, addresses: "a program" if port in held else None)
    text = BASE.replace("12000", wanted).replace("type: model, name: m", "type: agent, name: m, agents: [{id: x}]")
    found = {one.code: str(one.fix) for one in judged(text + AGENTS, tmp_path)}
    assert "`port: 8001`" in (found.get("port-of-database") or found["port-of-plano"])
    assert wanted != "5432" or "--port 5435`" in found["port-of-database"]


@pytest.mark.parametrize(("text", "code", "said", "fix"), [*KINDS, *LATE])
def test_what_a_fix_says_mends_it_when_it_is_followed_to_the_letter(tmp_path, text, code, said, fix):
    (found,) = judged(text, tmp_path)
    left = judged(follow(str(found.fix), found.message, text), tmp_path)
    # Where a reference was missing, the next one may be: what was said is never said again.
    assert [one.code for one in left if one.fatal and one.message == found.message] == []
    assert not [one for one in left if one.code == code and said in one.message]


def test_an_unset_variable_of_the_session_cache_is_told_where_it_is_known(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(BASE + "routing: {session_cache: {type: redis, url: $REDIS_URL}}\n")
    config = config_file.load(path)

    def told(environment):
        return [one.code for one in judge.judge_config(config, environment, "native")]

    assert told({"A": "b"}) == ["session-cache-url"]
    assert told({"REDIS_URL": "redis://h:6379"}) == []


def test_certificates_are_looked_for_where_envoy_runs_on_this_machine(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(BASE + "overrides: {upstream_tls_ca_path: /nowhere/ca.pem}\n")
    assert judge.judge_config(config_file.load(path), None, "docker") == []


def test_chatgpt_needs_a_login_of_planoai(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    text = with_model("model: chatgpt/gpt-5")
    (found,) = judged(text, tmp_path)
    assert (found.code, found.fatal) == ("chatgpt-login", False)
    assert "planoai chatgpt login" in str(found.fix)
    (tmp_path / ".plano/chatgpt").mkdir(parents=True)
    (tmp_path / ".plano/chatgpt/auth.json").touch()
    assert judged(text, tmp_path) == []


def test_without_a_default_the_first_model_stands_for_it(tmp_path):
    text = BASE.replace("  - {model", "  - {model: openai/g, access_key: $K}\n  - {model").replace(
        ", default: true", ""
    )
    assert [one.code for one in judged(text, tmp_path)] == ["default-not-stored"]


@pytest.mark.parametrize(
    ("name", "model", "stored"), [("perplexity/a", "pp/s", True), ("search", "perplexity/s", False)]
)
def test_perplexity_s_path_goes_by_the_name_of_the_entry(tmp_path, name, model, stored):
    entry = f"name: {name}, model: {model}, base_url: 'https://h', provider_interface: openai, default: true"
    text = BASE.replace("model: anthropic/c, access_key: $K, default: true", entry)
    assert [one.code for one in judged(text, tmp_path)] == ([] if stored else ["provider-keeps-history"])


def test_a_line_is_that_of_the_file_as_it_stands(tmp_path):
    before = config_file.ConfigFile(tmp_path / "config.yaml", BASE.replace("12000", "9092"))
    after = config_file.ConfigFile(before.path, "# one\n# two\n" + before.text, before)
    (found,) = judge.judge_config(after, None, "native")
    assert "(line 3)" in found.message


def test_beside_another_program_s_file_the_one_of_plano_is_named(tmp_path):
    (tmp_path / "config.yaml").write_text("model_list: []\n")
    (tmp_path / "plano_config.yaml").write_text(BASE)
    with pytest.raises(BadInput) as told:
        _ = config_file.load(tmp_path / "config.yaml").content
    assert "up --config plano_config.yaml`" in str(told.value.problem.fix)
