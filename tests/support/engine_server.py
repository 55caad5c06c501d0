"""A stand-in for a Docker Engine at a Unix socket: keeps state as one does, and answers as badly as it is told to.

It speaks HTTP by hand, since what no library would send is what it is for. Its good answers are in the form of Docker
28.5: HTTP/1.1, kept connections, `Api-Version` and the like in any case, an upgraded connection for `exec`.
"""

import json
import re
import socket
import socketserver
import threading
import time
from contextlib import suppress
from urllib.parse import parse_qs, unquote, urlsplit

IMAGE = {
    "Id": "sha256:" + "a" * 64,
    "Config": {"Volumes": {"/var/lib/postgresql/data": {}}, "Env": ["PG_MAJOR=16"]},
}
VERSION = "1.45"
HEAD = ("Api-Version: 1.45", "Docker-Experimental: false", "Ostype: linux", "Server: Docker/26.1.5 (linux)")


def frame(kind, text):
    """Return a piece of a program's output as engines send it."""
    return bytes([kind, 0, 0, 0]) + len(text).to_bytes(4, "big") + text


def whole(status, body=b"", *more, head=HEAD):
    """Return an answer that says its size."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Some Reason", *head, *more, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(status, pieces, *more):
    """Return an answer in chunks."""
    lines = [f"HTTP/1.1 {status} Some Reason", *HEAD, *more, "Transfer-Encoding: chunked"]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + chunks + b"0\r\n\r\n"


class Request:
    """A request of which the head was read; the body is read when it is asked for."""

    def __init__(self, line, headers, stream):
        self.method, target, _ = line.split(" ")
        parts = urlsplit(re.sub(r"^/v1\.\d+/", "/", target))
        self.path = unquote(parts.path)
        self.query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self.headers = headers
        self.what = f"{self.method} {self.path}"
        self._stream = stream
        self._body = None

    @property
    def body(self):
        if self._body is None:
            self._body = self._stream.read(int(self.headers.get("content-length", 0)))
        return self._body

    @property
    def json(self):
        return json.loads(self.body or b"null")


class Connection(socketserver.StreamRequestHandler):
    """One connection, with as many requests as come."""

    def handle(self):
        self.server.opened += 1
        with suppress(ConnectionError):
            while line := self.rfile.readline().decode().strip():
                headers = {}
                while header := self.rfile.readline().decode().strip():
                    name, value = header.split(": ", 1)
                    headers[name.lower()] = value
                if not self.answer(Request(line, headers, self.rfile)) or line.endswith("HTTP/1.0"):
                    break

    def answer(self, request):
        """Answer a request; returns whether the connection is kept."""
        self.server.asked.append(request.what)
        bad = next((b for pattern, b in self.server.bad if re.fullmatch(pattern, request.what)), None)
        if bad:
            return bad(self, request)
        if re.fullmatch(r"POST /exec/\w+/start", request.what):
            return self.run(request)
        with self.server.lock:
            answer = self.server.engine.answer(request)
        self.send(answer)
        return True

    def send(self, data):
        self.wfile.write(data)
        self.wfile.flush()

    def run(self, request):
        """Start a program on the connection."""
        _ = request.body
        if request.headers.get("upgrade") == "tcp" and self.server.upgrades:
            self.send(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        else:
            self.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n")
        program = self.server.engine.programs[request.path.split("/")[2]]
        if program["AttachStdin"]:
            program["Input"] = self.rfile.readline().decode()
            if not program["Input"]:  # its input has ended: it does nothing
                program["ExitCode"] = 1
                return False
        pieces, program["ExitCode"] = self.server.program(program)
        for piece in pieces:
            self.send(piece)
        return False


class State:
    """What the engine has."""

    def __init__(self):
        self.containers = {}
        self.volumes = {}
        self.programs = {}
        self.images = {"postgres:16": IMAGE}
        self.processes = {"Titles": ["UID", "PID", "CMD"], "Processes": []}

    def answer(self, request):
        method, path = request.method, request.path
        for pattern, answer in ROUTES:
            found = re.fullmatch(pattern, f"{method} {path}")
            if found:
                return answer(self, request, *found.groups())
        return whole(404, {"message": f"page not found: {method} {path}"})

    def by_name(self, name):
        return next((c for c in self.containers.values() if name in (c["Id"], c["Name"].lstrip("/"))), None)

    def create(self, request):
        config, name = request.json, request.query.get("name") or f"some_name{len(self.containers)}"
        if self.by_name(name):
            return whole(409, {"message": f'Conflict. The container name "/{name}" is already in use'})
        number = f"{len(self.containers) + 1:064x}"
        binds = [bind.split(":") for bind in config["HostConfig"].get("Binds", [])] if "HostConfig" in config else []
        self.containers[number] = {
            "Id": number,
            "Name": f"/{name}",
            "Image": IMAGE["Id"],
            "State": {"Status": "created", "Running": False, "Paused": False, "ExitCode": 0},
            "Config": {"Image": config["Image"], "Labels": config.get("Labels") or {}, "Tty": False},
            "HostConfig": config.get("HostConfig", {}),
            "Mounts": [{"Type": "volume", "Name": b[0], "Destination": b[1]} for b in binds],
            "Files": {},
        }
        return whole(201, {"Id": number, "Warnings": []})

    def inspect(self, request, name):
        return whole(200, found) if (found := self.by_name(name)) else missing(name)

    def put(self, request, name):
        found = self.by_name(name)
        found["Files"][request.query["path"]] = request.body.hex()
        return whole(200)

    def start(self, request, name):
        found = self.by_name(name)
        if not found:
            return missing(name)
        found["State"].update(Status="running", Running=True)
        return whole(204)

    def stop(self, request, name):
        found = self.by_name(name)
        running = found["State"]["Running"]
        if running:
            found["State"].update(Status="exited", Running=False)
        if found["HostConfig"].get("AutoRemove"):
            del self.containers[found["Id"]]
        return whole(204) if running else whole(304)

    def remove(self, request, name):
        found = self.by_name(name)
        if not found:
            return missing(name)
        del self.containers[found["Id"]]
        return whole(204)

    def make_volume(self, request):
        asked = request.json
        return whole(201, self.volumes.setdefault(asked["Name"], {"Name": asked["Name"], "Labels": asked["Labels"]}))

    def exec(self, request, name):
        if not self.by_name(name):
            return missing(name)
        number = f"{len(self.programs):x}"
        self.programs[number] = {**request.json, "ExitCode": None}
        return whole(201, {"Id": number})

    def listed(self, request):
        return whole(
            200,
            [
                {
                    "Id": c["Id"],
                    "Names": [c["Name"]],
                    "Labels": c["Config"]["Labels"],
                    "State": c["State"]["Status"],
                    "Created": time.time(),
                    "Ports": [],
                    "Mounts": c["Mounts"],
                }
                for c in self.containers.values()
            ],
        )


def missing(name):
    return whole(404, {"message": f"No such container: {name}"})


ROUTES = (
    (r"GET /_ping", lambda state, request: whole(200, b"OK")),
    (r"GET /info", lambda state, request: whole(200, {"OperatingSystem": "Debian", "SecurityOptions": []})),
    (r"GET /containers/json", State.listed),
    (r"GET /volumes", lambda state, request: whole(200, {"Volumes": list(state.volumes.values()) or None})),
    (r"GET /networks/bridge", lambda state, request: whole(200, {"Id": "b", "Options": {}})),
    (
        r"GET /images/(.+)/json",
        lambda state, request, name: whole(200, state.images[name]) if name in state.images else missing(name),
    ),
    (r"POST /volumes/create", State.make_volume),
    (r"DELETE /volumes/(.+)", lambda state, request, name: state.volumes.pop(name) and whole(204)),
    (r"POST /containers/create", State.create),
    (r"GET /containers/([^/]+)/json", State.inspect),
    (r"GET /containers/([^/]+)/top", lambda state, request, name: whole(200, state.processes)),
    (r"PUT /containers/([^/]+)/archive", State.put),
    (r"GET /containers/([^/]+)/archive", lambda state, request, name: missing("the file")),
    (r"GET /containers/([^/]+)/logs", lambda state, request, name: whole(200)),
    (r"POST /containers/([^/]+)/wait", lambda state, request, name: whole(200, {"StatusCode": 0})),
    (r"POST /containers/([^/]+)/start", State.start),
    (r"POST /containers/([^/]+)/stop", State.stop),
    (r"POST /containers/([^/]+)/kill", State.stop),
    (r"DELETE /containers/([^/]+)", State.remove),
    (r"POST /containers/([^/]+)/exec", State.exec),
    (r"GET /exec/(\w+)/json", lambda state, request, number: whole(200, {**state.programs[number], "Running": False})),
)


class EngineServer(socketserver.ThreadingUnixStreamServer):
    """The engine at a path. `bad` holds (pattern for method and path, a way of answering below); the first one counts.

    Args:
        path: of the socket.

    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path):
        self.engine = State()
        self.lock = threading.Lock()
        self.bad = []
        self.asked = []
        self.opened = 0
        self.upgrades = True
        self.output = [frame(1, b"out ") + frame(2, b"err"), frame(1, b"put")]
        self.exit_code = 0
        # What a program that is started in a container writes, and its exit code.
        self.program = lambda started: (self.output, self.exit_code)
        self.url = f"unix://{path}"
        super().__init__(str(path), Connection)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request, client_address):
        """Say nothing: clients that go away are what the tests are about."""

    def stop(self):
        self.shutdown()
        self.server_close()


