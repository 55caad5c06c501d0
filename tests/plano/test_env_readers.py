"""`.env` after `with_values`: foreign lines keep every byte, and its real readers find our five values alike."""

from __future__ import annotations

import io
import re
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest
from dotenv import dotenv_values
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from planodev.project import env_file, env_keys


class File(NamedTuple):
    """A `.env` by its lines, of which each is ours or foreign; its last one may lack an end."""

    parts: list[tuple[bool, str]]
    newline: str
    final: bool

    @property
    def text(self):
        text = "".join(part + self.newline for _, part in self.parts)
        return text if self.final else text.removesuffix(self.newline)


PROJECT = "0123456789abcdef"
EASY = {"DB_USER": "plano", "DB_PASS": "p%40ss-_.x", "DB_HOST": "127.0.0.1", "DB_PORT": "5433", "DB_NAME": "plano"}
VALUES = st.fixed_dictionaries(
    {key: st.just(EASY[key]) | st.text("Az09._%+/=:@-", max_size=12) for key in env_keys.ALL}
)
NEWLINES = st.sampled_from(["\n", "\r\n", "\r"])

# Lines about our keys that are not ours, and ours in every shape that a person may have left behind.
NEARLY = [
    "# {}=commented",
    "MY_{}=mine",
    "{}_2=theirs",
    "URL='x?{}=y'",
    "NOTE='export {}=z'",
    "#{}",
    "X={}",
]
TRAPS = ['M="first\n{}=trap\nlast"', "export M='\n  {} = trap\n'"]  # planoai reads these by line
OURS = ["{}=old", 'export {}="old"', "{}='o l d'", "  {} = old # why", "{}", "{}=", "export\t{}=a=b", "\xa0{}=nbsp"]
LINE_BREAKS = "\n\r"
ANYTHING = st.text(st.characters(exclude_characters=LINE_BREAKS, exclude_categories=["Cs"]), max_size=20)
ODD = st.text(st.sampled_from("AB=\"'\\ #$`\t{}()<>;&é\ufeff\x0b\x0c\x1c\x85\u2028\xa0"), max_size=15)
USUAL = st.sampled_from(
    [
        "",
        "   ",
        "# a comment",
        "OPENAI_API_KEY=sk-1",
        "export A='b c'",
        'Q="x # no comment"',
        "E=",
        "UNBOUND",
        "K=<x>",
        "B = spaced out",
        "C=it's",
        'OPEN="never closed',
        "CLOSE=here\"'",
        "ÜNI=ñ 🔑",
        "JSON={\"a\": 'b'}",
        "PATH=$PATH:/x",
    ]
)


def tagged(shapes, *, ours):
    return st.tuples(st.sampled_from(env_keys.ALL), st.sampled_from(shapes)).map(lambda x: (ours, x[1].format(x[0])))


def foreign(texts):
    return texts.filter(lambda text: not any(key in text for key in env_keys.ALL)).map(lambda text: (False, text))


ANY_LINES = st.lists(
    foreign(USUAL) | foreign(ANYTHING) | foreign(ODD) | tagged(NEARLY, ours=False) | tagged(OURS, ours=True),
    max_size=12,
)

# What sh takes, and what starts nothing in it.
NAME = st.from_regex(r"X_[A-Z0-9_]{0,8}", fullmatch=True)
QUOTED = st.one_of(
    st.text(st.characters(exclude_characters="'\\\0\r", exclude_categories=["Cs"]), max_size=15).map("'{}'".format),
    st.text(st.characters(exclude_characters='"$`\\\0\r!', exclude_categories=["Cs"]), max_size=15).map('"{}"'.format),
    st.text("Az09._%+/=:@,^-", max_size=12),
)
SH_LINES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["", "export ", "  "]), NAME, QUOTED).map(lambda x: (False, f"{x[0]}{x[1]}={x[2]}")),
        ANYTHING.map(lambda text: (False, "#" + text.replace("\0", ""))),
        st.sampled_from([(False, ""), (False, "   "), (False, "\t"), (False, "X_A=b X_C=d # why")]),
        tagged(NEARLY + TRAPS, ours=False),
        tagged([shape for shape in OURS if " = " not in shape and "\xa0" not in shape], ours=True),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def directory():
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def files(parts, newlines):
    return st.builds(File, parts, newlines, st.booleans())


def written(directory, text, values):
    """Return the path of a `.env` that held this text and was given these values."""
    path = directory / ".env"
    path.write_bytes(text.encode())
    env_file.load(path).with_values(values, PROJECT).write()
    return path


def pieces(text):
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)


def assert_foreign_lines_stay(file, values, new):
    parts, newline, final = file
    kept = [part + newline for ours, part in parts if not ours]
    if not final and kept and not parts[-1][0]:
        kept[-1] = kept[-1].removesuffix(newline)
        if new.count(kept[-1]) and not new.endswith(kept[-1]):
            kept[-1] += "\n"  # a last line without an end gets one when something follows
    there = iter(pieces(new))
    between = []
    for line in (piece for part in kept for piece in pieces(part)):
        between += [*iter(there.__next__, line)] if line in pieces(new) else [f"{line!r} is gone"]
    allowed = {f"{key}={value}" for key, value in values.items()} | {part for ours, part in parts if ours}
    for line in (*between, *there):
        text = line.rstrip("\r\n")
        assert not text or text in allowed or text.startswith(f"# planodev project: {PROJECT} "), f"whose is {line!r}?"


def found(pairs):
    return {key: pairs.get(key) for key in env_keys.ALL}


def as_sh(path):
    done = subprocess.run(
        ["/bin/sh", "-c", "set -a; . ./.env; env -0"],
        cwd=path.parent,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
    )
    pairs = (pair.split("=", 1) for pair in done.stdout.decode(errors="replace").split("\0") if "=" in pair)
    return dict(pairs)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=files(ANY_LINES, NEWLINES), values=VALUES)
@example(file=File([(False, '\ufeffA="'), (True, "DB_USER=old"), (False, '"')], "\n", final=False), values=EASY)
def test_planoai_and_dotenv_find_the_same_in_any_file(directory, planoai_reads, file, values):
    assume("\0" not in file.text)  # which is refused, and left as it is
    path = written(directory, file.text, values)
    new = path.read_bytes().decode()
    assert_foreign_lines_stay(file, values, new)
    assert found(planoai_reads(str(path))) == values
    assert found(dotenv_values(path)) == values
    assert found(dotenv_values(stream=io.StringIO(new), interpolate=False)) == values
    assert env_file.load(path).with_values(values, PROJECT).text == new


@pytest.mark.slow
@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="needs sh")
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=files(SH_LINES, st.sampled_from(["\n", "\r\n"])), values=VALUES)
def test_sh_finds_the_same_in_what_is_a_script(directory, planoai_reads, file, values):
    path = written(directory, file.text, values)
    assert_foreign_lines_stay(file, values, path.read_bytes().decode())
    assert found(as_sh(path)) == values
    assert found(planoai_reads(str(path))) == values
    assert found(dotenv_values(path)) == values


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=files(ANY_LINES, NEWLINES).map(lambda file: file.text))
@example(text="\r")
@example(text="A=1\rB=2\r\nC=3\n\rD")
@example(text=" # x\n#=y\n =z\n=\n==a\n\x1cA=b\x1d\n")
def test_planodev_s_account_of_planoai_s_reader_is_right(directory, planoai_reads, text):
    path = directory / "account.env"
    path.write_bytes(text.encode())
    assert env_file.read_as_planoai(text) == planoai_reads(str(path))
