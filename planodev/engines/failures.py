"""What an engine that cannot be reached, or that refuses, means and how to fix it; the facts are in `failures.toml`.

Nothing of it is imported before something has failed.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from string import Template
from typing import Any, Protocol

from planodev import masking, problems, urls
from planodev.pasting import quoted
from planodev.problems import Fix, PlanodevError
from planodev.project import defaults, toml_file

LONGEST = 600  # characters of an engine's message that are shown


class Address(Protocol):
    """An engine's address and where it was found, as `endpoint.Endpoint` has them."""

    @property
    def url(self) -> str:
        """Such as `unix:///var/run/docker.sock`."""

    @property
    def source(self) -> str:
        """Such as `DOCKER_HOST`."""


def nowhere(url: str) -> PlanodevError:
    """Return the error for a machine without a socket; `url` is the one of the only product installed, if any."""
    return _explain("socket none", url=url)


def at_socket(state: str, url: str, source: str) -> PlanodevError:
    """Return the error for a socket that is `denied`, `dead` or `missing`."""
    return _explain(f"socket {state}", url=url, source=source)


def unusable(url: str, source: str, error: Exception) -> PlanodevError:
    """Return the error for an address that no connection can be made of."""
    return _explain("address", masking.parts_of(str(error), [url]), url=url, source=source)


def not_connected(where: Address, error: Exception) -> PlanodevError:
    """Return the error for a connection that failed, by what the system and the libraries in between say of it."""
    # Only the libraries name the proxy, and often only the system names the cause.
    root = _root(error)
    when = "ssh" if where.url.startswith("ssh://") else "connect"
    return _explain(when, f"{error} {root}", said=root, url=where.url, source=where.source)


def lost(where: Address, error: Exception) -> PlanodevError:
    """Return the error for an engine that was there, and whose answer broke off or did not come."""
    return _explain("lost", _root(error), url=where.url, source=where.source)


def timed_out(where: Address, text: str) -> PlanodevError:
    """Return the error for an engine that is there and lets a limit pass; `text` says which."""
    return _explain("timed out", text, url=where.url, source=where.source)


def answered_badly(where: Address, answer: str, *, forbidden: bool = False) -> PlanodevError:
    """Return the error for an engine that answers the greeting, but with an error of its own.

    Args:
        where: the engine.
        answer: what it said.
        forbidden: whether that came with HTTP's status 403.

    """
    # A proxy before a socket was set up for the engine; one before another address may be a web proxy.
    near = "unix://" in where.url or where.url.startswith("npipe://")
    when = ("forbidden" if near else "greeting forbidden") if forbidden else ("answer" if near else "far answer")
    return _explain(when, answer, url=where.url, source=where.source)


def too_old(where: Address, api: str, oldest: str) -> PlanodevError:
    """Return the error for an engine whose API, such as 1.39, is older than the oldest that will do."""
    return _explain("too old", api, url=where.url, source=where.source, oldest=oldest)


def refused(text: str, *, forbidden: bool = False) -> PlanodevError:
    """Return the error for a request that the engine, or the SDK for it, refused; see `answered_badly`."""
    return _explain("forbidden" if forbidden else "request", text)


def not_pulled(image: str, text: str) -> PlanodevError:
    """Return the error for what a registry or the engine said to a pull."""
    return _explain("pull", text, image=image)


@cache
def table() -> dict[str, Any]:
    """Return `failures.toml`, which says what its `codes`, `product` and `failure` hold."""
    return toml_file.parse(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def kind_of(code: str) -> type[PlanodevError]:
    """Return the error that a code of the table is raised as."""
    kind: type[PlanodevError] = getattr(problems, table()["codes"][code]["kind"])
    return kind


def find(when: str, text: str) -> dict[str, Any]:
    """Return the first row that matches; each moment has a last row that matches everything."""
    rows: list[dict[str, Any]] = table()["failure"]
    return next(
        row for row in rows if when in row["when"] and re.search(row.get("match", ""), text.strip(), re.IGNORECASE)
    )


def readable(text: str) -> str:
    """Return an engine's words in one line: no control characters, no tags of a web page, and not endlessly."""
    if re.search(r"<(html|!doctype|head|body|h\d)", text, re.IGNORECASE):
        text = re.sub(r"<[^>]*>", " ", text)
    text = "".join(character if character.isprintable() else " " for character in text)
    # requests and http.client repeat a header of `~/.docker/config.json`, which may be the login of a proxy.
    text = re.sub(r"(?i)(header (?:value|part)\W{0,3}).*", rf"\1{masking.HIDDEN}", masking.urls(" ".join(text.split())))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


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


def _explain(when: str, text: str = "", **known: str) -> PlanodevError:
    """Return the error for what was seen.

    Args:
        when: the moment, one of the table's.
        text: all that was said.
        known: `url`, `source`, `image` or `oldest`, and `said` where only a part of `text` is worth showing.

    """
    row = find(when, text)
    code = row["code"]
    values = {"url": "", "source": "", "image": "", "said": text, **known}
    values |= _parts_of(values["url"]) | {"said": readable(values["said"]), "image": quoted(values["image"])}
    values["url"] = masking.address(values["url"])
    for name in ("down", "start", "denied"):
        values[name] = Template(_of_product(name, values["url"], values["source"])).substitute(values)
    fix = Fix.template(row["fix"].replace("$default_image", defaults.IMAGE))
    fix = Fix(*(Template(part).substitute(values) if isinstance(part, str) else part for part in fix.parts))
    message = Template(table()["codes"][code]["message"]).substitute(values)
    return kind_of(code)(code, message, why=Template(row["why"]).substitute(values), fix=fix)


def _of_product(name: str, url: str, source: str) -> str:
    """Return a text about the product behind an address: a context or DOCKER_HOST names the socket alone."""
    system = this_system()
    fits = (
        product[name]
        for product in table()["product"]
        if name in product
        and product.get("system") in (None, system)
        and any(re.search(product.get("address", ""), address) for address in (url, source))
    )
    return str(next(fits))


def _parts_of(url: str) -> dict[str, str]:
    """Return the parts of an address that messages name; those that it lacks, or that cannot be read, are empty."""
    address = urls.read(url)
    login = quoted(f"{address.user}@{address.host}" if address.user else address.host)
    login = f"-p {address.port} {login}" if address.port and address.port_is_valid else login
    profile = re.search(r"/\.?colima/([^/]+)/docker\.sock$", url)
    return {
        "host": quoted(address.host or "HOST"),
        "login": login,
        "place": f" at `{masking.address(url)}`" if url else "",
        "path": "/" + url.split("://", 1)[1].lstrip("/") if "unix://" in url else masking.address(url),
        "profile": f" {profile[1]}" if profile and profile[1] != "default" else "",
    }


def _root(error: BaseException) -> str:
    """Return the system's own words, which the libraries in between wrap in many more."""
    found = str(error)
    at: BaseException | None = error
    seen: set[int] = set()
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        if isinstance(at, OSError) and at.strerror:
            found = at.strerror
        reason = getattr(at, "reason", None) or next((a for a in at.args if isinstance(a, BaseException)), None)
        at = at.__cause__ or at.__context__ or (reason if isinstance(reason, BaseException) else None)
    return found if found.strip() else type(error).__name__
