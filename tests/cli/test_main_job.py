"""The day of a new developer: up, status, down, up; what is written, what is kept, what is said."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.support.terminal import on_terminal
from tests.support.tiers import slow_but

pytestmark = pytest.mark.docker


@pytest.mark.slow
def test_without_its_engine_a_project_is_broken_and_json_has_the_same_keys(project):
    running = project("up", "--json").json
    gone = project("status", "--json", DOCKER_HOST="unix:///nowhere/docker.sock").json
    assert (list(gone), list(gone["data"])) == (list(running), list(running["data"]))
    assert (gone["ok"], gone["data"]["state"], gone["warnings"][0]["code"]) == (True, "broken", "no-socket")
    failed = project("up", "--port", "70000", "--json", code=2)
    assert failed.json["ok"] is False
    assert failed.json["error"] == {
        "code": "bad-port",
        "message": "invalid port `70000`: must be 1–65535",
        "why": "from --port",
        "fix": f"`planodev -C {project.path} up --help` shows what `--port` accepts",
    }


@pytest.mark.slow
def test_down_works_when_the_container_is_gone(project, api):
    project("up")
    api.remove_container(project.status()["container"], force=True)
    assert "was not running" in project("down", "--keep-data").out
    project("down", "--delete-data", "--yes")
    assert project.status()["state"] == "absent"


def test_commands_that_are_named_act_on_the_project_that_was_named(project):
    aimed = f"`planodev -C {project.path} "
    assert aimed in project("verify", "--json", code=7).json["error"]["fix"]
    project("up")
    assert aimed in project("down", "--delete-data", "--json", code=2).json["error"]["fix"]
    assert aimed in project("down").out
    assert f"Next: `planodev -C {project.path} up --with-plano`\n" in project("up").out


def test_quiet_says_only_the_result_and_no_color_is_obeyed(project):
    quiet = project("-q", "up")
    assert re.fullmatch(r"Postgres \S+ is running\. Verified: .*\n", quiet.out)
    assert "✓" not in quiet.err
    for keys in ({"NO_COLOR": "1"}, {"TERM": "dumb", "COLUMNS": "20"}):
        _, screen = on_terminal(project, "up", "--yes", keys=keys)
        assert "\033[3" not in screen


@pytest.mark.slow
@pytest.mark.parametrize("reader", slow_but(["head -n 1"], ["head -n 1", "true", "exec 0<&-"]))
def test_a_reader_that_goes_away_is_no_error(project, reader):
    project("up", "--model", "ollama/llama3.1")
    line = f"{' '.join(project.command('status'))} | {reader}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], env=project.environment, capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.returncode in (0, 141)) == ("", True)


def test_settings_come_from_variables_and_the_file_and_stick(project):
    project.write("planodev.toml", 'name = "from-the-file"\nplano = "native"\n')
    data = project("up", "--json", PLANODEV_NAME="from-a-variable").json["data"]
    assert data["container"] == "from-a-variable"
    assert data["settings"]["name"] == {"value": "from-a-variable", "source": "PLANODEV_NAME"}
    assert data["settings"]["plano"] == {"value": "native", "source": "planodev.toml"}
    (project.path / "planodev.toml").unlink()
    after = project("up", "--json").json["data"]
    assert (after["container"], after["plano"]) == ("from-a-variable", "native")
    assert after["settings"]["plano"]["source"] == ".env"
