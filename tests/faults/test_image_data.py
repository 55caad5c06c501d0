"""Where an image keeps its data: in the project's volume, or not at all; and data made by hand is copied as a whole."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import tarfile

import docker
import pytest

from planodev.postgres import proof, state_table
from planodev.postgres.connection import Connection
from tests.support.docker_objects import make_image
from tests.support.ports import free_port
from tests.support.tiers import first_of_each, slow, slow_but
from tests.support.waiting import at_most, until

pytestmark = pytest.mark.docker

ELSEWHERE = "/home/postgres/pgdata/data"


def program(name, text):
    """Return a tar archive with one program."""
    packed, content = io.BytesIO(), f"#!/bin/bash\n{text}\n".encode()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o755
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


# Whatever its configuration says, its server has its data in the container itself.
LIAR = program("liar", "export PGDATA=/elsewhere\nexec docker-entrypoint.sh postgres")


@pytest.fixture
def image(api):
    return lambda *changes, **more: make_image(api, "planodev-test/data", os.urandom(4).hex(), *changes, **more)


def read_volume(api, volume, path):
    """Return a file of a volume as text, seen through nothing but the volume."""
    number = api.create_container_from_config(
        {"Image": "postgres:16", "Entrypoint": ["cat", f"/v/{path}"], "HostConfig": {"Binds": [f"{volume}:/v:ro"]}}
    )["Id"]
    try:
        api.start(number)
        api.wait(number, timeout=60)
        return api.logs(number, stderr=False).decode()
    finally:
        api.remove_container(number, force=True, v=True)


@pytest.mark.parametrize(
    ("changes", "below"),
    first_of_each(
        lambda _: "where the image keeps its data",
        [
            ((f"ENV PGDATA={ELSEWHERE}", 'VOLUME ["/home/postgres/pgdata"]'), "data/"),
            ((f"ENV PGDATA={ELSEWHERE}",), ""),
            ((f"ENV PGDATA={ELSEWHERE}", "USER postgres"), ""),
            ((f"ENV PGDATA={ELSEWHERE}", 'VOLUME ["/home/postgres/pgdata"]', "USER postgres"), "data/"),
            (("USER postgres",), ""),
            (('CMD ["postgres", "-D", "/srv/db"]', "ENV PGDATA=/srv/db"), ""),
            (('CMD ["-c", "Data_Directory=/srv/db"]',), ""),
            (("ENV PGDATA=//home//postgres/./pgdata/data/", 'VOLUME ["//home/postgres/pgdata/"]'), "data/"),
            (('CMD ["postgres", "-p5432", "-h0.0.0.0", "-c", "log_min_messages=info"]',), ""),
            (("ENV POSTGRES_PASSWORD=theirs POSTGRES_HOST_AUTH_METHOD=trust PGPORT=6543",), ""),
        ],
    ),
)
def test_the_volume_is_where_the_image_keeps_its_data(project, api, image, changes, below):
    project("up", "--image", image(*changes))
    project.store("kept")
    status = project.status()
    assert read_volume(api, status["volume"], f"{below}PG_VERSION") == "16\n"
    api.remove_container(status["container"], force=True, v=True)
    project("up")
    assert project.stored() == ["kept"]
    anonymous = [v for v in project.container()["Mounts"] if v["Type"] == "volume" and v["Name"] != status["volume"]]
    if "VOLUME" in changes[-1]:
        assert not [mount for mount in anonymous if mount["Destination"].startswith("/home")]


@pytest.mark.parametrize(
    ("changes", "why"),
    first_of_each(
        lambda row: len(row[0]),
        [
            (('VOLUME ["/var/lib/postgresql/data/pg_wal"]',), "/var/lib/postgresql/data/pg_wal"),
            ((f"ENV PGDATA={ELSEWHERE}", f'VOLUME ["{ELSEWHERE}/base/"]'), f"{ELSEWHERE}/base"),
            (("ENV PGDATA=data",), "`data`"),
            (("ENV PGDATA=/",), "`/`"),
            (("ENV PGDATA=/srv/a:b",), "/srv/a:b"),
            (("ENV POSTGRES_INITDB_WALDIR=/wal", "USER root"), "/wal"),
            (('ENV POSTGRES_INITDB_ARGS="-k --waldir /wal"',), "/wal"),
            (('VOLUME ["data"]',), "`data`"),
            (('VOLUME ["//"]',), "`//`"),
            (('CMD ["postgres", "-p", "6543"]',), "6543"),
            (('CMD ["--port=6543"]',), "6543"),
            (('CMD ["postgres", "-c", "listen_addresses=localhost"]',), "`localhost`"),
            (('CMD ["postgres", "-k", ""]',), "local socket"),
        ],
    ),
)
def test_an_image_whose_data_no_volume_can_hold_is_refused_before_anything_is_touched(
    project, image, snapshot, changes, why
):
    name, before = image(*changes), snapshot()
    refused = project("up", "--image", name, "--json", code=2)
    assert refused.error == "image-not-usable"
    assert why in refused.json["error"]["why"]
    assert (snapshot(), list(project.path.iterdir())) == (before, [])


@pytest.mark.slow
def test_an_image_whose_data_directory_is_a_link_works_or_is_refused_as_such(project, image):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        link = tarfile.TarInfo("pgdata")
        link.type, link.linkname = tarfile.SYMTYPE, "/srv"
        archive.addfile(link)
    refused = project("up", "--image", image("ENV PGDATA=/opt/pgdata", content=packed.getvalue()), "--json", code=2)
    assert refused.error == "image-cannot-start"
    assert "a link where its data belongs" in refused.json["error"]["why"]
    project.follow(refused.json["error"]["fix"])


@pytest.mark.slow
def test_a_first_start_beside_the_volume_is_never_called_ready(project, api, image):
    liar = image('ENTRYPOINT ["/opt/liar"]', content=LIAR)
    for _ in range(2):
        refused = project("up", "--image", liar, "--json", code=4)
        assert refused.error == "data-outside-volume"
    project("up", "--image", "postgres:16")
    assert project.stored() == []


@pytest.mark.slow
def test_a_server_that_does_not_use_the_data_in_the_volume_is_refused_and_the_data_is_kept(filled, image):
    refused = filled("up", "--image", image('ENTRYPOINT ["/opt/liar"]', content=LIAR), "--json", code=4)
    assert refused.error == "data-outside-volume"
    filled("up", "--image", "postgres:16")
    assert filled.stored() == ["kept"]


@pytest.mark.slow
def test_an_image_that_looks_at_another_place_of_the_volume_is_refused(filled, image, snapshot):
    deeper = image("ENV PGDATA=/var/lib/postgresql/data/inner", 'VOLUME ["/var/lib/postgresql/data"]')
    before = snapshot()
    refused = filled("up", "--image", deeper, "--json", code=4)
    assert refused.error == "data-at-another-place"
    assert snapshot() == before
    filled.follow(refused.json["error"]["fix"])
    assert filled.stored() == ["kept"]


@pytest.mark.parametrize("changes", [('ENTRYPOINT ["postgres"]',), ('ENTRYPOINT ["postgres"]', "USER postgres")])
@pytest.mark.slow
def test_an_image_that_makes_no_database_is_refused_with_what_mends_it(project, image, changes):
    refused = project("up", "--image", image("CMD []", *changes), "--json", code=6)
    assert refused.error == "server-stopped"
    assert "up --image postgres:16`" in refused.json["error"]["fix"]
    project.follow(refused.json["error"]["fix"])


@pytest.mark.slow
def test_an_image_whose_entrypoint_is_gone_is_refused_and_mended_by_another(project, image):
    refused = project("up", "--image", image('ENTRYPOINT ["gone.sh"]'), "--json", code=2)
    assert refused.error == "image-cannot-start"
    assert "gone.sh" in refused.json["error"]["why"]
    project.follow(refused.json["error"]["fix"])


@pytest.mark.parametrize("command", ['["sleep", "infinity"]', '["sh", "-c", "while sleep 1; do :; done"]'])
@pytest.mark.slow
def test_an_image_that_starts_no_server_is_told_by_what_runs_in_its_place(project, image, command):
    idle = image(f"ENTRYPOINT {command}", "CMD []")
    refused = project("up", "--image", idle, "--timeout", "5", "--json", code=6)
    assert refused.error == "not-ready-in-time"
    assert f"no PostgreSQL runs in the container of the image `{idle}`, only " in refused.json["error"]["why"]
    assert "`sleep`" in refused.json["error"]["why"]
    assert refused.json["error"]["fix"].startswith(f"`planodev -C {project.path} up --image postgres:16")
    project("up", "--image", "postgres:16")
    assert project.stored() == []


@pytest.mark.parametrize(
    ("changes", "code"),
    first_of_each(
        lambda row: row[1][0],
        [
            (("WORKDIR /etc/passwd",), (2, "image-cannot-start")),
            (("USER 4321",), (6, "server-stopped")),
            # Its second start skips what failed in the first, and stays up: it is met between the two, or after them.
            (('ENV POSTGRES_INITDB_ARGS="--auth=scram-sha-256"',), (6, "server-stopped", "init-failed")),
            (("ENV POSTGRES_INITDB_ARGS=--nonsense",), (6, "server-stopped")),
            (("ENV PGSERVICE=theirs",), (6, "server-stopped", "init-failed")),
            (('CMD ["postgres", "-c", "config_file=/opt/theirs"]',), (6, "server-stopped")),
            (('CMD ["postgres", "-c", "default_transaction_read_only=on"]',), (5, "table-not-made")),
        ],
    ),
)
def test_what_an_image_itself_has_wrong_is_mended_by_the_usual_one(project, api, image, changes, code):
    before = {volume["Name"] for volume in api.volumes()["Volumes"] or []}
    refused = project(
        "up", "--image", image(*changes, content=program("theirs", "data_directory = '/x'")), "--json", code=code[0]
    )
    assert refused.error in code[1:]
    assert f"`planodev -C {project.path} up --image postgres:16`" in refused.json["error"]["fix"]
    if code[1] == "image-cannot-start":  # and nothing of it is left beside the project's own volume
        left = {volume["Name"] for volume in api.volumes()["Volumes"] or []} - before
        assert [name for name in left if "plano" not in name] == []
    project("up", "--image", "postgres:16")
    assert project.stored() == []


def by_docker(api):
    """Return what does what `docker exec` does."""

    def run(exec_, container, *command):
        assert exec_ == "exec"
        number = api.exec_create(container, list(command))["Id"]
        said = api.exec_start(number)
        assert api.exec_inspect(number)["ExitCode"] == 0, said

    return run


@pytest.mark.parametrize("settings", ["port = 6543", slow("listen_addresses = 'localhost'")])
def test_a_server_that_listens_elsewhere_by_settings_in_its_data_is_told_and_mended(filled, api, settings):
    name, value = settings.split(" = ")
    with filled.login() as session:
        session.execute(f"ALTER SYSTEM SET {name} = {value}")
    filled.others["docker"] = by_docker(api)
    filled("down", "--keep-data")
    with at_most(20):
        refused = filled("up", "--json", code=6)
    assert refused.error == "listens-elsewhere"
    assert ("6543" if name == "port" else "127.0.0.1:5432") in refused.json["error"]["message"]
    filled.follow(refused.json["error"]["fix"])
    assert filled.stored() == ["kept"]


@pytest.mark.slow
def test_a_server_that_listens_elsewhere_by_a_file_of_its_image_is_told_and_mended(project, image):
    there = "/var/lib/postgresql/data"
    settings = f"data_directory = '{there}'\nhba_file = '{there}/pg_hba.conf'\nport = 6543"
    odd = image('CMD ["postgres", "-c", "config_file=/opt/theirs"]', content=program("theirs", settings))
    refused = project("up", "--image", odd, "--json", code=6)
    assert refused.error == "listens-elsewhere"
    assert "6543" in refused.json["error"]["message"]
    project.follow(refused.json["error"]["fix"])
    assert project.stored() == []


@pytest.mark.parametrize("encoding", slow_but(["LATIN1"], ["LATIN1", "EUC_JP", "SQL_ASCII"]))
def test_a_database_that_has_no_place_for_every_text_is_refused(project, image, encoding):
    odd = image(f'ENV POSTGRES_INITDB_ARGS="--encoding={encoding} --locale=C"')
    if encoding == "SQL_ASCII":  # it keeps the bytes of UTF-8 as they are
        project("up", "--image", odd)
        with project.login(client_encoding="UTF8") as session:
            items = '[{"type": "message", "role": "user", "content": "caf\u00e9 \U0001f600"}]'
            session.execute(f"INSERT INTO conversation_states VALUES ('r', '{items}', 1, 'm', 'p')")
        assert "caf\u00e9 \U0001f600" in project("conversations", "show", "last").out
        return
    refused = project("up", "--image", odd, "--json", code=7)
    assert refused.error == "database-encoding"
    assert encoding in refused.json["error"]["why"]
    assert "write another DB_NAME into the project's `.env`" in refused.json["error"]["fix"]
    project.change(".env", "^DB_NAME=.*$", "DB_NAME=other")
    project("up")
    with project.login() as session:
        assert session.execute("SHOW server_encoding").fetchone() == ("UTF8",)


SCRIPT = "docker-entrypoint-initdb.d/10-tables.sh"


def script(text):
    return program(SCRIPT, f"psql -U $POSTGRES_USER -d $POSTGRES_DB -c 'CREATE TABLE half (n int)'\n{text}")


APART = "CREATE TABLESPACE apart LOCATION '/tmp/apart'"


@pytest.mark.slow
def test_a_server_that_the_scripts_of_an_image_restart_at_localhost_is_waited_for(project, image):
    again = 'pg_ctl -D "$PGDATA" -o "-c listen_addresses=localhost -p 5432" -w restart && sleep 4'
    project("up", "--image", image(content=script(again), place="/"))
    assert project.stored() == []


@pytest.mark.slow
def test_a_tablespace_of_the_images_own_files_is_never_called_ready(project, image):
    sql = f'-c "{APART}" -c "ALTER ROLE plano SET default_tablespace = apart"'
    odd = image(content=script(f"mkdir /tmp/apart && psql -U $POSTGRES_USER -d $POSTGRES_DB {sql}"), place="/")
    refused = project("up", "--image", odd, "--json", code=4)
    assert refused.error == "data-outside-volume"
    assert "`/tmp/apart`" in refused.json["error"]["why"]


def test_a_server_that_has_a_tablespace_in_its_container_is_not_replaced(filled, snapshot):
    inside = filled.api.exec_create(
        filled.container()["Id"], ["sh", "-c", "mkdir /tmp/apart; chown postgres: /tmp/apart"]
    )
    filled.api.exec_start(inside["Id"])
    with filled.login() as session:
        session.execute(APART)
        session.execute("ALTER TABLE conversation_states SET TABLESPACE apart")
    before = snapshot()
    refused = filled("up", "--port", str(free_port()), "--json", code=4)
    assert refused.error == "data-outside-volume"
    assert "/tmp/apart" in refused.json["error"]["why"]
    assert snapshot() == before
    filled.follow(refused.json["error"]["fix"])
    assert filled.stored() == ["kept"]


def test_a_table_that_a_crash_would_empty_is_refused(project, image):
    unlogged = state_table.CREATE.partition(";")[0].replace("CREATE TABLE", "CREATE UNLOGGED TABLE")
    odd = image(content=script(f'psql -U $POSTGRES_USER -d $POSTGRES_DB -c "{unlogged}"'), place="/")
    refused = project("up", "--image", odd, "--json", code=7)
    assert refused.error == "table-unlogged"
    project.follow(refused.json["error"]["fix"])
    project("up")


@pytest.mark.parametrize("prints", ["", "{", "x", "\\xff\\x1b[2J"])
@pytest.mark.slow
def test_an_image_that_calls_something_else_psql_is_told(project, image, prints):
    odd = image("ENV PATH=/opt:$PATH", content=program("psql", f"printf '{prints}'"))
    assert project("up", "--image", odd, "--timeout", "10", "--json", code=None).error not in ("unexpected", None)


@pytest.mark.slow
def test_scripts_of_the_image_that_fail_are_told_until_they_are_mended(project, api, image):
    failing = image(content=script("exit 3"), place="/")
    for _ in range(2):
        refused = project("up", "--image", failing, "--json", code=6)
        assert refused.error in ("init-failed", "server-stopped")
    assert refused.error == "init-failed"
    api.tag(image(content=script(""), place="/"), *failing.split(":"), force=True)  # who has made the image mends it
    project.follow(refused.json["error"]["fix"])
    with project.login() as session:
        assert session.execute("SELECT count(*) FROM half").fetchone() == (0,)


@pytest.mark.slow
def test_scripts_of_the_image_that_were_killed_half_way_are_not_taken_for_done(project, api, image):
    waiting = image(content=script("touch /tmp/here; while [ -e /tmp/here ]; do :; done"), place="/")
    running = project.start("up", "--image", waiting)
    label = {"label": f"dev.planodev.path={project.path}"}

    def at_the_script():
        found = [one["Id"] for one in api.containers(filters=label) if "dev.planodev.witness" not in one["Labels"]]
        if not found:
            return False
        number = api.exec_create(found[0], ["test", "-e", "/tmp/here"])["Id"]
        api.exec_start(number)
        return api.exec_inspect(number)["ExitCode"] == 0 and found[0]

    until(at_the_script, "the script", 60)
    number = at_the_script()
    running.kill()
    running.communicate()
    api.kill(number)
    refused = project("up", "--json", code=6)
    assert refused.error == "init-failed"
    assert "down --delete-data" in refused.json["error"]["fix"]


@pytest.mark.slow
def test_a_container_of_an_older_planodev_that_has_data_beside_its_volume_is_never_replaced(project, api, image):
    """As it was left: labels, a volume with the mark alone, and the conversations among the container's own files."""
    project("up", "--image", "postgres:16")
    made, status = project.container(), project.status()
    odd = image(f"ENV PGDATA={ELSEWHERE}")
    password = project.env["DB_PASS"]
    api.remove_container(made["Id"], force=True)
    api.remove_volume(status["volume"])
    api.create_volume(status["volume"], labels=made["Config"]["Labels"])
    config = {
        "Image": odd,
        "Labels": {**made["Config"]["Labels"], "dev.planodev.image": odd},
        "Env": [f"POSTGRES_PASSWORD={password}", "POSTGRES_USER=plano", "POSTGRES_DB=plano"],
        "HostConfig": made["HostConfig"],
    }
    number = api.create_container_from_config(config, status["container"])["Id"]
    api.start(number)
    project("verify", code=None)
    until(lambda: project("status", "--json").json["data"]["table"] is not None, "the server", 30)
    inside = api.exec_create(number, ["touch", "/var/lib/postgresql/data/planodev-ready"])["Id"]
    api.exec_start(inside)

    def made_table():
        with contextlib.suppress(Exception), project.login() as session:
            session.execute(state_table.CREATE)
            return True
        return False

    until(made_table, "a login", 30)
    project.store("only here")
    for options in ((), ("--image", "postgres:16"), ("--port", str(free_port())), ("--dry-run",)):
        refused = project("up", *options, "--json", code=4)
        assert refused.error == "data-outside-volume"
        assert project.stored() == ["only here"]
    project("down", "--keep-data")
    refused = project("up", "--json", code=4)
    assert refused.error == "data-outside-volume"
    fix = refused.json["error"]["fix"]
    assert fix.startswith(f"`docker start {status['container']}`"), fix
    api.start(number)
    until(made_table, "a login", 30)
    project.follow(fix)
    assert project.stored() == ["only here"]


