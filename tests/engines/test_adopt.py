"""A database made by hand, as Plano's documentation shows it, is taken over with everything that is in it."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shlex
import signal
import subprocess
import sys
from types import SimpleNamespace

import docker
import pytest

from planodev.engines.docker import adopt
from planodev.engines.docker.engine import DockerEngine
from tests.support.by_hand import PASSWORD, ROWS, ByHand
from tests.support.namespace import ROOT
from tests.support.ports import free_port
from tests.support.seed import KILLS, SEED
from tests.support.waiting import until

pytestmark = pytest.mark.docker


@pytest.fixture
def by_hand(api):
    made = []

    def make(**variables):
        made.append(ByHand(api, f"by-hand-{os.urandom(4).hex()}", **variables))
        return made[-1]

    yield make
    for one in made:
        with contextlib.suppress(docker.errors.APIError):
            api.remove_container(one.id, force=True, v=True)


@pytest.mark.slow
def test_up_says_how_and_touches_nothing(project, by_hand, snapshot):
    found = by_hand(POSTGRES_DB="plano")
    before = snapshot(found.id)
    refused = project("up", "--json", code=4, PLANODEV_NAME=found.name)
    assert refused.error == "database-made-by-hand"
    assert "--adopt" in refused.json["error"]["fix"]
    assert PASSWORD not in refused.out + refused.err
    assert snapshot(found.id) == before
    assert list(project.path.iterdir()) == []


def test_its_rows_user_and_password_are_taken_over_and_the_old_one_is_kept(project, by_hand):
    found = by_hand(POSTGRES_USER="boss", POSTGRES_DB="talks")
    done = project("up", "--adopt", "--name", found.name, "--json")
    assert done.json["data"]["conversations"] == len(ROWS)
    assert PASSWORD not in done.out + done.err
    assert project.stored() == ROWS
    assert (project.env["DB_USER"], project.env["DB_NAME"]) == ("boss", "talks")
    assert project.env["DB_PORT"] == str(found.port)
    with project.login(password=PASSWORD) as session:
        assert session.execute("SELECT current_user").fetchone() == ("boss",)
    old = found.facts()
    assert old["State"]["Status"] == "exited"
    assert old["Name"].startswith(f"/{found.name}-before-planodev-")
    assert old["HostConfig"]["RestartPolicy"]["Name"] == "no"
    assert project("up", "--adopt", "--name", found.name, "--json").json["data"]["conversations"] == len(ROWS)
    project("down", "--delete-data", "--yes")
    found.api.start(found.id)  # the old data is as it was
    with found.login() as session:
        assert session.execute("SELECT count(*) FROM conversation_states").fetchone() == (len(ROWS),)


@pytest.mark.slow
def test_a_dry_run_says_it_and_changes_nothing(project, by_hand, snapshot):
    found = by_hand()
    before = snapshot(found.id)
    said = project("up", "--adopt", "--dry-run", "--name", found.name)
    assert "would be adopted" in said.err
    assert snapshot(found.id) == before
    assert list(project.path.iterdir()) == []


@pytest.mark.slow
def test_what_env_says_leads(project, by_hand):
    found = by_hand(POSTGRES_DB="talks")
    project.write(".env", "DB_USER=reader\nDB_PASS=own-pass\nDB_NAME=talks\n")
    project("up", "--adopt", "--name", found.name)
    assert project.env["DB_USER"] == "reader"
    assert project.env["DB_PASS"] == "own-pass"
    assert project.stored() == ROWS


PLACES = range(46) if KILLS >= 100 else sorted(random.Random(SEED).sample(range(46), 4))


@pytest.mark.slow
@pytest.mark.parametrize("number", PLACES)
def test_an_adoption_killed_at_any_request_is_finished_by_the_next_up(project, by_hand, number):
    found = by_hand()
    arguments = [str(number), "-C", str(project.path), "up", "--adopt", "--name", found.name]
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.killed_at", *arguments],
        env={**project.environment, "KILLED_AT": "requests"},
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=180,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    again = project("up", "--name", found.name, code=None)
    if again.code == 4:  # nothing was begun
        assert "database-made-by-hand" in again.err
        project("up", "--adopt", "--name", found.name)
    assert project.stored() == ROWS
    found.api.inspect_container(found.id)  # which still has its data


@pytest.mark.slow
def test_two_databases_do_not_become_one(project, by_hand):
    project("up", "--name", f"own-{os.urandom(4).hex()}")
    project.store("own")
    found = by_hand()
    refused = project("up", "--adopt", "--name", found.name, "--json", code=4)
    assert refused.error == "adopt-beside-data"
    assert project.stored() == ["own"]
    assert found.facts()["State"]["Status"] == "running"


def test_nothing_to_take_over(project, foreign_container):
    name = f"sleeper-{os.urandom(4).hex()}"
    foreign_container(name)
    for wanted, said in (
        (name, f"the container `{name}` has nothing to adopt"),
        ("nobody-has-this-name", "there is no container `nobody-has-this-name` to adopt"),
    ):
        refused = project("up", "--adopt", "--name", wanted, "--json", code=2)
        assert (refused.error, refused.json["error"]["message"]) == ("nothing-to-adopt", said)


DATA = "/var/lib/postgresql/data"
OWNED = {"dev.planodev.project": "p", "dev.planodev.path": "/shop", "dev.planodev.inode": "1"}
# What differs in a container, what runs in it, and what is said of it; whether its data can be written out.
UNFIT = (
    ({"labels": OWNED}, ["postgres"], "planodev's own, of the project in `/shop`", False),
    ({}, ["sleep 300"], f"it has no data of a PostgreSQL at `{DATA}`", False),
    ({}, [], f"it has no data of a PostgreSQL at `{DATA}`", False),
    ({}, ["postgres -D /x"], f"it runs on other data than `{DATA}`", True),
    ({"tmpfs": {DATA: ""}}, ["postgres"], f"in memory, in the tmpfs at `{DATA}`", True),
    ({"tmpfs": {"/var/lib/postgresql/": "rw"}}, ["postgres"], "in memory, in the tmpfs at `/var/lib/postgresql`", True),
    ({"mounts": [{"Type": "tmpfs", "Destination": DATA}]}, ["postgres"], f"in the tmpfs at `{DATA}`", True),
    ({"tmpfs": {"/tmp": ""}}, ["postgres"], f"it runs on other data than `{DATA}`", True),
    ({"tmpfs": {DATA: ""}}, [], f"it kept its data in memory, in the tmpfs at `{DATA}`", False),
)


@pytest.mark.parametrize(("differs", "runs", "said", "written"), UNFIT)
def test_what_is_true_of_a_container_that_cannot_be_adopted_is_said(differs, runs, said, written):
    item = {
        "Id": "1",
        "Name": "/theirs",
        "Config": {"Labels": differs.get("labels"), "Env": ["POSTGRES_USER=boss"]},
        "HostConfig": {"Tmpfs": differs.get("tmpfs")},
        "Mounts": differs.get("mounts", []),
        "State": {"Running": bool(runs)},
    }
    engine = DockerEngine.__new__(DockerEngine)
    rows = {"Processes": [[command] for command in runs]}
    engine.api = SimpleNamespace(inspect_container=lambda _: item, top=lambda _: rows)
    found = adopt.unfit(engine, "theirs")
    assert found.name == "theirs"
    assert said in found.why
    assert found.superuser == ("boss" if written else "")


@pytest.mark.slow
@pytest.mark.parametrize("option", [["--tmpfs", DATA], ["--mount", f"type=tmpfs,destination={DATA}"]])
def test_data_in_memory_cannot_be_copied_and_is_written_out_by_the_fix(project, api, option):
    name = f"in-memory-{os.urandom(4).hex()}"
    command = ["docker", "run", "-d", "--name", name, *option, "-e", "POSTGRES_PASSWORD=x", "postgres:16"]
    subprocess.run(command, check=True, capture_output=True)
    try:
        until(lambda: api.logs(name).count(b"ready to accept") > 1, "its second start", 60)
        refused = project("up", "--adopt", "--name", name, "--json", code=4)
        assert refused.error == "adopt-not-possible"
        assert f"it keeps its data in memory, in the tmpfs at `{DATA}`" in refused.json["error"]["why"]
        dump, separate = re.findall("`([^`]*)`", refused.json["error"]["fix"])
        done = subprocess.run(shlex.split(dump), check=True, capture_output=True, text=True)
        assert "PostgreSQL database cluster dump" in done.stdout
        api.stop(name, timeout=5)
        gone = project("up", "--adopt", "--name", name, "--json", code=2)
        assert gone.error == "nothing-to-adopt"
        assert "nothing is left of it" in gone.json["error"]["why"]
        project(*shlex.split(separate)[3:])
    finally:
        api.remove_container(name, force=True, v=True)


@pytest.mark.slow
def test_the_database_of_another_project_is_not_adopted(make_project):
    one, two = make_project("one"), make_project("two")
    one("up")
    name = one.status()["container"]
    refused = two("up", "--adopt", "--name", name, "--json", code=2)
    assert refused.error == "nothing-to-adopt"
    assert f"planodev's own, of the project in `{one.path}`" in refused.json["error"]["why"]
    two(*shlex.split(re.findall("`([^`]*)`", refused.json["error"]["fix"])[0])[3:])


@pytest.mark.slow
@pytest.mark.parametrize("by", ["its name", "its directory"])
def test_data_that_a_server_in_another_container_writes_is_not_copied(
    project, by_hand, foreign_container, snapshot, by
):
    """A copy that is made meanwhile may be of no use, and looks well."""
    found = by_hand()
    found.api.stop(found.id)
    mount = found.facts()["Mounts"][0]
    binds = {"Binds": [f"{mount['Name' if by == 'its name' else 'Source']}:/var/lib/postgresql/data"]}
    other = f"other-{os.urandom(4).hex()}"
    foreign_container(other, Entrypoint=["docker-entrypoint.sh"], Cmd=["postgres"], HostConfig=binds)
    until(lambda: b"ready to accept connections" in found.api.logs(other), "the other server", 60)
    before = snapshot(found.id, other)
    refused = project("up", "--adopt", "--name", found.name, "--json", code=4)
    assert refused.error == "data-in-use"
    assert (snapshot(found.id, other), list(project.path.iterdir())) == (before, [])
    project.follow(refused.json["error"]["fix"])
    assert project.stored() == ROWS


@pytest.mark.slow
def test_its_password_may_stand_in_a_file(project, by_hand, api, tmp_path):
    (tmp_path / "secret").write_text("from-a-file\n")
    name = f"by-hand-{os.urandom(4).hex()}"
    port = free_port()
    secret = f"{tmp_path / 'secret'}:/run/secret:ro"
    variables = ["-e", "POSTGRES_PASSWORD_FILE=/run/secret", "-e", "PGDATA=/var/lib/postgresql/data/inner"]
    command = ["docker", "run", "-d", "--name", name, *variables, "-v", secret, "-p", f"{port}:5432", "postgres:16"]
    subprocess.run(command, check=True, capture_output=True)
    try:
        until(lambda: api.logs(name).count(b"ready to accept") > 1, "its second start", 60)
        project("up", "--adopt", "--name", name)
        with project.login(password="from-a-file") as session:
            assert session.execute("SELECT 1").fetchone() == (1,)
    finally:
        for item in api.containers(all=True):
            if any(n.startswith(f"/{name}") for n in item["Names"]):
                api.remove_container(item["Id"], force=True, v=True)


@pytest.mark.slow
def test_names_that_env_cannot_take_are_refused_before_anything_is_touched(project, by_hand, snapshot):
    found = by_hand(POSTGRES_USER="my boss")
    before = snapshot(found.id)
    refused = project("up", "--adopt", "--name", found.name, "--json", code=4)
    assert refused.error == "adopt-unusual-name"
    assert "my boss" in refused.json["error"]["message"]
    assert snapshot(found.id) == before
    assert list(project.path.iterdir()) == []
