"""The values that the next `production` takes from the files that are there: changing one is no edit of its file.

What PRODUCTION.md and the files themselves say to fill in or to change by hand is in this list, and nothing else: so
nothing that the check for edits leaves out can be lost. PRODUCTION.md alone is another matter: what is behind `host=`,
`port=` and `dbname=` there is left out as well (`ownership`), and written again as the set-up has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planodev.production import COMPOSE, KUSTOMIZATION, PLACEHOLDER, PLANO_FILE, SIDECAR, of_pgbouncer
from planodev.project import regular_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Kept:
    """One value of one file.

    Args:
        name: what it is called by those who take it.
        path: the file, from the directory of the set-up.
        pattern: finds it: the group `value`; or the group `word` in that, where the whole line is there for it alone.
            Two different values in one file are an edit; `--force` takes the first.
        in_checksum: the value that the checksum of the file is made with, whatever stands there. It must never change,
            since the marks of existing files were made with it.

    """

    name: str
    path: str
    pattern: re.Pattern[str]
    in_checksum: str = ""

    def read(self, text: str) -> str | None:
        """Return the value in a file's text, the first of several; None where none is there, or to be filled in."""
        return next(iter(self._filled_in(text)), None)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return where the value stands in a file's text; nowhere where two of them differ, which is an edit."""
        if len(self._filled_in(text)) > 1:
            return []
        return [found.span("value") for found in self.pattern.finditer(text)]

    def _filled_in(self, text: str) -> list[str]:
        group = "word" if "word" in self.pattern.groupindex else "value"
        found = dict.fromkeys(match[group] for match in self.pattern.finditer(text))
        return [value for value in found if value and not value.startswith(PLACEHOLDER)]


def _kept(name: str, path: str, pattern: str, in_checksum: str = "") -> Kept:
    return Kept(name, path, re.compile(pattern, re.MULTILINE), in_checksum)


OF_THE_SERVER = ("host", "port", "dbname")
_CONFIG_OF_PGBOUNCER = tuple(of_pgbouncer(SIDECAR, on_kubernetes=there) for there in (False, True))
_IMAGE = r"\bplano:?\n +image: (?P<value>\S+)$"
KEPT = (
    *(
        _kept(name, path, rf"^(?:\*|plano|ready) = .*\b{name}=(?P<value>\S+)")
        for path in _CONFIG_OF_PGBOUNCER
        for name in OF_THE_SERVER
    ),
    *(_kept("image", path, _IMAGE, "katanemo/plano:0.4.39") for path in (COMPOSE, PLANO_FILE)),
    _kept("namespace", KUSTOMIZATION, r'^namespace: "?(?P<value>[^\s"]+)"?$', "plano"),
    _kept("components", KUSTOMIZATION, r"^(?P<value>(?:# )?components: \[.*\])$", "# components: [backup]"),
    _kept("replicas", PLANO_FILE, r"^  replicas: (?P<value>\d+)$"),
    _kept("instances", "database.yaml", r"^  instances: (?P<value>\d+)$"),
    _kept("storage", "database.yaml", r"^    size: (?P<value>\S+)$"),
    _kept("storage_class", "database.yaml", r"^    size: \S+\n(?P<value>(?:    storageClass: (?P<word>\S+)\n)?)"),
    _kept(
        "operator", "network.yaml", r"kubernetes\.io/metadata\.name: (?P<value>[^\s}]+)\}", in_checksum="cnpg-system"
    ),
    _kept("days", "prune.yaml", r"^ +- DELETE FROM .* interval '(?P<value>\d+) days'$", "90"),
    _kept("backups", "backup/backup.yaml", r"^    destinationPath: (?P<value>\S+)$"),
    _kept(
        "endpoint", "backup/backup.yaml", r"^    destinationPath: \S+\n(?P<value>(?:    endpointURL: (?P<word>\S+)\n)?)"
    ),
    _kept(
        "lost_name",
        "recovery/kustomization.yaml",
        r"parameters: \{.*\bserverName: (?P<value>[^\s}]+)\}",
        in_checksum="plano-db",
    ),
    _kept("recovered_name", "recovery/kustomization.yaml", r"serverName\n +value: (?P<value>\S+)$", "plano-db-2"),
)
_OF_COMPOSE = (COMPOSE, SIDECAR)


def texts(directory: Path, *, on_kubernetes: bool) -> dict[str, str]:
    """Return the texts of the files of a directory that have values, by path; what is missing is left out."""
    # A directory for Compose may hold a configuration that has the name of Kubernetes' file.
    paths = {one.path for one in KEPT if (one.path in _OF_COMPOSE) != on_kubernetes}
    return {path: regular_file.text(directory / path) for path in paths if (directory / path).is_file()}


def read(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the values in the files of `texts`, by name; what is missing or to be filled in is left out."""
    found = [(one.name, one.read(texts[one.path])) for one in KEPT if one.path in texts]
    return {name: value for name, value in found if value}


def server(text: str) -> dict[str, str | None]:
    """Return the server that a `pgbouncer.ini` names, by `OF_THE_SERVER`; None where the text is no such file."""
    return {one.name: one.read(text) for one in KEPT if one.path == SIDECAR}


def without(path: str, text: str, but: str = "") -> str:
    """Return a file's text with what stands in the checksum in place of the values, but for one name of `KEPT`."""
    found = [kept for kept in KEPT if kept.path == path and kept.name != but]
    places = [(span, kept.in_checksum) for kept in found for span in kept.spans(text)]
    for (start, end), in_checksum in sorted(places, reverse=True):
        text = text[:start] + in_checksum + text[end:]
    return text
