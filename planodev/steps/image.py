"""Pull the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.result import Outcome

if TYPE_CHECKING:
    from planodev.look import Seen


def pull(seen: Seen) -> None:
    """Pull the image; raises what keeps it from being pulled."""
    image, progress = seen.settings.image.value, seen.progress
    progress.begin("Pulling the image")
    before = seen.engine.image(image)
    progress.note(f"pulling {image}")
    seen.engine.pull(image, progress)
    after = seen.engine.image(image)
    progress.done(Outcome("unchanged" if before == after else "updated" if before else "pulled", image))
