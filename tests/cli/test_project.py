"""What surrounds the code: package metadata, pinned versions, workflows and templates say the same as the code."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.support.toml import tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def read(path):
    return YAML(typ="safe").load((ROOT / path).read_text())


def steps():
    for path in WORKFLOWS:
        for job in read(path)["jobs"].values():
            yield from job["steps"]


def pythons():
    return [name.split(" :: ")[-1] for name in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", name)]


def test_the_licence_is_named_as_spdx_and_is_there():
    assert PROJECT["license"] == "MIT"
    assert "the planodev authors" in (ROOT / "LICENSE").read_text()
    assert not [name for name in PROJECT["classifiers"] if name.startswith("License")]  # PEP 639 forbids both


def test_types_are_published_with_the_package():
    assert (ROOT / "planodev/py.typed").exists()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_every_requirement_is_pinned():
    wanted = [*PROJECT["dependencies"], *(ROOT / "tests/package.in").read_text().split()]
    wanted += [name for extra in PROJECT["optional-dependencies"].values() for name in extra]
    names = {re.match(r"[A-Za-z0-9._-]+", name)[0].lower().replace(".", "-") for name in wanted}
    pinned = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "tests/constraints.txt").read_text(), re.MULTILINE))
    assert not sorted(names - pinned), "run `make lock`"


def test_every_python_of_the_classifiers_is_tested():
    assert read(".github/workflows/test.yml")["jobs"]["quick"]["strategy"]["matrix"]["python"] == pythons()
    minors = re.search(r"for minor in ([\d ]+);", (ROOT / "tests/pythons").read_text())[1].split()
    assert [f"3.{minor}" for minor in minors] == pythons()


def test_what_the_workflows_run_is_there():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    ran = [line for step in steps() for line in step.get("run", "").splitlines()]
    assert len(ran) > 5
    for line in ran:
        words = shlex.split(re.sub(r"\$\{\{.*?\}\}", "", line))
        assert words[0] != "make" or words[1] in targets, line
        for word in words:
            assert not re.match(r"(tests|planodev)/", word) or (ROOT / word).exists(), line


def test_only_the_job_that_publishes_gets_a_token():
    for path in WORKFLOWS:
        workflow = read(path)
        assert workflow["permissions"] == {"contents": "read"}
        for name, job in workflow["jobs"].items():
            assert job.get("permissions", {}) == ({"id-token": "write"} if name == "publish" else {})
            assert job["timeout-minutes"]
    assert "secrets." not in "".join(path.read_text() for path in WORKFLOWS)


@pytest.mark.skipif(not shutil.which("actionlint"), reason="actionlint is not installed")
def test_actionlint_finds_nothing_in_the_workflows():
    done = subprocess.run(["actionlint", *map(str, WORKFLOWS)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_bug_report_asks_for_doctor():
    fields = {field.get("id"): field for field in read(".github/ISSUE_TEMPLATE/bug.yml")["body"]}
    assert "`planodev doctor --json`" in fields["doctor"]["attributes"]["label"]
    assert fields["doctor"]["validations"]["required"]


def test_the_hooks_run_what_make_check_runs():
    checks = re.search(r"^check:.*?\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    hooks = read(".pre-commit-config.yaml")["repos"][0]["hooks"]
    for line in checks.splitlines():
        command = re.sub(r"\$\(BIN\)/| \.$| --check", "", line.strip())
        assert any(hook["entry"].removeprefix(".venv/bin/").startswith(command) for hook in hooks), line
