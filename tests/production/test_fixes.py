"""What the fixes of `--env-file` say is done by the owner's hand on a real server, and ends what they are for."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support.following import told
from tests.support.ports import free_port
from tests.support.postgres_server import CONFIG, LOOPBACK, PASSWORD, own_directory, pgbouncer, postgres, prepared
from tests.support.requirements import require_path
from tests.support.tiers import slow_but
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.postgres
FILE = ("--env-file", ".env.production")
HERE = "127.0.0.1/32"


@dataclass
class Owner:
    """A project, its database on a server of somebody else, and what that one does there.

    Args:
        project: the directory.
        server: the PostgreSQL.
        database: its name.
        open: what a state keeps open.
        before: what planodev is started by.
        typed: the command that tells the problem.
        request: of pytest, for fixtures that only some states want.

    """

    project: object
    server: object
    database: str
    open: ExitStack
    request: object
    before: tuple = ()
    typed: tuple = ("verify", *FILE)

    def sql(self, text):
        self.server.sql(text, database=self.database)

    def env(self, **values):
        """Write the file: what is right, with these values in its place."""
        self.project.env(**{"DB_PORT": self.server.port, "DB_NAME": self.database, **values})

    def tell(self):
        """Type the command; returns the fix of each problem by its code."""
        if self.typed[0] == "psql":
            return told(self.project(*self.typed, code=None, before=self.before))
        done = self.project(*self.typed, "--json", code=None, before=self.before)
        found = [*done.json["warnings"], *([done.json["error"]] if done.json["error"] else [])]
        return {one["code"]: one["fix"] or "" for one in found}

    def hba(self, change):
        """Change pg_hba.conf, until the test ends, and wait until the server goes by it."""
        path = Path(self.server.sql("SHOW hba_file", fetch=True)[0][0])
        self.open.callback(path.write_text, before := path.read_text())
        path.write_text(change(before))
        self.reload()
        self.open.callback(self.reload)

    def reload(self):
        self.server.sql("SELECT pg_reload_conf()")

    def pooler(self, *, database="*", more="", **settings):
        """Run a PgBouncer until the test ends; returns its port."""
        port = free_port()
        given = {"listen_addr": LOOPBACK, "listen_port": port, "unix_socket_dir": "", "pool_mode": "transaction"}
        given |= {"auth_type": "scram-sha-256", "auth_file": "userlist.txt", **settings}
        to = f"{database} = host={LOOPBACK} port={self.server.port}{more}"
        lines = [f"{name} = {value}" for name, value in given.items()]
        directory = self.open.enter_context(own_directory())
        text = "\n".join(["[databases]", to, "[pgbouncer]", *lines, ""])
        return self.open.enter_context(pgbouncer(directory, text, {"plano_prod": PASSWORD}))

    def session(self, port=None):
        way = {"host": LOOPBACK, "port": port or self.server.port, "user": "plano_prod", "dbname": self.database}
        made = psycopg.connect(**way, password=PASSWORD, sslmode="disable", autocommit=True)
        return self.open.enter_context(closing(made))


def runs(pattern):
    """Run the SQL that stands in a fix, as the owner."""
    return lambda here, fix: here.sql(re.search(f"`({pattern}[^`]*)`", fix)[1])


def says(*words):
    """Check that a fix says so, and write the good file."""

    def do(here, fix):
        assert all(word in fix for word in words), fix
        here.env()

    return do


def env(**values):
    return lambda here: here.env(**{name: value() if callable(value) else value for name, value in values.items()})


def sql(text):
    return lambda here: here.sql(text.format(here.database))


# The way there


def starts_it(here, fix):
    assert "if DB_HOST is PgBouncer, start it first" in fix
    here.pooler(listen_port=re.search(r"DB_PORT=(\d+)", here.project.read(".env.production"))[1])


def by_the_name_of_docker(here):
    """Be on a machine that does not know it, whose /etc/hosts is this state's own."""
    own = require_path(shutil.which("unshare"), "unshare")
    hosts = here.project.path.parent / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    mount = f'mount --bind {hosts} /etc/hosts && exec "$@"'
    here.before = (own, "-m", "sh", "-c", mount, "sh")
    here.env(DB_HOST="host.docker.internal")


def into_hosts(here, fix):
    """Run what PRODUCTION.md has for it, on a machine without Docker whose bridge is the loopback."""
    assert "in `/etc/hosts`, as PRODUCTION.md says" in fix
    here.project("production", "self-hosted", "--host", "host.docker.internal", "--output", "out")
    line = re.search("(?m)^grep .* /etc/hosts .*$", here.project.read("out/PRODUCTION.md"))[0]
    command = f'gateway={LOOPBACK}; sudo() {{ "$@"; }}; {line}'
    subprocess.run([*here.before, "bash", "-c", command], check=True, stdout=subprocess.DEVNULL)


