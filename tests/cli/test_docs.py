"""The documents say what the program does: every command, option, error code and help text."""

from __future__ import annotations

import functools
import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from planodev.engines import failures
from tests.support import codes, forked

ROOT = Path(__file__).parents[2]
REFERENCE = "\n".join(page.read_text() for page in sorted((ROOT / "docs/reference").glob("*.md")))
COMMANDS = (
    *(
        "up",
        "down",
        "status",
        "ask",
        "conversations",
        "psql",
        "logs",
        "snapshot",
        "reset",
        "keys",
        "verify",
        "run",
        "env",
        "doctor",
        "list",
        "forget",
    ),
    "production",
)
BELOW = (
    *(("conversations", name) for name in ("show", "prune", "export", "import")),
    *(("snapshot", name) for name in ("save", "list", "restore", "delete")),
)


@functools.cache
def usage(*arguments):
    command = [sys.executable, "-m", "planodev", *arguments, "--help"]
    environment = {**forked.AS_USUAL, "COLUMNS": "80", "PATH": "/usr/bin:/bin"}
    done = forked.run(command, env=environment, cwd=ROOT, timeout=60)
    assert done.returncode == 0
    return done.stdout.strip()


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS), *BELOW])
def test_the_help_in_the_reference_is_what_is_printed(command):
    line = " ".join(["$ planodev", *command, "--help"])
    found = re.search(re.escape(line) + r"\n(.*?)\n```", REFERENCE, re.DOTALL)
    assert found, f"no block that begins with `{line}`"
    assert found[1].strip() == usage(*command)


def test_every_command_is_listed_and_every_option_explained():
    listed = re.findall(r"^  ([a-z]+) ", usage().split("Commands:")[1], re.MULTILINE)
    assert tuple(listed) == COMMANDS
    outside = re.sub(r"```.*?```", "", REFERENCE, flags=re.DOTALL)
    for command in [*((name,) for name in COMMANDS), *BELOW]:
        for option in set(re.findall(r"--[a-z-]+", usage(*command))) - {"--help"}:
            assert f"`{option}" in outside, f"{command} {option}"


def test_every_code_is_in_the_reference_with_what_it_means():
    found = set(codes.in_source())
    expected = {"port-taken", "config-key-missing", "key-quoted", "connection-string-ipv6", "connection-string-value"}
    assert expected | {"shell-overruled", "wrong-mode", "other-database", "command-not-started"} <= found
    assert len(found) > 100
    lines = [line.split("|")[1] for line in REFERENCE.splitlines() if line.startswith("| ")]
    assert not sorted(code for code in found if not any(f"`{code}`" in line for line in lines))


def test_every_check_of_doctor_is_in_the_reference_in_its_order():
    from planodev.doctor import CHECKS

    section = re.split("\n##+ ", REFERENCE.split("### doctor\n")[1])[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE) == list(CHECKS)
    text = "\n".join(path.read_text() for path in (ROOT / "planodev/doctor").glob("*.py"))
    assert set(re.findall(r"Check\(\s*\"([a-z-]+)\"", text)) == set(CHECKS)


def test_every_format_of_env_is_in_the_reference():
    from planodev.quoting import FORMATS

    section = REFERENCE.split("### env\n")[1].split("\n### ")[0]
    assert not [name for name in FORMATS if f"\n| `{name}` |" not in section]


@pytest.mark.parametrize("code", failures.table()["codes"])
def test_the_exit_code_of_a_failure_of_the_engine_is_in_the_reference(code):
    line = next(line for line in REFERENCE.splitlines() if line.startswith("| `") and f"`{code}`" in line)
    assert line.split("|")[2].strip() == str(failures.kind_of(code).exit_code)


def test_every_key_of_the_json_is_in_the_reference():
    from planodev.commands.report import KEYS

    others = re.findall(r"^        \"([a-z_]+)\":", (ROOT / "planodev/commands/report.py").read_text(), re.MULTILINE)
    keys = {*KEYS, *others}
    assert {"engine", "deleted", "data_bytes"} < keys
    assert not sorted(key for key in keys if f"`{key}`" not in REFERENCE)


def test_every_key_of_doctors_json_is_in_the_reference():
    from planodev import doctor
    from planodev.result import Check

    states = ("ok", "warning", "failed")
    data = doctor._result([Check(state, state, "found") for state in states]).data
    section = REFERENCE.split("### data of `doctor`\n")[1].split("\n## ")[0]
    for key in {*data, *data["checks"][0]}:
        assert f"\n| `{key}` |" in section
    for state in states:
        assert f"`{state}`" in section


def test_the_line_that_starts_plano_is_the_one_that_up_ends_with():
    from planodev.plano.planoai import STARTS_PLANO

    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("README.md")]
    assert str(STARTS_PLANO).strip("`") in pages[0].read_text()
    for page in pages:
        assert "set -a" not in page.read_text(), page


