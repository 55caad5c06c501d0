"""To its own server planodev logs in by SCRAM or not at all, whatever else a server asks for."""

from __future__ import annotations

import socket
import struct
import threading

import psycopg
import pytest

from planodev.postgres import proof, scram
from planodev.postgres.connection import Connection
from tests.support.scram import matches

PASSWORD = "of-the-project-0123456789"
OK, CLEARTEXT, MD5, GSS, SSPI, SASL = 0, 3, 5, 7, 9, 10


def asked(method, more=b""):
    """Return the message of PostgreSQL's protocol that asks for a method of authentication."""
    return b"R" + struct.pack("!ii", 8 + len(more), method) + more


@pytest.fixture
def asking(request):
    """Listen as a server that asks every client for the method of the test; gives the port, and what came."""
    came = []

    def serve(server):
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                client.settimeout(2)
                try:
                    came.append(client.recv(4096))
                    client.sendall(request.param)
                    came.append(client.recv(4096))
                except OSError:
                    pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1], came
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("asking", "code"),
    [
        (asked(OK), "not-scram"),
        (asked(OK) + b"Z\x00\x00\x00\x05I", "not-scram"),
        (asked(CLEARTEXT), "not-scram"),
        (asked(MD5, b"salt"), "password-refused"),  # which `up` mends by a verifier
        (asked(GSS), None),
        (asked(SSPI), None),
        (asked(SASL, b"PLAIN\0\0"), None),
        (asked(SASL, b"OAUTHBEARER\0\0"), None),
    ],
    indirect=["asking"],
)
def test_no_other_way_in_is_taken_and_no_password_sent(asking, code):
    port, came = asking
    connection = Connection("plano", PASSWORD, "127.0.0.1", port, "plano", own=True)
    evidence = proof.run_here(connection, 5)
    assert evidence.facts is None
    problem = proof.judge(evidence, connection, ours=True)
    assert code in (None, problem.code), problem
    assert ("not sent" in problem.why) == (code is not None)
    # A client that leaves sends nothing, or the end of its session.
    assert {piece for piece in came[1::2] if piece} <= {b"X\x00\x00\x00\x04"}
    assert PASSWORD.encode() not in b"".join(came)


@pytest.mark.parametrize("asking", [asked(CLEARTEXT)], indirect=True)
def test_no_server_of_this_machine_is_sent_a_password_in_clear_text(asking):
    port, came = asking
    connection = Connection("plano", PASSWORD, "127.0.0.1", port, "plano")
    assert proof.judge(proof.run_here(connection, 5), connection, ours=True).code == "not-scram"
    assert PASSWORD.encode() not in b"".join(came)


def test_how_servers_elsewhere_ask_is_theirs_to_say():
    assert scram.parameters("db.example.org", own=False) == {}
    assert scram.parameters("/run/postgresql", own=False) == {}


def test_a_libpq_that_cannot_be_told_so_is_not_used(monkeypatch):
    monkeypatch.setattr(psycopg.pq, "version", lambda: 150004)
    connection = Connection("plano", PASSWORD, "127.0.0.1", 1, "plano", own=True)
    evidence = proof.run_here(connection, 5)
    assert "libpq (150004) would send the password" in proof.judge(evidence, connection, ours=True).why


def test_a_verifier_is_of_its_password_alone_and_never_the_same():
    first, second = scram.verifier("a %27 'quoted' pässword"), scram.verifier("a %27 'quoted' pässword")
    assert first != second
    assert first.startswith("SCRAM-SHA-256$4096:")
    assert matches(first, "a %27 'quoted' pässword")
    assert not matches(first, "another")
