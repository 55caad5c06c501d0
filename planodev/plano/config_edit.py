"""The edits that planodev makes in a configuration that belongs to the user: `state_storage`, and models to be stored.

ruamel.yaml says where things stand in the text, and the text is changed there and nowhere else: comments, quotes,
anchors, indentation and line ends cannot change, because they are not written again.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planodev import masking, urls
from planodev.plano import models, yaml_of_plano
from planodev.plano.config_file import ConfigFile
from planodev.plano.entries import entries, numbered
from planodev.postgres.connection import CONNECTION_STRING
from planodev.problems import BadInput
from planodev.project.log_masking import masked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planodev.plano.models import Model

KEY = "state_storage"
_TYPE = "postgres"
_NULL = "tag:yaml.org,2002:null"
# A name which says that its value is secret, before `{}` and the value, unless that is a variable or a plain word.
_NAMED = (
    r"(?i)((?:key|token|secret|pass|pwd|auth|credential|salt)[\w-]*[\"']?\s*{}"
    r"(?!\s*[\"']?(?:\$\{{?\w+\}}?|true|false|null|\d{{1,5}})(?:[\"'\s,}}&]|$))\s*)"
)
_IN_QUOTES = r"(\")(?:[^\"\\]|\\.)*|(')(?:[^']|'')*"
_OF_A_URL = r"(://[^:/@\s]*:)(?!\$)[^@\s]+(?=@)"  # of a URL

_STRING = r"""(connection_string["']?\s*:\s*)("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'][^\n]*)"""
# The addresses in a line: in quotes, and plain. A plain one ends in a flow mapping or list at its comma or bracket,
# else with the line, or before a comment; where that has an `@`, it may be a part of a password.
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*://"
_QUOTED = rf"""(?<=")({_SCHEME}(?:[^"\\]|\\.)*)|(?<=')({_SCHEME}(?:[^']|'')*)"""
_IN_FLOW = rf"""{_QUOTED}|(?<![\w"'])({_SCHEME}[^,{{}}\[\]]*)"""
_IN_BLOCK = rf"""{_QUOTED}|(?<![\w"'])({_SCHEME}.*?)(?=\s+\#[^@]*$|\s*$)"""
# A connection string with variables wherever a secret could be, and what may follow it in a flow mapping.
_VARIABLES = (
    r"""["']?postgres(?:ql)?://\$\{?\w+\}?:\$\{?\w+\}?@(?:\$\{?\w+\}?|[\w.-]*):?(?:\$\{?\w+\}?|\d*)/\$?\{?\w*\}?"""
    r"""(?:\?(?:(?!pass|ssl)[a-z_]+=\w{1,12}&?)*)?["']?[\s,}\]]*"""
)


class NotEditable(Exception):
    """The text is valid, but no edit would change only what is to be changed; `fix` says what to do first."""

    def __init__(self, message: str, fix: str | None = None) -> None:
        super().__init__(message)
        self.fix = fix


def with_storage(text: str, string: str | None = None) -> str:
    """Return the text with conversations stored in postgres, and all else as it was.

    Args:
        text: a YAML mapping that loads without an error.
        string: the connection string to write in place of the one that is there; None keeps that one, whatever it says.

    Raises:
        NotEditable: the edit would change something else.
        ruamel.yaml.error.YAMLError: the text does not load.

    """
    before = _load(text)
    if _stores(before.get(KEY), string):
        return text
    wanted = {name: value for name, value in before.items() if name != KEY}
    import ruamel.yaml
    import ruamel.yaml.error

    for candidate in _candidates(text, string):
        try:
            after = _load(candidate)
        except ruamel.yaml.error.YAMLError:
            continue
        if _stores(after.pop(KEY, None), string) and list(after) == list(wanted) and _same(after, wanted, set()):
            return candidate
    raise NotEditable(f"`{KEY}` cannot be changed without changing something else")


def with_stored_models(text: str) -> str:
    """Return the text with each model that Plano does not store in the form in which it does, and all else as it was.

    Whatever names such a model by its old name gets the new one: aliases, routing preferences and their like. A model
    that has no such form, as a wildcard, stays as it is.

    Args:
        text: a YAML mapping that loads without an error.

    Raises:
        NotEditable: the edit would change something else.
        ruamel.yaml.error.YAMLError: the text does not load.

    """
    wanted = _load(text)
    unstored = [one for one in models.of(wanted) if not one.router and not one.stored and one.chat_form]
    if not unstored:
        return text
    wanted = deepcopy(wanted)
    renamed: dict[str, str] = {}
    for model in unstored:
        form = model.chat_form or {}
        wanted[model.path[0]][model.path[1]].update(form)
        renamed[model.name] = form["model"]
    _refuse_one_address(wanted, {model.path for model in unstored})
    names = {entry.get("name") for key in models.LISTS for entry in entries(wanted, key)}
    references = [path for path in _references(wanted) if _value(wanted, path) in renamed]
    # A preference names a model by the `name` of its entry, which stays.
    references = [path for path in references if path[0] != "routing_preferences" or _value(wanted, path) not in names]
    for *within, last in references:
        holder = _value(wanted, tuple(within))
        holder[last] = renamed[holder[last]]
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    page = _Page(text.removeprefix(mark))
    changes = [change for model in unstored for change in page.rewritten_model(model)]
    changes += [page.replaced(path, renamed) for path in references]
    import ruamel.yaml
    import ruamel.yaml.error

    candidate = mark + page.edited(list(dict.fromkeys(changes)))  # an alias repeats the change of its anchor
    try:
        if _same(_load(candidate), wanted, set()):
            return candidate
    except ruamel.yaml.error.YAMLError:
        pass
    raise NotEditable("the models cannot be changed without changing something else")


def _refuse_one_address(content: dict[str, Any], changed: set[tuple[str, int]]) -> None:
    """Raise `NotEditable` where two models would have one cluster of Envoy, and one of them would not be reached."""
    for first, model in models.merged(models.of(content)):
        if changed & {first.path, model.path}:
            url = urls.read(first.base_url)
            raise NotEditable(
                f"`{first.name}` and `{model.name}` would both go to one server of {url.host}: "
                "Plano tells servers apart by interface and host",
                f"call one of the two servers by another host name in its `base_url`: "
                f"`{masking.value(first.base_url)}` or `{masking.value(model.base_url)}`",
            )


def _same(one: Any, other: Any, known: set[tuple[int, int]]) -> bool:  # noqa: ANN401  any part of a YAML file
    """Say whether two parts are equal; an alias can name one thing a billion times, which is looked at once.

    Args:
        one: a part.
        other: of the other file.
        known: pairs, by `id`, that were found equal; it is added to.

    """
    pair = (id(one), id(other))
    if pair in known:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        same = one.keys() == other.keys() and all(_same(one[key], other[key], known) for key in one)
    elif isinstance(one, list) and isinstance(other, list):
        same = len(one) == len(other) and all(_same(a, b, known) for a, b in zip(one, other, strict=True))
    else:
        return bool(one == other)
    if same:
        known.add(pair)
    return same


def _references(content: dict[str, Any]) -> Iterator[tuple[str | int, ...]]:
    """Yield where a configuration names one of its models by its full name."""
    for key, name in (("routing_preferences", "models"), ("model_metrics_sources", "model_aliases")):
        for at, entry in numbered(content, key):
            named = entry.get(name)
            for one in named if isinstance(named, dict) else range(len(named)) if isinstance(named, list) else ():
                yield key, at, name, one
    aliases = content.get("model_aliases")
    for alias, entry in aliases.items() if isinstance(aliases, dict) else ():
        if isinstance(entry, dict) and "target" in entry:
            yield "model_aliases", alias, "target"
    for at, limit in enumerate(entries(content, "ratelimits")):
        if "model" in limit:
            yield "ratelimits", at, "model"


def _value(content: Any, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401
    for step in path:
        content = content[step]
    return content if isinstance(content, (dict, list, str)) else None


def diff(old: str, new: str, name: str, secrets: Iterable[str] = ()) -> list[str]:
    """Return the lines that change, as in a unified diff, without line ends, and without what is secret in them.

    Args:
        old: the file's text as it is.
        new: the same as it will be.
        name: the file's.
        secrets: of the project, of which the text may have one under any name.

    """
    import difflib

    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), name, f"{name} (planodev)", n=0, lineterm="")
    hidden = [*_over_lines(old, name), *_over_lines(new, name)]
    whole = {*_continued(old), *_continued(new)}
    shown = (f"{line[0]} ***" if line[1:] in whole else _without_secrets(line, hidden) for line in lines)
    return list(masked("\n".join(shown), list(secrets)))


def _over_lines(text: str, name: str) -> list[str]:
    """Return what is secret in addresses that are written over several lines, or with escapes."""
    try:
        file = ConfigFile(Path(name), text)
        values = [file.written_string or "", *_addresses(file.content, set())]
    except BadInput:
        return []
    return [secret for value in values if value not in text for secret in masking.secrets_in({KEY: value})]


def _continued(text: str) -> Iterator[str]:
    """Yield the further lines of the values whose names say that they are secret: those with a deeper indent."""
    indent: int | None = None  # of such a name
    for line in filter(str.strip, text.splitlines()):
        blank = len(line) - len(line.lstrip())
        if indent is not None and blank > indent:
            yield line
        else:
            indent = blank if re.search(rf"{_NAMED.format(':')}\S", line) else None


def _addresses(part: Any, known: set[int]) -> Iterator[str]:  # noqa: ANN401  any part of a YAML file
    """Yield the values that are addresses with a login; what has several aliases is looked at once, by its `id`."""
    if isinstance(part, str):
        if "://" in part and "@" in part:
            yield part
    elif isinstance(part, (dict, list)) and id(part) not in known:
        known.add(id(part))
        for one in part.values() if isinstance(part, dict) else part:
            yield from _addresses(one, known)


def _without_secrets(line: str, hidden: list[str]) -> str:
    in_flow = re.match(r"[^\"'#]*[{\[]", line) is not None
    addresses = _IN_FLOW if in_flow else _IN_BLOCK
    line = re.sub(addresses, lambda found: masking.value(found[0]), line)
    line = masking.parts_of(line, hidden) if hidden else line
    line = re.sub(_STRING, lambda found: found[0] if re.fullmatch(_VARIABLES, found[2]) else f'{found[1]}"***"', line)
    line = re.sub(_OF_A_URL, r"\1***", line)
    for sign, plain in (("=", r"[^\s\"',}&]+"), (":", r"[^,}\]]+" if in_flow else ".+")):
        named = rf"{_NAMED.format(sign)}(?:{_IN_QUOTES}|{plain})"
        line = re.sub(named, lambda found: f"{found[1]}{found[2] or found[3] or ''}***", line)
    return masking.urls(line)


def _stores(storage: Any, string: str | None) -> bool:  # noqa: ANN401
    if not isinstance(storage, dict) or storage.get("type") != _TYPE:
        return False
    written = storage.get("connection_string")
    return written == string if string else isinstance(written, str) and bool(written)


def _load(text: str) -> dict[str, Any]:
    loaded = yaml_of_plano.reader().load(text.removeprefix("\ufeff"))
    if not isinstance(loaded, dict):
        raise NotEditable("it is not a mapping of keys")
    return dict(loaded)


def _candidates(text: str, string: str | None) -> Iterator[str]:
    """Yield edited texts, the most readable first; the caller checks that nothing else has changed."""
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    page = _Page(text.removeprefix(mark), string)
    for changes in page.connections():
        yield mark + page.edited(changes)


Edit = tuple[int, int, str]


class _Page:
    """A text and where its nodes stand; `string` is the connection string to write, None to keep the one there is."""

    def __init__(self, text: str, string: str | None = None) -> None:
        self.text = text
        self.replaced_string = string
        self.string = json.dumps(string or CONNECTION_STRING, ensure_ascii=False)
        self.flow = f"{{type: {_TYPE}, connection_string: {self.string}}}"
        self.root: Any = yaml_of_plano.reader().compose(text)
        self.newline = "\r\n" if "\r\n" in text else "\n"

    def edited(self, changes: list[Edit]) -> str:
        """Return the text with changes made."""
        edited = self.text
        # From the end, so that positions stay valid; of two insertions at one position the first is made last.
        for start, end, new in sorted(changes, key=lambda change: change[:2])[::-1]:
            edited = edited[:start] + new + edited[end:]
        return edited

    def rewritten_model(self, model: Model) -> list[Edit]:
        """Return the changes that give a model the form in which Plano stores it.

        Raises:
            NotEditable: it is put together from several places.

        """
        node = self._at(model.path)
        has = {key.value: (key, value) for key, value in node.value}
        changes, missing = [], []
        for name, wanted in (model.chat_form or {}).items():
            if name not in has:
                missing.append(f"{name}: {wanted}")
            elif has[name][1].value != wanted:
                changes.append(self._rewrite(has[name][1], wanted))
        if "model" not in has:
            raise NotEditable("a model is put together from several places")
        key, value = has["model"]
        end = int(value.end_mark.index)
        if node.flow_style:
            quote = '"' if self.text[key.start_mark.index] == '"' else ""
            pairs = [line.partition(": ") for line in missing]
            new = "".join(f", {quote}{name}{quote}: {json.dumps(text)}" for name, _, text in pairs)
            changes.append((end, end, new))
        else:
            place = self._line_end(end)
            indent = self.newline + " " * key.start_mark.column
            changes.append((place, place, "".join(indent + line for line in missing)))
        return changes

    def replaced(self, path: tuple[str | int, ...], renamed: dict[str, str]) -> Edit:
        """Return the change that gives what names a model its new name."""
        node = self._at(path)
        return self._rewrite(node, renamed.get(node.value, node.value))

    def _rewrite(self, node: Any, text: str) -> Edit:  # noqa: ANN401
        quote = node.style if node.style in ("'", '"') else ""
        marks = re.compile(r"(?:[&!]\S*\s+)*").match(self.text, node.start_mark.index)  # anchors and tags stay
        start = marks.end() if marks else int(node.start_mark.index)
        return start, int(node.end_mark.index), f"{quote}{text}{quote}"

    def _at(self, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401
        node = self.root
        for step in path:
            if node.id == "mapping":
                node = next((value for key, value in node.value if key.value == str(step)), None)
            else:
                node = node.value[step] if node.id == "sequence" and isinstance(step, int) else None
            if node is None:
                raise NotEditable(f"`{path[0]}` is put together from several places")
        return node

    def connections(self) -> Iterator[list[Edit]]:
        found = next(((key, value) for key, value in self.root.value if key.value == KEY), None)
        if found is None:
            yield from self._added()
            return
        key, value = found
        if value.start_mark.index < key.end_mark.index:  # an alias: the node has the position of its anchor
            alias = re.compile(r"\s*:\s*(\*[^\s,}\]]+)").match(self.text, key.end_mark.index)
            if alias:
                yield [(alias.start(1), alias.end(1), self.flow)]
            return
        start, end = self._span(key, value)
        if value.id == "mapping" and value.value:
            yield self._completed(value)
            yield [self._rewritten(value)]
            return
        if value.id == "scalar" and not self.root.flow_style:
            # The value behind the colon is removed; a comment there stays on its line.
            line_end = self._line_end(end)
            blank = not self.text[end:line_end].strip()
            gone = (self._colon(key) if blank else start, end, "")
            yield [gone, (line_end, line_end, self._lines(key.start_mark.column + 2))]
        yield [(start, end, f" {self.flow}" if start == self._colon(key) else self.flow)]

    def _added(self) -> Iterator[list[Edit]]:
        if self.root.flow_style:
            if not self.root.value:
                return
            key, value = self.root.value[-1]
            last = self._span(key, value)[1]
            json_flow = f'"{KEY}": {{"type": "{_TYPE}", "connection_string": {self.string}}}'
            quoted = self.text[key.start_mark.index] == '"'
            yield [(last, last, f", {json_flow if quoted else f'{KEY}: {self.flow}'}")]
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
        # At the end, a block scalar could take in the added lines; then they go to the beginning.
        first = self.root.value[0][0].start_mark.index - column
        yield [(first, first, block)]

    def _completed(self, storage: Any) -> list[Edit]:  # noqa: ANN401
        has = {key.value: (key, value) for key, value in storage.value}
        changes: list[Edit] = []
        missing: list[str] = []
        for name, wanted in (("type", _TYPE), ("connection_string", self.string)):
            if name not in has:
                missing.append(f"{name}: {wanted}")
                continue
            key, value = has[name]
            kept = (
                self.replaced_string in (None, value.value)
                and value.value
                and value.id == "scalar"
                and value.tag != _NULL
            )
            if value.value == _TYPE if name == "type" else kept:
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

    def _rewritten(self, storage: Any) -> Edit:  # noqa: ANN401
        """Return the change that rewrites the whole mapping, for a style in which its parts cannot be edited."""
        start, end = storage.start_mark.index, storage.end_mark.index
        if storage.flow_style:
            return start, end, self.flow
        written = self.text[start:end].rstrip()
        lines = self._lines(storage.start_mark.column).removeprefix(self.newline).lstrip()
        return start, start + len(written), lines

    def _span(self, key: Any, value: Any) -> tuple[int, int]:  # noqa: ANN401
        """Return where a value stands; an empty one, which ruamel puts at whatever comes next, behind its colon."""
        start, end = int(value.start_mark.index), int(value.end_mark.index)
        if value.id == "scalar" and value.style in ("|", ">"):
            # ruamel ends the node at what comes next; blank lines and comments before that are not part of the value.
            outside = re.compile(rf"(?:\n|\r\n?)(?=[ \t]{{0,{key.start_mark.column}}}[^ \t\r\n])").search(
                self.text, start, end
            )
            end = start + len(self.text[start : outside.start() if outside else end].rstrip())
        return (self._colon(key),) * 2 if start == end else (start, end)

    def _colon(self, key: Any) -> int:  # noqa: ANN401
        found = re.compile(r"\s*:").match(self.text, key.end_mark.index)
        if found is None:  # an explicit key (`? key`) without a value
            raise NotEditable("it is written in a form that has to be edited by hand")
        return found.end()

    def _lines(self, column: int) -> str:
        indent = self.newline + " " * column
        return f"{indent}type: {_TYPE}{indent}connection_string: {self.string}"

    def _last(self) -> int:
        """Return where the text's last scalar ends; block collections themselves end at whatever comes next."""
        node = self.root
        while node.id != "scalar" and node.value and not node.flow_style:
            node = node.value[-1][1] if node.id == "mapping" else node.value[-1]
        return int(node.end_mark.index)

    def _line_end(self, place: int) -> int:
        found = re.compile(r"\r?\n|\r|$").search(self.text, place)
        return found.start() if found else len(self.text)
