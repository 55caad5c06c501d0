"""Plano itself: whether it can be started here, and whether one runs that lost its database."""

from __future__ import annotations

import platform
import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from planodev import executables
from planodev.doctor import files
from planodev.gateway import client
from planodev.gateway import running as running_plano
from planodev.plano import planoai
from planodev.postgres.connection import DOCKER_HOST_NAME
from planodev.problems import Command, Fix, PlanodevError
from planodev.project import env_keys
from planodev.result import Check

if TYPE_CHECKING:
    from planodev.doctor.subject import Subject
    from planodev.problems import Problem

# The systems for which planoai has native binaries; source: planoai 0.4.39 `native_binaries.py:21-43`.
NATIVE = {("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")}


def installed(subject: Subject) -> Check:
    """Whether planoai is installed, which version, and whether it can run Plano as this project wants it."""
    program = executables.find("planoai", subject.environment)
    if program is None:
        return Check("planoai", "warning", "planoai is not on the PATH", fix=Fix(planoai.installing()))
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
            # Otherwise it asks PyPI for a newer version, and waits where the network does not answer.
            env={**executables.without_python(subject.environment), "PLANO_SKIP_VERSION_CHECK": "1"},
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        fix = Fix(planoai.renewing(subject.environment, anew=True))
        return Check("planoai", "failed", f"cannot run {program}", str(error), fix)
    found = re.search(r"\d+\.\d+\.\d+\S*", said)
    version = found[0] if found else "of an unknown version"
    here = (platform.system().lower(), platform.machine().lower())
    host = subject.env().values.get(env_keys.HOST)
    native = host in ("127.0.0.1", "localhost")
    if native and here not in NATIVE:
        why = f"it has native programs for {', '.join('/'.join(pair) for pair in sorted(NATIVE))}, not {'/'.join(here)}"
        fix = Fix(Command("up", "--plano", "docker"))
        return Check("planoai", "failed", f"{version} cannot run Plano natively here", why, fix)
    place = f", runs Plano natively ({'/'.join(here)})" if native else ""
    if host == DOCKER_HOST_NAME:  # whether Docker answers is told by `engine`
        place = ", for `--plano docker`"
    tested = "" if version == planoai.CHECKED else f"; planodev was tested with {planoai.CHECKED}"
    return Check("planoai", "ok", f"{version}{place}{tested}")


def running(subject: Subject) -> Check:
    """Whether a Plano runs, by its models and not by `/healthz`, and whether it has its connection to the database."""
    seen, evidence = subject.seen(), None
    with suppress(PlanodevError):  # `login` reports it
        evidence = subject.evidence()
    plano = running_plano.look(seen, evidence)
    judged: list[Problem] = []
    with suppress(PlanodevError):  # `config` reports it
        judged = files.problems(subject) if plano.state == "died" else []
    problem = running_plano.problem(plano, seen.config, judged)
    if problem:
        state = "warning" if plano.state == "other-project" else "failed"
        return Check("plano", state, problem.message, problem.why, problem.fix)
    if plano.found is None:
        return Check("plano", "ok", f"not running (port {plano.port})")
    silence = client.silence(plano.port)
    if silence:
        text = f"Plano is running, but does not answer ({plano.found.where})"
        return Check("plano", "failed", text, silence, running_plano.restart(plano.found))
    return Check("plano", "ok", f"running ({plano.found.where}), connected, and answers on port {plano.port}")
