"""PRODUCTION.md, followed word by word against a server that behaves as the provider's does."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import threading
import time

import pytest

from planodev import production
from tests.support.ports import free_port
from tests.support.postgres_server import (
    COMPOSED,
    LOOPBACK,
    PASSWORD,
    own_directory,
    pgbouncer,
    placed,
    postgres,
    program,
    with_tls,
)
from tests.support.tiers import slow_but

pytestmark = pytest.mark.postgres

OWNERS = "Owner-1"


def blocks(text):
    """Return the shell blocks of each step by its number."""
    steps = re.split(r"(?m)^## (\d)\. ", text)
    return {
        int(number): re.findall(r"```sh\n(.*?)```", body, re.DOTALL)
        for number, body in zip(steps[1::2], steps[2::2], strict=True)
    }


@contextlib.contextmanager
def server_of(provider, authority):
    """A server that takes what the provider's takes, with an owner that is no superuser, as there."""
    if not provider.ca:
        with postgres("host all all 127.0.0.1/32 scram-sha-256\n") as server:
            yield server
        return
    entry = "host" if provider.shares_public else "hostssl"  # Supabase takes both by default
    with postgres(f"{entry} all all 127.0.0.1/32 scram-sha-256\n", *with_tls(authority)) as server:
        yield server


