"""What `production` writes: the files are the product."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import planodev.postgres.state_table
from planodev import production
from planodev.plano.config_file import ConfigFile
from planodev.production import compose, endpoints, ownership, server_faults
from tests.support.git import git
from tests.support.postgres_server import CONFIG, PASSWORD, Project, own_directory, postgres
from tests.support.requirements import require_path
from tests.support.tiers import slow_but

SNAPSHOTS = Path(__file__).parent / "snapshots"
PROVIDERS = [name for name in production.names() if name != production.KUBERNETES]
TEXTS = {
    ".env.production",
    ".env.production.example",
    "conversation_states.sql",
    "PRODUCTION.md",
    "compose.production.yaml",
}
SIDECAR = {"pgbouncer.ini", "pgbouncer_hba.conf", "pgbouncer.Dockerfile"}


def test_each_file_is_a_provider_and_its_record_is_complete():
    assert set(PROVIDERS) == {"rds", "cloud-sql", "azure", "supabase", "neon", "self-hosted"}
    for name in PROVIDERS:
        provider = production.load(name)
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", provider.checked)
        assert all(fact.source.startswith("https://") and fact.text.endswith(".") for fact in provider.facts.values())
        assert (provider.sslmode != "prefer") == bool(provider.ca and provider.ca_source)


def test_help_lists_the_providers(project):
    assert all(name in " ".join(project("production", "--help").out.split()) for name in PROVIDERS)


@pytest.mark.parametrize("provider", [*PROVIDERS, "self-hosted --direct"])
def test_the_texts_are_as_they_were_read_last(project, provider):
    """`UPDATE_SNAPSHOTS=1` writes them anew; the difference is to be read."""
    project("production", *provider.split())
    written = {path.name: path.read_text() for path in project.path.iterdir() if path.name != "config.yaml"}
    assert set(written) == TEXTS | (set() if provider.endswith("--direct") else SIDECAR)
    for name, text in written.items():
        kept = SNAPSHOTS / provider.replace(" --", "-") / name.replace(".env", "env")
        if os.environ.get("UPDATE_SNAPSHOTS"):
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(text)
        assert text == kept.read_text(), name
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        assert "\n\n\n" not in text
        assert all(line == line.rstrip() for line in text.splitlines()), name


# The environment file, and who reads it


def read_by_sh(path):
    done = subprocess.run(
        ["sh", "-euc", 'set -a; . "$1"; env -0', "sh", str(path)],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry)


def read_by_dotenv(path):
    from dotenv import dotenv_values

    return dotenv_values(path)


def read_by_compose(name):
    path = Path(name)
    compose = require_path(shutil.which("docker-compose"), "docker-compose")
    (path.parent / "read.yaml").write_text(f"services: {{it: {{image: it, env_file: {path.name}}}}}\n")
    done = subprocess.run(
        [compose, "-f", "read.yaml", "config"], cwd=path.parent, capture_output=True, text=True, check=True
    )
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(done.stdout)["services"]["it"]["environment"]


@pytest.mark.parametrize(
    "reader", [read_by_sh, pytest.param("planoai", marks=pytest.mark.planoai), read_by_dotenv, read_by_compose]
)
@pytest.mark.parametrize("provider", slow_but(["rds"], PROVIDERS))
def test_every_reader_reads_the_same(request, project, provider, reader):
    read = request.getfixturevalue("planoai_reads") if reader == "planoai" else reader
    for options in ((), ("--generate-password", "--host", "db.example.com")):
        project("production", provider, "--force", *options)
        for name in (".env.production", ".env.production.example"):
            text = project.read(name)
            wanted = dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
            assert set(wanted) == {"DB_USER", "DB_PASS", "DB_HOST", "DB_PORT", "DB_NAME", "ANTHROPIC_API_KEY"}
            found = read(str(project.path / name))
            assert {key: found.get(key) for key in wanted} == wanted
            assert wanted["DB_USER"] == "plano_prod"


@pytest.mark.parametrize("provider", slow_but(["rds"], PROVIDERS))
def test_verify_refuses_what_is_still_to_be_filled_in(project, provider):
    data = project("production", provider, "--json").json["data"]
    failed = project.verify(code=7).json["error"]
    assert failed["code"] == "env-file-placeholder"
    for filled in data["to_fill_in"]:
        name, _, file = filled.partition(" in ")
        assert file != ".env.production" or name in failed["message"]


# Files that are there


def test_the_secrets_are_for_their_owner_and_the_result_names_every_file(project):
    data = project("production", "rds", "--json", "--generate-password").json["data"]
    assert data["provider"] == "rds"
    assert {entry["path"]: entry["done"] for entry in data["files"]} == dict.fromkeys(TEXTS | SIDECAR, "created")
    assert (project.path / ".env.production").stat().st_mode & 0o777 == 0o600
    assert data["to_fill_in"] == ["ANTHROPIC_API_KEY in .env.production", "host in pgbouncer.ini"]
    password = re.search("DB_PASS=(.*)", project.read(".env.production"))[1]
    assert re.fullmatch("[A-Za-z0-9_-]{32}", password)


def test_nothing_is_written_over_what_is_there(project):
    project("production", "rds")
    project("production", "rds")  # nothing would change
    project.write("pgbouncer.ini", "mine")
    before = {path: path.read_bytes() for path in project.path.iterdir()}
    failed = project("production", "rds", "--json", "--generate-password", code=4)
    assert failed.error == "file-exists"
    project.write(".env.production", project.read(".env.production").replace("FILL-IN-password", "mine"))
    project("production", "neon", code=4)
    assert project.read("pgbouncer.ini") == "mine"
    assert {path.name for path in project.path.iterdir()} == {path.name for path in before}


def test_a_configuration_called_as_the_deployments_file_makes_no_kubernetes(project):
    project.write("plano.yaml", CONFIG)
    project("production", "rds", "--config", "plano.yaml")
    assert "docker compose" in server_faults._log_of_pgbouncer(project.path / ".env.production")


def test_the_days_of_the_sql_are_an_edit(project):
    project("production", "rds")
    project.write("conversation_states.sql", project.read("conversation_states.sql").replace("'90 days'", "'30 days'"))
    failed = project("production", "neon", "--json", code=4)
    assert (failed.error, "30 days" in project.read("conversation_states.sql")) == ("file-exists", True)


def test_what_was_filled_in_is_kept(project):
    project("production", "rds", "--host", "a.example.com")
    text = (
        project.read(".env.production").replace("FILL-IN-password", "my-own").replace("DB_NAME=ready", "DB_NAME=chats")
    )
    project.write(".env.production", text + "MORE=thing\n")
    project("production", "rds", "--generate-password")
    again = project.read(".env.production")
    assert "DB_PASS=my-own\n" in again
    assert " dbname=chats\n" in project.read("pgbouncer.ini")
    assert again.endswith("MORE=thing\n")
    assert "host=a.example.com" in project.read("pgbouncer.ini")
    project.write("pgbouncer.ini", project.read("pgbouncer.ini").replace("a.example.com", "by-hand.example.com"))
    project("production", "rds")
    assert project.read("pgbouncer.ini").count("host=by-hand.example.com port=5432 dbname=chats") == 2
    project("production", "rds", "--host", "b.example.com")
    assert "host=b.example.com" in project.read("pgbouncer.ini")


def test_a_value_over_several_lines_is_kept(project):
    project("production", "rds")
    key = '\nTLS_KEY="-----BEGIN KEY-----\nMIIE=\nOTHER=1\n-----END KEY-----"\n'
    project.write(".env.production", project.read(".env.production") + key)
    project("production", "rds", "--host", "db.example.com")
    assert key in project.read(".env.production")


@pytest.mark.parametrize("written", ["'in quotes'", '"a #b"', "a#b", "p%40p", "$x"])
def test_a_value_that_was_filled_in_is_kept_as_it_is_written(project, written):
    project("production", "rds")
    project.write(".env.production", project.read(".env.production").replace("FILL-IN-password", written))
    project("production", "rds", "--host", "db.example.com")
    assert f"\nDB_PASS={written}\n" in project.read(".env.production")


def test_another_provider_keeps_the_secrets_and_not_the_place(project):
    project("production", "cloud-sql", "--host", "10.0.0.7", "--generate-password")
    password = re.search("DB_PASS=.*", project.read(".env.production"))[0]
    warnings = project("production", "neon", "--force", "--json").json["warnings"]
    assert [w["code"] for w in warnings] == ["values-replaced"]
    assert "host=10.0.0.7" in warnings[0]["message"]
    assert "DB_PASS" not in warnings[0]["message"]
    text = project.read(".env.production")
    assert password in text
    assert "DB_HOST=127.0.0.1\nDB_PORT=6432\n" in text
    assert "host=FILL-IN-host port=5432 dbname=neondb\n" in project.read("pgbouncer.ini")
    project("production", "neon", "--host", "a.example.com")
    assert project("production", "self-hosted", "--json", code=4).error == "file-exists"
    project("production", "self-hosted", "--force")
    assert "host=FILL-IN-host port=5432 dbname=plano\n" in project.read("pgbouncer.ini")


def test_the_steps_make_the_database_that_is_named(project):
    project("production", "rds")
    project.write("pgbouncer.ini", project.read("pgbouncer.ini").replace("dbname=plano", "dbname=chats"))
    project("production", "rds")
    assert "'CREATE DATABASE chats'" in project.read("PRODUCTION.md")
    assert "dbname=plano" not in project.read("PRODUCTION.md")


def test_the_host_goes_where_plano_or_pgbouncer_reads_it(project):
    for options, file, text in (
        (("--direct",), ".env.production", "DB_HOST=10.0.0.7\nDB_PORT=5432\n"),
        ((), "pgbouncer.ini", "plano = host=10.0.0.7 port=5432 dbname=plano\n"),
        (("--direct",), ".env.production", "DB_HOST=10.0.0.7\nDB_PORT=5432\n"),
    ):
        project("production", "self-hosted", *options, "--host", "10.0.0.7")
        assert text in project.read(file)
        project("production", "self-hosted", *options)
        assert text in project.read(file)
    for wrong in ("postgresql://u:p@h/d", "h:5432", "a b", ""):
        failed = project("production", "rds", "--json", "--output", "x", "--host", wrong, code=2)
        assert failed.error == "bad-host"
        assert "u:p" not in failed.out


def test_the_machine_itself_is_no_host_for_what_runs_in_a_container(project):
    for host in ("127.0.0.1", "localhost", "LOCALHOST.", "db.localhost", "127.9.9.9", "0.0.0.0", "::1", "[::1]"):
        for form in (("self-hosted",), ("cloud-sql",), ("rds", "--for", "kubernetes")):
            assert project("production", *form, "--json", "--host", host, code=2).error == "bad-host"
    assert sorted(path.name for path in project.path.iterdir()) == ["config.yaml"]
    project("production", "self-hosted", "--host", "host.docker.internal")
    assert "host.docker.internal:host-gateway" in project.read("compose.production.yaml")
    ini = project.read("pgbouncer.ini")
    project.write("pgbouncer.ini", ini.replace("host=host.docker.internal", "host=localhost"))
    assert project("production", "self-hosted", "--json", code=2).error == "bad-host"
    project("production", "self-hosted", "--host", "host.docker.internal")
    assert project.read("pgbouncer.ini") == ini


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("rds", "--direct"), "--direct"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(project, arguments, option):
    failed = project("production", *arguments, "--json", code=2)
    assert failed.error == "usage"
    assert option in failed.json["error"]["message"]
    assert sorted(path.name for path in project.path.iterdir()) == ["config.yaml"]


EARLIER = Path(__file__).parent / "earlier"


@pytest.mark.parametrize("provider", slow_but(["rds"], ["rds", "self-hosted"]))
def test_a_directory_of_an_earlier_version_gets_todays_form_with_the_diff(project, provider):
    """What was filled in moves to where it belongs now; the files are as planodev wrote them before it marked them."""
    for file in (EARLIER / provider).iterdir():
        project.write(file.name.replace("env.", ".env."), file.read_text())
    run = project("production", provider)
    assert "-    image: katanemo" in run.err or "+      UV_NO_SYNC" in run.err
    assert "my-own" not in run.out + run.err
    text = project.read(".env.production")
    assert "DB_PASS=my-own\n" in text
    assert "DB_HOST=127.0.0.1\nDB_PORT=6432\nDB_NAME=ready\n" in text
    ini = project.read("pgbouncer.ini")
    assert ini.count("host=db.example.com port=5432 dbname=chats\n") == 2
    assert "pool_mode = transaction\n" in ini
    assert project("production", provider, "--json").json["data"]["to_fill_in"] == []


@pytest.mark.parametrize("file", ["compose.production.yaml", "conversation_states.sql"])
def test_an_edited_file_of_an_earlier_version_is_refused(project, file):
    for path in (EARLIER / "rds").iterdir():
        project.write(path.name.replace("env.", ".env."), path.read_text())
    project.write(file, project.read(file).replace("unless-stopped", "always").replace("GRANT USAGE", "grant usage"))
    before = {path: path.read_bytes() for path in project.path.iterdir()}
    failed = project("production", "rds", "--json", code=4).json["error"]
    assert failed["code"] == "file-exists"
    assert file in failed["message"]
    assert {path: path.read_bytes() for path in project.path.iterdir() if path.name != ".state"} == before


def test_a_file_that_nobody_edited_follows_the_configuration_with_the_diff(project):
    project("production", "rds")
    project.write("config.yaml", CONFIG.replace("12000", "12100"))
    run = project("production", "rds")
    assert '+      - "127.0.0.1:12100:12100"' in run.err
    assert '-      - "127.0.0.1:12000:12000"' in run.err
    again = project("production", "rds", "--json").json["data"]["files"]
    assert {entry["done"] for entry in again} == {"unchanged"}
    project.write("compose.production.yaml", project.read("compose.production.yaml").replace("cpus: 2", "cpus: 4"))
    project.write("config.yaml", CONFIG)
    assert "edited" in project("production", "rds", "--json", code=4).json["error"]["why"]


def test_what_is_at_localhost_is_named_as_the_container_reaches_it(project):
    more = """\
