"""Pulling: progress counts bytes, and a failure ends it; what it says is in test_failures.py."""

import pytest

from planodev.engines.docker import image as images
from planodev.engines.docker.client import Refused
from planodev.problems import PlanodevError
from tests.support.silent import Silent


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
    assert images._split(image) == expected


class Registry:
    """A client whose images are lists of the events that pulling them gives; keeps what was fetched."""

    def __init__(self, images):
        self.images = images
        self.fetched = []

    def pull(self, name, tag):
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
    images.pull(registry, "postgres:16", progress)
    assert registry.fetched == ["postgres:16"]
    assert progress.layers == {"a": ("Download complete", 100, 100), "b": ("Pull complete", 7, 7)}


@pytest.mark.parametrize(("image", "code"), [("postgres:99", "image-unknown"), ("postgres:16", "image-no-space")])
def test_a_failure_before_or_within_the_stream_ends_the_pull(image, code):
    events = [event("a", "Downloading", current=1, total=2), {"error": "write /x: no space left on device"}]
    registry = Registry({"postgres:16": events})
    with pytest.raises(PlanodevError) as caught:
        images.pull(registry, image, Counting())
    assert caught.value.code == code
    assert registry.fetched == []
