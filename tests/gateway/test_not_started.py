"""What planoai and Docker say where Plano is not started, and what Plano says when it dies: each with its own fix."""

from __future__ import annotations

import sys

import pytest

from planodev.gateway import ended, not_started
from planodev.gateway.found import Found
from planodev.plano import planoai
from planodev.problems import Command, Fix, Problem, Shell

URL = "  URL: https://github.com/tetratelabs/archive-envoy/releases/download/v1.37.8/envoy.tar.xz"
ADVICE = "Please check your internet connection and try again."


def failed(reason):
    return [f"Error downloading Envoy v1.37.8: <urlopen error {reason}>", URL, ADVICE]


def raised(function, error):
    line = f'  File "/x/planoai/native_binaries.py", line 99, in {function}'
    return ["Traceback (most recent call last):", line, "    _download_file(url, tmp_path)", error]


def docker(said):
    pulling = "Unable to find image 'katanemo/plano:0.4.39' locally"
    layers = [f"{number:012x}: Pulling fs layer" for number in range(30)]
    return [
        "✗ Validation failed",
        pulling,
        "0.4.39: Pulling from katanemo/plano",
        *layers,
        f"docker: {said}",
        "",
        "Run",
    ]


# what is said; of what, why, and what mends it
DOWNLOADS = [
    (failed("[Errno -3] Temporary failure in name resolution"), "Envoy v1.37.8", "name resolution", "HTTPS_PROXY=http"),
    (failed("[Errno 111] Connection refused"), "Envoy v1.37.8", "Connection refused", "HTTPS_PROXY=http"),
    (failed("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate"), "Envoy", "self-signed", "SSL_CERT_FILE"),
    (
        failed("Tunnel connection failed: 407 Proxy Authentication Required"),
        "Envoy",
        "407",
        "its login in `HTTPS_PROXY`",
    ),
    (["Error downloading x: HTTP Error 404: Not Found", URL], "x", "404", "planoai`, then"),
    (["Error downloading x: HTTP Error 503: Egress is over", URL], "x", "503", "wait until that server"),
    (raised("ensure_envoy_binary", "ConnectionResetError: [Errno 104] reset by peer"), "Envoy", "reset", "the network"),
    (raised("ensure_brightstaff_binary", "http.client.RemoteDisconnected: closed"), "brightstaff", "closed", "network"),
    (raised("ensure_wasm_plugins", "OSError: [Errno 28] No space left on device"), "filters", "No space", "free some"),
    (
        docker(
            'Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: '  # noqa: E501
            "no such host"
        ),
        "katanemo/plano:0.4.39",
        "registry-1.docker.io",
        "`docker pull katanemo/plano:0.4.39`",
    ),
    (docker("toomanyrequests: You have reached your pull rate limit"), "image", "limit", "docker login"),
    (
        docker("Error response from daemon: manifest for katanemo/plano:0.4.39 not found: manifest unknown"),
        "image",
        "manifest",
        "planoai` takes",
    ),
    (docker("failed to register layer: no space left on device"), "image", "no space", "free some space"),
]


@pytest.mark.parametrize(("lines", "what", "why", "fix"), DOWNLOADS)
def test_a_download_that_fails_is_told_with_its_host_and_its_remedy(lines, what, why, fix, tmp_path):
    (tmp_path / "planoai").write_text(f"#!{sys.executable}\n")
    (tmp_path / "planoai").chmod(0o755)
    problem = not_started.problem(lines, {"PATH": str(tmp_path)})
    assert (problem.code, problem.fatal) == ("plano-not-downloaded", True)
    assert what in problem.message
    assert why in problem.why
    assert fix in str(problem.fix)
    assert str(problem.fix).endswith(" then `planodev up --with-plano`")


def test_only_an_image_that_is_gone_asks_what_has_installed_planoai_and_its_command_stays_one(monkeypatch):
    asked = []
    newer = Shell("pip install --upgrade planoai")
    monkeypatch.setattr(planoai, "renewing", lambda environment: asked.append(environment) or newer)
    for said in ("toomanyrequests: rate limit", "denied", "no space left on device"):
        not_started.problem(docker(said), {})
    assert asked == []
    problem = not_started.problem(docker("manifest for katanemo/plano:0.4.39 not found: manifest unknown"), {})
    assert newer in problem.fix.parts


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["Plano CLI v0.4.39", "✗ Validation failed", "  a reason"],
        ["Traceback (most recent call last):", '  File "x.py", line 1, in main', "ValueError: no"],
        ["docker: Error response from daemon: Conflict. The container name is in use"],
    ],
)
def test_other_words_are_no_download(lines):
    assert not_started.problem(lines, {}) is None


def test_a_download_that_takes_too_long_gets_more_time_and_a_network():
    problem = not_started.late(["Envoy", "brightstaff"], 120, 3600)
    assert "still downloading Envoy and brightstaff after 120 seconds" in problem.message
    assert str(problem.fix).endswith("`planodev up --with-plano --plano-timeout 240` waits longer")


GONE = Found("native", "its processes have ended", brightstaff=False, envoy=True)
# the line of the log, and what the fix says
ENDS = [
    (
        'Error: "failed to create LlmProviders: There must be at most one default LLM Provider"',
        "correct in `config.yaml`",
    ),
    ('Error: "routing.session_cache.url is required"', "correct in `config.yaml` what that line names"),
    ("model_metrics_sources: only one cost metrics source is allowed", "correct in `config.yaml`"),
    ("invalid type: string, expected u16 at line 7", "correct in `config.yaml`"),
    ("error adding listener '0.0.0.0:8001': duplicate address", "correct in `config.yaml`"),
    ("cannot bind '0.0.0.0:12001': Address already in use", "stop what else listens on port 12001, then"),
    ("Bind for 0.0.0.0:12000 failed: port is already allocated", "stop what else listens on port 12000, then"),
    ('Os { code: 98, kind: AddrInUse, message: "Address already in use" }', "stop what else listens on that port"),
    ("Error: error connecting to server: Connection refused", "`planodev verify` says why"),
    ("thread 'main' panicked at src/x.rs:7: index out of bounds", "starts it again"),
    (None, "starts it again; should it end again, look into `~/.plano/run/logs/brightstaff.log`"),
]


@pytest.mark.parametrize(("why", "says"), ENDS)
def test_a_plano_that_died_is_started_again_only_where_nothing_else_is_wrong(why, says):
    fix = str(ended.mended(GONE, why, "config.yaml"))
    assert says in fix
    assert "`planodev up --with-plano`" in fix


@pytest.mark.parametrize(
    ("fix", "whole"),
    [
        ("remove it from line 3", "first fix `config.yaml`: remove it from line 3, then `planodev up --with-plano`"),
        (
            Fix(Command("up", "--yes"), " adds it"),
            "first fix `config.yaml`: `planodev up --yes` adds it; then `planodev up --with-plano`",
        ),
    ],
)
def test_one_whose_configuration_is_known_to_be_wrong_gets_that_fix(fix, whole):
    wrong = [Problem("x", "a warning", "do not"), Problem("y", "an error", fix, level="error")]
    assert str(ended.mended(GONE, "killed", "config.yaml", wrong)) == whole


def test_an_address_that_cannot_be_read_ends_in_no_other_error():
    told = not_started.problem(["see https://[bad", *raised("ensure_envoy", "OSError: no answer")], {})
    assert told.code == "plano-not-downloaded"
