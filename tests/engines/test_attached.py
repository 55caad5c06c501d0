"""A program of the engine that is attached to files of this machine leaves neither a connection nor a traceback."""

from __future__ import annotations

import os
import socket
import struct
import threading
from types import SimpleNamespace

import pytest

from planodev.engines import Streams
from planodev.engines.docker import sdk
from planodev.engines.docker.sdk import Client


@pytest.fixture
def ends():
    """Return both ends of the connection to a program."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    with ours, theirs:
        yield ours, theirs


def run(ours, streams):
    stream = ours.makefile("rb", buffering=0)  # as the SDK gives it for a socket of the system
    engine = SimpleNamespace(
        exec_create=lambda *_, **__: {"Id": "1"},
        exec_start=lambda *_, **__: stream,
        exec_inspect=lambda *_: {"Running": False, "ExitCode": 3},
    )
    return Client(engine, None, lambda: 10.0).run_attached("c", ["psql"], {}, streams)


class Seen:
    """A file that notes which thread has written to it."""

    def __init__(self):
        self.text, self.threads = b"", set()

    def write(self, piece):
        self.text += piece
        self.threads.add(threading.current_thread())

    def flush(self): ...


@pytest.mark.parametrize("watched", [True, False])
def test_a_program_that_nobody_watches_is_waited_for_in_no_thread(ends, watched):
    ours, theirs = ends
    theirs.sendall(struct.pack(">BxxxL", 1, 4) + b"rows")
    theirs.shutdown(socket.SHUT_WR)
    seen = Seen()
    assert run(ours, Streams(None, seen, Seen(), (lambda: None) if watched else None)) == 3
    assert seen.text == b"rows"
    assert ({threading.main_thread()} == seen.threads) is not watched


def test_a_watch_that_ends_the_wait_closes_the_connection_too(ends):
    ours, theirs = ends
    reader, writer = os.pipe()

    def watch():
        raise RuntimeError("it does not go on")

    with os.fdopen(reader, "rb") as source, os.fdopen(writer, "wb"):
        with pytest.raises(RuntimeError, match="it does not go on"):
            run(ours, Streams(source, Seen(), Seen(), watch))
        assert theirs.recv(1) == b""


def test_a_file_that_was_closed_meanwhile_is_the_end_of_what_is_sent(ends):
    ours, theirs = ends
    with open(os.devnull, "rb") as source:
        pass
    sdk._feed(ours, source)
    ours.close()
    assert theirs.recv(1) == b""
