"""The pure decisions: what to do about the container, its name, its port, its addresses."""

import psutil
import pytest

from planodev.engines import Container, Desired, Observed, Volume, ports
from planodev.engines.docker import labels
from planodev.engines.docker.engine import DockerEngine
from planodev.engines.endpoint import Endpoint
from planodev.engines.planning import PLANO_PORTS, choose_name, choose_port, plan, published_addresses
from planodev.problems import Conflict
from planodev.project.identity import Owner
from planodev.project.settings import Setting

OWNER = Owner("a" * 16, "/p", "1:1")
IMAGE_ID = "sha256:" + "0" * 64
WANTED = Desired("plano-postgres", "postgres:16", IMAGE_ID, 5432, ("127.0.0.1", "172.17.0.1"))
VOLUME = Volume("plano-postgres-data", OWNER, "plano", "postgres:16", "plano")
HAVE = Container(
    id="1",
    name=WANTED.name,
    state="running",
    image=WANTED.image,
    image_id=IMAGE_ID,
    port=5432,
    addresses=WANTED.addresses,
    volume=VOLUME.name,
    owner=OWNER,
)


def test_what_is_as_wanted_is_left_alone():
    assert plan(WANTED, Observed(HAVE, VOLUME)).action == "unchanged"
    other_order = HAVE._replace(addresses=WANTED.addresses[::-1])
    assert plan(WANTED, Observed(other_order, VOLUME)).action == "unchanged"


@pytest.mark.parametrize("state", ["exited", "paused"])
def test_a_stopped_container_is_started_and_not_made_anew(state):
    assert plan(WANTED, Observed(HAVE._replace(state=state), VOLUME)).action == "start"


@pytest.mark.parametrize(("volume", "reasons"), [(None, 0), (VOLUME, 1)])
def test_a_missing_container_is_created_and_kept_data_is_mentioned(volume, reasons):
    decided = plan(WANTED, Observed(None, volume))
    assert (decided.action, len(decided.reasons)) == ("create", reasons)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "old-name"}, ("old-name", "plano-postgres")),
        ({"image": "postgres:15"}, ("postgres:15", "postgres:16")),
        ({"image_id": "sha256:" + "f" * 64}, ("f" * 12, "0" * 12)),
        ({"port": 5433}, ("5433", "5432")),
        ({"port": None}, ("None", "5432")),
        ({"addresses": ("127.0.0.1",)}, ("from 127.0.0.1 to", "127.0.0.1, 172.17.0.1")),
        ({"addresses": ()}, ("none", "172.17.0.1")),
        ({"volume": None}, ("volume is gone",)),
        ({"volume": "theirs"}, ("theirs",)),
        ({"state": "dead"}, ("dead",)),
        ({"state": "removing"}, ("removing",)),
    ],
)
def test_a_container_that_differs_is_replaced_for_a_reason_with_both_values(change, said):
    decided = plan(WANTED, Observed(HAVE._replace(**change), VOLUME))
    assert (decided.action, len(decided.reasons)) == ("replace", 1)
    assert all(word in decided.reasons[0] for word in said)


def test_a_container_without_its_volume_is_replaced():
    assert plan(WANTED, Observed(HAVE, None)).action == "replace"


def test_every_reason_is_said():
    different = HAVE._replace(name="x", image="y", port=1)
    assert len(plan(WANTED, Observed(different, VOLUME)).reasons) == 3


@pytest.mark.parametrize(
    ("taken", "source", "expected"),
    [
        ({}, "default", "plano-postgres"),
        ({}, "--name", "plano-postgres"),
        ({"plano-postgres": "x"}, "default", "plano-postgres-shop"),
        ({"plano-postgres": "x"}, "the container", "plano-postgres-shop"),
        ({"plano-postgres": "x", "plano-postgres-shop": "x"}, "default", "plano-postgres-shop-abcdef"),
    ],
)
def test_a_taken_name_is_left_to_its_owner(taken, source, expected):
    assert choose_name(Setting("plano-postgres", source), "shop", "abcdef0123456789", taken) == expected