agents:
  - {id: a, url: "http://localhost:8001/v1"}  # the agent
  - {id: b, url: http://127.0.0.1:8002}
  - {id: c, url: http://agents.example.com/localhost}
endpoints:
  shop: {endpoint: "localhost:8003"}
listeners:
  - {type: model, name: llm, port: 12000, address: 0.0.0.0}
"""
    text = CONFIG.replace("listeners:\n  - {type: model, name: llm, port: 12000}\n", more)
    project.write("config.yaml", text)
    warnings = project("production", "rds", "--json").json["warnings"]
    (found,) = [warning for warning in warnings if warning["code"] == "localhost-endpoint"]
    for place in ("http://localhost:8001/v1", "http://127.0.0.1:8002", "localhost:8003"):
        assert place in found["message"]
    there = text.replace("http://localhost:", "http://host.docker.internal:").replace(
        '"localhost:', '"host.docker.internal:'
    )
    assert there.replace("127.0.0.1", "host.docker.internal") in project.read("plano_config.production.yaml")
    compose = project.read("compose.production.yaml")
    assert 'source: "./plano_config.production.yaml"' in compose
    assert 'extra_hosts: ["host.docker.internal:host-gateway"]' in compose
    assert project.read("config.yaml") == text


@pytest.mark.parametrize(
    ("written", "there"),
    [
        ('{url: "http://user:p@localhost:80?x=1"}', '{url: "http://user:p@host.docker.internal:80?x=1"}'),
        ('{url: "http:\\/\\/LOCALHOST.:80"}', '{url: "http://host.docker.internal:80"}'),
        ("{url: &at 'http://[::1]:80'}, {url: *at}", "{url: &at 'http://host.docker.internal:80'}, {url: *at}"),
        ('{url: &at "http:\\/\\/[::1]:80"}, {url: *at}', '{url: &at "http://host.docker.internal:80"}, {url: *at}'),
        ("{url: 0.0.0.0:80, id: 'http://127.0.0.2/localhost'}",) * 2,
        ("{url: http://localhost.example.com, id: mylocalhost:80}",) * 2,
        ("{url: 'http://localhost:${AGENT_PORT}/v1'}", "{url: 'http://host.docker.internal:${AGENT_PORT}/v1'}"),
    ],
)
def test_each_form_of_an_address_of_the_machine_itself(written, there):
    there = there.replace("0.0.0.0:80", "host.docker.internal:80").replace("127.0.0.2", "host.docker.internal")
    there = there.replace("http://host.docker.internal/localhost", "http://127.0.0.2/localhost")  # an id
    config = ConfigFile(Path("config.yaml"), f"agents: [{written}]\n")
    assert endpoints.find(config).reachable(machine=True) == f"agents: [{there}]\n"
    assert endpoints.find(config).reachable(machine=False) == config.text


@pytest.mark.parametrize(
    ("written", "there"), [("'127.0.0.1'", "'0.0.0.0'"), ("'::1'", "'0.0.0.0'"), ("10.0.0.7", "10.0.0.7")]
)
@pytest.mark.parametrize("form", ["listeners: [{{address: {}}}]\n", "listeners: {{egress_traffic: {{address: {}}}}}\n"])
def test_each_form_of_an_address_at_which_plano_listens(form, written, there):
    config = ConfigFile(Path("config.yaml"), form.format(written))
    for machine in (True, False):
        assert endpoints.find(config).reachable(machine=machine) == form.format(there)


# Each key that a configuration may have a text at, and whether that is an address that Plano calls.
PLACES = {
    "agents: [{id: a, url: HERE}]": True,
    "filters: [{id: a, url: HERE}]": True,
    "model_providers: [{model: ollama/m, base_url: HERE}]": True,
    "llm_providers: [{model: ollama/m, base_url: HERE}]": True,
    "endpoints: {shop: {endpoint: HERE}}": True,
    "routing: {session_cache: {type: redis, url: HERE}}": True,
    "tracing: {opentracing_grpc_endpoint: HERE}": True,
    "tracing: {exporters: [{type: posthog, url: HERE}]}": True,
    "model_metrics_sources: [{type: cost, url: HERE}]": True,
    "agents: [{<<: {url: HERE}, id: a}]": True,
    "agents: [{<<: [{url: HERE}], id: a}]": True,
    "agents: [{id: HERE}]": False,
    "filters: [{id: a, tool: HERE}]": False,
    "listeners: [{name: HERE, agents: [{id: HERE, description: HERE}], input_filters: [HERE]}]": False,
    "model_providers: [{model: HERE, name: HERE, access_key: HERE, http_host: HERE, headers: {a: HERE}}]": False,
    "model_providers: [{routing_preferences: [{name: HERE, description: HERE}]}]": False,
    "model_aliases: {HERE: {target: HERE}}": False,
    "endpoints: {HERE: {http_host: HERE}}": False,
    "prompt_targets: [{name: HERE, description: HERE, system_prompt: HERE, endpoint: {name: HERE, path: HERE}}]": False,
    "prompt_targets: [{parameters: [{name: a, description: HERE, default: HERE, enum: [HERE]}]}]": False,
    "prompt_guards: {input_guards: {jailbreak: {on_exception: {message: HERE}}}}": False,
    "routing_preferences: [{name: HERE, description: HERE, models: [HERE]}]": False,
    "system_prompt: HERE": False,
    "tracing: {span_attributes: {static: {url: HERE}}}": False,
    "state_storage: {type: postgres, connection_string: HERE}": False,
    "mode: llm  # HERE": False,
}


@pytest.mark.parametrize("here", ["localhost", "http://localhost:8000/ tells all", "'127.0.0.1'", "http://[::1]:80"])
@pytest.mark.parametrize(("place", "called"), PLACES.items(), ids=[*PLACES])
def test_only_addresses_are_rewritten_and_no_text(place, called, here):
    config = ConfigFile(
        Path("config.yaml"), "version: v0.4.0\n" + place.replace("HERE", json.dumps(here.strip("'"))) + "\n"
    )
    changed = endpoints.find(config).reachable(machine=True)
    assert (changed != config.text) == called == bool(endpoints.find(config).local)
    assert not called or changed.count("host.docker.internal") == 1


# A configuration, and the same for a container: HERE is an address that it calls, THERE the one in its place.
ALIASES = {
    "agents: [{id: a, url: &u HERE}]\nsystem_prompt: *u\n": 'agents: [{id: a, url: &u THERE}]\nsystem_prompt: "HERE"\n',
    "system_prompt: &u HERE\nagents: [{url: *u }, {id: *u , url: *u }]\n": "system_prompt: &u HERE\n"
    'agents: [{url: "THERE" }, {id: *u , url: "THERE" }]\n',
    "system_prompt: &u 'HERE'\nagents: [{url: *u }]\n": "system_prompt: &u 'HERE'\nagents: [{url: \"THERE\" }]\n",
    "agents: [&a {id: a, url: HERE}]\nfilters: [*a ]\n": "agents: [&a {id: a, url: THERE}]\nfilters: [*a ]\n",
    "agents: [{url: &u HERE}, &b {id: *u , url: *u }, {<<: *b , id: *u }]\n": "agents: [{url: &u THERE}, "
    '&b {id: "HERE" , url: *u }, {<<: *b , id: "HERE" }]\n',
    "endpoints: {shop: {endpoint: &u 127.0.0.1}}\nlisteners: [{address: *u }]\n": "endpoints: {shop: {endpoint: &u "
    'host.docker.internal}}\nlisteners: [{address: "0.0.0.0" }]\n',
    "endpoints: {&k 'HERE': {}}\nagents: [{id: *k , url: *k }]\n": "endpoints: {&k 'HERE': {}}\n"
    'agents: [{id: *k , url: "THERE" }]\n',
}


@pytest.mark.parametrize(("text", "there"), ALIASES.items())
def test_a_text_that_is_an_alias_of_an_address_keeps_what_it_says(text, there):
    text, there = (
        one.replace("THERE", "http://other:80").replace("HERE", "http://localhost:80") for one in (text, there)
    )
    config = ConfigFile(Path("config.yaml"), text)
    assert endpoints.find(config).reachable(machine=True) == there.replace("other", "host.docker.internal")
    if "listeners" not in text:
        assert endpoints.find(config).reachable(machine=False) == text


def test_the_configuration_is_taken_apart_once_for_all_of_its_addresses(project, monkeypatch):
    from planodev.production import setup

    asked = []
    monkeypatch.setattr(endpoints, "_composed", lambda text, to=endpoints._composed: asked.append(text) or to(text))
    options = {"provider": "rds"}
    config = ConfigFile(project.path / "config.yaml", project.read("config.yaml"))
    made = setup.gather(project.path / "there", config, options, project.path, on_kubernetes=False)
    compose.render(made)
    assert len(asked) == 1


def test_the_password_of_an_address_is_not_shown(project):
    project.write("config.yaml", CONFIG + "routing: {session_cache: {type: redis, url: 'redis://:s3cret@localhost'}}\n")
    run = project("production", "rds")
    assert "redis://***@localhost" in run.err
    assert "s3cret" not in run.out + run.err
    assert "redis://:s3cret@host.docker.internal" in project.read("plano_config.production.yaml")


def test_a_listener_that_nobody_would_reach_listens_for_all_in_its_container(project):
    project.write("config.yaml", CONFIG.replace("port: 12000", "port: 12000, address: 127.0.0.1"))
    for form, copy in (
        (("rds",), "plano_config.production.yaml"),
        (("rds", "--for", "kubernetes"), "kubernetes/plano_config.yaml"),
    ):
        assert [one["code"] for one in project("production", *form, "--json").json["warnings"]] == ["listener-address"]
        assert "port: 12000, address: 0.0.0.0}" in project.read(copy)


def test_it_judges_the_configuration_as_up_does(project):
    project.write("config.yaml", CONFIG.replace("anthropic/claude-sonnet-4-5", "openai/gpt-4o"))
    warnings = project("production", "rds", "--json").json["warnings"]
    assert "provider-keeps-history" in [warning["code"] for warning in warnings]


def test_the_page_names_the_models_that_are_not_stored(project):
    for models, said in (
        ("model: openai/gpt-4o, access_key: $OPENAI_API_KEY", "it stores nothing for `openai/gpt-4o`: the history"),
        ("model: mistral/m, access_key: $MISTRAL_API_KEY", "It stores what each model in `config.yaml` answers there."),
        (
            "model: groq/l, access_key: $GROQ_API_KEY",
            "each model in `config.yaml` answers there. From `groq/l` `POST /v1/responses` gets no answer.",
        ),
    ):
        project.write("config.yaml", CONFIG.replace("model_providers:\n", f"model_providers:\n  - {{{models}}}\n"))
        project("production", "rds")
        assert said in " ".join(project.read("PRODUCTION.md").split())
    (project.path / "config.yaml").unlink()
    project("production", "rds")
    assert "It stores nothing for models of `openai`, `xai`" in project.read("PRODUCTION.md")


@pytest.mark.parametrize(("form", "at"), [((), ""), (("--for", "kubernetes"), "kubernetes/pgbouncer/")])
def test_a_server_of_ones_own_is_checked_by_its_authority_once_that_is_there(project, form, at):
    def run():
        project("production", "self-hosted", *form, "--host", "db.example.com")
        others = ["compose.production.yaml"] if not form else ["kubernetes/plano.yaml", f"{at}kustomization.yaml"]
        return project.read(f"{at}pgbouncer.ini"), [project.read(name) for name in others]

    before, _ = run()
    assert "\nserver_tls_sslmode = prefer\n" in before
    project.write(f"{at}server-ca.pem", "an authority\n")
    for _ in range(2):
        ini, others = run()
        assert "\nserver_tls_sslmode = verify-full\nserver_tls_ca_file = " in ini
        assert all("server-ca" in text for text in others)
        (project.path / f"{at}server-ca.pem").unlink(missing_ok=True)  # a check is not left out again by itself


@pytest.mark.parametrize(
    ("provider", "form", "path"),
    [
        *((provider, (), "pgbouncer.ini") for provider in PROVIDERS),
        ("rds", ("--for", "kubernetes"), "kubernetes/pgbouncer/pgbouncer.ini"),
        ("kubernetes", (), "kubernetes/pgbouncer/pgbouncer.ini"),
    ],
)
def test_the_file_of_pgbouncer_tells_for_which_provider_it_was_written(project, provider, form, path):
    project("production", provider, *form)
    ini, title = project.read(path), production.load(provider).title
    assert ownership.written_for(ini) == title
    assert ownership.written_for(ini.replace("\n", "\r\n")) == title
    assert ownership.written_for(ini.partition("\n")[2]) == ""


def test_the_file_of_pgbouncer_of_an_earlier_version_tells_it_as_well():
    earlier = (EARLIER / "rds/pgbouncer.ini").read_text()
    assert ownership.written_for(earlier) == production.load("rds").title


@pytest.mark.parametrize(("form", "at"), [((), ""), (("--for", "kubernetes"), "kubernetes/pgbouncer/")])
def test_the_authority_of_another_provider_checks_no_server(project, form, at):
    def run(provider, *options):
        project("production", provider, *form, *options)
        return re.search("server_tls_sslmode = (.*)", project.read(f"{at}pgbouncer.ini"))[1]

    def files():
        return {path: path.read_bytes() for path in project.path.rglob("*") if path.is_file()}

    other = ("production", "self-hosted", *form, "--host", "db.example.com")
    assert run("rds", "--host", "shop.rds.amazonaws.com") == "verify-full"
    project.write(f"{at}server-ca.pem", "Amazon's authority\n")
    before = files()
    assert project(*other, "--json", code=4).error == "file-exists"  # whose fix may be another directory
    for _ in range(2):
        failed = project(*other, "--force", "--json", code=2)
        assert failed.error == "foreign-authority"
        assert f"{at}server-ca.pem` is another provider's; nothing was written" in failed.json["error"]["message"]
        assert files() == before
    moves = re.search("`(mv [^`]*)` moves it away", failed.json["error"]["fix"])[1]
    subprocess.run(shlex.split(moves), check=True)
    for options in (("--host", "db.example.com", "--force"), ()):
        assert run("self-hosted", *options) == "prefer"
    project.write(f"{at}server-ca.pem", "its own authority\n")
    assert run("self-hosted") == "verify-full"


def test_the_authority_of_another_provider_is_still_refused_after_a_run_without_pgbouncer(project):
    project("production", "rds", "--host", "shop.rds.amazonaws.com")
    project.write("server-ca.pem", "Amazon's authority\n")
    project("production", "self-hosted", "--direct", "--force", "--host", "db.example.com")
    assert project("production", "self-hosted", "--json", code=2).error == "foreign-authority"


@pytest.mark.parametrize("host", [[], ["--host", "shop.rds.amazonaws.com"]], ids=str)
def test_without_an_authority_of_another_provider_none_is_named(project, host):
    project("production", "rds", *host)
    warnings = project("production", "self-hosted", "--force", "--json").json["warnings"]
    assert "server-ca.pem" not in json.dumps(warnings)
    assert "\nserver_tls_sslmode = prefer\n" in project.read("pgbouncer.ini")


def test_what_pgbouncer_had_of_another_provider_is_not_taken_after_a_run_without_it(project):
    project("production", "rds", "--host", "shop.rds.amazonaws.com")
    project("production", "self-hosted", "--direct", "--force")
    project("production", "self-hosted")
    ini = project.read("pgbouncer.ini")
    assert "host=FILL-IN-host port=5432 dbname=plano\n" in ini
    assert "\nserver_tls_sslmode = prefer\n" in ini


def test_an_authority_beside_an_environment_file_of_ones_own_checks_the_server(project):
    project.env(DB_HOST="db.example.com")
    project.write("server-ca.pem", "its authority\n")
    project("production", "self-hosted", "--force")
    assert "\nserver_tls_sslmode = verify-full\n" in project.read("pgbouncer.ini")


def test_a_set_up_shows_no_secret(project):
    from planodev.production import setup

    project.env(ANTHROPIC_API_KEY="sk-secret")
    config = ConfigFile(project.path / "config.yaml", project.read("config.yaml"))
    for provider in ("rds", "neon"):
        made = setup.gather(project.path, config, {"provider": provider}, project.path, on_kubernetes=False)
        assert made.values["ANTHROPIC_API_KEY"] == "sk-secret"
        assert "sk-secret" not in repr(made)
        assert PASSWORD not in repr(made)


def test_a_session_pooler_wants_the_reference_of_the_project_behind_each_user(project):
    def owner():
        return re.search(r'owner="(.*?)"', project.read("PRODUCTION.md"))[1]

    pooler = "aws-0-eu-central-1.pooler.supabase.com"
    data = project("production", "supabase", "--host", pooler, "--json").json["data"]
    assert "DB_USER in .env.production" in data["to_fill_in"]
    assert f"host={pooler} port=5432 user=postgres.REF " in owner()
    assert "| `REF` | step 2 |" in project.read("PRODUCTION.md")
    project.write(
        ".env.production", project.read(".env.production").replace("FILL-IN-plano_prod.REF", "plano_prod.abc")
    )
    project("production", "supabase")
    assert "user=postgres.abc " in owner()
    assert "| `REF` |" not in project.read("PRODUCTION.md")
    assert "DB_USER=plano_prod.abc\n" in project.read(".env.production")
    assert "\\password plano_prod'" in project.read("PRODUCTION.md")
    project("production", "supabase", "--force", "--host", "db.abc.supabase.co")
    assert "user=postgres " in owner()
    assert "DB_USER=plano_prod\n" in project.read(".env.production")


def test_what_two_providers_have_alike_is_not_said_to_be_replaced(project):
    project("production", "supabase", "--host", "db.abc.supabase.co")
    (warning,) = project("production", "azure", "--force", "--json").json["warnings"]
    assert "another provider: host=db.abc.supabase.co, dbname=postgres" in warning["message"]
    assert "DB_PORT" not in warning["message"]


def test_another_directory_names_the_configuration_from_there(project):
    """The directory can be moved to another machine: nothing outside of it is named but by what writes it again."""
    (project.path / "conf").mkdir()
    project.write("conf/mine.yaml", CONFIG)
    (project.path / "config.yaml").unlink()
    project("production", "rds", "--output", "deploy/of prod", "--config", "conf/mine.yaml")
    there = Project(project.path / "deploy/of prod")
    (there.path / "config.yaml").unlink()
    assert 'source: "./plano_config.yaml"' in there.read("compose.production.yaml")
    assert CONFIG in there.read("plano_config.yaml")
    again, verify = (
        shlex.split(re.search(f"(?m)^planodev (.*{word}.*)$", there.read("PRODUCTION.md"))[1])
        for word in ("--generate-password", "verify")
    )
    assert again[:2] == ["-C", "../.."]
    command = [sys.executable, "-m", "planodev", *again, "--json"]
    run = subprocess.run(command, cwd=there.path, env=there.environment, capture_output=True, text=True, check=True)
    done = json.loads(run.stdout)["data"]
    assert done["directory"] == str(there.path)
    changed = {entry["path"] for entry in done["files"] if entry["done"] != "unchanged"}
    assert changed == {".env.production", "pgbouncer.ini", "PRODUCTION.md"}
    there.write(".env.production", there.read(".env.production").replace("FILL-IN-key", "k"))
    assert there(*verify, "--timeout", "1", "--json", code=6).error == "connection-refused"
    shown = there("conversations", "--env-file", ".env.production", "--json", code=6)
    assert shown.error == "connection-refused"


def test_a_configuration_that_does_not_store_yet_does_so_where_it_is_deployed(project):
    project.write("config.yaml", CONFIG.partition("state_storage")[0])
    run = project("production", "rds", "--output", "there", "--json")
    assert run.json["warnings"] == []
    assert "state_storage:" in project.read("there/plano_config.yaml")
    (warning,) = project("production", "rds", "--json").json["warnings"]  # where it is mounted as it is
    assert warning["code"] == "config-without-storage"


def test_a_copy_to_which_no_edit_adds_the_storage_is_refused_with_what_to_write(project):
    project.write("config.yaml", CONFIG.partition("state_storage")[0] + "? state_storage\n")
    failed = project("production", "rds", "--output", "there", "--json", code=2)
    assert failed.error == "config-not-editable"
    assert failed.json["error"]["fix"]


def test_a_place_that_cannot_be_written_is_named(project):
    project.write("file", "")
    failed = project("production", "rds", "--json", "--output", "file/below", code=2)
    assert failed.error == "output-unwritable"
    (project.path / "PRODUCTION.md").mkdir()
    assert project("production", "rds", "--json", code=2).error == "output-unwritable"


def test_an_unknown_provider_is_refused_with_those_that_there_are(project):
    assert "'rds'" in project("production", "oracle", code=2).err


def test_without_a_configuration_it_says_so_and_works(project):
    (project.path / "config.yaml").unlink()
    project("production", "rds")
    assert "API_KEY" not in project.read(".env.production")


def test_ports_and_keys_are_those_of_the_configuration(project):
    more = "listeners:\n  - {type: agent, name: support, port: 8000, agents: []}\n"
    project.write("config.yaml", CONFIG.replace("listeners:\n", more).replace("12000", "12100"))
    project("production", "cloud-sql")
    compose = project.read("compose.production.yaml")
    assert '"127.0.0.1:8000:8000"' in compose
    assert "http://127.0.0.1:12100/v1/models" in compose
    assert "http://127.0.0.1:12100/v1/responses" in project.read("PRODUCTION.md")


@pytest.mark.parametrize(
    ("listeners", "wanted"),
    [
        (
            "listeners: [{type: agent, port: 8001}, {type: agent, port: 8002}, {type: prompt, port: 10005}]\n",
            [8001, 8002, 10005, 12000],
        ),
        ("listeners:\n  egress_traffic: {port: 12200}\n  ingress_traffic: {port: 10100}\n", [10100, 12200]),
        ("listeners:\n  - {type: agent, name: a, port: 8001}\n", [8001, 12000]),
    ],
)
def test_the_port_of_each_listener_is_published(project, listeners, wanted):
    start, end = CONFIG.index("listeners:"), CONFIG.index("model_providers:")
    project.write("config.yaml", CONFIG[:start] + listeners + CONFIG[end:])
    project("production", "neon")
    found = re.findall(r'"127\.0\.0\.1:(\d+):\1"', project.read("compose.production.yaml"))
    assert [int(port) for port in found] == [6432, *wanted]


LISTENERS = {
    "{type: model, name: llm, port: 6432}": "12000",
    "{type: agent, name: a, port: 6432, agents: [{id: x, description: d}]}, {type: agent, name: b, port: 8000, "
    "agents: [{id: x, description: d}]}": "8001",
    "{type: prompt, name: p, port: 6432}": "10000",
}


@pytest.mark.parametrize(("listeners", "free"), LISTENERS.items())
@pytest.mark.parametrize("form", [("rds",), ("self-hosted",), ("kubernetes",), ("neon", "--for", "kubernetes")])
def test_a_listener_on_the_port_of_pgbouncer_is_refused_with_a_port_that_is_free(project, form, listeners, free):
    good = project.read("config.yaml")
    project("production", *form, "--generate-password")
    before = {path: path.read_bytes() for path in project.path.rglob("*") if path.is_file()}
    bad = good.replace("listeners:\n  - {type: model, name: llm, port: 12000}\n", f"listeners: [{listeners}]\n")
    bad += "agents: [{id: x, url: http://x.example.com}]\n"
    project.write("config.yaml", bad)
    failed = project("production", *form, "--json", code=2).json["error"]
    assert failed["code"] == "port-of-pgbouncer"
    assert "(line 2)" in failed["message"]
    assert int(re.search(r"`port: (\d+)` in line 2 of `config.yaml`", failed["fix"])[1]) >= int(free)
    after = {path: path.read_bytes() for path in project.path.rglob("*") if path.is_file()}
    assert {path for path in after if after[path] != before.get(path)} == {project.path / "config.yaml"}
    file = "kubernetes/.env.production" if "kubernetes" in form else ".env.production"
    project.write(file, project.read(file).replace("FILL-IN-key", "k"))
    failed = project("verify", "--env-file", file, "--config", "config.yaml", "--timeout", "1", "--json", code=7)
    assert failed.error == "port-of-pgbouncer"


@pytest.mark.parametrize("before", [False, True], ids=["from the first", "after one with PgBouncer"])
def test_without_pgbouncer_its_port_is_free_for_a_listener(project, before):
    if before:
        project("production", "self-hosted")
    project.write("config.yaml", CONFIG.replace("12000", "6432"))
    project("production", "self-hosted", "--direct")
    assert '"127.0.0.1:6432:6432"' in project.read("compose.production.yaml")
    project.write(".env.production", project.read(".env.production").replace("FILL-IN-key", "k"))
    path = ("--env-file", ".env.production", "--config", "config.yaml")
    assert project("verify", *path, "--timeout", "1", "--json", code=None).error != "port-of-pgbouncer"


@pytest.mark.parametrize("port", ["true", "0", "99999", "-1", "'12000'", "[1]"])
def test_what_is_no_port_is_not_published(project, port):
    project.write("config.yaml", CONFIG.replace("12000", port))
    project("production", "rds")
    published = re.findall(r'"127\.0\.0\.1:(.*?)"', project.read("compose.production.yaml"))
    assert published == ["6432:6432", "12000:12000"]


def test_another_version_of_plano_is_kept(project):
    project("production", "rds")
    text = project.read("compose.production.yaml").replace("katanemo/plano:0.4.39", "mirror.example:5000/plano:0.4.40")
    project.write("compose.production.yaml", text)
    project.write("config.yaml", CONFIG.replace("12000", "12100"))
    project("production", "rds")
    assert "    image: mirror.example:5000/plano:0.4.40\n" in project.read("compose.production.yaml")
    assert '"127.0.0.1:12100:12100"' in project.read("compose.production.yaml")


def test_an_ipv6_address_stands_in_brackets_where_a_url_is_made_of_it(project):
    for typed in ("2001:db8::7", "[2001:DB8::7]"):
        project("production", "self-hosted", "--direct", "--generate-password", "--host", typed)
        assert "DB_HOST=[2001:db8::7]\n" in project.read(".env.production")
    project("production", "self-hosted", "--direct")
    assert "DB_HOST=[2001:db8::7]\n" in project.read(".env.production")
    assert 'owner="host=2001:db8::7 port=' in project.read("PRODUCTION.md")
    project("production", "self-hosted")
    assert project.read("pgbouncer.ini").count(" = host=2001:db8::7 port=5432 ") == 2


def test_git_ignores_the_secrets_and_takes_the_example(project):
    require_path(shutil.which("git"), "git")
    git(project.path, "init", "-q")
    project("production", "rds", "--generate-password")
    git(project.path, "add", "-A")
    staged = git(project.path, "diff", "--cached", "--name-only").split()
    assert ".env.production" not in staged
    assert {".env.production.example", ".gitignore", "pgbouncer.ini"} <= set(staged)
    git(project.path, "rm", "-q", "--cached", ".env.production.example")
    project.write(".gitignore", ".env*\n")
    done = project("production", "rds", "--json", "--force").json
    assert [w["code"] for w in done["warnings"]] == ["example-ignored"]
    git(project.path, "add", "-f", ".env.production")
    done = project("production", "rds", "--json", "--force").json
    assert "env-file-tracked" in [w["code"] for w in done["warnings"]]


# The SQL


@pytest.fixture
def empty():
    with postgres("host all all 127.0.0.1/32 scram-sha-256\n") as server:
        yield server


@pytest.mark.parametrize("provider", slow_but(["supabase"], PROVIDERS))
def test_the_sql_runs_twice_on_an_empty_server_and_verify_passes(project, empty, provider):
    project("production", provider)
    database = empty.database()
    before = None
    for _ in range(3):
        done = empty.psql(database, project.path / "conversation_states.sql")
        assert not done.returncode, done.stderr
        now = empty.sql(SHAPE, database=database, fetch=True)
        assert before in (None, now)
        before = now
    empty.sql(f"ALTER ROLE plano_prod PASSWORD '{PASSWORD}'")
    project.env(DB_PORT=empty.port, DB_NAME=database).verify()


SHAPE = """
SELECT relname, relkind, relacl::text, relrowsecurity, pg_get_userbyid(relowner),
  (SELECT string_agg(polname || polcmd::text, ',') FROM pg_policy WHERE polrelid = c.oid),
  (SELECT rolcanlogin FROM pg_roles WHERE rolname = 'plano_prod')
FROM pg_class c WHERE relname LIKE '%conversation_states%' ORDER BY 1"""


@pytest.mark.parametrize("provider", slow_but(["rds"], ["rds", "supabase"]))
def test_the_sql_takes_a_table_that_is_there_and_its_rows(project, empty, provider):

    project("production", provider)
    database = empty.database()
    empty.sql(f"SET ROLE owner; {planodev.postgres.state_table.CREATE}", database=database)
    empty.sql(
        "INSERT INTO conversation_states VALUES ('r', '[]', 1, 'm', 'p', now() - interval '91 days'),"
        " ('s', '[]', 1, 'm', 'p', now())",
        database=database,
    )
    for _ in range(2):
        assert not empty.psql(database, project.path / "conversation_states.sql").returncode
    assert empty.sql("SELECT count(*) FROM conversation_states", database=database, fetch=True) == [(2,)]
    empty.sql(f"ALTER ROLE plano_prod PASSWORD '{PASSWORD}'")
    assert project.env(DB_PORT=empty.port, DB_NAME=database).verify().json["data"]["conversations"] == 2
    prune = re.search(r"-- (DELETE FROM .*;)", project.read("conversation_states.sql"))[1]
    empty.sql(f"SET ROLE owner; {prune}", database=database)
    assert empty.sql("SELECT response_id FROM conversation_states", database=database, fetch=True) == [("s",)]


def test_the_role_may_do_no_more_than_plano_does(project, empty):
    project("production", "rds")
    database = empty.database()
    assert not empty.psql(database, project.path / "conversation_states.sql").returncode
    rights = "SELECT has_table_privilege('plano_prod', 'conversation_states', p) FROM unnest(ARRAY[{}]) p"
    assert set(empty.sql(rights.format("'SELECT', 'INSERT', 'UPDATE'"), database=database, fetch=True)) == {(True,)}
    assert set(
        empty.sql(rights.format("'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'"), database=database, fetch=True)
    ) == {(False,)}
    role = "SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = 'plano_prod'"
    assert empty.sql(role, fetch=True) == [(False,) * 4]
    assert empty.sql(
        "SELECT has_schema_privilege('plano_prod', 'public', 'CREATE')", database=database, fetch=True
    ) == [(False,)]


def test_where_public_is_served_to_the_web_nobody_else_sees_a_row(project, empty):
    """Roles and default privileges as a Supabase project has them."""
    database = empty.database()
    empty.sql("CREATE ROLE anon; CREATE ROLE authenticated; GRANT anon, authenticated TO postgres", database=database)
    empty.sql(
        "GRANT USAGE ON SCHEMA public TO anon, authenticated;"
        "ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated",
        database=database,
    )
    project("production", "supabase")
    for _ in range(2):
        assert not empty.psql(database, project.path / "conversation_states.sql").returncode
    held = "SELECT bool_or(has_table_privilege(r, 'conversation_states', 'SELECT')) FROM unnest(ARRAY{}) r"
    held = held.format(["anon", "authenticated"])
    assert empty.sql(held, database=database, fetch=True) == [(False,)]
    # Even where somebody grants it again.
    empty.sql(
        "GRANT ALL ON conversation_states TO anon; INSERT INTO conversation_states VALUES ('r', '[]', 1, 'm', 'p')",
        database=database,
    )
    empty.sql("ALTER ROLE anon LOGIN")
    seen = empty.sql("SELECT count(*) FROM conversation_states", database=database, user="anon", fetch=True)
    assert seen == [(0,)]


def test_nothing_is_left_behind():
    with own_directory() as directory:
        assert directory.exists()
    assert not directory.exists()


def test_a_server_on_the_same_machine_is_named_alike_by_the_machine_and_its_containers(project):
    project("production", "self-hosted", "--host", "host.docker.internal")
    assert "host-gateway" in project.read("compose.production.yaml")
    (naming,) = re.findall(r"gateway=.*\n.*\n", project.read("PRODUCTION.md"))
    done = subprocess.run(
        ["bash", "-euc", f"docker() {{ echo 172.18.0.1; }}; sudo() {{ cat; }}\n{naming}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "172.18.0.1 host.docker.internal\n"
    project("production", "self-hosted", "--host", "db.example.com", "--force")
    assert "/etc/hosts" not in project.read("PRODUCTION.md")


@pytest.mark.parametrize("name", ["PRODUCTION.md", ".env.production", ".env.production.example"])
def test_a_link_that_leads_out_of_the_directory_is_never_written_through(project, name):
    outside = project.path.parent / "outside"
    outside.write_text("mine\n")
    (project.path / name).symlink_to(outside)
    for force in ((), ("--force",)):
        refused = project("production", "neon", *force, "--json", code=2)
        assert refused.error == "output-unwritable"
        assert f"is a link to `{outside}`, outside of" in refused.json["error"]["message"]
    assert outside.read_text() == "mine\n"
    (project.path / name).unlink()
    (project.path / "docs").mkdir()
    (project.path / "docs/PRODUCTION.md").write_text("old\n")
    (project.path / "PRODUCTION.md").symlink_to("docs/PRODUCTION.md")
    project("production", "neon", "--force")
    assert (project.path / "docs/PRODUCTION.md").read_text() != "old\n"
