"""brightstaff: the part of Plano that answers, and that talks to the database.

What a user says last steers how the "provider" answers, so that a test needs no other channel: see `Provider`.
"""

from __future__ import annotations

import contextlib
import json
import os
import socketserver
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from ruamel.yaml import YAML

# Unqualified, over one connection: `state/postgresql.rs:39-160`.
EXISTS = "SELECT EXISTS (SELECT FROM pg_tables WHERE tablename = 'conversation_states')"
PUT = """INSERT INTO conversation_states (response_id, input_items, created_at, model, provider, updated_at)
VALUES (%s, %s, %s, %s, %s, NOW()) ON CONFLICT (response_id) DO UPDATE SET input_items = EXCLUDED.input_items,
model = EXCLUDED.model, provider = EXCLUDED.provider, updated_at = NOW()"""
GET = "SELECT input_items FROM conversation_states WHERE response_id = %s"
# The bytes in which brightstaff reads what comes to it, before larger answers have made its buffer grow: hyper 1, seen.
PIECE = 8192
IN_ONE_PIECE = 1_048_576  # bytes of an answer that is not streamed; Plano's filter holds no more: seen
# `clients/endpoints.rs:115-121`: these are sent to /v1/responses where the path of their base URL is empty or /v1.
RESPONDERS = ("openai", "xai", "vercel")


def log(text: str) -> None:
    level, _, words = text.partition(" ")
    print(
        f"[{time.strftime('%Y-%m-%d %H:%M:%S')}.000][{level.lower()}] {words}", file=sys.stderr, flush=True
    )  # as seen


def main() -> None:
    path = Path(os.environ["PLANO_CONFIG_PATH_RENDERED"])
    print(f"loading plano_config.yaml from {path}", file=sys.stderr, flush=True)
    config = YAML(typ="safe", pure=True).load(path)
    storage = Storage(config.get("state_storage"))
    address = os.environ.get("BRIGHTSTAFF_SOCKET") or str(path.with_name("brightstaff.sock"))
    Path(address).unlink(missing_ok=True)
    with Server(address, Handler) as server:
        server.storage, server.config, server.missed, server.met = storage, config, set(), set()
        log("INFO brightstaff: listening")
        server.serve_forever(poll_interval=0.05)


class Storage:
    """One connection for life, opened at the start: whoever cannot have it dies (`main.rs`, `init_state_storage`)."""

    def __init__(self, written) -> None:
        self.session, self.late = None, None
        self.lock = threading.Lock()
        if not written or written["type"] != "postgres":
            return  # Plano keeps no state at all then, seen
        text = written["connection_string"]
        try:
            if "$" in text or not text.startswith(("postgres://", "postgresql://")):
                raise psycopg.OperationalError("invalid connection string")
            # tokio-postgres names itself nothing, and has no TLS.
            self.session = psycopg.connect(text, autocommit=True, sslmode="disable", application_name="")
        except psycopg.Error as error:
            # Only the outermost cause is told: `db error`, `error connecting to server`, `invalid connection string`.
            said = "invalid connection string" if "invalid" in str(error) else "error connecting to server"
            head = "failed to initialize Postgres state storage: Storage error: Failed to connect to database"
            sys.exit(f'Error: "{head}: {said}"')  # as seen

    def ready(self) -> None:
        """Look for the table before every statement until it was there once."""
        if not self.session.execute(EXISTS, prepare=True).fetchone()[0]:
            raise psycopg.ProgrammingError("Table 'conversation_states' does not exist.")

    def get(self, key):
        """Return the items of a turn, None for an id that is not there; raises where the connection is lost."""
        with self.lock:
            self.ready()
            row = self.session.execute(GET, (key,), prepare=True).fetchone()
        late, self.late = self.late, None
        if late:
            self.put(*late)
        return row and row[0]

    def put(self, *row) -> None:
        try:
            with self.lock:
                self.ready()
                self.session.execute(PUT, row, prepare=True)
        except psycopg.Error as error:
            log(f"WARN brightstaff: failed to store conversation state: {error}")  # and the chat was answered


