"""Which name the server gets."""

import pytest

from planodev.engines import server_name
from planodev.problems import Conflict
from planodev.project.settings import Setting


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
    assert server_name.choose(Setting("plano-postgres", source), "shop", "abcdef0123456789", taken) == expected


@pytest.mark.parametrize("source", ["--name", "PLANODEV_NAME", "planodev.toml"])
def test_a_taken_name_that_was_asked_for_is_a_conflict(source):
    with pytest.raises(Conflict) as caught:
        server_name.choose(Setting("db", source), "shop", "abcdef0123456789", {"db": "planodev did not create it"})
    assert (caught.value.code, caught.value.exit_code) == ("name-taken", 4)
    assert caught.value.why == "planodev did not create it"
    assert "--name db-shop" in str(caught.value.fix)
