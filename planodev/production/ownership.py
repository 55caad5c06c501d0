"""Whether a file that is there is as planodev wrote it, so that the next `production` may write it again."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePath

from planodev.production import kept

_COMMENTS = {".ini": ("; ", ""), ".sql": ("-- ", ""), ".md": ("<!-- ", " -->")}
_WORDS = "planodev updates this file, unless it was edited"
_MARK = re.compile(rf"(?:#|;|--|<!--) {_WORDS}: ([0-9a-f]{{12}})(?: -->)?\n\Z")
# PRODUCTION.md repeats the server, and a person may have written it there as well.
_REPEATED = re.compile(r"\b(host=|port=|dbname=)\S+")
# How a `pgbouncer.ini` begins; the title of the provider is behind. An older release has said more in that line.
WRITTEN_FOR = "; Between Plano and "
_TITLE = re.compile(rf"(?m)^({WRITTEN_FOR})(.*?)(: Plano's driver|\.$)")
# Digests of the files of older releases, which have no mark, without the parts that `_unmarked` removes.
_EARLIER = frozenset(
    {
        "a2a3531c49c4",  # PRODUCTION.md
        "b292542c5bfa",  # compose.production.yaml
        "a056b0d4b12d",  # compose.production.yaml
        "ef670f3b5b0b",  # conversation_states.sql
        "094d4118c66b",  # conversation_states.sql
        "ee630157dc22",  # pgbouncer.Dockerfile
        "80357965b383",  # pgbouncer.ini
    }
)


def marked(name: str, text: str) -> str:
    """Return a file's text with the mark by which `untouched` knows it."""
    before, after = _COMMENTS.get(PurePath(name).suffix, ("# ", ""))
    return f"{text}{before}{_WORDS}: {_digest(name, text)}{after}\n"


def untouched(name: str, text: str) -> bool:
    """Say whether nobody has edited a file, but for the values of `kept.KEPT`, and the server in PRODUCTION.md."""
    found = _MARK.search(text)
    if found is None:
        return _digest(name, _unmarked(name, text)) in _EARLIER
    before = text[: found.start()]
    # The marks of an older release were made with the namespace as it is.
    return found[1] in {_digest(name, before), _digest(name, before, but="namespace")}


def written_for(ini: str) -> str:
    """Return the title of the provider that a `pgbouncer.ini` was written for, "" where its first line names none."""
    found = _TITLE.match(ini.partition("\n")[0].rstrip())
    return found[2] if found else ""


def _digest(name: str, text: str, but: str = "") -> str:
    text = _REPEATED.sub(r"\1", text) if name.endswith(".md") else kept.without(name, text, but)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _unmarked(name: str, text: str) -> str:
    """Return what does not depend on provider and configuration; of PRODUCTION.md that is the headings."""
    if name.endswith(".md"):
        return "\n".join(re.findall(r"(?m)^## .*$", text))
    text = re.sub(r'(?m)^ +- "127\.0\.0\.1:(\d+):\1"\n', "", text)
    text = re.sub(r'(source: ").*?(", target: /app)', r"\1\2", text)
    text = re.sub(r"http://127\.0\.0\.1:\d+/", "/", text)
    return _TITLE.sub(r"\1\3", text)
