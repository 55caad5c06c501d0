"""What planodev promises of an ordinary day, on one engine; the names are the rows of the table in docs/engines.md."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

import psycopg
import pytest

from planodev.postgres import state_table
from tests.support.ports import free_port
from tests.support.waiting import until, without_error

pytestmark = pytest.mark.every_engine

# Far above what it takes where nothing goes wrong (0.2 s), and below what waiting for something in vain takes.
SECOND_UP = 3
LAN = "192.0.2.10"  # this machine's address in the network around it, see tests/alone
MODEL = ("--model", "ollama/llama3.1")


@pytest.fixture
def up(project):
    project("up", *MODEL)
    return project


def ours(api, project):
    """Return what the engine has of a project: containers with their state, and volumes."""
    mine = {"label": f"dev.planodev.path={project.path}"}
    containers = [(item["Names"][0], item["State"]) for item in api.containers(all=True, filters=mine)]
    return sorted(containers), sorted(volume["Name"] for volume in api.volumes(filters=mine)["Volumes"] or [])


def from_container(api, project, statement):
    """Ask the database as Plano in a container does; returns the rows as text."""
    values = project.env
    environment = {"PGPASSWORD": values["DB_PASS"], "PGCONNECT_TIMEOUT": "5"}
    url = f"host={values['DB_HOST']} port={values['DB_PORT']} user={values['DB_USER']} dbname={values['DB_NAME']}"
    number = api.create_container(
        "postgres:16",
        entrypoint=["psql", url, "-tAc", statement],
        environment=environment,
        host_config=api.create_host_config(extra_hosts={"host.docker.internal": "host-gateway"}),
    )["Id"]
    try:
        api.start(number)
        code = api.wait(number, timeout=30)["StatusCode"]
        out = api.logs(number).decode()
        assert code == 0, out
        return out.strip()
    finally:
        api.remove_container(number, force=True, v=True)


def listening(port):
    """Return the addresses at which this machine listens on a port, as the kernel writes them."""
    lines = Path("/proc/net/tcp").read_text().splitlines() + Path("/proc/net/tcp6").read_text().splitlines()
    pairs = [line.split()[1] for line in lines if line.split()[3:4] == ["0A"]]
    return {pair.split(":")[0] for pair in pairs if pair.endswith(f":{port:04X}")}


def not_reached_from_around(port):
    """Fail where the database can be reached at an address of the network around."""
    found = listening(port)
    assert not {address for address in found if set(address) == {"0"}}, f"listens on every address: {found}"
    assert socket.inet_aton(LAN)[::-1].hex().upper() not in found
    with pytest.raises(OSError), socket.create_connection((LAN, port), timeout=2):
        pytest.fail(f"{LAN}:{port} can be reached")


def test_first_up(project, api):
    done = project("up", *MODEL, "--json").json
    assert (done["data"]["state"], done["data"]["table"]) == ("running", "ready")
    with project.login() as session:
        assert session.execute("SELECT count(*) FROM conversation_states").fetchone() == (0,)
    until_only_the_server(api, project)


def until_only_the_server(api, project, seconds=5):
    """Wait until the probe's containers are gone: their removal is not waited for by a command."""
    until(lambda: [state for _, state in ours(api, project)[0]] == ["running"], lambda: ours(api, project), seconds)


