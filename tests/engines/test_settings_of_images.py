"""What an image's command says of its server, and what a server's container says of its data."""

from __future__ import annotations

import os
import subprocess

import pytest

from planodev.engines import failures
from planodev.engines.docker import data_place, image
from planodev.engines.docker.client import Refused
from planodev.engines.docker.engine import _ELSEWHERE, _IN_VOLUME, _path_said
from planodev.steps import login
from planodev.unexpected import explain

SCRIPT = ["docker-entrypoint.sh"]


@pytest.mark.parametrize(
    ("entrypoint", "command", "port"),
    [
        (SCRIPT, ["postgres", "-p", "6543"], "6543"),
        (["tini", "--", "/usr/bin/entrypoint"], ["postgres", "-p", "6543"], "6543"),
        (["tini", "--"], ["postgres", "-p", "6543"], "6543"),
        (None, ["postgres", "--port=6543"], "6543"),
        (["postgres"], ["-p", "6543"], "6543"),
        (["runuser", "-u", "postgres", "--"], ["postgres", "-p", "6543"], "6543"),
        (SCRIPT, ["-p", "6543"], "6543"),
        (SCRIPT, ["postgres", "-p", "6543", "-c", "cluster_name=x", "-U", "postgres"], "6543"),
        (["gosu", "postgres", "patroni", "-p", "8008"], None, None),
        (["gosu", "postgres", "patroni"], ["-p", "8008"], None),
        (["/usr/sbin/gosu"], ["postgres", "patroni", "-p", "8008"], None),
        (["su-exec", "postgres", "patroni", "-p", "8008"], None, None),
        (["setpriv", "--reuid", "postgres", "patroni", "-p", "8008"], None, None),
        (["runuser", "-u", "postgres", "--", "patroni", "-p", "8008"], None, None),
        (["sudo", "-u"], ["postgres", "patroni", "-p", "8008"], None),
        (["su", "-", "postgres", "-c", "patroni", "-p", "8008"], None, None),
        (["/opt/manager", "-p", "8008"], ["-p", "8009"], None),
    ],
)
def test_a_port_is_that_of_the_server_and_not_of_a_program_run_as_the_user_postgres(entrypoint, command, port):
    fault = data_place.fault({"Entrypoint": entrypoint, "Cmd": command})
    assert (fault is None) == (port is None)
    assert port is None or f"port {port}" in fault


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("/srv/spaces/fast\n", "/srv/spaces/fast"),
        ('WARNING:  database "plano" has a collation version mismatch\nHINT:  Rebuild all\n/srv/fast\n', "/srv/fast"),
        ('WARNING:  database "plano" has a collation version mismatch\nHINT:  Rebuild all\n', ""),
        ("", ""),
    ],
)
def test_where_a_part_of_the_data_is_has_nothing_of_the_warnings_of_psql(said, path):
    assert _path_said(said) == path


@pytest.mark.parametrize(
    "entrypoint",
    [
        [*SCRIPT, "postgres", "-p", "6543"],
        ["gosu", "postgres", "/usr/lib/postgresql/16/bin/postgres", "-p", "6543"],
    ],
)
def test_where_the_server_of_any_other_command_listens_is_left_to_its_log(entrypoint):
    assert data_place.fault({"Entrypoint": entrypoint, "Cmd": []}) is None
    log = 'LOG:  starting PostgreSQL 16.9\nLOG:  listening on IPv4 address "0.0.0.0", port 6543\n'
    assert login.listening_elsewhere(f"{log}LOG:  database system is ready to accept connections\n")


@pytest.mark.parametrize(
    ("addresses", "reached"),
    [
        (["0.0.0.0"], True),
        (["0.0.0.0", "::"], True),
        (["127.0.0.1", "172.17.0.3"], True),
        (["127.0.0.1"], False),
        (["127.0.0.2"], False),
        (["::1"], False),
        (["127.0.0.1", "::1"], False),
        (["::"], False),
    ],
)
def test_a_command_and_a_log_are_judged_alike(addresses, reached):
    """A published port leads to the container's own address of IPv4."""
    said = data_place.fault({"Entrypoint": SCRIPT, "Cmd": ["postgres", "-h", ", ".join(addresses)]})
    lines = [f'LOG:  listening on IPv{6 if ":" in one else 4} address "{one}", port 5432' for one in addresses]
    log = ["LOG:  starting PostgreSQL 16.9", *lines, "LOG:  database system is ready to accept connections"]
    assert [said is None, not login.listening_elsewhere("\n".join(log))] == [reached, reached]


@pytest.mark.parametrize("mount", ["volume", "by-a-link"])
@pytest.mark.parametrize(("space", "outside"), [("volume/spaces", False), ("apart", True), ("volume-2", True)])
def test_links_of_the_data_are_followed_from_the_volume_however_the_way_there_is_spelt(tmp_path, mount, space, outside):
    """An image may have a link on the way to its data, through which the engine mounts the volume."""
    for name in (space, "volume/data/global", "volume/data/pg_tblspc", "bin"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    (tmp_path / "by-a-link").symlink_to("volume")
    data = tmp_path / mount / "data"
    (data / "PG_VERSION").write_text("16\n")
    (data / "global/pg_control").write_bytes((7).to_bytes(8, "little"))
    (data / "pg_tblspc/16500").symlink_to(tmp_path / space)
    (tmp_path / "bin/psql").write_text("#!/bin/sh\necho 7\n")
    (tmp_path / "bin/psql").chmod(0o755)
    variables = {"PLANODEV_DATA": str(data), "PLANODEV_MARK": f"{tmp_path / mount}/ready"}
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["sh", "-c", _IN_VOLUME],
        env={**variables, "PATH": path},
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (ran.returncode, _path_said(ran.stderr)) == ((_ELSEWHERE, str(tmp_path / space)) if outside else (0, ""))


@pytest.mark.parametrize(
    "said",
    [
        "context deadline exceeded",
        'error looking up volume plugin foo: plugin "foo" not found',
        "error while mounting volume '/var/lib/docker/volumes/v/_data': failed to mount local volume",
        "create v: Post http://plugin/VolumeDriver.Create: EOF",
    ],
)
def test_what_is_not_the_fault_of_an_image_is_not_said_to_be(said):
    error = explain(Refused(500, said))
    assert error.code == "engine-refused"
    assert "--image" not in str(error.fix)
    assert all(row["when"] != ["image"] for row in failures.table()["failure"])


@pytest.mark.parametrize(("said", "major"), [("16", 16), ("9", 9), ("1" * 6, None), ("²", None), ("", None)])
def test_the_version_of_an_image_is_what_it_says_or_its_program_does(said, major):
    class Silent:
        def make_container(self, _): ...
        def start(self, _):
            raise Refused(400, "no such program")

        def remove_container(self, *_, **__): ...

    assert image.major_of(Silent(), "own", {"Config": {"Env": [f"PG_MAJOR={said}"]}}) == major
