"""Images: pulled with progress, refused with the reason, and never another major over existing data."""

from __future__ import annotations

import contextlib
import http.server
import io
import os
import tarfile
import threading

import pytest

from planodev.engines.docker.labels import READY_MARK
from tests.support.docker_objects import make_image
from tests.support.ports import free_port
from tests.support.terminal import on_terminal

pytestmark = pytest.mark.docker


@pytest.fixture
def unpulled(registry, api):
    """Name an image that this engine does not have, not even its layers."""
    filler = io.BytesIO()
    with tarfile.open(fileobj=filler, mode="w") as archive:
        member = tarfile.TarInfo("filler")
        member.size = 3_000_000
        archive.addfile(member, io.BytesIO(os.urandom(member.size)))
    image = make_image(api, f"{registry}/demo/fresh", "16", content=filler.getvalue())
    list(api.push(f"{registry}/demo/fresh", "16", stream=True))
    api.remove_image(image, force=True)
    return image


def test_a_missing_image_is_pulled_with_plain_lines_where_there_is_no_terminal(project, unpulled):
    done = project("up", "--image", unpulled)
    assert f"{unpulled}: pulled" in done.err
    assert "download complete (3.0 MB)" in done.err
    assert "\033" not in done.err
    assert project.status()["image"] == unpulled
    assert f"{unpulled}: unchanged" in project("up").err


@pytest.mark.slow
def test_a_terminal_gets_a_bar_in_bytes(project, unpulled):
    code, screen = on_terminal(project, "up", "--no-save-keys", "--image", unpulled)
    assert code == 0, screen
    assert "3.0" in screen
    assert "MB" in screen
    assert "━" in screen


@pytest.mark.slow
def test_always_asks_the_registry_and_changes_nothing_when_it_has_the_same(project, unpulled):
    project("up", "--image", unpulled)
    before = project.container()["Id"]
    done = project("up", "--pull", "always")
    assert f"pulling {unpulled}" in done.err
    assert project.container()["Id"] == before


@pytest.mark.slow
def test_a_digest_names_an_image_too(project, registry, api):
    digest = api.inspect_distribution(f"{registry}/demo/postgres:16")["Descriptor"]["digest"]
    project("up", "--image", f"{registry}/demo/postgres@{digest}")
    assert project.status()["image"].endswith(digest)


class Answer(http.server.BaseHTTPRequestHandler):
    code, body = 200, b""

    def do_GET(self):
        self.send_response(self.code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.end_headers()
        self.wfile.write(self.body)

    do_HEAD = do_GET  # noqa: N815  the name that http.server looks for

    def log_message(self, *_): ...


@contextlib.contextmanager
def answering(code, error):
    body = b'{"errors": [{"code": "%s", "message": "%s"}]}' % (error.encode(), error.lower().encode())
    handler = type("Handler", (Answer,), {"code": code, "body": body})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.slow
def test_an_image_that_cannot_be_had_says_why_and_what_to_do(project, registry, snapshot):
    before = snapshot()

    def fails(image, error, code):
        failed = project("up", "--image", image, "--json", code=code)
        assert (failed.error, bool(failed.json["error"]["why"])) == (error, True)
        return failed.json["error"]["fix"].replace(image, "IMAGE")

    fixes = [
        fails(f"{registry}/demo/postgres:nope", "image-unknown", 2),
        fails(f"127.0.0.1:{free_port()}/demo/postgres:16", "image-no-network", 6),
    ]
    with answering(429, "TOOMANYREQUESTS") as address:
        fixes.append(fails(f"{address}/demo/postgres:16", "image-rate-limited", 6))
    with answering(403, "DENIED") as address:
        fixes.append(fails(f"{address}/demo/postgres:16", "image-denied", 5))
    assert len(set(fixes)) == 4
    assert fails("nobody.invalid/demo/postgres:16", "image-no-network", 6) == fixes[1]
    failed = project("up", "--image", f"{registry}/demo/absent:1", "--pull", "never", "--json", code=2)
    assert failed.error == "image-missing"
    assert (snapshot(), list(project.path.iterdir())) == (before, [])


def test_an_image_with_an_old_or_no_postgres_is_refused(project, api, snapshot):
    before = snapshot()
    old = make_image(api, "planodev-test/old", "test", "ENV PG_MAJOR=11")
    failed = project("up", "--image", old, "--json", code=2)
    assert (failed.error, "PostgreSQL 11" in failed.json["error"]["why"]) == ("image-not-usable", True)
    none = make_image(api, "planodev-test/none", "test", "ENV PG_MAJOR=", "ENV PATH=/bin")
    failed = project("up", "--image", none, "--json", code=2)
    assert (failed.error, failed.json["error"]["why"]) == ("image-not-usable", "it holds no PostgreSQL")
    assert (snapshot(), list(project.path.iterdir())) == (before, [])


@pytest.mark.slow
def test_the_mark_that_data_was_ready_is_durable_before_there_is_a_table(project, api):
    """Seen from the program that makes it so."""
    table = "SELECT count(*) FROM pg_class WHERE relname = 'conversation_states'"
    tool = f'#!/bin/sh\necho "$@" "$(psql -Atc "{table}")" >>/tmp/synced\nexec /bin/sync "$@"\n'.encode()
    filler = io.BytesIO()
    with tarfile.open(fileobj=filler, mode="w") as archive:
        member = tarfile.TarInfo("sync")
        member.size, member.mode = len(tool), 0o755
        archive.addfile(member, io.BytesIO(tool))
    path = next(v for v in api.inspect_image("postgres:16")["Config"]["Env"] if v.startswith("PATH="))[5:]
    image = make_image(api, "planodev-test/synced", "test", f"ENV PATH=/opt:{path}", content=filler.getvalue())
    project("up", "--image", image)
    read = api.exec_create(project.status()["container"], ["cat", "/tmp/synced"])["Id"]
    lines = api.exec_start(read).decode().splitlines()
    assert any(line.split() == [f"/var/lib/postgresql/data/{READY_MARK}", "0"] for line in lines), lines


@pytest.mark.slow
def test_an_image_that_does_not_say_its_version_is_asked(project, api):
    project("up", "--image", make_image(api, "planodev-test/silent", "test", "ENV PG_MAJOR="))
    assert project.status()["postgres_version"].startswith("16.")


@pytest.mark.slow
def test_postgres_18_works_on_its_own_and_is_never_started_over_16(make_project, snapshot):
    new = make_project("eighteen")
    new("up", "--image", "postgres:18")
    new.store("kept")
    new("down", "--keep-data")
    new("up")
    assert new.stored() == ["kept"]
    assert new.status()["postgres_version"].startswith("18.")

    old = make_project("sixteen")
    old("up")
    old.store("kept")
    for stop in (False, True):
        if stop:
            old("down", "--keep-data")
        before = snapshot()
        refused = old("up", "--image", "postgres:18", "--json", code=4)
        assert refused.error == "data-of-another-version"
        assert "up --image postgres:16`" in refused.json["error"]["fix"]
        assert snapshot() == before
    refused = new("up", "--image", "postgres:16", "--json", code=4)
    assert refused.error == "data-of-another-version"
    old("up")
    assert (old.stored(), new.stored()) == (["kept"], ["kept"])
