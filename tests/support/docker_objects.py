"""What a test has in a Docker Engine beside its projects, and how it goes."""

from __future__ import annotations

import contextlib

import docker

from tests.support import left_over

LABEL = "dev.planodev.project"


MADE_HERE = "planodev-tests"  # a label of images and of containers of others, with the directory of the run


def make_image(api, name, tag, *changes, content=b"", place="/opt"):
    """Make an image of the same PostgreSQL with another id, which is removed when all tests have ended.

    Args:
        api: the engine.
        name: its repository.
        tag: its tag.
        changes: instructions of a Dockerfile.
        content: a tar archive to unpack.
        place: the directory for it.

    """
    usual = [
        'ENTRYPOINT ["docker-entrypoint.sh"]',
        'CMD ["postgres"]',
        f"LABEL {MADE_HERE}={left_over.run()}",
    ]
    number = api.create_container("postgres:16", entrypoint=["true"])["Id"]
    if content:
        api.put_archive(number, place, content)
    api.commit(number, name, tag, changes=[*usual, *changes])
    api.remove_container(number, v=True)
    return f"{name}:{tag}"


def remove_all(api, prefix):
    """Remove what planodev made for directories below a prefix."""
    for item in api.containers(all=True, filters={"label": LABEL}):
        if item["Labels"].get("dev.planodev.path", "").startswith(prefix):
            with contextlib.suppress(docker.errors.APIError):
                api.remove_container(item["Id"], force=True, v=True)
    for item in api.volumes(filters={"label": LABEL})["Volumes"] or []:
        if item["Labels"].get("dev.planodev.path", "").startswith(prefix):
            with contextlib.suppress(docker.errors.APIError):
                api.remove_volume(item["Name"])


def remove_left(places):
    """Remove what killed runs had in the engine, by the directories of their projects and of the runs."""
    api = docker.APIClient(version="auto", timeout=60)
    for place in places:
        made_here = {"label": f"{MADE_HERE}={place}"}
        for item in api.containers(all=True, filters=made_here):
            with contextlib.suppress(docker.errors.APIError):
                api.remove_container(item["Id"], force=True, v=True)
        remove_all(api, f"{place}/")
        for image in api.images(filters=made_here):
            with contextlib.suppress(docker.errors.APIError):
                api.remove_image(image["Id"], force=True)
