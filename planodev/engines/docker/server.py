"""Create the server's container with its volume, and start it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from planodev.engines import Container, NameTaken, PortTaken, Server, VolumeTaken, port_holders
from planodev.engines.docker import archives, data_place, podman, storage
from planodev.engines.docker.client import CONFLICT, Refused
from planodev.engines.docker.labels import is_of, labels_of
from planodev.postgres import scram
from planodev.postgres.connection import INSIDE_PORT

if TYPE_CHECKING:
    from planodev.engines.docker.client import Api

# Paths, not secrets. The image gets a SCRAM verifier instead of the password, so no log of a first start has it.
_PLACE, _PASSWORD, _VERIFIER = "/etc", "planodev-password", "planodev-verifier"
# An image may have a password of its own, beside which the file is refused, let everybody in, or listen elsewhere.
_WHATEVER_THE_IMAGE_SAYS = (
    *("POSTGRES_PASSWORD=", "POSTGRES_HOST_AUTH_METHOD=scram-sha-256"),
    *("POSTGRES_USER_FILE=", "POSTGRES_DB_FILE=", f"PGPORT={INSIDE_PORT}"),
)
PASSWORD_FILE = f"{_PLACE}/{_PASSWORD}"


def create(api: Api, server: Server, *, on_podman: bool) -> None:
    """Create the volume where it is missing, and the container, and start it.

    Raises:
        NameTaken: another has the name of the container.
        VolumeTaken: another has the name of the volume.
        PortTaken: another has the port.

    """
    labels, image = labels_of(server), api.find_image(server.image)["Config"]
    config = _config(server, labels, data_place.of_image(image))
    # The engine returns an existing volume as if it were new: another project may have created it meanwhile.
    if not is_of(server.owner, api.make_volume(server.volume, labels)):
        raise VolumeTaken(f"the volume `{server.volume}` is another project's")
    uid = storage.give(api, server.volume, server.image, image.get("User") or "")
    try:
        container = api.make_container(config, server.name)
    except Refused as error:
        if error.status == CONFLICT:
            raise NameTaken(error.text) from error
        raise
    try:
        # A file instead of a variable: the password stays out of what `docker inspect` shows.
        files = {_PASSWORD: server.password, _VERIFIER: scram.verifier(server.password)}
        api.put_files(container, _PLACE, archives.packed(files, uid))
        start(api, Container.planned(container, server), on_podman=on_podman)
    except Exception:
        # The container may lack its password file. If the engine is gone it stays as `created`, and the next `up`
        # replaces it; if it has started after all, it is kept.
        with suppress(Exception):
            if not api.inspect_container(container)["State"]["Running"]:
                # With the volumes that the image declares beside the data, which are as new.
                api.remove_container(container, force=True, v=True)
        raise


def _config(server: Server, labels: dict[str, str], there: data_place.Place) -> dict[str, Any]:
    """Return the Engine API's description of the container."""
    inside = f"{INSIDE_PORT}/tcp"
    bindings = [{"HostIp": ip, "HostPort": str(server.port)} for ip in server.addresses]
    return {
        "Image": server.image,
        "Labels": labels,
        "Env": [
            f"POSTGRES_USER={server.superuser}",
            f"POSTGRES_DB={server.database}",
            f"POSTGRES_PASSWORD_FILE={_PLACE}/{_VERIFIER}",
            *_WHATEVER_THE_IMAGE_SAYS,
            f"PGDATA={there.data}",
        ],
        "ExposedPorts": {inside: {}},
        "HostConfig": {
            # The network of Plano's container, and the host name that Plano uses: a proof from here has the same route.
            "NetworkMode": "bridge",
            "ExtraHosts": ["host.docker.internal:host-gateway"],
            "Binds": [f"{server.volume}:{there.mount}"],
            "PortBindings": {inside: bindings} if bindings else {},
            "RestartPolicy": {"Name": "unless-stopped"},
        },
    }


def start(api: Api, container: Container, *, on_podman: bool) -> None:
    """Start or unpause a container.

    Raises:
        PortTaken: another has the port.

    """
    if on_podman and podman.needs_network_held(container):
        podman.hold_network(api, container)
    try:
        if container.state == "paused":
            api.unpause(container.id)
        else:
            api.start(container.id)
    except Refused as error:
        from planodev.engines import failures

        found = failures.refused(error.text, forbidden=error.forbidden)
        # Engines word this differently, so check the port itself as well.
        held = container.port and port_holders.holder(container.port, container.addresses)
        if found.code == "port-taken" or held:
            raise PortTaken(found.why) from error
        raise
