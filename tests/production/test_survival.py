"""Plano's only connection, through PgBouncer as it is rendered, while the database behind it goes away and comes back.

docs/reliability.md has what these tests see. The client is Plano's driver (tests/support/plano_stand_in.py).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from planodev.production.compose import CONNECTED
from tests.support.ports import free_port
from tests.support.postgres_server import (
    LOOPBACK,
    NOBODY,
    PASSWORD,
    TESTS,
    Project,
    new_authority,
    own_directory,
    pgbouncer,
    placed,
    postgres,
    prepared,
    with_tls,
)
from tests.support.requirements import require_path
from tests.support.tiers import slow_but
from tests.support.waiting import until

pytestmark = pytest.mark.postgres

STAND_IN = TESTS / "support/plano_stand_in.py"
TLS_ONLY = "hostssl all all {} scram-sha-256\n"


@dataclass
class Plano:
    """A running stand-in: what a client of Plano sees, and whether its only connection is still the first."""

    port: int
    pgbouncer: int
    process: subprocess.Popen

    def turn(self, text, after=None, timeout=60):
        """Send a turn, once more if it gets 409; returns the answer."""
        for _ in range(2):
            connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=timeout)
            body = json.dumps({"model": "m", "input": text, "previous_response_id": after and after["id"]})
            connection.request("POST", "/v1/responses", body)
            response = connection.getresponse()
            answer = json.loads(response.read())
            connection.close()
            if response.status != 409:
                break
        return {**answer, "status": response.status}

    @property
    def sockets(self):
        """The local ports of its connections to PgBouncer that are up."""
        wanted = f"0100007F:{self.pgbouncer:04X}"
        inodes = {link.readlink().name for link in Path(f"/proc/{self.process.pid}/fd").iterdir() if link.is_symlink()}
        lines = [line.split() for line in Path(f"/proc/{self.process.pid}/net/tcp").read_text().splitlines()[1:]]
        mine = [line for line in lines if f"socket:[{line[9]}]" in inodes]
        return [line[1] for line in mine if line[2] == wanted and line[3] == "01"]

    def connected(self):
        """Run the condition of the rendered health check."""
        command = CONNECTED.replace("1920", f"{self.pgbouncer:04X}")
        return subprocess.run(["sh", "-c", command], check=False).returncode == 0

    def remembers(self, before):
        """Say whether a turn that goes on from the first one knows it."""
        return self.turn("and?", before).get("messages") == 3


@contextlib.contextmanager
def plano(port, log):
    """Run the stand-in as Plano's container runs Plano: without a password, in PgBouncer's name for it."""
    listen = free_port()
    environment = {
        "DB_USER": "plano_prod",
        "DB_PASS": "",
        "DB_HOST": LOOPBACK,
        "DB_PORT": str(port),
        "DB_NAME": "plano",
    }
    with subprocess.Popen([sys.executable, STAND_IN, str(listen)], env={**os.environ, **environment}) as process:
        try:

            def answers():
                assert process.poll() is None
                with contextlib.suppress(OSError):
                    connection = http.client.HTTPConnection(LOOPBACK, listen, timeout=5)
                    connection.request("GET", "/v1/models")
                    return connection.getresponse().status == 200
                return False

            until(answers, log.read_text, 20)
            yield Plano(listen, port, process)
        finally:
            process.kill()


@dataclass
class Way:
    """A server, the project whose files lead to it, and the directory that PgBouncer runs in."""

    project: Project
    server: object
    database: str
    directory: Path
    port: int

    def ini(self, **changed):
        return placed(self.project, self.server, self.database, self.directory, self.port, **changed)

    @contextlib.contextmanager
    def up(self, **changed):
        """Run PgBouncer and Plano before it; yields Plano and a first turn that is stored."""
        users = {"plano_prod": PASSWORD}
        with pgbouncer(self.directory, self.ini(**changed), users), plano(self.port, self.directory / "log") as running:
            first = running.turn("first")
            self.stored(first)
            assert running.remembers(first)
            self.idle()
            yield running, first
            print((self.directory / "log").read_text())  # shown where the test fails

    def stored(self, answer):
        """Wait until a turn is stored, which is after it was answered."""
        count = f"SELECT count(*) FROM conversation_states WHERE response_id = '{answer['id']}'"
        eventually(lambda: self.server.sql(count, database=self.database, fetch=True) == [(1,)])

    def idle(self):
        """Wait until the server runs no statement of Plano's: the last turn is stored."""
        busy = (
            "SELECT count(*), count(*) FILTER (WHERE state <> 'idle' OR now() - state_change < interval '100 ms') "
            "FROM pg_stat_activity WHERE usename = 'plano_prod'"
        )
        eventually(lambda: self.server.sql(busy, fetch=True)[0][1] == 0)

    def hup(self):
        """Make PgBouncer read its files again."""
        text = (self.directory / "log").read_text()
        number = int(text.split("process up: ")[0].rsplit("[", 1)[1].split("]")[0])
        os.kill(number, signal.SIGHUP)


