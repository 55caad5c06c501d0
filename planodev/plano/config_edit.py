"""The one edit that planodev makes in a configuration that belongs to the user: `state_storage`.

ruamel.yaml says where things stand in the text, and the text is changed there and nowhere else: comments, quotes,
anchors, indentation and line ends cannot change, because they are not written again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from planodev.postgres.connection import CONNECTION_STRING

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "state_storage"
_TYPE = "postgres"
_STRING = f'"{CONNECTION_STRING}"'
_NULL = "tag:yaml.org,2002:null"
_JSON = f'"{KEY}": {{"type": "{_TYPE}", "connection_string": {_STRING}}}'
# What a value is called that nobody else may see, and the password of a URL; names of variables and plain words stay.
_HIDDEN = re.compile(
    r"(?i)((?:key|token|secret|passw|auth|credential)[\w-]*[\"']?\s*[:=]\s*[\"']?(?:bearer\s+|basic\s+)?)"
    r"(?!\$|true\b|false\b|null\b|\d+\b)[^\s\"',}&]+|(://[^:/@\s]*:)(?!\$)[^@\s]+(?=@)"
)
_FLOW = f"{{type: {_TYPE}, connection_string: {_STRING}}}"


class NotEditable(Exception):
    """The text is valid, and yet there is no way to change `state_storage` and nothing else."""


def with_storage(text: str) -> str:
    """Return the text with conversations stored in postgres, and all else as it was.

    A connection string that is there is kept, whatever it says.

    Args:
        text: a YAML mapping that loads without an error.

    Raises:
        NotEditable: the edit would change something else.
        ruamel.yaml.error.YAMLError: the text does not load.

    """
    before = _load(text)
    if _stores(before.get(KEY)):
        return text
    wanted = {name: value for name, value in before.items() if name != KEY}
    from ruamel.yaml.error import YAMLError

    for candidate in _candidates(text):
        try:
            after = _load(candidate)
        except YAMLError:
            continue
        if _stores(after.pop(KEY, None)) and after == wanted and list(after) == list(wanted):
            return candidate
    raise NotEditable(f"`{KEY}` cannot be changed without changing something else")


def diff(old: str, new: str, name: str) -> list[str]:
    """Return the change as lines of a unified diff, without line ends, and without what is secret in them."""
    import difflib

    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), name, f"{name} (planodev)", n=2, lineterm="")
    return [_HIDDEN.sub(lambda found: f"{found[1] or found[2]}***", line) for line in lines]


def _stores(storage: Any) -> bool:  # noqa: ANN401
    return isinstance(storage, dict) and storage.get("type") == _TYPE and bool(storage.get("connection_string"))


def _load(text: str) -> dict[str, Any]:
    from ruamel.yaml import YAML

    loaded = YAML(typ="safe", pure=True).load(text.removeprefix("\ufeff"))
    if not isinstance(loaded, dict):
        raise NotEditable("it holds no mapping of keys")
    return dict(loaded)


def _candidates(text: str) -> Iterator[str]:
    """Yield edited texts, the nicest first; whether one changes something else is for the caller to see."""
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    text = text.removeprefix(mark)
    page = _Page(text)
    for changes in page.ways():
        edited = text
        # From the end on, so that places stay true; of two at one place the first one has to be inserted last.
        for start, end, new in sorted(changes, key=lambda change: change[:2])[::-1]:
            edited = edited[:start] + new + edited[end:]
        yield mark + edited


Change = tuple[int, int, str]


class _Page:
    """A text and where its nodes stand."""

    def __init__(self, text: str) -> None:
        from ruamel.yaml import YAML

        self.text = text
        self.root: Any = YAML(typ="safe", pure=True).compose(text)
        self.newline = "\r\n" if "\r\n" in text else "\n"

    def ways(self) -> Iterator[list[Change]]:
        found = next(((key, value) for key, value in self.root.value if key.value == KEY), None)
        if found is None:
            yield from self._added()
            return
        key, value = found
        if value.start_mark.index < key.end_mark.index:  # an alias: the node stands where its anchor is
            alias = re.compile(r"\s*:\s*(\*[^\s,}\]]+)").match(self.text, key.end_mark.index)
            if alias:
                yield [(alias.start(1), alias.end(1), _FLOW)]
            return
        start, end = self._span(key, value)
        if value.id == "mapping" and value.value:
            yield self._completed(value)
            yield [self._rewritten(value)]
            return
        if value.id == "scalar" and not self.root.flow_style:
            # What stood behind the colon goes; a comment there stays on its line.
            line_end = self._line_end(end)
            blank = not self.text[end:line_end].strip()
            gone = (self._colon(key) if blank else start, end, "")
            yield [gone, (line_end, line_end, self._lines(key.start_mark.column + 2))]
        yield [(start, end, f" {_FLOW}" if start == self._colon(key) else _FLOW)]

    def _added(self) -> Iterator[list[Change]]:
        if self.root.flow_style:
            if not self.root.value:
                return
            key, value = self.root.value[-1]
            last = self._span(key, value)[1]
            yield [(last, last, f", {_JSON if self.text[key.start_mark.index] == chr(34) else f'{KEY}: {_FLOW}'}")]
            return
        column = self.root.value[0][0].start_mark.column
        block = " " * column + f"{KEY}:" + self._lines(column + 2) + self.newline
        end = re.search(r"^\.\.\.", self.text[self._last() :], re.MULTILINE)
        place = self._last() + end.start() if end else len(self.text)
        before = self.text[:place]
        ended = "" if before.endswith(("\n", "\r")) else self.newline
        apart = "" if re.search(r"\n[ \t]*\r?\n$", before) else self.newline
        yield [(place, place, ended + apart + block)]
        yield [(place, place, ended + block)]
        # A block scalar at the end may own every line that follows it.
        first = self.root.value[0][0].start_mark.index - column
        yield [(first, first, block)]

    def _completed(self, storage: Any) -> list[Change]:  # noqa: ANN401
        has = {key.value: (key, value) for key, value in storage.value}
        changes: list[Change] = []
        missing: list[str] = []
        for name, wanted in (("type", _TYPE), ("connection_string", _STRING)):
            if name not in has:
                missing.append(f"{name}: {wanted}")
                continue
            key, value = has[name]
            if value.value == _TYPE if name == "type" else value.value and value.tag != _NULL:
                continue
            start, end = self._span(key, value)
            changes.append((start, end, f" {wanted}" if start == self._colon(key) else wanted))
        key, value = has.get("type") or storage.value[0]
        glue = ", " if storage.flow_style else self.newline + " " * key.start_mark.column
        if missing and "type" in has:
            end = self._span(key, value)[1]
            place = end if storage.flow_style else self._line_end(end)
            changes.append((place, place, "".join(glue + line for line in missing)))
        elif missing:
            place = key.start_mark.index
            changes.append((place, place, "".join(line + glue for line in missing)))
        return changes

    def _rewritten(self, storage: Any) -> Change:  # noqa: ANN401
        """Return the change that says all of it anew, for a form in which its parts cannot be changed."""
        start, end = storage.start_mark.index, storage.end_mark.index
        if storage.flow_style:
            return start, end, _FLOW
        written = self.text[start:end].rstrip()
        lines = self._lines(storage.start_mark.column).removeprefix(self.newline).lstrip()
        return start, start + len(written), lines

    def _span(self, key: Any, value: Any) -> tuple[int, int]:  # noqa: ANN401
        """Return where a value stands; an empty one, which ruamel puts at whatever comes next, behind its colon."""
        start, end = int(value.start_mark.index), int(value.end_mark.index)
        if value.id == "scalar" and value.style in ("|", ">"):
            # Its node ends at what comes next; blank lines and comments before that are not part of it.
            outside = re.compile(rf"(?:\n|\r\n?)(?=[ \t]{{0,{key.start_mark.column}}}[^ \t\r\n])").search(
                self.text, start, end
            )
            end = start + len(self.text[start : outside.start() if outside else end].rstrip())
        return (self._colon(key),) * 2 if start == end else (start, end)

    def _colon(self, key: Any) -> int:  # noqa: ANN401
        found = re.compile(r"\s*:").match(self.text, key.end_mark.index)
        if found is None:  # an explicit key, with nothing behind it
            raise NotEditable("it is written in a form that has to be edited by hand")
        return found.end()

    def _lines(self, column: int) -> str:
        indent = self.newline + " " * column
        return f"{indent}type: {_TYPE}{indent}connection_string: {_STRING}"

    def _last(self) -> int:
        """Return where the text's last scalar ends; block collections themselves end at whatever comes next."""
        node = self.root
        while node.id != "scalar" and node.value and not node.flow_style:
            node = node.value[-1][1] if node.id == "mapping" else node.value[-1]
        return int(node.end_mark.index)

    def _line_end(self, place: int) -> int:
        found = re.compile(r"\r?\n|\r|$").search(self.text, place)
        return found.start() if found else len(self.text)