@pytest.fixture
def by_hand(api):
    """Make containers as people do, with rows; what is left of them is removed."""
    made = []

    def make(image, *command, sql=(), labels=None, **host):
        name, port = f"by-hand-{os.urandom(4).hex()}", free_port()
        number = api.create_container(
            image,
            name=name,
            command=list(command) or None,
            environment={"POSTGRES_PASSWORD": "by-hand"},
            ports=[5432],
            labels=labels,
            host_config=api.create_host_config(port_bindings={5432: port}, **host),
        )["Id"]
        made.append(number)
        api.start(number)

        def done(statement):
            with (
                contextlib.suppress(Exception),
                proof.login(Connection("postgres", "by-hand", "127.0.0.1", port, "postgres"), 2) as session,
            ):
                session.autocommit = True
                session.execute(statement)
                return True
            return False

        row = "INSERT INTO conversation_states VALUES ('by hand', '[]', 1, 'm', 'p') ON CONFLICT DO NOTHING"
        until(lambda: done(state_table.CREATE), "the server", 60)
        for statement in (*sql, row):
            assert done(statement), statement
        return name, number

    yield make
    for number in made:
        with contextlib.suppress(docker.errors.APIError):
            api.remove_container(number, force=True, v=True)


@pytest.mark.slow
def test_a_container_that_has_its_data_among_its_own_files_is_adopted_with_it(project, api, image, by_hand):
    name, number = by_hand(image(f"ENV PGDATA={ELSEWHERE}"))
    done = project("up", "--adopt", "--name", name)
    assert project.stored() == ["by hand"]
    said = done.err.splitlines()
    offer = next(at for at, line in enumerate(said) if "docker rm -v" in line)
    assert offer > next(at for at, line in enumerate(said) if "storage: verified" in line)
    assert api.inspect_container(number)["State"]["Status"] == "exited"
    assert not [one for one in api.images() if "planodev-adopts" in str(one["RepoTags"])]
    status = project.status()
    api.remove_container(status["container"], force=True, v=True)
    project("up")
    assert project.stored() == ["by hand"]


