"""`planodev keys`: what the configuration needs and where it is, never a value, and `keys set`, which nobody sees."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from types import SimpleNamespace

import pytest

from planodev.cli.main import main
from tests.support import schemas
from tests.support.git import git

SECRET = "sk-the-secret-1"
CONFIG = """version: v0.4.0
listeners: [{type: model, name: m, port: 12000}]
model_providers:
  - {model: anthropic/a, access_key: $ANTHROPIC_API_KEY, default: true}
  - {model: openai/o, access_key: $OPENAI_API_KEY}
  - {model: openai/p, access_key: $OPENAI_API_KEY}
  - {model: mistral/m, access_key: $MISTRAL_API_KEY}
  - {model: gemini/g, access_key: sk-written-as-itself}
"""


@pytest.fixture
def directory(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.endswith("_API_KEY") or name.startswith("PLANODEV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "shop"
    path.mkdir()
    (path / "config.yaml").write_text(CONFIG)
    monkeypatch.chdir(path)
    return path


@pytest.fixture
def cli(capsys, monkeypatch):
    def run(*arguments, said=None):
        piped = SimpleNamespace(buffer=io.BytesIO((said or "").encode()), isatty=lambda: False)
        monkeypatch.setattr(sys, "stdin", piped)
        code = main(list(arguments))
        out, err = capsys.readouterr()
        assert SECRET not in out + err
        shown = json.loads(out) if out.startswith("{") else None
        if shown:
            schemas.hold(shown)
        return SimpleNamespace(code=code, out=out, err=err, json=shown)

    return run


def places(done):
    return {one["name"]: (one["place"], one["found"]) for one in done.json["data"]["keys"]}


class TestList:
    def test_says_where_each_key_is(self, cli, directory, monkeypatch):
        monkeypatch.setenv("MISTRAL_API_KEY", SECRET)
        (directory / ".env").write_text(f"ANTHROPIC_API_KEY={SECRET}\nOPENAI_API_KEY=<your key>\n")
        assert places(cli("keys", "--json")) == {
            "ANTHROPIC_API_KEY": (".env", True),
            "OPENAI_API_KEY": ("placeholder", False),
            "MISTRAL_API_KEY": ("environment", False),  # where planoai does not look
            None: ("configuration", False),
        }
        done = cli("keys")
        assert (done.code, "sk-written-as-itself" in done.out + done.err) == (0, False)
        assert "  OPENAI_API_KEY     placeholder  for openai/o, openai/p" in done.out

    def test_says_what_is_missing_and_the_line_that_sets_it(self, cli, directory):
        (directory / "config.yaml").write_text(CONFIG.replace("sk-written-as-itself", "$GEMINI_API_KEY"))
        done = cli("keys", "--json")
        assert {place for place, _ in places(done).values()} == {"missing"}
        (warning,) = done.json["warnings"]
        names = "ANTHROPIC_API_KEY OPENAI_API_KEY MISTRAL_API_KEY GEMINI_API_KEY"
        assert warning["fix"] == f"`planodev keys set {names}` reads them without showing them"

    def test_the_environment_is_where_planoai_looks_without_a_file(self, cli, directory, monkeypatch):
        (directory / "other").mkdir()
        (directory / "config.yaml").rename(directory / "other/config.yaml")
        monkeypatch.setenv("MISTRAL_API_KEY", SECRET)
        done = cli("keys", "--config", "other/config.yaml", "--json")
        assert places(done)["MISTRAL_API_KEY"] == ("environment", True)

    def test_is_empty_without_a_configuration_or_without_keys(self, cli, directory):
        (directory / "config.yaml").write_text("version: v0.4.0\nlisteners: []\n")
        assert cli("keys").out == "`config.yaml` needs no key\n"
        (directory / "config.yaml").unlink()
        assert cli("keys").out == "Plano has no configuration yet: `planodev up` writes one\n"


class TestSet:
    def test_reads_what_is_piped_in(self, cli, directory):
        (directory / ".env").write_text("# mine\nOTHER='x y'\nOPENAI_API_KEY=changeme\nexport MISTRAL_API_KEY=old")
        done = cli("keys", "set", "OPENAI_API_KEY", "MISTRAL_API_KEY", said=f"{SECRET}\r\nk-two2\n")
        assert done.code == 0
        assert (
            directory / ".env"
        ).read_text() == f"# mine\nOTHER='x y'\nOPENAI_API_KEY={SECRET}\nMISTRAL_API_KEY=k-two2"
        assert (directory / ".env").stat().st_mode & 0o777 == 0o600
        assert done.out == "Next: `planodev keys set ANTHROPIC_API_KEY`\n"

    def test_says_when_nothing_changed(self, cli, directory):
        assert cli("keys", "set", "OPENAI_API_KEY", "--json", said=SECRET).json["data"]["changed"]
        assert not cli("keys", "set", "OPENAI_API_KEY", "--json", said=SECRET).json["data"]["changed"]

    def test_takes_the_environment_where_that_is_asked_for(self, cli, directory, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", SECRET)
        cli("keys", "set", "OPENAI_API_KEY", "--from-environment")
        assert (directory / ".env").read_text() == f"OPENAI_API_KEY={SECRET}\n"

    def test_writes_where_planoai_looks(self, cli, directory):
        (directory / "other").mkdir()
        (directory / "config.yaml").rename(directory / "other/config.yaml")
        (directory / "other/.env").write_text("A=1\n")
        cli("keys", "set", "OPENAI_API_KEY", "--config", "other/config.yaml", said=SECRET)
        assert (directory / "other/.env").read_text() == f"A=1\nOPENAI_API_KEY={SECRET}\n"
        assert not (directory / ".env").exists()

    @pytest.mark.parametrize("more", [[], ["--quiet"]])
    def test_has_git_ignore_what_it_writes(self, cli, directory, more):
        git(directory, "init", "-q")
        assert cli("keys", "set", "OPENAI_API_KEY", *more, said=SECRET).code == 0
        assert (directory / ".gitignore").read_text() == ".env\n"

    @pytest.mark.parametrize(
        "words", [[f"OPENAI_API_KEY={SECRET}"], ["OPENAI_API_KEY", SECRET], [SECRET], ["gsk_0aB9cD8eF"]]
    )
    def test_refuses_a_value_on_the_command_line_and_does_not_repeat_it(self, cli, directory, words):
        done = cli("keys", "set", *words, "--json", said="k-other")
        assert (done.code, done.json["error"]["code"]) == (2, "bad-key-name")
        assert words[-1] not in done.out + done.err
        assert not (directory / ".env").exists()

    @pytest.mark.parametrize(
        ("name", "code"),
        [("DB_PASS", "bad-key-name"), ("PYTHONPATH", "bad-key-name"), ("OPENAI_API_KEYS", "key-unknown")],
    )
    def test_refuses_names_of_other_things(self, cli, directory, name, code):
        error = cli("keys", "set", name, "--json", said=SECRET).json["error"]
        assert error["code"] == code
        assert code != "key-unknown" or error["fix"] == "`planodev keys set OPENAI_API_KEY`"

    def test_accepts_any_name_that_resembles_none(self, cli, directory):
        assert cli("keys", "set", "HOUSE_TOKEN", said=SECRET).code == 0

    @pytest.mark.parametrize(
        ("said", "code"),
        [
            ("", "key-not-given"),
            ("\n\n", "key-not-given"),
            ("abc", "bad-key"),
            ("a b c d", "bad-key"),
            ("<your key>", "bad-key"),
            ("'sk-quoted'", "bad-key"),
            ("sk-one-1\nsk-two-2\n", "bad-key"),
        ],
    )
    def test_refuses_what_is_no_key(self, cli, directory, said, code):
        done = cli("keys", "set", "OPENAI_API_KEY", "--json", said=said)
        assert (done.code, done.json["error"]["code"]) == (2, code)
        assert not (directory / ".env").exists()

    def test_asks_unseen_at_a_terminal(self, directory):
        outer, inner = pty.openpty()
        command = [sys.executable, "-m", "planodev", "keys", "set", "OPENAI_API_KEY"]
        process = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner)
        os.close(inner)
        said = b""
        while b"(hidden)" not in said:
            said += os.read(outer, 1000)
        os.write(outer, f"{SECRET}\n".encode())
        try:
            while part := os.read(outer, 1000):
                said += part
        except OSError:
            pass
        assert process.wait(20) == 0
        assert SECRET.encode() not in said
        assert (directory / ".env").read_text() == f"OPENAI_API_KEY={SECRET}\n"