# Ways to answer: each takes the connection and the request, and returns whether the connection is kept.


def says(data):
    """Answer with these bytes, and close."""

    def answer(connection, request):
        _ = request.body
        connection.send(data)
        return False

    return answer


def well(data):
    """Answer with these bytes, and keep the connection."""

    def answer(connection, request):
        _ = request.body
        connection.send(data)
        return True

    return answer


def before_reading(data):
    """Answer without having read the body, and close, which is a reset for who still writes or reads."""

    def answer(connection, request):
        connection.send(data)
        connection.connection.shutdown(socket.SHUT_RD)
        return False

    return answer


def done_and_lost(connection, request):
    """Do what was asked, and go away without an answer."""
    with connection.server.lock:
        connection.server.engine.answer(request)
    return False


def silent(connection, request):
    """Say nothing for ever."""
    return _for_ever(connection, lambda: b"")


def dripping(connection, request):
    """Give an answer that never ends, a byte now and then."""
    connection.send(f"HTTP/1.1 200 OK\r\n{HEAD[0]}\r\nContent-Length: 1000000\r\n\r\n".encode())
    return _for_ever(connection, lambda: b" ")


def dripping_head(connection, request):
    """Begin an answer, a byte now and then."""
    left = iter(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000)
    return _for_ever(connection, lambda: bytes([next(left)]))


