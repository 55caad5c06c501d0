"""A way to the engine on which a test can act right before or after a request: for real, and to the request."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import socketserver
import threading

ENGINE = "/var/run/docker.sock"
DROP = "the request never reaches the engine"
_REQUEST = re.compile(rb"^(GET|POST|PUT|DELETE|HEAD) (?:/v[0-9.]+)?(\S+) HTTP/1")


def changes(method, path):
    """Say whether a request can change something in the engine, or start something in a container."""
    return method not in ("GET", "HEAD") and not path.startswith("/images/")


class _Carry(socketserver.BaseRequestHandler):
    asked = None

    def handle(self):
        with socket.socket(socket.AF_UNIX) as engine, contextlib.suppress(OSError):
            engine.connect(ENGINE)
            ways = {self.request: engine, engine: self.request}
            while ways:
                for source in select.select(list(ways), [], [])[0]:
                    piece = source.recv(65536)
                    held = self.told(piece) if source is self.request else self.answered(piece)
                    if held == DROP:
                        return
                    if piece:
                        ways[source].sendall(piece)
                        continue
                    with contextlib.suppress(OSError):
                        ways[source].shutdown(socket.SHUT_WR)
                    if source is engine:
                        return
                    del ways[source]

    def told(self, piece):
        found = _REQUEST.match(piece)
        if not found:
            return None
        self.asked = (found[1].decode(), found[2].decode())
        return self.server.before(*self.asked) if self.server.before else None

    def answered(self, piece):
        if piece and self.asked and self.server.after:
            self.server.after(*self.asked)
        self.asked = None


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64
    before = after = None

    def handle_error(self, *_): ...  # whoever asked was killed, which is what the gate is for


@contextlib.contextmanager
def gate(place, before=None, after=None):
    """Carry a socket to the engine; `before(method, path)` and `after(method, path)` are called at each request.

    What `before` answers `DROP` to is not handed on. `after` runs when the engine has begun to answer, and its answer
    is still held back. Yields what DOCKER_HOST takes.
    """
    path = os.path.join(place, "g")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with _Server(path, _Carry) as server:
        server.before, server.after = before, after
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            thread.join()