def dumped(api, number, name, dump):
    """Say whether a command to paste, `exec NAME pg_dumpall …`, writes out what was stored by hand."""
    words = shlex.split(dump.removeprefix(f"exec {name} ").partition(" >")[0])
    return b"by hand" in api.exec_start(api.exec_create(number, words)["Id"])


def move_apart(api, number):
    """Have the table in a tablespace beside the data."""
    for command in ("mkdir /tmp/apart", "chown postgres /tmp/apart"):
        api.exec_start(api.exec_create(number, ["sh", "-c", command])["Id"])
    move = "ALTER TABLE conversation_states SET TABLESPACE apart"
    sql = f"psql -U postgres -c \"{APART}\" -c '{move}'"
    assert b"ALTER" in api.exec_start(api.exec_create(number, ["sh", "-c", sql])["Id"])


@pytest.mark.slow
def test_data_that_a_copy_would_miss_is_not_adopted(project, api, by_hand):
    name, number = by_hand("postgres:16")
    move_apart(api, number)
    api.stop(number)
    refused = project("up", "--adopt", "--name", name, "--json", code=4)
    assert refused.error == "adopt-failed"
    assert "pg_tblspc" in refused.json["error"]["why"]
    start, dump = re.findall("`docker ([^`]*)`", refused.json["error"]["fix"])
    assert start == f"start {name}"
    api.start(number)
    until(lambda: dumped(api, number, name, dump), "all of its data", 60)
    assert "docker rm" not in refused.out + refused.err


