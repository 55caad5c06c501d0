"""What is read of an engine's answers has its shape, and nothing else is passed on."""

from __future__ import annotations

import contextlib
import copy

import pytest

from planodev.engines.docker import shapes

MOUNT = {"Type": "volume", "Name": "v", "Destination": "/d", "Source": "/s"}
CONFIG = {
    "Labels": {"a": "b"},
    "Env": ["A=b"],
    "Entrypoint": ["e"],
    "Cmd": "c",
    "Volumes": {"/v": {}},
    "User": "u",
    "Image": "i",
}
STATE = {
    "Status": "running",
    "Running": True,
    "Paused": False,
    "ExitCode": 0,
    "OOMKilled": False,
    "FinishedAt": "",
    "Error": "",
}
WHOLE = {
    "containers": [
        {
            "Id": "1",
            "Names": ["/a"],
            "Labels": {"a": "b"},
            "State": "running",
            "Created": 1.5,
            "Mounts": [MOUNT],
            "Ports": [{"Type": "tcp", "PublicPort": 1}],
        }
    ],
    "volumes": {"Volumes": [{"Name": "v", "Labels": {"a": "b"}}]},
    "disk_usage": {"Volumes": [{"Name": "v", "UsageData": {"Size": 1}}]},
    "info": {"SecurityOptions": ["a"], "OperatingSystem": "o", "DockerRootDir": "/r", "Name": "n"},
    "inspect_container": {
        "Id": "1",
        "Name": "/a",
        "Image": "i",
        "RestartCount": 0,
        "Path": "p",
        "Args": ["a"],
        "Mounts": [MOUNT],
        "State": STATE,
        "Config": CONFIG,
        "HostConfig": {"PortBindings": {"5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": "5432"}]}},
    },
    "inspect_image": {"Id": "1", "Config": CONFIG},
    "inspect_network": {"Options": {"a": "b"}},
    "top": {"Processes": [["a", "b"]]},
    "create_volume": {"Labels": {"a": "b"}},
    "create_container_from_config": {"Id": "1"},
    "exec_create": {"Id": "1"},
    "exec_inspect": {"ExitCode": 0, "Running": False},
    "wait": {"StatusCode": 0},
}
# A text that cannot be written is half of a character.
OTHERS = [None, True, 7, "", "x", "\ud800", "x" * 300_000, [], [7], [None], {}, {"x": 7}]


def test_each_shape_has_an_answer_that_fits():
    assert WHOLE.keys() == shapes.ANSWERS.keys()
    for name, answer in WHOLE.items():
        assert shapes.check(name, answer) is answer


def places(value, at=()):
    yield at
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*at, key))


def changed(value, at, new):
    if not at:
        return new
    value = copy.deepcopy(value)
    inner = value
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = new
    return value


def fits(name, answer):
    with contextlib.suppress(shapes.Misshapen):
        shapes.check(name, answer)
        return True
    return False


@pytest.mark.parametrize("name", WHOLE)
def test_a_part_of_another_kind_is_refused(name):
    for at in places(WHOLE[name]):
        whole = WHOLE[name]
        for key in at:
            whole = whole[key]
        for other in OTHERS:
            kinds = {type(whole), type(other)}
            if not fits(name, changed(WHOLE[name], at, other)):
                continue
            # What fits is of the same kind, absent, or one of two kinds that are taken.
            same = len(kinds) == 1 or kinds <= {int, float} or other is None
            free = name == "top" or at[-1:] == ("/v",) or at[-1:] in (("Cmd",), ("Entrypoint",), ("Name",))
            assert same or free, (at, other)
            assert other not in ("\ud800", "x" * 300_000) or free, at


@pytest.mark.parametrize("name", ["containers", "inspect_container", "inspect_image", "exec_create"])
def test_what_is_missing_is_named(name):
    with pytest.raises(shapes.Misshapen, match=r"`.*Id` is not there"):
        shapes.check(name, [{}] if name == "containers" else {})
