"""Foreign text without the secrets of the project's files: logs of Postgres and of Plano."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.postgres.connection import encode_password
from planodev.project import env_keys
from planodev.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planodev.look import Files

_SHORTEST = 6  # characters of a secret: hiding less would hide words


def secrets(files: Files) -> list[str]:
    """Return what must not be shown: the password in both its forms, and the provider keys; the longest first."""
    values = [value for name, value in files.env.values.items() if name.endswith("_KEY") or name == env_keys.PASSWORD]
    password = files.credentials.password or ""
    found = {*values, password, encode_password(password)}
    return sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True)


def masked(text: str, secrets: list[str]) -> Iterator[str]:
    """Yield the lines of a text, safe to show, with `***` for each secret."""
    for line in text.splitlines():
        shown = line
        for secret in secrets:
            shown = shown.replace(secret, "***")
        yield visible(shown)