# How a container is that its end would take data from, and what is said of it.
ENDED_BY_A_STOP = {
    "its engine removes it": ({"auto_remove": True}, "`--rm`"),
    "a task of Swarm": ({"labels": {"com.docker.swarm.task.id": "x"}}, "Docker Swarm"),
    "a container of Kubernetes": ({"labels": {"io.kubernetes.container.name": "x"}}, "Kubernetes"),
    "a tablespace in memory": ({"tmpfs": {"/tmp": ""}}, "pg_tblspc"),
}


@pytest.mark.parametrize("how", slow_but(["its engine removes it"], ENDED_BY_A_STOP))
def test_a_container_whose_data_may_end_with_it_is_not_stopped(project, api, by_hand, snapshot, how):
    """Whoever has started it by hand may have `--rm` in a script: an adoption would have been the end of its rows."""
    options, why = ENDED_BY_A_STOP[how]
    name, number = by_hand("postgres:16", **options)
    if "tmpfs" in options:
        move_apart(api, number)
    before = snapshot(number)
    refused = project("up", "--adopt", "--name", name, "--json", code=4)
    assert refused.error == "adopt-not-possible"
    assert why in refused.json["error"]["why"]
    assert (snapshot(number), list(project.path.iterdir())) == (before, [])
    dump = re.search("`docker (exec [^`]*)`", refused.json["error"]["fix"])[1]
    assert dumped(api, number, name, dump)


@pytest.mark.slow
def test_a_server_that_runs_over_other_data_than_it_says_is_not_adopted(project, api, image, by_hand, snapshot):
    name, number = by_hand(image('ENTRYPOINT ["/opt/liar"]', content=LIAR))
    inside = "mkdir -p /var/lib/postgresql/data && cp /elsewhere/PG_VERSION /var/lib/postgresql/data/"
    api.exec_start(api.exec_create(number, ["sh", "-c", inside])["Id"])
    before = snapshot(number)
    refused = project("up", "--adopt", "--name", name, "--json", code=4)
    assert refused.error == "adopt-not-possible"
    assert "pg_dumpall" in refused.json["error"]["fix"]
    assert snapshot(number) == before
