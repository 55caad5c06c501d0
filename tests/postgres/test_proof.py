"""The proof's judgement: recorded outputs of `psql`, refusals of a real libpq, and no password in any text."""

import json
import socket
import socketserver
import struct
import threading

import pytest

from planodev.postgres import proof
from planodev.postgres.connection import Connection
from planodev.postgres.proof import Evidence
from planodev.problems import Fix
from tests.support.facts import GOOD

PASSWORD = "hunter2"
WAY = Connection("plano", PASSWORD, "host.docker.internal", 5432, "plano")
AT = 'connection to server at "host.docker.internal" (172.17.0.1), port 5432 failed: '
# How libpq 14 to 17 begin, how 13 does, and how 12 does.
NEW, LIBPQ_13, LIBPQ_12 = f"psql: error: {AT}", "psql: error: ", "psql: error: could not connect to server: "
REFUSED = "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?\n"
OLD_REFUSED = (
    'Connection refused\n\tIs the server running on host "host.docker.internal" (172.17.0.1) and accepting\n'
    "\tTCP/IP connections on port 5432?\n"
)
GONE = "server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally\n"


LOGIN_FAILURES = [
    (f'{NEW}FATAL:  password authentication failed for user "plano"\n', "password-refused"),
    (f'{LIBPQ_13}FATAL:  password authentication failed for user "plano"\n', "password-refused"),
    (f'{LIBPQ_12}FATAL:  password authentication failed for user "plano"\n', "password-refused"),
    (f"{NEW}fe_sendauth: no password supplied\n", "password-refused"),
    (f'{NEW}FATAL:  role "plano" does not exist\n', "password-refused"),
    (f'{NEW}FATAL:  database "plano" does not exist\n', "database-missing"),
    (f'{NEW}FATAL:  role "plano" is not permitted to log in\n', "login-privilege-missing"),
    (
        f'{NEW}FATAL:  permission denied for database "plano"\nDETAIL:  User does not have CONNECT privilege.\n',
        "connect-privilege-missing",
    ),
    (
        f'{NEW}FATAL:  no pg_hba.conf entry for host "172.17.0.3", user "plano", database "plano", no encryption\n',
        "pg-hba",
    ),
    (f'{LIBPQ_13}FATAL:  no pg_hba.conf entry for host "10.0.0.3", user "p", database "p", SSL off\n', "pg-hba"),
    (f"{NEW}FATAL:  sorry, too many clients already\n", "too-many-connections"),
    (f'{NEW}FATAL:  too many connections for role "plano"\n', "connection-limit"),
    (f"{NEW}FATAL:  the database system is starting up\n", "not-ready"),
    (f"{NEW}FATAL:  the database system is shutting down\n", "not-ready"),
    (f"{NEW}FATAL:  the database system is in recovery mode\n", "not-ready"),
    (f"{NEW}FATAL:  the database system is not yet accepting connections\n", "not-ready"),
    (f"{NEW}{REFUSED}", "connection-refused"),
    (f"{LIBPQ_12}{OLD_REFUSED}", "connection-refused"),
    (f"{NEW}timeout expired\n", "unreachable"),
    (f"{NEW}No route to host\n\tIs the server running on that host?\n", "unreachable"),
    (f"{NEW}{GONE}", "not-postgres"),
    (f"{NEW}received invalid response to SSL negotiation: H\n", "not-postgres"),
    (f"{NEW}expected authentication request from server, but received H\n", "not-postgres"),
    (
        'psql: error: could not translate host name "host.docker.internal" to address: Name or service not known\n',
        "name-not-found",
    ),
    (f"{NEW}FATAL:  something nobody has seen before\n", "login-failed"),
    ("", "login-failed"),
]


@pytest.mark.parametrize(("stderr", "code"), LOGIN_FAILURES)
def test_each_refusal_of_a_login_has_its_own_problem_without_the_password(stderr, code):
    problem = proof.judge(proof.read_psql("", stderr), WAY, ours=True)
    assert (problem.code, problem.fatal) == (code, True)
    assert PASSWORD not in f"{problem}"
    assert problem.why
    assert problem.fix