def mute(here):
    listening = here.open.enter_context(socket.create_server((LOOPBACK, 0)))
    here.env(DB_PORT=listening.getsockname()[1])
    here.typed = ("verify", *FILE, "--timeout", "1")


def slow_login(here):
    """Have a way to the server, at another machine's address, that holds its answer to a login back for two seconds."""
    address = here.request.getfixturevalue("elsewhere")
    listening = here.open.enter_context(socket.create_server((address, 0)))
    port = here.server.port

    def carry(source, sink, wait):
        with suppress(OSError):
            while piece := source.recv(65536):
                if wait and piece[:1] == b"R" and piece[5:9] == b"\0\0\0\x0b":  # AuthenticationSASLContinue
                    time.sleep(wait)  # noqa: TID251  as a server that is slow
                sink.sendall(piece)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def serve():
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                server = socket.create_connection((LOOPBACK, port))
                for way in ((client, server, 0), (server, client, 2)):
                    threading.Thread(target=carry, args=way, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    here.env(DB_HOST=address, DB_PORT=listening.getsockname()[1])
    here.typed = ("verify", *FILE, "--timeout", "1")


def raises_it(here, fix):
    assert "raise `--timeout`" in fix
    here.typed = ("verify", *FILE, "--timeout", "20")


# The login


def no_password(here):
    here.hba(lambda text: text.replace("local all all trust\n", f"local all all trust\nhost all all {HERE} trust\n"))
    until(lambda: "no-password-asked" in here.tell(), "the other method", 20)


def writes_scram(here, fix):
    method = re.search("write `(scram-sha-256)` in its pg_hba.conf", fix)[1]
    here.hba(lambda text: text.replace(f"{HERE} trust", f"{HERE} {method}"))
    until(lambda: "no-password-asked" not in here.tell(), "the written method", 20)


def closed(here):
    name = here.server.database()
    here.server.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    here.env(DB_NAME=name)


def correct_file(here, fix):
    name = re.search("DB_NAME=(.+)", here.project.read(".env.production"))[1]
    assert fix == f"correct `{here.project.path / '.env.production'}`; the server's log says more"
    assert name in (here.server.directory / "log").read_text()
    here.env()


# Poolers


def behind(**settings):
    def enter(here):
        here.env(DB_PORT=here.pooler(**settings))

    return enter


def sets(here, fix):
    """Give a PgBouncer the setting that the fix names."""
    name, value = re.search(r"set `(\w+) = (\w+)`", fix).groups()
    here.env(DB_PORT=here.pooler(**{name: value}))


def shared(here):
    here.env(DB_PORT=here.pooler())
    port = int(re.search(r"DB_PORT=(\d+)", here.project.read(".env.production"))[1])
    here.tell()
    here.session(port).execute("SELECT model FROM conversation_states WHERE response_id = %s", ("r",), prepare=True)


def own_pooler(here, fix):
    name = re.search(r"its own PgBouncer, and set DB_NAME=(\w+) here", fix)[1]
    here.env(DB_PORT=here.pooler(database=name, more=f" dbname={here.database}"), DB_NAME=name)


def without_options(here):
    require_path(shutil.which("psql"), "psql")
    here.env(DB_PORT=here.pooler(ignore_startup_parameters="extra_float_digits,options"))
    here.typed = ("psql", *FILE, "-c", "SELECT 1")


# The table


def locked(here):
    holder = psycopg.connect(host=str(here.server.directory), port=here.server.port, user="postgres",
                             dbname=here.database)  # fmt: skip
    here.open.enter_context(closing(holder)).execute("LOCK TABLE conversation_states")
    here.typed = ("verify", *FILE, "--timeout", "2")


def ends_the_holder(here, fix):
    view = re.search("check `(pg_locks)`", fix)[1]
    here.sql(f"SELECT pg_terminate_backend(pid) FROM {view} WHERE relation = 'conversation_states'::regclass")


def prunes(here):
    here.typed = ("conversations", "prune", "--superseded", "--yes", *FILE)


def enters_as_the_owner(here, fix):
    assert "log in as the table's owner, with a separate environment file" in fix
    here.sql(f"ALTER ROLE owner PASSWORD '{PASSWORD}'")
    here.env(DB_USER="owner")


# What the files say


def at_another(here):
    here.project.write("config.yaml", CONFIG.replace("${DB_PASS}@${DB_HOST}:${DB_PORT}/${DB_NAME}",
                       f"${{THEIR_PASS}}@{LOOPBACK}:{here.server.port}/{here.database}")
                       .replace("${DB_USER}", "plano_prod"))  # fmt: skip
    here.project.environment["THEIR_PASS"] = PASSWORD
    here.typed = ("conversations",)


def another_project(here):
    at_another_machine(here)
    here.project.write(".env", here.project.read(".env.production"))
    here.typed = ("reset", "--yes")


def opens_psql(here, fix):
    require_path(shutil.which("psql"), "psql")
    assert re.fullmatch("`planodev (?:-C .* )?psql` opens it", fix)
    here.typed = ("psql", "-c", "SELECT 1")


def into_a_file(here, fix):
    assert "write its values into a file, and name it: `--env-file FILE`" in fix
    here.project.write("theirs", f"THEIR_PASS={PASSWORD}\nANTHROPIC_API_KEY=k-1\n")
    here.typed = ("conversations", "--env-file", "theirs")


def into_dotenv(here, fix):
    assert f"or into `{here.project.path / '.env'}`, under names of their own" in fix
    here.project.write(".env", f"THEIR_PASS={PASSWORD}\n")


def at_another_machine(here):
    """Have the server at an address that is another machine's."""
    far = here.open.enter_context(postgres("host all all all scram-sha-256\n", ("listen_addresses", "*")))
    here.server, here.database = far, prepared(here.project, far, "self-hosted")
    here.env(DB_HOST=here.request.getfixturevalue("elsewhere"))


def adds_the_parameter(here, fix):
    parameter = re.search(r"add `(\?\w+=\d+)` to the connection string", fix)[1]
    here.project.write("config.yaml", CONFIG.replace("${DB_NAME}", "${DB_NAME}" + parameter))


@dataclass(frozen=True)
class Row:
    """A state of a server.

    Args:
        code: of the problem that it gives.
        enter: makes it.
        hand: does what a way out of the fix asks of a person, who reads it.

    """

    code: str
    enter: Callable[[Owner], object]
    hand: Callable[[Owner, str], object]


ROWS = (
    Row("connection-refused", env(DB_PORT=free_port), says("correct DB_HOST and DB_PORT")),
    Row("connection-refused", env(DB_PORT=free_port), starts_it),
    Row("name-not-found", env(DB_HOST="nowhere.invalid"), says("correct DB_HOST")),
    Row("name-not-found", by_the_name_of_docker, into_hosts),
    Row("not-postgres", mute, says("correct DB_PORT")),
    Row("login-timed-out", slow_login, raises_it),
    Row("login-failed", closed, correct_file),
    Row("login-privilege-missing", sql("ALTER ROLE plano_prod NOLOGIN"), runs("ALTER ROLE")),
    Row("connection-limit", sql("ALTER ROLE plano_prod CONNECTION LIMIT 0"), runs("ALTER ROLE")),
    Row("no-password-asked", no_password, writes_scram),
    Row("pooler-session-mode", behind(pool_mode="session"), sets),
    Row("prepared-statements-lost", behind(max_prepared_statements=0), sets),
    Row("prepared-statements-lost", behind(max_prepared_statements=0), says("or do without it")),
    Row("pooler-shared", shared, own_pooler),
    Row("read-only-not-kept", without_options, says("put the server's own address into the file")),
    Row(
        "idle-session-timeout",
        sql("ALTER ROLE plano_prod IN DATABASE {} SET idle_session_timeout = '5min'"),
        runs("ALTER ROLE"),
    ),
    Row("silence-may-cut", at_another_machine, adds_the_parameter),
    Row("proof-timed-out", locked, ends_the_holder),
    Row("row-level-security", sql("ALTER TABLE conversation_states ENABLE ROW LEVEL SECURITY"), runs("DROP POLICY")),
    Row("privilege-refused", prunes, enters_as_the_owner),
    Row("foreign-server", another_project, opens_psql),
    Row("foreign-variables", at_another, into_a_file),
    Row("foreign-variables", at_another, into_dotenv),
)
# What is quick, and what has been a circle.
SAMPLE = [row for row in ROWS if row.code == "row-level-security" or row.hand is starts_it]


@pytest.fixture
def owner(ready, server, request):
    project, database = ready
    with ExitStack() as opened:
        yield Owner(project, server, database, opened, request)
    server.sql("ALTER ROLE plano_prod LOGIN CONNECTION LIMIT -1")
    server.sql("ALTER ROLE owner PASSWORD NULL")


@pytest.mark.slow
@pytest.mark.parametrize("row", slow_but(SAMPLE, ROWS), ids=lambda row: row.code)
def test_what_a_fix_asks_of_an_owner_ends_its_problem(owner, row):
    row.enter(owner)
    found = owner.tell()
    assert row.code in found
    row.hand(owner, found[row.code])
    assert row.code not in owner.tell()
