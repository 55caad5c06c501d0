"""How the tests are written: no sleep stands for a wait, helpers are in `tests/support`, a name says what breaks."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def files():
    """Return the parsed modules of the tests by their paths: seconds of work, for those who need them."""
    return {file.relative_to(TESTS): ast.parse(file.read_text()) for file in sorted(TESTS.rglob("*.py"))}


@pytest.mark.parametrize(
    "text",
    [
        "import time\n\ntime.sleep(1)\n",
        "import time as clock\n\nclock.sleep(1)\n",
        "from time import sleep\n\nsleep(1)\n",
        "import asyncio\n\nasyncio.run(asyncio.sleep(1))\n",
    ],
)
def test_a_sleep_is_refused_by_the_linter(text):
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "TID251", "-"]
    done = subprocess.run(
        [*command, "--stdin-filename", str(TESTS / "cli/test_x.py")],
        input=text,
        capture_output=True,
        text=True,
        cwd=TESTS.parent,
        check=False,
    )
    assert (done.returncode, "TID251" in done.stdout) == (1, True), done.stdout + done.stderr


def sleeps_in_disguise(tree):
    """Yield the lines of what waits for a time alone, and of loops that look again without a limit."""
    pairs = [(node.targets[0], node.value) for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    pairs += [
        pair
        for one, other in pairs
        if isinstance(one, ast.Tuple) and isinstance(other, ast.Tuple)
        for pair in zip(one.elts, other.elts, strict=False)
    ]
    calls = [(name, value) for name, value in pairs if isinstance(value, ast.Call)]
    events = {ast.unparse(name) for name, value in calls if ast.unparse(value).endswith("Event()")}
    for node in ast.walk(tree):
        called = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
        text = ast.unparse(node) if called in ("wait", "select", "run") or isinstance(node, ast.With) else ""
        if (
            re.match(r"(\w+\.)*Event\(\)\.wait\([^)]", text)  # which nobody can set
            or re.match(r"(\w+\.)*select\(\[\], \[\], \[\]", text)
            or re.match(r"(\w+\.)*run\(\['sleep'", text)
            or (isinstance(node, ast.With) and re.match(r"with .*raises\(.*TimeoutExpired\):\n +\w+\.wait\(", text))
        ):
            yield node.lineno
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.UnaryOp):
            waits = re.match(r"not (\w+)\.wait\(", ast.unparse(node.test))
            if waits and waits[1] in events:
                yield node.lineno
        idle = (ast.Pass, ast.Assert, ast.Continue)
        if isinstance(node, ast.While) and all(isinstance(part, idle) for part in node.body):
            yield node.lineno


@pytest.mark.parametrize(
    "text",
    [
        "threading.Event().wait(1)",
        "select.select([], [], [], 1)",
        "subprocess.run(['sleep', '1'])",
        "with pytest.raises(subprocess.TimeoutExpired):\n    process.wait(1)",
        "held, found = threading.Event(), []\nassert not held.wait(0.3)",
        "while not path.exists():\n    pass",
        "while not path.exists():\n    assert process.poll() is None",
    ],
)
def test_a_sleep_in_disguise_is_known(text):
    assert list(sleeps_in_disguise(ast.parse(text)))


def test_nothing_waits_for_a_time_and_no_loop_is_without_a_limit(files):
    assert {str(path): found for path, tree in files.items() if (found := list(sleeps_in_disguise(tree)))} == {}


def test_a_script_sleeps_only_between_looks_of_which_there_are_so_many():
    """What stands in quotes or behind `exec` is a program that is started, not a wait."""
    scripts = [file for file in sorted(TESTS.iterdir()) if file.is_file() and file.read_bytes().startswith(b"#!")]
    lines = [(file.name, line) for file in scripts for line in file.read_text().splitlines()]
    sleeping = [(name, line) for name, line in lines if re.search(r"\bsleep [\d.$]", line)]
    assert sleeping
    assert [found for found in sleeping if not re.search(r"for _ in \$\(seq \d+\)", found[1])] == []


def test_no_test_imports_another_or_a_helper_of_another_subject(files):
    """What they share is in `tests/support`, or beside them in a module that has no test."""
    imported = {
        f"{path}: {node.module}.{alias.name}"
        for path, tree in files.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tests"
        for alias in node.names
        if re.search(r"\.(test_|conftest)", f"{node.module}.{alias.name}")
        or f"{node.module}.".split(".")[1] not in ("support", "", path.parts[0])
    }
    assert imported == set()


def names_of_planodev(tree):
    """Yield each name of a module of planodev that a test's module takes or replaces: the module and the name."""
    modules = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or (node.module or "").split(".")[0] != "planodev":
            continue
        for alias in node.names:
            yield node.module, alias.name
            modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):  # what has the name of a module in one function is something else there
        own = node.arg if isinstance(node, ast.arg) else node.id if isinstance(node, ast.Name) else ""
        if isinstance(getattr(node, "ctx", ast.Store()), ast.Store):
            modules.pop(own, None)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            yield modules[node.value.id], node.attr
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "setattr" and len(node.args) > 1:
            owner, name = node.args[:2]
            if isinstance(owner, ast.Name) and owner.id in modules and isinstance(name, ast.Constant):
                yield modules[owner.id], name.value


def is_known(module, name):
    """Say whether a module has a name; true too for what only looks like a module, as an imported class."""
    try:
        found = importlib.import_module(module)
    except ImportError:
        owner, _, own = module.rpartition(".")
        found = getattr(importlib.import_module(owner), own)
        return not isinstance(found, type) or hasattr(found, name)
    if hasattr(found, name):
        return True
    try:
        importlib.import_module(f"{module}.{name}")
    except ImportError:
        return False
    return True


def test_a_name_that_planodev_does_not_have_is_known():
    text = "from planodev.project import settings\nmonkeypatch.setattr(settings, 'NO_LIMIT', 1.0)\nsettings.NO_LIMIT\n"
    assert [is_known(*name) for name in names_of_planodev(ast.parse(text))] == [True, False, False]


def test_every_name_of_planodev_that_a_test_uses_is_there(files):
    """A slow test whose name was moved would say so hours later."""
    missing = {
        f"{path}: {module}.{name}"
        for path, tree in files.items()
        for module, name in set(names_of_planodev(tree))
        if not is_known(module, name)
    }
    assert missing == set()


def test_a_tests_name_says_what_breaks(files):
    """Four words at least, with those of its class: `test_files` says what is tested, and not what is true of it."""
    classes = {
        id(node): found.name
        for tree in files.values()
        for found in ast.walk(tree)
        if isinstance(found, ast.ClassDef)
        for node in found.body
    }
    short = []
    functions = ((path, node) for path, tree in files.items() for node in ast.walk(tree))
    for path, node in functions:
        if not isinstance(node, ast.FunctionDef):
            continue
        words = node.name.split("_")[1:] + re.findall("[A-Z][a-z]*", classes.get(id(node), ""))[1:]
        if node.name.startswith("test_") and path.parts[0] != "every_engine" and len(words) < 4:
            short.append(f"{path}: {node.name}")
    assert short == []


def test_each_test_has_a_name_of_its_own_in_its_file(files):
    for path, tree in files.items():
        for scope in ast.walk(tree):
            if isinstance(scope, (ast.Module, ast.ClassDef)):
                names = [node.name for node in scope.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
                twice = {name for name in names if names.count(name) > 1 and name.lower().startswith("test")}
                assert twice == set(), path
