"""What a running Plano answers."""

from __future__ import annotations

import urllib.error
import urllib.request

from planodev.postgres.connection import LOOPBACK

_PATIENCE = 3.0  # seconds
_OK = 200


def silence(port: int, patience: float = _PATIENCE) -> str | None:
    """Say what keeps a Plano from answering, None where it answers.

    By its models, which brightstaff lists: `/healthz` is a fixed 200 from Envoy, also where brightstaff is dead.
    Source: planoai 0.4.39 `data/envoy.template.yaml`.

    Args:
        port: of the model listener.
        patience: seconds.

    """
    try:
        # Only ever this machine, and only ever http.
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/v1/models", timeout=patience) as answer:
            code = int(answer.status)
    except urllib.error.HTTPError as error:
        code = error.code
    except (OSError, ValueError):
        return f"GET :{port}/v1/models returns nothing"
    return None if code == _OK else f"GET :{port}/v1/models returns {code}, although /healthz may say that all is well"
