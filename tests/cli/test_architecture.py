"""The shape of the house: no circle of imports, and heavy libraries load late."""

import ast
import functools
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import planodev

ROOT = Path(planodev.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
IN_THREADS = {"docker", "psycopg", "ruamel.yaml"}  # loading one loads modules of it, also while another thread does so


def module_of(file):
    parts = file.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def group_of(module):
    return module.split(".")[1] if "." in module else ""


def imports_of(file):
    """Yield (module, at_top) for every import that happens at run time; those for types alone do not."""
    tree = ast.parse(file.read_text())

    def walk(node, at_top):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.Import):
                yield from ((alias.name, at_top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{file}: a relative import"
                yield child.module, at_top
                if child.module.split(".")[0] == "planodev":
                    for alias in child.names:
                        name = f"{child.module}.{alias.name}"
                        if name in MODULES:
                            yield name, at_top
            deeper = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from walk(child, at_top and not deeper)

    return sorted(set(walk(tree, at_top=True)))


MODULES = {module_of(file) for file in FILES}


@functools.cache
def all_imports():
    """Return the imports of each module; not when the tests are collected, which each worker does."""
    return {module_of(file): imports_of(file) for file in FILES}


def users_of(library, *, at_top=None):
    return {
        module
        for module, imports in all_imports().items()
        for name, top in imports
        if (name == library or name.startswith(f"{library}.")) and at_top in (None, top)
    }


def needed_by(file):
    """Return what a module imports, for types alone too: whoever reads it has to know those as well."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # `from package import module` needs the module, and the package only for names of its own.
            found |= {
                f"{node.module}.{a.name}" if f"{node.module}.{a.name}" in MODULES else node.module for a in node.names
            }
    return found & MODULES


def test_no_modules_import_each_other():
    TopologicalSorter(
        {module_of(file): needed_by(file) for file in FILES}
    ).prepare()  # which raises where there is a circle, and names it


def test_only_the_command_line_knows_click_and_only_main_knows_the_command_line():
    assert {group_of(module) for module in users_of("click")} == {"cli"}
    assert {module for module in users_of("planodev.cli") if group_of(module) != "cli"} == {"planodev.__main__"}


def test_the_docker_sdk_stays_in_two_files_and_is_loaded_late():
    client = "planodev.engines.docker.sdk"
    assert users_of("docker") == {client, "planodev.engines.endpoint"}
    assert users_of("docker", at_top=True) == {client}
    assert users_of(client, at_top=True) == set()


@pytest.mark.parametrize(
    "library", ["psycopg", "rich", "jinja2", "ruamel", "dotenv", "psutil", "fasteners", "platformdirs"]
)
def test_heavy_libraries_are_imported_where_they_are_used(library):
    assert users_of(library)
    # A class over one of a library's own needs it at once, so such a module is imported late itself.
    over_it = users_of(library, at_top=True)
    assert over_it <= {"planodev.postgres.session"}
    assert {user for module in over_it for user in users_of(module, at_top=True)} == set()


def test_the_table_of_failures_is_loaded_once_something_has_failed():
    assert len(users_of("planodev.engines.failures", at_top=False)) > 5
    assert users_of("planodev.engines.failures", at_top=True) == set()


def test_planoai_is_never_imported():
    assert users_of("planoai") == set()


def loaded_by(*arguments, **variables):
    """Return all modules that a command loads, and what it prints."""
    command = [sys.executable, "-X", "importtime", "-m", "planodev", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **variables})
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}, done.stdout


# What `status` does without, also where no engine answers: each takes milliseconds of a command that people wait for.
NOT_FOR_STATUS = {"docker", "requests", "psycopg", "rich", "jinja2", "dotenv", "logging", "asyncio"}
NOT_FOR_STATUS |= {"http.client", "fasteners"}
NOT_FOR_STATUS |= {f"planodev.{name}" for name in ("decide", "steps", "takeover", "doctor", "production")}
NOT_FOR_STATUS |= {"planodev.engines.docker.probe", "planodev.project.snapshots", "planodev.project.notes"}


def test_status_loads_only_what_it_uses(tmp_path):
    (tmp_path / ".env").write_text("# planodev project: 0123456789abcdef\nDB_USER=plano\nDB_PASS=a\n")
    loaded, shown = loaded_by("-C", str(tmp_path), "status", HOME=str(tmp_path), DOCKER_HOST="unix:///nobody")
    assert "planodev.commands.report" in loaded
    assert "state" in shown
    assert NOT_FOR_STATUS & loaded == set()


def test_help_loads_none_of_the_heavy_libraries():
    loaded, shown = loaded_by("--help")
    assert {"click", "planodev.cli.main"} <= loaded
    assert "Usage:" in shown
    heavy = {"docker", "requests", "psycopg", "rich", "jinja2", "ruamel.yaml", "dotenv", "tomllib", "asyncio"}
    assert heavy & loaded == set()


def test_a_module_of_a_library_is_imported_after_the_whole_of_it():
    """Two threads that begin with different parts of one lock each other out: Python ends one by `_DeadlockError`."""
    found = []
    for file in FILES:
        for scope in ast.walk(ast.parse(file.read_text())):
            whole = set()
            for node in scope.body if isinstance(scope, (ast.Module, ast.FunctionDef)) else []:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) else []
                for name in names:
                    library = next((one for one in IN_THREADS if name.startswith(f"{one}.")), None)
                    found += [f"{module_of(file)}: {name}"] if library and library not in whole else []
                    whole |= {name} & IN_THREADS
    assert not found
