"""One turn through a running Plano: `POST /v1/responses`, streamed, and what its failures mean."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from planodev.plano import planoai
from planodev.postgres.connection import LOOPBACK
from planodev.problems import BadInput, Command, CredentialsRefused, Fix, NotReady, PlanodevError
from planodev.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPResponse

_PATIENCE = 3.0  # seconds for the list of models
_CONNECT, _SILENCE = 5.0, 300.0  # seconds; a model may think for minutes before its first word
_WHOLE = 1800.0  # seconds from the question to the end of the answer
_MOST = 100_000_000  # bytes; the longest answers take some 30 million when streamed
_PIECE = 65_536  # bytes
_OK, _UNAUTHORIZED, _FORBIDDEN, _CONFLICT, _LIMITED, _INTERNAL, _UNAVAILABLE = 200, 401, 403, 409, 429, 500, 503
# What Envoy answers itself where a provider gives it no answer: not reached, or not within 300 seconds. Seen with 1.37.
_OF_ENVOY = ("upstream connect error", "upstream request timeout", "no healthy upstream")
_LONGEST = 300  # characters of Plano's or a provider's message
_PATH = "/v1/responses"
_WORDS = ("response.output_text.delta", "response.refusal.delta")


def silence(port: int, patience: float = _PATIENCE) -> str | None:
    """Return why a Plano does not answer, None if it does.

    By its models, which brightstaff lists: `/healthz` is a fixed 200 from Envoy, also where brightstaff is dead.
    Source: planoai 0.4.39 `data/envoy.template.yaml`.

    Args:
        port: of the model listener.
        patience: seconds.

    """
    import urllib.error
    import urllib.request

    try:
        # This machine only, by http, and not through a proxy that the environment names.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{LOOPBACK}:{port}/v1/models", timeout=patience) as answer:
            code = int(answer.status)
    except urllib.error.HTTPError as error:
        code = error.code
    except (OSError, ValueError):
        return f"GET :{port}/v1/models returns nothing"
    return None if code == _OK else f"GET :{port}/v1/models returns {code}, although /healthz may say that all is well"


@dataclass(frozen=True)
class Question:
    """What is asked.

    Args:
        port: of the model listener.
        model: as the configuration names it.
        text: what the user says.
        previous: the id of the turn that it goes on from.
        key: the variable with the provider's key, for the words; None where the configuration has none.
        stream: whether the answer is to come piece by piece.

    """

    port: int
    model: str
    text: str
    previous: str | None = None
    key: str | None = None
    stream: bool = True

    def body(self) -> dict[str, Any]:
        """Return the request."""
        goes_on = {"previous_response_id": self.previous} if self.previous else {}
        return {"model": self.model, "input": self.text, "stream": self.stream, **goes_on}


@dataclass
class Answer:
    """What has come of an answer until now.

    Args:
        begun: whether Plano has begun to answer; before that it stores nothing.
        id: "" until Plano has said it.
        model: as the provider calls the one that answered.
        pieces: of the text.
        complete: whether it has ended well.
        again: whether the question was sent a second time, since Plano did not find the last turn yet.

    """

    begun: bool = False
    id: str = ""
    model: str = ""
    pieces: list[str] = field(default_factory=list)
    complete: bool = False
    again: bool = False

    @property
    def text(self) -> str:
        """What was answered."""
        return "".join(self.pieces)


class TurnUnknown(Exception):
    """Plano does not find the turn that a question goes on from: it may not be stored yet."""


def ask(question: Question, answer: Answer) -> Iterator[str]:
    """Send a question, and yield the pieces of the answer as they come; `answer` has at each moment what has come.

    Raises:
        TurnUnknown: 409; nothing was answered, and the same may be sent again.
        PlanodevError: Plano or the provider has refused, or the answer has stopped in the middle, or does not stop.

    """
    ends = time.monotonic() + _WHOLE
    try:
        with _sent(question) as response:
            if response.status != _OK:
                _refused(question, response)
            answer.begun = True
            for piece in _pieces(question, response, answer):
                answer.pieces.append(piece)
                yield piece
    except (OSError, http.client.HTTPException) as error:
        if time.monotonic() > ends:
            raise _endless(f"it was not complete after {_WHOLE:g} seconds") from error
        if answer.begun:
            raise _cut_off(error) from error
        raise NotReady(
            "plano-not-answering",
            f"Plano does not answer at http://{LOOPBACK}:{question.port}{_PATH}",
            why=_said(error),
            fix=Fix(Command("doctor"), " says whether it has died; ", planoai.STARTS_PLANO, " starts it"),
        ) from error
    if not answer.complete:
        raise _endless(f"it was not complete after {_WHOLE:g} seconds") if time.monotonic() > ends else _cut_off(None)


@contextmanager
def _sent(question: Question) -> Iterator[HTTPResponse]:
    """Send a question, and yield the response, whose connection ends when the time for the whole answer is up."""
    connection = http.client.HTTPConnection(LOOPBACK, question.port, timeout=_CONNECT)
    connection.connect()
    at = connection.sock
    at.settimeout(_SILENCE)

    def end() -> None:
        with suppress(OSError):  # it is closed already
            at.shutdown(socket.SHUT_RDWR)

    late = threading.Timer(_WHOLE, end)
    late.daemon = True
    late.start()
    try:
        body = json.dumps(question.body())
        connection.request("POST", _PATH, body, {"Content-Type": "application/json"})
        yield connection.getresponse()
    finally:
        late.cancel()
        connection.close()


def _body(response: HTTPResponse) -> Iterator[bytes]:
    """Yield the body as it arrives, up to the largest size that an answer can have."""
    came = 0
    while piece := response.read1(_PIECE):
        came += len(piece)
        if came > _MOST:
            raise _endless(f"more than {_MOST / 1e6:g} MB came")
        yield piece
    if response.length:  # bytes that Content-Length still promises
        raise http.client.IncompleteRead(b"", response.length)


def _pieces(question: Question, response: HTTPResponse, answer: Answer) -> Iterator[str]:
    kind = response.headers.get("Content-Type", "")
    if "text/event-stream" not in kind:
        text = b"".join(_body(response)).decode(errors="replace")
        if not text.strip():
            raise _empty(question, kind)
        yield _at_once(text, answer)
        return
    for text in _events(response):
        if text == "[DONE]":
            return
        try:
            data = json.loads(text)
            kind = data["type"]
        except (ValueError, KeyError, TypeError) as error:
            raise _unreadable(text) from error
        if kind in _WORDS:
            yield str(data.get("delta") or "")
        elif kind == "error":
            raise _failed({"error": data})
        elif isinstance(data.get("response"), dict):
            _note(data["response"], answer)
            if kind in ("response.failed", "response.incomplete"):
                raise _failed(data["response"])
            answer.complete = answer.complete or kind == "response.completed"


def _events(response: HTTPResponse) -> Iterator[str]:
    """Yield the data of each event of a stream."""
    import sseclient

    events = iter(sseclient.SSEClient(_body(response)).events())
    while True:
        try:
            event = next(events)
        except StopIteration:
            return
        except UnicodeDecodeError as error:
            raise _unreadable(error.object.decode(errors="replace")) from error
        yield event.data


def _at_once(text: str, answer: Answer) -> str:
    """Return the text of an answer that was not streamed."""
    try:
        data = json.loads(text)
        _note(data, answer)
        parts = [part for item in data["output"] if item.get("type") == "message" for part in item["content"]]
        words = "".join(str(part.get("text") or "") for part in parts)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(text) from error
    answer.complete = True
    return words


def _note(response: dict[str, Any], answer: Answer) -> None:
    answer.id = str(response.get("id") or answer.id)
    answer.model = str(response.get("model") or answer.model)


def _said(error: object) -> str:
    words = " ".join(visible(str(error)).split())
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"


def _cut_off(error: Exception | None) -> NotReady:
    return NotReady(
        "answer-cut-off",
        "the answer stopped in the middle",
        why=_said(error) if error else "the stream ended without `response.completed`",
        fix="ask again",
    )


def _endless(why: str) -> NotReady:
    return NotReady(
        "answer-endless", "the answer does not end", why=why, fix="ask again, or another model by `--model`"
    )


def _unreadable(text: str) -> PlanodevError:
    fix = Fix(Command("doctor"), " says whether this is Plano")
    return PlanodevError("answer-unreadable", "the answer is not a valid answer of Plano", why=_said(text), fix=fix)


def _empty(question: Question, kind: str) -> PlanodevError:
    """Return the error for what Plano sends on of an answer that it cannot read: its headers alone."""
    provider = question.model.partition("/")[0]
    unread = "not a model's, or broke off" if question.stream else "not a model's, broke off, or is larger than 1 MB"
    why = f"Plano passes on nothing of an answer that is {unread}; its type is {visible(kind) or 'missing'}"
    fix = "check `base_url` in the configuration, and that a model answers there; then ask again"
    if not question.stream:
        fix = f"leave `--no-stream` out, or {fix}"
    return PlanodevError("answer-unreadable", f"Plano cannot read what {provider} answers", why=why, fix=fix)


def _failed(response: dict[str, Any]) -> PlanodevError:
    told = response.get("error") or response.get("incomplete_details") or {}
    why = _said(told.get("message") or told.get("reason") or "it gives no reason") if isinstance(told, dict) else None
    return PlanodevError("provider-failed", "the provider did not finish its answer", why=why, fix="ask again")


def _refused(question: Question, response: HTTPResponse) -> None:
    """Raise the error for a status other than 200; it may quote parts of a provider's key, which are masked later."""
    code, provider = response.status, question.model.partition("/")[0]
    said = _message(response)
    if code == _CONFLICT:
        raise TurnUnknown
    if code in (_UNAUTHORIZED, _FORBIDDEN):
        raise _key_refused(provider, question.key, code)
    if code == _LIMITED:
        raise NotReady(
            "provider-limit", f"{provider} accepts no more requests for now", why=said, fix="wait, and ask again"
        )
    of_envoy = said.startswith(_OF_ENVOY)
    if code == _UNAVAILABLE and of_envoy and silence(question.port):
        fix = Fix(Command("doctor"), " says what has died; ", planoai.STARTS_PLANO, " starts it again")
        raise NotReady("plano-not-answering", "Plano is running, but does not answer", why=said, fix=fix)
    if of_envoy:
        look = "check the network, that it runs, and its `base_url` in the configuration; then ask again"
        raise NotReady("provider-unreachable", f"Plano gets no answer from {provider}", why=said, fix=look)
    if "not found in configured providers" in said:
        leave = "leave `--model` out, or name a model of the configuration"
        raise BadInput("model-not-configured", f"Plano has no model `{question.model}`", why=said, fix=leave)
    ask = (
        "ask again" if code >= _INTERNAL else "check this model and its `base_url` in the configuration; then ask again"
    )
    fix = Fix(ask, "; ", Command("doctor"), " checks Plano")
    raise PlanodevError("provider-failed", f"{provider} answers with {code}", why=said, fix=fix)


def _key_refused(provider: str, key: str | None, code: int) -> CredentialsRefused:
    """Return the error for a key that is not accepted, or that is missing; the provider's words may quote the key."""
    start = Fix(planoai.STARTS_PLANO, " starts Plano with it")
    if key:
        text, fix = f"{provider} refuses {key}", Fix(Command("keys", "set", key), " asks for a valid one; ")
    else:
        text = f"{provider} refuses a request without a key"
        fix = Fix("write `access_key: $NAME` for it into the configuration; ")
    return CredentialsRefused("provider-refuses-key", text, why=f"status {code}", fix=fix + start)


def _message(response: HTTPResponse) -> str:
    text = ""
    with suppress(OSError, http.client.HTTPException):
        text = response.read(8192).decode(errors="replace")
    with suppress(ValueError, AttributeError):
        found = json.loads(text)
        told = found.get("error", found)
        text = str(told.get("message") if isinstance(told, dict) else told)
    return _said(text) or f"status {response.status}"
