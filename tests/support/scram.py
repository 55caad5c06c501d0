"""What a server does with a verifier: compare it with a password."""

from __future__ import annotations

import base64
import hashlib
import hmac


def matches(stored, password):
    """Say whether a password is the one that a verifier of SCRAM stands for; any other text is the password itself."""
    if not stored.startswith("SCRAM-SHA-256$"):
        return stored == password
    iterations, _, salt = stored.split("$")[1].partition(":")
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    client = hmac.new(key, b"Client Key", "sha256").digest()
    return base64.b64encode(hashlib.sha256(client).digest()).decode() == stored.split("$")[2].partition(":")[0]
