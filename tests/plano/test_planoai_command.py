"""Which command lines start a Plano, in which mode, with which configuration and which `.env`."""

from __future__ import annotations

import shlex

import pytest

from planodev.plano import planoai

CASES = [
    # command, mode, configuration, `.env`
    ("planoai up", "native", "config.yaml", ".env"),
    ("planoai up --docker", "docker", "config.yaml", ".env"),
    ("planoai up --docker --foreground", "docker", "config.yaml", ".env"),
    ("planoai up sub/mine.yaml", "native", "sub/mine.yaml", "sub/.env"),
    ("planoai up sub/mine.yaml --docker", "docker", "sub/mine.yaml", "sub/.env"),
    ("planoai up --docker sub/mine.yaml", "docker", "sub/mine.yaml", "sub/.env"),
    ("planoai up mine.yaml", "native", "mine.yaml", ".env"),
    ("planoai up /abs/mine.yaml", "native", "/abs/mine.yaml", "/abs/.env"),
    ("planoai up ./config.yaml", "native", "config.yaml", ".env"),
    ("planoai up --path sub", "native", "sub/config.yaml", "sub/.env"),
    ("planoai up --path=sub --docker", "docker", "sub/config.yaml", "sub/.env"),
    ("planoai up --path old", "native", "old/plano_config.yaml", "old/.env"),
    ("planoai up --path both", "native", "both/config.yaml", "both/.env"),
    ("planoai up --path nowhere", "native", "nowhere/plano_config.yaml", "nowhere/.env"),
    ("planoai up --path sub mine.yaml", "native", "mine.yaml", ".env"),
    ("planoai up --with-tracing --tracing-port 4318", "native", "config.yaml", ".env"),
    ("planoai up --tracing-port 4318 sub/mine.yaml", "native", "sub/mine.yaml", "sub/.env"),
    ("planoai up --verbose", "native", "config.yaml", ".env"),
    ("/opt/venv/bin/planoai up --docker", "docker", "config.yaml", ".env"),
    (r"'C:\venv\Scripts\planoai.exe' up", "native", "config.yaml", ".env"),
    ("uv run planoai up --docker", "docker", "config.yaml", ".env"),
    ("uvx planoai up", "native", "config.yaml", ".env"),
    ("env A=b planoai up", "native", "config.yaml", ".env"),
    ("sh -c 'planoai up --docker'", "docker", "config.yaml", ".env"),
    ("sh -c 'echo hello && planoai up'", "native", "config.yaml", ".env"),
]


@pytest.fixture
def place(tmp_path):
    for name in ("config.yaml", "mine.yaml", "sub/config.yaml", "sub/mine.yaml", "old/plano_config.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "both").mkdir()
    for name in ("config.yaml", "plano_config.yaml"):
        (tmp_path / "both" / name).touch()
    return tmp_path


@pytest.mark.parametrize(("command", "mode", "config", "env"), CASES)
def test_a_start_is_read_as_planoai_reads_it(place, command, mode, config, env):
    assert planoai.start(shlex.split(command), place) == planoai.Start(mode, place / config, place / env)


NONE = [
    "planoai",
    "planoai down",
    "planoai down --docker",
    "planoai logs",
    "planoai build",
    "planoai init up.yaml",
    "planoai logs up",
    "planoai --version",
    "planoai --help",
    "docker compose up",
    "python app.py up",
    "my-planoai up",
    "planoai.py up",
    "sh -c 'echo planoaiup'",
    "echo it\\'s",
]


@pytest.mark.parametrize("command", NONE)
def test_everything_else_starts_no_plano(place, command):
    assert planoai.start(shlex.split(command), place) is None


def test_arguments_that_no_shell_would_take_are_still_read(place):
    assert planoai.start(["planoai", "up", "it's.yaml"], place).config == place / "it's.yaml"
    assert planoai.start(["echo", "it's"], place) is None


def test_a_name_with_a_blank_is_one_argument(place):
    assert planoai.start(["planoai", "up", "my config.yaml"], place).config == place / "my config.yaml"
    assert planoai.start(["planoai", "up", "--path", "my dir"], place).env_path == place / "my dir/.env"
