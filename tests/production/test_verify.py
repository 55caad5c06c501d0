"""`verify --env-file` on real servers: the true cause, the fix, the exit code, in time, and nothing changed."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest

import planodev.commands.report
import planodev.postgres.state_table
from tests.support.ports import free_port
from tests.support.postgres_server import (
    CONFIG,
    LOOPBACK,
    PASSWORD,
    own_directory,
    pgbouncer,
    postgres,
    prepared,
)
from tests.support.requirements import require_path
from tests.support.tables import SPOILED
from tests.support.tiers import first_of_each, slow_but
from tests.support.waiting import until

pytestmark = pytest.mark.postgres


def test_it_passes_as_plano_prod_and_leaves_no_trace(ready, server):
    project, database = ready
    before = server.sql(LOOK, database=database, fetch=True)
    data = project.verify().json["data"]
    assert (data["user"], data["host"], data["database"], data["table"]) == ("plano_prod", LOOPBACK, database, "ready")
    assert server.sql(LOOK, database=database, fetch=True) == before
    assert sorted(path.name for path in project.path.iterdir()) == [".env.production", "config.yaml"]


LOOK = "SELECT (SELECT count(*) FROM conversation_states), (SELECT array_agg(relname::text ORDER BY 1) FROM pg_class)"


def test_the_keys_are_those_of_every_verify(ready):
    project, _ = ready

    assert tuple(project.verify().json["data"]) == planodev.commands.report.KEYS


# What the file says


def test_a_file_that_is_not_there(project):
    assert "production" in project.fails("env-file-missing", code=2)


def unreadable(path, kind):
    path.unlink(missing_ok=True)
    if kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a directory":
        (path / "bin").mkdir(parents=True)
    else:
        path.write_bytes({"binary": b"DB_USER=\0\1", "encrypted": b"\0GITCRYPT\0x"}[kind])


UNREADABLE = ["a device", "a pipe", "a directory", "binary", "encrypted"]


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_file_that_cannot_be_read_is_mended_by_another(project, kind):
    path = project.path / ".env.production"
    unreadable(path, kind)
    for command in (("verify", "--env-file", ".env.production"), ("conversations", "--env-file", ".env.production")):
        fix = project(*command, "--json", code=2).json["error"]["fix"]
        assert "write its values into a file, and name it: `--env-file FILE`" in fix
        assert "up" not in fix.split()


@pytest.mark.parametrize("name", slow_but([".env.production"], [".env.production", ".env.production.example"]))
@pytest.mark.parametrize("kind", UNREADABLE)
def test_one_in_the_place_of_the_file_to_write_is_moved_away(project, kind, name):
    path = project.path / name
    unreadable(path, kind)
    failed = project("production", "neon", "--json", code=2)
    assert "--dotenv" not in failed.json["error"]["fix"]
    moves = re.search("`(mv [^`]*)` moves it away", failed.json["error"]["fix"])[1]
    subprocess.run(shlex.split(moves), check=True)
    project("production", "neon")
    assert path.is_file()


NAMES = ["DB_USER", "DB_PASS", "DB_HOST", "DB_PORT", "DB_NAME", "ANTHROPIC_API_KEY"]


@pytest.mark.parametrize("name", slow_but(["DB_PASS"], NAMES))
@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "env-file-incomplete"),
        ("FILL-IN-this", "env-file-placeholder"),
        ("<password>", "env-file-placeholder"),
        ("[YOUR-PASSWORD]", "env-file-placeholder"),
        ("changeme", "env-file-placeholder"),
        ("${OTHER}", "env-file-placeholder"),
        ('"quoted"', "env-file-misread"),
        ("two words", "env-file-misread"),
        ("x #comment", "env-file-misread"),
        ("semi;colon", "env-file-misread"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused_by_name(project, name, value, code):
    elsewhere = {"DB_HOST": "db.example.com"} if name == "DB_PASS" else {}
    failed = project.env(**{name: value}, **elsewhere).verify(code=7).json["error"]
    assert failed["code"] == code
    assert name in failed["message"] + failed["fix"]


def test_a_file_from_windows_is_refused_with_the_command_that_mends_it(ready):
    project, _ = ready
    path = project.path / ".env.production"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    fix = re.search("`(sed.*)`", project.fails("env-file-crlf"))[1]
    subprocess.run(fix, shell=True, check=True)
    project.verify()


def test_an_at_sign_in_the_password_is_named_and_works_encoded(ready, server):
    project, database = ready
    server.sql("ALTER ROLE plano_prod PASSWORD 'p@ss%word/1'")
    project.env(DB_PORT=server.port, DB_NAME=database, DB_PASS="p@ss%25word%2F1")
    failed = project.verify(code=7)
    assert failed.error == "password-not-encoded"
    assert "ss%25word" not in failed.out + failed.err
    project.env(DB_PORT=server.port, DB_NAME=database, DB_PASS="p%40ss%25word%2F1").verify()


def test_a_line_with_export_is_refused(project):
    project.env()
    project.write(".env.production", project.read(".env.production").replace("DB_HOST=", "export DB_HOST="))
    project.fails("env-file-misread")


PLACEHOLDER = "connection-string-placeholder"


@pytest.mark.parametrize(
    ("storage", "code"),
    first_of_each(
        lambda row: row[1],
        [
            ("", "config-without-storage"),
            ("state_storage: {type: memory}\n", "config-without-storage"),
            ("state_storage: {type: postgres}\n", "config-without-storage"),
            ('state_storage: {type: postgres, connection_string: ""}\n', "config-without-storage"),
            ("state_storage: {type: postgres, connection_string: 'postgresql://FILL-IN-user@h/d'}\n", PLACEHOLDER),
        ],
    ),
)
def test_a_configuration_that_would_lose_conversations_is_refused(project, storage, code):
    project.env().write("config.yaml", CONFIG.split("state_storage")[0] + storage)
    failed = project.verify(code=7).json["error"]
    assert failed["code"] == code
    assert code == PLACEHOLDER or "lost at the next restart" in failed["message"]


def test_no_configuration_is_refused_and_another_can_be_named(ready):
    project, _ = ready
    (project.path / "config.yaml").rename(project.path / "prod.yaml")
    project.fails("config-missing")
    project.verify("--config", "prod.yaml")


def with_parameters(project, text):
    project.write("config.yaml", CONFIG.replace('${DB_NAME}"', "${DB_NAME}" + text + '"'))


@pytest.mark.parametrize(
    ("parameters", "code"),
    first_of_each(
        lambda row: row[1],
        [
            ("?sslmode=require", "connection-string-sslmode-require"),
            ("?sslmode=verify-full", "connection-string-value"),
            ("?sslrootcert=x", "connection-string-parameter-unknown"),
            ("?pgbouncer=true", "connection-string-parameter-unknown"),
            ("?search_path=app", "connection-string-parameter-unknown"),
            ("?target_session_attrs=primary", "connection-string-value"),
            ("/", "connection-string-slash"),
            ("#x", "connection-string-fragment"),
        ],
    ),
)
def test_what_the_driver_refuses_or_misreads_is_refused(ready, parameters, code):
    project, _ = ready
    with_parameters(project, parameters)
    project.fails(code)


def test_a_scheme_of_others_and_a_missing_user_are_refused(ready):
    project, _ = ready
    for wrong in ("postgresql+psycopg://", " postgresql://", "Postgres://"):
        project.write("config.yaml", CONFIG.replace('"postgresql://', f'"{wrong}'))
        assert project.verify(code=7).error.startswith("connection-string-")
    project.write("config.yaml", CONFIG.replace("${DB_USER}:${DB_PASS}@", ""))
    project.fails("connection-string-user-missing")


def test_a_variable_that_the_file_lacks_is_named(ready):
    project, _ = ready
    with_parameters(project, "?application_name=${APP}")
    failed = project.verify(code=7, APP="from-the-shell").json["error"]
    assert failed["code"] == "env-file-incomplete"
    assert "APP" in failed["message"]


def test_a_mode_that_falls_back_to_plaintext_in_silence_is_a_warning(ready):
    project, _ = ready
    with_parameters(project, "?sslmode=prefer")
    assert [w["code"] for w in project.verify().json["warnings"]] == ["connection-string-sslmode-prefer"]


# The way there


def test_a_name_that_does_not_resolve(project):
    assert "nowhere.invalid" in project.env(DB_HOST="nowhere.invalid").fails("name-not-found", code=6)
    # No Linux knows this one by itself, and DB_HOST is right.
    assert "/etc/hosts" in project.env(DB_HOST="host.docker.internal").fails("name-not-found", code=6)


def test_a_port_where_nobody_listens(project):
    port = free_port()
    assert f"nothing listens at {LOOPBACK}:{port}" in project.env(DB_PORT=port).fails("connection-refused", code=6)


@pytest.fixture
def http():
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", LOOPBACK]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        yield int(re.search(r"port (\d+)", process.stdout.readline())[1])
        process.terminate()


def test_a_port_that_speaks_http(project, http):
    assert "does not speak PostgreSQL" in project.env(DB_PORT=http).fails("not-postgres", code=6)


def test_a_server_that_says_nothing_is_given_up_in_time(project):
    with socket.socket() as mute:
        mute.bind((LOOPBACK, 0))
        mute.listen()
        project.env(DB_PORT=mute.getsockname()[1])
        assert "sent nothing within 1 s" in project.fails("not-postgres", "--timeout", "1", code=6)


@pytest.fixture
def dropping():
    """A network where every packet is lost; gives the words to put before a command."""
    if os.geteuid():
        require_path(None, "root")
    ip = require_path(shutil.which("ip", path=f"{os.environ['PATH']}:/usr/sbin:/sbin"), "iproute2")
    name = f"planodev-test-{os.getpid()}"
    subprocess.run([ip, "netns", "add", name], check=True)
    try:
        for words in (
            "link set lo up",
            "link add lost type veth peer name other",
            "addr add 10.231.0.1/24 dev lost",
            "link set lost up",
            "link set other up",
            "neigh add 10.231.0.254 lladdr 02:00:00:00:00:fe dev lost nud permanent",
            "route add default via 10.231.0.254",
        ):
            subprocess.run([ip, "-n", name, *words.split()], check=True)
        yield [ip, "netns", "exec", name]
    finally:
        subprocess.run([ip, "netns", "delete", name], check=True)


def test_a_host_that_drops_packets_is_given_up_in_time(project, dropping):
    project.env(DB_HOST="10.232.0.9")
    run = project.verify("--timeout", "2", code=6, before=dropping)
    assert run.error == "unreachable"
    assert "within 2 s" in run.json["error"]["why"]
    assert run.seconds < 10  # the default, if `--timeout` were not heard


@pytest.mark.slow
def test_ten_seconds_are_the_default(project, dropping):
    run = project.env(DB_HOST="10.232.0.9").verify(code=6, before=dropping)
    assert "within 10 s" in run.json["error"]["why"]
    assert run.seconds > 9.5


@pytest.mark.slow
def test_a_resolver_that_drops_packets_is_given_up_in_time(project, dropping, tmp_path):
    own = require_path(shutil.which("unshare"), "unshare")
    (tmp_path / "resolv.conf").write_text("nameserver 10.232.0.53\n")
    mount = f'mount --bind {tmp_path}/resolv.conf /etc/resolv.conf && exec "$@"'
    run = project.env(DB_HOST="db.example.com").verify(
        "--timeout", "2", code=6, before=[*dropping, own, "-m", "sh", "-c", mount, "sh"]
    )
    assert run.error == "name-not-found"
    assert run.seconds < 10  # the default, if `--timeout` were not heard


def test_an_address_without_a_way_there_says_so(project, dropping):
    assert "IPv6" in project.env(DB_HOST="[2001:db8::1]").fails("unreachable", code=6, before=dropping[:4])


def test_the_second_host_is_tried_as_the_driver_does(ready, server):
    project, _ = ready
    project.write(
        "config.yaml", CONFIG.replace("@${DB_HOST}:${DB_PORT}", f"@{LOOPBACK}:{free_port()},{LOOPBACK}:${{DB_PORT}}")
    )
    assert project.verify().json["data"]["port"] == server.port


# The login


def test_a_wrong_password_is_told_and_not_repeated(ready, server):
    project, database = ready
    project.env(DB_PORT=server.port, DB_NAME=database, DB_PASS="wrong-one")
    run = project.verify(code=5)
    assert run.error == "password-refused"
    assert "wrong-one" not in run.out + run.err


def test_a_database_and_a_role_that_are_not_there(ready, server):
    project, database = ready
    project.env(DB_PORT=server.port, DB_NAME="nowhere").fails("database-missing", code=5)
    project.env(DB_PORT=server.port, DB_NAME=database, DB_USER="nobody").fails("password-refused", code=5)


@pytest.mark.slow
def test_a_role_that_may_not_enter(ready, server):
    project, database = ready
    server.sql("ALTER ROLE plano_prod NOLOGIN")
    try:
        project.fails("login-privilege-missing", code=5)
    finally:
        server.sql("ALTER ROLE plano_prod LOGIN")
    server.sql(f"REVOKE CONNECT ON DATABASE {database} FROM plano_prod, PUBLIC")
    fix = project.fails("connect-privilege-missing", code=5)
    server.sql(re.search("`(GRANT.*?;)`", fix)[1])
    project.verify()


@pytest.mark.slow
def test_a_server_that_wants_encryption_is_told_from_one_that_wants_nobody(project, tls_server):
    database = prepared(project, tls_server, "rds")
    project.env(DB_PORT=tls_server.port, DB_NAME=database)
    said = project.fails("tls-required")
    assert "no encryption" in said
    assert "PgBouncer" in said
    with postgres("") as closed:
        project.env(DB_PORT=closed.port).fails("pg-hba", code=5)


# The session and the table


@pytest.mark.slow
def test_a_server_that_ends_silent_sessions(ready, server):
    project, database = ready
    server.sql(f"ALTER ROLE plano_prod IN DATABASE {database} SET idle_session_timeout = '5min'")
    said = project.fails("idle-session-timeout")
    assert "5min" in said
    server.sql(re.search("`(ALTER ROLE.*?;)`", said)[1])
    project.verify()


def test_the_sql_overrules_a_timeout_of_the_whole_server(project):
    with postgres("host all all 127.0.0.1/32 scram-sha-256\n", ("idle_session_timeout", "60s")) as strict:
        database = prepared(project, strict, "rds")
        project.env(DB_PORT=strict.port, DB_NAME=database).verify()


def test_the_machine_itself_is_no_host_for_plano_in_a_container(ready):
    project, _ = ready
    assert project.verify().json["warnings"] == []
    project.write("compose.production.yaml", "services: {}\n")
    assert [warning["code"] for warning in project.verify().json["warnings"]] == ["loopback-host"]
    project.write("compose.production.yaml", "services:\n  pgbouncer:\n    image: x\n")
    assert project.verify().json["warnings"] == []


@pytest.mark.slow
def test_a_network_that_may_forget_a_silent_connection_is_a_warning(project, elsewhere):
    def codes(host, server, database):
        run = project.env(DB_HOST=host, DB_PORT=server.port, DB_NAME=database).verify()
        return [warning["code"] for warning in run.json["warnings"]]

    everywhere = ("listen_addresses", "*")
    with postgres("host all all all scram-sha-256\n", everywhere) as far:
        database = prepared(project, far, "self-hosted")
        assert codes(LOOPBACK, far, database) == []
        assert codes(elsewhere, far, database) == ["silence-may-cut"]
        config = project.read("config.yaml")
        project.write("config.yaml", config.replace("${DB_NAME}", "${DB_NAME}?keepalives_idle=60"))
        assert codes(elsewhere, far, database) == []
        project.write("config.yaml", config)
    with postgres("host all all all scram-sha-256\n", everywhere, ("tcp_keepalives_idle", "120")) as speaks:
        assert codes(elsewhere, speaks, prepared(project, speaks, "self-hosted")) == []


def ini(server, mode, more=""):
    return (
        f"[databases]\n* = host={LOOPBACK} port={server.port}\n[pgbouncer]\nlisten_addr = {LOOPBACK}\n"
        f"listen_port = {free_port()}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = userlist.txt\n"
        f"pool_mode = {mode}\n{more}"
    )


UNPREPARED = "max_prepared_statements = 0\n"


@pytest.mark.parametrize("mode", slow_but(["transaction"], ["transaction", "statement"]))
def test_a_pooler_that_loses_prepared_statements_is_found_every_time(ready, server, mode):
    project, database = ready
    text = ini(server, mode, UNPREPARED)
    with own_directory() as directory, pgbouncer(directory, text, {"plano_prod": PASSWORD}) as port:
        project.env(DB_PORT=port, DB_NAME=database)
        for _ in range(3):
            project.fails("prepared-statements-lost")
        way = {"host": LOOPBACK, "port": port, "user": "plano_prod", "dbname": database, "sslmode": "disable"}
        with psycopg.connect(**way, password=PASSWORD, autocommit=True) as session:
            assert session.execute("SELECT name FROM pg_prepared_statements").fetchall() == []


@pytest.mark.parametrize("more", slow_but([""], ["", "default_pool_size = 1\n"]))
def test_a_pooler_in_session_mode_passes_with_what_happens_at_a_restart(ready, server, more):
    project, database = ready
    text = ini(server, "session", more)
    with own_directory() as directory, pgbouncer(directory, text, {"plano_prod": PASSWORD}) as port:
        project.env(DB_PORT=port, DB_NAME=database)
        for _ in range(2):
            (warning,) = project.verify().json["warnings"]
            assert warning["code"] == "pooler-session-mode"
            assert "production PROVIDER` writes all" in warning["fix"]


def test_a_pooler_in_transaction_mode_passes_and_one_that_plano_shares_is_a_warning(ready, server):
    """Twice, since the first run leaves its own prepared statements in the pooler's connection."""
    project, database = ready
    with (
        own_directory() as directory,
        pgbouncer(directory, ini(server, "transaction"), {"plano_prod": PASSWORD}) as port,
    ):
        project.env(DB_PORT=port, DB_NAME=database)
        for _ in range(2):
            assert project.verify().json["warnings"] == []
        way = {"host": LOOPBACK, "port": port, "user": "plano_prod", "dbname": database, "sslmode": "disable"}
        with psycopg.connect(**way, password=PASSWORD, autocommit=True) as plano:
            plano.execute("SELECT model FROM conversation_states WHERE response_id = %s", ("r",), prepare=True)
            assert [warning["code"] for warning in project.verify().json["warnings"]] == ["pooler-shared"]


