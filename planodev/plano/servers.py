"""Which server Plano asks for a model: it sends requests to clusters of Envoy, and not all lead where they should.

planoai names a cluster after interface and host alone, and writes the first one of a name; Envoy looks hosts up for
IPv4 only. Sources: planoai 0.4.39 `config_generator.py:505-545`, `data/envoy.template.yaml` (`dns_lookup_family`); both
seen with Envoy 1.37.0: the second of two ports was never asked, and an IPv6 address has "no healthy upstream".
"""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planodev import urls
from planodev.plano import models
from planodev.plano.providers import BY_NAME, CHAT_INTERFACES
from planodev.plano.rules import shown
from planodev.postgres.connection import LOOPBACK
from planodev.problems import Problem
from planodev.project import regular_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from planodev.plano.config_file import ConfigFile, KeyPath
    from planodev.plano.models import Model

_HOSTS = Path("/etc/hosts")
_NAMES = {"localhost": LOOPBACK, LOOPBACK: "localhost"}  # of this machine, each for the other


def problems(config: ConfigFile, content: Mapping[str, Any], mode: str) -> Iterator[Problem]:
    """Yield the models, agents and filters that Plano asks another server for, or reaches nowhere.

    An error where the default model is one of them: nothing is answered then, and so nothing stored.

    Args:
        config: the configuration.
        content: what it holds.
        mode: `docker` or `native`.

    """
    found = models.of(content)
    chats = [model for model in found if not model.router and model.interface]
    default = next((model for model in chats if model.default), next(iter(chats), None))
    for first, model in models.merged(found, mode):
        fix = _apart(config, found, model, mode)
        address = f"{_address(first)}, the server of `{shown(first.name)}`{config.at(*first.path, 'model')}"
        message = f"requests for `{shown(model.name)}`{config.at(*model.path, 'model')} go to {address}"
        why = "Plano tells servers apart by interface and host alone"
        yield Problem("servers-merged", message, fix, why, "error" if model == default else "warning")
    for path, url in _urls(content, found):
        host = urls.read(url).host
        if _is_ipv6(host, mode):
            message = f"`{path[-1]}`{config.at(*path)} leads to {shown(host)}, which Plano never reaches"
            fatal = default is not None and path[:-1] == default.path
            why = "it looks servers up for IPv4 alone"
            yield Problem("ipv6-unreached", message, _by_ipv4(config, path, url), why, "error" if fatal else "warning")


def _address(model: Model) -> str:
    """Return scheme, host and port of a model's server."""
    return shown(re.sub(r"^(https?://)(?:[^/@]*@)?([^/?#]*).*$", r"\1\2", model.base_url, flags=re.IGNORECASE))


def _apart(config: ConfigFile, found: Sequence[Model], model: Model, mode: str) -> str:
    """Return what gives a model's server a cluster of its own: another name of its host, or another interface."""
    taken = {placed[0] for one in found if (placed := models.server_of(one, mode))}

    def free(base_url: str, interface: str | None) -> bool:
        placed = models.server_of(model._replace(base_url=base_url, interface=interface), mode)
        return placed is not None and placed[0] not in taken

    name = _NAMES.get(urls.read(model.base_url).host) if mode == "native" else None
    renamed = _with_host(model.base_url, name) if name else ""
    if renamed and free(renamed, model.interface):
        return f"write `base_url: {shown(renamed)}` in {config.where(*model.path, 'base_url')}"
    for interface in CHAT_INTERFACES:
        form = model.form_by(interface)
        if form and free(form["base_url"], interface):
            keys = ("provider_interface",) if model.prefix not in BY_NAME else ("model", "provider_interface")
            lines = ", ".join(f"`{key}: {shown(form[key])}`" for key in keys)
            return f"write {lines} in {config.where(*model.path, 'model')}"
    where = config.where(*model.path, "base_url")
    return f"give that server another host name in its `base_url` in {where}: one that leads to the same machine"


def _with_host(url: str, host: str) -> str:
    """Return a URL with another host."""
    return re.sub(r"(//(?:[^/@]*@)?)(?:\[[^\]]*\]|[^:/?#]*)", rf"\g<1>{host}", url, count=1)


def _urls(content: Mapping[str, Any], found: Sequence[Model]) -> Iterator[tuple[KeyPath, str]]:
    """Yield the addresses for which Envoy has a cluster: of models, agents and filters, and where they stand."""
    for model in found:
        if model.base_url:
            yield (*model.path, "base_url"), model.base_url
    for key in ("agents", "filters"):
        listed = content.get(key)
        for at, entry in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(entry, dict) and isinstance(entry.get("url"), str):
                yield (key, at, "url"), entry["url"]


def _by_ipv4(config: ConfigFile, path: KeyPath, url: str) -> str:
    host, where = urls.read(url).host, config.where(*path)
    name = "localhost"
    with suppress(ValueError):
        address = ip_address(host.partition("%")[0])
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        name = str(mapped) if mapped else "localhost" if address.is_loopback else ""
    if name == "localhost":
        return (
            f"write `{path[-1]}: {shown(_with_host(url, name))}` in {where}, and have that server listen on {LOOPBACK}"
        )
    if name:
        return f"write `{path[-1]}: {shown(_with_host(url, name))}` in {where}"
    return f"write a name or an IPv4 address of that server in {where}"


def _is_ipv6(host: str, mode: str) -> bool:
    """Say whether a host has no address of IPv4: it is one of IPv6, or a name that this machine's file has so alone."""
    with suppress(ValueError):
        return ip_address(host.partition("%")[0]).version == 6  # noqa: PLR2004
    if mode != "native" or not host:
        return False
    found = _named(host)
    return bool(found) and all(":" in address for address in found)


def _named(host: str) -> list[str]:
    """Return the addresses that this machine's hosts file has for a name."""
    with suppress(OSError):
        lines = (line.partition("#")[0].split() for line in regular_file.text(_HOSTS).splitlines())
        return [words[0] for words in lines if host in (word.lower() for word in words[1:])]
    return []
