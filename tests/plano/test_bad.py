"""Bad configurations, and those that planodev writes, before the real planoai and the real Envoy 1.37."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planodev import rendering
from planodev.plano import config_file, models, providers, rules, schema
from planodev.plano.config_edit import with_stored_models
from planodev.postgres.connection import CONNECTION_STRING
from tests.support.real_planoai import RENDER, Helper
from tests.support.rules import BAD, BASE, FINE, KINDS, MENDED, STARTS, mended
from tests.support.stored_models import AFTER

# What ends where neither planoai nor `envoy --mode validate` looks: a port that another process has, and brightstaff.
LATER = {"agport-9901", "port-9091", "port-5432", "session-cache-redis-nourl", "two-defaults"}


@pytest.mark.parametrize("name", sorted({*MENDED} - LATER))
def test_what_is_told_is_refused_by_planoai_or_envoy(refused, name):
    assert refused(BAD / f"{name}.yaml")


@pytest.mark.parametrize("name", sorted(STARTS))
def test_what_is_not_told_is_accepted_by_both(refused, name):
    assert refused(BAD / f"{name}.yaml") is None


@pytest.mark.parametrize("name", sorted(MENDED))
def test_what_is_mended_as_its_fix_says_is_accepted_by_both(refused, tmp_path, name):
    (tmp_path / "config.yaml").write_text(mended(name))
    assert refused(tmp_path / "config.yaml") is None


# Kinds that only brightstaff refuses, or the database's port.
BY_BRIGHTSTAFF = {
    *(
        "two-defaults",
        "session-cache-url",
        "metrics-source-missing",
        "metrics-source-twice",
        "preference-unknown-model",
    ),
    *("port-of-database",),
}


@pytest.mark.parametrize(("text", "code"), [(text, code) for text, code, *_ in KINDS if code not in BY_BRIGHTSTAFF])
def test_every_kind_of_rule_is_one_of_planoai_or_envoy(refused, tmp_path, text, code):
    (tmp_path / "config.yaml").write_text(text)
    admin = code == "port-of-plano" and "9901" in text  # which Envoy meets when it listens
    assert bool(refused(tmp_path / "config.yaml")) is not admin


@pytest.mark.parametrize("text", FINE)
def test_nothing_is_told_of_what_both_accept(refused, tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    assert refused(tmp_path / "config.yaml") is None


@pytest.mark.parametrize("mode", ["docker", "native"])
@pytest.mark.parametrize("template", rendering.config_templates())
@pytest.mark.parametrize("provider", [provider.name for provider in providers.OFFERED])
def test_every_template_with_every_provider_is_accepted_by_both_and_stored(refused, tmp_path, template, provider, mode):
    model = f"{provider}/{providers.BY_NAME[provider].model or 'some-model'}"
    text = rendering.render(
        f"config/{template}.yaml.j2", providers=[providers.entry(model)], connection_string=CONNECTION_STRING
    )
    if mode == "docker":  # as planoai does before it starts the container
        text = text.replace("localhost", "host.docker.internal")
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert refused(path) is None
    assert [one.stored for one in models.of(config_file.load(path).content)] == [True]


def test_what_store_all_writes_is_accepted_by_both(refused, tmp_path):
    (tmp_path / "config.yaml").write_text(AFTER)
    assert refused(tmp_path / "config.yaml") is None
    assert with_stored_models(AFTER) == AFTER


@pytest.mark.planoai
def test_names_of_clusters_are_those_of_planoai_s_template(tmp_path):
    (tmp_path / "config.yaml").write_text(BASE)
    process = Helper(RENDER, tmp_path)
    _, rendered = process(str(tmp_path / "config.yaml"))
    process.close()
    written = json.loads(Path(rendered).read_text())["static_resources"]["clusters"]
    assert {one["name"] for one in written} == rules._CLUSTERS


def without_words(part, *, names=False):
    """Return a schema without its descriptions; `names` says that the keys are those of a configuration."""
    if isinstance(part, dict):
        kept = {key: one for key, one in part.items() if names or key not in ("description", "default", "$schema")}
        return {key: without_words(one, names=key in ("properties", "patternProperties")) for key, one in kept.items()}
    return [without_words(one) for one in part] if isinstance(part, list) else part


def test_planodev_has_the_schema_that_planoai_has(schema_of_planoai):
    assert without_words(schema_of_planoai) == schema.load()
    assert set(schema.load()["properties"]) == config_file.KEYS | {"llm_providers"}
