"""What the pages for machines tell a reader to run: the skill of coding agents, and the workflow of docs/ci.md."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

pytestmark = pytest.mark.embedded

ROOT = Path(__file__).parents[2]
SKILL = (ROOT / "skills/planodev/SKILL.md").read_text()
CI = (ROOT / "docs/ci.md").read_text()
APP_TEST = """
import os, psycopg
def test_the_table_is_there():
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        assert database.execute("SELECT count(*) FROM conversation_states").fetchone() == (0,)
"""


def fences(text, language):
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", text)


@pytest.fixture
def shell(project):
    """Return a function that runs a line as pasted into a shell; `planoai` only says there what it got."""
    programs = project.base / "bin"
    programs.mkdir()
    programs.joinpath("planodev").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m planodev "$@"\n')
    programs.joinpath("python").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    programs.joinpath("planoai").write_text('#!/bin/sh\necho "planoai $*, $DB_HOST:$DB_PORT"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    project.path.joinpath("tests").mkdir()
    project.path.joinpath("tests/test_app.py").write_text(APP_TEST)
    environment = {
        **project.environment,
        "PLANODEV_MODEL": "ollama/llama3.1",
        "GITHUB_ENV": str(project.base / "github"),
    }
    environment["PATH"] = f"{programs}:{environment['PATH']}"

    def run(line, code=0):
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", line],  # as GitHub runs a step
            cwd=project.path,
            env=environment,
            input="a-key-of-the-test\n" if "keys set" in line else "",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"{line}\n{done.stdout}{done.stderr}"
        assert "\\n" not in done.stderr, f"{line} has a line end in a line\n{done.stderr}"
        return done.stdout

    return run


@pytest.mark.slow
def test_every_command_of_the_skill_runs_in_its_order(shell):
    lines = [line for block in fences(SKILL, "bash") for line in block.splitlines()]
    assert len(lines) >= 8
    for line in lines:
        shown = shell(line)
        if line.endswith("--json"):
            assert json.loads(shown)["schema_version"] == 1
        if "planoai" in line:
            assert shown.startswith("planoai up, 127.0.0.1:")
    assert "1 passed" in shell("planodev up -q >/dev/null && planodev run -- python -m pytest")


@pytest.mark.slow
def test_what_the_skill_says_within_its_text_runs_too(shell):
    shell("planodev up")
    commands = dict.fromkeys(re.findall(r"`(planodev [^`]+)`", re.sub(r"(?ms)^```.*?^```", "", SKILL)))
    assert "planodev up --dry-run" in commands
    for command in commands:
        if command != "planodev run":  # which is named, without what it runs
            shell(command, code=REFUSED.get(command, 0))


# Not exit code 0 here: a container does not reach this server, nobody confirms, and nothing is filled in.
REFUSED = {
    "planodev run -- planoai up --docker": 7,
    "planodev up --with-plano": 6,  # the `planoai` of these tests starts nothing
    "planodev ask TEXT": 6,
    "planodev ask --new TEXT": 6,
    "planodev verify --through-plano": 7,
    "planodev down --delete-data": 2,
    "planodev verify --env-file .env.production": 7,
    "planodev snapshot restore": 2,
    "planodev reset": 2,
}
# What is not run below, and where it is: it goes on until somebody ends it, opens a browser, needs Docker, or installs.
ELSEWHERE = {
    "planodev conversations --follow": (
        "conversations/test_conversations.py::test_turns_are_followed_also_over_a_restart"
    ),
    "planodev conversations --open": "project/test_leftovers.py::test_deleting_the_data_leaves_no_record_and_no_lock",
    "planodev logs -f": "cli/test_daily.py::test_a_log_is_followed",
    "planodev run -- COMMAND": "cli/test_run.py::test_it_runs_in_the_project_with_what_the_shell_has",
    "planodev up --engine docker": "engines/test_move.py::test_there_and_back_with_every_row_and_nothing_left_behind",
    "planodev up --port 5432": "engines/test_port_choice.py::test_a_port_that_was_asked_for_is_never_moved",
    'planodev ask "My order 1234 has not arrived."': "gateway/test_with_plano.py::test_three_commands_lead",
    "pipx install planoai": "package",  # into one environment with planodev
    "uv tool install planoai": "package",
    "make up": "../.ci/run",
    "make test": "../.ci/run",
}
TURN = (
    "INSERT INTO conversation_states "
    "VALUES ('resp_1', '[]', extract(epoch FROM now())::bigint, 'claude-sonnet-4-6', 'anthropic')"
)


def commands_of_the_readme():
    """Return every command on it, in its text and in its blocks, each once."""
    text = (ROOT / "README.md").read_text()
    outside = re.findall(r"`((?:planodev|python3|make|pipx|uv) [^`]+)`", re.sub(r"(?ms)^```.*?^```", "", text))
    lines = [line.removeprefix("$ ") for block in fences(text, "sh") for line in block.splitlines()]
    lines += re.findall(r"(?m)^\$ (.*)$", "".join(fences(text, "console")))
    parts = [part.strip() for line in lines for part in line.split("# or:")]
    return list(dict.fromkeys([*outside, *(re.split(r"\s+#", part)[0] for part in parts)]))


def test_the_commands_of_the_readme_run(shell):
    commands = commands_of_the_readme()
    assert len(commands) > 35
    assert not {*REFUSED, *ELSEWHERE} - {*commands}
    package = (ROOT / "tests/package").read_text()
    for command in commands:
        if command in ELSEWHERE:
            path, _, test = ELSEWHERE[command].partition("::")
            there = re.escape(f"def {test}" if test else "planoai")
            if command.startswith("make"):
                there = rf"(?m)^\s+{re.escape(command)}(?= [&|])"
            assert re.search(there, (ROOT / "tests" / path).read_text()), command
        elif re.match("pipx|uv|python3 -m venv", command):
            assert f'tries "{command}"' in package, command
        else:
            if command.startswith("planodev run"):
                shell("planodev up")  # whatever came before
            if command == "planodev conversations show last":
                shell(f'planodev psql -c "{TURN}"')
            shell(command, code=REFUSED.get(command, 0))


def test_the_skill_has_what_skills_of_plano_have():
    head = YAML(typ="safe").load(SKILL.split("---\n")[1])
    assert head["name"] == "planodev"
    assert {"description", "license", "metadata"} < set(head)
    for title in ("When To Use", "Apply These Rules", "Execution Checklist"):
        assert f"\n## {title}\n" in SKILL


@pytest.mark.slow
def test_the_workflow_of_the_docs_runs(shell, project):
    steps = YAML(typ="safe").load(fences(CI, "yaml")[0])["jobs"]["test"]["steps"]
    ran = [step["run"] for step in steps if step.get("run", "").startswith("planodev ")]
    assert [line.split()[1] for line in ran] == ["up", "run", "doctor", "down"]
    shown = [shell(line) for line in ran if "doctor" not in line]
    assert "1 passed" in shown[1]
    assert project.status()["state"] == "stopped"


@pytest.mark.slow
def test_the_variables_of_later_steps_are_masked_before_they_are_written(shell, project):
    shell("planodev up")
    project.change(".env", "^DB_PASS=.*$", "DB_PASS=a%40b%25c-of-my-own")
    shell("planodev up")
    ((step,),) = [YAML(typ="safe").load(fences(CI, "yaml")[1])]
    shown = shell(step["run"])
    masked = {
        one.replace("%25", "%") for one in re.findall(r"^::add-mask::(.*)$", shown, re.MULTILINE)
    }  # as GitHub reads it
    given = dict(line.split("=", 1) for line in (project.base / "github").read_text().splitlines())
    assert given["DB_PASS"] == "a%40b%25c-of-my-own"
    assert given["DB_PASS"] in masked
    assert given["DATABASE_URL"] in masked
    assert {"DB_USER", "DB_HOST", "DB_PORT", "DB_NAME"} <= set(given)
    assert not [line for line in shown.splitlines() if not line.startswith("::add-mask::")]
