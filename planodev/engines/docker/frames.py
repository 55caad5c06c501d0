"""A program's output as engines send it: stdout and stderr in one stream, in frames."""

from __future__ import annotations

_HEAD = 8  # bytes
_OUT, _ERR, _ENGINES_OWN = 1, 2, 3


class NotHttp(ConnectionError):
    """What came is no answer in HTTP."""


class Frames:
    """Output of a program, taken apart into stdout and stderr as it comes, in pieces of any size.

    Each frame has 8 bytes of head (kind, 0, 0, 0, length), then the text. Source: Docker Engine API, "Attach to a
    container", stream format; kind 3, an error of the engine itself, from moby's `pkg/stdcopy`.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._parts: dict[int, list[bytes]] = {0: [], _OUT: [], _ERR: [], _ENGINES_OWN: []}

    def feed(self, piece: bytes) -> None:
        """Take the next bytes.

        Raises:
            NotHttp: they are no such frames.

        """
        self._rest += piece
        at = 0
        while len(self._rest) - at >= _HEAD:
            kind, end = self._rest[at], at + _HEAD + int.from_bytes(self._rest[at + 4 : at + _HEAD], "big")
            if kind not in self._parts:
                raise NotHttp(f"the program's output was cut off: no frame is of kind {kind}")
            if len(self._rest) < end:
                break
            self._parts[kind].append(bytes(self._rest[at + _HEAD : end]))
            at = end
        del self._rest[:at]

    def end(self) -> None:
        """Say that nothing more comes.

        Raises:
            ConnectionError: the last frame is not whole.

        """
        if self._rest:
            raise ConnectionError("the program's output was cut off")

    @property
    def out(self) -> bytes:
        """What came on stdout."""
        return b"".join(self._parts[_OUT])

    @property
    def err(self) -> bytes:
        """What came on stderr."""
        return b"".join(self._parts[_ERR])

    @property
    def failure(self) -> str:
        """What the engine said of a failure of its own, in the middle of the output; "" where nothing failed."""
        return b"".join(self._parts[_ENGINES_OWN]).decode(errors="replace")
