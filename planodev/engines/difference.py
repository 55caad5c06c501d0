"""What has to change so that the engine has the server that `up` wants, each difference with its reason; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planodev.engines import Container, Desired, Observed, Volume


class Difference(NamedTuple):
    """What to do about the container; `reasons` say why, with both values."""

    action: Literal["unchanged", "start", "create", "replace"]
    reasons: tuple[str, ...] = ()


def compare(desired: Desired, observed: Observed) -> Difference:
    """Compare what is wanted with what was observed."""
    have = observed.container
    if have is None:
        return Difference("create", ("its container is gone, its data is kept",) if observed.volume else ())
    reasons = tuple(_differences(desired, have, observed.volume))
    if reasons:
        return Difference("replace", reasons)
    return Difference("unchanged") if have.state == "running" else Difference("start", (have.state,))


def _differences(desired: Desired, have: Container, volume: Volume | None) -> Iterator[str]:
    if have.name != desired.name:
        yield f"its name changes from `{have.name}` to `{desired.name}`"
    if have.image != desired.image:
        yield f"its image changes from `{have.image}` to `{desired.image}`"
    elif have.image_id != desired.image_id:
        yield f"`{desired.image}` is now {desired.image_id[7:19]}, and it runs {have.image_id[7:19]}"
    if have.port != desired.port:
        yield f"its port changes from {have.port} to {desired.port}"
    elif set(have.addresses) != set(desired.addresses):
        yield f"its addresses change from {', '.join(have.addresses) or 'none'} to {', '.join(desired.addresses)}"
    if volume is None or have.volume != volume.name:
        yield (
            "its volume is gone"
            if have.volume is None
            else f"it uses volume `{have.volume}`, which is not this project's"
        )
    if have.state in ("dead", "removing"):
        yield f"its state is {have.state}"
    elif have.state == "created":
        yield "it was created and never started"
