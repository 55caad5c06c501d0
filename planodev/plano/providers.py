"""Model providers, as Plano knows them.

Sources: planoai 0.4.39 `config_generator.py:12-37` (names, which need a base URL), `defaults.py:38-104` (keys, base
URLs) and `data/envoy.template.yaml` (which have an address there); katanemo/plano `provider_models.yaml` of 2026-07-09
(models of today) and its documents and demos (second names of keys).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from planodev.plano.access_keys import is_placeholder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# With this interface Plano sends OpenAI's chat completions to any address, and keeps the history itself.
CHAT_INTERFACE = "mistral"
# With these it does the same, for servers of one host: Envoy tells them apart by interface and host alone.
CHAT_INTERFACES = (CHAT_INTERFACE, "deepseek", "xiaomi")
OWNER_KNOWS = ""


class Provider(NamedTuple):
    """One provider.

    Args:
        name: the part of a model before the slash.
        keys: the variables that may hold its access key, the usual one first; none for a provider without one.
        model: the model that is taken when only the key is known, "" for a provider that is never guessed.
        base_url: what a configuration has to give, since planoai or Envoy has no address for it; `OWNER_KNOWS` where
            that is the user's own, None where it need not be given.
        chat_url: its address in the form of chat completions, for one whose conversations Plano keeps only in that
            form; None for all others.
        chat_costs: whether that form lacks what the provider's own one has.

    """

    name: str
    keys: tuple[str, ...]
    model: str
    base_url: str | None = None
    chat_url: str | None = None
    chat_costs: bool = False

    def key_in(self, sources: Sequence[tuple[str, Mapping[str, str]]]) -> tuple[str, str] | None:
        """Return the variable that has its key and the place where, None where no place has one.

        Args:
            sources: places with keys, such as `[(".env", {...}), ("the shell", {...})]`.

        """
        for place, values in sources:
            for key in self.keys:
                if values.get(key) and not is_placeholder(values[key]):
                    return key, place
        return None


# In the order of preference where several keys exist.
PROVIDERS = (
    Provider("anthropic", ("ANTHROPIC_API_KEY",), "claude-sonnet-4-6"),
    Provider("gemini", ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "gemini-2.5-flash"),
    Provider("mistral", ("MISTRAL_API_KEY",), "mistral-large-latest"),
    Provider("groq", ("GROQ_API_KEY",), "llama-3.3-70b-versatile", chat_url="https://api.groq.com/openai/v1"),
    Provider("deepseek", ("DEEPSEEK_API_KEY",), "deepseek-v4-flash"),
    Provider("together_ai", ("TOGETHER_API_KEY",), "openai/gpt-oss-20b"),
    Provider("digitalocean", ("DO_API_KEY", "DIGITALOCEAN_API_KEY"), "anthropic-claude-4.6-sonnet"),
    Provider("openrouter", ("OPENROUTER_API_KEY",), "anthropic/claude-sonnet-4.6", "https://openrouter.ai/api/v1"),
    Provider("edenai", ("EDENAI_API_KEY",), "anthropic/claude-sonnet-4-5", "https://api.edenai.run/v3"),
    Provider("moonshotai", ("MOONSHOTAI_API_KEY", "MOONSHOT_API_KEY"), "kimi-k2.6"),
    Provider("zhipu", ("ZHIPU_API_KEY",), "glm-5.1"),
    Provider("xiaomi", ("MIMO_API_KEY",), "mimo-v2.5"),
    Provider("qwen", ("DASHSCOPE_API_KEY",), "qwen3-max", "https://dashscope.aliyuncs.com"),
    Provider("openai", ("OPENAI_API_KEY",), "gpt-4o", chat_url="https://api.openai.com/v1", chat_costs=True),
    Provider("xai", ("XAI_API_KEY", "GROK_API_KEY"), "grok-4.3", chat_url="https://api.x.ai/v1", chat_costs=True),
    Provider(
        "vercel",
        ("AI_GATEWAY_API_KEY",),
        "anthropic/claude-sonnet-4.6",
        "https://ai-gateway.vercel.sh/v1",
        chat_url="https://ai-gateway.vercel.sh/v1",
        chat_costs=True,
    ),
    Provider("ollama", (), "", "http://localhost:11434"),
    Provider("chatgpt", (), ""),
    Provider("azure_openai", ("AZURE_OPENAI_API_KEY",), "", OWNER_KNOWS),
    Provider("amazon_bedrock", ("AWS_BEARER_TOKEN_BEDROCK",), "", OWNER_KNOWS),
    Provider("plano", (), "", OWNER_KNOWS),
)
BY_NAME = {provider.name: provider for provider in PROVIDERS}
# Those for which planodev can write an entry.
OFFERED = tuple(provider for provider in PROVIDERS if provider.base_url != OWNER_KNOWS)
FALLBACK = f"{PROVIDERS[0].name}/{PROVIDERS[0].model}"


_NEAR = 0.75  # likeness from 0 to 1: `antropic` means `anthropic`, but `vllm` not `ollama`
# Other names that people use, and Plano's own.
_OTHER_NAMES = {"claude": "anthropic", "google": "gemini", "together": "together_ai", "azure": "azure_openai"}
_OTHER_NAMES |= {"bedrock": "amazon_bedrock", "grok": "xai", "moonshot": "moonshotai", "kimi": "moonshotai"}


def probable_provider(name: str) -> str | None:
    """Return the provider that was probably meant by an unknown name."""
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), list(BY_NAME), n=1, cutoff=_NEAR)
    return _OTHER_NAMES.get(name.lower()) or next(iter(near), None)


def check_model(model: str) -> str:
    """Return a model that a template can take as it is.

    Raises:
        ValueError: it is not PROVIDER/MODEL, or the provider is one that needs more than a name.

    """
    name, _, rest = model.partition("/")
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._:/@+-]*[A-Za-z0-9._/@+-])?", rest) or not re.fullmatch(
        r"[a-z0-9_]+", name
    ):
        raise ValueError(f"PROVIDER/MODEL, such as `{FALLBACK}`")
    provider = BY_NAME.get(name)
    if provider is None:
        meant = probable_provider(name)
        better = f"; did you mean `{meant}/{rest}`?" if meant else ""
        known = ", ".join(sorted(one.name for one in OFFERED))
        raise ValueError(f"Plano knows no provider `{name}`{better}; it knows {known}")
    if provider.base_url == OWNER_KNOWS:
        raise ValueError(f"`{name}` needs a base_url of your own: write config.yaml by hand for it")
    return model


def choose(sources: Sequence[tuple[str, Mapping[str, str]]]) -> tuple[str, str]:
    """Return the model to start with and why, by the keys that are there.

    Providers that lose nothing by Plano keeping their conversations come first, within each the places in the given
    order.

    Args:
        sources: places with keys, as for `Provider.key_in`.

    """
    for costs in (False, True):
        for source in sources:
            for provider in PROVIDERS:
                found = provider.key_in([source]) if provider.model and provider.chat_costs is costs else None
                if found:
                    return f"{provider.name}/{provider.model}", f"by {found[0]}"
    for provider in PROVIDERS:
        found = provider.key_in(sources) if provider.base_url == OWNER_KNOWS else None
        if found:
            return FALLBACK, f"{found[0]} needs a base_url of your own beside it"
    return FALLBACK, "no provider key found"


class Entry(NamedTuple):
    """What a template writes for one model, in the form in which Plano keeps its conversations.

    Args:
        model: with the prefix that the form takes.
        key: the variable of its access key, None without one.
        base_url: None where it is not given.
        interface: `provider_interface`, None where the prefix says it.
        provider: whose model it is.
        costs: whether the form lacks what the provider's own one has.

    """

    model: str
    key: str | None
    base_url: str | None
    interface: str | None
    provider: str
    costs: bool


def entry(model: str, sources: Sequence[tuple[str, Mapping[str, str]]] = ()) -> Entry:
    """Return what a template needs to write one `model_providers` entry.

    Args:
        model: as `check_model` lets it pass.
        sources: places with keys; the variable that is there is the one that is written.

    """
    provider = BY_NAME[model.partition("/")[0]]
    found = provider.key_in(sources)
    key = found[0] if found else next(iter(provider.keys), None)
    if provider.chat_url:
        written = f"{chat_prefix(provider.name)}/{model.partition('/')[2]}"
        return Entry(written, key, provider.chat_url, CHAT_INTERFACE, provider.name, provider.chat_costs)
    return Entry(model, key, provider.base_url, None, provider.name, costs=False)


def chat_prefix(name: str) -> str:
    """Return a prefix that no provider has, for the models of one that are reached as chat completions."""
    return f"{name}-chat"
