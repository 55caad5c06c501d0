"""The walk-through of examples/support-agent, command by command, on other ports than those that it names."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.waiting import until

pytestmark = pytest.mark.embedded

EXAMPLE = Path(__file__).parents[2] / "examples/support-agent"
BLOCKS = re.findall(r"(?ms)^```sh\n(.*?)^```", (EXAMPLE / "README.md").read_text())


@pytest.fixture
def shell(gateway):
    """Return a function that runs what is pasted into a shell in the project."""
    ports = {port: str(free_port()) for port in ("12000", "8000", "10510")}
    (gateway.machine.home.parent / "programs/planodev").write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m planodev "$@"\n'
    )
    (gateway.machine.home.parent / "programs/planodev").chmod(0o755)
    environment = {**gateway.environment, **gateway.machine.environment, "PORT": ports["10510"]}
    environment["PLANO"] = f"http://localhost:{ports['12000']}"
    started = []

    def run(text, *, stays=False):
        for port, free in ports.items():
            text = text.replace(f":{port}/", f":{free}/")
        if stays:
            command = ["bash", "-c", f"exec {text}"]
            started.append(subprocess.Popen(command, cwd=gateway.path, env=environment, stderr=subprocess.DEVNULL))
            return None
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=gateway.path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    (gateway.path / "agent.py").write_text((EXAMPLE / "agent.py").read_text())
    run("planodev up --model ollama/llama3.1")  # writes the configuration, which gets ports that are free
    for port, free in ports.items():
        gateway.change("config.yaml", rf"\b{port}\b", free)
    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_every_command_of_the_walk_through_runs_in_its_order(shell, gateway):
    with_key, without, first, second, agent, turns, down = BLOCKS
    assert with_key.strip() == "planodev up --with-plano --save-keys"
    shell(without)
    answer = json.loads(shell(first))
    assert "1234" in shell(second.replace('"ID"', f'"{answer["id"]}"'))
    assert gateway.status()["conversations"] == 2

    shell(agent.strip(), stays=True)
    ask, again, show = re.split(r"\n(?=curl|planodev)", turns.strip())
    until(lambda: "1234" in shell(ask.replace("curl -s", "curl -s --retry 9 --retry-all-errors")), "the agent listens")
    assert "3 messages" in shell(again)
    shown = shell(show)
    assert shown.index("My order 1234 has not arrived.") < shown.index("Which order was it?")
    shell(down)
    assert gateway.status()["state"] == "stopped"
    assert gateway.plano()["state"] == "not-running"
