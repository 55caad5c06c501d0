"""Model providers, as Plano knows them.

Sources: planoai 0.4.39 `config_generator.py:12-37` (names, which need a base URL) and `defaults.py:38-104`
(keys); Plano 0.4.36 `crates/hermesllm/src/clients/endpoints.rs:193-204` (who keeps the history itself).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Provider:
    """One provider.

    Args:
        name: the part of a model before the slash.
        key: the variable with its access key, None for a provider without one.
        model: the model that is taken when only the key is known, None for a provider that is never guessed.
        base_url: where planoai insists on a URL.

    """

    name: str
    key: str | None
    model: str | None = None
    base_url: str | None = None


# Plano forwards /v1/responses to these providers' own endpoint and then stores nothing.
KEEP_OWN_HISTORY = frozenset({"openai", "xai", "chatgpt", "vercel"})

# In the order in which they are preferred when several keys are there; models are those that Plano's own
# templates and documentation name.
_PROVIDERS = (
    Provider("anthropic", "ANTHROPIC_API_KEY", "claude-sonnet-4-5"),
    Provider("gemini", "GEMINI_API_KEY", "gemini-2.5-flash"),
    Provider("mistral", "MISTRAL_API_KEY", "mistral-large-latest"),
    Provider("groq", "GROQ_API_KEY", "llama-3.3-70b-versatile"),
    Provider("deepseek", "DEEPSEEK_API_KEY", "deepseek-chat"),
    Provider("together_ai", "TOGETHER_API_KEY"),
    Provider("digitalocean", "DO_API_KEY"),
    Provider("openrouter", "OPENROUTER_API_KEY"),
    Provider("edenai", "EDENAI_API_KEY"),
    Provider("moonshotai", "MOONSHOTAI_API_KEY"),
    Provider("zhipu", "ZHIPU_API_KEY"),
    Provider("xiaomi", "MIMO_API_KEY"),
    Provider("ollama", None, None, "http://localhost:11434"),
    Provider("openai", "OPENAI_API_KEY", "gpt-4o"),
    Provider("xai", "XAI_API_KEY", "grok-3"),
    Provider("vercel", "AI_GATEWAY_API_KEY"),
    Provider("chatgpt", None),
)
BY_NAME = {provider.name: provider for provider in _PROVIDERS}
# These need a base URL that only their owner knows.
_NEED_URL = ("azure_openai", "qwen", "amazon_bedrock", "plano")
FALLBACK = "openai/gpt-4o"


def check_model(model: str) -> str:
    """Return a model that a template can take as it is.

    Raises:
        ValueError: it is not PROVIDER/MODEL, or the provider is one that needs more than a name.

    """
    provider, _, name = model.partition("/")
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._:/@+-]*[A-Za-z0-9._/@+-])?", name) or not re.fullmatch(
        r"[a-z0-9_]+", provider
    ):
        raise ValueError("PROVIDER/MODEL, such as `anthropic/claude-sonnet-4-5`")
    if provider in _NEED_URL:
        raise ValueError(f"`{provider}` needs a base_url of your own: write config.yaml by hand for it")
    if provider not in BY_NAME:
        raise ValueError(f"Plano knows no provider `{provider}`; it knows {', '.join(sorted(BY_NAME))}")
    return model


def choose(sources: list[tuple[str, Mapping[str, str]]]) -> tuple[str, str]:
    """Return the model to start with and why, by the keys that are there.

    Providers whose conversations Plano stores come first, within each the places in the given order.

    Args:
        sources: places with keys, such as `[(".env", {...}), ("the shell", {...})]`.

    """
    for stored in (True, False):
        for place, values in sources:
            for provider in _PROVIDERS:
                if (
                    provider.key
                    and provider.model
                    and (provider.name not in KEEP_OWN_HISTORY) is stored
                    and values.get(provider.key)
                ):
                    return f"{provider.name}/{provider.model}", f"{provider.key} is in {place}"
    return FALLBACK, "no provider key was found"


def entry(model: str) -> dict[str, str | None]:
    """Return what a template needs to write one `model_providers` entry."""
    provider = BY_NAME[model.partition("/")[0]]
    return {"model": model, "key": provider.key, "base_url": provider.base_url}


def stored_by_plano(model: str) -> bool:
    """Say whether Plano stores conversations with this model; it does not where the provider does so itself."""
    return model.partition("/")[0] not in KEEP_OWN_HISTORY