FAILURES = {
    "401": (401, "invalid_api_key", "Incorrect API key provided: {key}."),
    "429": (429, "rate_limit_exceeded", "Rate limit reached. Please try again in 20s."),
    "500": (500, "server_error", "The server had an error."),
    "404": (404, "not_found", "There is no such model."),
    "overloaded": (503, "overloaded", "The engine is overloaded."),
}
# What Envoy says in the place of a provider that it gets no answer from, behind the status: all seen.
OF_ENVOY = {
    "refused": "503 upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
    "no such host": "503 no healthy upstream",
    "too long": "504 upstream request timeout",
}


class Provider:
    """What a model would answer: how many messages came, and what the first one said.

    With "once" it is steered by the first question of these words alone, with "unless valid" by a key without "valid".
    """

    def __init__(self, items, key, met):
        self.said = text_of(items[-1])
        if ("once" in self.said and self.said in met) or ("unless valid" in self.said and "valid" in (key or "")):
            self.said = "as usual"
        met.add(self.said)
        first = text_of(items[0])
        self.text = f"{len(items)} messages, the first said: {first}"
        if "10 MB" in self.said:
            self.text = "x" * 10_000_000
        if "at length" in self.said:
            self.text = "x" * 20_000
        found = next((value for word, value in FAILURES.items() if word in self.said), None)
        self.failure = found and (found[0], {"error": {"code": found[1], "message": found[2].format(key=key)}})

    @property
    def breaks(self):
        return "break off" in self.said

    @property
    def goes_on(self):
        return "endlessly" in self.said

    @property
    def waits(self):
        return "slowly" in self.said

    @property
    def begins_with_a_pause(self):
        return "begins with a pause" in self.said

    @property
    def ends_with_a_pause(self):
        return "ends with a pause" in self.said


