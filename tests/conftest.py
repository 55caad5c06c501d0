"""What tests of every subject share: the engine a test runs on, projects on it, and what is said where one is missing.

A test names the engine it needs by a marker: `docker`, `embedded`, or `each_engine` for both, one after the other. What
else it needs is seen from its fixtures (`NEEDS`). What needs none of that is marked `quick`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from subprocess import PIPE

import docker
import pytest
from hypothesis import HealthCheck, settings

from tests.support import copied_cluster, evidence, left_over
from tests.support import registry as registries
from tests.support.docker_objects import MADE_HERE, remove_all
from tests.support.engine_project import OnEngine
from tests.support.project import KEY, Project
from tests.support.real_planoai import JUDGE, READER, Client, helper
from tests.support.requirements import engine_answers, planoai_python, require_engine
from tests.support.shares import in_shares

# The marker that says what a test needs, by the fixture that gives it.
NEEDS = {
    "api": "docker",
    "empty": "postgres",
    "judge": "planoai",
    "machine": "planoai",
    "planoai": "planoai",
    "planoai_reads": "planoai",
    "refused": "envoy",
    "schema": "planoai",
    "schema_of_planoai": "planoai",
    "server": "postgres",
    "tls_server": "postgres",
}
NOT_QUICK = {"docker", "embedded", "planoai", "envoy", "postgres", "browser", "every_engine"}
ENGINES = {"docker": pytest.mark.docker, "embedded": pytest.mark.embedded}
NOT_RUN = pytest.StashKey[int]()
WARM = Path(__file__).parent / "support/warm_planoai.py"
NOBODY = 65534  # on every Linux; any number that is not root's would do


# An example may take as long as it does on a machine with more to do: a test's own limits are about planodev.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


# All that a quick test keeps of the environment: what Python, pytest and the tests themselves are started with.
KEPT = re.compile(
    r"(PYTHON|PYTEST_|PLANODEV_|TESTS?_|LC_|LD_).*|PATH|LANG|TMPDIR|TEMP|TMP|SYSTEMROOT|CI|UPDATE_SNAPSHOTS"
)


os.environ[copied_cluster.VARIABLE] = str(left_over.run())


def pytest_generate_tests(metafunc):
    each = metafunc.definition.get_closest_marker("each_engine")
    if each and "engine" in metafunc.fixturenames:
        slow = {each.kwargs.get("slow"): [pytest.mark.slow]}
        engines = [pytest.param(name, marks=[mark, *slow.get(name, ())]) for name, mark in ENGINES.items()]
        metafunc.parametrize("engine", engines, indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config, items):
    for item in items:
        for fixture in NEEDS.keys() & set(item.fixturenames):
            item.add_marker(NEEDS[fixture])
        if any(item.get_closest_marker(name) for name in ("envoy", "browser", "every_engine")):
            item.add_marker("slow")
        if not NOT_QUICK & {mark.name for mark in item.iter_markers()}:
            item.add_marker("quick")
    yield  # -m leaves out what was not asked for
    if hasattr(config, "workerinput"):
        items[:] = in_shares(items, config.workerinput["workercount"])
    # Those of tests/every_engine have an engine of their own, at another socket.
    wanted = [
        item for item in items if item.get_closest_marker("docker") and not item.get_closest_marker("every_engine")
    ]
    if not wanted or engine_answers():
        return
    for item in wanted:
        item.add_marker(pytest.mark.skip(reason="no Docker Engine answers"))
    config.stash[NOT_RUN] = len(wanted)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    end = float(os.environ.get("TESTS_END", "inf"))  # seconds since the epoch
    if time.time() > end:
        pytest.skip("no time is left for it")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    if session.config.stash.get(NOT_RUN, 0) and os.environ.get("CI"):
        session.exitstatus = 1


def pytest_configure():
    """Begin without what killed runs have left, and clean up where this one is told to end, as at Ctrl-C.

    So it is in the background too, where a shell has SIGINT ignored: tests interrupt themselves.
    """
    left_over.sweep()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)


def pytest_unconfigure(config):
    left_over.remove(left_over.run())
    if count := config.stash.get(NOT_RUN, 0):
        print(f"\nNOT RUN: {count} tests that need a Docker Engine, since none answers")


@pytest.fixture(autouse=True, scope="session")
def directory_of_pytest(tmp_path_factory):
    """Note where the tests have their directories, for the run after one that is killed."""
    (left_over.run() / left_over.PYTEST).write_text(str(tmp_path_factory.getbasetemp().resolve()))


@pytest.fixture(autouse=True)
def signals_stay():
    """Fail a test that leaves a signal handled in another way: a later write to a closed pipe would end the process."""
    watched = [getattr(signal, name) for name in ("SIGPIPE", "SIGINT", "SIGTERM", "SIGALRM") if hasattr(signal, name)]
    before = [signal.getsignal(number) for number in watched]
    yield
    after = [signal.getsignal(number) for number in watched]
    for number, handler in zip(watched, before, strict=True):
        signal.signal(number, handler)
    assert after == before


@pytest.fixture(autouse=True)
def without_the_user(request, tmp_path_factory, monkeypatch):
    """Have quick tests see nothing that the user has chosen, by a variable or in the home directory."""
    if request.node.get_closest_marker("quick"):
        for name in [name for name in os.environ if not KEPT.fullmatch(name)]:
            monkeypatch.delenv(name)
        home = tmp_path_factory.getbasetemp() / "home"
        home.mkdir(exist_ok=True)
        monkeypatch.setenv("HOME", str(home))


@pytest.fixture(autouse=True)
def first_start_is_real(request, monkeypatch):
    """Have initdb make the data where a test is about that."""
    if request.node.get_closest_marker("first_start"):
        monkeypatch.delenv(copied_cluster.VARIABLE)


@pytest.fixture
def engine(request):
    """Return the name of the engine that the test's marker asks for."""
    name = getattr(request, "param", None)
    if name is None:
        name = next(mark.name for mark in request.node.iter_markers() if mark.name in ENGINES)  # the closest
    require_engine(name)
    return name


