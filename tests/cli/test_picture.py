"""The picture of the README has what the commands print."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.requirements import planoai_python

DOCS = Path(__file__).parents[2] / "docs"
# What differs from one run to the next: names and ports that another project has, the engine and the day.
VARIES = re.compile(
    r"plano-postgres(-[0-9a-f]+)?\b|127\.0\.0\.1:\d+(, [\d.]+:\d+)*|(?<=port )\d+|(?<=internal:)\d+"
    r"|\d{4}-\d\d-\d\d \d\d:\d\d|(?<=docker )\d\S* at \S+|16\.\d+|\d+\.\d MB"
)
WRITTEN = re.compile(r'<text class="terminal-r\d+" x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>')


def lines_of(text):
    """Return the lines without what varies, and without blanks, which a picture has as places."""
    return ["".join(VARIES.sub("*", " ".join(line.split())).split()) for line in text.splitlines() if line.strip()]


def text_of(picture):
    """Return what stands in it, from the top to the bottom and from the left to the right."""
    lines: dict[float, list[tuple[float, str]]] = {}
    for x, y, text in WRITTEN.findall(picture):
        lines.setdefault(float(y), []).append((float(x), html.unescape(text).replace("\xa0", " ")))
    return "\n".join("".join(text for _, text in sorted(lines[y])) for y in sorted(lines))


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.planoai
def test_the_picture_has_what_is_printed(tmp_path):
    planoai_python()
    done = subprocess.run(
        [sys.executable, str(DOCS / "terminal.py"), "--text"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    drawn = lines_of(text_of((DOCS / "terminal.svg").read_text()))
    assert drawn == lines_of(done.stdout), "`python docs/terminal.py` draws it again"