def text_of(item) -> str:
    content = item.get("content", "") if isinstance(item, dict) else str(item)
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    allow_reuse_address = True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_): ...

    def address_string(self):
        return "local"

    def json(self, code, value):
        self.plain(code, json.dumps(value).encode(), "application/json")

    def plain(self, code, body, kind="text/plain"):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        names = [entry["name"] for entry in self.server.config["model_providers"]]
        self.json(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in names]})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        entry = self.entry(request.get("model"))
        if entry is None:
            self.json(400, {"error": f"Model '{request['model']}' not found in configured providers"})
            return
        asked = request["input"]
        items = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
        # `handlers/llm/mod.rs:762-766`: by the model that was asked for, and before routing.
        managed = self.server.storage.session is not None and not upstream_responds(entry)
        before = request.get("previous_response_id")
        said = text_of(items[-1])
        log(f"INFO request_id=1 processing router request path={self.path} latest_message={said[:100]}")
        if managed and before and ("409 always" in said or ("409 once" in said and said not in self.server.missed)):
            self.server.missed.add(said)  # seen right after an outage, and the same request passed then
            self.plain(409, b"Conversation state not found")
            return
        if managed and before:
            try:
                known = self.server.storage.get(before)
            except psycopg.Error as error:
                log(f"WARN brightstaff: failed to retrieve conversation state: {error}")
                known = []  # answered all the same, without history
            if known is None:
                self.plain(409, f"Conversation state not found for previous_response_id: {before}".encode())
                return
            items = [*known, *items]
        self.answer(request, entry, items, managed)

    def entry(self, model):
        """Return the provider by the name that was asked for; without one the default one."""
        entries = self.server.config["model_providers"]
        if model is None:
            return next((one for one in entries if one.get("default")), entries[0])
        return next((one for one in entries if model in (one["name"], one["model"])), None)

    def answer(self, request, entry, items, managed):
        provider = Provider(items, entry.get("access_key"), self.server.met)
        # `routing_preferences` may choose another one than was asked for; `provider` in the table says which.
        every = self.server.config["model_providers"]
        name = next((one["name"] for one in every if f"as {one['name']}" in provider.said), entry["name"])
        if provider.failure:  # the provider's own answer, passed on
            self.json(*provider.failure)
            return
        words = next((words for word, words in OF_ENVOY.items() if word in provider.said), None)
        if words:
            self.plain(int(words[:3]), words[4:].encode())
            return
        if "no JSON" in provider.said:  # the filter passes on the headers of what it cannot read, and no body: seen
            self.plain(200, b"", "text/html")
            return
        number = f"resp_{uuid.uuid4().hex}"
        output = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": provider.text}]}
        response = {"id": number, "object": "response", "status": "completed", "model": entry["model"]}
        response["output"] = [output]
        row = (number, json.dumps([*items, {key: output[key] for key in ("role", "content")}]), int(time.time()))
        row = (*row, request.get("model") or entry["name"], name)
        if not request.get("stream"):
            if not self.at_once(response, provider):
                return
        else:
            try:
                if not self.stream(response, provider):
                    return
            except OSError:  # nobody listens any more, and the end has not come: nothing is stored, seen
                self.close_connection = True
                return
        # Only once the answer was sent, and nobody waits for it: `streaming.rs`, `on_complete`.
        if managed and "late" in provider.said:
            self.server.storage.late = row  # the next turn comes before it
        elif managed:
            self.server.storage.put(*row)

    def at_once(self, response, provider) -> bool:
        """Send an answer in one piece; one to which nobody listens any more is stored all the same, seen.

        Of one of more than 1 MB the filter passes on the headers alone, seen. Returns whether it was sent.
        """
        body = json.dumps(response).encode()
        if len(body) > IN_ONE_PIECE:
            self.plain(200, b"", "application/json")
            return False
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if provider.begins_with_a_pause:
            time.sleep(3)  # noqa: TID251  as a provider that thinks before its answer
        with contextlib.suppress(OSError):
            self.wfile.write(body)
        return True

    def stream(self, response, provider) -> bool:
        """Send an answer; returns whether its end was seen, by which alone a turn is stored.

        Each piece is looked into alone, and before it is sent on: an end in more than one piece is missed, and one that
        nobody listens to any more is seen. `response_state_processor.rs`, `streaming.rs`; both seen.
        """
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        begins = self.event("response.created", response={**response, "status": "in_progress", "output": []})
        if provider.begins_with_a_pause:
            time.sleep(3)  # noqa: TID251  and then has all of it in one piece
            return self.end(begins + self.delta(provider.text), response, provider)
        self.chunk(begins)
        half = len(provider.text) // 2
        self.chunk(self.delta(provider.text[:half]))
        if provider.breaks:
            self.close_connection = True
            return False
        while provider.goes_on:  # until nobody listens
            self.chunk(self.delta(" on" * 10_000))
        if provider.waits:
            time.sleep(30)  # noqa: TID251  as a provider that is slow, and gives up
            self.close_connection = True
            return False
        if provider.ends_with_a_pause:
            time.sleep(3)  # noqa: TID251  as a provider that thinks before its last words
        else:
            self.chunk(self.delta(provider.text[half:]))
        return self.end(self.delta(provider.text[half:]) if provider.ends_with_a_pause else b"", response, provider)

    def end(self, end, response, provider) -> bool:
        """Send the last piece; returns whether the end was seen in it."""
        end += self.event("response.output_text.done", item_id="msg_1", text=provider.text)
        end += self.event("response.completed", response=response) + b"data: [DONE]\n\n"
        try:
            self.chunk(end)
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        except OSError:
            self.close_connection = True
        seen = len(end) <= PIECE
        if not seen:
            log("WARN request_id=1 No response_id captured, cannot store conversation state has_response_id=false")
        return seen

    def delta(self, text) -> bytes:
        return self.event("response.output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta=text)

    def event(self, kind, **data) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()

    def chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def upstream_responds(entry) -> bool:
    """Say whether the provider keeps the history itself, so that Plano keeps none."""
    path = urlsplit(entry.get("base_url") or "").path.strip("/")
    return entry["provider_interface"] in RESPONDERS and path in ("", "v1")


if __name__ == "__main__":
    main()
