"""What keeps a container, or planodev in one, from the database: a firewall, or an engine of the machine around."""

import socket
from types import SimpleNamespace

import pytest

from planodev.engines import EngineInfo, failures
from planodev.engines.docker import unreachable
from planodev.engines.docker.engine import DockerEngine
from planodev.problems import Conflict, Problem


class OnThisMachine(DockerEngine):
    info = EngineInfo("docker", "unix:///var/run/docker.sock", "a test", "28.5", "Docker Engine", local=True)

    def __init__(self, name="laptop"):
        self.api = SimpleNamespace(version=lambda: {"Version": "28.5"}, info=lambda: {"Name": name})


@pytest.mark.parametrize(
    ("code", "system", "named"),
    [
        ("unreachable", "linux", True),
        ("unreachable", "wsl", True),
        ("unreachable", "container", True),
        ("connection-refused", "linux", False),
        ("unreachable", "macos", False),
    ],
)
def test_a_silence_on_linux_is_put_down_to_the_firewall_with_the_rule_that_lets_it_in(monkeypatch, code, system, named):
    monkeypatch.setattr(failures, "this_system", lambda: system)
    seen = Problem(code, "host.docker.internal:5433 does not answer")
    found = unreachable.explain(OnThisMachine(), seen, 5433)
    assert ("ufw" in (found.why or "")) == named
    if named:
        assert "sudo ufw allow in on docker0 to any port 5433 proto tcp" in str(found.fix)
    else:
        assert found == seen


@pytest.mark.parametrize(
    ("system", "name", "around"),
    [("container", "laptop", True), ("container", "devbox", False), ("linux", "laptop", False)],
)
def test_in_a_devcontainer_with_the_engine_of_its_machine_that_is_said_with_the_ways_that_work(
    monkeypatch, system, name, around
):
    monkeypatch.setattr(failures, "this_system", lambda: system)
    monkeypatch.setattr(socket, "gethostname", lambda: "devbox")
    engine, seen = OnThisMachine(name), Problem("connection-refused", "nothing listens at 127.0.0.1:5433")
    found = unreachable.from_around(seen, engine)
    assert ("devcontainer" in (found.why or "")) == around
    assert around or found == seen
    if not around:
        unreachable.refuse_native(engine)
        return
    assert "--network=host" in str(found.fix)
    with pytest.raises(Conflict) as refused:
        unreachable.refuse_native(engine)
    assert "another one" not in str(refused.value.why)
    assert [part in str(refused.value.fix) for part in ("--plano docker", "--engine embedded")] == [True, True]
