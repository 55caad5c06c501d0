"""The support agent. Plano calls it for what comes in on port 8000; it remembers, which Plano alone does not do there.

It asks Plano's model listener, where turns are stored, and goes on from its last answer in the same conversation.
"""

import json
import os
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PLANO = os.environ.get("PLANO", "http://localhost:12000")
LAST = {}  # the id of the last answer in each conversation


def plano(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(PLANO + path, data, {"Content-Type": "application/json"})
    for again in (True, True, False):
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            if error.code != 409 or not again:  # 409: the turn before was answered, and is being stored right now
                raise
            time.sleep(0.5)


class Agent(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        messages = [message for message in asked["messages"] if message["role"] == "user"]
        conversation = asked.get("user") or messages[0]["content"]  # a client that names nobody sends its history
        model = os.environ.get("MODEL") or plano("/v1/models")["data"][0]["id"]
        turn = {"model": model, "instructions": "You are a shop's support agent.", "input": messages[-1]["content"]}
        answer = plano("/v1/responses", {**turn, "previous_response_id": LAST.get(conversation)})
        LAST[conversation] = answer["id"]
        parts = [part for item in answer["output"] for part in item.get("content") or [] if part.get("text")]
        said = {"role": "assistant", "content": "".join(part["text"] for part in parts)}
        choice = {"index": 0, "delta" if asked.get("stream") else "message": said, "finish_reason": "stop"}
        kind = "chat.completion.chunk" if asked.get("stream") else "chat.completion"
        reply = {"id": answer["id"], "object": kind, "created": int(time.time()), "model": model, "choices": [choice]}
        text = json.dumps(reply)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if asked.get("stream") else "application/json")
        self.end_headers()
        self.wfile.write((f"data: {text}\n\ndata: [DONE]\n\n" if asked.get("stream") else text).encode())


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "10510"))), Agent).serve_forever()
