"""A registry on this machine."""

from __future__ import annotations

import contextlib
import subprocess

import docker

from tests.support.ports import free_port
from tests.support.requirements import require
from tests.support.waiting import until


@contextlib.contextmanager
def registry(place, api):
    """Run a local registry with `demo/postgres:16` in it; yields its address."""
    require("docker-registry")
    port = free_port()
    (place / "config.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {place}/data}}}}\nhttp: {{addr: 127.0.0.1:{port}}}\n"
    )
    with (place / "log").open("wb") as log:
        server = subprocess.Popen(["docker-registry", "serve", str(place / "config.yml")], stdout=log, stderr=log)
    address = f"127.0.0.1:{port}"
    try:
        api.tag("postgres:16", f"{address}/demo/postgres", "16")

        def pushed():
            return not any("error" in line for line in api.push(name, "16", stream=True, decode=True))

        name = f"{address}/demo/postgres"
        until(pushed, "a registry that takes images", 10)
        yield address
    finally:
        server.kill()
        server.wait()
        for name in names_of(api, address):
            with contextlib.suppress(docker.errors.APIError):
                api.remove_image(name, force=True)


def names_of(api, address):
    """Return each name that the engine has from a registry: a digest stays when its tag is removed."""
    names = [name for image in api.images() for key in ("RepoTags", "RepoDigests") for name in image[key] or []]
    return [name for name in names if name.startswith(address)]