@contextlib.contextmanager
def standing_in_for_plano():
    """Answer where Plano's model listener would be; yields what is asked."""
    asked_for = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            assert self.path == "/v1/responses"
            asked_for.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            body = json.dumps({"id": f"resp_{len(asked_for)}", "output": [{"id": "msg_1"}]}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_): ...

    with http.server.ThreadingHTTPServer((LOOPBACK, 12000), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield asked_for
        server.shutdown()


def type_in(command, environment, directory, answer):
    """Run at a terminal, and answer each question for a password."""
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(directory)
        os.execve("/bin/bash", ["bash", "-euc", command], environment)
    shown, end = "", time.monotonic() + 20
    with contextlib.suppress(OSError):
        while select.select([screen], [], [], max(0, end - time.monotonic()))[0]:
            piece = os.read(screen, 4096).decode()
            if not piece:
                break
            shown += piece
            if piece.rstrip(" ").endswith(":"):
                os.write(screen, f"{answer}\n".encode())
        else:
            os.kill(pid, 9)
    _, state = os.waitpid(pid, 0)
    os.close(screen)
    assert os.waitstatus_to_exitcode(state) == 0, shown
    return shown


@pytest.mark.parametrize("typed", slow_but(["rds"], [*COMPOSED, "self-hosted --direct"]))
def test_the_five_steps_of_production_md_lead_to_a_plano_that_stores(project, authority, typed, tmp_path):  # noqa: C901, PLR0915  one way, in its order
    name, _, direct = typed.partition(" ")
    provider = production.load(name)
    with server_of(provider, authority) as server, own_directory() as directory:
        server.sql(f"ALTER ROLE owner PASSWORD '{OWNERS}'")
        if provider.database != "plano":
            if provider.database != "postgres":
                server.sql(f"CREATE DATABASE {provider.database}")
            server.sql(f"ALTER DATABASE {provider.database} OWNER TO owner")
        # planodev, and the programs that Docker and the provider's pages stand for.
        tools = tmp_path / "tools"
        tools.mkdir()
        for tool, text in {
            "planodev": f'exec {sys.executable} -m planodev "$@"',
            "docker": f'echo "$@" >>{tmp_path}/docker',
            "curl": f'case "$*" in *server-ca.pem*) exec /bin/cp {authority.certificate} server-ca.pem; esac\n'
            f'exec {program("curl")} "$@"',
            "cp": f"exec /bin/cp {authority.certificate} server-ca.pem",
        }.items():
            (tools / tool).write_text(f"#!/bin/sh\n{text}\n")
            (tools / tool).chmod(0o755)
        path = f"{tools}:{os.path.dirname(program('psql'))}:{os.environ['PATH']}"
        environment = {**project.environment, "PATH": path, "PGPASSWORD": OWNERS}

        def run(command, **more):
            done = subprocess.run(
                ["bash", "-euc", command],
                cwd=project.path,
                env={**environment, **more},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, command + done.stdout + done.stderr
            return done.stdout

        # 1. Fill in.
        project("production", *typed.split())
        fill, *authority_line = blocks(project.read("PRODUCTION.md"))[1]
        there = "localhost" if provider.ca else LOOPBACK  # as the certificate has it
        assert f"--host {provider.endpoint} " in fill
        run(fill.replace(provider.endpoint, "db.example.com"))
        for line in authority_line:
            run(line)
        if provider.ca and not authority_line:
            shutil.copy(authority.certificate, project.path / "server-ca.pem")
        project.write(".env.production", project.read(".env.production").replace("FILL-IN-key", "sk-test"))
        page = text = project.read("PRODUCTION.md")
        steps = blocks(text)
        assert "FILL-IN" not in text
        password = re.search("DB_PASS=(.*)", project.read(".env.production"))[1]

        # The place of this server, and its owner.
        def here(command):
            command = command.replace(f"port={provider.port}", f"port={server.port}")
            return command.replace(f"user={provider.owner}", "user=owner").replace(
                "host=db.example.com", f"host={there}"
            )

        making = here(*steps[2])
        owner = making.splitlines()[0]
        # 2. Make the role and the table; the second time `CREATE DATABASE` alone says that it is there.
        run(making)
        run("\n".join(line for line in making.splitlines() if "CREATE DATABASE" not in line))
        # 3. Set the role's password.
        (setting,) = steps[3]
        if provider.plain_password:
            run(f"{owner}\n{setting}")
        else:
            type_in(f"{owner}\n{setting}", environment, project.path, password)
        stored = server.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'plano_prod'", fetch=True)[0][0]
        assert stored.startswith("SCRAM-SHA-256$4096:")
        # 4. Prove it.
        (proving,) = steps[4]
        if not direct:
            port = free_port()
            text = project.read("pgbouncer.ini")
            project.write("pgbouncer.ini", text.replace("host=db.example.com", f"host={there}"))
            ini = placed(project, server, provider.database, directory, port)
            if provider.ca:
                shutil.copy(project.path / "server-ca.pem", directory)
            beside = pgbouncer(directory, ini, {"plano_prod": password})
        else:
            port, beside = server.port, contextlib.nullcontext()
        values = re.sub("DB_PORT=.*", f"DB_PORT={port}", project.read(".env.production"))
        values = re.sub("DB_HOST=.*", f"DB_HOST={LOOPBACK}", values)
        project.write(".env.production", values)
        with beside:
            said = run(proving)
        reached = provider.database if direct else "ready"
        assert f"Plano can store conversations as plano_prod at {LOOPBACK}:{port}/{reached}" in said
        assert password not in said
        # 5. Start Plano: what is run is Docker's, and what is asked is Plano's.
        starting, asking, *later = steps[5]
        run(starting)
        asked = (tmp_path / "docker").read_text().splitlines()
        assert asked[-1] == "compose -f compose.production.yaml up -d --wait"
        with standing_in_for_plano() as asked_for:
            run(asking.partition("planodev")[0])
        assert [one.get("previous_response_id") for one in asked_for] == [None, "resp_1"]
        assert {one["model"] for one in asked_for} == {"anthropic/claude-sonnet-4-5"}
        assert PASSWORD not in text
        run(later[1])
        pruning = here(re.search(r"```crontab\n *17 3 \* \* \* cd /srv/plano && (.*)\n", page)[1])
        after_the_steps(
            lambda command: run(f"{owner}\n{command}"), server, provider.database, later, lambda: run(pruning)
        )


def after_the_steps(run, server, database, blocks, prune):
    """Follow what PRODUCTION.md says of stored conversations, as the owner."""
    copying, _, saving, *_by_hand = blocks

    def rows():
        return server.sql("SELECT response_id FROM conversation_states", database=database, fetch=True)

    def lose():
        server.sql("DELETE FROM conversation_states", database=database)
        assert rows() == []

    server.sql(
        "INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)"
        " VALUES ('kept', '[]', 1, 'm', 'p')",
        database=database,
    )
    out, into = copying.strip().split(" |\n")  # from one database into another; here it is the same
    run(out.replace("planodev -C . psql --", f'psql "$owner dbname={database}"') + " >turns")
    lose()
    run(into + " <turns")
    assert rows() == [("kept",)]
    dump, stop, restore, start = saving.strip().splitlines()
    run(dump)
    lose()
    for command in (stop, restore, start):
        run(command)
    assert rows() == [("kept",)]
    may = "SELECT has_table_privilege('plano_prod', 'conversation_states', 'INSERT')"
    assert server.sql(may, database=database, fetch=True) == [(True,)]
    prune()
    assert rows() == [("kept",)]
    server.sql("UPDATE conversation_states SET updated_at = now() - interval '91 days'", database=database)
    prune()
    assert rows() == []