@pytest.fixture
def base():
    """Make a directory that the user who runs a server can enter; servers below it are ended, and it is removed."""
    base = left_over.make()
    yield base
    left_over.remove(base)


@pytest.fixture
def make_project(request, engine):
    """Return a function that makes a project in a directory of this test, on the engine that its marker asks for."""
    if request.node.get_closest_marker("each_engine") is None and engine == "docker":
        place, api = request.getfixturevalue("tmp_path"), request.getfixturevalue("api")
        yield lambda *parts: Project(place.joinpath(*parts or ("shop",)), place / "state", api)
    else:
        place = request.getfixturevalue("base")
        api = request.getfixturevalue("api") if engine == "docker" else None
        yield lambda *parts: OnEngine(place.joinpath(*parts or ("shop",)), place, engine, api)
    if api:
        remove_all(api, str(place))


@pytest.fixture
def project(make_project):
    return make_project()


@pytest.fixture
def filled(project):
    """Return a project with a database, and a turn in it that must not be lost."""
    project("up")
    project.store("kept")
    return project


@pytest.fixture(scope="session")
def api():
    client = docker.APIClient(version="auto", timeout=60)
    yield client
    for image in client.images(filters={"label": f"{MADE_HERE}={left_over.run()}"}):  # no container has them any more
        with contextlib.suppress(docker.errors.APIError):
            client.remove_image(image["Id"], force=True)


@pytest.fixture(scope="module")
def one_project(tmp_path_factory, api):
    """Return a project that is up, for a whole module; `ready` lends it out."""
    place = tmp_path_factory.mktemp("one")
    made = Project(place / "shop", place / "state", api)
    made.environment["PLANODEV_NAME"] = f"plano-one-{os.urandom(4).hex()}"  # which nobody else takes meanwhile
    made("up", "--model", "anthropic/claude-sonnet-4-5", "--save-keys", ANTHROPIC_API_KEY=KEY)
    yield made
    remove_all(api, str(place))


