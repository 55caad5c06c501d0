"""Which server Plano asks for a model: of two behind one cluster of Envoy, and of one without an address of IPv4."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planodev.plano import config_file, judge, models, servers
from tests.support.by_the_words import follow
from tests.support.real_planoai import RENDER, Helper
from tests.support.rules import BASE, with_model

FIRST = "model: my/a, base_url: 'http://localhost:8001/v1', provider_interface: mistral"


def judged(text, tmp_path, mode="native"):
    (tmp_path / "config.yaml").write_text(text)
    return judge.judge_config(config_file.load(tmp_path / "config.yaml"), None, mode)


def with_models(*entries):
    """Return a configuration with these models behind its default one; a default of their own takes its place."""
    text = BASE.replace(", default: true", "") if any("default" in entry for entry in entries) else BASE
    lines = "".join(f"  - {{{entry}}}\n" for entry in entries)
    return text.replace("state_storage", f"{lines}state_storage")


# The second of two models, and what its fix says, natively and in Docker.
MERGED = [
    (
        "model: my/b, base_url: 'http://localhost:8002/v1', provider_interface: mistral",
        "write `127.0.0.1` for the host `localhost` in line 7",
        "`provider_interface: deepseek` in line 7",
    ),
    (
        "model: my/b, base_url: 'https://localhost:8001/v1', provider_interface: mistral",
        "write `127.0.0.1` for the host `localhost` in line 7",
        "`provider_interface: deepseek` in line 7",
    ),
    (
        "model: my/b, base_url: 'http://localhost:8001/v1', provider_interface: mistral, http_host: other",
        "write `127.0.0.1` for the host `localhost` in line 7",
        "`provider_interface: deepseek` in line 7",
    ),
    (
        "model: mistral/b, base_url: 'http://localhost:8002/v1'",
        "write `127.0.0.1` for the host `localhost` in line 7",
        "`model: mistral-chat/b`, `provider_interface: deepseek` in line 7",
    ),
]


@pytest.mark.parametrize("mode", ["native", "docker"])
@pytest.mark.parametrize(("second", "native", "docker"), MERGED)
def test_a_model_that_is_asked_of_another_one_s_server_is_told(tmp_path, second, native, docker, mode):
    (found,) = judged(with_models(FIRST, second), tmp_path, mode)
    assert (found.code, found.level) == ("servers-merged", "warning")
    assert "(line 7) go to http://localhost:8001, the server of `my/a` (line 6)" in found.message
    assert (native if mode == "native" else docker) in str(found.fix)


def test_it_is_an_error_where_the_default_model_is_asked_elsewhere(tmp_path):
    second = "model: my/b, base_url: 'http://localhost:8002/v1', provider_interface: mistral, default: true"
    assert [(one.code, one.fatal) for one in judged(with_models(FIRST, second), tmp_path)] == [("servers-merged", True)]


@pytest.mark.parametrize("mode", ["native", "docker"])
@pytest.mark.parametrize("second", [entry for entry, *_ in MERGED if "my/" in entry])
def test_what_the_fix_says_keeps_them_apart(tmp_path, second, mode):
    text = with_models(FIRST, second)
    (found,) = judged(text, tmp_path, mode)
    assert found.code == "servers-merged"
    assert judged(follow(str(found.fix), found.message, text), tmp_path, mode) == []


def test_a_third_server_of_one_host_gets_an_interface_and_a_fourth_another_name(tmp_path):
    known = [
        FIRST.replace("my/a", f"my/{at}").replace("8001", str(8001 + at)).replace("mistral", interface)
        for at, interface in enumerate(("mistral", "deepseek", "xiaomi", "mistral"))
    ]
    (found,) = judged(with_models(*known), tmp_path, "docker")
    assert "another host name" in str(found.fix)


@pytest.mark.parametrize(
    "second",
    [
        "model: my/b, base_url: 'http://localhost:8001/v2', provider_interface: mistral",
        "model: my/b, base_url: 'http://localhost:8002/v1', provider_interface: deepseek",
        "model: my/b, base_url: 'http://127.0.0.1:8002/v1', provider_interface: mistral",
        "model: ollama/b, base_url: 'http://localhost:8002'",
        "model: mistral/b",
    ],
)
def test_nothing_is_told_of_servers_that_are_told_apart(tmp_path, second):
    assert judged(with_models(FIRST, second), tmp_path) == []


def test_in_docker_this_machine_has_one_name_more(tmp_path):
    second = "model: my/b, base_url: 'http://host.docker.internal:8002/v1', provider_interface: mistral"
    assert judged(with_models(FIRST, second), tmp_path) == []
    assert [one.code for one in judged(with_models(FIRST, second), tmp_path, "docker")] == ["servers-merged"]


@pytest.mark.planoai
def test_planoai_writes_the_first_server_of_a_cluster(tmp_path):
    text = with_models(FIRST, *(entry.replace("/b", f"/b{at}") for at, (entry, *_) in enumerate(MERGED)))
    (tmp_path / "config.yaml").write_text(text)
    process = Helper(RENDER, tmp_path)
    why, rendered = process(str(tmp_path / "config.yaml"))
    process.close()
    assert why is None
    written_for_envoy = json.loads(Path(rendered).read_text())["static_resources"]["clusters"]
    clusters = {one["name"]: json.dumps(one) for one in written_for_envoy}
    found = models.of(config_file.load(tmp_path / "config.yaml").content)
    for model in found[1:]:
        cluster, server = models.server_of(model)
        first = next(one for one in found if models.server_of(one) and models.server_of(one)[0] == cluster)
        written = clusters[f"{cluster.interface}_{cluster.host}"]
        assert f'"port_value": {models.server_of(first)[1].port}' in written
        assert ("sni" in written) == (models.server_of(first)[1].scheme == "https")
        assert (model in [other for _, other in models.merged(found)]) == (server != models.server_of(first)[1])


# A line of a configuration, and what the fix writes there.
IPV6 = [
    ("model: ollama/x, base_url: 'http://[::1]:8000'", "write `127.0.0.1` for the host `[::1]` in line 6"),
    ("model: ollama/x, base_url: 'http://u:p@[::1]:8000/v1'", "write `127.0.0.1` for the host `[::1]` in line 6"),
    (
        "model: ollama/x, base_url: 'http://[::ffff:10.1.2.3]:8000'",
        "`10.1.2.3` for the host `[::ffff:10.1.2.3]` in line 6",
    ),
    ("model: ollama/x, base_url: 'http://[fd00::5]/v1'", "a name or an IPv4 address of that server in line 6"),
    ("model: ollama/x, base_url: 'http://[fe80::5%25eth0]:80'", "a name or an IPv4 address of that server in line 6"),
]


@pytest.mark.parametrize(("entry", "fix"), IPV6)
def test_a_model_at_an_address_of_ipv6_is_told(tmp_path, entry, fix):
    (found,) = judged(with_model(entry), tmp_path)
    assert (found.code, found.level) == ("ipv6-unreached", "warning")
    assert fix in str(found.fix)
    (fatal,) = judged(with_models(f"{entry}, default: true"), tmp_path)
    assert fatal.fatal
    assert "u:p" not in str(found.fix)
    if "for the host" in str(found.fix):
        assert judged(follow(str(found.fix), found.message, with_model(entry)), tmp_path) == []


def test_an_agent_at_an_address_of_ipv6_is_told(tmp_path):
    (found,) = judged(BASE + "agents: [{id: x, url: 'http://[::1]:1'}]\n", tmp_path)
    assert (found.code, found.level) == ("ipv6-unreached", "warning")
    assert "`url` (line 7)" in found.message


# What the hosts file has for the name, and what leads to the same server.
NAMED = [
    ("::1 localhost", "localhost", "write `127.0.0.1` for the host `localhost` in line 6"),
    ("fe80::1%lo0 localhost\n::1 localhost", "localhost", "write a name or an IPv4 address of that server in line 6"),
    ("fd00::5 gpu-box", "gpu-box", "write a name or an IPv4 address of that server in line 6"),
    ("::1 one two", "two", "write `127.0.0.1` for the host `two` in line 6"),
    ("::ffff:10.1.2.3 mapped", "mapped", "write `10.1.2.3` for the host `mapped` in line 6"),
]


@pytest.mark.parametrize(("lines", "name", "fix"), NAMED)
def test_the_fix_leads_to_the_server_that_the_name_has(tmp_path, monkeypatch, lines, name, fix):
    hosts = tmp_path / "hosts"
    hosts.write_text(f"{lines}\n")
    monkeypatch.setattr(servers, "_HOSTS", hosts)
    text = with_model(f"model: ollama/x, base_url: 'http://{name}:8000'")
    (found,) = judged(text, tmp_path)
    assert (found.code, fix in str(found.fix)) == ("ipv6-unreached", True)
    if "for the host" in fix:
        assert judged(follow(str(found.fix), found.message, text), tmp_path) == []


def test_a_name_that_has_an_address_of_ipv6_alone_is_told_where_plano_runs_on_this_machine(tmp_path, monkeypatch):
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost both\n::1 localhost six.local both # no\n#127.0.0.1 six.local\n")
    monkeypatch.setattr(servers, "_HOSTS", hosts)
    for name, codes in (("six.local", ["ipv6-unreached"]), ("both", []), ("localhost", []), ("elsewhere", [])):
        text = with_model(f"model: ollama/x, base_url: 'http://{name}:8000'")
        assert [one.code for one in judged(text, tmp_path)] == codes, name
        assert judged(text, tmp_path, "docker") == []
