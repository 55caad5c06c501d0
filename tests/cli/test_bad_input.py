"""What cannot be right is a clear error before anything is created."""

from __future__ import annotations

import json
import os
import shlex
import subprocess

import pytest

from tests.support.ports import listening
from tests.support.requirements import as_root
from tests.support.waiting import at_most

pytestmark = pytest.mark.docker

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
    (["--image", "a:b:c"], "bad-image"),
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
def test_an_option_that_cannot_be_right_is_refused_before_anything_is_created(project, snapshot, arguments, code):
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
def test_a_line_of_env_that_cannot_be_right_is_refused_before_anything_is_created(project, snapshot, line, code):
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
def test_a_file_that_cannot_be_right_is_refused_before_anything_is_created(project, snapshot, name, make, code):
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


@pytest.mark.parametrize(
    "arguments",
    [
        ["-C", "", "up"],
        ["-C", "", "down", "--delete-data", "--yes"],
        ["verify", "--env-file", ""],
        ["verify", "--config", ""],
        ["up", "--config", ""],
        ["production", "rds", "--output", ""],
    ],
)
def test_an_empty_name_is_not_taken_for_none(ready, arguments):
    """As a variable gives it that nobody has set."""
    command = ready.command(*arguments, "--json")
    if "-C" in arguments:
        command = [*command[:3], *arguments, "--json"]
    before = ready.engine()
    done = subprocess.run(command, env=ready.environment, cwd=ready.path, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "usage")
    assert ready.engine() == before


def test_aliases_that_name_one_thing_a_billion_times_are_read_at_once(project):
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10))]
    project.write("config.yaml", "version: v0.4.0\nlisteners: []\n" + "\n".join(lines) + "\n")
    with at_most(10):
        assert project("status", "--json", code=2).error == "bad-config-file"


STREAMS = {
    "a pipe as .env": (".env", ["up"]),
    "a pipe as configuration": ("config.yaml", ["up"]),
    "a pipe for verify": ("ff", ["verify", "--env-file", "ff"]),
    "a device for verify": (None, ["verify", "--env-file", "/dev/full"]),
}


@pytest.mark.parametrize("name", STREAMS)
def test_what_could_be_read_for_ever_is_refused(project, name):
    file, arguments = STREAMS[name]
    if file:
        os.mkfifo(project.path / file)
    assert project(*arguments, "--json", code=2).error in ("env-file-unreadable", "bad-config-file")


CONFIGS = {
    "a list as a key": "? [a, b]\n: 1\n",
    "a part of itself": "listeners: &a [*a]\n",
    "its own type": "state_storage: &a\n  type: *a\n",
    "deep": "a: " + "[" * 3000 + "]" * 3000 + "\n",
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_that_yaml_takes_and_nobody_could_use(project, name):
    project.write("config.yaml", CONFIGS[name])
    for command in ("up", "verify", "status"):
        assert project(command, "--json", code=2).error == "bad-config-file", command


def test_settings_that_are_nested_too_deeply(project):
    project.write("planodev.toml", "x=" + "[" * 5000)
    assert project("up", "--json", code=2).error == "bad-settings-file"


def test_a_directory_whose_name_is_not_utf8(project):
    directory = os.fsencode(project.path) + b"\xff"
    os.mkdir(directory)
    command = [*project.command()[:3], "-C", directory, "up", "--json"]
    done = subprocess.run(command, env=project.environment, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "no-directory")


@pytest.mark.parametrize("command", [["status", "--json"], ["status"], ["up", "--port", "x", "--json"]])
def test_an_output_that_takes_nothing_is_said_without_a_traceback(project, command):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            project.command(*command),
            env=project.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "could not be written" in done.stderr


def test_no_secret_of_a_configuration_is_shown_with_the_change_to_it(project):
    config = (
        "version: v0.4.0\nlisteners: [{type: model, name: m, port: 12000}]\nmodel_providers:\n"
        "  - model: anthropic/claude-sonnet-4-5\n    access_key: sk-TopSecret1\nstate_storage:\n  type: memory\n"
        "  connection_string: 'postgresql://u:TopSecret2@127.0.0.1:1/db'\n"
    )
    project.write("config.yaml", config)
    done = project("up", "--dry-run", code=None)
    assert "TopSecret" not in done.out + done.err
    assert "other-database" in done.err  # for which `type: memory` is no reason to switch it on
    project.write("config.yaml", config.partition("state_storage")[0])
    done = project("up", "--dry-run")
    assert "+  type: postgres" in done.err  # the diff, of which that is no part
    assert "TopSecret" not in done.out + done.err


@pytest.mark.slow
def test_a_fix_repeats_what_was_typed_and_is_not_replaced(project):
    (project.path / "etc").mkdir()
    project.write("etc/my.yaml", "version: v0.4.0\nlisteners: [{type: model, name: m, port: 12000}]\n")
    name = f"plano-typed-{os.getpid()}"
    options = ["--config", "etc/my.yaml", "--name", name, "--plano", "native"]
    failed = project("up", *options, "--json", code=7).json["error"]
    assert failed["code"] == "config-without-storage"
    command = failed["fix"].split("`")[1]
    assert all(f"{flag} {value}" in command for flag, value in zip(options[::2], options[1::2], strict=True))
    assert command.count("--config") == 1
    subprocess.run(
        [*project.command()[:3], *shlex.split(command)[1:]], env=project.environment, check=True, capture_output=True
    )
    assert sorted(path.name for path in project.path.iterdir()) == [".env", "etc"]
    assert "type: postgres" in (project.path / "etc/my.yaml").read_text()
    assert project.status()["container"] == name
    with listening() as port:
        failed = project("up", "--plano", "native", "--port", str(port), "--json", code=4).json["error"]
    assert failed["fix"].count("--port") == 1
    assert "--plano native" in failed["fix"]


@pytest.mark.slow
def test_a_model_is_not_repeated_where_a_configuration_is_there(project):
    options = ["--model", "anthropic/claude-sonnet-4-5", "--plano", "native"]
    (told,) = project("up", *options, "--json", ANTHROPIC_API_KEY="sk-of-the-shell").json["warnings"][-1:]
    assert told["fix"] == f"`planodev -C {project.path} up --save-keys`"
