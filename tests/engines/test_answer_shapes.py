"""What is read of an engine's answers has its shape, nothing else is passed on, and every reader takes what is."""

from __future__ import annotations

import contextlib
import copy
import io
import tarfile

import pytest

from planodev.engines.docker import adopt, answer_shapes, data_place, inventory, labels, other_container
from planodev.engines.docker.client import Refused
from planodev.engines.docker.engine import DockerEngine
from planodev.engines.docker.quick import QuickClient
from planodev.engines.docker.transport import Answer
from planodev.engines.endpoint import Endpoint
from planodev.problems import PlanodevError
from planodev.project import identity

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
LONG = "x" * 300_000
OTHERS = [True, 7, "", "x", "\ud800", LONG, [], [7], [None], {}, {"x": 7}]
ODD = [None, "", "x'y", "5432-5440", "\x00", "9" * 5_000, [], {}, 0]
CONFIG_KEYS = ("Env", "Entrypoint", "Cmd", "Volumes", "User")
# What may be absent or null.
OPTIONAL = {
    *(f"containers.0.{key}" for key in ("Ports", "Ports.0.Type", "Ports.0.PublicPort")),
    *(f"containers.0.Mounts.0.{key}" for key in MOUNT),
    *("disk_usage.Volumes", "disk_usage.Volumes.0.UsageData", "disk_usage.Volumes.0.UsageData.Size"),
    *(f"info.{key}" for key in ("SecurityOptions", "OperatingSystem", "DockerRootDir", "Name")),
    *(f"inspect_container.{key}" for key in ("RestartCount", "Path", "Args", "HostConfig.PortBindings")),
    *(f"inspect_container.Mounts.0.{key}" for key in ("Type", "Name", "Source")),
    *(f"inspect_container.State.{key}" for key in ("ExitCode", "OOMKilled", "FinishedAt", "Error")),
    *(f"inspect_container.Config.{key}" for key in CONFIG_KEYS),
    *(f"inspect_image.Config.{key}" for key in (*CONFIG_KEYS, "Labels", "Image")),
    *("inspect_network.Options", "top.Processes", "create_volume.Labels"),
    *("exec_inspect.ExitCode", "exec_inspect.Running"),
}
# What may be null, and has to be there where its object has keys of its own.
NULL = {
    *("containers.0.Names", "containers.0.Labels", "volumes.Volumes", "volumes.Volumes.0.Labels"),
    *("inspect_container.Config.Labels", "inspect_container.HostConfig.PortBindings.5432/tcp"),
}
# What may be anything, and the keys of others, each of which may be absent.
FREE = {
    *("top.Processes.0.0", "top.Processes.0.1"),
    *("inspect_container.Config.Volumes./v", "inspect_image.Config.Volumes./v"),
}
OF_OTHERS = {
    *(f"{at}.Labels.a" for at in ("containers.0", "volumes.Volumes.0", "create_volume")),
    *(f"{at}.Config.Labels.a" for at in ("inspect_container", "inspect_image")),
    *("inspect_container.HostConfig.PortBindings.5432/tcp", "inspect_network.Options.a"),
    *(at for at in FREE if at.endswith("/v")),
}


def test_each_shape_has_an_answer_that_fits():
    assert WHOLE.keys() == answer_shapes.ANSWERS.keys()
    for name, answer in WHOLE.items():
        assert answer_shapes.check(name, answer) is answer


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
    with contextlib.suppress(answer_shapes.Misshapen):
        answer_shapes.check(name, answer)
        return True
    return False


def without(value, at):
    """Return an answer without a key, or without an entry of a list."""
    value = copy.deepcopy(value)
    inner = value
    for key in at[:-1]:
        inner = inner[key]
    del inner[at[-1]]
    return value


def path_of(name, at):
    return ".".join(map(str, (name, *at)))


def test_what_may_be_null_or_absent_is_what_is_written_here():
    every = [(name, at) for name, answer in WHOLE.items() for at in places(answer)]
    assert {path_of(*one) for one in every if fits(one[0], changed(WHOLE[one[0]], one[1], None))} == (
        OPTIONAL | NULL | FREE
    )
    keys = [(name, at) for name, at in every if at and isinstance(at[-1], str)]
    assert {path_of(name, at) for name, at in keys if fits(name, without(WHOLE[name], at))} == OPTIONAL | OF_OTHERS


@pytest.mark.parametrize("name", WHOLE)
def test_a_part_of_another_kind_is_refused(name):
    for at in places(WHOLE[name]):
        whole = WHOLE[name]
        for key in at:
            whole = whole[key]
        for other_one in OTHERS:
            if path_of(name, at) in FREE or not fits(name, changed(WHOLE[name], at, other_one)):
                continue
            kinds = {type(whole), type(other_one)}
            # What fits is of the same kind, or one of two kinds that are taken.
            two_kinds = at[-1] in ("Cmd", "Entrypoint") if at else False
            assert len(kinds) == 1 or kinds <= {int, float} or two_kinds, (at, other_one)
            assert other_one != "\ud800", at
            assert other_one != LONG or path_of(name, at) in OF_OTHERS, at


