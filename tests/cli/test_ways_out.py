"""What mends a server that lets nobody in: another image only where that can be it, and never while scripts run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from planodev.engines import Traits
from planodev.engines.docker.wording import WORDING
from planodev.problems import Command, Fix, NotReady
from planodev.steps import login

OWN = "mirror.corp/postgres:16"
OTHER = "up --image postgres:16"


def seen_with(image=OWN, *, volume="v", containers=True):
    """Return a project whose engine looks into no volume: there is no time for that any more."""
    return SimpleNamespace(
        settings=SimpleNamespace(image=SimpleNamespace(value=image)),
        observed=SimpleNamespace(volume=volume),
        engine=SimpleNamespace(traits=Traits(containers=containers, hairpin=True, fixed={}), wording=WORDING),
    )


CASES = {
    "data that was never ready": (seen_with(), False, True),
    "no volume was made": (seen_with(volume=None), False, True),
    "data that has run with its image": (seen_with(), True, False),
    "the usual image": (seen_with("postgres:16"), False, False),
    "no images": (seen_with(containers=False), False, False),
}


@pytest.mark.parametrize(("seen", "marked", "offered"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("log", ["FATAL:  out of it", "initdb: error: no"])
def test_another_image_is_offered_only_where_it_may_help(seen, marked, offered, log):
    database = SimpleNamespace(seen=seen, marked=marked)
    fix = login.or_another_image(database, Fix(Command("logs")))
    ways = login._way_out(seen, SimpleNamespace(name="c"), log, marked=marked)
    assert [OTHER in str(fix), OTHER in str(ways)] == [offered, offered]
    if offered and "initdb" not in log:
        assert str(ways).index("logs") < str(ways).index(OTHER)


def test_an_image_of_another_processor_is_pulled_again():
    """The engine may have it from a `docker pull --platform`, and `up` alone would start the same again."""
    log = "exec /usr/local/bin/docker-entrypoint.sh: exec format error"
    ways = login._way_out(seen_with("postgres:16"), SimpleNamespace(name="c"), log, marked=False)
    assert str(ways) == "the image is for another processor; `planodev up --pull always` pulls this engine's"


SERVER = SimpleNamespace(id="1", name="plano-postgres", port=5432, volume="v", image="i")
LOOPBACK_ONLY = """\
LOG:  starting PostgreSQL 16.9
LOG:  listening on IPv4 address "127.0.0.1", port 5432
LOG:  database system is ready to accept connections
"""
IPV6_ONLY = LOOPBACK_ONLY.replace(
    'IPv4 address "127.0.0.1", port 5432',
    'IPv6 address "::1", port 5432\nLOG:  listening on IPv6 address "::", port 6543',
)


@pytest.mark.parametrize(
    ("programs", "log", "refuses"),
    [
        (("postgres",), LOOPBACK_ONLY, True),
        (("postgres", "sh", "psql"), LOOPBACK_ONLY, True),
        (("postgres",), LOOPBACK_ONLY.replace("127.0.0.1", "0.0.0.0"), False),
        (("postgres",), LOOPBACK_ONLY.replace("127.0.0.1", "0.0.0.0").replace("5432", "6543"), True),
        (("postgres",), IPV6_ONLY, True),
        (("docker-entrypoint.sh", "postgres", "psql"), LOOPBACK_ONLY, False),
        (("patroni", "postgres"), LOOPBACK_ONLY, False),
        ((), LOOPBACK_ONLY, False),
    ],
)
def test_a_server_listens_elsewhere_only_once_it_is_the_first_program_of_its_container(programs, log, refuses):
    seen = seen_with()
    seen.superuser = "plano"
    asked = []
    seen.engine.programs = lambda _: asked.append("programs") or programs
    seen.engine.logs = lambda *_: asked.append("log") or SimpleNamespace(text=log)
    database = SimpleNamespace(seen=seen, server=SERVER, marked=True)
    if not refuses:
        assert login._refuse_elsewhere(database) is None
        assert asked in (["programs"], ["programs", "log"])  # the log last, and once
        return
    with pytest.raises(NotReady) as error:
        login._refuse_elsewhere(database)
    assert error.value.code == "listens-elsewhere"
    assert asked == ["programs", "log"]
    assert " inside its container only, and cannot be reached from this machine" in str(error.value)
    assert "ALTER SYSTEM SET port = 5432" in str(error.value.fix)
    for address in ("127.0.0.1:5432", "[::1]:5432", "[::]:6543"):
        assert (address in str(error.value)) == (f'"{address[:-5].strip("[]")}"' in log)
