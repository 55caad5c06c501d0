"""Envoy: the part of Plano that listens. `/healthz` is a fixed 200, all else is brightstaff's."""

from __future__ import annotations

import http.client
import os
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from ruamel.yaml import YAML

CANNOT_BIND = """\
[2026-11-28 11:59:21.284][critical] error `cannot bind '{0}': {1}` initializing config 'goo.gle/debugonly
  /home/me/.plano/run/envoy.yaml'
[2026-11-28 11:59:21.284][info] exiting
cannot bind '{0}': {1}"""  # as seen


class Brightstaff(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_): ...

    def do_GET(self):
        # Envoy answers this itself, whether brightstaff lives or not: `envoy.template.yaml`, `direct_response`.
        if self.path == "/healthz":
            self.short(200, b"")
            return
        self.forward()

    def do_POST(self):
        if self.server.kind == "model":
            self.forward()
        else:  # an agent answers, and nothing is stored: issue 791 of katanemo/plano, seen
            self.ask_agent(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def ask_agent(self, body):
        agent = http.client.HTTPConnection(self.server.agent)
        try:
            agent.request("POST", self.path, body, {"Content-Type": "application/json"})
            answer = agent.getresponse()
        except OSError:
            self.short(503, b"upstream connect error or disconnect/reset before headers")
            return
        self.short(answer.status, answer.read())

    def short(self, code, body):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        upstream = Brightstaff(self.server.brightstaff)
        try:
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
        except OSError:
            self.short(503, b"upstream connect error or disconnect/reset before headers")
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while piece := answer.read1(65536):
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                self.wfile.flush()
        except (http.client.HTTPException, OSError):
            self.close_connection = True  # the stream stops in the middle, without an end mark
            return
        self.wfile.write(b"0\r\n\r\n")


def main() -> None:
    # The rendered configuration of Envoy has the ports in clusters and filters; brightstaff's has them plainly.
    path = Path(os.environ["PLANO_CONFIG_PATH_RENDERED"])
    config = YAML(typ="safe", pure=True).load(path)
    agents = {agent["id"]: urlsplit(agent["url"]).netloc for agent in config.get("agents") or []}
    for listener in config["listeners"]:
        try:
            server = ThreadingHTTPServer(("0.0.0.0", listener["port"]), Handler)
        except OSError as error:
            sys.exit(CANNOT_BIND.format(f"0.0.0.0:{listener['port']}", os.strerror(error.errno)))
        server.kind, server.daemon_threads = listener["type"], True
        server.agent = next((agents[agent["id"]] for agent in listener.get("agents") or []), None)
        server.brightstaff = os.environ.get("BRIGHTSTAFF_SOCKET") or str(path.with_name("brightstaff.sock"))
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
