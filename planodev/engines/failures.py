"""What is said when an engine can't be reached, or refuses: from what was seen to code, what, why and fix.

The rows are in `failures_socket`, `failures_connecting` and `failures_running`; the first that fits wins. Nothing of it
is imported before something has failed.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, urlsplit

from planodev.engines.failures_connecting import CONNECTING
from planodev.engines.failures_running import RUNNING
from planodev.engines.failures_socket import SOCKET
from planodev.problems import BadInput, Conflict, CredentialsRefused, NoEngine, NotReady, PlanodevError

if TYPE_CHECKING:
    from planodev.engines.endpoint import Endpoint


class Row(NamedTuple):
    """A failure that people meet.

    Args:
        at: where it shows: `socket`, `address`, `connect`, `answer`, `request`, `pull`; several with blanks between.
        facts: pattern for `Seen.facts`.
        seen: pattern for what was said.
        code: one of `CODES`.
        why: the cause; `{said}` and the like are attributes of `Seen`.
        fix: what mends it, likewise.

    """

    at: str
    facts: str
    seen: str
    code: str
    why: str
    fix: str


TABLE = tuple(Row(*row) for row in (*SOCKET, *CONNECTING, *RUNNING))

# Which error a code is, and what happened.
CODES: dict[str, tuple[type[PlanodevError], str]] = {
    "no-engine": (NoEngine, "no Docker Engine answers"),
    "no-socket": (NoEngine, "there is no socket at `{path}`"),
    "engine-denied": (NoEngine, "permission denied on `{path}`"),
    "engine-not-started": (NoEngine, "nothing answers at `{path}`"),
    "engine-unreachable": (NoEngine, "the engine{place} does not answer"),
    "engine-lost": (NoEngine, "the connection to the engine{place} was lost"),
    "engine-timed-out": (NoEngine, "the engine{place} does not answer in time"),
    "engine-forbids": (NoEngine, "the engine{place} forbids what planodev needs"),
    "engine-error": (NoEngine, "the engine{place} answers with an error"),
    "engine-too-old": (NoEngine, "the engine is too old"),
    "engine-network": (NoEngine, "the engine can't connect a container to the network"),
    "engine-runtime": (NoEngine, "the engine can't run a container"),
    "bad-endpoint": (NoEngine, "`{url}` is not an endpoint that can be used"),
    "port-taken": (Conflict, "the port is taken"),
    "port-privileged": (Conflict, "the engine may not publish that port"),
    "engine-no-space": (NotReady, "the engine has no room left"),
    "engine-refused": (PlanodevError, "the engine refused a request"),
    "image-unknown": (BadInput, "the image `{image}` can't be had"),
    "image-wrong-platform": (BadInput, "the image `{image}` can't be had"),
    "image-denied": (CredentialsRefused, "the image `{image}` can't be had"),
    "image-rate-limited": (NotReady, "the image `{image}` can't be had"),
    "image-no-space": (NotReady, "the image `{image}` can't be had"),
    "image-no-network": (NotReady, "the image `{image}` can't be had"),
    "image-pull-failed": (NotReady, "the image `{image}` can't be had"),
}

# Whose socket it is, by its path: a context or DOCKER_HOST names the path alone.
_PRODUCTS = (
    (r"/\.?colima/", "Colima"),
    (r"/\.orbstack/", "OrbStack"),
    (r"/\.rd/", "Rancher Desktop"),
    (r"/\.docker/(run|desktop)/|/pipe/docker", "Docker Desktop"),
    (r"podman[/-]machine", "Podman machine"),
    (r"/run/user/\d+/podman/", "rootless Podman"),
    (r"/run/user/\d+/docker\.sock", "rootless Docker"),
    (r"/run/podman/", "Podman"),
)


@dataclass(frozen=True)
class Seen:
    """What was seen of a failure; `said` is the part of `text` that is worth showing."""

    at: str
    text: str
    said: str = ""
    url: str = ""
    source: str = ""
    image: str = ""
    product: str = ""
    system: str = field(default_factory=lambda: this_system())  # noqa: PLW0108  defined below

    @property
    def facts(self) -> str:
        """Return a line such as `Docker Desktop on macos over unix`."""
        return f"{self.product or product_of(self.url)} on {self.system} over {self._parts.scheme}"

    @property
    def path(self) -> str:
        """Return the socket's path, or the whole address where there is none."""
        return "/" + self.url.split("://", 1)[1].lstrip("/") if "unix://" in self.url else self.url

    @property
    def host(self) -> str:
        """Return the engine's machine."""
        return self._parts.hostname or ""

    @property
    def login(self) -> str:
        """Return what `ssh` has to be told, by the address."""
        user = f"{self._parts.username}@" if self._parts.username else ""
        port = f"-p {self._parts.port} " if self._parts.port else ""
        return f"{port}{user}{self.host}"

    @property
    def _parts(self) -> SplitResult:
        with suppress(ValueError):
            parts = urlsplit(self.url)
            if parts.port != 0:  # raises where it is no number
                return parts
        return urlsplit("")

    @property
    def profile(self) -> str:
        """Return what `colima start` has to be told, by the socket's path."""
        found = re.search(r"/\.?colima/([^/]+)/docker\.sock$", self.url)
        return f" {found[1]}" if found and found[1] != "default" else ""


