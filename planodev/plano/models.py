"""The models of a configuration as Plano reads them: where a conversation with each goes, and whether Plano keeps it.

Plano keeps the conversations of POST /v1/responses exactly where the path that it sends them to is another one: then
the provider has no history of its own. Sources: Plano 0.4.36 `crates/hermesllm/src/clients/endpoints.rs:85-205` (the
path), `crates/brightstaff/src/handlers/llm/mod.rs:49,757-770,1054-1101` (what it decides), planoai 0.4.39
`config_generator.py:395-545` (interface, base URL and name).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from planodev import urls
from planodev.plano.entries import entries, numbered
from planodev.plano.providers import BY_NAME, CHAT_INTERFACE, CHAT_INTERFACES, chat_prefix
from planodev.postgres.connection import DOCKER_HOST_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

LISTS = ("model_providers", "llm_providers")
RESPONSES = "/v1/responses"
# Plano calls the /responses of these, and chat completions of all others.
_RESPONDERS = frozenset({"openai", "xai", "chatgpt", "vercel"})
# The prefix of the path where a base URL has none, for providers other than those with `v1`.
_PREFIXES = {
    "groq": "openai",
    "zhipu": "api/paas/v4",
    "qwen": "compatible-mode/v1",
    "azure_openai": "openai/deployments",
    "gemini": "v1beta/openai",
    "amazon_bedrock": "",
}
_CHATGPT_URL = "https://chatgpt.com/backend-api/codex"  # planoai's default
_UNVERSIONED = "perplexity/"


class Model(NamedTuple):
    """One entry of `model_providers`.

    Args:
        path: where it stands in the configuration, such as `("model_providers", 0)`.
        name: `PREFIX/MODEL`, as it is written.
        interface: whose form Plano speaks to it; None where nothing says it, which planoai refuses.
        base_url: "" where none is given.
        default: whether a client that names no model gets this one.
        known_as: its `name`, "" where none is given.
        http_host: the name by which its server is asked, "" for that of the URL.
        chat_interface: the interface of `chat_form`, with which it has a cluster of its own.

    """

    path: tuple[str, int]
    name: str
    interface: str | None
    base_url: str
    default: bool
    known_as: str = ""
    http_host: str = ""
    chat_interface: str = CHAT_INTERFACE

    @property
    def prefix(self) -> str:
        """The part of the name before the slash, "" where there is none."""
        return self.name.partition("/")[0].strip() if "/" in self.name else ""

    @property
    def model_id(self) -> str:
        """The name without its prefix, by which clients may ask for it, too."""
        return self.name.partition("/")[2]

    @property
    def wildcard(self) -> bool:
        """Whether it stands for all models of its prefix."""
        return self.name.rpartition("/")[2].strip() == "*"

    @property
    def router(self) -> bool:
        """Whether it is one of Plano's own models, which route and do not chat."""
        return self.interface == "plano"

    @property
    def answers(self) -> bool:
        """Whether POST /v1/responses gets an answer: Plano sends groq's the body of another request."""
        return self.interface != "groq"

    @property
    def stored(self) -> bool:
        """Whether Plano keeps the conversations with it."""
        return self.answers and upstream_path(self) != RESPONSES

    @property
    def chat_form(self) -> dict[str, str] | None:
        """The keys of the form in which Plano keeps its conversations; None where it has no such form.

        All names of a wildcard would change with its prefix, and `chatgpt` knows no chat completions. One of an unknown
        provider has an address of its own, or does not start.
        """
        return self.form_by(self.chat_interface)

    def form_by(self, interface: str) -> dict[str, str] | None:
        """Return the keys of `chat_form` by one of `CHAT_INTERFACES`."""
        own = BY_NAME.get(self.prefix)
        if self.wildcard or self.interface == "chatgpt" or not (self.model_id and (own or self.base_url)):
            return None
        base_url = self.base_url or (own.chat_url if own else None) or ""
        path = urls.read(base_url).path.rstrip("/")
        if self.interface == "groq" and path in ("", "/openai"):  # groq's own path is `/openai/v1`
            base_url = base_url.rstrip("/") + ("/v1" if path else "/openai/v1")
        name = f"{chat_prefix(self.prefix)}/{self.model_id}" if own else self.name
        return {"model": name, "base_url": base_url, "provider_interface": interface}


def of(content: Mapping[str, Any]) -> list[Model]:
    """Return the models that a parsed configuration names, routers too."""
    found = list(_read(content))
    return found if all(model.stored for model in found) else list(_told_apart(found))