@pytest.mark.parametrize("source", ["--name", "PLANODEV_NAME", "planodev.toml"])
def test_a_taken_name_that_was_asked_for_is_a_conflict(source):
    with pytest.raises(Conflict) as caught:
        choose_name(Setting("db", source), "shop", "abcdef0123456789", {"db": "planodev did not create it"})
    assert (caught.value.code, caught.value.exit_code) == ("name-taken", 4)
    assert caught.value.why == "planodev did not create it"
    assert "--name db-shop" in str(caught.value.fix)


def holder_of(*taken):
    return lambda port: f"program {port}" if port in taken else None


@pytest.mark.parametrize(
    ("wanted", "taken", "expected"),
    [
        (5432, (), (5432, None)),
        (5432, (5432,), (5433, "program 5432")),
        (5432, (5432, 5433, 5434), (5435, "program 5432")),
        (7999, (7999,), (8001, "program 7999")),
        (9999, (9999,), (10002, "program 9999")),
        (65534, (65534,), (65535, "program 65534")),
    ],
)
def test_the_next_free_port_that_plano_does_not_need_is_taken(wanted, taken, expected):
    assert choose_port(Setting(wanted, "default"), holder_of(*taken)) == expected
    assert expected[0] not in PLANO_PORTS


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
        choose_port(Setting(wanted, source), holder_of(*taken))
    assert (caught.value.code, caught.value.exit_code) == ("port-taken", 4)
    assert f"program {wanted}" in caught.value.why
    assert fix in str(caught.value.fix)


GATEWAY = "172.17.0.1"
NATIVE_LINUX = {"native_linux": True, "rootless": False, "gateway": GATEWAY}
DESKTOP = {"native_linux": False, "rootless": False, "gateway": GATEWAY}


@pytest.mark.parametrize(
    ("plano", "facts", "expected"),
    [
        ("docker", NATIVE_LINUX, ("127.0.0.1", GATEWAY)),
        ("docker", {**NATIVE_LINUX, "gateway": "10.9.0.1"}, ("127.0.0.1", "10.9.0.1")),
        ("docker", {**NATIVE_LINUX, "gateway": None}, ("127.0.0.1",)),
        ("docker", {**NATIVE_LINUX, "rootless": True}, ("127.0.0.1",)),
        ("docker", DESKTOP, ("127.0.0.1",)),  # on Mac and Linux alike: its engine lives in a virtual machine
        ("native", NATIVE_LINUX, ("127.0.0.1",)),
        ("native", DESKTOP, ("127.0.0.1",)),
    ],
)
def test_plano_gets_in_and_the_network_around_does_not(plano, facts, expected):
    assert published_addresses(plano, **facts) == expected


def test_nothing_is_ever_published_on_every_interface():
    for plano in ("docker", "native"):
        for bits in range(8):
            facts = {"native_linux": bool(bits & 2), "rootless": bool(bits & 4)}
            for gateway in (None, "", GATEWAY):
                addresses = published_addresses(plano, **facts, gateway=gateway)
                assert addresses[0] == "127.0.0.1"
                assert set(addresses[1:]) <= {GATEWAY}


def test_the_address_of_an_interface_is_found_by_its_name():
    name = next(name for name, found in psutil.net_if_addrs().items() if any(a.address == "127.0.0.1" for a in found))
    assert ports.interface_address(name) == "127.0.0.1"
    assert ports.interface_address("no-such-interface") is None


@pytest.mark.parametrize(("own", "holder"), [("1", None), ("2", "the container `plano-postgres`")])
def test_a_port_of_the_projects_own_container_is_free_for_it_whatever_its_state(own, holder):
    engine = DockerEngine(None, Endpoint("unix:///nowhere.sock", "default socket"), lambda: 15.0)
    listed = [{"Id": "1", "Names": ["/plano-postgres"], "Ports": [{"PublicPort": 5432, "Type": "tcp"}]}]
    observed = Observed(published=labels.published(listed, {"Id": own}))
    assert ports.taken_by(engine, observed, 5432, ()) == holder
