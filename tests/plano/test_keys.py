"""Provider keys: planoai takes them from `.env` alone, and a secret is written only where the user said so."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.terminal import on_terminal
from tests.support.tiers import slow_but

pytestmark = pytest.mark.docker

MODEL = ("--model", "anthropic/claude-sonnet-4-5")
NAME, SECRET = "ANTHROPIC_API_KEY", "sk-ant-s3cret_of.the-shell"
SHELL = {NAME: SECRET}
# What is typed is unseen once the blank behind the question is there, and not before.
TYPED = "(hidden; Enter skips it): "


def key_lines(project):
    return [line for line in (project.path / ".env").read_text().splitlines() if NAME in line]


def codes(done):
    return [warning["code"] for warning in done.json["warnings"]]


@pytest.fixture
def bare(ready):
    """Return a project that is up, and whose configuration names a key that `.env` does not have."""
    ready.change(".env", f"^{NAME}=.*\n", "")
    return ready


class TestAtATerminal:
    def test_a_key_of_the_shell_is_offered_and_saved(self, bare):
        code, screen = on_terminal(bare, "up", keys=SHELL, answers=[("[Y/n]", "y\n")])
        assert (code, key_lines(bare)) == (0, [f"{NAME}={SECRET}"]), screen
        assert (SECRET in screen, screen.count("Save it there?"), "key-not" in screen) == (False, 1, False)
        code, screen = on_terminal(bare, "up", keys=SHELL)
        assert (code, "Save it there?" in screen) == (0, False)

    def test_enter_saves_it_and_no_does_not(self, bare):
        code, screen = on_terminal(bare, "up", keys=SHELL, answers=[("[Y/n]", "n\n")])
        assert (code, key_lines(bare), "[key-not-in-env-file]" in screen) == (0, [], True), screen
        assert "up --save-keys`" in screen
        on_terminal(bare, "up", keys=SHELL, answers=[("[Y/n]", "\n")])
        assert key_lines(bare) == [f"{NAME}={SECRET}"]

    @pytest.mark.slow
    def test_a_key_that_is_nowhere_is_typed_in_unseen(self, bare):
        code, screen = on_terminal(bare, "up", answers=[(TYPED, "sk-typed-1\n")])
        assert (code, key_lines(bare)) == (0, [f"{NAME}=sk-typed-1"]), screen
        assert ("sk-typed-1" in screen, "[key-" in screen) == (False, False)

    @pytest.mark.slow
    def test_enter_leaves_it_out(self, bare):
        before = (bare.path / ".env").read_bytes()
        code, screen = on_terminal(bare, "up", answers=[(TYPED, "\n")])
        assert (code, (bare.path / ".env").read_bytes()) == (0, before), screen
        assert "[key-not-in-env-file]" in screen

    @pytest.mark.parametrize("typed", slow_but(["changeme"], ["<your key>", "changeme", "two words", "sk-'1", "$HOME"]))
    def test_what_cannot_be_a_key_is_not_saved(self, bare, typed):
        code, screen = on_terminal(bare, "up", answers=[(TYPED, f"{typed}\n")])
        assert (code, key_lines(bare)) == (0, []), screen
        assert ("was not saved" in screen, typed in screen.replace("$HOME/", "")) == (True, False)

    @pytest.mark.parametrize(
        "options", slow_but([["--yes"]], [["--no-save-keys"], ["--yes"], ["--dry-run"], ["--json"]])
    )
    def test_some_options_ask_nothing(self, bare, options):
        before = (bare.path / ".env").read_bytes()
        code, screen = on_terminal(bare, "up", *options, keys=SHELL)
        assert (code, (bare.path / ".env").read_bytes()) == (0, before), screen
        assert ("[Y/n]" in screen, SECRET in screen) == (False, False)


class TestWithoutATerminal:
    def test_nothing_is_written_and_the_command_that_is_named_works_when_pasted(self, bare):
        before = (bare.path / ".env").read_bytes()
        done = bare("up", "--json", **SHELL)
        assert (bare.path / ".env").read_bytes() == before
        told = [w for w in done.json["warnings"] if w["code"] == "key-not-in-env-file"]
        assert [w["fix"] for w in told] == [f"`planodev -C {bare.path} up --save-keys`"]
        path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
        environment = {**bare.environment, **SHELL, "PATH": path}
        subprocess.run(["sh", "-c", told[0]["fix"].strip("`")], cwd="/", env=environment, check=True)
        assert key_lines(bare) == [f"{NAME}={SECRET}"]
        assert codes(bare("up", "--json")) == []

    @pytest.mark.parametrize(
        "variables",
        slow_but([{NAME: ""}], [{}, {NAME: ""}, {NAME: "<your key>"}, {NAME: "changeme"}, {NAME: "sk 'x'"}]),
    )
    def test_save_keys_never_writes_an_empty_line_or_a_placeholder(self, bare, variables):
        before = (bare.path / ".env").read_bytes()
        assert codes(bare("up", "--save-keys", "--json", **variables)) == ["key-not-in-env-file"]
        assert (bare.path / ".env").read_bytes() == before

    def test_each_key_that_is_missing_is_told_at_the_end(self, bare):
        text = (bare.path / "config.yaml").read_text()
        more = (
            "  - model: groq/x\n    access_key: $GROQ_API_KEY\n  - model: mistral/y\n    access_key: $MISTRAL_API_KEY\n"
        )
        bare.write("config.yaml", text.replace("model_providers:\n", f"model_providers:\n{more}"))
        first = [line for line in bare("up", **SHELL).out.splitlines() if line.startswith("First: ")]
        assert len(first) == 2  # one for those that are nowhere, one for the one in the shell
        for name in ("GROQ_API_KEY", "MISTRAL_API_KEY"):
            assert sum(name in line for line in first) == 1
        assert sum("--save-keys" in line for line in first) == 1

    def test_no_save_keys_and_a_dry_run_write_nothing(self, bare):
        before = (bare.path / ".env").read_bytes()
        for options in (["--no-save-keys"], ["--save-keys", "--dry-run"], ["--yes"]):
            assert SECRET not in bare("up", *options, **SHELL).err
            assert (bare.path / ".env").read_bytes() == before

    def test_a_key_that_is_there_is_kept(self, ready):
        before = (ready.path / ".env").read_bytes()
        assert codes(ready("up", "--save-keys", "--json", **SHELL)) == []
        assert (ready.path / ".env").read_bytes() == before


LINES = [f"{NAME}=", f"{NAME}=\r", f"export {NAME}=", f"{NAME}", f"{NAME}=<your key>"]


@pytest.mark.parametrize("line", slow_but(LINES[:2], LINES))
def test_a_line_without_a_key_is_filled_and_not_doubled(bare, line):
    text = (bare.path / ".env").read_text()
    (bare.path / ".env").write_bytes(f"# first\n{line}\n{text}# last".encode())
    bare("up", "--save-keys", **SHELL)
    after = (bare.path / ".env").read_bytes().decode()
    assert key_lines(bare) == [f"{NAME}={SECRET}"]
    assert after.startswith("# first\n")
    assert after.replace("\r", "") == f"# first\n{NAME}={SECRET}\n{text}# last"


def test_foreign_lines_survive_byte_for_byte(bare):
    foreign = "# head\r\nexport FOO='a b'\n\nMULTI=\"one\ntwo\"\n  BAR = baz # why\n\tOTHER_API_KEY=\nÜ=ñ\n"
    foreign += f"#{NAME}=old\n"
    text = (bare.path / ".env").read_text()
    (bare.path / ".env").write_bytes((foreign + text).encode())
    bare("up", "--save-keys", **SHELL)
    assert (bare.path / ".env").read_bytes() == f"{foreign}{text}{NAME}={SECRET}\n".encode()
    assert (bare.path / ".env").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_of_several_keys_each_is_treated_by_itself(project):
    models = ["anthropic/claude-sonnet-4-5", "mistral/mistral-large-latest", "groq/llama-3.3-70b-versatile"]
    project.write(".env", "MISTRAL_API_KEY=m-1\n")
    arguments = [part for model in models for part in ("--model", model)]
    done = project("up", *arguments, "--save-keys", "--json", MISTRAL_API_KEY="m-2", **SHELL)
    assert {name: value for name, value in project.env.items() if name.endswith("_API_KEY")} == {
        "MISTRAL_API_KEY": "m-1",
        NAME: SECRET,
    }
    told = [w["message"] for w in done.json["warnings"] if w["code"].startswith("key-")]
    assert (len(told), "GROQ_API_KEY is not set" in told[0]) == (1, True)


def test_a_first_project_with_nothing_but_a_key_in_the_shell(project, planoai):
    """A newcomer who follows the README: two pasted lines lead to a Plano that gets the key."""
    code, screen = on_terminal(project, "up", keys=SHELL, answers=[("[Y/n]", "\n")])
    assert code == 0, screen
    last = (
        next(line for line in reversed(screen.splitlines()) if "Next: " in line)
        .partition("Next: ")[2]
        .strip()
        .strip("`")
    )
    path = f"{planoai.directory}{os.pathsep}{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    mine = {"PATH": path, "HOME": str(planoai.home), "PLANO_RECORD": str(planoai.record)}
    # The recorder launches nothing, which this command then tells.
    subprocess.run(["sh", "-c", last], cwd="/", env={**project.environment, **SHELL, **mine}, check=False)
    assert planoai.recorded["access_keys"] == {"anthropic/claude-sonnet-4-6": SECRET}
    assert project.env["DB_PASS"] in planoai.recorded["connection_string"]


@pytest.mark.slow
def test_a_key_is_in_no_output(ready):
    key = ready.env[NAME]
    for command in (
        ["up"],
        ["up", "--json"],
        ["verify", "--json"],
        ["status"],
        ["status", "--json"],
        ["doctor"],
        ["doctor", "--json"],
    ):
        for variables in ({}, SHELL):
            done = ready(*command, code=None, **variables)
            assert not any(secret in done.out + done.err for secret in (key, SECRET)), command
