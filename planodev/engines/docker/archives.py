"""Single files of a container, as the tar archives that the engine wants them in."""

from __future__ import annotations

import io
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from planodev.engines.docker.client import NOT_FOUND, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from planodev.engines.docker.client import Api

_NO_ARCHIVE = 500  # HTTP's status for an error of the server


def read(api: Api, container: str, path: str) -> str | None:
    """Return a file's text, None where there is no such file; the container need not run."""
    content = _content(api, container, path)
    if content is None:
        return None
    with _opened(content, path) as archive:
        member = archive.extractfile(archive.getmembers()[0])
        return member.read().decode(errors="replace") if member else None


def links(api: Api, container: str, path: str) -> list[str]:
    """Return where the links in a directory lead, none where there is no such directory; the container need not run.

    Links alone should be in it: what else is there is read as well.
    """
    content = _content(api, container, path)
    if content is None:
        return []
    with _opened(content, path) as archive:
        return [member.linkname for member in archive.getmembers() if member.issym()]


def _content(api: Api, container: str, path: str) -> bytes | None:
    """Return the archive of a file or directory, None where there is none."""
    try:
        content: bytes = api.get_files(container, path)
    except Refused as error:
        if error.status == NOT_FOUND:
            return None
        raise
    return content


@contextmanager
def _opened(content: bytes, path: str) -> Iterator[tarfile.TarFile]:
    """Open the archive of a path.

    Raises:
        Refused: it is none, or has nothing in it.

    """
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            yield archive
    except (tarfile.TarError, IndexError) as error:
        raise Refused(_NO_ARCHIVE, f"the answer for `{path}` is not a tar archive: {error}") from error


def packed(files: Mapping[str, str], uid: int = 0) -> bytes:
    """Return an archive with files, by name, that only their owner, a number, may read.

    It ends at its end mark, two blocks of zeros. Docker 26 and 28 read up to there, answer, and close where they can't
    drain what follows; `tarfile` pads an archive to 10 kB behind the mark.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.uid = len(content.encode()), 0o400, uid
            archive.addfile(member, io.BytesIO(content.encode()))
        end = buffer.tell()
    return buffer.getvalue()[: end + 2 * tarfile.BLOCKSIZE]
