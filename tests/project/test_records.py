"""What is remembered of engines: found by number or by directory, and never a reason to fail."""

from __future__ import annotations

import json
import os

import pytest

from planodev.project import records
from planodev.project.identity import Project, at
from planodev.project.records import Record, Records


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "shop").mkdir()
    return at(tmp_path / "shop")


def record(project, number="0" * 16, engine="docker"):
    return Record(number, str(project.path), project.inode, engine, "a-volume")


def test_it_is_found_by_number_and_by_directory(here, tmp_path):
    assert Records().find(here, "0" * 16) is None
    Records().write(record(here))
    assert Records().find(here, "0" * 16) == Records().find(here, None) == record(here)
    moved = Project(tmp_path / "elsewhere", "other")
    here.path.rmdir()
    assert Records().find(moved, "0" * 16) == record(here)
    assert Records().find(moved, None) is None


def test_a_copy_is_told_from_its_original(here, tmp_path):
    Records().write(record(here))
    (here.path / ".env").write_text(f"# planodev project: {'0' * 16} (x)\n")
    copy = Project(tmp_path / "copy", "other")
    assert Records().find(copy, "0" * 16) is None
    assert Records().is_of_another(copy, "0" * 16)
    assert not Records().is_of_another(here, "0" * 16)


def test_data_goes_before_data_that_was_deleted(here, tmp_path):
    away = Project(tmp_path / "away", "other")
    Records().write(record(here, "1" * 16, "embedded"))
    Records().write(record(away, "2" * 16, ""))
    assert Records().find(here, None).engine == "embedded"
    assert Records().find(here, "2" * 16).engine == "embedded"


def test_a_directory_has_one_record(here, tmp_path):
    elsewhere = record(here, "2" * 16)._replace(path=str(tmp_path / "other"))
    Records().write(elsewhere)
    Records().write(record(here, "0" * 16, "embedded"))
    Records().write(record(here, "1" * 16, "docker"))
    assert Records().find(here, None) == record(here, "1" * 16, "docker")
    assert sorted(file.stem for file in records.path_of("0" * 16).parent.glob("*.json")) == ["1" * 16, "2" * 16]


def test_of_two_that_were_left_the_newer_one_counts(here):
    for number, moment in (("0" * 16, 1), ("1" * 16, 3), ("2" * 16, 2)):
        file = records.path_of(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(record(here, number)._asdict()))
        os.utime(file, (moment, moment))
    assert Records().find(here, None).project == "1" * 16
    assert Records().find(here, "0" * 16).project == "0" * 16


def test_what_cannot_be_read_or_written_is_left_out(here, tmp_path):
    Records().write(record(here))
    file = records.path_of("0" * 16)
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.stat().st_mtime_ns
    Records().write(record(here))
    assert file.stat().st_mtime_ns == before
    (file.parent / "broken.json").write_text("{")
    (file.parent / "strange.json").write_text('{"project": 1}')
    assert Records().find(here, None) == record(here)
    (tmp_path / "state/planodev").rename(tmp_path / "away")
    (tmp_path / "state/planodev").write_text("a file")
    Records().write(record(here)._replace(engine="embedded"))
    assert Records().find(here, None) is None