def eventually(job, timeout=20):
    return until(job, "what the test waits for", timeout)


@contextlib.contextmanager
def leading(path, server, authority, host="db.example.com"):
    project = Project(path / "shop")
    database = prepared(project, server, "rds")
    project("production", "rds", "--host", host)
    with own_directory() as directory:
        shutil.copy(authority.certificate, directory / "server-ca.pem")
        yield Way(project, server, database, directory, free_port())


@contextlib.contextmanager
def new_way(path, authority):
    server = postgres(TLS_ONLY.format("127.0.0.1/32"), *with_tls(authority))
    with server as running, leading(path, running, authority) as made:
        yield made


@pytest.fixture(scope="module")
def way(tmp_path_factory, authority):
    """One server for the tests that leave it as it was."""
    with new_way(tmp_path_factory.mktemp("way"), authority) as made:
        yield made


@pytest.fixture
def own_way(tmp_path, authority):
    with new_way(tmp_path, authority) as made:
        yield made


@pytest.mark.parametrize("mode", slow_but(["immediate"], ["fast", "immediate"]))
def test_a_restart_while_it_is_idle(way, mode):
    with way.up() as (running, first):
        before = running.sockets
        for _ in range(3):
            way.server.stop(mode)
            assert running.connected()
            way.server.start()
            assert running.remembers(first)
            way.idle()
        assert running.sockets == before
        assert len(before) == 1


def test_turns_that_are_sent_while_the_server_is_away_wait_and_know_their_history(way):
    with way.up() as (running, first):
        before, found = running.sockets, []
        way.server.stop("immediate")
        asked = [threading.Thread(target=lambda: found.append(running.remembers(first))) for _ in range(6)]
        for one in asked:
            one.start()
        away = time.monotonic()
        for one in asked:
            one.join(max(0, away + 8 - time.monotonic()))
        assert found == []
        way.server.start()
        for one in asked:
            one.join(20)
        assert found == [True] * 6
        assert running.sockets == before


@pytest.fixture
def node(authority):
    """A server on a node of its own; gives it, and what takes its cable out and puts it in again."""
    ip = require_path(shutil.which("ip", path=f"{os.environ['PATH']}:/usr/sbin:/sbin"), "iproute2")
    require_path(os.geteuid() == 0, "root")
    name, address = f"node{os.getpid()}", "10.231.78.2"

    def run(*arguments):
        subprocess.run([ip, *arguments], check=True, capture_output=True)

    run("netns", "add", name)
    try:
        run("link", "add", "to-node", "type", "veth", "peer", "name", "cable", "netns", name)
        run("address", "add", "10.231.78.1/24", "dev", "to-node")
        run("link", "set", "to-node", "up")
        for arguments in (("address", "add", f"{address}/24", "dev", "cable"), ("link", "set", "cable", "up")):
            run("-n", name, *arguments)
        run("-n", name, "link", "set", "lo", "up")
        within = ["nsenter", f"--net=/run/netns/{name}", "--"]
        if NOBODY:
            within += ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        hba = TLS_ONLY.format("10.231.78.0/24")
        settings = (*with_tls(authority, address), ("listen_addresses", address))
        with postgres(hba, *settings, within=within) as server:
            yield server, address, lambda state: run("-n", name, "link", "set", "cable", state)
    finally:
        run("netns", "delete", name)


@pytest.mark.slow
def test_a_node_that_goes_silent(tmp_path, authority, node):
    server, address, cable = node
    with leading(tmp_path, server, authority, address) as way, way.up() as (running, first):
        before, found = running.sockets, []
        cable("down")
        asked = threading.Thread(target=lambda: found.append(running.remembers(first)))
        asked.start()
        asked.join(12)  # far longer than it takes to be cut off without these settings
        assert found == []
        assert running.sockets == before
        cable("up")
        asked.join(30)
        assert found == [True]
        assert running.sockets == before


@pytest.mark.slow
def test_a_node_that_goes_silent_cuts_it_off_without_these_settings(tmp_path, authority, node):
    """The counter-example: with PgBouncer's own defaults."""
    server, address, cable = node
    with leading(tmp_path, server, authority, address) as way:
        defaults = {"server_check_delay": "30", "server_check_query": "select 1"}
        with way.up(**defaults) as (running, first):
            cable("down")
            asked = threading.Thread(target=running.remembers, args=(first,))
            asked.start()
            eventually(lambda: not running.connected(), timeout=30)
            cable("up")
            asked.join(30)
            assert not running.remembers(first)


