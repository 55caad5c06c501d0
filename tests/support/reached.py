"""What a test consists of: its own source, and that of its module which it uses."""

from __future__ import annotations

import ast
import re


def reached(text, name):
    """Return the source of a test, and of whatever of its module it names, and of what that names."""
    tree, lines, parts = ast.parse(text), text.splitlines(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            first = min(one.lineno for one in (*node.decorator_list, node))
            parts[node.name] = lines[first - 1 : node.end_lineno]
    for node in tree.body:
        if isinstance(node, ast.Assign):
            parts[ast.unparse(node.targets[0])] = lines[node.lineno - 1 : node.end_lineno]
    parts = {name: "\n".join(lines) for name, lines in parts.items()}
    found, left = {}, {name}
    while left:
        at = left.pop()
        found[at] = parts.pop(at)
        left |= {*re.findall(r"\w+", found[at])} & {*parts}
    return "\n".join(found.values())
