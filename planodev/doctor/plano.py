"""Plano itself: whether it can be started here, and whether one runs that lost its database."""

from __future__ import annotations

import platform
import re
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from planodev import executables
from planodev.plano import access_keys, planoai
from planodev.problems import BadInput, Command, Fix
from planodev.result import Check
from planodev.steps import plano_running

if TYPE_CHECKING:
    from planodev.doctor.subject import Subject
    from planodev.plano.config_file import ConfigFile

# What planoai has native binaries for; source: planoai 0.4.39 `native_binaries.py:21-43`.
NATIVE = {("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")}
MODEL_PORT = 12000
PATIENCE = 3.0  # seconds


def installed(subject: Subject) -> Check:
    """Whether planoai is installed, which version, and whether it can run Plano as this project wants it."""
    program = executables.find("planoai", subject.environment)
    if program is None:
        return Check("planoai", "warning", "planoai is not on the PATH", fix="`pip install planoai`")
    try:
        said = subprocess.run(
            [program, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
            timeout=7,
            stdin=subprocess.DEVNULL,
            cwd=Path(program).parent,
            env=executables.without_python(subject.environment),
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return Check(
            "planoai", "failed", f"cannot run {program}", str(error), "`pip install --force-reinstall planoai`"
        )
    found = re.search(r"\d+\.\d+\.\d+\S*", said)
    version = found[0] if found else "of an unknown version"
    here = (platform.system().lower(), platform.machine().lower())
    native = subject.env().values.get("DB_HOST") in ("127.0.0.1", "localhost")
    if native and here not in NATIVE:
        why = f"it has native programs for {', '.join('/'.join(pair) for pair in sorted(NATIVE))}, not {'/'.join(here)}"
        fix = Fix(Command("up", "--plano", "docker"))
        return Check("planoai", "failed", f"{version} cannot run Plano natively here", why, fix)
    place = f"runs Plano natively ({'/'.join(here)})" if native else "runs Plano in Docker"
    tested = "" if version == planoai.CHECKED else f"; planodev was tested with {planoai.CHECKED}"
    return Check("planoai", "ok", f"{version}, {place}{tested}")


def running(subject: Subject) -> Check:
    """Whether a Plano runs, by its models and not by `/healthz`, and whether Postgres was restarted since."""
    port = _model_port(subject.config())
    status = _models(port)
    found = plano_running.find(subject.seen())
    if not found and status is None:
        return Check("plano", "ok", f"not running (port {port})")
    where = found[0].where if found else f"port {port}"
    if found and (status is None or status >= 500):  # noqa: PLR2004
        why = f"GET :{port}/v1/models returns {status or 'nothing'}, although its gateway may report that it is healthy"
        log = "; its log is ~/.plano/run/logs/brightstaff.log"
        fix = Fix(*found[0].restart.parts, log)
        return Check("plano", "failed", f"Plano is running, but does not work ({where})", why, fix)
    facts = subject.evidence().facts
    outlived = next((one for one in found if facts and one.outlived(float(facts["server_started"]))), None)
    if outlived:
        notice = outlived.notice()
        return Check("plano", "failed", notice.message, fix=notice.fix)
    return Check("plano", "ok", f"running ({where}), and answers on port {port}")


def _models(port: int) -> int | None:
    try:
        # Only ever this machine, and only ever http.
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=PATIENCE) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return None


def _model_port(config: ConfigFile) -> int:
    try:
        content = config.content or {}
    except BadInput:  # which `config` tells
        return MODEL_PORT
    listeners = content.get("listeners")
    if isinstance(listeners, dict):
        found = [listeners.get("egress_traffic") or {}]
    else:
        found = [entry for entry in access_keys.entries(content, "listeners") if entry.get("type") == "model"]
    port = found[0].get("port") if found else None
    return port if isinstance(port, int) else MODEL_PORT
