"""A configuration is judged before anything is created, by every command alike, and mended by its fix."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys

import pytest

from planodev.plano import config_file
from planodev.problems import BadInput
from tests.support import left_over
from tests.support.engine_project import OnEngine
from tests.support.ports import free_port, free_ports
from tests.support.requirements import planoai_python, require_engine
from tests.support.rules import BAD, MENDED, STARTS, mended
from tests.support.terminal import on_terminal
from tests.support.tiers import first_of_each, slow_but

pytestmark = pytest.mark.embedded

KEYS = {"ANTHROPIC_API_KEY": "sk-ant-1", "MISTRAL_API_KEY": "m-12345", "OPENAI_API_KEY": "sk-openai-1"}
OK = (BAD / "ok.yaml").read_text()
# One of each kind for `make test`: what planoai alone can say, what is fatal in one line, and what starts.
SAMPLE = {"agent-no-desc", "listeners-null", "ok"}
STRING = "postgresql://${DB_USER}:${DB_PASS}@${DB_HOST}:${DB_PORT}/${DB_NAME}"


@pytest.fixture(scope="module")
def running(request):
    """Return a project whose database runs, for a whole module."""
    require_engine("embedded")
    base = left_over.make()
    made = OnEngine(base / "shop", base, "embedded")
    made.environment |= {"PLANODEV_PORT": str(free_ports()), "HOME": str(base), **KEYS}
    if os.environ.get("PLANOAI") or os.environ.get("CI"):
        made.environment |= asking(base, request.getfixturevalue("quick_python"))
    made.write("config.yaml", OK)
    made("up", "--save-keys")
    yield made
    left_over.remove(base)


def asking(base, python):
    """Return the environment in which planoai is on the PATH, as a wrapper that runs the real one."""
    (base / "bin").mkdir(exist_ok=True)
    program = base / "bin/planoai"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(python)} -m planoai.main "$@"\n')
    program.chmod(0o755)
    return {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture
def ready(running):
    files = {path: path.read_bytes() for path in running.path.iterdir() if path.is_file()}
    yield running
    for path in [path for path in running.path.iterdir() if path.is_file() and path not in files]:
        path.unlink()
    for path, content in files.items():
        path.write_bytes(content)


@pytest.fixture
def fresh(running, tmp_path):
    """Return a project that has nothing but what a test writes; all projects have one engine."""
    made = OnEngine(running.base / f"fresh-{tmp_path.name}", running.base, "embedded")
    made.environment = {**running.environment, "PLANODEV_PORT": str(free_port())}
    yield made
    made("down", "--delete-data", "--yes", code=None)


def codes(done):
    found = [warning["code"] for warning in done.json["warnings"]]
    return [*([done.error] if done.json["error"] else []), *found]


def check(project):
    (found,) = (one for one in project("doctor", "--json", code=None).json["data"]["checks"] if one["name"] == "config")
    first = re.search(r"\[([a-z-]+)\]$", found["message"])
    return [first and first[1], *(other["code"] for other in found["others"])], found["state"]


def everything(project):
    places = (project.base / "data").glob("planodev/postgres/*")
    return sorted(path.name for path in project.path.iterdir()), sorted(places)


@pytest.mark.parametrize("name", slow_but(SAMPLE, sorted(path.stem for path in BAD.glob("*.yaml"))))
def test_every_command_tells_it_and_up_creates_nothing(ready, fresh, name):
    text = (BAD / f"{name}.yaml").read_text()
    code = MENDED[name][0] if name in MENDED else None
    if name in STARTS:
        code = None if name in ("ok", "port-12000") else "provider-keeps-history"
    fatal = name not in STARTS
    for project, commands in (
        (fresh, [["up"]] if fatal else [["up", "--dry-run", "--save-keys"]]),
        (ready, [["up"], ["up", "--dry-run"], ["verify"]]),
    ):
        port = project.environment["PLANODEV_PORT"]
        project.write("config.yaml", re.sub(r"\bport: 5432\b", f"port: {port}", text))
        before = everything(project)
        for command in commands:
            done = project(*command, "--json", code=7 if fatal else 0)
            told = codes(done)
            assert told[0] == code if fatal else code in told if code else told == [], (command, done.out)
        assert everything(project) == before
    told, state = check(ready)
    assert (told[0], state) == ((code, "failed" if fatal else "warning") if code else (None, "ok"))


def test_status_tells_it_too(ready):
    ready.write("config.yaml", (BAD / "two-defaults.yaml").read_text())
    assert codes(ready("status", "--json")) == ["two-defaults", "key-not-in-env-file"]


@pytest.mark.parametrize("name", slow_but(SAMPLE - set(STARTS), sorted(MENDED)))
def test_the_fix_mends_it(ready, name):
    ready.write("config.yaml", mended(name))
    done = ready("up", "--json")
    assert not {"planoai-refuses", "config-value"} & set(codes(done))


# text, what is told
CHANGES = {
    "none": (OK[: OK.index("state_storage")], "config-without-storage"),
    "memory": (OK.replace("type: postgres", "type: memory"), "config-without-storage"),
    "brackets": (
        OK.replace(STRING, "postgresql://[USER]:$DB_PASSWORD@[HOST]:5432/postgres"),
        "connection-string-placeholder",
    ),
    "example.com": (
        OK.replace(STRING, "postgresql://myuser:$DB_PASSWORD@db.example.com:5432/postgres"),
        "connection-string-placeholder",
    ),
    "words": (OK.replace(STRING, "postgresql://user:password@host:5432/database"), "connection-string-placeholder"),
}


class TestAChangeIsAskedForFirst:
    @pytest.mark.parametrize("name", slow_but(list(CHANGES)[:2], CHANGES))
    def test_nothing_is_created_until_somebody_agrees(self, fresh, name):
        text, code = CHANGES[name]
        fresh.write("config.yaml", text)
        before = everything(fresh)
        failed = fresh("up", "--json", code=7)
        assert (failed.error, "up --yes`" in failed.json["error"]["fix"]) == (code, True)
        dry = fresh("up", "--dry-run", "--json")
        assert code in codes(dry)
        assert (everything(fresh), (fresh.path / "config.yaml").read_text()) == (before, text)
        screen_code, screen = on_terminal(fresh, "up", answers=[("Change `config.yaml` like this?", "n\n")])
        assert (screen_code, everything(fresh)) == (7, before), screen
        fresh("up", "--yes", "--save-keys")
        assert f'connection_string: "{STRING}"' in (fresh.path / "config.yaml").read_text()
        assert fresh("verify", "--json").json["ok"]

    def test_a_number_for_the_port_is_that_of_a_new_database_and_replaced_where_it_is_taken(self, fresh):
        del fresh.environment["PLANODEV_PORT"]
        port = free_port()
        text = OK.replace("${DB_PORT}", str(port))
        fresh.write("config.yaml", text)
        fresh("up", "--save-keys")
        assert (fresh.env["DB_PORT"], (fresh.path / "config.yaml").read_text()) == (str(port), text)
        fresh("down", "--keep-data")
        fresh.change(".env", "^DB_PORT=.*", f"DB_PORT={free_port()}")
        assert fresh("up", "--json", code=7).error == "connection-string-port"
        assert "connection-string-port" in codes(fresh("up", "--dry-run", "--json"))
        fresh("up", "--yes")
        assert (fresh.path / "config.yaml").read_text() == OK
        fresh("verify")

    def test_a_number_for_a_port_that_is_taken_is_told_by_a_dry_run_too(self, fresh):
        del fresh.environment["PLANODEV_PORT"]
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            fresh.write("config.yaml", OK.replace("${DB_PORT}", str(other.getsockname()[1])))
            planned = fresh("up", "--dry-run", "--json", "--save-keys")
            assert codes(planned) == ["port-moved", "connection-string-port"]
            assert fresh("up", "--json", "--save-keys", code=7).error == "connection-string-port"
            assert not (fresh.path / ".env").exists()
            done = fresh("up", "--dry-run")
            assert (STRING in done.err, "config.yaml: would be updated" in done.err) == (True, True)
            fresh("up", "--yes", "--save-keys")
        assert (fresh.path / "config.yaml").read_text() == OK

    def test_a_password_with_an_at_sign_is_named_and_not_shown(self, fresh):
        fresh.write("config.yaml", OK.replace(STRING, "postgresql://me:s3c@ret@db.internal:5432/x"))
        before = everything(fresh)
        failed = fresh("up", "--json", code=7)
        assert (failed.error, everything(fresh)) == ("connection-string-at-sign", before)
        assert "s3c" not in failed.out + failed.err
        assert "ret@" not in failed.out + failed.err


class TestStoringAll:
    TEXT = OK.replace("anthropic/claude-sonnet-4-6", "openai/gpt-4o").replace("ANTHROPIC", "OPENAI")
    AFTER = TEXT.replace(
        "openai/gpt-4o,", 'openai-chat/gpt-4o, base_url: "https://api.openai.com/v1", provider_interface: "mistral",'
    )

    def test_the_fix_of_the_warning_makes_plano_store(self, fresh):
        fresh.write("config.yaml", self.TEXT)
        warned = fresh("up", "--save-keys", "--json")
        assert codes(warned) == ["provider-keeps-history"]
        said = fresh("up")
        assert "of this configuration's models it stores none" in said.out
        fix = warned.json["warnings"][0]["fix"]
        assert "`model: openai-chat/gpt-4o`" in fix
        run_fix(fresh, re.search(r"`(planodev [^`]*)`", fix)[1])
        assert (fresh.path / "config.yaml").read_text() == self.AFTER
        assert codes(fresh("up", "--json")) == []

    def test_it_is_asked_for_and_nothing_happens_without(self, fresh):
        fresh.write("config.yaml", self.TEXT)
        before = everything(fresh)
        failed = fresh("up", "--store-all", "--json", code=2)
        assert (failed.error, everything(fresh)) == ("change-not-confirmed", before)
        assert failed.json["error"]["fix"].endswith("up --store-all --yes`")
        assert (fresh.path / "config.yaml").read_text() == self.TEXT
        answers = [("Change `config.yaml` like this?", "y\n"), ("[Y/n]", "n\n")]
        fresh("up", "--store-all", "--dry-run")
        code, screen = on_terminal(fresh, "up", "--store-all", "--no-save-keys", answers=answers[:1])
        assert (code, (fresh.path / "config.yaml").read_text()) == (0, self.AFTER), screen


class TestFirstConfiguration:
    @pytest.mark.parametrize(
        ("key", "model"),
        first_of_each(
            lambda row: row[0] is None,
            [
                ("OPENAI_API_KEY", "openai-chat/gpt-4o"),
                ("GROK_API_KEY", "xai-chat/grok-4.3"),
                ("GROQ_API_KEY", "groq-chat/llama-3.3-70b-versatile"),
                ("AI_GATEWAY_API_KEY", "vercel-chat/anthropic/claude-sonnet-4.6"),
                ("OPENROUTER_API_KEY", "openrouter/anthropic/claude-sonnet-4.6"),
                (None, "anthropic/claude-sonnet-4-6"),
            ],
        ),
    )
    def test_it_stores_whatever_key_is_there(self, fresh, key, model):
        for name in KEYS:
            del fresh.environment[name]
        given = {key: "k-12345"} if key else {}
        done = fresh("up", "--save-keys", "--json", **given)
        assert f"model: {model}\n" in (fresh.path / "config.yaml").read_text()
        assert codes(done) == ([] if key else ["key-not-in-env-file"])
        assert key is None or fresh.env[key] == "k-12345"

    def test_a_dry_run_tells_the_keys_that_will_be_missing(self, fresh):
        del fresh.environment["ANTHROPIC_API_KEY"]
        assert codes(fresh("up", "--dry-run", "--model", "anthropic/c", "--json")) == codes(
            fresh("up", "--model", "anthropic/c", "--json")
        )

    def test_a_port_of_plano_is_refused_for_the_database(self, fresh):
        before = everything(fresh)
        for port in ("12000", "9091", "8000"):
            refused = fresh("up", "--port", port, "--json", code=2).json["error"]
            assert refused["code"] == "port-of-plano"
            fresh("up", "--dry-run", "--port", re.search(r"--port (\d+)", refused["fix"])[1])
        assert everything(fresh) == before


OTHERS = {
    "LiteLLM": "model_list:\n  - model_name: gpt-4o\nlitellm_settings: {drop_params: true}\n",
    "Hugo": 'baseURL: "https://example.org/"\nlanguageCode: en-us\ntitle: Mine\n',
    "a training run": "learning_rate: 0.001\nbatch_size: 32\nmodel: bert\n",
    "another program": "version: v1\nagents: [{name: bot, model: gpt-4}]\ntools: []\n",
}


EMPTY = ["# later\n\n  # much later\n", "", "{}\n", "\ufeff# a\n", "---\n# a\n", "---\n# a\n...\n"]


class TestFilesThatAreNotWhatTheySeem:
    @pytest.mark.parametrize(
        ("more", "fix"),
        [
            ("\tx: 1\n", "replace the tab with spaces in line"),
            ("version: v0.4.0\n", "remove one of the two"),
            ("---\nx: 1\n", "one document"),
        ],
    )
    def test_what_is_no_yaml_says_what_to_do_about_its_line(self, tmp_path, more, fix):
        (tmp_path / "config.yaml").write_text(OK + more)
        with pytest.raises(BadInput) as error:
            _ = config_file.load(tmp_path / "config.yaml").content
        assert fix in str(error.value.fix)

    @pytest.mark.parametrize("text", slow_but(EMPTY[:1], EMPTY))
    def test_an_empty_one_is_filled_below_its_comments(self, fresh, text):
        fresh.write("config.yaml", text)
        before = everything(fresh)
        for command in (["up"], ["verify"]):
            failed = fresh(*command, "--json", code=2)
            assert (failed.error, "up --yes`" in failed.json["error"]["fix"]) == ("config-empty", True)
        assert "config-empty" in codes(fresh("up", "--dry-run", "--json"))
        assert check(fresh)[0] == ["config-empty"]
        assert everything(fresh) == before
        fresh("up", "--yes", "--save-keys")
        after = (fresh.path / "config.yaml").read_text()
        comments = re.findall(r".*#.*", text)
        assert [line for line in after.splitlines() if line in comments] == comments
        assert "state_storage:" in after
        fresh("verify")

    @pytest.mark.parametrize("tool", slow_but(list(OTHERS)[:1], OTHERS))
    def test_another_program_s_is_named_and_left_alone(self, fresh, tool):
        fresh.write("config.yaml", OTHERS[tool])
        for command in (["up", "--yes"], ["up", "--dry-run"], ["verify"]):
            failed = fresh(*command, "--json", code=2).json["error"]
            assert (failed["code"], tool in failed["message"]) == ("config-of-another-tool", True)
        assert check(fresh)[0] == ["config-of-another-tool"]
        run_fix(fresh, re.search(r"`(planodev [^`]*)`", failed["fix"])[1])
        assert (fresh.path / "config.yaml").read_text() == OTHERS[tool]
        done = fresh("up", "--config", "plano.yaml", "--save-keys")
        assert "up --with-plano --config plano.yaml" in done.out

    @pytest.mark.parametrize("name", ["arch_config.yaml", pytest.param("config.yml", marks=pytest.mark.slow)])
    def test_a_name_that_planoai_does_not_read_is_noticed_and_can_be_used(self, fresh, name):
        fresh.write(name, OK.replace("v0.4.0", "v0.3.0"))
        dry = fresh("up", "--dry-run", "--json")
        assert "old-config-name" in codes(dry)
        (notice,) = (one for one in dry.json["warnings"] if one["code"] == "old-config-name")
        run_fix(fresh, re.search(r"`(planodev [^`]*)`", notice["fix"])[1])
        assert not (fresh.path / "config.yaml").exists()

    def test_the_second_name_beside_a_configuration_is_repeated_in_fixes(self, fresh):
        fresh.write("config.yaml", OTHERS["Hugo"])
        fresh.write("plano_config.yaml", OK.replace("type: postgres", "type: memory"))
        fix = fresh("up", "--config", "plano_config.yaml", "--json", code=7).json["error"]["fix"]
        assert "up --config plano_config.yaml --yes`" in fix


def run_fix(project, command, said="k-typed\n"):
    """Run a command of a fix as a shell would, with what it reads; returns what it exits with."""
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{project.environment['PATH']}"
    environment = {**project.environment, "PATH": path}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=project.path,
        env=environment,
        input=said.encode(),
        capture_output=True,
        check=False,
    )
    return done.returncode


def test_six_missing_keys_take_one_line(fresh):
    models = ("gemini/g", "mistral/m", "deepseek/d", "zhipu/z", "moonshotai/k", "xiaomi/x")
    for name in KEYS:
        del fresh.environment[name]
    done = fresh("up", *(part for model in models for part in ("--model", model)))
    told = [line for line in done.err.splitlines() if "[key-not-in-env-file]" in line]
    first = [line for line in done.out.splitlines() if line.startswith("First: ")]
    assert (len(told), len(first)) == (1, 1)
    assert told[0].startswith("! 6 provider keys are not set")
    command = re.search(r"`([^`]*)`", first[0])[1]
    assert all(name in command for name in ("GEMINI_API_KEY", "MISTRAL_API_KEY", "MIMO_API_KEY"))
    assert run_fix(fresh, command, said="".join(f"k-{number}-1\n" for number in range(6))) == 0
    assert codes(fresh("up", "--json")) == []
    assert fresh.env["ZHIPU_API_KEY"] == "k-3-1"


class TestPlanoaiIsAsked:
    @pytest.fixture
    def counted(self, ready):
        """Have a planoai whose Python counts how often it is started."""
        place = ready.base / "counted"
        place.mkdir(exist_ok=True)
        (place / "python3").write_text(
            f'#!/bin/sh\n[ "$1" != -c ] || echo x >> {place}/starts\nexec {planoai_python()} "$@"\n'
        )
        (place / "planoai").write_text(f"#!{place}/python3\n")
        for name in ("python3", "planoai"):
            (place / name).chmod(0o755)
        (place / "starts").write_text("")
        return {"PATH": f"{place}{os.pathsep}{os.environ['PATH']}"}, place / "starts"

    def test_once_for_each_text_and_never_in_the_user_s_home(self, ready, counted):
        environment, starts = counted
        ready.write("config.yaml", OK + "# one more\n")
        for command in ("verify", "up", "doctor", "verify", "up"):
            ready(command, code=None, **environment)
        assert starts.read_text() == "x\n"
        ready.write("config.yaml", OK + "# and another\n")
        ready("verify", **environment)
        assert starts.read_text() == "x\nx\n"
        assert not (ready.base / ".plano").exists()

    def test_once_for_each_text_that_it_refuses_and_again_for_another_value_that_it_reads(self, ready, counted):
        environment, starts = counted
        secret = "access_key: sk-s3cret-two"
        ready.write("config.yaml", OK.replace("access_key: $ANTHROPIC_API_KEY", f"{secret}, colour: red"))
        told = [ready(command, "--json", code=None, **environment) for command in ("verify", "verify", "status")]
        found = [one for done in told for one in problems_of(done) if one["code"] == "planoai-refuses"]
        assert [(one["message"], one["fix"]) for one in found] == [(found[0]["message"], found[0]["fix"])] * 3
        assert starts.read_text() == "x\n"
        (note,) = [path for path in ready.base.rglob("accepted/*") if "colour" in path.read_text()]
        assert "s3cret" not in note.read_text()
        ready.write("config.yaml", OK + "tracing: {opentracing_grpc_endpoint: $COLLECTOR}\n")
        for collector, code in (("http://h", 0), ("https://h", 7), ("https://h", 7), ("http://h", 0)):
            ready("verify", code=code, COLLECTOR=collector, **environment)
        assert starts.read_text() == "x\n" * 4

    def test_a_refusal_has_the_line_and_no_value(self, ready, counted):
        environment, _ = counted
        text = OK.replace("default: true", "default: true, colour: s3cret-one, base_ur: s3cret-three").replace(
            "$ANTHROPIC_API_KEY", "sk-s3cret-two"
        )
        ready.write("config.yaml", text)
        failed = ready("verify", "--json", code=7, **environment)
        assert failed.error == "planoai-refuses"
        assert "(line 5)" in failed.json["error"]["message"]
        fix = failed.json["error"]["fix"]  # of both, since planoai names both
        assert ("write `base_url` in line 5" in fix, "remove `colour` from line 5" in fix) == (True, True)
        assert "s3cret" not in failed.out + failed.err

    @pytest.mark.parametrize(
        "program",
        [None, "#!/bin/sh\nexit 1\n", "#!/nowhere/python3\n", f"#!{sys.executable}\n", "\0\x01"],
        ids=["none", "shell", "nowhere", "without-planoai", "binary"],
    )
    def test_one_that_cannot_be_asked_is_no_error_and_unknown_keys_are_a_warning(self, ready, tmp_path, program):
        (tmp_path / "bin").mkdir()
        if program:
            (tmp_path / "bin/planoai").write_text(program)
            (tmp_path / "bin/planoai").chmod(0o755)
        path = {"PATH": f"{tmp_path}/bin{os.pathsep}/usr/bin{os.pathsep}/bin"}
        ready.write("config.yaml", OK + "colour: red\nlistenerz: []\n")
        done = ready("verify", "--json", **path)
        found = [one for one in done.json["warnings"] if one["code"] == "config-key-unknown"]
        assert [("colour" in one["message"], "(line 9)" in one["message"]) for one in found[:1]] == [(True, True)]
        assert "`listeners`" in found[1]["fix"]


@pytest.mark.slow
def test_no_fix_ends_in_the_problem_that_it_is_for(ready):
    """Each problem that a configuration can have: its fix is run in the state that gave it."""
    for name, text in circular_cases(ready.environment["PLANODEV_PORT"]).items():
        ready.write("config.yaml", text)
        before = {one["code"]: one["fix"] for one in problems(ready)}
        for code, fix in before.items():
            for command in re.findall(r"`(planodev [^`]*)`", fix or ""):
                if re.search(r" (verify|run)\b", command):
                    continue  # which look, and say the same again by their nature
                ready.write("config.yaml", text)
                run_fix(ready, command)
                left = [one["code"] for one in problems(ready)]
                assert code not in left, (name, code, command)
            assert re.search(
                r"`planodev |write|remove|add|name|move|correct|call|put|send|percent-encode|start it", fix
            ), fix
    ready("up", "--port", ready.environment["PLANODEV_PORT"], code=None)


LINES = ["", "NAME=", "NAME=<your key>", "export NAME=k-1", "NAME='k-1'", "NAME=k-1 # mine"]


@pytest.mark.parametrize("line", slow_but(("NAME=<your key>", "export NAME=k-1"), LINES))
@pytest.mark.parametrize("there", slow_but([True], [True, False]))
def test_no_fix_of_a_key_ends_in_the_problem_that_it_is_for(ready, line, there):
    name = "ANTHROPIC_API_KEY"
    ready.change(".env", f"^{name}=.*", line.replace("NAME", name))
    variables = {name: "sk-ant-2" if there else ""}
    (found,) = ready("up", "--json", "--no-save-keys", **variables).json["warnings"]
    commands = re.findall(r"`(planodev [^`]*)`", found["fix"])
    if not commands:
        assert found["fix"].startswith(f"write {name}=") or "its own line" in found["fix"]
        ready.change(".env", f"^.*{name}=.*", f"{name}=k-1")
    for command in commands:
        ready.environment |= variables
        assert run_fix(ready, command) == 0
    assert codes(ready("up", "--json", **variables)) == []


def problems(project):
    return problems_of(project("verify", "--json", code=None))


def problems_of(done):
    return [*([done.json["error"]] if done.json["error"] else []), *done.json["warnings"]]


def circular_cases(port):
    kept = "state_storage: &kept\n  type: memory\nrouting:\n  session_cache: *kept\n"
    return {
        "no storage": OK[: OK.index("state_storage")],
        "memory": OK.replace("type: postgres", "type: memory"),
        "shared by an anchor": OK[: OK.index("state_storage")] + kept,
        "shared in flow": OK[: OK.index("state_storage")]
        + "routing: {session_cache: &k {type: memory}}\nstate_storage: *k\n",
        "placeholder": OK.replace(STRING, "postgresql://user:password@host:5432/database"),
        "port": OK.replace("${DB_PORT}", "1"),
        "empty": "# nothing\n",
        "unstored": OK.replace("anthropic/claude-sonnet-4-6", "openai/gpt-4o"),
        "wildcard": OK.replace("anthropic/claude-sonnet-4-6", "openai/*").replace(", default: true", ""),
        "groq": OK.replace("anthropic/claude-sonnet-4-6", "groq/l"),
        "default": OK.replace("state_storage", "  - {model: mistral/m}\nstate_storage").replace("anthropic/", "xai/"),
        "an anchor among models": OK.replace(
            "  - {model: anthropic/claude-sonnet-4-6, access_key: $ANTHROPIC_API_KEY, default: true}",
            "  - &one {model: openai/gpt-4o, access_key: $OPENAI_API_KEY}\n  - <<: *one\n    model: xai/g",
        ),
        "database's port": OK.replace("12000", port),
    }


def test_a_port_that_the_database_has_is_told_with_both_ways_out(ready):
    port = int(ready.environment["PLANODEV_PORT"])
    ready.write("config.yaml", OK.replace("12000", str(port)))
    failed = ready("verify", "--json", code=7).json["error"]
    assert (failed["code"], f"--port {port + 1}`" in failed["fix"]) == ("port-of-database", True)
