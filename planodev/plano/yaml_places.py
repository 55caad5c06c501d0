"""The lines of a YAML text on which its parts stand, by the marks of ruamel.yaml's nodes.

What comes by an alias, or by `<<`, stands elsewhere: a change there would change other parts as well. Its place is that
of the part which takes it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Place(NamedTuple):
    """The first and the last line of a part, from 1, with its key or its dash."""

    first: int
    last: int

    def __str__(self) -> str:
        """Return it as messages name it."""
        return f"line {self.first}" if self.first == self.last else f"lines {self.first}–{self.last}"


def along(root: Any, text: str, path: tuple[str | int, ...]) -> Iterator[Place]:  # noqa: ANN401  ruamel.yaml has no types
    """Yield the place of each step of a path, as far as it stands there itself.

    Args:
        root: of the document, as it is composed, or once it was constructed.
        text: the document.
        path: such as `("listeners", 0, "port")`.

    """
    node = root
    for step in path:
        found = (
            _entry(node, text, step) if node.id == "sequence" else _value(node, step) if node.id == "mapping" else None
        )
        if found is None:
            return
        place, node = found
        yield place
        if node is None:  # an alias
            return


def alone(root: Any, path: tuple[str | int, ...]) -> bool:  # noqa: ANN401
    """Say whether a key is the only one of its mapping, so that nothing would be left there without it."""
    node = root
    for step in path[:-1]:
        if node.id == "sequence":
            node = node.value[step]
        else:
            node = next(value for key, value in reversed(node.value) if _is(key, step))
    return node.id == "mapping" and len(node.value) == 1


def _value(node: Any, step: str | int) -> tuple[Place, Any] | None:  # noqa: ANN401
    """Return the place of a key and its value, None for the value of an alias; None where the mapping lacks it."""
    # The keys merged by `<<` come first; a mapping's own keys, which override them, come later.
    pair: tuple[Any, Any] = (None, None)
    key, value = next(((key, value) for key, value in reversed(node.value) if _is(key, step)), pair)
    if key is None or key.start_mark.index < node.start_mark.index:
        return None
    is_alias = value.start_mark.index < key.start_mark.index
    return Place(key.start_mark.line + 1, _last_of(key, value) + 1), None if is_alias else value


def _last_of(key: Any, value: Any) -> int:  # noqa: ANN401
    """Return the last line of a key with its value: its own where that is an alias, or nothing, which has no marks."""
    is_alias = value.start_mark.index < key.start_mark.index
    is_nothing = value.start_mark.index == value.end_mark.index
    return int(key.end_mark.line) if is_alias or is_nothing else max(int(key.end_mark.line), _last(value))


def _is(key: Any, step: object) -> bool:  # noqa: ANN401
    """Say whether a key is the one of a path; `yes` is True there, and nothing None."""
    if isinstance(step, bool):
        return bool(key.tag) and str(key.tag).endswith(":bool") and (key.value.lower() in ("yes", "true", "on")) is step
    return bool(key.value == str(step)) or (step is None and str(key.tag).endswith(":null"))


def _entry(node: Any, text: str, step: str | int) -> tuple[Place, Any] | None:  # noqa: ANN401
    """Return the place of an entry of a list and its node, None for that of an alias; None where there is none."""
    if not isinstance(step, int) or step >= len(node.value):
        return None
    entry = node.value[step]
    if not _is_elsewhere(node, step):
        return Place(entry.start_mark.line + 1, _last(entry) + 1), entry
    # An alias has no marks of its own: it is the one that stands as far behind the last entry that has some.
    before = next((at for at in range(step - 1, -1, -1) if not _is_elsewhere(node, at)), None)
    start = node.start_mark.index if before is None else node.value[before].end_mark.index
    count = step if before is None else step - before - 1
    marks = [found.start(1) for found in re.finditer(r"[-,\[]\s*(\*[^\s,\]}]+)", text[max(start - 1, 0) :])]
    line = text.count("\n", 0, max(start - 1, 0) + marks[count]) + 1 if count < len(marks) else node.start_mark.line + 1
    return Place(line, line), None


def _is_elsewhere(node: Any, at: int) -> bool:  # noqa: ANN401
    """Say whether an entry of a list is an alias: what that names stands before the list, or before it in the list."""
    entry = node.value[at]
    first = all(entry is not other for other in node.value[:at])
    return not first or bool(entry.start_mark.index <= node.start_mark.index)


def _last(node: Any) -> int:  # noqa: ANN401
    """Return the last line of a node, from 0: of a block, that of its last scalar."""
    end = node.end_mark
    if node.id == "scalar":
        ends_before = node.style in ("|", ">") and end.column == 0 and end.line > node.start_mark.line
        return int(end.line - 1 if ends_before else end.line)
    if node.flow_style:
        return int(end.line)
    if node.id == "sequence":
        parts = [part for at, part in enumerate(node.value) if not _is_elsewhere(node, at)]
    else:
        own = [(key, value) for key, value in node.value if key.start_mark.index >= node.start_mark.index]
        return max([int(node.start_mark.line), *(_last_of(key, value) for key, value in own)])
    return max([int(node.start_mark.line), *map(_last, parts)])
