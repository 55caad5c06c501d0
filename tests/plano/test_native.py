"""Where Plano runs: natively or in Docker."""

from __future__ import annotations

import pytest

from tests.support.real_planoai import log_in

pytestmark = pytest.mark.docker

DOCKER, NATIVE = "host.docker.internal", "127.0.0.1"


def bindings(project):
    return [b["HostIp"] for b in project.container()["HostConfig"]["PortBindings"]["5432/tcp"]]


def test_native_mode_end_to_end(project, hand):
    done = project("up", "--plano", "native", "--model", "ollama/llama3.1")
    assert "wrote and read a test conversation from this machine" in done.err
    assert done.out.splitlines()[-2 if "planoai is not on your PATH yet" in done.out else -1].endswith(
        "up --with-plano`"
    )
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


@pytest.mark.slow
def test_switching_the_mode_changes_where_it_listens_and_no_data(ready):
    ready.store("kept")
    before, lines = ready.status(), ready.env
    for mode, host, count in (("native", NATIVE, 1), ("docker", DOCKER, 2)):
        done = ready("up", "--plano", mode)
        assert 0 < done.err.index(f" to `--plano {mode}`: DB_HOST becomes `{host}`") < done.err.index(": replaced")
        assert ready.env == {**lines, "DB_HOST": host}
        assert (len(bindings(ready)), bindings(ready)[0], "0.0.0.0" in bindings(ready)) == (count, NATIVE, False)
        assert ("from this machine" in done.err) == (mode == "native")
        after = ready.status()
        assert (after["volume"], after["port"], after["plano"]) == (before["volume"], before["port"], mode)
        assert ready.stored() == ["kept"]
        assert "unchanged" in ready("up").err  # the mode sticks
        assert ready.env["DB_HOST"] == host
        kept = (ready.path / ".env").read_bytes()
        (ready.path / ".env").unlink()
        assert "unchanged, on port" in ready("up").err  # and so do all others where `.env` is lost
        assert {name: ready.env[name] for name in lines if name.startswith("DB_")} == {
            **{name: value for name, value in lines.items() if name.startswith("DB_")},
            "DB_HOST": host,
        }
        (ready.path / ".env").write_bytes(kept)
    with ready.login() as session:
        session.execute("DELETE FROM conversation_states")