def find(seen: Seen) -> Row:
    """Return the first row that fits."""
    return next(
        row
        for row in TABLE
        if seen.at in row.at.split()
        and re.search(row.facts, seen.facts)
        and re.search(row.seen, seen.text, re.IGNORECASE)
    )


def explain(seen: Seen) -> PlanodevError:
    """Return the error for what was seen."""
    row = find(seen)
    kind, what = CODES[row.code]
    said = _readable(seen.said or seen.text)
    names = ("url", "source", "image", "path", "host", "login", "profile")
    place = f" at `{seen.url}`" if seen.url else ""
    values = {"said": said, "place": place, **{name: getattr(seen, name) for name in names}}
    fix = row.fix.format(**values)
    if seen.system == "windows":
        fix = _in_powershell(fix)
    return kind(row.code, what.format(**values), why=row.why.format(**values), fix=fix)


def product_of(address: str) -> str:
    """Return whose socket or pipe it is, empty where that can't be said."""
    return next((product for pattern, product in _PRODUCTS if re.search(pattern, address)), "")


def system_of(platform: str, version: str, *, contained: bool) -> str:
    """Return `linux`, `wsl`, `container`, `macos` or `windows`.

    Args:
        platform: `sys.platform`.
        version: what /proc/version says; Microsoft's kernels name their maker.
        contained: whether a container engine left its mark; a container on Windows has Microsoft's kernel too.

    """
    if contained:
        return "container"
    if "microsoft" in version.lower():
        return "wsl"
    return {"darwin": "macos", "win32": "windows"}.get(platform, "linux")


def this_system() -> str:
    """Return what this machine is, see `system_of`."""
    version = ""
    with suppress(OSError):
        version = Path("/proc/version").read_text(encoding="utf-8")
    contained = any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))
    return system_of(sys.platform, version, contained=contained)


def nowhere(url: str) -> PlanodevError:
    """Return the error for a machine without a socket; `url` is the one of the only product installed, if any."""
    return explain(Seen("socket", "none", url=url))


def at_socket(state: str, url: str, source: str) -> PlanodevError:
    """Return the error for a socket that is `denied`, `dead` or `missing`."""
    # A rootless engine's socket is found by XDG_RUNTIME_DIR, which may be anywhere.
    product = source if source.startswith("rootless") else ""
    return explain(Seen("socket", state, url=url, source=source, product=product))


def unusable(url: str, source: str, error: Exception) -> PlanodevError:
    """Return the error for an address that no connection can be made of."""
    return explain(Seen("address", str(error), url=url, source=source))


def lost(where: Endpoint, error: Exception) -> PlanodevError:
    """Return the error for a connection that failed or broke off."""
    # The proxy is named only by the libraries in between, the cause often only by the system.
    root = _root(error)
    return explain(Seen("connect", f"{error} {root}", said=root, url=where.url, source=where.source))


def answered_badly(where: Endpoint, answer: str) -> PlanodevError:
    """Return the error for an engine that answers the greeting, but with an error of its own."""
    return explain(Seen("answer", answer.strip(), url=where.url, source=where.source))


def refused(text: str) -> PlanodevError:
    """Return the error for a request that the engine, or the SDK for it, refused."""
    return explain(Seen("request", text))


def not_pulled(image: str, text: str) -> PlanodevError:
    """Return the error for what a registry or the engine said to a pull."""
    return explain(Seen("pull", text, image=image))


def _in_powershell(fix: str) -> str:
    fix = re.sub(r"`export (\w+)=([^`]*)`", r"`$env:\1 = '\2'`", fix)
    return re.sub(r"`unset (\w+)`", r"`Remove-Item Env:\1`", fix)


def _readable(text: str) -> str:
    """Return one line, without the tags of a web page, and not a whole one."""
    if re.search(r"<(html|!doctype|head|body|h\d)", text, re.IGNORECASE):
        text = re.sub(r"<[^>]*>", " ", text)
    text = " ".join(text.split())
    return text if len(text) <= 600 else f"{text[:600]}…"  # noqa: PLR2004


def _root(error: BaseException) -> str:
    """Return the system's own words, which the libraries in between wrap in many more."""
    found: str = str(error)
    at: BaseException | None = error
    seen: set[int] = set()
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        if isinstance(at, OSError) and at.strerror:
            found = at.strerror
        reason = getattr(at, "reason", None) or next((a for a in at.args if isinstance(a, BaseException)), None)
        at = at.__cause__ or at.__context__ or (reason if isinstance(reason, BaseException) else None)
    return " ".join(found.split()) or type(error).__name__