@pytest.mark.parametrize("name", ["containers", "inspect_container", "inspect_image", "exec_create"])
def test_what_is_missing_is_named(name):
    with pytest.raises(answer_shapes.Misshapen, match=r"`.*Id` is missing"):
        answer_shapes.check(name, [{}] if name == "containers" else {})


def test_a_long_label_is_taken_unless_it_is_one_that_planodev_reads():
    def listed(**found):
        return [{**WHOLE["containers"][0], "Labels": found}]

    assert fits("containers", listed(of_another_program=LONG))
    assert not fits("containers", listed(**{f"{labels.LABEL}path": LONG}))
    assert not fits("containers", listed(of_another_program="\ud800"))


@pytest.mark.parametrize(
    ("port", "read"), [("5432", 5432), ("", None), ("5432-5440", None), ("²", None), ("9" * 5_000, None)]
)
def test_a_port_is_a_number_or_none_is_known(port, read):
    """Docker stores `-p 5432-5440:5432` as it was typed."""
    item = changed(WHOLE["inspect_container"], ("HostConfig", "PortBindings", "5432/tcp", 0, "HostPort"), port)
    assert labels.port_of(labels.bindings_of(answer_shapes.check("inspect_container", item))) == read


@pytest.mark.parametrize("command", [["postgres", "-D", "/my data"], "postgres -D '/my data'"])
def test_a_command_that_is_one_text_names_the_directory_of_the_data_too(command):
    assert data_place.of_image({"Entrypoint": None, "Cmd": command}).data == "/my data"


class Answering(QuickClient):
    """The client of an engine that gives each method an answer that was written down."""

    def __init__(self, answers):
        super().__init__(Endpoint("unix:///nowhere", "a test"), lambda: 0.0)
        self._answers, self._version = answers, {"ApiVersion": "1.45", "Version": "26.1.5"}

    def _get(self, path, name):
        return answer_shapes.check(name, copy.deepcopy(self._answers[name]))

    def _post(self, path, body, name):
        return self._get(path, name)

    def _ask(self, method, path, body=None, headers=None):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            member = tarfile.TarInfo("PG_VERSION")
            member.size = 2
            archive.addfile(member, io.BytesIO(b"16"))
        return Answer(200, "OK", {}, buffer.getvalue())

    def _run(self, path, go, most):
        return b"", b""

    def wait(self, container, timeout):
        return self._get("", "wait")

    def logs(self, container, **asked):
        return b"PostgreSQL 16 16"


def read_everything(api, project):
    """Read all that planodev reads of an engine that it only looks at, and make a volume."""
    engine = DockerEngine(api, Endpoint("unix:///nowhere", "a test"), lambda: 0.0)
    found = engine.observe(project, "a" * 16)
    engine.observe(project, "a" * 16, to_stop=True)
    readers = [
        lambda: engine.state("v"),
        lambda: engine.image("i", look_into=True),
        lambda: engine.programs(found.container) if found.container else None,
        lambda: engine.addresses("docker", "i"),
        engine.disk,
        lambda: engine.storage(found.volume, "i") if found.volume else None,
        lambda: inventory.databases(api),
        lambda: other_container.look_into(engine, "a", []),
        lambda: adopt.find(engine, "a"),
        lambda: api.make_volume("v", {}),
        lambda: api.exec_run("a", [], {}),
    ]
    for read in readers:
        with contextlib.suppress(PlanodevError, Refused):
            read()


def test_a_look_that_only_stops_does_not_ask_what_runs_in_other_containers(tmp_path, monkeypatch):
    """An engine that does not answer that would take the time of `down`."""
    project, whole, asked = identity.at(tmp_path), copy.deepcopy(WHOLE), []
    whole["containers"].append({**whole["containers"][0], "Id": "2"})
    for one in (whole["containers"][0], whole["volumes"]["Volumes"][0], whole["inspect_container"]["Config"]):
        one["Labels"] = of_project(project)
    monkeypatch.setattr(Answering, "top", lambda *_: asked.append("top") or {"Processes": [["postgres"]]})
    engine = DockerEngine(Answering(whole), Endpoint("unix:///nowhere", "a test"), lambda: 0.0)
    assert engine.observe(project, "a" * 16, to_stop=True).other_server == ""
    assert asked == []
    assert engine.observe(project, "a" * 16).other_server == "a"


def of_project(project):
    return {
        "a": "b",
        f"{labels.LABEL}project": "a" * 16,
        f"{labels.LABEL}path": str(project.path),
        f"{labels.LABEL}inode": project.inode,
    }


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("name", WHOLE)
def test_every_reader_takes_every_answer_that_fits(tmp_path, name, ours):
    project = identity.at(tmp_path)
    whole = copy.deepcopy(WHOLE)
    if ours:
        whole["containers"].append({**whole["containers"][0], "Id": "2"})  # somebody else's, over the same volume
        for one in (whole["containers"][0], whole["volumes"]["Volumes"][0], whole["inspect_container"]["Config"]):
            one["Labels"] = of_project(project)
    read_everything(Answering(whole), project)
    for at in places(whole[name]):
        new = [changed(whole[name], at, value) for value in ODD]
        new += [without(whole[name], at)] if at else []
        for answer in new:
            if fits(name, answer):
                with contextlib.suppress(PlanodevError):  # as of a container that has lost its labels
                    read_everything(Answering({**whole, name: answer}), project)
