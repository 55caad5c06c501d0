"""Foreign text without the secrets of the project's files: logs of Postgres and of Plano."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev import masking
from planodev.postgres.connection import encode_password
from planodev.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from planodev.look import Files

_SHORTEST = 6  # characters; hiding shorter secrets would hide ordinary words


def secrets(files: Files) -> list[str]:
    """Return what must not be shown: what is secret in `.env`, and the password in both forms; the longest first."""
    password = files.credentials.password or ""
    return _ordered({*masking.secrets_in(files.env.values), password, encode_password(password)})


def among(values: Mapping[str, str]) -> list[str]:
    """Return the same of the values of an environment file, as they are written there or read."""
    return _ordered(set(masking.secrets_in({name: value.strip("\"'") for name, value in values.items()})))


def _ordered(found: set[str]) -> list[str]:
    return sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True)


def masked(text: str, secrets: list[str]) -> Iterator[str]:
    """Yield the lines of a text, safe to show, with `***` for each secret and for who stands in an address."""
    for line in text.splitlines():
        shown = line
        for secret in secrets:
            shown = shown.replace(secret, masking.HIDDEN)
        yield visible(masking.urls(shown))
