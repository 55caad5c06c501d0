"""A database that planodev 0.1.0 as of commit 8824ac6 made is found and used: its labels, files and records, literally.

Nothing here asks planodev how it writes these today: what people have on their machines does not change with it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import tarfile
from functools import partial

import psycopg
import pytest

from planodev.engines.embedded import programs
from tests.support.engine_project import gone
from tests.support.ports import free_port
from tests.support.waiting import without_error

pytestmark = pytest.mark.each_engine(slow="docker")

NUMBER, PASSWORD = "8824ac68824ac600", "kept-since-8824ac6_0123456789abc"
TABLE = """\
CREATE TABLE IF NOT EXISTS conversation_states (
    response_id TEXT PRIMARY KEY,
    input_items JSONB NOT NULL,
    created_at BIGINT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS idx_conversation_states_created_at ON conversation_states (created_at);
CREATE INDEX IF NOT EXISTS idx_conversation_states_provider ON conversation_states (provider);
CREATE INDEX IF NOT EXISTS idx_conversation_states_updated_at ON conversation_states (updated_at);
COMMENT ON TABLE conversation_states IS 'Conversations of Plano (POST /v1/responses)';
INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)
VALUES ('kept', '[]', 1, 'm', 'p')
"""


class Older:
    """What that version has left of one project: its server, stopped or not, `.env` and the record."""

    def __init__(self, project):
        self.project = project
        self.port = free_port()
        found = project.path.stat()
        self.path, self.inode = str(project.path), f"{found.st_dev}:{found.st_ino}:"
        self.storage = self.docker() if project.engine == "docker" else self.embedded()
        host = "host.docker.internal" if project.engine == "docker" else "127.0.0.1"
        line = f"# planodev project: {NUMBER} (by this `planodev up` finds the database again; the values here lead)\n"
        values = f"DB_USER=plano\nDB_PASS={PASSWORD}\nDB_HOST={host}\nDB_PORT={self.port}\nDB_NAME=plano\n"
        project.write(".env", line + values)
        (project.path / ".env").chmod(0o600)
        record = {"project": NUMBER, "path": self.path, "inode": self.inode, "engine": project.engine}
        record |= {"place": self.storage, "moving_to": "", "remains": ""}
        directory = project.base / "state/planodev/projects"
        directory.mkdir(parents=True)
        (directory / f"{NUMBER}.json").write_text(json.dumps(record, indent=2) + "\n")

    def docker(self):
        api, name = self.project.api, f"plano-older-{os.getpid()}"
        about = {"project": NUMBER, "path": self.path, "inode": self.inode, "superuser": "plano"}
        about |= {"image": "postgres:16", "database": "plano", "plano": "docker"}
        labels = {f"dev.planodev.{key}": value for key, value in about.items()}
        gateway = api.inspect_network("bridge")["IPAM"]["Config"][0]["Gateway"]
        api.create_volume(f"{name}-data", labels=labels)
        container = api.create_container_from_config(
            {
                "Image": "postgres:16",
                "Labels": labels,
                "Env": [
                    "POSTGRES_USER=plano",
                    "POSTGRES_DB=plano",
                    "POSTGRES_PASSWORD_FILE=/etc/planodev-password",
                ],
                "ExposedPorts": {"5432/tcp": {}},
                "HostConfig": {
                    "NetworkMode": "bridge",
                    "ExtraHosts": ["host.docker.internal:host-gateway"],
                    "Binds": [f"{name}-data:/var/lib/postgresql/data"],
                    "PortBindings": {
                        "5432/tcp": [{"HostIp": ip, "HostPort": str(self.port)} for ip in ("127.0.0.1", gateway)]
                    },
                    "RestartPolicy": {"Name": "unless-stopped"},
                },
            },
            name,
        )["Id"]
        member = tarfile.TarInfo("planodev-password")
        member.size, member.mode = len(PASSWORD), 0o400
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.addfile(member, io.BytesIO(PASSWORD.encode()))
        api.put_archive(container, "/etc", buffer.getvalue())
        api.start(container)
        self.fill()
        mark = api.exec_create(container, ["touch", "/var/lib/postgresql/data/planodev-ready"])["Id"]
        api.exec_start(mark)
        return f"{name}-data"

    def embedded(self):
        base = self.project.base / "data/planodev"
        program = programs.placed(programs.find(), base)
        as_owner = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        place = base / "postgres" / NUMBER
        place.mkdir(parents=True)
        about = {"project": NUMBER, "path": self.path, "inode": self.inode, "name": "embedded-postgres"}
        about |= {"user": "plano", "database": "plano", "version": program.version, "port": self.port}
        self.files = {
            "labels.json": json.dumps(about, indent=2) + "\n",
            "password": f"{PASSWORD}\n",
            "pgpass": "*:*:*:planodev+admin:of-the-superuser\n",
            "initdb-password": "of-the-superuser\n",
            "ready": "",
            "server.log": "",
        }
        for name, text in self.files.items():
            (place / name).write_text(text)
            (place / name).chmod(0o600)
        if as_owner:
            for path in (place, *place.iterdir()):
                os.chown(path, 65534, 65534)
        place.chmod(0o700)
        run = {"env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}, "cwd": "/", "umask": 0o077, **as_owner}
        init = [program.path("initdb"), f"--pgdata={place / 'data'}", "--username=planodev+admin", "--no-sync"]
        init += [f"--pwfile={place / 'initdb-password'}", "--auth=scram-sha-256"]
        init += ["--encoding=UTF8", "--no-locale", "--no-instructions"]
        subprocess.run(init, **run, check=True, capture_output=True)
        (place / "initdb-password").unlink()
        options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}", "-c", "unix_socket_directories="]
        postgres = [program.path("postgres"), "-D", str(place / "data"), *options]
        first = f"CREATE ROLE \"plano\" LOGIN PASSWORD '{PASSWORD}';\n\n"
        first += 'CREATE DATABASE "plano" OWNER "plano" STRATEGY file_copy;\n\n'
        single = [postgres[0], "--single", "-F", "-j", *postgres[1:], "postgres"]
        subprocess.run(single, **run, input=first.encode(), check=True, capture_output=True)
        server = subprocess.Popen(postgres, **run, stderr=subprocess.DEVNULL)
        self.fill()
        server.terminate()
        server.wait(30)
        return str(place)

    def fill(self):
        """Make the table with one stored turn, as soon as the server lets anybody in."""
        way = {"host": "127.0.0.1", "port": self.port, "user": "plano", "password": PASSWORD, "dbname": "plano"}
        log_in = partial(psycopg.connect, **way, sslmode="disable", connect_timeout=5)
        with without_error(log_in, psycopg.OperationalError, 60) as session:
            session.execute(TABLE)

    def lose_server(self):
        """Have only the data left."""
        if self.project.engine == "docker":
            self.project.api.remove_container(self.storage.removesuffix("-data"), force=True)
        elif (pid := self.project.place() / "data/postmaster.pid").exists():
            number = int(pid.read_text().split()[0])
            os.kill(number, 2)
            gone(number)


@pytest.fixture
def older(project):
    return Older(project)


def test_it_is_seen_and_used_as_it_is(older, project):
    before = project.status()
    assert (before["volume"], before["port"], before["user"]) == (older.storage, older.port, "plano")
    env = (project.path / ".env").read_text()
    done = project("up", "--json").json["data"]
    assert (done["state"], done["volume"], done["conversations"]) == ("running", older.storage, 1)
    assert (project.path / ".env").read_text() == env
    if project.engine == "docker":
        assert before["state"] == "running"
        assert project.container()["RestartCount"] == 0
        assert project.container()["Created"] < project.container()["State"]["StartedAt"]
    project.store("new")
    assert project.stored() == ["kept", "new"]
    project("verify")


@pytest.mark.slow
def test_its_data_is_found_by_labels_alone(older, project):
    project("up")
    older.lose_server()
    (project.path / ".env").unlink()
    for record in (project.base / "state/planodev/projects").iterdir():
        record.unlink()
    done = project("up", "--json").json["data"]
    assert (done["volume"], done["conversations"]) == (older.storage, 1)
    assert f"# planodev project: {NUMBER} " in (project.path / ".env").read_text()


def test_its_password_is_known_where_env_is_lost(older, project):
    (project.path / ".env").unlink()
    project("up")
    assert project.env["DB_PASS"] == PASSWORD
    assert project.stored() == ["kept"]


@pytest.mark.slow
def test_its_record_says_where_the_data_is(older, project):
    other = "embedded" if project.engine == "docker" else "docker"
    found = project("status", "--json", PLANODEV_ENGINE=other).json["data"]
    assert (found["engine"]["name"], found["volume"]) == (project.engine, older.storage)
    if project.engine == "docker":
        refused = project("up", "--json", code=3, PLANODEV_ENGINE="auto", DOCKER_HOST="unix:///nowhere.sock")
        assert (refused.error, older.storage in refused.json["error"]["why"]) == ("no-socket", True)


@pytest.mark.slow
def test_it_is_deleted_as_a_whole_and_only_when_asked(older, project):
    project("up")
    project("down", "--keep-data")
    assert project.status()["volume"] == older.storage
    project("down", "--delete-data", "--yes")
    assert project.status()["state"] == "absent"
    with contextlib.suppress(FileNotFoundError):
        assert NUMBER not in os.listdir(project.base / "data/planodev/postgres")
