"""Which port the server gets, and who counts as listening there."""

import pytest

from planodev.engines import Observed, port_choice, port_holders
from planodev.engines.docker import labels
from planodev.engines.docker.engine import DockerEngine
from planodev.engines.endpoint import Endpoint
from planodev.problems import Conflict
from planodev.project.settings import Setting


def holder_of(*taken):
    return lambda port: f"program {port}" if port in taken else None


@pytest.mark.parametrize(
    ("wanted", "taken", "expected"),
    [
        (5432, (), 5432),
        (5432, (5432,), 5433),
        (5432, (5432, 5433, 5434), 5435),
        (7999, (7999,), 8001),
        (9999, (9999,), 10002),
        (65534, (65534,), 65535),
    ],
)
def test_the_next_free_port_that_plano_does_not_need_is_taken(wanted, taken, expected):
    port, told = port_choice.choose(Setting(wanted, "default"), holder_of(*taken))
    assert port == expected
    assert port not in port_choice.PLANO_PORTS
    moved = f"port {wanted} is taken by program {wanted}, using {port} instead"
    assert [one.message for one in told] == ([moved] if taken else [])


@pytest.mark.parametrize(
    ("wanted", "source", "taken", "fix"),
    [
        (5432, "--port", (5432,), "--port 5433"),
        (5432, "PLANODEV_PORT", (5432, 5433), "--port 5434"),
        (65535, "default", (65535,), "--port N"),
        (5432, "default", range(5432, 5533), "--port N"),
    ],
)
def test_a_port_that_was_asked_for_is_never_moved_and_the_fix_can_be_typed(wanted, source, taken, fix):
    with pytest.raises(Conflict) as caught:
        port_choice.choose(Setting(wanted, source), holder_of(*taken))
    assert (caught.value.code, caught.value.exit_code) == ("port-taken", 4)
    assert f"program {wanted}" in caught.value.why
    assert fix in str(caught.value.fix)


@pytest.mark.parametrize(("own", "holder"), [("1", None), ("2", "the container `plano-postgres`")])
def test_a_port_of_the_projects_own_container_is_free_for_it_whatever_its_state(own, holder):
    engine = DockerEngine(None, Endpoint("unix:///nowhere.sock", "default socket"), lambda: 15.0)
    listed = [{"Id": "1", "Names": ["/plano-postgres"], "Ports": [{"PublicPort": 5432, "Type": "tcp"}]}]
    observed = Observed(published=labels.published(listed, {"Id": own}))
    assert port_holders.taken_by(engine, observed, 5432, ()) == holder