PAGES = [
    *ROOT.glob("*.md"),
    *(page for place in ("docs", "examples", "skills") for page in (ROOT / place).rglob("*.md")),
]


def anchors(page):
    """Return what a link to a heading of this page may end with, made as GitHub makes it."""
    return set(ordered_anchors(page))


def ordered_anchors(page):
    headings = re.findall(r"^#+ (.*)$", re.sub(r"(?ms)^```.*?^```", "", page.read_text()), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_documents_lead_to_a_page_and_to_a_heading(page):
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text()):
        there = page.parent / target if target else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), f"{target}#{anchor}"


def test_every_page_is_reached_from_the_readme():
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop().resolve()
        if page not in seen and page.suffix == ".md":
            seen.add(page)
            todo += [page.parent / target for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())]
    assert not sorted(page.name for page in set(PAGES) - seen if "adr" not in page.parts)


def test_every_fault_of_plano_has_a_section_and_a_test_that_is_there():
    text = (ROOT / "docs/upstream.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| [")]
    linked = [re.search(r"#([^)]*)\)", row[0])[1] for row in rows]
    assert linked == [anchor for anchor in ordered_anchors(ROOT / "docs/upstream.md") if anchor in linked]
    assert len(linked) == text.count("\n## ")
    for row in rows:
        noticed = row[3].strip(" |`")
        path, _, test = noticed.partition("::")
        assert noticed == "with the version" or f"def {test}(" in (ROOT / path).read_text(), noticed


def test_no_code_is_explained_twice():
    for section in re.split("\n##+ ", REFERENCE):
        codes = re.findall(r"^\| (`[a-z][a-z0-9-]*`|\d+) \|", section, re.MULTILINE)
        assert len(codes) == len(set(codes)), sorted(code for code in codes if codes.count(code) > 1)


def test_every_row_of_a_table_has_as_many_cells_as_its_head():
    for page in ROOT.rglob("*.md"):
        if {".cache", ".venv"} & set(page.parts):
            continue
        head = None
        for number, line in enumerate(re.sub(r"(?ms)^```.*?^```", "", page.read_text()).splitlines(), 1):
            bars = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
            assert bars is None or head is None or bars == head, f"{page.name}, table row near line {number}: {line}"
            head = bars


def test_the_example_of_env_is_read_by_all_and_holds_no_password():
    from planodev.project import env_keys
    from planodev.project.env_file import load

    values = load(ROOT / ".env.example").values
    assert set(env_keys.ALL) - {"DB_PASS"} <= set(values)
    assert not values.get("DB_PASS")


def test_decisions_are_numbered_without_gaps():
    pages = sorted((ROOT / "docs/adr").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for number, page in enumerate(pages, 1):
        assert page.read_text().startswith(f"# {number}. "), page.name


def commands_on(page):
    """Yield each planodev command on a page, in its text and in its blocks, without what only stands for something."""
    text = page.read_text()
    outside = re.sub(r"(?ms)^```.*?^```", "", text)
    blocks = re.findall(r"(?ms)^```(?:sh|bash|console)\n(.*?)^```", text)
    lines = re.findall(r"`(planodev [^`]+)`", outside)
    lines += [line.removeprefix("$ ") for block in blocks for line in re.findall(r"(?m)^(?:\$ )?planodev .*$", block)]
    for line in dict.fromkeys(lines):
        line = re.split(r"\s(?:#|\||&&|;|>)|;", line)[0]  # noqa: PLW2901  what the shell does with it
        if "…" not in line and not re.search(r"\b[A-Z]{2,}\b|project:", line):
            yield line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_on_a_page_is_one(page, capsys):
    from planodev.cli.main import main

    for line in commands_on(page):
        words = shlex.split(line)[1:]
        place = next((number for number, word in enumerate(words, 1) if word in COMMANDS), len(words))
        code = main([*words[:place], "--help", *words[place:]])  # everything is read, and nothing is run
        assert code == 0, f"{line}\n{capsys.readouterr().err}"


def test_the_change_of_a_configuration_is_printed_as_the_page_shows_it(tmp_path):
    from planodev.plano.config_file import ConfigChange, ConfigFile
    from planodev.steps import config

    shown = re.search(r"(?m)^→ (`config.yaml` .*\n(?:  .*\n)+)", (ROOT / "docs/plano.md").read_text())[1]
    lines = [line[2:] for line in shown.splitlines() if not line.startswith(("  ---", "  +++", "  @@"))]
    old, new = (["#"] * 12 + [line[1:] for line in lines if line[0] == sign] for sign in "-+")
    said = []
    seen = SimpleNamespace(
        config=ConfigFile(tmp_path / "config.yaml", "\n".join(old)),
        progress=SimpleNamespace(note=said.append),
        env=SimpleNamespace(values={}),
    )
    config.show(seen, ConfigChange("updated", text="\n".join(new)))
    assert said[0].splitlines() == [line.removeprefix("  ") for line in shown.splitlines()]
