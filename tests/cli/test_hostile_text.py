"""Text of others never reaches the terminal as it is, and what is to be pasted means what it says."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from planodev.cli.console import Console
from planodev.cli.main import COMMANDS as ALL_COMMANDS
from planodev.cli.main import main
from planodev.pasting import for_this_shell, joined, quoted
from planodev.plano import storage
from planodev.problems import Command, Fix, Lines, PlanodevError, Problem, Shell
from planodev.project import env_file
from planodev.result import Outcome, Result
from tests.support import away
from tests.support import engine_server as bad
from tests.support.engine_server import EngineServer, whole
from tests.support.tiers import slow_but

ROOT = Path(__file__).parents[2]
# What steers a terminal, reorders a line or forges another one, and cannot be a part of planodev's own output.
STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
HOSTILE = {
    "clears the screen": "a\x1b[2J\x1b[Hb",
    "sets the title": "a\x1b]0;owned\x07b",
    "C1": "a\x9b31mb",
    "back to the start of the line": "a\r✓ forged",
    "a line of its own": "a\n✓ forged [ok]",
    "right to left": "a\u202eb",
    "isolate": "a\u2066b\u2069",
    "line separator": "a\u2028✓ forged",
    "invisible": "a\u200bb",
    "backspaces": "a\b\bb",
    "delete": "a\x7fb",
}
SAMPLE = [
    HOSTILE[name] for name in ("clears the screen", "a line of its own", "right to left")
]  # through whole commands


def plain(shown: str) -> str:
    """Return what was printed, once it is seen that no text of others steers and none forges a line."""
    assert not STEERING.search(shown), ascii(STEERING.search(shown)[0])
    assert not [line for line in shown.split("\n") if line.startswith("✓ forged")], shown
    return shown


class TestConsole:
    """The one place where text is printed."""

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
    def test_whatever_it_is_given_is_safe(self, capsys, text):
        console = Console()
        console.begin(text)
        console.done(Outcome("created", text, text))
        console.note(f"{text}\n{text}")
        console.notice(Problem("code", text, Fix(text, Shell("rm {}", text), Command("up", text))))
        console.transfer(text, text, 1, 2)
        table = Table()
        table.add_column(text)
        table.add_row(Text("cell"))
        fix = Fix(text, Lines(f"one\ntwo{text}".replace("\n✓", "✓")))
        console.finish(Result("up", {}, [text, Fix(text), Command("up", text), text], error=None))
        console.fail(PlanodevError("code", text, why=f"{text}\nof a log: {text}", fix=fix))
        console.fail(PlanodevError("code", text, why=text, fix=text))
        console.say(text)
        out, err = capsys.readouterr()
        said = text.replace("\n✓", "✓")  # `say` is for lines that belong together
        assert said
        plain(err)
        plain(out.replace(f"{text}\n", "") if "\n" in text else out)

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
    def test_json_means_the_same_and_is_safe_as_text(self, capsys, text):
        console = Console()
        console.json = True
        console.finish(Result("up", {"name": text}, [], [Problem("code", text, Fix(text, Shell("rm {}", text)))]))
        out = capsys.readouterr().out
        assert json.loads(plain(out))["data"] == {"name": text}

    def test_nothing_else_prints(self):
        """But for whole outputs that are another program's, and a last word where there is no console yet."""
        others = {"cli/console.py", "cli/env.py", "cli/main.py", "__main__.py", "plano/validation.py"}
        for file in (ROOT / "planodev").rglob("*.py"):
            name = str(file.relative_to(ROOT / "planodev"))
            for node in ast.walk(ast.parse(file.read_text())):
                called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
                prints = re.fullmatch(r"print|click\.(echo|secho|confirm|prompt)|(os|sys\.std(out|err))\.write", called)
                assert not prints or name in others, f"{name}: {called}"


