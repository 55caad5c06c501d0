"""What Plano may send back, byte by byte: each ends in an answer or in an error that tells, in bounded time."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading

import pytest

from planodev.gateway import client
from planodev.problems import PlanodevError

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = STREAM + b"Transfer-Encoding: chunked\r\n\r\n"
MODEL = "ollama/llama3.1"


def event(kind, **data):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


def delta(text):
    return event("response.output_text.delta", delta=text)


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


BEGUN = event("response.created", response={"id": "resp_1", "model": "m"}) + delta("one ")
DONE = event("response.completed", response={"id": "resp_1", "model": "m"}) + b"data: [DONE]\n\n"
END = b"0\r\n\r\n"


def response(status, text, kind="application/json"):
    body = text.encode()
    return (
        b"HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (status, kind.encode(), len(body)) + body
    )


def whole(text):
    item = {"type": "message", "content": [{"type": "output_text", "text": text}]}
    return response(200, json.dumps({"id": "resp_1", "model": "m", "output": [{"type": "reasoning"}, item]}))


@pytest.fixture
def sending():
    """Return a function that listens, answers one request with these pieces, and returns the port."""
    with contextlib.ExitStack() as opened:

        def serve(pieces):
            listener = opened.enter_context(socket.create_server(("127.0.0.1", 0)))

            def answer():
                with contextlib.suppress(OSError):
                    connection, _ = listener.accept()
                    with connection, connection.makefile("rb") as request:
                        request.readline()
                        length = http.client.parse_headers(request)["Content-Length"]
                        request.read(int(length))
                        for piece in pieces:
                            connection.sendall(piece)

            threading.Thread(target=answer, daemon=True).start()
            return listener.getsockname()[1]

        yield serve


def asked(port):
    """Return (text, code, why) of a question."""
    answer = client.Answer()
    try:
        for _ in client.ask(client.Question(port, MODEL, "Hello"), answer):
            pass
    except PlanodevError as error:
        return answer.text, error.code, f"{error.message}: {error.why}"
    assert answer.complete
    return answer.text, None, answer.id


@pytest.mark.parametrize(
    "pieces",
    [
        [CHUNKED, chunk(BEGUN), chunk(delta("two")), chunk(DONE), END],
        [CHUNKED, *(chunk(bytes([byte])) for byte in BEGUN + delta("two") + DONE), END],
        [STREAM + b"\r\n", BEGUN + delta("two") + DONE],  # HTTP/1.0's way: until the connection ends
        [CHUNKED, chunk((BEGUN + delta("two") + DONE).replace(b"\n", b"\r\n")), END],
        [CHUNKED, chunk(b": keep-alive\n\n" + BEGUN + event("response.in_progress") + delta("two") + DONE), END],
        [CHUNKED, chunk(BEGUN + event("response.refusal.delta", delta="two") + DONE), END],
        [whole("one two")],
    ],
    ids=["streamed", "by bytes", "no length", "CRLF", "other events", "a refusal", "in one piece"],
)
def test_an_answer_is_read_whole_in_each_form_in_which_it_comes(sending, pieces):
    assert asked(sending(pieces)) == ("one two", None, "resp_1")


@pytest.mark.parametrize(
    ("pieces", "code", "said"),
    [
        ([response(200, "<html>", "text/html")], "answer-unreadable", "<html>"),
        ([response(200, "")], "answer-unreadable", ""),
        ([response(200, "[]")], "answer-unreadable", "[]"),
        ([response(200, '{"output": ["x"]}')], "answer-unreadable", "output"),
        ([response(200, '{"output": [{"type": "message"}]}')], "answer-unreadable", "message"),
        ([CHUNKED, chunk(b"data: not JSON\n\n"), END], "answer-unreadable", "not JSON"),
        ([CHUNKED, chunk(b'data: ["a list"]\n\n'), END], "answer-unreadable", "a list"),
        ([CHUNKED, chunk(b"data: \xff\xfe\n\n"), END], "answer-unreadable", "data: "),
        ([CHUNKED, chunk(b"data: \x1b[31m{}\n\n"), END], "answer-unreadable", "\\x1b"),
        ([CHUNKED, chunk(BEGUN), END], "answer-cut-off", "without `response.completed`"),
        ([CHUNKED, chunk(BEGUN)], "answer-cut-off", "middle"),
        ([CHUNKED, chunk(BEGUN), b"40\r\nhalf"], "answer-cut-off", "middle"),
        ([whole("one two")[:-9]], "answer-cut-off", "IncompleteRead"),
        ([CHUNKED], "answer-cut-off", "middle"),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], "plano-not-answering", "SSH-2.0"),
        ([b""], "plano-not-answering", "closed connection without response"),
        (
            [CHUNKED, chunk(BEGUN + event("error", message="overloaded")), END],
            "provider-failed",
            "overloaded",
        ),
        (
            [CHUNKED, chunk(BEGUN + event("response.failed", response={"error": {"message": "no luck"}})), END],
            "provider-failed",
            "no luck",
        ),
        (
            [
                CHUNKED,
                chunk(event("response.incomplete", response={"incomplete_details": {"reason": "max_output_tokens"}})),
            ],
            "provider-failed",
            "max_output_tokens",
        ),
        (
            [response(401, "<h1>401</h1>", "text/html")],
            "provider-refuses-key",
            "ollama refuses a request without a key",
        ),
        ([response(403, '{"error": "blocked"}')], "provider-refuses-key", "403"),
        ([response(429, "slow down", "text/plain")], "provider-limit", "slow down"),
        ([response(429, "")], "provider-limit", "429"),
        ([response(500, '{"error": {"message": "a\\u001b[2Jb"}}')], "provider-failed", "a\\x1b[2Jb"),
        ([response(400, '{"error": "Model \'x\' not found in configured providers"}')], "model-not-configured", "'x'"),
        ([response(404, '{"error": "no such model"}')], "provider-failed", "ollama answers with 404: no such model"),
        ([response(503, "overloaded", "text/plain")], "provider-failed", "ollama answers with 503: overloaded"),
        (
            [response(504, "upstream request timeout", "text/plain")],
            "provider-unreachable",
            "Plano gets no answer from ollama: upstream request timeout",
        ),
        ([response(502, "x" * 1_000_000, "text/plain")], "provider-failed", "x…"),
    ],
)
def test_what_is_no_answer_has_its_code_and_what_was_said(sending, pieces, code, said):
    _, found, why = asked(sending(pieces))
    assert found == code, why
    assert said in why
    assert len(why) < 500


@pytest.mark.parametrize(
    ("pieces", "begun"),
    [([CHUNKED], True), ([whole("one")[:-9]], True), ([b"HTTP/1.1 2"], False), ([b""], False)],
)
def test_an_answer_has_begun_once_its_headers_have_come(sending, pieces, begun):
    answer = client.Answer()
    with pytest.raises(PlanodevError):
        list(client.ask(client.Question(sending(pieces), MODEL, "Hello"), answer))
    assert (answer.begun, answer.id) == (begun, "")


def endless(*beginning, again):
    yield from beginning
    while True:
        yield again


@pytest.mark.parametrize(
    "pieces",
    [
        endless(CHUNKED, chunk(BEGUN), again=chunk(delta("word " * 1000))),
        endless(CHUNKED, chunk(BEGUN + b"data: "), again=chunk(b"x" * 10_000)),  # an event without an end
        endless(CHUNKED, again=chunk(b": nothing\n\n" * 1000)),
        endless(STREAM + b"\r\n" + BEGUN, again=delta("word " * 1000)),
        endless(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", again=b" " * 10_000),
    ],
    ids=["words", "one event", "comments", "no length", "in one piece"],
)
def test_an_answer_that_does_not_stop_is_left_at_a_size(sending, pieces, monkeypatch):
    monkeypatch.setattr(client, "_MOST", 3_000_000)
    _, code, why = asked(sending(pieces))
    assert (code, "more than 3 MB" in why) == ("answer-endless", True)


@pytest.mark.parametrize(
    ("beginning", "code"),
    [
        (b"", "answer-endless"),
        (CHUNKED, "answer-endless"),
        (CHUNKED + chunk(BEGUN), "answer-endless"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "answer-endless"),
        (b"HTTP/1.1 500 X\r\n\r\n", "provider-failed"),
    ],
    ids=["silent", "no word", "some words", "in one piece", "an error"],
)
def test_an_answer_that_drips_is_left_at_a_time(sending, beginning, code, monkeypatch):
    monkeypatch.setattr(client, "_WHOLE", 0.3)
    left = threading.Event()

    def dripping():
        yield beginning
        while not left.wait(0.05):
            yield chunk(b": \n\n") if beginning.startswith(CHUNKED) else b" " if beginning else b""

    _, found, why = asked(sending(dripping()))
    left.set()
    assert found == code, why
