"""The command line itself, in this process: shared options anywhere, usage errors, fixes, exit codes."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from planodev.cli.console import Console
from planodev.cli.main import main
from planodev.problems import Command, Fix, Interrupted, Problem, VerificationFailed
from planodev.project import identity
from planodev.result import Result


@pytest.fixture
def cli(capsys):
    """Return a function that runs planodev and returns code, out, err; the JSON where there is one."""

    def run(*arguments):
        code = main(list(arguments))
        out, err = capsys.readouterr()
        shown = json.loads(out) if out.startswith("{") else None
        return SimpleNamespace(code=code, out=out, err=err, json=shown)

    return run


@pytest.fixture
def work(monkeypatch):
    """Return what `up` and `status` were called with, instead of running them; `result` is what they end with."""
    called = SimpleNamespace(directory=None, options={}, console=None, result=Result("up", {"a": 1}, ["line"]))

    def up(context):
        called.directory, called.options, called.console = str(context.project.path), context.options, context.progress
        if isinstance(called.result, BaseException):
            raise called.result
        return called.result

    for name, attribute in (("up", "up"), ("down", "down"), ("verify", "verify"), ("production", "write")):
        monkeypatch.setattr(importlib.import_module(f"planodev.cli.{name}"), attribute, up)
    monkeypatch.setattr("planodev.project.identity.at", lambda directory: identity.Project(Path(directory), ""))
    monkeypatch.setattr("planodev.project.search.above", lambda start: None)
    return called


class TestSharedOptions:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["-q", "-C", "there", "--json", "up", "--yes"],
            ["up", "-q", "--yes", "-C", "there", "--json"],
            ["-C", "there", "up", "--json", "--yes", "--quiet"],
            ["-C", "elsewhere", "--json", "up", "-qC", "there", "--yes"],
        ],
    )
    def test_stand_before_the_command_or_behind_it(self, cli, work, arguments):
        done = cli(*arguments)
        assert (done.code, done.json["data"]) == (0, {"a": 1})
        assert (work.directory, work.console.quiet, work.options["yes"]) == ("there", True, True)
        assert {"json", "quiet", "directory"}.isdisjoint(work.options)

    def test_what_was_given_before_the_command_stays_without_them_behind_it(self, cli, work):
        cli("-q", "-C", "there", "up")
        assert (work.directory, work.console.quiet) == ("there", True)

    @pytest.mark.parametrize("name", ["up", "down", "status", "verify", "run", "env", "doctor", "production"])
    def test_help_is_there_for_every_command(self, cli, name):
        for option in ("-h", "--help"):
            done = cli(name, option)
            assert (done.code, done.err) == (0, "")
            assert "-C DIR" in done.out
            assert "-q, --quiet" in done.out

    def test_the_arguments_of_a_command_behind_run_are_its_own(self, cli, work, monkeypatch):
        from planodev.cli import run
        from planodev.commands import run_and_env

        seen = []
        monkeypatch.setattr(run_and_env, "run", lambda *given: seen.append(given))
        monkeypatch.setattr(run, "become", lambda launch: 5)
        own = ("echo", "-q", "-C", "x", "--json", "--plano", "docker", "-h", "--help")
        assert cli("run", "-q", "-C", "there", "--plano", "native", "--", *own).code == 5
        assert cli("run", *own).code == 5
        assert [command for _, command in seen] == [own, own]
        first, second = (context for context, _ in seen)
        assert (str(first.project.path), first.options) == ("there", {"plano": "native"})
        assert (first.progress.quiet, first.progress.json) == (True, False)
        assert (str(second.project.path), second.options, second.progress.quiet) == (".", {"plano": None}, False)

    @pytest.mark.parametrize("name", ["run", "env"])
    def test_a_command_with_an_output_of_its_own_refuses_json(self, cli, name):
        done = cli("--json", name, *(["true"] if name == "run" else []))
        assert (done.code, done.json["error"]["message"]) == (2, f"`{name}` has no --json")


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "command"),
        [
            (["up", "--nonsense", "--json"], "up"),
            (["up", "--json", "--nonsense"], "up"),
            (["up", "extra", "--json"], "up"),
            (["up", "--dry-run=3", "--json"], "up"),
            (["--json", "up", "--port"], "up"),
            (["production", "nowhere", "--json"], "production"),
            (["production", "--json"], "production"),
            (["env", "--json"], "env"),
            (["down", "--keep-data", "--delete-data", "--json"], "down"),
            (["verify", "--timeout", "3", "--json"], "verify"),
            (["stauts", "--json"], "planodev"),
            (["--nonsense", "up", "--json"], "planodev"),
            (["--json"], "planodev"),
            (["-C", "", "up", "--json"], "up"),
            (["up", "--json", "-C", ""], "up"),
            (["up", "--config", "", "--json"], "up"),
            (["verify", "--env-file", "", "--json"], "verify"),
            (["production", "rds", "--output", "", "--json"], "production"),
        ],
    )
    def test_every_mistake_is_one_json_object_where_that_was_asked_for(self, cli, work, arguments, command):
        done = cli(*arguments)
        assert (done.code, done.err, done.json["ok"], done.json["error"]["code"]) == (2, "", False, "usage")
        assert (done.json["command"], bool(done.json["error"]["fix"])) == (command, True)
        assert work.console is None

    def test_a_mistake_is_said_with_the_help_that_shows_what_is_right(self, cli):
        done = cli("up", "--prot", "1")
        assert (done.code, done.out) == (2, "")
        assert "No such option" in done.err
        assert "--port" in done.err
        assert "fix: `planodev up --help`" in done.err
        assert "fix: `planodev --help`" in cli("nonsense").err

    @pytest.mark.parametrize(("typed", "meant"), [("stauts", "status"), ("start", "up"), ("ps", "status")])
    def test_a_command_by_another_name_is_led_to_its_own(self, cli, typed, meant):
        done = cli(typed)
        assert (done.code, f"Did you mean `{meant}`?" in done.err) == (2, True)

    def test_no_command_shows_the_help(self, cli):
        done = cli()
        assert (done.code, done.out, "Usage: planodev" in done.err) == (2, "", True)

    def test_what_is_wrong_behind_run_is_no_object(self, cli):
        done = cli("run", "--nonsense", "cat", "--json")
        assert (done.code, done.out) == (2, "")


class TestEnds:
    @pytest.mark.parametrize(
        ("arguments", "fix"),
        [
            (["up", "--port", "5433"], "run `planodev up --port 5433` again to finish"),
            (["-C", "x", "down", "--delete-data"], "run `planodev -C x down --delete-data` again to finish"),
            (["up", "--no-save-keys", "--dry-run"], "run `planodev up --no-save-keys --dry-run` again to finish"),
            (["verify"], None),
            (["production", "rds"], None),
        ],
    )
    def test_an_interruption_is_said_with_what_finishes_what_was_begun(self, cli, work, arguments, fix):
        work.result = KeyboardInterrupt()
        done = cli(*arguments)
        assert (done.code, done.out) == (Interrupted.exit_code, "")
        assert done.err == "✗ interrupted [interrupted]\n" + (f"  fix: {fix}\n" if fix else "")
        assert cli(*arguments, "--json").json["error"] == {
            "code": "interrupted",
            "message": "interrupted",
            "why": None,
            "fix": fix,
        }

    def test_one_of_run_does_not_speak_of_up(self, cli, monkeypatch):
        from planodev.commands import run_and_env

        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(run_and_env, "run", interrupted)
        assert cli("run", "--", "planoai", "up").err == "✗ interrupted [interrupted]\n"

    def test_an_unexpected_error_has_its_type_and_text(self, cli, work, monkeypatch):
        monkeypatch.delenv("PLANODEV_DEBUG", raising=False)
        work.result = ZeroDivisionError("by\nzero")
        done = cli("up", "--json")
        assert (done.code, done.json["error"]["code"], done.json["error"]["why"]) == (1, "unexpected", "by zero")

    def test_a_result_that_failed_is_shown_and_gives_the_exit_code(self, cli, work):
        work.result = Result("up", {"a": 1}, ["line"], error=VerificationFailed("x-y", "message"))
        done = cli("up")
        assert (done.code, done.out) == (7, "line\n")

    def test_a_reader_that_went_away_is_no_error(self, cli, work):
        work.result = BrokenPipeError()
        done = cli("up")
        assert (done.code, done.out, done.err) == (141, "", "")


class TestFixes:
    """A command that is named acts on this project, and `up` means what was typed."""

    FIX = Fix("a `file`, or ", Command("up", "--port", 5433), "; ", Command("down"))

    def test_is_the_same_in_every_place(self, cli, work, monkeypatch):
        expected = "a `file`, or `planodev -C 'a b' up --port 5433 --plano native`; `planodev -C 'a b' down`"
        typed = ["-C", "a b", "up", "--port", "1", "--plano", "native", "--yes"]
        warning, error = Problem("w-w", "message", self.FIX), VerificationFailed("e-e", "message", fix=self.FIX)
        work.result = Result("up", {}, [self.FIX, "Next: " + self.FIX, Command("run", "--", "x y")], [warning])
        done = cli(*typed)
        kept = expected.replace(" --plano native", "")  # a project remembers what its `up` has ended well with
        assert done.out == f"{kept}\nNext: {kept}\nNext: `planodev -C 'a b' run -- 'x y'`\n"
        assert f"  fix: {kept}\n" in done.err
        assert cli(*typed, "--json").json["warnings"][0]["fix"] == kept
        work.result = error
        assert f"  fix: {expected}\n" in cli(*typed).err
        assert cli(*typed, "--json").json["error"]["fix"] == expected

    def test_is_without_a_model_where_a_configuration_is_there(self, cli, work):
        typed = ["up", "--model", "a/b", "--model", "c/d", "--template", "t", "--plano", "native"]
        work.result = VerificationFailed("e-e", "message", fix=Fix(Command("up", "--save-keys"), Command("up")))
        again = "--template t --model a/b --model c/d"
        expected = f"`planodev up --save-keys --plano native``planodev up --plano native {again}`"
        assert f"  fix: {expected}\n" in cli(*typed).err

    def test_repeats_nothing_of_another_command(self, cli, work):
        work.result = Result("verify", {}, [Fix(Command("up"))])
        assert cli("verify", "--config", "x.yaml").out == "`planodev up`\n"

    def test_is_shown_beside_each_check_of_doctor(self):
        from planodev import doctor
        from planodev.result import Check

        check = Check("port", "failed", "taken", "why\nmore", self.FIX, (Problem("o-o", "other", "plain"),))
        console = Console()
        console.directory = "x"
        lines = [console._text(line) for line in doctor._result([check]).summary]
        fix = "a `file`, or `planodev -C x up --port 5433`; `planodev -C x down`"
        assert lines[:6] == [
            "✗ port       taken",
            *(f"{'':<13}{line}" for line in ("why: why", "more", f"fix: {fix}", "also: other", "fix: plain")),
        ]
