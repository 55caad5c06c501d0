"""Each kind of `.env`, as `env_files.toml` has it: what every command says of it, and what stands in it afterwards."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planodev.postgres.connection import decode_password
from planodev.problems import PlanodevError
from planodev.project import env_file, env_kinds
from tests.support.on_fake import CommandLine
from tests.support.tiers import first_of_each
from tests.support.toml import tomllib

CASES = tomllib.loads((Path(__file__).parent / "env_files.toml").read_text())["case"]
PAGE = (Path(__file__).parents[2] / "docs/env-files.md").read_text()
# Rows about what a text cannot show; `test_checkouts.py` has them.
OF_CHECKOUTS = {
    *("none", "a link within the project", "a link out of the project", "a link into another checkout or project"),
    *("a link to nothing", "a directory", "a pipe or a device", "a mount of its own", "one that git tracks"),
    *("one that git does not ignore, whatever `.gitignore` says", "one that git cannot be asked about"),
}
COMMANDS = (("status",), ("verify",), ("conversations",), ("psql",), ("env",), ("run", "--", "true"))
PLANNED = (("up",), ("up", "--dry-run"), ("up", "--yes"))


def table():
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if re.match(r"\| (?!kind|---)", line)]
    return {row[0]: row[-1].strip("` |") for row in rows}


def name_of(case):
    return f"{case['kind']}: {case['name']}"


def of_each_kind(cases):
    return first_of_each(lambda case: (case["kind"], case.get("code")), cases)


@pytest.fixture
def project(tmp_path, monkeypatch, capsys):
    directory = tmp_path / "shop"
    directory.mkdir()
    if shutil.which("git"):
        subprocess.run(["git", "init", "-q", str(directory)], check=True)
    return CommandLine(directory, tmp_path / "home", monkeypatch, capsys)


def content(case):
    return bytes.fromhex(case["bytes"]) if "bytes" in case else case["found"].encode()


def test_the_page_has_the_kinds_and_the_codes_of_the_cases():
    rows = table()
    assert {case["kind"] for case in CASES} | OF_CHECKOUTS == set(rows)
    for case in CASES:
        assert case.get("code", "–") in (rows[case["kind"]], "–"), name_of(case)
    for kind in {case["kind"] for case in CASES}:
        assert rows[kind] in {case.get("code", "–") for case in CASES if case["kind"] == kind}


@pytest.mark.parametrize("case", of_each_kind(case for case in CASES if "code" in case), ids=name_of)
def test_a_file_that_is_not_taken_is_named_by_every_command_and_stays(project, case):
    path, before = project.directory / ".env", content(case)
    path.write_bytes(before)
    shell = case.get("shell", {})
    if "taken" in case:
        project.engine.others["theirs"] = case["taken"]
    for command in (*PLANNED, *(() if "only" in case else COMMANDS)):
        done = project(*command, **shell)
        assert f"[{case['code']}]" in done.err, (command, done.out, done.err)
        assert done.code in (2, 4)
        for said in case.get("says", []):
            assert said in done.err, (command, said, done.err)
        assert "never-shown" not in done.out + done.err
        assert path.read_bytes() == before
    assert project.engine.changes == []
    assert [entry.name for entry in project.directory.iterdir() if entry.name != ".git"] == [".env"]
    if "only" not in case:
        assert case["code"] in project("down", "--json", **shell).warnings
        checks = project("doctor", "--json", **shell).json["data"]["checks"]
        assert {check["name"]: check["state"] for check in checks}["env-file"] == "failed"
    assert path.read_bytes() == before


@pytest.mark.parametrize("case", of_each_kind(case for case in CASES if "code" not in case), ids=name_of)
def test_a_file_that_is_taken_keeps_its_lines_and_gives_the_database_its_values(project, case):
    path = project.directory / ".env"
    path.write_bytes(content(case))
    shell = case.get("shell", {})
    done = project("up", "--plano", "docker", "--json", **shell)
    assert done.code == 0, (done.out, done.err)
    after = path.read_bytes()
    kept = case.get("kept", [])
    if kept == "all":
        assert after.startswith(content(case))
    else:
        assert set(kept) <= set(after.decode().splitlines())
    values = case.get("values", {})
    roles, databases = project.database.roles, project.database.databases
    assert roles[values.get("DB_USER", next(iter(roles)))] == values.get("DB_PASS", next(iter(roles.values())))
    assert values.get("DB_NAME", next(iter(databases))) in databases
    assert project("up", "--json", **shell).code == 0
    assert project("status", "--json", **shell).json["data"]["state"] == "running"
    printed = dict(line.partition("=")[::2] for line in project("env", **shell).out.splitlines())
    for key, value in values.items():
        assert decode_password(printed[key]) == value, key
    assert path.read_bytes() == after


@pytest.mark.parametrize(
    "case", of_each_kind(case for case in CASES if case.get("code") in env_kinds.LEFT_ALONE), ids=name_of
)
def test_the_fix_of_a_file_that_is_left_alone_mends_it_for_good(project, case):
    path, before = project.directory / ".env", content(case)
    path.write_bytes(before)
    assert project("up", "--dotenv", ".env.plano", "--json").code == 0
    assert path.read_bytes() == before
    for command in ("status", "up", "doctor", "verify", "down"):
        done = project(command, "--json")
        assert done.error in (None, "checks-failed", "planoai-missing"), (command, done.out)
    assert project("status", "--json").json["data"]["env_file"] == str(project.directory / ".env.plano")
    assert path.read_bytes() == before


LINES = st.lists(
    st.sampled_from(
        [
            *(case["found"] for case in CASES if "found" in case),
            *("# a comment", "", "  ", "export A='b c'", 'Q="x # y"', "UNBOUND", "M='a\nb'", "P=${DB_USER}"),
            *("DB_PORT=5432 # why", "  DB_USER = x", "DB_PASS=", 'export DB_NAME="n"', "DB_HOST=${H:-localhost}"),
            *("DB_PASS=op://a/b", "DB_PASS=${UNSET}", "DB_USER=$ROLE"),
        ]
    )
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    max_size=6,
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
WANTED = {"DB_USER": "plano", "DB_PASS": "p%40ss", "DB_HOST": "127.0.0.1", "DB_PORT": "5433", "DB_NAME": "plano"}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=LINES, end=st.sampled_from(["\n", "\r\n", "\r"]), final=st.booleans(), number=st.none() | st.just("0" * 16)
)
def test_whatever_it_held_its_other_lines_are_byte_for_byte_the_same_or_it_is_not_touched(
    tmp_path, lines, end, final, number
):
    path = tmp_path / ".env"
    before = (end.join(lines) + (end if final else "")).encode()
    path.write_bytes(before)
    try:
        env = env_file.load(path, {})
        if env_kinds.judge(path, env.text, env.written, asked=False, ours=False):
            return
    except PlanodevError:
        assert path.read_bytes() == before
        return
    new = env.with_values(WANTED, number)
    if new.text != env.text:
        new.write()
    after = env_file.load(path, {})
    # Those that planodev may write: `DB_*` that stand for themselves, and its own line.
    other = [line.text for line in env.lines if line.key not in WANTED or line.key in env.references]
    left = iter(line.text for line in after.lines)
    for text in other:
        if text.startswith("# planodev project: ") or not text.strip():
            continue
        assert any(found.strip("\r\n") == text.strip("\r\n") for found in left), (text, after.text)
    for key, value in WANTED.items():
        if key not in env.references:
            assert after.values[key] == value
