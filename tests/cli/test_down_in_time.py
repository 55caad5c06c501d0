"""The time that `down` has for each of its parts."""

from __future__ import annotations

from types import SimpleNamespace

from planodev import deadline
from planodev.engines.docker import engine as docker
from planodev.project import defaults
from tests.support.fake_engine import FakeEngine
from tests.support.on_fake import CommandLine


def test_a_stop_that_takes_long_leaves_time_to_delete_the_data(tmp_path, monkeypatch, capsys):
    (tmp_path / "shop").mkdir()
    line = CommandLine(tmp_path / "shop", tmp_path / "home", monkeypatch, capsys)
    assert line("up", "--model", "ollama/llama3.1").code == 0
    passed, limits, left = [0.0], [], []

    class Slow(FakeEngine):
        def stop(self, container, timeout):
            passed[0] += defaults.LIMIT
            super().stop(container, timeout)

        def remove_storage(self, volume):
            left.append(limits[-1]())
            super().remove_storage(volume)

    line.engine.__class__ = Slow
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: passed[0]))
    monkeypatch.setattr(docker, "connect", lambda _, limit: limits.append(limit) or line.engine)
    assert line("down", "--delete-data", "--yes").code == 0
    assert left == [defaults.LIMIT]
