"""The schemas of docs/schemas, held against what planodev prints."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

PLACE = Path(__file__).parents[2] / "docs/schemas"


def hold(document):
    """Hold one `--json` to the schema of its command, or, where no command was recognised, to what all share."""
    schema(document["command"]).validate(document)


@cache
def schema(command):
    from jsonschema import Draft202012Validator
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    names = [path.name for path in PLACE.glob("*.json")]
    resources = [(name, DRAFT202012.create_resource(json.loads((PLACE / name).read_text()))) for name in names]
    file = f"{command.split(' ')[0]}.json" if command != "planodev" else "common.json#/$defs/envelope"
    return Draft202012Validator({"$ref": file}, registry=Registry().with_resources(resources))
