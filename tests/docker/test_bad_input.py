"""What cannot be right is a clear error before anything is created."""

from __future__ import annotations

import os
import subprocess

import pytest

from .conftest import as_root

OPTIONS = [
    (["--port", "0"], "bad-port"),
    (["--port", "70000"], "bad-port"),
    (["--port", "abc"], "bad-port"),
    (["--port", "-1"], "bad-port"),
    (["--name", "with blank"], "bad-name"),
    (["--name", "quo'te"], "bad-name"),
    (["--name", "ümläut"], "bad-name"),
    (["--name", "x" * 64], "bad-name"),
    (["--name", "; DROP TABLE x"], "bad-name"),
    (["--image", "Not An Image"], "bad-image"),
    (["--template", "nope"], "bad-template"),
    (["--engine", "podman"], "bad-engine"),
    (["--plano", "kubernetes"], "bad-plano"),
    (["--pull", "sometimes"], "bad-pull"),
    (["--model", "gpt-4o"], "bad-model"),
    (["--model", "nobody/gpt-4o"], "bad-model"),
    (["--timeout", "soon"], "bad-timeout"),
    (["--config", "nowhere/config.yaml"], "no-config-directory"),
    (["--nonsense"], "usage"),
    (["extra"], "usage"),
]


@pytest.mark.parametrize(("arguments", "code"), OPTIONS)
def test_options(project, snapshot, arguments, code):
    before = snapshot()
    failed = project("up", *arguments, "--json", code=2)
    assert (failed.error, bool(failed.json["error"]["fix"])) == (code, True)
    assert (snapshot(), list(project.path.iterdir())) == (before, [])


LINES = [
    ("DB_PORT=abc", "bad-db-port"),
    ("DB_PORT=70000", "bad-db-port"),
    ("DB_USER=two words", "bad-db-user"),
    ("DB_USER=quo'te", "bad-db-user"),
    ('DB_USER="; DROP TABLE x"', "bad-db-user"),
    ("DB_USER=ümläut", "bad-db-user"),
    ("DB_USER=" + "x" * 64, "bad-db-user"),
    ("DB_USER=pg_admin", "bad-db-user"),
    ("DB_NAME=a/b", "bad-db-name"),
    ("DB_NAME=template1", "bad-db-name"),
    ("DB_PASS=%ff%fe", "bad-db-pass"),
]


@pytest.mark.parametrize(("line", "code"), LINES)
def test_lines_of_env(project, snapshot, line, code):
    project.write(".env", f"KEEP=me\n{line}\n")
    before = snapshot()
    failed = project("up", "--json", code=2)
    assert (failed.error, ".env" in failed.json["error"]["fix"]) == (code, True)
    assert snapshot() == before
    assert (project.path / ".env").read_text() == f"KEEP=me\n{line}\n"


def directory(path):
    path.mkdir()


def broken_link(path):
    path.symlink_to("nowhere")


def latin_1(path):
    path.write_bytes(b"# caf\xe9\n")


def not_yaml(path):
    path.write_text("a: [1,\nb: }\n")


def a_list(path):
    path.write_text("- 1\n")


FILES = [
    (".env", directory, "env-file-is-directory"),
    (".env", broken_link, "env-file-broken-link"),
    (".env", latin_1, "env-file-not-utf8"),
    ("config.yaml", directory, "bad-config-file"),
    ("config.yaml", broken_link, "bad-config-file"),
    ("config.yaml", latin_1, "bad-config-file"),
    ("config.yaml", not_yaml, "bad-config-file"),
    ("config.yaml", a_list, "bad-config-file"),
    ("plano_config.yaml", not_yaml, "bad-config-file"),
]


@pytest.mark.parametrize(("name", "make", "code"), FILES)
def test_files(project, snapshot, name, make, code):
    make(project.path / name)
    before = snapshot()
    failed = project("up", "--json", code=2)
    assert (failed.error, bool(failed.json["error"]["fix"])) == (code, True)
    if make is not_yaml:
        assert "line 2, column" in failed.json["error"]["why"]
    assert snapshot() == before
    assert [p.name for p in project.path.iterdir()] == [name]


def test_a_directory_that_is_not_there(make_project, tmp_path):
    project = make_project()
    project.path = tmp_path / "nowhere"
    assert project("up", "--json", code=2).error == "no-directory"


def test_a_directory_that_cannot_be_written(project, snapshot):
    as_root()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "none", str(project.path)], check=True)
    try:
        before = snapshot()
        failed = project("up", "--json", code=2)
        assert failed.error == "directory-unwritable"
        assert snapshot() == before
    finally:
        subprocess.run(["umount", str(project.path)], check=True)


def test_no_command_and_help_are_kind(project):
    done = subprocess.run([*project.command()[:3]], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert (done.returncode, "Usage: planodev" in done.stderr) == (2, True)
    for arguments in (["-h"], ["--help"], ["up", "-h"], ["--version"]):
        assert project(*arguments).out
