"""Pulling: what registries and engines say becomes a code, an exit code and a fix; progress counts bytes."""

import pytest

from planodev.engines import docker_pull
from planodev.engines.docker_terms import Refused
from planodev.errors import PlanodevError
from planodev.progress import Silent

# Recorded from dockerd with both image stores, and from Podman.
TEXTS = [
    ("manifest for postgres:99 not found: manifest unknown: manifest unknown", "image-unknown", 2),
    (
        'failed to resolve reference "docker.io/library/postgres:99": docker.io/library/postgres:99: not found',
        "image-unknown",
        2,
    ),
    (
        "initializing source docker://postgres:99: reading manifest 99 in docker.io/library/postgres: manifest unknown",
        "image-unknown",
        2,
    ),
    ("name unknown: Repository not found", "image-unknown", 2),
    ("invalid reference format", "image-unknown", 2),
    ("no matching manifest for linux/arm64/v8 in the manifest list entries: not found", "image-wrong-platform", 2),
    (
        "pull access denied for nosuch, repository does not exist or may require 'docker login': denied: requested",
        "image-denied",
        5,
    ),
    ("unauthorized: authentication required", "image-denied", 5),
    ('Head "https://ghcr.io/v2/x/manifests/1": no basic auth credentials', "image-denied", 5),
    (
        "toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit",
        "image-rate-limited",
        6,
    ),
    ("error parsing HTTP 429 response body: unauthorized: Too Many Requests", "image-rate-limited", 6),
    ("write /var/lib/docker/tmp/GetImageBlob1: no space left on device", "image-no-space", 6),
    (
        'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on 10.0.0.5:53: no such host',
        "image-no-network",
        6,
    ),
    (
        'Get "https://registry-1.docker.io/v2/": net/http: request canceled (Client.Timeout exceeded)',
        "image-no-network",
        6,
    ),
    ('Get "https://registry-1.docker.io/v2/": net/http: TLS handshake timeout', "image-no-network", 6),
    ('Get "https://mirror.example/v2/": http: server gave HTTP response to HTTPS client', "image-no-network", 6),
    ("proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused", "image-no-network", 6),
    ("unexpected EOF", "image-no-network", 6),
    ("received unexpected HTTP status: 503 Service Unavailable", "image-pull-failed", 6),
]


@pytest.mark.parametrize(("text", "code", "exit_code"), TEXTS)
def test_each_text_has_its_code_its_exit_code_and_a_fix(text, code, exit_code):
    error = docker_pull.failure("postgres:99", text)
    assert (error.code, error.exit_code) == (code, exit_code)
    assert "`postgres:99`" in error.message
    assert error.why == text
    assert error.fix


def test_a_text_of_several_lines_becomes_one():
    assert docker_pull.failure("x", "a\n  b\tc\n").why == "a b c"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("postgres", ("postgres", "latest")),
        ("postgres:16", ("postgres", "16")),
        ("mirror.example/team/postgres", ("mirror.example/team/postgres", "latest")),
        ("localhost:5000/postgres", ("localhost:5000/postgres", "latest")),
        ("localhost:5000/postgres:16-alpine", ("localhost:5000/postgres", "16-alpine")),
        ("postgres@sha256:abc", ("postgres", "sha256:abc")),
        ("localhost:5000/postgres@sha256:abc", ("localhost:5000/postgres", "sha256:abc")),
    ],
)
def test_a_reference_comes_apart_into_name_and_tag(image, expected):
    assert docker_pull._split(image) == expected


class Registry:
    """A client whose images are lists of the events that pulling them gives; keeps what was fetched."""

    def __init__(self, images):
        self.images = images
        self.fetched = []

    def pull(self, name, *, tag, stream, decode):
        assert stream
        assert decode
        if f"{name}:{tag}" not in self.images:
            raise Refused(404, f"manifest for {name}:{tag} not found: manifest unknown")
        yield from self.images[f"{name}:{tag}"]
        self.fetched.append(f"{name}:{tag}")


class Counting(Silent):
    def __init__(self):
        super().__init__()
        self.layers = {}

    def transfer(self, layer, status, current, total):
        self.layers[layer] = (status, current, total)


def event(layer, status, **detail):
    return {"id": layer, "status": status, "progressDetail": detail}


def test_progress_ends_with_every_byte_of_every_layer():
    events = [
        {"status": "Pulling from library/postgres", "id": "16"},
        event("kept", "Already exists"),
        event("a", "Downloading", current=10, total=100),
        event("b", "Downloading", current=1, total=7),
        event("a", "Download complete"),
        event("b", "Downloading", current=5, total=7),
        event("a", "Extracting", current=3, total=100),
        event("b", "Pull complete"),
        {"status": "Status: Downloaded newer image"},
    ]
    progress, registry = Counting(), Registry({"postgres:16": events})
    docker_pull.pull(registry, "postgres:16", progress)
    assert registry.fetched == ["postgres:16"]
    assert progress.layers == {"a": ("Download complete", 100, 100), "b": ("Pull complete", 7, 7)}


@pytest.mark.parametrize(("image", "code"), [("postgres:99", "image-unknown"), ("postgres:16", "image-no-space")])
def test_a_failure_before_or_within_the_stream_ends_the_pull(image, code):
    events = [event("a", "Downloading", current=1, total=2), {"error": "write /x: no space left on device"}]
    registry = Registry({"postgres:16": events})
    with pytest.raises(PlanodevError) as caught:
        docker_pull.pull(registry, image, Counting())
    assert caught.value.code == code
    assert registry.fetched == []
