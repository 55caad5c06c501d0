"""What planodev writes beside `.env`: the configuration, as planoai itself judges it, and .gitignore."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.git import git
from tests.support.tiers import slow_but

pytestmark = pytest.mark.embedded

MODELS = [
    [],
    ["anthropic/claude-sonnet-4-5"],
    ["ollama/llama3.1"],
    ["openai/gpt-4o", "anthropic/claude-sonnet-4-5", "mistral/mistral-large-latest", "groq/llama-3.3-70b-versatile"],
    ["gemini/gemini-2.5-flash", "deepseek/deepseek-v4-flash", "xai/grok-4.3", "together_ai/meta-llama/Llama-3-70b"],
    ["digitalocean/x", "vercel/y", "openrouter/z", "edenai/w", "moonshotai/k2", "zhipu/glm", "xiaomi/mimo"],
]


@pytest.mark.parametrize("template", slow_but(["responses"], ["support-agent", "responses"]))
def test_planoai_accepts_what_is_rendered(make_project, judge, template):
    for number, models in enumerate(MODELS):
        project = make_project(f"{template}-{number}")
        arguments = [part for model in models for part in ("--model", model)]
        project("up", "--template", template, *arguments)
        assert judge(str(project.path / "config.yaml"))[0] is None
        project("down", "--delete-data", "--yes")


def test_models_of_the_same_name_which_planoai_refuses_are_refused(project):
    assert project("up", "--model", "openai/gpt-4o", "--model", "vercel/gpt-4o", "--json", code=2).error == "bad-model"


@pytest.mark.parametrize(
    ("in_file", "in_shell", "model"),
    [
        ("", {}, "anthropic/claude-sonnet-4-6"),
        ("", {"OPENAI_API_KEY": "k"}, "openai-chat/gpt-4o"),
        ("", {"OPENAI_API_KEY": "k", "MISTRAL_API_KEY": "k"}, "mistral/mistral-large-latest"),
        ("OPENAI_API_KEY=k\n", {"GROQ_API_KEY": "k"}, "groq-chat/llama-3.3-70b-versatile"),
        ("GEMINI_API_KEY=k\n", {"ANTHROPIC_API_KEY": "k"}, "gemini/gemini-2.5-flash"),
    ],
)
def test_the_keys_that_are_there_choose_the_model(project, in_file, in_shell, model):
    if in_file:
        project.write(".env", in_file)
    done = project("up", "--json", **in_shell)
    assert f"model: {model}" in (project.path / "config.yaml").read_text()
    assert not {w["code"] for w in done.json["warnings"]} & {"provider-keeps-history", "default-not-stored"}


def test_a_key_that_planoai_would_not_find_is_named_with_the_command_that_puts_it_there(project):
    done = project("up", "--json", ANTHROPIC_API_KEY="sk-from-the-shell")
    warned = [w for w in done.json["warnings"] if w["code"] == "key-not-in-env-file"]
    assert len(warned) == 1
    assert "only in the shell" in warned[0]["message"]
    assert "sk-from-the-shell" not in done.out + done.err
    command = warned[0]["fix"].strip("`")
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    environment = {**project.environment, "ANTHROPIC_API_KEY": "sk-from-the-shell", "PATH": path}
    subprocess.run(["sh", "-c", command], cwd=project.path, env=environment, check=True)
    assert project.env["ANTHROPIC_API_KEY"] == "sk-from-the-shell"
    assert project("up", "--json").json["warnings"] == []


def test_an_existing_configuration_is_left_byte_for_byte(project):
    text = (
        "# mine\nversion: v0.3.0\nlisteners: [{type: model, name: m, port: 12000}]\n"
        'model_providers: [{model: ollama/llama3.1, base_url: "http://localhost:11434"}]\n'
        'state_storage: {type: postgres, connection_string: "postgresql://${DB_USER}:${DB_PASS}@${DB_HOST}:${DB_PORT}/${DB_NAME}"}\n'
    )
    project.write("plano_config.yaml", text)
    done = project("up", "--model", "openai/gpt-4o", "--json")
    assert (project.path / "plano_config.yaml").read_text() == text
    assert not (project.path / "config.yaml").exists()
    about_files = [w["code"] for w in done.json["warnings"] if w["code"] != "port-moved"]  # whoever has 5432 here
    assert about_files == ["config-kept"]
    assert done.json["data"]["config_file"].endswith("plano_config.yaml")


def test_an_up_that_is_typed_again_has_no_warning_of_the_configuration_that_it_has_written(project):
    typed = ("up", "--model", "ollama/llama3.1", "--model", "openai/gpt-4o", "--template", "responses")
    keys = {"OPENAI_API_KEY": "sk-of-the-shell"}
    project(*typed, "--save-keys", **keys)
    assert project(*typed, "--json", **keys).json["warnings"] == []  # as the fix of an interrupted one has it
    other = project("up", "--model", "ollama/llama3.1", "--json").json
    assert [one["code"] for one in other["warnings"]] == ["config-kept"]


@pytest.mark.slow
def test_foreign_lines_of_env_stay_in_their_place(project):
    text = "# head\nexport FOO='a b'\nDB_USER=shop\n\nMULTI=\"one\ntwo\"\n  BAR = baz # why\n"
    project.write(".env", text)
    project("up")
    assert (project.path / ".env").read_text().startswith(text)
    assert project.env["DB_USER"] == "shop"


class TestGit:
    @pytest.fixture
    def repository(self, project):
        from tests.support.requirements import require

        require("git")
        git(project.path, "init", "-q")
        return project

    def test_a_repository_that_does_not_ignore_env_gets_the_line(self, repository):
        (repository.path / ".gitignore").write_text("dist")
        done = repository("up")
        assert (repository.path / ".gitignore").read_text() == "dist\n.env\n"
        assert "`.env` added" in done.err
        assert ".env" not in git(repository.path, "status", "--porcelain").replace(".gitignore", "")
        repository("up")
        assert (repository.path / ".gitignore").read_text() == "dist\n.env\n"

    @pytest.mark.slow
    def test_one_that_ignores_it_already_is_left_alone(self, repository):
        (repository.path / ".gitignore").write_text("*.env\n.env*\n")
        repository("up")
        assert (repository.path / ".gitignore").read_text() == "*.env\n.env*\n"

    @pytest.mark.slow
    def test_a_tracked_env_is_a_loud_warning(self, repository):
        repository.write(".env", "FOO=1\n")
        git(repository.path, "add", "-f", ".env")
        git(repository.path, "commit", "-q", "-m", "oops")
        done = repository("up", "--json")
        warned = [w for w in done.json["warnings"] if w["code"] == "env-file-tracked"]
        assert len(warned) == 1
        assert "git rm -f --cached .env" in warned[0]["fix"]


@pytest.mark.docker
def test_four_readers_read_the_five_keys_alike(project, planoai_reads):
    from dotenv import dotenv_values

    from planodev.project.env_file import read_as_planoai
    from planodev.project.env_keys import ALL as KEYS
    from tests.support.requirements import require

    project.write(".env", 'DB_PASS="p@ss w\'o"\nOTHER=x\n')
    project("up")
    path = project.path / ".env"
    seen = [dict(dotenv_values(path, interpolate=False)), read_as_planoai(path.read_text())]
    shell = subprocess.run(
        ["sh", "-c", "set -a; . ./.env; env"], cwd=project.path, capture_output=True, text=True, check=True
    ).stdout
    seen.append(dict(line.split("=", 1) for line in shell.splitlines() if "=" in line))
    require("docker")
    container = subprocess.run(
        ["docker", "run", "--rm", "--env-file", str(path), "--entrypoint", "env", "postgres:16"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    seen.append(dict(line.split("=", 1) for line in container.splitlines() if "=" in line))
    seen.append(planoai_reads(str(path)))
    assert len({tuple(values[key] for key in KEYS) for values in seen}) == 1