@pytest.fixture
def ready(one_project):
    """Return the module's project, with a database, a key and a model that is stored; its files are put back."""
    files = {path: path.read_bytes() for path in one_project.path.iterdir()}
    yield one_project
    for path in one_project.path.iterdir():
        if path not in files:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for path, content in files.items():
        path.write_bytes(content)


@pytest.fixture
def snapshot(api, tmp_path):
    """Return all that this test has in the engine, to compare before and after; others are at work there."""

    def take(*others):
        return evidence.engine(api, str(tmp_path)), [api.inspect_container(number)["State"] for number in others]

    return take


@pytest.fixture
def foreign_container(api):
    """Make containers that are not planodev's; they are removed at the end."""
    made = []

    def make(name, **config):
        usual = {"Image": "postgres:16", "Entrypoint": ["sleep", "300"], "Labels": {MADE_HERE: str(left_over.run())}}
        number = api.create_container_from_config({**usual, **config}, name)["Id"]
        made.append(number)
        api.start(number)
        return number

    yield make
    for number in made:
        with contextlib.suppress(docker.errors.APIError):
            api.remove_container(number, force=True, v=True)


@pytest.fixture
def open_place():
    """Return a directory that any user may enter, as those of `tmp_path` are not."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def as_ordinary_user():
    """Return what has the system treat this process as an ordinary user's, within a `with`, where it is root's."""

    @contextlib.contextmanager
    def ordinary():
        if os.geteuid():
            yield
            return
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    return ordinary


@pytest.fixture(scope="session")
def warm_planoai():
    """Run what the recorder is forked from; returns the socket where it is asked for."""
    place = left_over.run() / "planoai"
    command, pipes = [planoai_python(), str(WARM), "--serve", str(place)], {"stdin": PIPE, "stdout": PIPE}
    with subprocess.Popen(command, **pipes, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        yield place
        process.stdin.close()


@pytest.fixture(scope="session")
def quick_python(warm_planoai):
    """Make a Python of planoai that is forked where it is given code, as planodev asks it about a configuration."""
    real, place = Path(planoai_python()), left_over.run() / "of-planoai"
    program = place / "bin/python3"
    program.parent.mkdir(parents=True)
    (place / "lib").symlink_to(real.parent.parent / "lib")  # where planodev sees planoai's version
    forked = shlex.join([sys.executable, "-IS", str(WARM), str(warm_planoai)])
    program.write_text(f'#!/bin/sh\n[ "$1" = -c ] || exec {shlex.quote(str(real))} "$@"\nexec {forked} "$@"\n')
    program.chmod(0o755)
    return str(program)


@pytest.fixture
def planoai(tmp_path, warm_planoai):
    """Make a `planoai` that does all that the real one does, and records instead of launching."""
    directory, home = tmp_path / "planoai-bin", tmp_path / "planoai-home"
    directory.mkdir()
    home.mkdir()
    program = directory / "planoai"
    command = shlex.join([sys.executable, "-IS", str(WARM), str(warm_planoai)])
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return Client(directory, home, tmp_path / "planoai-record.json")


@pytest.fixture(scope="session")
def judge(tmp_path_factory):
    """Return a function: (why planoai refuses the file at a path, or None; what it reads there)."""
    yield from helper(JUDGE, tmp_path_factory.mktemp("judge"))


@pytest.fixture(scope="session")
def planoai_reads(tmp_path_factory):
    """Return a function: what planoai's own reader finds in the `.env` at a path."""
    yield from helper(READER, tmp_path_factory.mktemp("reader"))


@pytest.fixture(scope="session")
def registry(tmp_path_factory, api):
    """Run a registry with `demo/postgres:16` in it; returns its address."""
    with registries.registry(tmp_path_factory.mktemp("registry"), api) as address:
        yield address
