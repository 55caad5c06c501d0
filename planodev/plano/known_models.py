"""Names of models, to find a misspelt one: those that planoai ships, if it does, else those of `known_models.txt`.

planoai 0.4.39 brings none; Plano's own list is `provider_models.yaml`, which is looked for in its package by that name.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from planodev import urls
from planodev.plano.providers import BY_NAME, PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planodev.plano.models import Model

_FILE = "provider_models.yaml"
# Names of providers in that file, and planoai's own.
_OTHER_NAMES = {"amazon": "amazon_bedrock", "google": "gemini", "mistralai": "mistral", "x-ai": "xai", "z-ai": "zhipu"}
_NEAR = 2  # characters that may be wrong


def meant(model: Model, environment: Mapping[str, str] | None) -> str | None:
    """Return the model that was probably meant where this one is misspelt, without its provider; else None.

    A model that no list has is not misspelt for that: it has to be like one of a list in its numbers, too, since the
    next version of a model is a model.

    Args:
        model: of a configuration.
        environment: for the PATH on which planoai is looked for; None to look into the own list alone.

    """
    provider = _provider(model)
    if provider is None or model.wildcard or not _lists(f"{provider}/", own := _own()):
        return None
    if _lists(f"{provider}/{model.model_id}\n", own):
        return None
    brought = _brought(environment) if environment is not None else None
    lines = (brought or own).splitlines()
    known = [line.removeprefix(f"{provider}/") for line in lines if line.startswith(f"{provider}/")]
    if model.model_id in known:
        return None
    return next((name for name in known if _alike(model.model_id.lower(), name.lower())), None)


def _provider(model: Model) -> str | None:
    """Return the provider of a model, None where its base URL may be anybody's."""
    host = urls.read(model.base_url).host
    own = BY_NAME.get(model.prefix)
    if own:
        usual = own.chat_url or own.base_url
        return own.name if host in ("", urls.read(usual or "").host) else None
    by_host = (one.name for one in PROVIDERS if one.chat_url and urls.read(one.chat_url).host == host)
    return next(by_host, None)


def _alike(typed: str, known: str) -> bool:
    typed, known = _zeros(typed), _zeros(known)
    if re.findall(r"\d+", typed) != re.findall(r"\d+", known):
        return False
    if sorted(re.split(r"[-._:]", typed)) == sorted(re.split(r"[-._:]", known)):
        return True
    from difflib import SequenceMatcher

    changes = SequenceMatcher(None, typed, known, autojunk=False).get_opcodes()
    return sum(max(a - b, d - c) for kind, b, a, c, d in changes if kind != "equal") <= _NEAR


def _zeros(name: str) -> str:
    """Return a name in which the letter of `gpt-4o` and the number that it is taken for are one."""
    return re.sub(r"(?<=\d)o", "0", name)


def _lists(start: str, text: str) -> bool:
    return f"\n{start}" in text


@cache
def _own() -> str:
    return Path(__file__).with_suffix(".txt").read_text()


def _brought(environment: Mapping[str, str]) -> str | None:
    """Return planoai's own list as lines of `provider/model`, None where it ships none."""
    from planodev.plano.planoai import interpreter

    python = interpreter(environment)
    packages = python.parent.parent.glob("lib/python*/site-packages/planoai") if python else ()
    for file in (found for package in packages for found in package.rglob(_FILE)):
        with suppress(OSError, UnicodeDecodeError):
            names = re.findall(r"(?m)^\s*- [\"']?([\w-]+)/([^\s\"']+)", file.read_text())
            return "".join(f"{_OTHER_NAMES.get(provider, provider)}/{name}\n" for provider, name in names)
    return None
