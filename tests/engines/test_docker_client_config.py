"""Odd configurations of docker's own client: as the docker command takes them, or a clear error, and never a crash."""

import hashlib
import json
import os
import shlex

import pytest

from planodev.engines import endpoint
from planodev.engines.docker import sdk
from planodev.problems import NoEngine

SOCKET = "unix:///var/run/docker.sock"
ELSEWHERE = {"docker": {"Host": "unix:///elsewhere.sock", "SkipTLSVerify": False}}
SWARM = {"Name": "a", "Metadata": {"StackOrchestrator": "swarm"}, "Endpoints": ELSEWHERE}
NAMES_IT = '{"currentContext": "a"}'
# The file as text, None for a directory; the file of the context `a`, `...` for a directory; where planodev goes, or
# the code of its error.
CONTEXTS = {
    "a directory": (None, None, SOCKET),
    "a list": ("[]", None, SOCKET),
    "a list that names one": ('["currentContext"]', None, SOCKET),
    "no JSON": ('{"currentContext": ', None, SOCKET),
    "empty": ("", None, SOCKET),
    "a number for a context": ('{"currentContext": 5}', None, SOCKET),
    "a list for a context": ('{"currentContext": ["a"]}', json.dumps(SWARM), SOCKET),
    "a context that is gone": (NAMES_IT, None, "no-context"),
    "a context with an orchestrator": (NAMES_IT, json.dumps(SWARM), "unix:///elsewhere.sock"),
    "a context without metadata": (NAMES_IT, json.dumps({**SWARM, "Metadata": {}}), "unix:///elsewhere.sock"),
    "a context of Kubernetes": (
        NAMES_IT,
        json.dumps(
            {
                "Metadata": {"StackOrchestrator": "kubernetes"},
                "Endpoints": {"docker": {"Host": "unix:///elsewhere.sock"}, "kubernetes": {"Host": "https://k"}},
            }
        ),
        "unix:///elsewhere.sock",
    ),
    "a context with nothing but its endpoint": (
        NAMES_IT,
        json.dumps({"Endpoints": ELSEWHERE}),
        "unix:///elsewhere.sock",
    ),
    "a context that is a directory": (NAMES_IT, ..., "no-context"),
    "a context that is a list": (NAMES_IT, "[]", "no-context"),
    "a context that is not JSON": (NAMES_IT, "{", "no-context"),
    "a context without an engine": (NAMES_IT, json.dumps({**SWARM, "Endpoints": {"kubernetes": {}}}), "no-context"),
    "auths without auth": ('{"auths": {"ghcr.io": {}}}', None, SOCKET),
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("DOCKER_")]:
        monkeypatch.delenv(name)
    (tmp_path / ".docker").mkdir()
    return tmp_path


def write(home, config, context=None):
    file = home / ".docker/config.json"
    file.mkdir() if config is None else file.write_text(config)
    if context is not None:
        meta = home / ".docker/contexts/meta" / hashlib.sha256(b"a").hexdigest()
        meta.mkdir(parents=True)
        (meta / "meta.json").mkdir() if context is ... else (meta / "meta.json").write_text(context)


@pytest.mark.parametrize("name", CONTEXTS)
def test_a_context_is_found_as_the_docker_command_finds_it_or_the_error_says_why(home, name):
    config, context, expected = CONTEXTS[name]
    write(home, config, context)
    answers = {str(endpoint.known_sockets(home, None)[0][0])}

    def find():
        return endpoint.find({}, home, lambda path: "answers" if str(path) in answers else "missing").url

    if expected.startswith("unix:"):
        assert find() == expected
        return
    with pytest.raises(NoEngine) as caught:
        find()
    assert caught.value.code == expected
    assert caught.value.fix


@pytest.mark.parametrize("unchecked", [False, True])
def test_the_certificates_of_a_context_are_used_once_all_are_there(home, unchecked):
    far = {"Endpoints": {"docker": {"Host": "tcp://192.0.2.7:2376", "SkipTLSVerify": unchecked}}}
    write(home, NAMES_IT, json.dumps(far))
    place = home / ".docker/contexts/tls" / hashlib.sha256(b"a").hexdigest() / "docker"
    place.mkdir(parents=True)
    for name in ("ca.pem", "cert.pem", "key.pem"):
        assert endpoint.find({}, home, lambda _: "missing").tls is None
        (place / name).write_text("")
    found = endpoint.find({}, home, lambda _: "missing")
    assert (found.url, found.tls.cert[1], found.tls.verify) == (
        "tcp://192.0.2.7:2376",
        str(place / "key.pem"),
        None if unchecked else True,
    )


@pytest.mark.parametrize(
    "config",
    ["[]", '"x"', "null", '{"auths": ["x"]}', '{"auths": {"ghcr.io": "x"}}', '{"auths": {"ghcr.io": {"auth": 5}}}',
     '{"auths": {"ghcr.io": {"auth": "%%%"}}}', '{"proxies": []}', '{"proxies": {"default": "x"}}'],
)  # fmt: skip
def test_a_configuration_that_the_sdk_falls_over_is_named_with_what_mends_it(home, config):
    write(home, config)
    with pytest.raises(NoEngine) as caught:
        sdk.connect(endpoint.Endpoint("tcp://127.0.0.1:9", "a test"), lambda: 3.0, "1.41")
    assert (caught.value.code, caught.value.exit_code) == ("docker-config-unusable", 3)
    assert str(home / ".docker/config.json") in caught.value.message
    assert f"mv {shlex.quote(f'{home}/.docker/config.json')}" in str(caught.value.fix)


@pytest.mark.parametrize("config", ["{}", None, '{"auths": {"ghcr.io": {}}}', '{"auths": []}', "no JSON"])
def test_one_that_the_docker_command_goes_on_with_is_no_error(home, config):
    write(home, config)
    sdk.connect(endpoint.Endpoint("tcp://127.0.0.1:9", "a test"), lambda: 3.0, "1.41").close()
