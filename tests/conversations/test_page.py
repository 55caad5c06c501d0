"""The page of `planodev conversations`, in a real browser: it searches, and nothing that was typed runs or loads."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.support.conversations import EVERY_KIND, Plano, said

pytestmark = pytest.mark.each_engine(slow="docker")

ATTACKS = (
    "<script>document.title='owned'</script> <img src=http://evil.example/i.png onerror=\"document.title='owned'\"> "
    "[link](javascript:document.title='owned') ![picture](http://evil.example/p.png) \u202edesrever \x1b[31m "
    "</pre></section><iframe src=http://evil.example/></iframe><style>@import 'http://evil.example/s.css'</style>"
)


@pytest.fixture
def page(project):
    project("up", "--model", "ollama/llama3.1")
    with project.login() as session:
        plano = Plano(session)
        plano.turn("Where are the hats?")
        plano.put(EVERY_KIND)
        plano.put([said(ATTACKS), said(f"```html\n{ATTACKS}\n```\n{ATTACKS}", "assistant")], model=ATTACKS)
    file = project.path / "page.html"
    assert project("conversations", "--html", str(file), "--json").json["data"]["file"] == str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    return file


def test_it_is_one_file_that_loads_nothing_and_holds_every_conversation(page):
    text = page.read_text()
    policy = re.search('Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src &#39;none&#39;;")
    assert "unsafe" not in policy
    assert text.count("<article") == 3
    assert len(re.findall("<script", text)) == 1
    assert not re.findall("<(?:img|iframe|link|object|embed|base|form)\\b", text)
    assert not re.findall("[\u202a-\u202e\x1b]", text)
    assert "[image/png, 70 B]" in text


def test_one_is_written_and_the_browser_opened_on_a_private_file(project, page):
    opened = project.path / "opened"
    browser = project.path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    caches = {"BROWSER": str(browser), "XDG_CACHE_HOME": str(project.path / "cache")}
    project("conversations", "show", "last", "--open", **caches)
    told = project(
        "conversations", "show", "last", "--open", "--json", **{**caches, "BROWSER": "/none", "PATH": "/none"}
    )
    (warning,) = (one for one in told.json["warnings"] if one["code"] == "browser-missing")
    assert "<article" in Path(re.search("open `(.*)` yourself", warning["fix"])[1]).read_text()
    shown = opened.read_text().strip().removeprefix("file://")
    assert stat.S_IMODE(os.stat(shown).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(shown)).st_mode) == 0o700
    assert Path(shown).read_text().count("<article") == 1


@pytest.mark.browser
class TestInTheBrowser:
    @pytest.fixture
    def dump(self, page, tmp_path):
        chromium = shutil.which("chromium")
        if chromium is None:
            pytest.skip("`chromium` is not installed")
        asked = []

        class Proxy(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_error(404)

            do_CONNECT = do_POST = do_GET  # noqa: N815

            def log_message(self, *_):
                pass

        with HTTPServer(("127.0.0.1", 0), Proxy) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()

            def run(hash_=""):
                command = [
                    *(chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"),
                    *(f"--proxy-server=127.0.0.1:{server.server_port}", "--virtual-time-budget=3000", "--dump-dom"),
                    f"file://{page}{hash_}",
                ]
                return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

            yield run, asked
            server.shutdown()

    def test_nothing_that_was_typed_runs_or_loads(self, dump):
        run, asked = dump
        shown = run()
        assert "<title>Conversations of shop</title>" in shown
        assert "3 conversations" in shown
        assert not [address for address in asked if "evil" in address]

    def test_the_search_hides_what_does_not_match(self, dump):
        run, _ = dump
        shown = run("#q=HATS")
        assert "1 conversation<" in shown
        assert len(re.findall('<article id="c[0-9]+" hidden', shown)) == 2
