"""What to do about the server, by what differs."""

import pytest

from planodev.engines import Container, Desired, Observed, Volume
from planodev.engines.difference import compare
from planodev.project.identity import Owner

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
    assert compare(WANTED, Observed(HAVE, VOLUME)).action == "unchanged"
    other_order = HAVE._replace(addresses=WANTED.addresses[::-1])
    assert compare(WANTED, Observed(other_order, VOLUME)).action == "unchanged"


@pytest.mark.parametrize("state", ["exited", "paused"])
def test_a_stopped_container_is_started_and_not_made_anew(state):
    assert compare(WANTED, Observed(HAVE._replace(state=state), VOLUME)).action == "start"


@pytest.mark.parametrize(("volume", "reasons"), [(None, 0), (VOLUME, 1)])
def test_a_missing_container_is_created_and_kept_data_is_mentioned(volume, reasons):
    differs = compare(WANTED, Observed(None, volume))
    assert (differs.action, len(differs.reasons)) == ("create", reasons)


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
    differs = compare(WANTED, Observed(HAVE._replace(**change), VOLUME))
    assert (differs.action, len(differs.reasons)) == ("replace", 1)
    assert all(word in differs.reasons[0] for word in said)


def test_a_container_without_its_volume_is_replaced():
    assert compare(WANTED, Observed(HAVE, None)).action == "replace"


def test_every_reason_is_said():
    different = HAVE._replace(name="x", image="y", port=1)
    assert len(compare(WANTED, Observed(different, VOLUME)).reasons) == 3