def test_second_up(up):
    files = {path.name: path.read_bytes() for path in up.path.iterdir()}
    before = up.container()
    begun = time.monotonic()
    up("up")
    took = time.monotonic() - begun
    after = up.container()
    assert (after["Id"], after["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])
    assert {path.name: path.read_bytes() for path in up.path.iterdir()} == files
    assert took < SECOND_UP, f"the second up took {took:.1f} s"


def test_killed_server(up, api):
    up.store("kept")
    api.kill(up.status()["container"])
    assert up.status()["state"] in ("stopped", "broken")
    up("up")
    assert up.stored() == ["kept"]


def test_killed_up(project, api):
    for pause in (0.3, 0.8, 1.5, 2.5):
        running = project.start("up", *MODEL)
        time.sleep(pause)  # noqa: TID251  the moment is the fault
        running.send_signal(signal.SIGKILL)
        running.communicate()
    project("up", *MODEL)
    project("verify")
    until_only_the_server(api, project)


def test_down_keeps_the_data(up, api):
    up.store("monday", "tuesday")
    up("down", "--keep-data")
    assert up.status()["state"] == "stopped"
    up("up")
    assert (up.status()["conversations"], up.stored()) == (2, ["monday", "tuesday"])


def test_down_deletes_the_data(up, api):
    up("down", "--delete-data", "--yes")
    assert ours(api, up) == ([], [])
    assert up.status()["state"] == "absent"


def test_adopt(project, api):
    name, port = "plano-postgres", free_port()
    number = api.create_container(
        "postgres:16",
        name=name,
        environment={"POSTGRES_PASSWORD": "by-hand"},
        ports=[5432],
        host_config=api.create_host_config(port_bindings={5432: ("127.0.0.1", port)}),
    )["Id"]
    try:
        api.start(number)
        with first_login(port) as session:
            session.execute(state_table.CREATE)
            session.execute(
                "INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)"
                " VALUES ('by-hand', '[]', 1, 'm', 'p')"
            )
        project("up", *MODEL, "--adopt")
        assert project.stored() == ["by-hand"]
        assert project.env["DB_PASS"] == "by-hand"
        project("verify")
    finally:
        api.remove_container(number, force=True, v=True)


def first_login(port):
    """Log in to a server that was made by hand, once it is up."""
    way = {"host": "127.0.0.1", "port": port, "user": "postgres", "password": "by-hand", "sslmode": "disable"}
    return without_error(lambda: psycopg.connect(**way, autocommit=True), psycopg.OperationalError, 60)


def test_run(up):
    up.store("seen")
    script = (
        "import os, psycopg\n"
        "with psycopg.connect(os.environ['DATABASE_URL']) as session:\n"
        "    print(session.execute('SELECT response_id FROM conversation_states').fetchall())"
    )
    assert "seen" in up("run", "--plano", "native", "--", sys.executable, "-c", script).out
    up("run", "--", "sh", "-c", "exit 9", code=9)


def test_verify(up):
    assert up("verify", "--json").json["ok"] is True


def test_doctor(up):
    done = up("doctor", "--json", code=None).json
    checks = {check["name"]: check for check in done["data"]["checks"]}
    assert {name: check["message"] for name, check in checks.items() if check["state"] == "failed"} == {}


def test_status_names_the_engine(up, api):
    told = up.status()["engine"]
    podman = "Podman Engine" in str(api.version())
    assert ("podman" in f"{told['name']} {told['product']}".lower()) == podman, told


ROOTLESS_PODMAN = os.environ.get("TEST_ENGINE_KIND", "").startswith("podman") and os.environ[
    "TEST_ENGINE_KIND"
].endswith("rootless")


def test_plano_in_docker(project, api):
    if ROOTLESS_PODMAN:  # a container does not get to the host's loopback there: said, with what works
        refused = project("up", *MODEL, "--plano", "docker", "--json", code=7).json["error"]
        assert "rootless Podman" in refused["why"]
        assert "up --plano native" in refused["fix"]
        project("up", *MODEL, "--plano", "native")
        return
    project("up", *MODEL, "--plano", "docker")
    assert project.env["DB_HOST"] == "host.docker.internal"
    project.store("seen")
    assert from_container(api, project, "SELECT response_id FROM conversation_states") == "seen"
    not_reached_from_around(project.status()["port"])


def test_plano_native(project):
    project("up", *MODEL, "--plano", "native")
    assert project.env["DB_HOST"] == "127.0.0.1"
    project("verify")
    port = project.status()["port"]
    assert listening(port) <= {"0100007F"} | {""}
    not_reached_from_around(port)


def test_the_mode_is_changed(up):
    up.store("kept")
    for mode in ("native",) if ROOTLESS_PODMAN else ("native", "docker"):
        up("up", "--plano", mode)
        assert up.stored() == ["kept"]


def test_a_taken_port(project, api):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = project("up", *MODEL, "--port", str(port), "--json", code=4)
        assert refused.error == "port-taken"
        assert ours(api, project) == ([], [])
        project.write(".env", f"DB_PORT={port}\n")
        assert project("up", *MODEL, "--json").json["data"]["port"] != port


def test_another_password_is_followed(up):
    up.store("kept")
    up.change(".env", "^DB_PASS=.*", "DB_PASS=changed-by-hand")
    up("up")
    assert (up.env["DB_PASS"], up.stored()) == ("changed-by-hand", ["kept"])


def test_a_failed_up_leaves_no_container(project, api):
    """The server cannot be reached in time, so it is an `up` that fails late."""
    failed = project("up", *MODEL, "--timeout", "0.01", code=None)
    if failed.code:
        until(lambda: len(ours(api, project)[0]) <= 1, lambda: ours(api, project), 5)
    project("up", *MODEL)
    until_only_the_server(api, project)


def test_two_projects(make_project):
    first, second = make_project("first"), make_project("second")
    first("up", *MODEL)
    second("up", *MODEL)
    first.store("first")
    assert (first.stored(), second.stored()) == (["first"], [])


def test_nothing_else_is_left_in_the_engine(project, api):
    def there():
        containers = {item["Id"] for item in api.containers(all=True)}
        volumes = {item["Name"] for item in api.volumes()["Volumes"] or []}
        return containers | volumes | {item["Id"] for item in api.networks()}

    before = there()
    project("up", *MODEL)
    project("verify")
    project("doctor", code=None)
    project("down", "--delete-data", "--yes")
    until(lambda: not there() - before, lambda: there() - before, 5)
