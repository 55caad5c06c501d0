"""A Plano in a container, judged by what can be seen of that from outside."""

from __future__ import annotations

import os
import time

import pytest

pytestmark = pytest.mark.docker


def codes(done):
    return [warning["code"] for warning in done.json["warnings"]]


# What a container of Plano shows: its two programs by name, and brightstaff's one connection, which psql holds here.
STAND_IN = """
cp "$(command -v sleep)" /tmp/envoy && /tmp/envoy 300 &
cp /usr/lib/postgresql/*/bin/psql /tmp/brightstaff && cd /tmp
sleep 300 | PGPASSWORD=$DB_PASS ./brightstaff -h "$DB_HOST" -p "$DB_PORT" -U "$DB_USER" "$DB_NAME"
sleep 300
"""


# What the container of Plano says when brightstaff ends, as seen: supervisord ends all else, and itself with 0.
ENDS = """
echo "2026-11-27 18:12:10,001 INFO supervisord started with pid 1"
echo "[brightstaff] [2026-11-27 18:12:11.000][info] Stored conversation state"
echo "[brightstaff] $0"
echo "[access_logs] GET /healthz 200"
echo "[brightstaff] Process exited, shutting down"
echo "2026-11-27 18:12:12,332 WARN received SIGTERM indicating exit request"
echo "[plano_logs] [2026-11-27 18:12:13.335][warning] caught ENVOY_SIGTERM"
echo "2026-11-27 18:12:13,336 WARN stopped: envoy (terminated by SIGTERM)"
"""
STOPPED = """
echo "[brightstaff] Error: of an earlier start"
echo "[brightstaff] Process exited, shutting down"
echo "2026-11-27 18:12:10,001 INFO supervisord started with pid 1"
echo "2026-11-27 18:12:12,332 WARN received SIGTERM indicating exit request"
echo "[brightstaff] Process exited, shutting down"
"""


@pytest.fixture
def plano(api, foreign_container):
    """Return a function that starts a container as `planoai up --docker` does, with these variables."""
    if any("/plano" in item["Names"] for item in api.containers(all=True)):
        pytest.skip("a container `plano` exists here")

    def start(project, script=STAND_IN, **variables):
        mount = f"{project.path}/config.yaml:/app/plano_config.yaml:ro"
        given = {"PWD": str(project.path), **variables}
        return foreign_container(
            "plano",
            Entrypoint=["sh", "-c", script],
            Env=[f"{name}={value}" for name, value in given.items()],
            HostConfig={"Binds": [mount], "ExtraHosts": ["host.docker.internal:host-gateway"]},
        )

    return start


def until(state, project):
    end = time.monotonic() + 20
    while project.status()["running_plano"]["state"] != state:
        assert time.monotonic() < end, project.status()["running_plano"]


def test_a_plano_in_docker_is_judged_by_its_own_connection(make_project, plano):
    project, other = make_project(), make_project("other")
    project("up", "--model", "ollama/llama3.1")
    plano(project, **project.env)
    until("connected", project)
    assert codes(project("up", "--json")) == []
    seen = other("up", "--model", "ollama/llama3.1", "--json").json
    assert seen["data"]["running_plano"]["state"] == "other-project"
    assert str(project.path) in seen["warnings"][-1]["message"]


@pytest.mark.slow
def test_a_plano_in_docker_whose_database_was_restarted_has_no_memory(project, plano):
    project("up", "--model", "ollama/llama3.1")
    plano(project, **project.env)
    until("connected", project)
    assert codes(project("down", "--keep-data", "--json")) == ["plano-loses-memory"]
    told = project("up", "--json").json["warnings"]
    assert [(w["code"], w["fix"].partition(" starts")[0]) for w in told] == [
        ("plano-without-memory", f"`planodev -C {project.path} up --with-plano`")
    ]
    refused = project("run", "--", "planoai", "up", code=4)  # natively, where the container has the port
    assert "[plano-port-taken]" in refused.err


@pytest.mark.slow
def test_a_plano_in_docker_is_asked_about_before_the_database_is_made_for_a_native_one(project, plano, tmp_path):
    project("up", "--model", "ollama/llama3.1")
    plano(project, **project.env)
    until("connected", project)
    (tmp_path / "planoai").write_text("#!/bin/sh\n")
    (tmp_path / "planoai").chmod(0o755)
    project.environment["PATH"] = f"{tmp_path}{os.pathsep}{project.environment['PATH']}"
    switch = ("up", "--with-plano", "--plano", "native")
    refused = project(*switch, code=2).err
    assert "Plano was not restarted, although it is to run natively [not-confirmed]" in refused
    assert f"{' '.join(switch)} --yes" in refused
    assert project.status()["running_plano"]["state"] == "connected"  # nothing was touched
    assert "will be restarted: it is to run natively" in project(*switch, "--dry-run").err


@pytest.mark.slow
def test_a_plano_in_docker_that_was_started_by_hand_is_named_as_that(project, plano):
    project("up", "--model", "ollama/llama3.1")
    plano(project)
    until("without-variables", project)


@pytest.mark.slow
def test_a_container_that_is_called_plano_and_is_none_is_left_out(project, plano, foreign_container):
    project("up", "--model", "ollama/llama3.1")
    foreign_container("plano")
    assert project.status()["running_plano"]["state"] == "not-running"


@pytest.mark.slow
def test_a_plano_in_docker_that_died_is_told_with_the_cause_of_its_log(project, plano, api):
    project("up", "--model", "ollama/llama3.1")
    variables = project.env
    for said, why in {
        f"Error: not as {variables['DB_PASS']}": "Error: not as ***",
        "[2026-11-27 18:12:11.000][info] Answered": "one of its programs has ended, and its log does not say why",
    }.items():
        number = plano(project, ENDS.replace("$0", said), **variables)
        until("died", project)
        told = project("up", "--json").json
        assert [(one["code"], "`docker logs plano`" in one["fix"]) for one in told["warnings"]] == [
            ("plano-died", True)
        ]
        assert told["data"]["running_plano"]["why"] == why
        api.remove_container(number)
    number = plano(project, ENDS.replace('echo "[brightstaff] $0"', "echo Killed"), **variables)
    until("died", project)
    assert project.status()["running_plano"]["why"] == "Killed"
    api.remove_container(number)


@pytest.mark.slow
def test_a_plano_in_docker_that_was_stopped_has_not_died(project, plano, api):
    project("up", "--model", "ollama/llama3.1")
    api.wait(plano(project, STOPPED, **project.env), timeout=30)
    assert project.status()["running_plano"]["state"] == "not-running"
