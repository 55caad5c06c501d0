"""How planodev was installed, and so what adds a package to its environment, or a program beside it."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planodev import paths
from planodev.problems import Shell
from planodev.project import toml_file

if TYPE_CHECKING:
    from collections.abc import Iterator


def adding(package: str, *, prefix: Path | None = None, python: str = "") -> Shell:
    """Return the command that adds a package to the environment in which planodev is.

    Sources: pipx, `pipx_metadata_file.py`; uv, `crates/uv-tool/src/tool.rs`. Each writes its file into the environment.

    Args:
        package: its name.
        prefix: the environment's directory; default this process's.
        python: its interpreter; default this process's.

    """
    prefix, python = prefix or Path(sys.prefix), python or sys.executable
    if paths.is_file(prefix / "pipx_metadata.json"):
        return Shell("pipx inject {} {}", prefix.name, package)
    receipt = prefix / "uv-receipt.toml"
    if paths.is_file(receipt):
        # An environment of uv is made anew, of what is named then.
        words = [*_named(receipt), "--with", package]
        return Shell("uv tool install" + " {}" * len(words), *words)
    # planodev itself came there in spite of the system, or with it.
    return _by_pip(package, prefix, python, " --break-system-packages" if _managed(prefix) else "")


def beside(package: str, *, prefix: Path | None = None, python: str = "", path: str | None = None) -> Shell:
    """Return the command that installs a program of its own, such as planoai, so that it is on the PATH.

    pip does so only from an environment whose programs are on the PATH, and the system's own Python refuses it.

    Args:
        package: its name.
        prefix: the environment's directory; default this process's.
        python: its interpreter; default this process's.
        path: of the shell; default this process's.

    """
    prefix, python = prefix or Path(sys.prefix), python or sys.executable
    if paths.is_file(prefix / "uv-receipt.toml"):
        return Shell("uv tool install {}", package)
    programs = str(Path(python).parent)
    on_path = programs in (os.environ.get("PATH", "") if path is None else path).split(os.pathsep)
    if paths.is_file(prefix / "pipx_metadata.json") or _managed(prefix) or not on_path:
        return Shell("pipx install {}", package)
    return _by_pip(package, prefix, python)


def renewing(package: str, prefix: Path, python: str, *, anew: bool = False) -> Shell:
    """Return the command that brings the newest version of a package into the environment in which it is.

    Args:
        package: its name.
        prefix: the environment's directory.
        python: its interpreter.
        anew: whether it is installed again although its version stays, since it is broken.

    """
    if paths.is_file(prefix / "pipx_metadata.json"):
        injected = "" if anew or prefix.name == package else " --include-injected"
        return Shell(f"pipx {'reinstall' if anew else 'upgrade'}{injected} {{}}", prefix.name)
    if paths.is_file(prefix / "uv-receipt.toml"):
        return Shell(f"uv tool upgrade{' --reinstall' if anew else ''} {{}}", prefix.name)
    if _managed(prefix):
        return Shell("pipx install {}", package)
    return _by_pip(package, prefix, python, " --force-reinstall" if anew else " --upgrade")


def _by_pip(package: str, prefix: Path, python: str, flag: str = "") -> Shell:
    if _has_pip(prefix):
        return Shell(f"{{}} -m pip install{flag} {{}}", python, package)
    return Shell(f"uv pip install{flag} --python {{}} {{}}", python, package)


def _has_pip(prefix: Path) -> bool:
    """Say whether pip is in an environment: `uv venv` makes one without.

    A Python that is none may have it in several places; this process's own is asked, and another's is taken to have it.
    """
    if not _is_environment(prefix):
        return prefix != Path(sys.prefix) or importlib.util.find_spec("pip") is not None
    return paths.is_dir(prefix / "Lib/site-packages/pip") or any(prefix.glob("lib/python3*/site-packages/pip"))


def _managed(prefix: Path) -> bool:
    """Say whether pip refuses to install there, as Debian's, Fedora's or Homebrew's own Python has it: PEP 668."""
    places = ("lib*/python3*/EXTERNALLY-MANAGED", "Lib/EXTERNALLY-MANAGED")
    return not _is_environment(prefix) and any(any(prefix.glob(place)) for place in places)


def _is_environment(prefix: Path) -> bool:
    return paths.is_file(prefix / "pyvenv.cfg")


def _named(receipt: Path) -> list[str]:
    """Return planodev, and what was installed with it, as arguments of `uv tool install`."""
    try:
        tool = toml_file.parse(receipt.read_text(encoding="utf-8")).get("tool", {})
        planodev, *others = tool["requirements"]
        return [*_tool(planodev), *(word for other in others for word in ("--with", _requirement(other)))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # of another version of uv
        return ["planodev"]


def _tool(entry: dict[str, Any]) -> Iterator[str]:
    if "editable" in entry:
        yield "--editable"
    yield _requirement(entry)


def _requirement(entry: dict[str, Any]) -> str:
    extras = f"[{','.join(entry['extras'])}]" if entry.get("extras") else ""
    path = next((entry[key] for key in ("editable", "directory", "path") if key in entry), None)
    if path:
        return f"{path}{extras}"
    url = f"git+{entry['git']}" if "git" in entry else entry.get("url")
    return f"{entry['name']}{extras} @ {url}" if url else f"{entry['name']}{extras}{entry.get('specifier', '')}"
