"""Every code of a problem that planodev can say, as its source and its reference have them."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

from planodev.engines import failures
from planodev.plano import driver_url

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs/reference/errors.md"
# Whatever takes a stable code as its first argument.
CODED = {
    *("PlanodevError", "BadInput", "NoEngine", "Conflict", "CredentialsRefused", "NotReady", "VerificationFailed"),
    *("Interrupted", "CommandNotStarted", "Problem", "KeyProblem", "_problem", "_error", "_fail"),
}


def in_source():
    """Yield each code wherever it stands: in a call, on its way to one, or in a table."""
    for path in (ROOT / "planodev").rglob("*.py"):
        text = path.read_text()
        if path.name not in ("providers.py", "driver_url.py"):  # which hold names of models and of the driver
            yield from re.findall(r"\", \"(image-[a-z-]+|[a-z]+(?:-[a-z]+)+)\"\)", text)
        for call in calls(text):
            first = call.args[0] if call.args else None
            literals = ast.walk(first) if isinstance(first, ast.IfExp) else [first]
            yield from (node.value for node in literals if isinstance(node, ast.Constant) and "-" in str(node.value))
    yield from failures.table()["codes"]
    for code in (*driver_url._FAULTS, "parameter-unknown", "value", "part"):
        yield f"connection-string-{code}"


@functools.cache
def calls(text):
    """Return the calls in a module that make a problem."""
    found = (call for call in ast.walk(ast.parse(text)) if isinstance(call, ast.Call))
    return [call for call in found if getattr(call.func, "id", getattr(call.func, "attr", "")) in CODED]


def in_reference():
    """Yield each code that the reference explains, also those that the source puts together."""
    for line in REFERENCE.read_text().partition("## Error codes")[2].splitlines():
        if line.startswith("| `"):
            yield from re.findall(r"`([a-z]+(?:-[a-z]+)*)`", line.split("|")[1])
