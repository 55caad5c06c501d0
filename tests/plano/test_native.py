"""Where Plano runs, natively or in Docker, and a Plano that has been running for longer than its database."""

from __future__ import annotations

import json
import os
import subprocess
import time

import pytest

from tests.support.real_planoai import log_in

pytestmark = pytest.mark.docker

DOCKER, NATIVE = "host.docker.internal", "127.0.0.1"


def bindings(project):
    return [b["HostIp"] for b in project.container()["HostConfig"]["PortBindings"]["5432/tcp"]]


def test_native_mode_end_to_end(project, hand):
    done = project("up", "--plano", "native", "--model", "ollama/llama3.1")
    assert "wrote and read a test conversation from this machine" in done.err
    assert done.out.splitlines()[-2 if "pip install" in done.out else -1].endswith("run -- planoai up")
    assert (bindings(project), project.env["DB_HOST"]) == ([NATIVE], NATIVE)
    assert f"as plano at {NATIVE}:" in project("verify").out
    _, seen = hand("planoai", "up", project=project)
    assert (seen["mode"], log_in("native", seen["connection_string"])) == ("native", True)

    # A Plano in Docker would not reach it, and the fix that is named is what mends that.
    refused, seen = hand("planoai", "up", "--docker", project=project, code=7)
    assert (seen, "[wrong-mode]" in refused.err, "up --plano docker`" in refused.err) == (None, True, True)
    project.store("kept")
    password = project.env["DB_PASS"]
    project("up", "--plano", "docker")
    assert len(bindings(project)) == 2
    _, seen = hand("planoai", "up", "--docker", project=project)
    assert log_in("docker", seen["connection_string"])
    assert (project.stored(), project.env["DB_PASS"]) == (["kept"], password)


def test_switching_the_mode_changes_where_it_listens_and_no_data(shop):
    shop.store("kept")
    before, lines = shop.status(), shop.env
    for mode, host, count in (("native", NATIVE, 1), ("docker", DOCKER, 2)):
        done = shop("up", "--plano", mode)
        assert 0 < done.err.index(f" to `--plano {mode}`: DB_HOST becomes `{host}`") < done.err.index(": replaced")
        assert shop.env == {**lines, "DB_HOST": host}
        assert (len(bindings(shop)), bindings(shop)[0], "0.0.0.0" in bindings(shop)) == (count, NATIVE, False)
        assert ("from this machine" in done.err) == (mode == "native")
        after = shop.status()
        assert (after["volume"], after["port"], after["plano"]) == (before["volume"], before["port"], mode)
        assert shop.stored() == ["kept"]
        assert "unchanged" in shop("up").err  # the mode sticks
        assert shop.env["DB_HOST"] == host
        kept = (shop.path / ".env").read_bytes()
        (shop.path / ".env").unlink()
        assert "unchanged, on port" in shop("up").err  # and so do all others where `.env` is lost
        assert {name: shop.env[name] for name in lines if name.startswith("DB_")} == {
            **{name: value for name, value in lines.items() if name.startswith("DB_")},
            "DB_HOST": host,
        }
        (shop.path / ".env").write_bytes(kept)
    with shop.login() as session:
        session.execute("DELETE FROM conversation_states")


def codes(done):
    return [warning["code"] for warning in done.json["warnings"]]


@pytest.fixture
def plano(api, stranger):
    """Return a function that runs a container which is called as Plano's."""
    if any("/plano" in item["Names"] for item in api.containers(all=True)):
        pytest.skip("a container `plano` exists here")
    return lambda: stranger("plano")


def test_a_plano_in_docker_that_outlived_its_database_is_told(project, plano):
    project("up", "--model", "ollama/llama3.1")
    plano()
    assert "plano-outlived-postgres" not in codes(project("up", "--json"))
    time.sleep(2.5)
    project("down", "--keep-data")
    told = project("up", "--json").json["warnings"]
    assert [w["fix"] for w in told if w["code"] == "plano-outlived-postgres"] == [
        f"`planoai down --docker`, then `planodev -C {project.path} run -- planoai up --docker`"
    ]
    assert codes(project("up", "--json")).count("plano-outlived-postgres") == 1


def test_a_native_plano_that_outlived_its_database_is_told(shop, tmp_path):
    # The real planoai would end the process whose number it finds there.
    (tmp_path / "planoai").write_text("#!/bin/sh\necho started\n")
    (tmp_path / "planoai").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    home = tmp_path / "home"
    file = home / ".plano/run/plano.pid"
    file.parent.mkdir(parents=True)
    running = subprocess.Popen(["sleep", "60"])

    def warned(pid, age):
        file.write_text(json.dumps({"envoy_pid": pid, "brightstaff_pid": pid}))
        os.utime(file, (time.time() - age,) * 2)
        up = "plano-outlived-postgres" in codes(shop("up", "--json", HOME=str(home)))
        run = shop("run", "--", "planoai", "up", HOME=str(home), PATH=path)
        assert ("started\n", up) == (run.out, "[plano-outlived-postgres]" in run.err)
        return up

    try:
        assert warned(running.pid, 100_000)
        assert not warned(running.pid, 0)
    finally:
        running.kill()
        running.wait()
    assert not warned(running.pid, 100_000)
    for text in ("", "{}", "no json", '{"brightstaff_pid": "x"}', "[]"):
        file.write_text(text)
        assert "plano-outlived-postgres" not in codes(shop("up", "--json", HOME=str(home)))