class TestPasting:
    @pytest.mark.parametrize(
        "word",
        [
            *HOSTILE.values(),
            "it's",
            "$(touch x)",
            "`x`",
            "a b",
            ";x",
            "-x",
            "",
            '"',
            "é",
            "\\",
            "!x",
            "~",
            "=x",
            "a:=x",
        ],
    )
    @pytest.mark.parametrize("shell", ["bash", "zsh"])
    def test_the_shell_reads_back_the_same_word(self, shell, word):
        if not shutil.which(shell):
            pytest.skip(f"{shell} is not installed")
        shown = quoted(word)
        plain(shown)
        assert "\n" not in shown
        done = subprocess.run([shell, "-c", f"printf %s {shown}"], capture_output=True, check=True)
        assert done.stdout.decode() == word.replace("\0", "")

    def test_powershell_doubles_its_quotes_and_calls_a_quoted_program(self, monkeypatch):
        assert quoted("it's “x” $y", windows=True) == "'it''s “x” $y'"
        assert quoted("C:\\Users\\a", windows=True) == "C:\\Users\\a"
        monkeypatch.setattr("planodev.pasting.WINDOWS", True)
        assert joined(["C:\\a b\\planodev", "up", "a b"]) == "& 'C:\\a b\\planodev' up 'a b'"
        assert str(Fix("`unset DOCKER_HOST`, or ", Command("up"))) == "`Remove-Item Env:DOCKER_HOST`, or `planodev up`"
        assert for_this_shell("`export NO_PROXY=a.b`") == "`$env:NO_PROXY = 'a.b'`"

    def test_no_fix_has_a_path_in_a_command_that_is_not_quoted(self):
        """A command with a value in it is a `Shell`, a `Command`, or takes the value by `quoted`."""
        programs = r"chmod|chown|rm|rmdir|mkdir|mv|cp|sed|docker|podman|git|du|kill|iconv|cat|ssh|sudo|psql|ls"
        # Constants, numbers and names that were checked need no quotes.
        fine = r"quoted|kept|(?:\w+\.)?[A-Z_]+\}|wording\.ENV_NAME|pid\}|' '\.join|name\}"
        command = re.compile(rf"`(?:{programs})\b[^`]*\{{(?!{fine})[^`]*`")
        for file in (ROOT / "planodev").rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                text = ast.unparse(node) if isinstance(node, ast.JoinedStr) else ""
                assert not command.search(text), f"{file.name}: {text}"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Return a directory for projects; state and home are beside it, and no engine answers."""
    away.from_everything(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMMANDS = [["status"], ["doctor"], ["verify"], ["production", "neon"], ["env"], ["conversations"], ["logs"], ["down"]]
COMMANDS += [["up", "--dry-run"], ["up"], ["run", "--", "planoai", "up"], ["snapshot", "list"], ["psql"], ["reset"]]
COMMANDS += [["ask", "hello"], ["list"], ["forget"], ["keys"], ["keys", "set", "OPENAI_API_KEY"]]
ENV = "DB_USER=u\nDB_PASS=hunter2\nDB_HOST=127.0.0.1\nDB_PORT=5432\nDB_NAME=d\n"
CONFIG = """version: {0}
{0}: x
listeners: [{{name: {0}, type: {0}, port: {0}, timeout: {0}}}]
agents: [{{id: {0}, url: {0}}}]
model_providers: [{{model: {0}, name: {0}, access_key: {0}, base_url: {0}, default: {0}, provider_interface: {0}}}]
routing_preferences: [{{name: {0}, models: [{0}]}}]
state_storage: {{type: {0}, connection_string: {0}}}
"""


def test_every_command_is_tried():
    assert {command[0] for command in COMMANDS} == set(ALL_COMMANDS)


def said(capsys, *arguments):
    code = main(["-v", *arguments])
    out, err = capsys.readouterr()
    assert "[unexpected]" not in err
    assert "itself failed" not in out + err, out + err
    assert code in range(8)
    return plain(out + err)


@pytest.mark.parametrize("text", slow_but(SAMPLE, HOSTILE.values()), ids=HOSTILE)
class TestCommands:
    def test_the_name_of_a_directory(self, elsewhere, capsys, text):
        directory = elsewhere / f"{text} it's"
        directory.mkdir()
        (directory / "config.yaml").write_bytes(b"\xff")
        for name in (".env", "planodev.toml"):
            (directory / name).mkdir()
        for command in COMMANDS:
            said(capsys, "-C", str(directory), *command)
        said(capsys, "-C", str(directory / "missing"), "up")

    def test_what_a_configuration_says(self, elsewhere, capsys, text):
        (elsewhere / ".env").write_text(ENV)
        (elsewhere / "config.yaml").write_text(CONFIG.format(json.dumps(text)))
        for command in COMMANDS:
            said(capsys, *command)

    def test_names_of_the_environment_and_of_settings(self, elsewhere, capsys, text):
        line = text.replace("\n", " ")
        for key in ("DB_USER", "DB_HOST", "DB_PORT", "DB_NAME"):
            (elsewhere / ".env").write_text(re.sub(f"{key}=.*", lambda _, key=key: f"{key}={line}", ENV))
            for command in COMMANDS[:6]:
                said(capsys, *command)
        (elsewhere / ".env").write_text(ENV)
        for name in ("name", "image", "engine", "config", "template", "model", "port", line):
            (elsewhere / "planodev.toml").write_text(f"{json.dumps(name)} = {json.dumps(text)}\n")
            for command in (["up"], ["status"]):
                said(capsys, *command)

    def test_what_is_typed(self, elsewhere, capsys, text):
        (elsewhere / ".env").write_text(ENV)
        for option in ("--name", "--image", "--port", "--config", "--model", "--template", "--engine", f"--{text}"):
            said(capsys, "up", option, text)
        for command in (["snapshot", "restore", text], ["conversations", "show", text], [text], ["production", text]):
            said(capsys, *command)
        said(capsys, "production", "neon", "--host", text)
        said(capsys, "verify", "--env-file", text)


def test_values_that_env_prints_to_a_terminal(elsewhere, capsys, monkeypatch):
    value = "sk-a\x1b[2Jb\u202e"
    (elsewhere / ".env").write_text(f"{ENV}OPENAI_API_KEY={value}\n")
    assert main(["env", "--format", "shell"]) == 0
    assert f"export OPENAI_API_KEY='{value}'" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert main(["env", "--format", "shell"]) == 0
    assert "sk-a\\x1b[2Jb\\u202e" in plain(capsys.readouterr().out)


@pytest.mark.parametrize("text", slow_but(SAMPLE, HOSTILE.values()), ids=HOSTILE)
@pytest.mark.parametrize(
    "what", ["GET /_ping", "GET /containers/json", "POST /volumes/create", "POST /containers/create"]
)
def test_what_an_engine_says(elsewhere, capsys, monkeypatch, text, what):
    with tempfile.TemporaryDirectory() as directory:
        engine = EngineServer(Path(directory) / "d.sock")
        monkeypatch.setenv("DOCKER_HOST", engine.url)
        engine.bad.append((what, bad.before_reading(whole(500, {"message": f"no {text}"}))))
        with contextlib.suppress(PlanodevError):
            said(capsys, "up", "--timeout", "0.1", "--port", "55432", "--plano", "native", "--model", "a/b")
        said(capsys, "status")
        engine.stop()


ODD = [
    "it's",
    "a b",
    "$(touch pwned)",
    "`touch pwned`",
    ";touch pwned",
    "-rf",
    "'; touch pwned; '",
    "a\nb",
    "\x1b[31m",
    '"',
]


@pytest.mark.parametrize("name", ODD)
def test_what_a_fix_has_to_be_pasted_does_that_and_nothing_else(elsewhere, capsys, name):
    """The fixes for a `.env` that is a directory, and for a configuration of another charset."""
    project = elsewhere / name
    project.mkdir()
    (project / ".env").mkdir()
    shown = said(capsys, "-C", str(project), "up")
    command = shown.split("fix: remove it: `", 1)[1].rpartition("`")[0]
    subprocess.run(["/bin/bash", "-c", command], check=True, cwd=elsewhere, env={"PATH": "/usr/bin:/bin"})
    assert not (project / ".env").exists()
    (project / ".env").write_bytes("DB_PASS=gr\xfc\xdfe\n".encode("latin-1"))
    shown = said(capsys, "-C", str(project), "up")
    command = shown.split("fix: `", 1)[1].rpartition("`")[0]
    subprocess.run(["/bin/bash", "-c", command], check=True, cwd=elsewhere, env={"PATH": "/usr/bin:/bin"})
    assert (project / ".env").read_text() == "DB_PASS=gr\xfc\xdfe\n"
    assert not list(elsewhere.rglob("pwned"))


def test_a_planodev_command_in_a_fix_is_quoted(elsewhere, capsys):
    project = elsewhere / "a b'; touch pwned"
    project.mkdir()
    shown = said(capsys, "-C", str(project), "env")
    words = shlex.split(re.search(r"fix: `(.*)`", shown)[1])
    assert words[-3:] == ["-C", str(project), "up"]


LEVELS = list(zip("abcdefghij", "bcdefghijk", strict=True))
BOMBS = {
    "lists": "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]\n" for p, c in LEVELS),
    "values": "a: &a {x: y}\n"
    + "".join(f"{c}: &{c} {{{','.join(f'k{i}: *{p}' for i in range(9))}}}\n" for p, c in LEVELS),
    "merged": "a: &a {x: y}\n" + "".join(f"{c}: &{c} {{<<: [{','.join([f'*{p}'] * 9)}]}}\n" for p, c in LEVELS),
    "long": f"a: &a {'x' * 100_000}\nb: [{','.join(['*a'] * 1000)}]\n",
    "deep": "listeners: " + "[" * 50_000,
    "deep mappings": "listeners: " + "{a: " * 50_000,
    "large": "a: [1]\n" * 100_000,
    "itself": "a: &a [*a]\n",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_few_aliases_do_not_become_gigabytes(elsewhere, capsys, bomb):
    (elsewhere / ".env").write_text(ENV)
    (elsewhere / "config.yaml").write_text(f"version: v0.4.0\n{BOMBS[bomb]}state_storage: {{type: postgres}}\n")
    for command in COMMANDS:
        began = time.process_time()  # what others do on this machine does not count
        shown = said(capsys, *command)
        assert time.process_time() - began < 5, command
        assert command[0] not in ("run", "verify", "doctor", "production") or re.search(
            r"alias|nested too deeply|characters|part of", shown
        ), f"{command}: {shown}"


# Each line holds the one before it twice, so forty of them stand for terabytes.
DOUBLED = "".join(f"A{i}=${{A{i - 1}}}${{A{i - 1}}}\n" for i in range(1, 40))
LAST = {"${A39}": True, "$A39": True, "${A39:-x}": False, "${NONE:-${A39}${A39}}": True}


@pytest.mark.parametrize("value", LAST)
def test_a_few_references_do_not_become_gigabytes(elsewhere, capsys, value):
    (elsewhere / ".env").write_text(f"A0=xxxxxxxxxx\n{DOUBLED}{ENV}DB_PASS={value}\n")
    for command in COMMANDS:
        began = time.process_time()
        shown = said(capsys, *command)
        assert time.process_time() - began < 5, command
        assert "out-of-memory" not in shown, f"{command}: {shown}"
    assert ("more text than a variable can hold" in said(capsys, "env")) == LAST[value]


def test_many_long_references_do_not_either(elsewhere):
    lines = "".join(f"B{i}=${{A}}\n" for i in range(2000))
    (elsewhere / ".env").write_text(f"A={'x' * 100_000}\n{lines}")
    assert sum(map(len, env_file.load(elsewhere / ".env").values.values())) < 12_000_000
    assert len(storage.substitute("$A" * 5000, {"A": "x" * 100_000}, "native")) < 1_100_000


@pytest.mark.parametrize("as_json", [False, True])
def test_what_a_server_says_without_end_is_cut(capsys, as_json):
    console = Console()
    console.json, long = as_json, "a\n\x1b[2J" * 10_000_000
    console.notice(Problem("code", long, why=long))
    console.fail(PlanodevError("code", long, why=long))
    out, err = capsys.readouterr()
    assert len(plain(out + err)) < 500_000
    assert "more characters)" in out + err
