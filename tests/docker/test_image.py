"""Images: pulled with progress, refused with the reason, and never another major over existing data."""

from __future__ import annotations

import contextlib
import http.server
import io
import os
import subprocess
import tarfile
import threading
import time

import docker
import pytest

from .conftest import free_port, on_terminal, require

AS_IT_WAS = ['ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["postgres"]']


@pytest.fixture(scope="module")
def registry(tmp_path_factory, api):
    """Run a local registry with `demo/postgres:16` in it; yields its address."""
    require("docker-registry")
    place, port = tmp_path_factory.mktemp("registry"), free_port()
    (place / "config.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {place}/data}}}}\nhttp: {{addr: 127.0.0.1:{port}}}\n"
    )
    with (place / "log").open("wb") as log:
        server = subprocess.Popen(["docker-registry", "serve", str(place / "config.yml")], stdout=log, stderr=log)
    address = f"127.0.0.1:{port}"
    try:
        api.tag("postgres:16", f"{address}/demo/postgres", "16")
        for _ in range(50):
            answer = list(api.push(f"{address}/demo/postgres", "16", stream=True, decode=True))
            if not any("error" in line for line in answer):
                break
            time.sleep(0.1)
        else:
            pytest.fail(str(answer[-1]))
        yield address
    finally:
        server.kill()
        server.wait()
        with contextlib.suppress(docker.errors.APIError):
            api.remove_image(f"{address}/demo/postgres:16", force=True)


@pytest.fixture
def unpulled(registry, api):
    """Name an image that this engine does not have, not even its layers."""
    filler = io.BytesIO()
    with tarfile.open(fileobj=filler, mode="w") as archive:
        member = tarfile.TarInfo("filler")
        member.size = 3_000_000
        archive.addfile(member, io.BytesIO(os.urandom(member.size)))
    name = f"{registry}/demo/fresh"
    container = api.create_container("postgres:16", entrypoint=["true"])["Id"]
    api.put_archive(container, "/opt", filler.getvalue())
    api.commit(container, name, "16", changes=AS_IT_WAS)
    api.remove_container(container, v=True)
    list(api.push(name, "16", stream=True))
    api.remove_image(f"{name}:16", force=True)
    yield f"{name}:16"
    with contextlib.suppress(docker.errors.APIError):
        api.remove_image(f"{name}:16", force=True)


def test_a_missing_image_is_pulled_with_plain_lines_where_there_is_no_terminal(project, unpulled):
    done = project("up", "--image", unpulled)
    assert f"{unpulled}: pulled" in done.err
    assert "download complete (3.0 MB)" in done.err
    assert "\033" not in done.err
    assert project.status()["image"] == unpulled
    assert f"{unpulled}: unchanged" in project("up").err


def test_a_terminal_gets_a_bar_in_bytes(project, unpulled):
    code, screen = on_terminal(project, "up", "--no-save-keys", "--image", unpulled)
    assert code == 0, screen
    assert "3.0" in screen
    assert "MB" in screen
    assert "━" in screen


def test_always_asks_the_registry_and_changes_nothing_when_it_has_the_same(project, unpulled):
    project("up", "--image", unpulled)
    before = project.container()["Id"]
    done = project("up", "--pull", "always")
    assert f"pulling {unpulled}" in done.err
    assert project.container()["Id"] == before


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


def test_an_image_that_cannot_be_had_says_why_and_what_to_do(project, registry, snapshot):
    before = snapshot()

    def fails(image, error, code):
        failed = project("up", "--image", image, "--json", code=code)
        assert (failed.error, bool(failed.json["error"]["why"])) == (error, True)
        return failed.json["error"]["fix"]

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


@pytest.fixture
def changed_image(api):
    made = []

    def make(name, *changes):
        container = api.create_container("postgres:16", entrypoint=["true"])["Id"]
        api.commit(container, name, "test", changes=[*AS_IT_WAS, *changes])
        api.remove_container(container, v=True)
        made.append(f"{name}:test")
        return made[-1]

    yield make
    for name in made:
        with contextlib.suppress(docker.errors.APIError):
            api.remove_image(name, force=True)


def test_an_image_with_an_old_or_no_postgres_is_refused(project, changed_image, snapshot):
    before = snapshot()
    old = changed_image("planodev-test/old", "ENV PG_MAJOR=11")
    failed = project("up", "--image", old, "--json", code=2)
    assert (failed.error, "PostgreSQL 11" in failed.json["error"]["why"]) == ("image-not-usable", True)
    none = changed_image("planodev-test/none", "ENV PG_MAJOR=", "ENV PATH=/bin")
    failed = project("up", "--image", none, "--json", code=2)
    assert (failed.error, failed.json["error"]["why"]) == ("image-not-usable", "it holds no PostgreSQL")
    assert (snapshot(), list(project.path.iterdir())) == (before, [])


def test_an_image_that_does_not_say_its_version_is_asked(project, changed_image):
    project("up", "--image", changed_image("planodev-test/silent", "ENV PG_MAJOR="))
    assert project.status()["postgres_version"].startswith("16.")


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
