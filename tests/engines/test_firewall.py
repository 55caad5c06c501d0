"""A firewall of this machine that drops what Plano's container sends to the database, in silence."""

from types import SimpleNamespace

import pytest

from planodev.engines import EngineInfo, failures
from planodev.engines.docker import unreachable
from planodev.engines.docker.engine import DockerEngine
from planodev.problems import Problem


class OnThisMachine(DockerEngine):
    info = EngineInfo("docker", "unix:///var/run/docker.sock", "a test", "28.5", "Docker Engine", local=True)

    def __init__(self):
        self.api = SimpleNamespace(version=lambda: {"Version": "28.5"}, info=dict)


@pytest.mark.parametrize(
    ("code", "system", "named"),
    [("unreachable", "linux", True), ("connection-refused", "linux", False), ("unreachable", "macos", False)],
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
