"""A Plano in a container called `plano`: the stand-in, which `planoai up --docker` starts there as it does Plano."""

from __future__ import annotations

import urllib.request

import pytest

from tests.support.terminal import on_terminal

pytestmark = [pytest.mark.docker, pytest.mark.planoai]


def codes(done):
    return [warning["code"] for warning in done.json["warnings"]]


def test_a_plano_in_a_container_holds_one_connection_and_remembers(docked):
    up = docked.up("--with-plano")
    assert "plano: started, at http://localhost:" in up.err
    seen = docked.plano()
    assert (seen["state"], seen["mode"], seen["directory"]) == ("connected", "docker", str(docked.path))
    with urllib.request.urlopen(f"http://127.0.0.1:{docked.listener}/v1/models") as answer:
        assert b"ollama/llama3.1" in answer.read()
    first = docked("ask", "My name is Ann.")
    assert "(turn 1)" in first.err
    assert docked("ask", "Who am I?").out == "3 messages, the first said: My name is Ann.\n"
    assert docked("verify", "--through-plano", "--json").json["data"]["through_plano"]["removed"]
    assert docked("down", "--keep-data", "--with-plano", "--json").json["data"]["plano_stopped"]
    assert docked.plano()["state"] == "not-running"


@pytest.mark.slow
def test_a_plano_in_a_container_whose_server_was_restarted_has_no_memory_until_it_is_restarted_too(docked):
    docked.up("--with-plano")
    docked("ask", "My name is Ann.")
    assert "plano: unchanged" in docked("up", "--with-plano").err
    assert codes(docked("down", "--keep-data", "--json")) == ["plano-loses-memory"]
    assert codes(docked("up", "--json")) == ["plano-without-memory"]
    assert "running, without memory (container `plano`)" in docked("status").out
    lost = docked("ask", "Who am I?", "--json").json
    assert (lost["data"]["answer"][:10], lost["data"]["stored"]) == ("1 messages", False)
    assert "lost its connection" in lost["data"]["why"]
    assert "[not-confirmed]" in docked("up", "--with-plano", code=2).err
    code, screen = on_terminal(docked, "up", "--with-plano", answers=[("Continue?", "y\n")])
    assert (code, "restarted, since it has lost its connection" in screen) == (0, True)
    assert docked("ask", "Who am I?").out == "3 messages, the first said: My name is Ann.\n"


@pytest.mark.slow
def test_a_plano_in_docker_is_another_projects_and_in_the_way_of_a_native_one(docked, make_docked):
    docked.up("--with-plano")
    other = make_docked("other")
    seen = other.up("--json").json
    assert seen["data"]["running_plano"]["state"] == "other-project"
    assert str(docked.path) in seen["warnings"][-1]["message"]
    assert "[plano-of-another-project]" in other("up", "--with-plano", "--yes", code=4).err
    refused = docked("run", "--", "planoai", "up", code=4)  # natively, where the container has the port
    assert "[plano-port-taken]" in refused.err


@pytest.mark.slow
def test_a_plano_in_docker_is_asked_about_before_the_database_is_made_for_a_native_one(docked):
    docked.up("--with-plano")
    switch = ("up", "--with-plano", "--plano", "native")
    refused = docked(*switch, code=2).err
    assert "Plano was not restarted, although it is to run natively [not-confirmed]" in refused
    assert f"{' '.join(switch)} --yes" in refused
    assert docked.plano()["state"] == "connected"  # nothing was touched
    assert "will be restarted: it is to run natively" in docked(*switch, "--dry-run").err
    docked(*switch, "--yes")
    assert (docked.plano()["state"], docked.plano()["mode"]) == ("connected", "native")


@pytest.mark.slow
def test_a_plano_in_docker_that_was_started_by_hand_is_named_as_that(docked):
    docked.up()
    docked.machine.planoai(docked, "up", "--docker")  # which fails: brightstaff has no database, and dies
    assert docked.plano()["state"] == "without-variables"
    (warning,) = docked("up", "--json").json["warnings"]
    assert warning["code"] == "plano-without-variables"
    assert "without DB_USER, DB_PASS" in docked.plano()["why"]
    docked.follow(warning["fix"].partition("; ")[0])
    assert docked.plano()["state"] == "connected"


@pytest.mark.slow
def test_a_container_that_is_called_plano_and_is_none_is_left_out(docked, foreign_container):
    docked.up()
    foreign_container("plano")
    assert docked.plano()["state"] == "not-running"


# In the container there is a shell, and no `kill` or `pkill` beside it.
ENDS = 'for one in /proc/[0-9]*; do [ "$(cat $one/comm)" != {name} ] || kill -9 ${{one#/proc/}}; done'


@pytest.mark.slow
@pytest.mark.parametrize("name", ["brightstaff", "envoy"])
def test_a_plano_in_docker_of_which_a_program_was_killed_has_died(docked, api, name):
    docked.up("--with-plano")
    api.exec_start(api.exec_create("plano", ["sh", "-c", ENDS.format(name=name)])["Id"])
    api.wait("plano", timeout=30)
    assert api.inspect_container("plano")["State"]["ExitCode"] == 0  # whatever has ended it
    seen = docked.plano()
    assert (seen["state"], seen["why"]) == ("died", "Killed")
    (warning,) = docked("up", "--json").json["warnings"]
    assert (warning["code"], "`docker logs plano`" in warning["fix"]) == ("plano-died", True)
    assert "[plano-died]" in docked("ask", "Hello", code=6).err
    docked("up", "--with-plano")  # there is nothing left to ask for
    assert docked.plano()["state"] == "connected"


@pytest.mark.slow
def test_a_plano_in_docker_that_cannot_start_is_told_with_the_cause_of_its_log_and_without_secrets(docked, api):
    docked.up()
    docked.as_superuser(f"ALTER ROLE {docked.env['DB_USER']} NOLOGIN")
    docked.machine.planoai(docked, "up", "--docker", **docked.env)
    api.wait("plano", timeout=30)
    seen = docked.plano()
    assert (seen["state"], seen["why"][:6]) == ("died", "Error:")
    assert docked.env["DB_PASS"] not in seen["why"]


@pytest.mark.slow
def test_a_plano_in_docker_that_was_stopped_has_not_died(docked, api):
    docked.up("--with-plano")
    api.stop("plano")
    assert docked.plano()["state"] == "not-running"
