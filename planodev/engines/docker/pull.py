"""Pulling an image with progress by bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planodev.engines.docker.terms import Refused

if TYPE_CHECKING:
    from planodev.engines.docker.sdk import Client
    from planodev.problems import PlanodevError
    from planodev.progress import Progress


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
        for event in client.pull(name, tag):
            if "error" in event:
                raise _failure(image, event["error"])
            detail: dict[str, Any] = event.get("progressDetail") or {}
            layer = event.get("id", "")
            if event.get("status") == "Downloading" and detail.get("total"):
                totals[layer] = detail["total"]
                progress.transfer(layer, "Downloading", detail.get("current", 0), detail["total"])
            elif event.get("status") in ("Download complete", "Pull complete") and layer in totals:
                progress.transfer(layer, event["status"], totals[layer], totals[layer])
    except Refused as error:
        raise _failure(image, error.text) from error


def _failure(image: str, text: str) -> PlanodevError:
    from planodev.engines import failures

    return failures.not_pulled(image, text)


def _split(image: str) -> tuple[str, str | None]:
    if "@" in image:
        name, digest = image.split("@", 1)
        return name, digest
    last = image.rsplit("/", 1)[-1]
    if ":" in last:
        name, tag = image.rsplit(":", 1)
        return name, tag
    return image, "latest"
