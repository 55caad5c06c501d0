"""The real `planoai` command line, up to the moment where it would launch Plano; that is written down instead.

Run by planoai's own Python: `$PLANOAI recorder.py up --docker config.yaml`. Everything is planoai's code, its
validation, rendering and substitution included. Replaced are only: the binaries that it would download (empty files
in its cache below HOME), the two processes that it would start, `docker`, and the health check, which in truth
answers 200 whether Plano lives or not. What the container would do with its configuration (`config/supervisord.conf`
in Plano's source: render it, then `envsubst` with the container's environment) is done here, with planoai's renderer.

The variable PLANO_RECORD names the JSON file that is written when Plano would have been launched, and only then:

    mode               "native" or "docker"
    argv               the command that starts Plano: brightstaff, or `docker run`
    commands           every command that was launched, in order
    asked              the URLs whose answer planoai takes for a Plano that runs
    environment        what Plano gets: brightstaff's environment, or what `-e` gives to the container
    connection_string  that of `state_storage` as Plano reads it in the end; null where there is none
    access_keys        {provider: key} as Plano reads them in the end
    unreadable         why the substituted configuration is no YAML; null where it is
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pwd
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# Above the largest number that a process can have, so that a later `planoai down` meets nobody.
NO_PROCESS = 2**22 + 1
VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")

commands: list[list[str]] = []
asked: list[str] = []
record: dict[str, object] = {}


def main() -> None:
    home, file = Path.home(), os.environ.get("PLANO_RECORD")
    if not file:
        sys.exit("recorder: PLANO_RECORD must name the file to write")
    if home.resolve() == Path(pwd.getpwuid(os.getuid()).pw_dir).resolve():
        sys.exit("recorder: HOME must be a temporary directory, since planoai writes below it")
    Path(file).unlink(missing_ok=True)
    tempfile.tempdir = str(home)  # planoai leaves copies of configurations behind

    from planoai import core, docker_cli, native_runner
    from planoai import main as planoai_main

    fill_cache()
    native_runner._daemon_exec = launch_native
    docker_cli.subprocess = Docker()
    core.subprocess = docker_cli.subprocess
    native_runner.health_check_endpoint = core.health_check_endpoint = healthy
    planoai_main.get_latest_version = lambda *_: None
    try:
        planoai_main.main(prog_name="planoai")
    finally:
        if record:
            Path(file).write_text(json.dumps({**record, "commands": commands, "asked": asked}, indent=2))


def fill_cache() -> None:
    """Put empty files where planoai keeps what it has downloaded."""
    import planoai
    from planoai import consts

    for directory, version_file, version, names in (
        (consts.PLANO_BIN_DIR, "envoy.version", consts.ENVOY_VERSION, ["envoy"]),
        (consts.PLANO_BIN_DIR, "brightstaff.version", planoai.__version__, ["brightstaff"]),
        (consts.PLANO_PLUGINS_DIR, "wasm.version", planoai.__version__, ["prompt_gateway.wasm", "llm_gateway.wasm"]),
    ):
        Path(directory).mkdir(parents=True, exist_ok=True)
        Path(directory, version_file).write_text(version)
        for name in names:
            Path(directory, name).touch(mode=0o755)


def healthy(url) -> bool:
    """Stand in for `planoai.docker_cli.health_check_endpoint`."""
    asked.append(url)
    return True


def launch_native(argv, environment, _log) -> int:
    """Stand in for `planoai.native_runner._daemon_exec`."""
    commands.append(argv)
    if Path(argv[0]).name == "brightstaff":
        rendered = Path(environment["PLANO_CONFIG_PATH_RENDERED"]).read_text()  # planoai has substituted already
        note("native", argv, environment, rendered)
    return NO_PROCESS


class Docker:
    """Stand in for the `subprocess` module where planoai calls `docker` through it."""

    PIPE, CalledProcessError = subprocess.PIPE, subprocess.CalledProcessError

    def __init__(self) -> None:
        self.running = False

    def run(self, argv, **_options):
        if argv[0] != "docker":
            raise AssertionError(f"planoai runs {argv[0]}, which nobody replaces here")
        commands.append(argv)
        code, out, error = 0, "", ""
        if argv[1] == "inspect":
            code, out = (0, json.dumps([{"State": {"Status": "running"}}])) if self.running else (1, "[]")
        elif argv[1] == "run" and "--entrypoint" in argv:
            code, out, error, _ = in_container(argv)
        elif argv[1] == "run":
            self.running = True
            code, out, error, rendered = in_container(argv)
            if code == 0:
                environment = environment_of(argv)
                note("docker", argv, environment, envsubst(rendered, environment))
        elif argv[1] in {"stop", "rm"}:
            self.running = False
        return subprocess.CompletedProcess(argv, code, out, error)


def environment_of(argv) -> dict[str, str]:
    given = [argv[i + 1] for i, part in enumerate(argv[:-1]) if part == "-e"]
    return dict(pair.split("=", 1) for pair in given)


def in_container(argv):
    """Return (exit code, output, errors, rendered file) of planoai's renderer on what is mounted."""
    from planoai import config_generator, native_runner

    mounted = next(part for part in argv if part.endswith(":/app/plano_config.yaml:ro"))
    data, before = native_runner._find_config_dir(), dict(os.environ)
    with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(io.StringIO()) as out:
        rendered = Path(directory, "plano_config_rendered.yaml")
        try:
            os.environ.clear()
            os.environ.update(environment_of(argv))
            os.environ.update(
                PLANO_CONFIG_FILE=mounted.removesuffix(":/app/plano_config.yaml:ro"),
                PLANO_CONFIG_SCHEMA_FILE=os.path.join(data, "plano_config_schema.yaml"),
                TEMPLATE_ROOT=data,
                PLANO_CONFIG_FILE_RENDERED=str(rendered),
                ENVOY_CONFIG_FILE_RENDERED=os.path.join(directory, "envoy.yaml"),
            )
            config_generator.validate_and_render_schema()
        except SystemExit as end:
            return end.code, out.getvalue(), "", ""
        except Exception as error:  # the process in the container would end with this
            return 1, out.getvalue(), str(error), ""
        finally:
            os.environ.clear()
            os.environ.update(before)
        return 0, out.getvalue(), "", rendered.read_text()


def envsubst(text: str, environment) -> str:
    """Do what GNU envsubst does: `$NAME` and `${NAME}` alone, and nothing for a name that is not set."""
    return VARIABLE.sub(lambda found: environment.get(found[1] or found[2], ""), text)


def note(mode, argv, environment, rendered) -> None:
    import yaml

    content, unreadable = {}, None
    try:
        content = yaml.safe_load(rendered)
    except yaml.YAMLError as error:
        unreadable = str(error)
    providers = content.get("model_providers") or []
    record.update(
        mode=mode,
        argv=argv,
        environment=environment,
        connection_string=(content.get("state_storage") or {}).get("connection_string"),
        access_keys={entry["name"]: entry["access_key"] for entry in providers if "access_key" in entry},
        unreadable=unreadable,
    )


if __name__ == "__main__":
    main()
