"""What stands in for Plano where a test cannot have it: its driver (tokio-postgres, by psqlpy), one connection, no TLS.

It answers `GET /v1/models`, and `POST /v1/responses` with how many messages it knew; as Plano it stores a turn after it
has answered, never connects again, and goes on to answer without a history when its connection has died. A program of
its own, so that it runs in a container too: DB_* say where the database is, the argument is the port.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psqlpy

EXISTS = "SELECT EXISTS (SELECT FROM information_schema.tables WHERE table_name = 'conversation_states')"
PUT = """\
INSERT INTO conversation_states (response_id, input_items, created_at, model, provider, updated_at)
VALUES ($1, $2::text::jsonb, $3, $4, $5, NOW())
ON CONFLICT (response_id) DO UPDATE SET input_items = EXCLUDED.input_items, model = EXCLUDED.model,
provider = EXCLUDED.provider, updated_at = NOW()"""
GET = "SELECT input_items::text AS items FROM conversation_states WHERE response_id = $1"


class Plano:
    """Its one connection, on an event loop of its own."""

    def __init__(self, dsn: str) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.connection = self.run(self._connect(dsn))

    def run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    async def _connect(self, dsn):
        connection = await psqlpy.connect(dsn=dsn)
        await connection.fetch(EXISTS)
        return connection

    async def _remembered(self, response_id):
        found = await self.connection.fetch(GET, [response_id])
        rows = found.result()
        return json.loads(rows[0]["items"]) if rows else None

    async def _store(self, response_id, items):
        values = [response_id, json.dumps(items), 1234567890, "model", "provider"]
        await self.connection.execute(PUT, values)

    def turn(self, asked):
        """Return (status, answer) of one request."""
        before, items = asked.get("previous_response_id"), []
        if before:
            try:
                items = self.run(self._remembered(before))
            except Exception as error:
                print("no history:", error, file=sys.stderr, flush=True)
                items = []  # as Plano: 200, and nothing remembered
            if items is None:
                return 409, {"error": "no such response"}
        items = [*items, {"role": "user", "content": asked["input"]}, {"role": "assistant", "content": "yes"}]
        name = f"resp_{uuid.uuid4().hex}"
        return 200, {"id": name, "messages": len(items) - 1, "first": items[0]["content"], "items": items}

    def store(self, answer):
        asyncio.run_coroutine_threadsafe(self._logged(answer["id"], answer["items"]), self.loop)

    async def _logged(self, response_id, items):
        try:
            await self._store(response_id, items)
        except Exception as error:
            print("not stored:", error, file=sys.stderr, flush=True)


def handler(plano):
    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.answer(200, {"data": []})

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, answer = plano.turn(asked)
            self.answer(status, {key: value for key, value in answer.items() if key != "items"})
            if status == 200:
                plano.store(answer)

        def answer(self, status, content):
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, *_): ...

    return Answer


def main() -> None:
    way = {name: os.environ[f"DB_{name}"] for name in ("USER", "PASS", "HOST", "PORT", "NAME")}
    dsn = "postgresql://{USER}:{PASS}@{HOST}:{PORT}/{NAME}".format(**way)
    server = ThreadingHTTPServer((os.environ.get("LISTEN", "127.0.0.1"), int(sys.argv[1])), handler(Plano(dsn)))
    server.serve_forever()


if __name__ == "__main__":
    main()
