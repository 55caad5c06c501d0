# ruff: noqa: PTH101, PTH102, PTH105, PTH116, PTH208  pathlib has no names that are relative to a descriptor
"""Atomic writes of private files, owned by the owner of their directory; git never sees a partial one.

A new file is finished in a directory of its own beside the old one, which tells git to ignore all that is in it. So a
killed write leaves the old file as it was, and no secret behind that `git add` would take; the next command sweeps it.
On POSIX all goes by open descriptors: nobody who may write in the directory can lead root to another file by a link.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MODE = 0o600
STAGING = ".planodev-"  # begins the name of a staging directory
_IGNORE = b"# planodev writes a file here, and removes this directory then\n*\n"
_NEW = "new"  # the name until it replaces the old file, whose own name may be `.gitignore`
_WHOLE = ".whole"  # ends the name of a finished copy of a file that is written in place
_BY_DESCRIPTOR = os.mkdir in os.supports_dir_fd and os.rename in os.supports_dir_fd  # not on Windows
# O_NONBLOCK: opening a pipe does not wait for its other end.
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0) | _NOFOLLOW
# The file is a mount point, such as a file that is bound into a container: it cannot be replaced.
_MOUNTED = (errno.EBUSY, errno.EXDEV)
_COPY_MARGIN = 2.0  # seconds by which a file may be newer than its copy, and still be the one written from it


class _Place(NamedTuple):
    """A directory: by its descriptor where the system takes one, else by its path."""

    path: Path
    descriptor: int | None

    def name(self, name: str) -> str:
        return str(self.path / name) if self.descriptor is None else name

    @property
    def at(self) -> dict[str, Any]:
        return {} if self.descriptor is None else {"dir_fd": self.descriptor}

    @property
    def stat(self) -> os.stat_result:
        return self.path.stat() if self.descriptor is None else os.fstat(self.descriptor)

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)

    def create(self, name: str, content: bytes, owner: tuple[int, int] | None, mode: int) -> None:
        """Create a durable file."""
        descriptor = os.open(self.name(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE, **self.at)
        with os.fdopen(descriptor, "wb") as file:
            _settle(descriptor, owner, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)


def write_atomically(path: Path, content: bytes, mode: int) -> None:
    """Replace a file atomically and durably, with this mode whatever the umask; its owner stays.

    A file that is a mount of its own, as in a container, can only be written in place: a finished copy with mode 0600
    stays beside it until that is done.

    Args:
        path: the file, not a link.
        content: of the whole file.
        mode: permission bits.

    Raises:
        OSError: the directory is not writable, or the disk is full; the old file is then untouched.

    """
    with closing(_open(path.parent)) as parent:
        owner = _owner(path, parent)
        with _staging(parent, owner) as staging:
            staging.create(_NEW, content, owner, mode)
            ends = {} if staging.descriptor is None else {"src_dir_fd": staging.descriptor}
            ends |= {} if parent.descriptor is None else {"dst_dir_fd": parent.descriptor}
            try:
                os.replace(staging.name(_NEW), parent.name(path.name), **ends)
            except OSError as error:
                if error.errno not in _MOUNTED:
                    raise
                staging.create(path.name + _WHOLE, content, owner, MODE)
                _overwrite(parent, path.name, content, mode)


def make_directory(path: Path, mode: int = 0o700) -> None:
    """Create a directory and its missing parents, whatever the umask; an existing one is left as it is.

    By default only its owner may enter.

    What root makes belongs to whom the directory above belongs to: `sudo` may have kept the user's HOME.

    Raises:
        OSError: it cannot be made.

    """
    if path.is_dir():
        return
    make_directory(path.parent, mode)
    with suppress(FileExistsError), closing(_open(path.parent)) as parent:
        _make_in(parent, path.name, _of_directory(parent), mode)


def make_directory_for(path: Path, owner: tuple[int, int] | None) -> None:
    """Make a directory with mode 0700, whatever the umask, for a user and a group; None for this one.

    Raises:
        OSError: it is there, or cannot be made.

    """
    with closing(_open(path.parent)) as parent:
        _make_in(parent, path.name, owner, 0o700)


def _make_in(parent: _Place, name: str, owner: tuple[int, int] | None, mode: int) -> None:
    os.mkdir(parent.name(name), 0o700, **parent.at)
    if parent.descriptor is None:
        return
    with _opened(name, os.O_RDONLY | _DIRECTORY, parent) as descriptor:
        _refuse_others(descriptor, os.geteuid(), name)  # another user may have replaced it
        _settle(descriptor, owner, mode)


def set_mode(path: Path, *, add: int = 0, remove: int = 0, owner: int | None = None) -> None:
    """Change the permission bits of what is no link, and belongs to a user: by default whoever runs this.

    Raises:
        OSError: it is a link, or belongs to somebody else.

    """
    if not hasattr(os, "fchmod"):
        return
    with closing(_open(path.parent)) as parent, _opened(path.name, os.O_RDONLY | _NOFOLLOW, parent) as descriptor:
        _refuse_others(descriptor, os.geteuid() if owner is None else owner, path.name)
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if (mode | add) & ~remove != mode:
            os.fchmod(descriptor, (mode | add) & ~remove)


def open_to_append(path: Path, owner: tuple[int, int]) -> int:
    """Open a private file to write at its end, and make it, for a user and a group, where it is missing.

    Returns its descriptor.

    Raises:
        OSError: it is a link, another name of a file elsewhere, or belongs to somebody else.

    """
    flags = os.O_WRONLY | os.O_APPEND | _NOFOLLOW
    with closing(_open(path.parent)) as parent:
        try:
            descriptor = os.open(parent.name(path.name), flags | os.O_CREAT | os.O_EXCL, MODE, **parent.at)
        except FileExistsError:
            descriptor = os.open(parent.name(path.name), flags, **parent.at)
            _refuse_others(descriptor, owner[0], path.name)
        else:
            _settle(descriptor, owner if os.geteuid() == 0 else None, MODE)
    return descriptor


@contextmanager
def _opened(name: str, flags: int, parent: _Place) -> Iterator[int]:
    try:
        descriptor = os.open(parent.name(name), flags, **parent.at)
    except PermissionError:
        # The owner may lack permission, by a umask or by hand, and can grant it. Root needs none, and must not change
        # what a link leads to.
        if os.geteuid() == 0:
            raise
        os.chmod(parent.name(name), 0o700, **parent.at)
        descriptor = os.open(parent.name(name), flags, **parent.at)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _refuse_others(descriptor: int, owner: int, name: str) -> None:
    """Refuse what belongs to another user, or is a file that has a second name: both may have been put there."""
    found = os.fstat(descriptor)
    if found.st_uid != owner or (stat.S_ISREG(found.st_mode) and found.st_nlink > 1):
        raise PermissionError(errno.EPERM, "it belongs to another user, or is a hard link to another file", name)


def give(descriptor: int, directory: Path) -> None:
    """Give a file that root has just made in a private directory to whom that directory belongs to.

    Args:
        descriptor: of the open file. It is not opened again: closing a file ends every lock that a process has on it.
        directory: that it is in.

    """
    with suppress(OSError), closing(_open(directory)) as parent:
        owner = _of_directory(parent)
        if owner:
            _refuse_others(descriptor, os.geteuid(), directory.name)
            os.fchown(descriptor, *owner)


def leftovers(directory: Path) -> list[Path]:
    """Return the staging directories that killed writes have left."""
    with suppress(OSError), os.scandir(directory) as entries:
        return [Path(entry.path) for entry in entries if entry.name.startswith(STAGING) and entry.is_dir()]
    return []


def sweep(directory: Path, age: float = 0.0) -> None:
    """Remove what killed writes have left in a directory, once what one of them wrote in place is whole.

    Nobody else may be writing there; what cannot be removed stays.

    Args:
        directory: any.
        age: seconds since the write began, at least.

    """
    for left in leftovers(directory):
        with suppress(OSError), closing(_open(directory)) as parent, closing(_open(left)) as staging:
            if time.time() - staging.stat.st_mtime < age:
                continue
            if ".gitignore" not in os.listdir(left) and os.listdir(left):
                continue  # not a staging directory: its `.gitignore` is written first and removed last
            for name in os.listdir(left):
                if name.endswith(_WHOLE):
                    _finish(parent, staging, name.removesuffix(_WHOLE))
            _remove(parent, left.name, staging)


def _finish(parent: _Place, staging: _Place, name: str) -> None:
    """Write a file from its finished copy, unless somebody has changed it since the write was killed."""
    copy = Path(staging.path / (name + _WHOLE))
    target = parent.path / name
    content = copy.read_bytes()
    if target.stat().st_mtime <= copy.stat().st_mtime + _COPY_MARGIN and target.read_bytes() != content:
        _overwrite(parent, name, content, target.stat().st_mode)


def _overwrite(parent: _Place, name: str, content: bytes, mode: int) -> None:
    descriptor = os.open(parent.name(name), os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), **parent.at)
    with os.fdopen(descriptor, "wb") as file:
        with suppress(PermissionError):
            _settle(descriptor, None, mode)
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(descriptor)


@contextmanager
def _staging(parent: _Place, owner: tuple[int, int] | None) -> Iterator[_Place]:
    """Make a staging directory, and remove it with what is in it."""
    name = f"{STAGING}{os.urandom(6).hex()}"
    os.mkdir(parent.name(name), 0o700, **parent.at)
    descriptor = os.open(name, os.O_RDONLY | _DIRECTORY, **parent.at) if parent.descriptor is not None else None
    with closing(_Place(parent.path / name, descriptor)) as staging:
        if descriptor is not None and staging.stat.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "another directory has replaced it", name)
        try:
            with os.fdopen(
                os.open(staging.name(".gitignore"), os.O_WRONLY | os.O_CREAT, MODE, **staging.at), "wb"
            ) as file:
                file.write(_IGNORE)
            yield staging
        finally:
            if owner and descriptor is not None:  # if this is killed here, the owner can still remove it
                with suppress(OSError):
                    os.fchown(descriptor, *owner)
            _remove(parent, name, staging)


def _remove(parent: _Place, name: str, staging: _Place) -> None:
    with suppress(OSError):
        # `.gitignore` last, so that git never sees the other files.
        names = os.listdir(staging.path if staging.descriptor is None else staging.descriptor)
        for inside in sorted(names, key=lambda inside: inside == ".gitignore"):
            os.unlink(staging.name(inside), **staging.at)
        os.rmdir(parent.name(name), **parent.at)


def _open(path: Path) -> _Place:
    flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
    return _Place(path, os.open(path, flags) if _BY_DESCRIPTOR else None)


def _owner(path: Path, parent: _Place) -> tuple[int, int] | None:
    """Return whom the file belongs to, or will: its owner, else root's new one to the directory's."""
    if not hasattr(os, "fchown"):
        return None
    with suppress(FileNotFoundError):
        found = os.stat(parent.name(path.name), follow_symlinks=False, **parent.at)
        return found.st_uid, found.st_gid
    return _of_directory(parent)


def _of_directory(place: _Place) -> tuple[int, int] | None:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    return place.stat.st_uid, place.stat.st_gid


def _settle(descriptor: int, owner: tuple[int, int] | None, mode: int) -> None:
    if owner:
        with suppress(PermissionError):
            os.fchown(descriptor, *owner)
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, stat.S_IMODE(mode))
