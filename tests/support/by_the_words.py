"""What a person does who follows a fix to the letter: the words about a line of a configuration, carried out on it."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

# What a fix leaves to the reader, and what this one writes.
FILLED_IN = {"PROVIDER/": "openai/", "HOST:PORT": "h:1", "HOST/PATH": "h/p", "HOST": "h", "SCHEMA": "s"}
_SAYS = (
    ("instead", r"write `([^`]+)` for the host `([^`]+)` in line (\d+)"),
    ("line", r"add the line `([^`]+)`"),
    ("under_line", r"write a list in line (\d+) of [^:]*: `(listeners: [^`]+)`"),
    ("quotes", r"put `([^`]+)` in quotes in line (\d+)"),
    ("entry", r"write it as `([^`]+)` in line (\d+)"),
    ("line", r"write `(listeners: [^`]+)` at the top of"),
    ("under", r"add `(- [^`]+)` under `(\w+):`"),
    ("write", r"write `([\w-]+: [^`]+)` in line (\d+)"),
    ("word", r"write `([^`:]+)` in line (\d+)"),
    ("add", r"add `([^`]+)` to the (?:entry|listener) in line (\d+)"),
    ("without", r"remove `([^`]+)` from lines? (\d+)"),
    ("gone", r"remove the (entry|listener) in lines? (\d+)"),
    ("call", r"call it `([^`]+)` in line (\d+)"),
    ("name", r"give the one in line (\d+) of .* another `(name):`"),
    ("host", r"write another name of that host, or its address, in line (\d+)()"),
    ("below", r"add `([^`]+)` to `\w+` in line (\d+)"),
    ("self", r"write (?:the address itself|the server's host and port) in line (\d+)()"),
)


def follow(fix, message, text):
    """Return a configuration of one line for each entry as a fix wants it, by the first where there are two ways.

    Args:
        fix: as it is shown.
        message: what is wrong, which names the word that another is to be written for.
        text: the configuration.

    """
    for short, long in FILLED_IN.items():
        fix = fix.replace(short, long)
    what, found = next((what, found) for what, says in _SAYS if (found := re.search(says, fix)))
    if what == "instead":
        new, old, number = found.groups()
        lines = text.splitlines(keepends=True)
        lines[int(number) - 1] = lines[int(number) - 1].replace(old, new)
        return "".join(lines)
    first, second = [*found.groups(), ""][:2]
    if what == "line":
        return f"{text}{first}\n"
    if what == "under":
        return f"{text}{second}:\n  {first}\n"
    first, second = (second, first) if what == "under_line" else (first, second)
    number = int(first if what in ("name", "self", "host") else second)
    lines = text.splitlines()
    lines[number - 1] = _line(what, first, message, lines[number - 1])
    return "\n".join(line for line in lines if line is not None) + "\n"


def _line(what, first, message, line):  # noqa: PLR0911  one for each thing to do
    if what == "gone":
        return None
    if what in ("quotes", "under_line", "entry"):
        entry = re.sub(r"agents: \[\{[^}]*\}\]", f"agents: [{first}]", line)
        return {"quotes": line.replace(f"{first}:", f"'{first}':"), "under_line": first, "entry": entry}[what]
    if what == "without":
        key = first.partition(":")[0]
        if line.startswith(f"{key}:"):
            return None
        new = re.sub(rf",? ?\b{key}: *(?:\[.*\]|[^,}}]*)", "", line, count=1)
        return None if re.fullmatch(r"\w+: \{\}", new) else new  # a mapping of nothing, which nobody leaves there
    if what == "add":
        return line.replace("{", f"{{{first}, ", 1)
    if what in ("host", "below"):
        within, host = re.match(r"`(\w+)`", message)[1], re.search(r"the host `([^`]+)`|$", message)[1]
        return line.replace(host, "h1") if host else line.replace(f"{within}: {{", f"{within}: {{{first}, ", 1)
    if what == "name":
        return re.sub(r"name: \w+", "name: another", line)
    if what == "self":
        return re.sub(r"base_url: (?:'[^']*'|[^,}]+)", "base_url: 'http://h:1'", line)
    if what == "write":
        key = first.partition(":")[0]
        value = r"(?:'[^']*'|\"[^\"]*\"|\[[^\]]*\]|\{[^}]*\}|[^,}]*)"
        return re.sub(rf"(?<!\w){key}: ?{value}", first.replace("\\", r"\\"), line, count=1)
    named = [word for word in re.findall(r"`([^`]*)`", message) if word in line]
    old = max(named, key=lambda word: SequenceMatcher(None, word, first).ratio())
    return line.replace(old, first)
