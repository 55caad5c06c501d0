"""Pulling an image with progress by bytes, and saying why one can't be had."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from planodev.engines.docker_terms import Refused
from planodev.errors import BadInput, CredentialsRefused, NotReady, PlanodevError

if TYPE_CHECKING:
    from planodev.engines.docker_client import Client
    from planodev.progress import Progress

# What registries and the daemons of Docker and Podman say; the first that fits wins.
_CAUSES = (
    (r"toomanyrequests|too many requests|rate limit", "image-rate-limited"),
    (r"no matching manifest", "image-wrong-platform"),
    (r"manifest unknown|manifest for .* not found|not found: manifest|name unknown", "image-unknown"),
    (r"no basic auth credentials|unauthorized|authentication required|access denied|denied", "image-denied"),
    (r"no space left", "image-no-space"),
    (r"no such host|dial tcp|timeout|connection refused|TLS handshake|network is unreachable|EOF", "image-no-network"),
    (r"proxyconnect|server gave HTTP response|registry .* unavailable|temporary failure", "image-no-network"),
    (r"not found|invalid reference", "image-unknown"),
)


def pull(client: Client, image: str, progress: Progress) -> None:
    """Pull an image.

    Raises:
        BadInput: there is no such image, or none for this platform.
        CredentialsRefused: the registry wants a login.
        NotReady: the network, the registry's limit or the disk is in the way; it may work later.

    """
    name, tag = _split(image)
    totals: dict[str, int] = {}
    try:
        for event in client.pull(name, tag=tag, stream=True, decode=True):
            if "error" in event:
                raise failure(image, event["error"])
            detail: dict[str, Any] = event.get("progressDetail") or {}
            layer = event.get("id", "")
            if event.get("status") == "Downloading" and detail.get("total"):
                totals[layer] = detail["total"]
                progress.transfer(layer, "Downloading", detail.get("current", 0), detail["total"])
            elif event.get("status") in ("Download complete", "Pull complete") and layer in totals:
                progress.transfer(layer, event["status"], totals[layer], totals[layer])
    except Refused as error:
        raise failure(image, error.text) from error


def failure(image: str, text: str) -> PlanodevError:
    """Return the error for what a registry or the engine said."""
    code = next((code for pattern, code in _CAUSES if re.search(pattern, text, re.IGNORECASE)), "image-pull-failed")
    message = f"the image `{image}` can't be had"
    fixes = {
        "image-unknown": "check the name: `--image postgres:16`",
        "image-wrong-platform": "choose an image that has this platform: `--image postgres:16`",
        "image-denied": "`docker login` to that registry, or another image with `--image`",
        "image-rate-limited": "`docker login` raises the limit; or a mirror: `--image MIRROR/postgres:16`",
        "image-no-space": "`docker system df` shows what takes the room",
        "image-no-network": "check the network, or use a mirror that answers (`--image MIRROR/postgres:16`), "
        "or load a saved image (`docker load`) and `--pull never`",
        "image-pull-failed": f"`docker pull {image}` shows the same with more words",
    }
    kind: type[PlanodevError] = NotReady
    if code in ("image-unknown", "image-wrong-platform"):
        kind = BadInput
    elif code == "image-denied":
        kind = CredentialsRefused
    return kind(code, message, why=" ".join(text.split()), fix=fixes[code])


def _split(image: str) -> tuple[str, str | None]:
    if "@" in image:
        name, digest = image.split("@", 1)
        return name, digest
    last = image.rsplit("/", 1)[-1]
    if ":" in last:
        name, tag = image.rsplit(":", 1)
        return name, tag
    return image, "latest"
