"""What `planodev env` prints is read back unchanged, whatever the values hold."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planodev import quoting

NAMES = ("DB_PASS", "DATABASE_URL", "OPENAI_API_KEY", "_x1")
# All that a variable of a process can hold: no NUL, and only what can be encoded.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
TRICKY = st.text(st.sampled_from("'\"\\$`!# \t\n{}()~*?&|;=%@^\u2018\u2019\u201a\u201bé€x"), max_size=12)
VALUES = st.fixed_dictionaries(dict.fromkeys(NAMES, TEXT | TRICKY))
FIXED = [
    "",
    "plain-1_2.3%40+/=:@",
    " leading and trailing ",
    "'",
    "''",
    '"',
    "\\",
    "\\'",
    "ends with \\",
    "$HOME ${HOME} $(id) `id` $$ !!",
    "#no comment",
    "a #b",
    "two\nlines\n",
    "\n",
    "tab\tand\x1b[31m",
    "~",
    "*",
    "-n",
    "p@ss:w/o#rd%&$ '\"é",
    "\u2018typographic\u2019 \u201alow\u201b",
    "日本語 🔑",
    "%PATH% ^& !x!",
    "export X=1",
    "a;b&&c|d>e<f",
    "=ls",
    "a:=ls",
    "=it's",
]
few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read_by(program, values):
    names = " ".join(f'"${name}"' for name in values)
    script = f"{quoting.shell(values)}printf '%s\\0' {names}\nenv -0\n"
    done = subprocess.run(
        [program], input=script.encode(), capture_output=True, check=True, env={"PATH": "/usr/bin:/bin"}
    )
    pieces = done.stdout.decode().split("\0")
    exported = dict(piece.split("=", 1) for piece in pieces[len(values) :] if piece)
    assert done.stderr == b""
    assert {name: exported.get(name) for name in values} == dict(zip(values, pieces, strict=False))
    return {name: exported.get(name) for name in values}


SHELLS = [
    pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"{name} is not installed"))
    for name in ("sh", "bash", "zsh")
]


@pytest.mark.parametrize("program", SHELLS)
def test_fixed_values_through_a_shell(program):
    values = {f"V{number}": value for number, value in enumerate(FIXED)}
    assert read_by(program, values) == values


@pytest.mark.parametrize("program", SHELLS)
@few
@given(values=VALUES)
def test_any_values_through_a_shell(program, values):
    assert read_by(program, values) == values


@pytest.mark.parametrize("program", SHELLS)
def test_a_shell_that_evaluates_the_text_of_a_command(program, tmp_path):
    values = {f"V{number}": value for number, value in enumerate(FIXED)}
    (tmp_path / "text").write_text(quoting.shell(values))
    names = " ".join(f'"${name}"' for name in values)
    script = f'eval "$(cat "$1")"; printf "%s\\0" {names}'
    done = subprocess.run([program, "-c", script, "x", tmp_path / "text"], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == FIXED


@settings(deadline=None)
@given(values=VALUES)
def test_any_values_through_json_and_python_dotenv(values, tmp_path_factory):
    assert json.loads(quoting.as_json(values)) == values
    path = tmp_path_factory.getbasetemp() / "quoted.env"
    # Reading a file as text makes one line end of three; everything else comes back.
    plain = {name: value.replace("\r", "") for name, value in values.items()}
    path.write_bytes(quoting.dotenv(plain).encode())
    assert dotenv_values(path, interpolate=False) == plain


def test_fixed_values_through_python_dotenv_and_nothing_is_quoted_without_need(tmp_path):
    values = {f"V{number}": value for number, value in enumerate(FIXED)}
    (tmp_path / ".env").write_text(quoting.dotenv(values))
    assert dotenv_values(tmp_path / ".env", interpolate=False) == values
    assert quoting.dotenv({"A": "plain-1_2.3%40+/=:@"}) == "A=plain-1_2.3%40+/=:@\n"


def fish_reads(text):
    """Read `set -gx NAME 'VALUE'` lines: within single quotes a backslash stands before `\\` and `'` alone."""
    found, place = {}, 0
    while place < len(text):
        head = re.compile(r"set -gx (\w+) '").match(text, place)
        assert head, text[place:]
        place, value = head.end(), ""
        while text[place] != "'":
            if text[place] == "\\" and text[place + 1] in "\\'":
                place += 1
            value += text[place]
            place += 1
        assert text[place + 1] == "\n"
        found[head[1]] = value
        place += 2
    return found


def powershell_reads(text):
    """Read `$env:NAME = 'VALUE'` lines: five characters are a single quote, and two of them in a row are one."""
    quotes = "'\u2018\u2019\u201a\u201b"
    found, place = {}, 0
    while place < len(text):
        head = re.compile(rf"\$env:(\w+) = [{quotes}]").match(text, place)
        assert head, text[place:]
        place, value = head.end(), ""
        while True:
            if text[place] in quotes:
                if text[place + 1] not in quotes:
                    break
                place += 1
            value += text[place]
            place += 1
        assert text[place + 1] == "\n"
        found[head[1]] = value
        place += 2
    return found


def github_reads(text):
    """Return what a step would set, and what it masks: sh runs the lines, and GitHub's rules read them."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "env"
        file.touch()
        environment = {"GITHUB_ENV": str(file), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        done = subprocess.run(["sh"], input=text.encode(), env=environment, capture_output=True, check=True)
        lines, values = iter(file.read_text().split("\n")[:-1]), {}
        for line in lines:
            name, end = line.split("<<", 1) if re.match(r"\w+<<", line) else (line.split("=", 1)[0], None)
            values[name] = "\n".join(iter(lines.__next__, end)) if end else line.split("=", 1)[1]
    said = done.stdout.decode().split("\n")[:-1]
    assert all(line.startswith("::add-mask::") for line in said)
    coded = (line.removeprefix("::add-mask::") for line in said)
    return values, {line.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%") for line in coded}


def test_github_masks_what_is_secret_and_sets_all():
    values = {
        "DB_USER": "plano",
        "DB_PASS": "a%40b%25c 'd\" $e",
        "DB_HOST": "127.0.0.1",
        "OPENAI_API_KEY": "sk-é%",
        "MISTRAL_API_KEY": "a\nLD_PRELOAD=b%0A",
        "X": "",
    }
    found, masked = github_reads(quoting.github(values))
    assert found == values
    assert masked == {values["DB_PASS"], values["OPENAI_API_KEY"], values["MISTRAL_API_KEY"]}


READERS = {"fish": fish_reads, "powershell": powershell_reads}


@pytest.mark.parametrize("form", READERS)
def test_fixed_values_through_the_documented_rules(form):
    values = {f"V{number}": value for number, value in enumerate(FIXED)}
    assert READERS[form](quoting.FORMATS[form](values)) == values


@pytest.mark.parametrize("form", READERS)
@given(values=VALUES)
def test_any_values_through_the_documented_rules(form, values):
    assert READERS[form](quoting.FORMATS[form](values)) == values


PROGRAMS = {
    "fish": ["fish", "--no-config", "-c", "source $argv[1]; env -0"],
    "powershell": ["pwsh", "-NoProfile", "-Command", "Get-Content -Raw {} | Invoke-Expression; env -0"],
}


@pytest.mark.parametrize("form", PROGRAMS)
def test_fixed_values_through_the_program_itself(form, tmp_path):
    command = PROGRAMS[form]
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    # PowerShell removes a variable that is set to nothing.
    values = {f"V{number}": value for number, value in enumerate(FIXED) if value}
    (tmp_path / "text").write_text(quoting.FORMATS[form](values), newline="")
    path = str(tmp_path / "text")
    command = [part.format(path) if "{}" in part else part for part in command] + ([path] if form == "fish" else [])
    done = subprocess.run(command, capture_output=True, check=True)
    seen = dict(piece.split("=", 1) for piece in done.stdout.decode().split("\0") if "=" in piece)
    assert {name: seen.get(name) for name in values} == values
