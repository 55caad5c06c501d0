"""Which projects `planodev forget` is about; none is deleted here, since those of others may be on this machine."""

from __future__ import annotations

import pytest

from planodev.commands import list_and_forget
from planodev.commands.list_and_forget import Known
from planodev.problems import BadInput


def known(directory, *, gone, recorded=True):
    return Known(directory, gone, recorded, "0123456789abcdef", "docker", "volume", "exited", None, None), None


HERE, GONE = known("/work/here", gone=False), known("/work/gone", gone=True)
ELSEWHERE = known("/work/elsewhere", gone=True, recorded=False)


def test_without_a_name_those_alone_whose_directory_is_gone_are_forgotten():
    assert list_and_forget._going([HERE, GONE, ELSEWHERE], []) == [GONE]
    assert list_and_forget._going([HERE, ELSEWHERE], []) == []
    assert list_and_forget._going([HERE, GONE, ELSEWHERE], ["/work/elsewhere"]) == [ELSEWHERE]


def test_one_that_is_still_there_is_refused_by_name():
    assert list_and_forget._going([HERE, GONE], ["/work/gone"]) == [GONE]
    with pytest.raises(BadInput) as caught:
        list_and_forget._going([HERE, GONE], ["/work/here"])
    assert caught.value.code == "project-still-there"