class Cluster(NamedTuple):
    """What Envoy calls the servers of a model by, in planoai's configuration of it."""

    interface: str | None
    host: str


class Server(NamedTuple):
    """One server of a cluster: Envoy has the first that planoai meets, whatever the next ones of that name are."""

    scheme: str
    port: int
    http_host: str


def server_of(model: Model, mode: str = "") -> tuple[Cluster, Server] | None:
    """Return the cluster that planoai writes for the `base_url` of a model, None without one or where it is invalid.

    Source: planoai 0.4.39 `config_generator.py:505-545`.

    Args:
        model: the model.
        mode: `docker`, where planoai writes another name for `localhost`; or any other.

    """
    url = urls.read(model.base_url)
    if not url.host or not url.port_is_valid or not model.interface:  # reported where it is judged
        return None
    host = url.host.replace("localhost", DOCKER_HOST_NAME) if mode == "docker" else url.host
    port = (443 if url.scheme == "https" else 80) if url.port is None else url.port
    return Cluster(model.interface, host), Server(url.scheme, port, model.http_host)


def merged(found: Iterable[Model], mode: str = "") -> Iterator[tuple[Model, Model]]:
    """Yield each model that Plano asks another one's server for, behind that other one.

    Args:
        found: the models of one configuration, in its order.
        mode: as for `server_of`.

    """
    firsts: dict[Cluster, tuple[Model, Server]] = {}
    for model in found:
        placed = server_of(model, mode)
        if placed:
            first, server = firsts.setdefault(placed[0], (model, placed[1]))
            if server != placed[1]:
                yield first, model


class Placement(NamedTuple):
    """A form in which Plano keeps the conversations with a model, and the server that it is asked of then."""

    interface: str
    form: dict[str, str]
    cluster: Cluster
    server: Server


def placements(model: Model, mode: str) -> Iterator[Placement]:
    """Yield the placements of a model by each of `CHAT_INTERFACES`, in their order; `mode` is as for `server_of`."""
    for interface in CHAT_INTERFACES:
        form = model.form_by(interface)
        placed = form and server_of(model._replace(base_url=form["base_url"], interface=interface), mode)
        if form and placed:
            yield Placement(interface, form, *placed)


def _told_apart(found: Sequence[Model]) -> Iterator[Model]:
    """Yield the models, those that are not stored with an interface that leads to no other one's server."""
    placed = [server_of(model, "docker") for model in found if model.stored or not model.chat_form]
    taken = dict(one for one in reversed(placed) if one)
    for model in found:
        if model.stored or not model.chat_form:
            yield model
            continue
        free = (one for one in placements(model, "docker") if taken.get(one.cluster, one.server) == one.server)
        chosen = next(free, None)
        if chosen is None:
            yield model
            continue
        taken[chosen.cluster] = chosen.server
        yield model._replace(chat_interface=chosen.interface)


def _read(content: Mapping[str, Any]) -> Iterator[Model]:
    key = next((name for name in LISTS if entries(content, name)), LISTS[0])
    for at, entry in numbered(content, key):
        if not isinstance(entry.get("model"), str):
            continue
        name, base_url = entry["model"], entry.get("base_url")
        prefix = name.partition("/")[0].strip()
        interface = prefix if prefix in BY_NAME else entry.get("provider_interface")
        base_url = base_url if isinstance(base_url, str) else ""
        if interface == "chatgpt":
            base_url = base_url or _CHATGPT_URL
        known_as, http_host = (str(entry.get(word) or "") for word in ("name", "http_host"))
        yield Model((key, at), name, interface, base_url, entry.get("default") is True, known_as, http_host)


def upstream_path(model: Model) -> str:
    """Return the path that Plano sends a POST /v1/responses for this model to."""
    interface = model.interface or ""
    suffix = "responses" if interface in _RESPONDERS else "chat/completions"
    if interface == "groq":
        suffix = RESPONSES.strip("/")
    elif interface == "azure_openai":
        suffix = f"{model.model_id}/{suffix}?api-version=2025-01-01-preview"
    elif interface == "amazon_bedrock":
        suffix = f"model/{model.model_id}/converse"
    usual = "" if (model.known_as or model.name).startswith(_UNVERSIONED) else "v1"
    prefix = urls.read(model.base_url).path.strip("/") or _PREFIXES.get(interface, usual)
    return f"/{prefix}/{suffix}" if prefix else f"/{suffix}"
