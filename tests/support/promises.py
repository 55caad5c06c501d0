"""The table of promises, `tests/promises.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.support.toml import tomllib

TABLE = Path(__file__).parents[1] / "promises.toml"


@dataclass(frozen=True)
class Promise:
    """One row; the head of the table says what its values are."""

    promise: str
    test: str
    file: str
    old: str
    new: str

    def broken(self, root: Path) -> str:
        """Return the text of the file without what keeps the promise."""
        text = (root / self.file).read_text()
        assert text.count(self.old) == 1, f"{self.file} has {text.count(self.old)} times what breaks: {self.promise}"
        return text.replace(self.old, self.new)


def promises() -> list[Promise]:
    return [Promise(**row) for row in tomllib.loads(TABLE.read_text())["promise"]]
