"""The example's agent: it remembers by what the model listener stores, and waits for a turn that is being stored."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from tests.support.ports import free_port
from tests.support.waiting import until

AGENT = Path(__file__).parents[2] / "examples/support-agent/agent.py"


class ModelListener(BaseHTTPRequestHandler):
    """Answers as Plano's model listener does: an id for each turn, the history of the one before, 409 once."""

    turns: ClassVar[dict] = {}
    busy = 1

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.reply(200, {"data": [{"id": "ollama/llama3.1"}]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        before = asked["previous_response_id"]
        if before and ModelListener.busy:
            ModelListener.busy -= 1
            self.reply(409, {"error": "conversation state not found"})
            return
        history = [*ModelListener.turns.get(before, []), asked["input"]]
        number = f"resp_{len(ModelListener.turns)}"
        ModelListener.turns[number] = history
        content = [{"type": "output_text", "text": f"{asked['model']} knows: {' | '.join(history)}"}]
        self.reply(200, {"id": number, "output": [{"type": "reasoning"}, {"type": "message", "content": content}]})

    def reply(self, status, body):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


@pytest.fixture
def agent():
    plano = ThreadingHTTPServer(("127.0.0.1", 0), ModelListener)
    threading.Thread(target=plano.serve_forever, daemon=True).start()
    port = free_port()
    environment = {**os.environ, "PLANO": f"http://127.0.0.1:{plano.server_port}", "PORT": str(port)}
    process = subprocess.Popen([sys.executable, str(AGENT)], env=environment, stderr=subprocess.DEVNULL)

    def ask(text, user=None, *, stream=False, history=()):
        body = {"model": "any", "messages": [*history, {"role": "user", "content": text}], "stream": stream}
        data = json.dumps({**body, **({"user": user} if user else {})}).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/chat/completions", data, timeout=10) as response:
            return response.read().decode()

    def listens():
        try:
            return bool(ask("hello", "nobody"))
        except OSError:
            return False

    until(listens, "the agent listens")
    yield ask
    process.kill()
    process.wait()
    plano.shutdown()


def text_of(reply):
    return json.loads(reply)["choices"][0]["message"]["content"]


def test_a_second_turn_knows_the_first_and_no_other_conversation(agent):
    agent("My order 1234 has not arrived.", "ada")
    assert text_of(agent("Which order?", "ada")) == (
        "ollama/llama3.1 knows: My order 1234 has not arrived. | Which order?"
    )
    assert text_of(agent("Which order?", "bob")) == "ollama/llama3.1 knows: Which order?"
    history = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    agent("hi")
    assert text_of(agent("again", history=history)) == "ollama/llama3.1 knows: hi | again"
    streamed = agent("And now?", "ada", stream=True)
    assert streamed.endswith("data: [DONE]\n\n")
    assert "1234" in json.loads(streamed.removeprefix("data: ").split("\n")[0])["choices"][0]["delta"]["content"]
