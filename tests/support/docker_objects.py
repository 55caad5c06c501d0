"""What a test has in a Docker Engine beside its projects, and how it goes."""

from __future__ import annotations

import contextlib
import os

import docker

LABEL = "dev.planodev.project"


MADE_HERE = "planodev-tests"  # a label of images, with the number of the process


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
    usual = ['ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["postgres"]', f"LABEL {MADE_HERE}={os.getpid()}"]
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