@pytest.mark.slow
def test_an_authority_that_is_renewed(own_way):
    """New logins fail until PgBouncer has read the new one; then what waits is answered."""
    with own_way.up() as (running, first), new_authority() as renewed:
        before, found = running.sockets, []
        own_way.server.stop()
        settings = dict(with_tls(renewed))
        for name, value in settings.items():
            at = next(i for i, word in enumerate(own_way.server.command) if word.startswith(f"{name}="))
            own_way.server.command[at] = f"{name}={value}"
        own_way.server.start()
        asked = threading.Thread(target=lambda: found.append(running.remembers(first)))
        asked.start()
        log = own_way.directory / "log"
        eventually(lambda: "certificate verify failed" in log.read_text())
        assert found == []
        shutil.copy(renewed.certificate, own_way.directory / "server-ca.pem")
        own_way.hup()
        asked.join(20)
        assert found == [True]
        assert running.sockets == before


@pytest.mark.slow
def test_another_password_at_the_next_login_cuts_it_off_and_the_health_check_sees_it(own_way):
    with own_way.up() as (running, first):
        assert running.connected()
        own_way.server.sql("ALTER ROLE plano_prod PASSWORD 'another'")
        own_way.server.stop()
        own_way.server.start()
        assert not running.remembers(first)
        eventually(lambda: not running.connected())
        assert running.turn("still answered")["status"] == 200


@pytest.mark.slow
def test_session_mode_does_not_survive_a_restart(way):
    """The counter-example: if this one lived, the others would prove nothing."""
    with way.up(pool_mode="session") as (running, first):
        way.server.stop()
        way.server.start()
        eventually(lambda: not running.connected())
        assert not running.remembers(first)
        assert running.turn("still answered")["status"] == 200


@pytest.mark.slow
def test_transaction_mode_without_prepared_statements_forgets_after_a_restart(way):
    """The counter-example for that setting: the connection lives, and each of its statements is another server's."""
    with way.up(max_prepared_statements=0) as (running, first):
        way.server.stop()
        way.server.start()
        assert not running.remembers(first)
        assert running.connected()


@pytest.mark.slow
def test_nobody_else_comes_in_by_planos_name(way, elsewhere):
    """From another address than loopback, as from the host of a container; loopback itself is Plano's."""
    import psycopg

    with way.up() as (running, first):
        before = running.sockets
        for user, password in (("plano_prod", PASSWORD), ("plano_prod", "wrong"), ("postgres", "x")):
            with pytest.raises(psycopg.OperationalError, match=r"rejected|no such|failed"):
                psycopg.connect(
                    f"host={elsewhere} port={way.port} dbname=plano user={user} password={password} sslmode=disable"
                )
        way.project.env(DB_PORT=way.port, DB_NAME="ready", DB_HOST=elsewhere).verify()
        way.project.env(DB_PORT=way.port, DB_NAME="ready", DB_HOST=elsewhere, DB_PASS="wrong").verify(code=5)
        way.project.env(DB_PORT=way.port, DB_NAME="ready").verify()
        assert running.remembers(first)
        assert running.sockets == before


@pytest.mark.slow
def test_a_statement_that_is_running_when_the_server_dies_is_the_one_that_cuts_it_off(way):
    """The only loss that is left: what the health check is for."""
    with way.up() as (running, first):
        import psycopg

        at = f"host={way.server.directory} port={way.server.port} dbname={way.database} user=postgres"
        with psycopg.connect(at) as holder:
            holder.execute("LOCK TABLE conversation_states")
            asked = threading.Thread(target=running.remembers, args=(first,))
            asked.start()
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'plano_prod' AND wait_event_type = 'Lock'"
            eventually(lambda: way.server.sql(waiting, fetch=True) == [(1,)])
            way.server.stop("immediate")
            with contextlib.suppress(psycopg.Error):
                holder.rollback()
        eventually(lambda: not running.connected())
        asked.join(20)
        way.server.start()
        assert not running.remembers(first)


@pytest.mark.slow
def test_fifty_turns_for_each_restart(way):
    """Turns go on while the server is away; each that was answered is there, by the connection that was the first."""
    restarts = int(os.environ.get("PLANODEV_RESTARTS", "2"))
    turns = 50 * restarts
    with way.up() as (running, last):
        before, chain, again, back = running.sockets, [last], 0, None

        def downtime(number):
            way.idle()
            way.server.stop(("fast", "immediate")[number % 2])
            back = threading.Timer(0.3, way.server.start)  # turns are sent meanwhile
            back.start()
            return back

        for number in range(turns):
            if number % (turns // restarts) == turns // restarts // 2:
                if back:
                    back.join()
                back = downtime(number // (turns // restarts))
            answer = running.turn(f"turn {number}", chain[-1])
            if answer["status"] != 200:
                again += 1
                answer = running.turn(f"turn {number}", chain[-1])
            assert answer["messages"] == chain[-1]["messages"] + 2, number
            chain.append(answer)
        back.join()
        way.stored(chain[-1])
        assert running.sockets == before
        assert len(before) == 1
    print(f"{turns} turns, {restarts} restarts, {again} turns that took more than two tries, one connection")
    names = ", ".join(f"'{one['id']}'" for one in chain)
    stored = f"SELECT count(*) FROM conversation_states WHERE response_id IN ({names})"
    assert way.server.sql(stored, database=way.database, fetch=True) == [(turns + 1,)]
