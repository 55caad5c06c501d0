"""The day of a new developer: up, status, down, up; what is written, what is kept, what is said."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.support.terminal import on_terminal
from tests.support.tiers import slow_but

pytestmark = pytest.mark.docker


@pytest.mark.slow
def test_json_is_one_object_with_the_same_keys_in_every_state(project):
    absent = project("status", "--json").json
    up = project("up", "--json")
    running = project("status", "--json").json
    project("down", "--keep-data")
    stopped = project("status", "--json").json
    gone = project("status", "--json", DOCKER_HOST="unix:///nowhere/docker.sock").json
    states = [absent, running, stopped, gone, up.json]
    assert [s["data"]["state"] for s in states] == ["absent", "running", "stopped", "broken", "running"]
    assert len({tuple(s["data"]) for s in states}) == 1
    assert all(list(s) == ["schema_version", "command", "ok", "data", "warnings", "error"] for s in states)
    assert gone["ok"] is True
    assert gone["warnings"][0]["code"] == "no-socket"
    failed = project("up", "--port", "70000", "--json", code=2)
    assert failed.json["ok"] is False
    assert failed.json["error"] == {
        "code": "bad-port",
        "message": "invalid port `70000`: must be 1–65535",
        "why": "from --port",
        "fix": f"`planodev -C {project.path} up --help` shows what `--port` accepts",
    }


class TestDown:
    @pytest.mark.slow
    def test_delete_data_with_yes_removes_container_and_volume_and_no_file(self, project):
        project("up")
        project.store("a")
        assert project.engine()[0]
        done = project("down", "--delete-data", "--yes")
        assert "Deleted 1 stored conversation turn" in done.out
        assert project.engine() == ({}, [])
        assert {p.name for p in project.path.iterdir()} == {".env", "config.yaml"}
        assert project.status()["state"] == "absent"

    @pytest.mark.slow
    def test_it_works_when_stopped_gone_or_never_up(self, project, api):
        assert "Nothing to stop" in project("down", "--delete-data", "--yes").out
        project("up")
        api.stop(project.status()["container"])
        assert "was not running" in project("down", "--keep-data").out
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


@pytest.mark.slow
def test_native_mode_publishes_on_loopback_only_and_switching_keeps_the_data(project):
    project("up", "--plano", "native")
    assert project.env["DB_HOST"] == "127.0.0.1"
    assert project.status()["addresses"] == ["127.0.0.1"]
    project.store("kept")
    project("up", "--plano", "docker")
    assert project.env["DB_HOST"] == "host.docker.internal"
    assert project.stored() == ["kept"]
    project("up", "--plano", "native")
    project("verify")
    assert (project.status()["addresses"], project.stored()) == (["127.0.0.1"], ["kept"])


@pytest.mark.slow
def test_eight_at_once_end_with_one_container_and_one_password(project, api):
    runs = [project.start("up", "--json") for _ in range(8)]
    ends = [(run.communicate(timeout=120), run.returncode) for run in runs]
    assert [code for _, code in ends] == [0] * 8, [e[0][1] for e in ends]
    assert len({run[0].count('"container"') for run, _ in ends}) == 1
    mine = [
        c
        for c in api.containers(all=True, filters={"label": "dev.planodev.path"})
        if c["Labels"]["dev.planodev.path"] == str(project.path)
    ]
    assert len(mine) == 1
    project.login().close()
    assert os.listdir(project.path).count(".env") == 1
