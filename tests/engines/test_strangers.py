"""No password to a stranger: what listens where the project's server should be, or where a configuration leads."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import threading

import pytest

from tests.support.tiers import first_of_each, slow_but
from tests.support.waiting import until

pytestmark = pytest.mark.each_engine(slow="docker")

SECRET = "of-the-shell-0123456789"

CONFIG = """\
version: v0.3.0
model_providers:
  - model: ollama/llama3
    base_url: http://127.0.0.1:11434
    default: true
listeners:
  - type: model
    name: model
    port: 12000
"""


@contextlib.contextmanager
def stranger(port=0, answer=b"R\x00\x00\x00\x08\x00\x00\x00\x03"):
    """Listen, ask every client for its password in clear text, and keep what it sends; yields port and what came."""
    came = []

    def hear(client):
        with contextlib.suppress(OSError), client:
            client.settimeout(5)
            while piece := client.recv(65536):
                came.append(piece)
                client.sendall(answer)

    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=hear, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], came
        server.shutdown(socket.SHUT_RDWR)


COMMANDS = [
    ("status",),
    ("verify",),
    ("doctor",),
    ("conversations",),
    ("conversations", "show", "kept"),
    ("conversations", "export", "-"),
    ("psql", "-c", "SELECT 1"),
    ("snapshot", "save"),
    ("reset", "--yes"),
    ("up", "--dry-run"),
]


def test_a_stopped_servers_port_is_not_logged_in_at(filled):
    filled("down", "--keep-data")
    with stranger(int(filled.env["DB_PORT"])) as (_, came):
        for command in COMMANDS:
            done = filled(*command, code=None)
            assert done.code or command[0] in ("status", "up"), command
        assert came == []
    filled("up")
    assert filled.stored() == ["kept"]


def test_another_port_than_the_servers_is_not_logged_in_at(filled):
    own = filled.env["DB_PORT"]
    with stranger() as (port, came):
        filled.change(".env", "^DB_PORT=.*", f"DB_PORT={port}")
        for command in COMMANDS:
            filled(*command, code=None)
        refused = filled("verify", "--json", code=7)
        assert refused.error == "not-its-port"
        assert came == []
    filled.change(".env", "^DB_PORT=.*", f"DB_PORT={own}")
    filled("up")
    assert filled.stored() == ["kept"]


@pytest.mark.parametrize(
    "text",
    first_of_each(
        lambda text: "DB_PASS" in text,
        [
            "postgresql://x:${AWS_SECRET_ACCESS_KEY}@127.0.0.1:5999/db",
            "postgresql://x:${AWS_SECRET_ACCESS_KEY}@203.0.113.7:5432/db",
            "postgresql://${AWS_SECRET_ACCESS_KEY}@203.0.113.7/db",
            "postgresql://x:y@203.0.113.7/${AWS_SECRET_ACCESS_KEY}",
            "postgresql://x:y@203.0.113.7/db?application_name=${AWS_SECRET_ACCESS_KEY}",
            "postgresql://x:${AWS_SECRET_ACCESS_KEY}@${HERE}/db?host=203.0.113.7",
            "postgresql://x:${AWS_SECRET_ACCESS_KEY}@${HERE},203.0.113.7/db",
            "postgresql://x:y@${AWS_SECRET_ACCESS_KEY}.example.invalid/db",
            "postgresql://${DB_USER}:${DB_PASS}@203.0.113.7:5432/db",
        ],
    ),
)
def test_no_variable_of_the_shell_and_no_password_goes_where_a_configuration_leads(make_project, text):
    storage = f'state_storage:\n  type: postgres\n  connection_string: "{text}"\n'
    shell = {"AWS_SECRET_ACCESS_KEY": SECRET, "HERE": "db.example.invalid"}
    project = make_project("cloned")
    if "DB_PASS" in text:
        project("up")
    project.write("config.yaml", CONFIG + storage)
    for command in (("verify",), ("conversations",), ("psql", "-c", "SELECT 1"), ("doctor",)):
        if command[0] != "verify" and "DB_PASS" in text:
            continue  # by `.env` these are about the project's own database
        done = project(*command, code=None, **shell)
        assert done.code
        assert "would be sent to" in done.out + done.err, (command, done.out, done.err)
        assert SECRET not in done.out + done.err


@pytest.mark.parametrize(
    "line",
    [
        "PASSWORD_OF_MINE=${AWS_SECRET_ACCESS_KEY}",
        "HIDDEN=${AWS_SECRET_ACCESS_KEY}\nPASSWORD_OF_MINE=x${HIDDEN}",
        "PASSWORD_OF_MINE=${PASSWORD_OF_MINE}",
    ],
)
def test_an_env_file_that_came_along_does_not_let_variables_of_the_shell_go(make_project, line):
    project = make_project("cloned")
    project.write(".env", f"{line}\n")
    with stranger() as (port, came):
        url = f"postgresql://x:${{PASSWORD_OF_MINE}}@127.0.0.1:{port}/db"
        project.write("config.yaml", f"{CONFIG}state_storage:\n  type: postgres\n  connection_string: {url}\n")
        for command in (("verify",), ("conversations",), ("psql", "-c", "SELECT 1"), ("doctor",)):
            done = project(*command, code=None, AWS_SECRET_ACCESS_KEY=SECRET, PASSWORD_OF_MINE=SECRET)
            assert "PASSWORD_OF_MINE would be sent to" in done.out + done.err
    assert came == []


def test_a_providers_key_goes_to_no_database_and_another_value_of_the_env_file_does(make_project):
    project = make_project("pulled")
    storage = "state_storage:\n  type: postgres\n  connection_string: "
    project.write(".env", f"ANTHROPIC_API_KEY={SECRET}\nKEY_OF_A_MODEL={SECRET}\nOTHER_PASS=for-this-server\n")
    models = CONFIG.replace("    default: true\n", "    default: true\n    access_key: $KEY_OF_A_MODEL\n")
    with stranger() as (port, came):
        for name in ("ANTHROPIC_API_KEY", "KEY_OF_A_MODEL"):
            project.write("config.yaml", f"{models}{storage}postgresql://x:${{{name}}}@127.0.0.1:{port}/db\n")
            assert project("conversations", "--json", code=2).error == "foreign-variables"
        assert came == []
        project.write("config.yaml", f"{models}{storage}postgresql://x:${{OTHER_PASS}}@127.0.0.1:{port}/db\n")
        project("conversations", code=None)
    assert b"user\0x\0" in b"".join(came)  # its password would follow by SCRAM alone


@pytest.mark.parametrize("method", slow_but(["password"], ["trust", "password"]))
def test_a_server_that_does_not_ask_by_scram_is_sent_no_password(filled, method):
    status = filled.status()

    def ask_by(line, server=status["container"]):
        if filled.engine == "docker":
            data = "/var/lib/postgresql/data"
            command = f"sed -i -E '{line}' {data}/pg_hba.conf && kill -HUP 1"
            number = filled.api.exec_create(server, ["sh", "-c", command])["Id"]
            assert filled.api.exec_start(number) == b""
            return
        file = filled.place() / "data/pg_hba.conf"
        file.write_text(re.sub(*line, file.read_text(), flags=re.MULTILINE))
        os.kill(filled.pid(), signal.SIGHUP)

    docker = filled.engine == "docker"
    ask_by(f"s/scram-sha-256$/{method}/" if docker else (r"^(host.*)scram-sha-256$", rf"\1{method}"))
    until(lambda: filled("verify", code=None).code, "the other method", 20)
    refused = filled("verify", "--json", code=7)
    assert refused.error == "not-scram"
    refused = filled("up", "--json", code=5)
    assert refused.error == "not-scram"
    wanted = re.match("write `([^`]*)` there", refused.json["error"]["fix"])[1]
    ask_by(f"/^host all all all/s/{method}$/{wanted}/" if docker else (rf"^(host.*){method}$", rf"\1{wanted}"))
    filled.follow(refused.json["error"]["fix"])
    filled("verify")
    assert filled.stored() == ["kept"]


def test_a_server_that_the_shell_itself_names_is_asked(make_project):
    project = make_project("own")
    with stranger() as (port, came):
        url = f"postgresql://me:mine@127.0.0.1:{port}/db"
        storage = "state_storage:\n  type: postgres\n  connection_string: ${MY_DATABASE}\n"
        project.write("config.yaml", CONFIG + storage)
        project("verify", code=None, MY_DATABASE=url)
        project("conversations", code=None, MY_DATABASE=url)
    assert came