def test_the_address_behind_the_name_is_told():
    evidence = proof.read_psql("", f"{NEW}{REFUSED}")
    assert evidence.address == "172.17.0.1"
    assert "host.docker.internal:5432 (172.17.0.1)" in proof.judge(evidence, WAY, ours=True).why


class Server(socketserver.ThreadingTCPServer):
    """A server that answers every login alike: with an error of PostgreSQL's, or with other bytes."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answer):
        self.answer = answer
        super().__init__(("127.0.0.1", 0), Login)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class Login(socketserver.BaseRequestHandler):
    def handle(self):
        if self.server.answer is not None:
            self.request.recv(4096)
            self.request.sendall(self.server.answer)


def error_response(sqlstate, message):
    fields = f"SFATAL\0VFATAL\0C{sqlstate}\0M{message}\0\0".encode()
    return b"E" + struct.pack("!i", len(fields) + 4) + fields


def prove_against(answer):
    server = Server(answer)
    try:
        way = Connection("plano", PASSWORD, "127.0.0.1", server.server_address[1], "plano")
        return proof.judge(proof.run_here(way, 5), way, ours=True)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (error_response("28P01", 'password authentication failed for user "plano"'), "password-refused"),
        (error_response("28000", 'role "plano" does not exist'), "password-refused"),
        (error_response("28000", 'role "plano" is not permitted to log in'), "login-privilege-missing"),
        (error_response("28000", 'no pg_hba.conf entry for host "172.17.0.3", user "plano"'), "pg-hba"),
        (error_response("3D000", 'database "plano" does not exist'), "database-missing"),
        (error_response("42501", 'permission denied for database "plano"'), "connect-privilege-missing"),
        (error_response("53300", 'too many connections for database "plano"'), "connection-limit"),
        (error_response("53300", "sorry, too many clients already"), "too-many-connections"),
        (error_response("53300", "remaining connection slots are reserved for roles"), "too-many-connections"),
        (error_response("57P03", "the database system is starting up"), "not-ready"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not-postgres"),
        (b"", "not-postgres"),
        (None, "not-postgres"),
    ],
)
def test_the_installed_libpq_is_understood_as_psql_is(answer, code):
    problem = prove_against(answer)
    assert problem.code == code
    assert PASSWORD not in f"{problem}"


def test_a_closed_port_is_a_refused_connection():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        way = Connection("plano", PASSWORD, "127.0.0.1", free.getsockname()[1], "plano")
        assert proof.judge(proof.run_here(way, 2), way, ours=True).code == "connection-refused"


@pytest.mark.parametrize(
    "reason",
    [
        "[Errno -2] Name or service not known",
        "[Errno -3] Temporary failure in name resolution",
        "[Errno 8] nodename nor servname provided, or not known",
        "[Errno 11001] getaddrinfo failed",
    ],
)
def test_a_name_that_psycopg_cannot_resolve_is_not_found_on_any_system(reason):
    refused = Evidence(None, stored=False, error=f"failed to resolve host 'host.docker.internal': {reason}")
    assert proof.judge(refused, WAY, ours=True).code == "name-not-found"


@pytest.mark.parametrize(
    ("host", "password", "code"),
    [
        ("a..b", PASSWORD, "name-not-found"),
        ("a" * 64, PASSWORD, "name-not-found"),
        ("127.0.0.1", "hunter2\udcff", "login-failed"),
    ],
)
def test_what_psycopg_cannot_encode_is_no_crash_and_not_shown(host, password, code):
    way = Connection("plano", password, host, 1, "plano")
    problem = proof.judge(proof.run_here(way, 2), way, ours=False)
    assert problem.code == code
    assert PASSWORD not in f"{problem}"


FACTS = json.dumps(GOOD)
ROW = 'planodev_proof_98e80ca585470626|[{"role": "user"}]|1234567890|model|provider'
# Recorded with psql 15 against PostgreSQL 15.18.
NO_TABLE = (
    'ERROR:  42P01: relation "conversation_states" does not exist\nLOCATION:  parserOpenTable, parse_relation.c:1392\n'
)
DENIED = "ERROR:  42501: permission denied for table conversation_states\nLOCATION:  aclcheck_error, aclchk.c:3655\n"
CHECK = (
    'ERROR:  23514: new row for relation "conversation_states" violates check constraint "small"\n'
    "DETAIL:  Failing row contains (planodev_proof_189bfe0baeb9348f, [], 1234567890, model, provider, 2026-11-22).\n"
)


@pytest.mark.parametrize(
    ("stdout", "stderr", "expected"),
    [
        (f"{FACTS}\n3\n{ROW}\nstored\n", "", (True, None, None, 3)),
        (f"{FACTS}\n0\n", CHECK, (False, "23514", CHECK.split("23514: ")[1].splitlines()[0], 0)),
        (f"{FACTS}\n", DENIED, (False, "42501", "permission denied for table conversation_states", None)),
        (f"{FACTS}\n", NO_TABLE, (False, "42P01", 'relation "conversation_states" does not exist', None)),
        (f"{FACTS}\n3\nstored\n", "", (False, None, None, 3)),  # nothing was read back
        (f"{FACTS}\n3\n{ROW}\n", "", (False, None, None, 3)),  # it ended before its end
        (f"{FACTS}\n3\n{ROW.replace('1234567890', '1')}\nstored\n", "", (False, None, None, 3)),
    ],
)
def test_what_psql_printed_becomes_evidence(stdout, stderr, expected):
    evidence = proof.read_psql(stdout, stderr)
    assert (evidence.stored, evidence.sqlstate, evidence.error, evidence.conversations) == expected
    assert evidence.facts == GOOD


def test_only_a_row_that_was_stored_and_read_back_is_a_proof():
    assert proof.judge(Evidence(GOOD, stored=True), WAY, ours=True) is None
    failed = proof.judge(proof.read_psql(f"{FACTS}\n0\n", CHECK), WAY, ours=True)
    assert (failed.code, failed.fatal) == ("store-failed", True)
    assert "check constraint" in failed.why
    assert proof.judge(Evidence(GOOD, stored=False), WAY, ours=True).code == "store-failed"


@pytest.mark.parametrize("up", [None, Fix("check its address")])
@pytest.mark.parametrize(
    ("evidence", "code"),
    [
        (Evidence(GOOD, stored=False), "store-failed"),
        (Evidence(GOOD, stored=False, sqlstate=proof.QUERY_CANCELED), "statement-timed-out"),
        (Evidence(GOOD, stored=False, sqlstate=proof.LOCK_NOT_AVAILABLE), "table-locked"),
        (Evidence(None, stored=False), "login-failed"),
        *((proof.read_psql("", stderr), code) for stderr, code in LOGIN_FAILURES),
    ],
)
def test_no_fix_of_a_server_that_planodev_does_not_run_is_a_command_of_planodev(evidence, code, up):
    problem = proof.judge(evidence, WAY, up, ours=False)
    assert (problem.code, problem.fatal) == (code, True)
    assert problem.fix
    assert "planodev" not in str(problem.fix)
    assert "data is kept" not in str(problem.fix)


def test_a_faulty_table_is_named_even_where_the_statements_passed():
    facts = {**GOOD, "table": {**GOOD["table"], "unique_response_id": False}}
    assert proof.judge(Evidence(facts, stored=True), WAY, ours=True).code == "key-missing"


def test_the_password_goes_to_psql_by_environment_and_never_by_script():
    assert proof.psql_environment(WAY, 10)["PGPASSWORD"] == PASSWORD
    assert PASSWORD not in proof.psql_script(10)


def test_two_proofs_at_once_use_different_rows():
    assert proof.psql_script(10) != proof.psql_script(10)


@pytest.mark.parametrize("printed", ['{"a": 1}', "{}", '{"table": null}', '{"server_version_num": 160000}', "{", "[1]"])
def test_what_another_program_prints_is_no_facts(printed):
    evidence = proof.read_psql(f"{printed}\n5\n", "")
    assert (evidence.facts, evidence.conversations) == (None, None)
    assert proof.judge(evidence, WAY, ours=True).fatal
