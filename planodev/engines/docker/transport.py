"""HTTP/1.1 to an engine behind a Unix socket: `h11` is the protocol, and what it leaves open is here.

Left open are the socket, one limit for a whole exchange, answers that come before a request was read, and connections
that a program's own input and output go over. Engine facts are from moby's `api/server` and `daemon` packages, 20.10
to 28.5, and were seen on those versions.
"""

from __future__ import annotations

import math
import socket
import time
from collections import deque
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

import h11

from planodev.engines.docker.frames import Frames, NotHttp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from planodev.deadline import Limit

# Bytes of one answer. A list of all containers takes some 100 kB; this only bounds an endless answer.
LARGEST = 2**28
_PIECE = 2**16
_SWITCHING_PROTOCOLS = 101
_OK = 200
_UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}  # without it a proxy in between forwards no input
_BROKE_OFF = "the answer was cut off in the middle"


class NobodyListens(ConnectionError):
    """No connection could be made; `errno` says why."""


class Answer(NamedTuple):
    """An answer that came in full; the names of `headers` are in lower case."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


class Closable(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """Close it."""


class Transport:
    """Asks an engine; for any number of threads at once.

    A connection is kept for further questions, as an engine drains what it has left unread of a request only on one
    that stays open: on others the answer is followed by a reset (seen on Docker 26.1 and 28.5).

    Args:
        path: the socket.
        limit: gives the seconds for one exchange, from connecting to the answer's last byte.

    """

    def __init__(self, path: str, limit: Limit) -> None:
        self._path = path
        self._limit = limit
        self._idle: deque[_Connection] = deque()  # a deque's append and pop are atomic

    def ask(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Return the answer to one request.

        Raises:
            NobodyListens: there is no connection.
            NotHttp: something else than an engine answers.
            OSError: the connection broke off, or the limit has passed (`TimeoutError`).

        """
        ends = time.monotonic() + self._limit()
        if method == "GET" and self._idle:
            kept = self._idle.pop()
            kept.ends = ends
            # An engine may close an idle connection, which shows before the first byte of an answer. A GET is then sent
            # again over a new one; other requests, which are not to be sent twice, always get a new one.
            with suppress(BrokenPipeError, ConnectionResetError):
                return self._exchange(kept, method, target, body, headers)
        return self._exchange(self._open(ends), method, target, body, headers)

    def tell(self, method: str, target: str) -> None:
        """Send a request whose answer nobody waits for; raises what `ask` does but for the answer."""
        with closing(self._open(time.monotonic() + self._limit())) as connection:
            connection.send(method, target, b"", {})

    def run(
        self, target: str, body: bytes, headers: Mapping[str, str], said: Callable[[], bytes], *, most: float = math.inf
    ) -> Answer | Frames:
        """Start a program whose input and output go over the connection from then on.

        Args:
            target: of the request, a POST.
            body: of the request.
            headers: of the request.
            said: gives the input, after the answer's head: Docker 20.10 drops what comes before that. It may take its
                time and may raise; the limit starts again after it.
            most: seconds, where the limit is longer.

        Returns:
            Its output, up to the end; an answer where the engine would not start it.

        Raises:
            OSError: see `ask`.

        """
        frames = Frames()
        with closing(self._open(time.monotonic() + min(most, self._limit()))) as connection:
            head = connection.asked("POST", target, body, {**headers, **_UPGRADE})
            if head.status_code not in (_SWITCHING_PROTOCOLS, _OK):
                return connection.whole(head)
            given = said()
            connection.ends = time.monotonic() + min(most, self._limit())
            if given:
                connection.send_raw(given)
            for piece in connection.raw() if head.status_code == _SWITCHING_PROTOCOLS else connection.body():
                frames.feed(piece)
        frames.end()
        return frames

    def hold(self, target: str) -> Closable:
        """Ask for a program's input, and keep it open until what is returned, or this process, is closed.

        Raises:
            OSError: see `ask`.

        """
        connection = self._open(time.monotonic() + self._limit())
        with ExitStack() as opened:
            opened.callback(connection.close)
            if connection.asked("POST", target, b"", _UPGRADE).status_code in (_SWITCHING_PROTOCOLS, _OK):
                opened.pop_all()
        return connection

    def _open(self, ends: float) -> _Connection:
        line = socket.socket(socket.AF_UNIX)
        try:
            line.settimeout(max(0.001, ends - time.monotonic()))
            line.connect(self._path)
        except OSError as error:
            line.close()
            if isinstance(error, TimeoutError):
                raise
            raise NobodyListens(error.errno, error.strerror or str(error)) from error
        return _Connection(line, ends)

    def _exchange(
        self, connection: _Connection, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        try:
            answer = connection.whole(connection.asked(method, target, body or b"", headers))
        except BaseException:
            connection.close()
            raise
        if connection.ready_again():
            self._idle.append(connection)
        else:
            connection.close()
        return answer


class _Connection:
    """A connection on which everything ends at one moment, however slowly the bytes come.

    Args:
        line: a connected socket.
        ends: that moment, by `time.monotonic`.

    """

    def __init__(self, line: socket.socket, ends: float) -> None:
        self.ends = ends
        self._socket = line
        self._http = h11.Connection(h11.CLIENT)
        self._cut_short = False  # the engine has not read the whole request
        self._begun = False  # a part of the answer has come
        self._ended = False

    def close(self) -> None:
        self._socket.close()

    def send(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a whole request."""
        self._begun = False
        length = {"Content-Length": str(len(body))} if body or method != "GET" else {}
        head = [("Host", "docker"), *headers.items(), *length.items()]  # a host means nothing over a socket
        events = (h11.Request(method=method, target=target, headers=head), h11.Data(data=body), h11.EndOfMessage())
        self.send_raw(b"".join(self._http.send(event) or b"" for event in events))

    def asked(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str]
    ) -> h11.Response | h11.InformationalResponse:
        """Send a request and return the head of its answer, which may be `101 Switching Protocols`."""
        try:
            self.send(method, target, body, headers)
        except (BrokenPipeError, ConnectionResetError):
            self._cut_short = True  # it has answered early, and closed: the answer waits in the socket
        while True:
            event = self._next()
            if isinstance(event, h11.Response):
                return event
            if isinstance(event, h11.InformationalResponse) and event.status_code == _SWITCHING_PROTOCOLS:
                return event

    def whole(self, head: h11.Response | h11.InformationalResponse) -> Answer:
        """Return an answer whose head has come, once its body has too."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        return Answer(head.status_code, head.reason.decode("latin-1"), headers, b"".join(self.body()))

    def body(self) -> Iterator[bytes]:
        """Yield an answer's body as it comes.

        Raises:
            ConnectionError: it broke off, or is larger than `LARGEST`.
            TimeoutError: the limit has passed.

        """
        size = 0
        while isinstance(event := self._next(), h11.Data):
            size += len(event.data)
            if size > LARGEST:
                raise ConnectionError(f"the answer was cut off after {LARGEST // 2**20} MB, the most that is read")
            yield bytes(event.data)

    def raw(self) -> Iterator[bytes]:
        """Yield what comes on a connection that has switched to another protocol, to its end."""
        yield self._http.trailing_data[0]
        while piece := self._receive():
            yield piece

    def send_raw(self, data: bytes) -> None:
        self._hurry()
        self._socket.sendall(data)

    def ready_again(self) -> bool:
        """Say whether the connection can carry another request, and prepare it for that."""
        if self._cut_short or self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    def _next(self) -> object:
        """Return what comes next of an answer, as an event of h11."""
        while True:
            in_head = self._http.their_state is not h11.SEND_BODY
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                if not self._begun:
                    raise ConnectionResetError("the connection was closed without an answer") from error
                came = self._http.trailing_data[0]
                if in_head and not came.startswith(b"HTTP/"):
                    raise NotHttp(f"the answer is not HTTP: {came[:80].decode(errors='replace')}") from error
                if self._ended:
                    raise ConnectionError(_BROKE_OFF) from error
                raise NotHttp(f"the answer is not HTTP: {str(error)[:80]}") from error
            if event is not h11.NEED_DATA:
                return event
            self._http.receive_data(self._receive())

    def _receive(self) -> bytes:
        """Return the next bytes, empty at the end; a reset is one too, since engines leave requests partly unread."""
        self._hurry()
        try:
            piece = self._socket.recv(_PIECE)
        except ConnectionResetError:
            piece = b""
        self._begun = self._begun or bool(piece)
        self._ended = not piece
        return piece

    def _hurry(self) -> None:
        """Set the socket's time-out to what is left of the limit; raises `TimeoutError` where nothing is."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)