@pytest.mark.slow
def test_a_pooler_on_this_machine_may_let_plano_in_without_a_password(ready, server):
    project, database = ready
    text = ini(server, "transaction").replace("auth_type = scram-sha-256", "auth_type = trust")
    with own_directory() as directory, pgbouncer(directory, text, {"plano_prod": PASSWORD}) as port:
        done = project.env(DB_PORT=port, DB_NAME=database, DB_PASS="").verify()
        assert f"through the PgBouncer at {LOOPBACK}:{port}, which asks for no password" in done.err
        project.env(DB_PORT=port, DB_NAME=database, DB_PASS="", DB_HOST="10.0.0.7").fails("env-file-incomplete")
    project.env(DB_PORT=server.port, DB_NAME=database, DB_PASS="").fails("password-refused", code=5)


@pytest.mark.parametrize(
    ("method", "code"),
    [(b"\0\0\0\3", "not-scram"), (b"\0\0\0\0Z\0\0\0\x05I", "not-postgres")],
    ids=["in clear", "trust"],
)
def test_a_stranger_on_this_machine_is_sent_no_password(ready, method, code):
    """As one who listens where a PgBouncer or a tunnel was; the second one answers whatever it hears by the same."""
    project, database = ready
    came = []

    def serve(listening):
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                with client, contextlib.suppress(OSError):
                    while piece := client.recv(65536):
                        came.append(piece)
                        client.sendall(b"R\0\0\0\x08" + method)

    with socket.create_server((LOOPBACK, 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        project.env(DB_PORT=listening.getsockname()[1], DB_NAME=database).fails(
            code, code={"not-scram": 5}.get(code, 6)
        )
        listening.shutdown(socket.SHUT_RDWR)
    assert came
    assert PASSWORD.encode() not in b"".join(came)


def test_a_server_that_asks_for_no_password_is_named(ready, server):
    project, database = ready
    rules = Path(server.sql("SHOW hba_file", fetch=True)[0][0])
    before = rules.read_text()
    rules.write_text(f"host {database} all 127.0.0.1/32 trust\n{before}")
    try:
        server.sql("SELECT pg_reload_conf()")
        until(lambda: project.verify().json["warnings"], "the other method", 20)
        (warning,) = project.verify().json["warnings"]
    finally:
        rules.write_text(before)
        server.sql("SELECT pg_reload_conf()")
    assert (warning["code"], "`plano_prod` in without a password" in warning["message"]) == ("no-password-asked", True)


# As the owner does it, for a role that is none.
TABLES = {
    **SPOILED,
    "privilege-missing": "REVOKE UPDATE ON conversation_states FROM plano_prod",
    "table-off-search-path": "CREATE SCHEMA app AUTHORIZATION owner; ALTER TABLE conversation_states SET SCHEMA app",
    "server-read-only": "ALTER ROLE plano_prod SET default_transaction_read_only = on",
}


@pytest.mark.parametrize("code", slow_but(("column-missing", "privilege-missing"), TABLES))
def test_a_table_that_will_not_do_is_named(ready, server, code):
    project, database = ready
    server.sql(TABLES[code], database=database)
    try:
        said = project.fails(code)
    finally:
        server.sql("ALTER ROLE plano_prod RESET default_transaction_read_only")
    if sql := re.search("`((?:GRANT|ALTER|DROP) .*;)`", said):
        server.sql(sql[1], database=database)
        project.verify()
    if "table-missing" in code:
        assert "conversation_states.sql" in said


@pytest.mark.slow
def test_a_schema_in_the_options_of_the_connection_string_is_looked_into(ready, server):
    project, database = ready
    server.sql(TABLES["table-off-search-path"] + "; GRANT USAGE ON SCHEMA app TO plano_prod", database=database)
    project.fails("table-off-search-path")
    with_parameters(project, "?options=-c%20search_path%3Dapp")
    project.verify()


def test_a_server_of_too_old_a_version_is_named(ready):
    """No PostgreSQL 11 can be had; the judgement is that of the facts, which unit tests hold."""

    facts = {"server_version_num": 110022, "server_version": "11.22"}
    assert planodev.postgres.state_table.judge(facts, ours=False).code == "server-too-old"


def test_a_lock_that_is_held_does_not_hold_up_the_answer(ready, server):
    project, database = ready
    held = psycopg.connect(host=str(server.directory), port=server.port, user="postgres", dbname=database)
    held.execute("LOCK TABLE conversation_states")
    try:
        run = project.verify("--timeout", "2", code=6)
        assert run.error == "proof-timed-out"
        assert run.seconds < 10  # the default, if `--timeout` were not heard
    finally:
        held.close()


def test_a_server_that_repeats_the_password_in_an_error_is_not_repeated(ready, server):
    project, database = ready
    server.sql(
        f"CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no {PASSWORD}'; END$$;"
        "CREATE TRIGGER no BEFORE INSERT ON conversation_states FOR EACH ROW EXECUTE FUNCTION no()",
        database=database,
    )
    assert "no ***" in project.fails("store-failed")
    assert PASSWORD not in project("verify", "--env-file", ".env.production", code=7).err


@pytest.mark.slow
def test_all_proofs_at_once_do_not_disturb_each_other(ready):
    project, _ = ready
    runs = [threading.Thread(target=project.verify) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    project.verify()


def test_a_timeout_without_an_environment_file_is_refused(project):
    assert project("verify", "--timeout", "3", "--json", code=2).error == "usage"


def test_without_an_environment_file_verify_stays_as_it_was(project):
    run = project("verify", "--json", code=None, DOCKER_HOST="unix:///nowhere.sock")
    assert (run.code, run.error) == (3, "no-socket")
