"""`planodev list` and `planodev forget`: what they show, and that only what belongs to nobody any more is deleted."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.support.terminal import on_terminal

pytestmark = pytest.mark.each_engine(slow="docker")


def entry(project, directory):
    listed = project("list", "--json").json["data"]["projects"]
    return next((one for one in listed if one["directory"] == str(directory)), None)


def test_every_project_is_listed_and_only_one_whose_directory_is_gone_is_forgotten(make_project):
    kept, gone = make_project("kept"), make_project("gone")
    for project in (kept, gone):
        project("up", "--model", "ollama/llama3.1")
        project.store("a")
    gone("snapshot", "save", "monday")
    gone("down", "--keep-data")
    shutil.rmtree(gone.path)
    shown = kept("list").out
    assert all(word in shown for word in (str(kept.path), f"(gone) {gone.path}", "running", "stopped"))
    here, there = entry(kept, kept.path), entry(kept, gone.path)
    assert (here["gone"], here["state"], here["last_used"]) == (False, "running", None)
    assert (there["gone"], there["state"]) == (True, "exited")
    assert there["last_used"] > 1_700_000_000
    if kept.engine == "embedded":
        assert there["bytes"] > 10_000_000
    assert kept("forget", "--json", code=2).error == "not-confirmed"
    assert kept("forget", str(kept.path), "--yes", "--json", code=2).error == "project-still-there"
    assert kept("forget", "/nowhere/at/all", "--yes", "--json", code=2).error == "project-unknown"
    refused = kept("forget", str(gone.path), "--json", code=2).json["error"]
    assert refused["fix"].endswith(f" forget {gone.path} --yes`")  # and no other project
    code, screen = on_terminal(kept, "forget", str(gone.path), answers=[("[y/N]", "n\n")])
    assert (code, "nothing was deleted" in screen) == (2, True), screen
    assert entry(kept, gone.path)
    done = kept("forget", str(gone.path), "--yes", "--json").json["data"]
    assert [one["project"] for one in done["forgotten"]] == [there["project"]]
    assert done["snapshots"] == ["monday"]
    assert entry(kept, gone.path) is None
    assert kept.stored() == ["a"]
    assert entry(kept, kept.path)["state"] == "running"


def test_a_project_that_was_moved_is_not_gone_and_another_checkout_in_its_place_is_left_alone(make_project):
    project = make_project("before")
    project("up", "--model", "ollama/llama3.1")
    project.store("a")
    after = project.path.with_name("after")
    project.path.rename(after)
    (project.path).mkdir()
    moved = make_project("after")
    moved("up")
    assert moved.stored() == ["a"]
    assert (entry(moved, after)["gone"], entry(moved, project.path)) == (False, None)
    project("up", "--model", "ollama/llama3.1", "--name", f"plano-second-{os.getpid()}")
    project.store("b")
    shutil.rmtree(after)
    elsewhere = make_project("elsewhere")
    elsewhere("forget", str(after), "--yes")
    assert project.stored() == ["b"]


def test_a_project_whose_env_file_cannot_be_read_is_not_forgotten(make_project):
    project, other = make_project("broken"), make_project("other")
    project("up", "--model", "ollama/llama3.1")
    project.store("a")
    file = project.path / ".env"
    written = file.read_text()
    file.unlink()
    file.mkdir()  # as Docker does for a missing file that is mounted
    assert entry(other, project.path)["gone"] is False
    assert other("forget", "--yes", "--json").json["data"]["forgotten"] == []
    file.rmdir()
    file.write_text(written)
    assert project.stored() == ["a"]


def test_a_project_of_another_machine_with_the_same_engine_is_forgotten_by_its_name_alone(make_project, tmp_path):
    """As two distributions of WSL have one Docker Desktop: each sees the data of the other, and not its directories."""
    theirs, mine = make_project("theirs"), make_project("mine")
    theirs("up", "--model", "ollama/llama3.1")
    theirs.store("a")
    away = theirs.path.rename(theirs.path.with_name("away"))  # as it is for whoever does not have that file system
    here = {"XDG_STATE_HOME": str(tmp_path / "state")}
    listed = mine("list", "--json", **here).json["data"]["projects"]
    seen = next(one for one in listed if one["directory"] == str(theirs.path))
    assert (seen["gone"], seen["recorded"]) == (True, False)
    assert f"(not here) {theirs.path}" in mine("list", **here).out
    assert mine("forget", "--yes", "--json", **here).json["data"]["forgotten"] == []
    away.rename(theirs.path)
    assert theirs.stored() == ["a"]
    theirs.path.rename(away)
    done = mine("forget", str(theirs.path), "--yes", "--json", **here).json["data"]["forgotten"]
    assert [one["project"] for one in done] == [seen["project"]]
