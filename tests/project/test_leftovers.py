"""What is left behind once a project's data was deleted: nothing but its own files and named snapshots."""

from __future__ import annotations

import subprocess
import sys
import threading

import psutil
import pytest

from planodev.project import env_file, identity, lock, notes
from tests.support.waiting import until


def state_of(project):
    place = project.path.parent / "state" / "planodev"
    return sorted(path.name for path in place.rglob("*") if path.is_file())


@pytest.mark.slow
@pytest.mark.embedded
def test_deleting_the_data_leaves_no_record_and_no_lock(project):
    project("up", "--model", "ollama/llama3.1")
    number = env_file.load(project.path / ".env").project_id
    assert f"{number}.json" in state_of(project)
    # As `ask`, and a planoai that was asked, leave them.
    for kind, name in (("asked", number), ("accepted", notes.of_file(project.path / "config.yaml"))):
        place = project.path.parent / "state/planodev" / kind
        place.mkdir()
        (place / name).write_text("noted")
    caches = {"XDG_CACHE_HOME": str(project.path.parent / "cache"), "BROWSER": "true"}
    pages = project.path.parent / "cache/planodev/pages"
    project("conversations", "--open", **caches)
    assert len(list(pages.iterdir())) == 1
    project("reset", "--yes", **caches)
    assert list(pages.iterdir()) == []
    project("conversations", "--open", **caches)
    project("down", "--delete-data", "--yes", **caches)
    assert state_of(project) == []
    assert list(pages.iterdir()) == []
    deleted = env_file.load(project.path / ".env")
    assert (deleted.project_id, deleted.deleted) == (number, True)
    project("down")
    assert state_of(project) == []
    assert "lost" not in project("status").err
    project("up")
    again = env_file.load(project.path / ".env")
    assert (again.project_id, again.deleted) == (number, False)
    assert again.text == deleted.without_database().text.replace(
        "(its database was deleted)", "(links this directory to its database; keep this line)"
    )


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_that_a_database_was_deleted_stands_in_the_line_of_its_number_alone(tmp_path, ending):
    before = f"# mine\nA=1\n# planodev project: 0123456789abcdef (any text){ending}"
    path = tmp_path / ".env"
    path.write_bytes(before.encode())
    deleted = env_file.load(path).without_database()
    assert deleted.text == before.replace("(any text)", "(its database was deleted)")
    assert deleted.deleted
    assert not deleted.with_values({}, "0123456789abcdef").deleted
    assert env_file.load(path).deleted is False


def test_a_lock_whose_file_was_removed_keeps_others_out_all_the_same(tmp_path, monkeypatch):
    """Who waits for the removed file gets the lock of the new one; both never hold one at once."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "shop").mkdir()
    project = identity.at(tmp_path / "shop")
    hold = (
        "import sys; from pathlib import Path; from planodev.project import identity, lock\n"
        "with lock.hold(identity.at(Path(sys.argv[1])), 20):\n"
        "    print('held', flush=True); sys.stdin.readline(); lock.discard(identity.at(Path(sys.argv[1])))\n"
    )
    command = [sys.executable, "-c", hold, str(project.path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as first:
        first.stdout.readline()
        held, codes = threading.Event(), []

        def wait():
            with lock.hold(project, 20):
                held.set()
                at_once = hold.replace(", 20)", ", 0.1)")
                codes.append(subprocess.run([*command[:2], at_once, command[3]], check=False, stderr=-1).returncode)

        waiting = threading.Thread(target=wait)
        waiting.start()
        looks = psutil.Process()
        until(lambda: any(file.path.endswith(".lock") for file in looks.open_files()), "the second one to wait for it")
        assert not held.is_set()
        first.stdin.write("\n")
        first.stdin.flush()
        waiting.join(20)
        assert held.is_set()
    assert codes == [1]


@pytest.mark.embedded
def test_data_with_labels_of_a_newer_form_is_refused_and_left_as_it_is(project):
    project("up", "--model", "ollama/llama3.1")
    labels = project.place() / "labels.json"
    before = labels.read_text()
    assert '"schema": 1' in before
    labels.write_text(before.replace('"schema": 1', '"schema": 2'))
    for command in ("up", "status"):
        error = project(command, "--json", code=4).json["error"]
        assert (error["code"], "upgrade" in error["fix"]) == ("made-by-newer-planodev", True)
    project("down", "--keep-data")
    labels.write_text(before.replace(',\n  "schema": 1', ""))  # of before there was a number
    project("up")
    project("down", "--keep-data")
