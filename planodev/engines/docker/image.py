"""Images: the version of PostgreSQL in them, and pulling them with progress in bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planodev.engines.docker.client import Refused
from planodev.engines.docker.labels import number, variables_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.engines.docker.client import Api
    from planodev.engines.docker.sdk import Client
    from planodev.problems import PlanodevError
    from planodev.progress import Progress


def major_of(api: Api, image: str, found: Mapping[str, Any]) -> int | None:
    """Return the major version of PostgreSQL in a local image, None where it has none; `found` is its description."""
    said = number(variables_of(found["Config"]).get("PG_MAJOR", ""))
    if said is not None:
        return said
    # Not made from the official image: ask the program itself.
    container = api.make_container({"Image": image, "Entrypoint": ["postgres"], "Cmd": ["--version"]})
    try:
        api.start(container)
        api.wait(container, timeout=30)
        words = api.logs(container).decode(errors="replace").split()
    except Refused:
        return None
    finally:
        api.remove_container(container, force=True, v=True)
    major = words[2].split(".")[0] if words[:1] == ["postgres"] and len(words) > 2 else ""  # noqa: PLR2004
    return number(major)


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
