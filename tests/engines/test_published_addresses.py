"""At which addresses the server is published."""

import psutil
import pytest

from planodev.engines.docker.network import interface_address, published_addresses

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
    assert interface_address(name) == "127.0.0.1"
    assert interface_address("no-such-interface") is None
