"""Make sure that the image is there and holds a PostgreSQL that Plano can use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.problems import BadInput, Conflict
from planodev.result import Outcome

if TYPE_CHECKING:
    from planodev.work import Work

OLDEST_MAJOR = 12


class GetImage:
    """Pull the image where it is missing or a newer one was asked for."""

    title = "Getting the image"

    def run(self, work: Work) -> Outcome:
        image, pull = work.settings.image.value, work.settings.pull.value
        before = work.engine.image_id(image)
        if before is None and pull == "never":
            raise BadInput(
                "image-missing",
                f"the image `{image}` is not there, and `--pull never` forbids to fetch it",
                fix=f"`docker pull {image}`, or `planodev up --pull missing`",
            )
        if work.dry_run and (before is None or pull == "always"):
            return Outcome("would be pulled", image)
        if before is None or pull == "always":
            work.progress.note(f"pulling {image}")
            work.engine.pull(image, work.progress)
        elif work.observed.container and work.observed.container.image_id == before:
            return Outcome("unchanged", image)
        work.proved = None  # of another image than the one that this name stands for now
        self._check_major(work, image)
        after = work.engine.image_id(image)
        return Outcome("unchanged" if before == after else "pulled" if before is None else "updated", image)

    def _check_major(self, work: Work, image: str) -> None:
        major = work.engine.image_major(image)
        if major is None or major < OLDEST_MAJOR:
            raise BadInput(
                "image-not-usable",
                f"the image `{image}` can't be used",
                why=f"it holds PostgreSQL {major}, Plano needs 12 or newer" if major else "it holds no PostgreSQL",
                fix="`planodev up --image postgres:16`",
            )
        volume, wording = work.observed.volume, work.engine.wording
        data = work.engine.data_major(volume, image) if volume else None
        if volume and data and data != major:
            raise Conflict(
                "data-of-another-version",
                f"the {wording.data} `{volume.name}` has data of PostgreSQL {data}, `{image}` is PostgreSQL {major}",
                why="PostgreSQL starts only over data of its own major version; nothing was changed",
                fix=wording.other_major.format(major=data),
            )
