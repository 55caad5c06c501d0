"""What every engine, template and command must be: a new one is one new file, and these find it."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from planodev import rendering
from planodev.cli.main import COMMANDS
from planodev.engines import Engine
from planodev.engines.docker.engine import DockerEngine
from planodev.engines.embedded.engine import EmbeddedEngine
from planodev.plano import config_file, models, providers
from planodev.postgres import connection, state_table
from tests.support.fake_engine import FakeEngine

ROOT = Path(__file__).parents[2]
TEMPLATES = rendering.config_templates()


def rendered(template, *models):
    return rendering.render(
        f"config/{template}.yaml.j2",
        providers=[providers.entry(model) for model in models],
        connection_string=connection.CONNECTION_STRING,
    )


def test_every_template_file_is_one_to_choose():
    assert set(TEMPLATES) == {p.name.removesuffix(".yaml.j2") for p in (ROOT / "templates/config").iterdir()}
    assert "support-agent" in TEMPLATES


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("provider", sorted(provider.name for provider in providers.OFFERED))
def test_every_template_stores_with_every_provider(template, provider, tmp_path):
    text = rendered(template, f"{provider}/some-model")
    (tmp_path / "config.yaml").write_text(text)
    config = config_file.load(tmp_path / "config.yaml")
    assert config.lacks is None
    assert config.content["state_storage"]["connection_string"] == connection.CONNECTION_STRING
    assert [entry["port"] for entry in config.content["listeners"] if entry["type"] == "model"] == [12000]
    assert [named.name for named in config.keys] == list(providers.BY_NAME[provider].keys[:1])
    assert [model.stored for model in models.of(config.content)] == [True]
    assert "${" not in str(config.content["model_providers"])
    assert text.endswith("\n")
    assert YAML(typ="safe").load(text)["version"] == "v0.4.0"


def test_planoai_accepts_every_template_with_every_provider(tmp_path, judge):
    for template in TEMPLATES:
        for provider in providers.OFFERED:
            path = tmp_path / f"{template}-{provider.name}.yaml"
            path.write_text(rendered(template, f"{provider.name}/some-model"))
            assert judge(str(path))[0] is None, path.name


@pytest.mark.parametrize("engine", [DockerEngine, EmbeddedEngine, FakeEngine])
def test_every_engine_has_the_whole_interface(engine):
    for name, wanted in vars(Engine).items():
        if name.startswith("_") or not callable(wanted):
            continue
        have = inspect.signature(getattr(engine, name)).parameters
        assert list(have) == list(inspect.signature(wanted).parameters), name
    assert engine.why == ""
    assert all(hasattr(engine, name) for name in ("info", "traits", "wording"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_module_of_its_name_that_says_what_it_does(name):
    command = importlib.import_module(f"planodev.cli.{name}").command
    assert command.name == name
    assert command.help
    options = {option for parameter in command.params for option in parameter.opts}
    if name not in ("run", "env", "psql", "logs"):  # whose output is another program's, or has a format of its own
        assert "--json" in options


def test_the_table_is_made_by_statements_that_can_run_twice():
    assert all("IF NOT EXISTS" in line for line in state_table.CREATE.splitlines() if line.startswith("CREATE"))