def endless(connection, request):
    """Give an answer in chunks that never ends, as a stream of events that stays open does."""
    connection.send(f"HTTP/1.1 200 OK\r\n{HEAD[0]}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    return _for_ever(connection, lambda: b'12\r\n{"status": "well"}\r\n')


def talking_for_ever(connection, request):
    """Run a program that never ends."""
    connection.send(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    return _for_ever(connection, lambda: frame(1, b"x"))


def then_nothing_more(way):
    """Answer this way, and close every connection from then on."""

    def answer(connection, request):
        connection.server.bad.insert(0, (".*", closes))
        return way(connection, request)

    return answer


def one_by_one(*ways):
    """Answer the first time in the first way, and so on; the last one stays."""
    left = list(ways)

    def answer(connection, request):
        way = left.pop(0) if len(left) > 1 else left[0]
        return way(connection, request)

    return answer


def _for_ever(connection, piece):
    while True:
        connection.send(piece())
        time.sleep(0.2)  # noqa: TID251  so slowly


PAGE = b"<html><body><h1>500 Internal Server Error</h1>\nthe disk is on fire\n</body></html>\n"
FORBIDDEN = b"<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>\n"
# HAProxy's own page, as docker-socket-proxy gives it.
WEB = ("Cache-Control: no-cache", "Content-Type: text/html")
closes = says(b"")
in_the_middle = says(f"HTTP/1.1 200 OK\r\n{HEAD[0]}\r\nContent-Length: 400\r\n\r\n".encode() + b'[{"Id": "1')
in_a_chunk = says(f"HTTP/1.1 200 OK\r\n{HEAD[0]}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + b'ff\r\n[{"Id": "1')
between_chunks = says(f"HTTP/1.1 200 OK\r\n{HEAD[0]}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + b"2\r\n[{\r\n")
in_the_head = says(b"HTTP/1.1 200 OK\r\nServer: Doc")
page_500 = well(whole(500, PAGE, "Content-Type: text/html"))
forbidden = well(whole(403, FORBIDDEN, *WEB, head=()))
another_program = says(b"SSH-2.0-OpenSSH_9.6\r\n")
