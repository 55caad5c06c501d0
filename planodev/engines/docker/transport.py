"""HTTP/1.1 to an engine behind a Unix socket: `http.client`, and what it leaves open.

Left open are the kind of socket, one limit for a whole exchange, answers that come before a request was read, interim
answers, and connections that a program's own input and output go over. Engine facts are from moby's `api/server` and
`daemon` packages, 20.10 to 28.5, and were seen on those versions.
"""

from __future__ import annotations

import http.client
import socket
import time
from collections import deque
from contextlib import closing, suppress
from typing import TYPE_CHECKING, NamedTuple

from planodev.engines.docker.frames import Frames, NotHttp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from email.message import Message

    from _typeshed import ReadableBuffer, WriteableBuffer

    from planodev.deadline import Limit

# Bytes of one answer. A machine's whole list of containers takes some 100 kB; this only bounds an endless one.
LARGEST = 2**28
_PIECE = 2**16
_SWITCHING_PROTOCOLS = 101
_BROKE_OFF = "the answer broke off in the middle"


class NobodyListens(ConnectionError):
    """No connection could be made; `errno` says why."""


class Answer(NamedTuple):
    """An answer that came in full; `headers` are found in any case."""

    status: int
    reason: str
    headers: Message
    body: bytes


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
        self._idle: deque[_Connection] = deque()  # whose append and pop are atomic

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
            # An engine may close a connection that nobody uses, which shows before the first byte of an answer. A
            # question can be asked again; anything else gets a new connection at once, which costs next to nothing.
            with suppress(BrokenPipeError, ConnectionResetError):
                return self._exchange(kept, method, target, body, headers)
        return self._exchange(self._open(ends), method, target, body, headers)

    def tell(self, method: str, target: str) -> None:
        """Send a request whose answer nobody waits for; raises what `ask` does but for the answer."""
        with closing(self._open(time.monotonic() + self._limit())) as connection:
            connection.request(method, target)

    def run(self, target: str, body: bytes, headers: Mapping[str, str], said: Callable[[], bytes]) -> Answer | Frames:
        """Start a program whose input and output go over the connection from then on.

        Args:
            target: of the request, a POST.
            body: of the request.
            headers: of the request.
            said: gives the input, after the answer's head: Docker 20.10 drops what comes before that. It may take its
                time and may raise; the limit begins anew behind it.

        Returns:
            Its output, up to the end; an answer where the engine would not start it.

        Raises:
            OSError: see `ask`.

        """
        upgrade = {"Connection": "Upgrade", "Upgrade": "tcp"}  # without which a proxy in between sends no input on
        frames = Frames()
        with (
            closing(self._open(time.monotonic() + self._limit())) as connection,
            closing(connection.asked("POST", target, body, {**headers, **upgrade})) as response,
        ):
            if response.status not in (_SWITCHING_PROTOCOLS, http.client.OK):
                return _whole(response)
            given = said()
            connection.ends = time.monotonic() + self._limit()
            if given:
                connection.line.sendall(given)
            for piece in _pieces(response):
                frames.feed(piece)
        frames.end()
        return frames

    def _open(self, ends: float) -> _Connection:
        connection = _Connection(self._path, ends)
        try:
            connection.connect()
        except TimeoutError:
            raise
        except OSError as error:
            raise NobodyListens(error.errno, error.strerror or str(error)) from error
        return connection

    def _exchange(
        self, connection: _Connection, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        try:
            with closing(connection.asked(method, target, body, headers)) as response:
                answer = _whole(response)
        except BaseException:
            connection.close()
            raise
        if response.will_close or connection.cut_short:
            connection.close()
        else:
            self._idle.append(connection)
        return answer


class _Line(socket.socket):
    """A socket on which everything ends at one moment, however slowly the bytes come."""

    ends = 0.0  # by `time.monotonic`

    def hurry(self) -> None:
        """Allow the next call what is left of the time; raises `TimeoutError` where nothing is."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self.settimeout(left)

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        self.hurry()
        return super().recv_into(buffer, nbytes, flags)

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        self.hurry()
        super().sendall(data, flags)


class _Response(http.client.HTTPResponse):
    """An answer behind any number of interim ones, of which `http.client` itself knows but `100 Continue`."""

    def begin(self) -> None:
        super().begin()
        while 100 <= self.status < 200 and self.status != _SWITCHING_PROTOCOLS:  # noqa: PLR2004
            self.headers = self.msg = None  # type: ignore[assignment] # it reads the next head only where it has none
            super().begin()


class _Connection(http.client.HTTPConnection):
    """A connection over a Unix socket; `cut_short` says that the engine has not taken a whole request."""

    response_class = _Response

    def __init__(self, path: str, ends: float) -> None:
        super().__init__("docker")  # of no meaning over a socket, but HTTP wants a host
        self._path = path
        self.line = _Line(socket.AF_UNIX)
        self.ends = ends
        self.cut_short = False

    @property
    def ends(self) -> float:
        """When everything on it has to be over, by `time.monotonic`."""
        return self.line.ends

    @ends.setter
    def ends(self, moment: float) -> None:
        self.line.ends = moment

    def connect(self) -> None:
        self.sock = self.line
        try:
            self.line.hurry()
            self.line.connect(self._path)
        except BaseException:
            self.close()
            raise

    def asked(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        """Send a request and return the answer, of which the head has come."""
        try:
            self.request(method, target, body, headers)
        except (BrokenPipeError, ConnectionResetError):
            # It has answered without reading all, and closed: the answer waits in the socket.
            self.cut_short = True
        try:
            return self.getresponse()
        except http.client.RemoteDisconnected as error:
            raise ConnectionResetError("the connection was closed without an answer") from error
        except http.client.HTTPException as error:
            raise NotHttp(f"what came is no HTTP: {str(error)[:80] or type(error).__name__}") from error


def _whole(response: http.client.HTTPResponse) -> Answer:
    return Answer(response.status, response.reason, response.headers, b"".join(_pieces(response)))


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield an answer's body as it comes.

    Raises:
        ConnectionError: it broke off, or is larger than `LARGEST`.
        TimeoutError: the limit has passed.

    """
    up_to_the_end = response.status == _SWITCHING_PROTOCOLS or (response.length is None and not response.chunked)
    # What ends with the connection is read as it comes: a reset would take with it what waits to fill a buffer.
    read = response.fp.read1 if up_to_the_end else response.read
    size = 0
    while True:
        try:
            piece = read(_PIECE)
        except (ConnectionResetError, http.client.IncompleteRead) as error:
            if up_to_the_end:  # an engine that has left something unread ends a connection this way
                return
            raise ConnectionError(_BROKE_OFF) from error
        if not piece:
            break
        size += len(piece)
        if size > LARGEST:
            raise ConnectionError(f"the answer broke off after {LARGEST // 2**20} MB, which is more than it can be")
        yield piece
    if response.length and not up_to_the_end:  # for a length that was promised `read` does not look at this
        raise ConnectionError(_BROKE_OFF)
