"""Which server Plano asks for a model: it sends requests to clusters of Envoy, and not all lead where they should.

planoai names a cluster after interface and host alone, and writes the first one of a name; Envoy looks hosts up for
IPv4 only. Sources: planoai 0.4.39 `config_generator.py:505-545`, `data/envoy.template.yaml` (`dns_lookup_family`); both
seen with Envoy 1.37.0: the second of two ports was never asked, and an IPv6 address has "no healthy upstream".
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planodev import urls
from planodev.plano import models
from planodev.plano.entries import numbered
from planodev.plano.providers import BY_NAME
from planodev.plano.rules import shown
from planodev.postgres.connection import LOOPBACK
from planodev.problems import Problem
from planodev.project import regular_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from planodev.plano.config_file import ConfigFile, KeyPath
    from planodev.plano.models import Model

    Addresses = list[IPv4Address | IPv6Address]

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
        origin, place = urls.read(first.base_url).origin, config.at(*first.path, "model")
        address = f"{shown(origin)}, the server of `{shown(first.name)}`{place}"
        message = f"requests for `{shown(model.name)}`{config.at(*model.path, 'model')} go to {address}"
        why = "Plano tells servers apart by interface and host alone"
        yield Problem("servers-merged", message, fix, why, "error" if model == default else "warning")
    hosts = [(path, urls.read(url).host) for path, url in _urls(content, found)]
    named = _named() if mode == "native" and hosts else {}  # in a container it is another file
    for path, host in hosts:
        addresses = _read(host) or named.get(host, [])
        if addresses and all(isinstance(one, IPv6Address) for one in addresses):
            message = f"`{path[-1]}`{config.at(*path)} leads to {shown(host)}, which Plano never reaches"
            fatal = default is not None and path[:-1] == default.path
            fix, why = _by_ipv4(config.where(*path), host, addresses, mode), "it looks servers up for IPv4 alone"
            yield Problem("ipv6-unreached", message, fix, why, "error" if fatal else "warning")


def _apart(config: ConfigFile, found: Sequence[Model], model: Model, mode: str) -> str:
    """Return what gives a model's server a cluster of its own: another name of its host, or another interface."""
    taken = {placed[0] for one in found if (placed := models.server_of(one, mode))}

    host = urls.read(model.base_url).host
    name = _NAMES.get(host) if mode == "native" else None
    if name and models.Cluster(model.interface or "", name) not in taken:
        return f"write `{name}` for the host `{host}` in {config.where(*model.path, 'base_url')}"
    form = next((one.form for one in models.placements(model, mode) if one.cluster not in taken), None)
    if form and shown(form["model"]) == form["model"]:
        keys = ("provider_interface",) if model.prefix not in BY_NAME else ("model", "provider_interface")
        lines = ", ".join(f"`{key}: {shown(form[key])}`" for key in keys)
        return f"write {lines} in {config.where(*model.path, 'model')}"
    where = config.where(*model.path, "base_url")
    return f"give that server another host name in its `base_url` in {where}: one that leads to the same machine"


def _urls(content: Mapping[str, Any], found: Sequence[Model]) -> Iterator[tuple[KeyPath, str]]:
    """Yield the addresses for which Envoy has a cluster: of models, agents and filters, and where they stand."""
    for model in found:
        if model.base_url:
            yield (*model.path, "base_url"), model.base_url
    for key in ("agents", "filters"):
        for at, entry in numbered(content, key):
            if isinstance(entry.get("url"), str):
                yield (key, at, "url"), entry["url"]


def _by_ipv4(where: str, host: str, addresses: Addresses, mode: str) -> str:
    """Return what leads to the same server by IPv4; what else its URL holds is not shown, such as a password."""
    written = f"the host `{shown(f'[{host}]' if ':' in host else host)}` in {where}"
    mapped = next((one.ipv4_mapped for one in addresses if isinstance(one, IPv6Address) and one.ipv4_mapped), None)
    if mapped:
        return f"write `{mapped}` for {written}"
    if all(one.is_loopback for one in addresses):
        # In Docker planoai writes the name by which a container reaches this machine, and for `localhost` alone.
        name = "localhost" if mode == "docker" else LOOPBACK
        return f"write `{name}` for {written}, and have that server listen on {LOOPBACK}"
    return f"write a name or an IPv4 address of that server in {where}"


def _read(address: str) -> Addresses:
    """Return an address, without its zone; none where it is a name."""
    with suppress(ValueError):
        return [ip_address(address.partition("%")[0])]
    return []


def _named() -> Mapping[str, Addresses]:
    """Return what this machine's hosts file has for each name."""
    found: defaultdict[str, Addresses] = defaultdict(list)
    with suppress(OSError):
        for line in regular_file.text(_HOSTS).splitlines():
            address, *names = line.partition("#")[0].split() or [""]
            for name in names:
                found[name.lower()] += _read(address)
    return found
