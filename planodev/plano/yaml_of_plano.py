"""YAML as planoai reads it: by the rules of 1.1, in which `yes` is true, `012` is ten and `0o12` is text.

Source: planoai 0.4.39 reads with PyYAML's `safe_load` (`config_generator.py`, `utils.py`); PyYAML 6.0 `resolver.py`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

# Scalars that ruamel.yaml, by the rules of 1.1, reads as booleans and numbers, and PyYAML as text.
_TEXT = r"[yYnN]|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"

# What Envoy reads as a number or a boolean, and refuses as a name; source: Envoy 1.37.0, `yaml_utility.cc`.
_NO_TEXT = r"(?i)y|n|yes|no|on|off|true|false|[-+]?(?:0x[0-9a-f]+|\d+)"


def reader() -> Any:  # noqa: ANN401  ruamel.yaml has no types
    """Return a reader that says where things stand, too, which PyYAML does only for what it takes apart itself."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.Resolver = _resolver()
    return yaml


@cache
def _resolver() -> Any:  # noqa: ANN401
    import ruamel.yaml
    import ruamel.yaml.nodes
    import ruamel.yaml.resolver

    class Resolver(ruamel.yaml.resolver.VersionedResolver):
        processing_version = (1, 1)  # also for a file that begins with `%YAML 1.2`

        def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:  # noqa: ANN401
            if kind is ruamel.yaml.nodes.ScalarNode and implicit[0] and re.fullmatch(_TEXT, value):
                return self.DEFAULT_SCALAR_TAG
            return super().resolve(kind, value, implicit)

    return Resolver


def is_readable(text: str) -> bool:
    """Say whether Envoy reads a name as the text that it is, when it stands in YAML without quotes."""
    if not text.isprintable() or text.startswith("&") or re.fullmatch(_NO_TEXT, text):
        return False
    import ruamel.yaml
    import ruamel.yaml.error

    try:
        read = reader().load(f"- name: {text}\n")[0]["name"]
    except (ruamel.yaml.error.YAMLError, LookupError, TypeError, ValueError):
        return False
    return read is not None and not isinstance(read, (dict, list))
